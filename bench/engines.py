"""Our engine against finufft at its best: time, in turn on the same arrays, and peak memory.

    python bench/engines.py [ROW ...] [--repeats N]

finufft's time is the better of its own choice of oversampling and of 1.25; plans are made
beforehand, and all derivatives go as one stack. "fresh" transforms a new image; "fixed"
keeps the image and changes the trajectory, as learning does.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import nufftlib as nl
from nufftlib.nufft.engines import finufft
from nufftlib.nufft.engines.finufft import FinufftEngine

ROWS: dict[str, tuple[tuple[int, ...], int, int, str, float]] = {
    "2D 256, 6 coils, 8192 radial, complex64, 1e-4": ((256, 256), 6, 8192, "f4", 1e-4),
    "2D 512, 1 coil, 200000, complex64, 1e-4": ((512, 512), 1, 200_000, "f4", 1e-4),
    "3D 128, 4 coils, 1000000, complex64, 1e-4": ((128, 128, 128), 4, 1_000_000, "f4", 1e-4),
    "2D 256, 6 coils, 8192 radial, complex128, 1e-9": ((256, 256), 6, 8192, "f8", 1e-9),
}
WORKS = ("value", "adjoint", "fresh", "fixed")
SIDES = ("grid", "finufft", "finufft 1.25")


class Finufft125(FinufftEngine):
    """finufft with an oversampling of 1.25, whatever it would choose."""

    def _plan(self, n_trans: int, dtype: np.dtype[Any], nthreads: int) -> finufft.SharedPlan:
        return finufft.shared_plan(
            self.shape, dtype, self.eps, n_trans, nthreads=nthreads, upsampfac=1.25
        )


def arrays(shape: tuple[int, ...], coils: int, samples: int, dtype: str) -> tuple[Any, Any]:
    """Return a trajectory along spokes through the centre, and noise as images."""
    rng = np.random.default_rng(0)
    if samples == 8192:
        k = nl.mri.trajectories.radial(32, 256, dtype=np.dtype(dtype)).reshape(-1, 2)
    else:
        along = np.linspace(-0.5, 0.5, 500, endpoint=False)[:, None]
        spokes = rng.standard_normal((samples // 500, 1, len(shape)))
        spokes /= np.linalg.norm(spokes, axis=-1, keepdims=True)
        k = (spokes * along).reshape(-1, len(shape)).astype(dtype)
    x = rng.standard_normal((coils, *shape)) + 1j * rng.standard_normal((coils, *shape))
    return k, x.astype(np.result_type(dtype, np.complex64))


def works(row: str, side: str) -> dict[str, Callable[[], object]]:
    """Return what is timed, made ready."""
    shape, coils, samples, dtype, eps = ROWS[row]
    k, x = arrays(shape, coils, samples, dtype)
    F = nl.NUFFT(k, shape, eps=eps, engine=side.split()[0])
    if side == "finufft 1.25":
        engine = Finufft125(F.transform.engine.xp, shape, k.dtype, eps, F.memory_limit)
        object.__setattr__(F, "transform", replace(F.transform, engine=engine))
    y = F(x)
    fixed = F.as_map("trajectory", x)
    moved = [np.asarray(k + 1e-4 * i, k.dtype) for i in range(3)]
    turn = iter(range(10**9))

    def fresh() -> object:
        _, J = F.linearize(x, wrt="trajectory")
        return J.adjoint(y)

    def step() -> object:
        G = F.replace(trajectory=moved[next(turn) % 3])
        _, J = fixed.images.linearize(G.transform.points)
        return J.adjoint(y)

    def value() -> object:
        return F(x)

    def adjoint() -> object:
        return F.adjoint(y)

    return {"value": value, "adjoint": adjoint, "fresh": fresh, "fixed": step}


def clocked(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def times(row: str, repeats: int) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of each work and side, taken in turn."""
    sides = {side: works(row, side) for side in SIDES}
    result: dict[str, dict[str, float]] = {}
    for work in WORKS:
        calls = {side: sides[side][work] for side in SIDES}
        taken: dict[str, list[float]] = {side: [] for side in SIDES}
        for call in calls.values():
            call()
        for _ in range(repeats):
            for side, call in calls.items():
                taken[side].append(clocked(call))
        result[work] = {side: statistics.median(values) for side, values in taken.items()}
    return result


def status(name: str) -> int:
    """Return a figure of this process in bytes, as Linux gives it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise OSError(name)


def peak(row: str, side: str, work: str, answer: Any) -> None:
    """Send the bytes in use at the peak of one call beyond those before, images not counted."""
    call = works(row, side)[work]
    call()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    answer.put(status("VmHWM") - before)


def peaks(row: str) -> dict[str, dict[str, int]]:
    """Return the peak memory of each work and side, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    result: dict[str, dict[str, int]] = {}
    for work in WORKS:
        result[work] = {}
        for side in SIDES[:2]:
            answer = context.Queue()
            process = context.Process(target=peak, args=(row, side, work, answer))
            process.start()
            result[work][side] = answer.get()
            process.join()
    return result


def floor(row: str) -> str:
    """Return flops and bytes of a value: an FFT oversampled by 1.25, each number moved once."""
    shape, coils, samples, dtype, _ = ROWS[row]
    grid = math.prod(math.ceil(1.25 * n) for n in shape)
    size = 2 * np.dtype(dtype).itemsize
    flops = coils * 5 * grid * math.log2(grid)
    moved = coils * size * (math.prod(shape) + 3 * grid + samples)
    return f"{flops / 1e6:.0f} Mflop, {moved / 1e6:.0f} MB"


def main() -> None:
    """Print one table for each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", default=list(ROWS), help="beginnings of rows")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    for row in ROWS:
        if not any(row.startswith(begin) for begin in arguments.rows):
            continue
        print(f"\n{row} (floor of a value: {floor(row)})\n")
        print("| work | grid ms | finufft ms | at 1.25 | ratio | grid MB | finufft MB | ratio |")
        print("|---|---|---|---|---|---|---|---|")
        memory = peaks(row)
        for work, by_side in times(row, arguments.repeats).items():
            ours, *theirs = (by_side[side] for side in SIDES)
            mine, their = (memory[work][side] / 1e6 for side in SIDES[:2])
            print(
                f"| {work} | {ours:.2f} | {theirs[0]:.2f} | {theirs[1]:.2f} "
                f"| {min(theirs) / ours:.2f} | {mine:.0f} | {their:.0f} "
                f"| {mine / max(their, 1e-9):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
