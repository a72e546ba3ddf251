"""What depends on the points: density weights, sorting, and lines beside finufft's.

    python bench/points.py [NAME ...] [--repeats N]

Each measurement is a function of no arguments that makes its arrays, and returns calls by name;
the least processor time of a call is printed, in ms, with the least time that has passed. The
calls of one measurement are taken in turn. Of two checkouts, run them in turn as well:
`PYTHONPATH` says which one.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import nufftlib as nl

Calls = dict[str, Callable[[], object]]


def density(size: int, shots: int, samples: int) -> Calls:
    """Job 1's density weights of spokes that are not quite straight, and their derivative."""
    rng = np.random.default_rng(0)
    k = nl.mri.trajectories.radial(shots, samples)
    k = (k + 1e-3 * rng.standard_normal(k.shape)).astype(np.float32)
    F = nl.NUFFT(k, (size, size), eps=1e-4)

    def weights() -> Any:
        moved = F.replace(trajectory=k)
        return nl.mri.PipeMenon(moved, width=7, grid=F.shape, iterations=10).linearize(k)

    w, _ = weights()
    return {"weights": weights, "weights and gradient": lambda: weights()[1].adjoint(w)}


def points(kind: str, count: int, ndim: int) -> Any:
    """Return points at random, or along spokes or spirals through the centre, single precision."""
    rng = np.random.default_rng(0)
    if kind == "random":
        return rng.uniform(-0.5, 0.5, (count, ndim)).astype(np.float32)
    if kind == "radial":
        direction = rng.standard_normal((count // 500, 1, ndim))
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        along = np.linspace(-0.5, 0.5, 500, endpoint=False)[:, None]
        return (direction * along).reshape(-1, ndim).astype(np.float32)
    t = np.linspace(0, 1, 5000)
    angle = 2 * np.pi * (20 * t + rng.uniform(size=(count // 5000, 1)))
    arms = 0.5 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return arms.reshape(-1, 2).astype(np.float32)


def sorting(shape: tuple[int, ...], count: int) -> Calls:
    """Return the first adjoint at new points beside one more, of which the rest is sorting."""
    calls: Calls = {}
    for kind in ("random", "radial", *(("spiral",) if len(shape) == 2 else ())):
        F = nl.NUFFT(points(kind, count, len(shape)), shape, eps=1e-4, engine="grid")
        y = np.ones(F.trajectory.shape[:-1], np.complex64)

        def first(F: nl.NUFFT = F, y: Any = y) -> object:
            return F.replace(trajectory=F.trajectory).adjoint(y)

        def again(F: nl.NUFFT = F, y: Any = y) -> object:
            return F.adjoint(y)

        calls |= {f"{kind}, first": first, f"{kind}, again": again}
    return calls


def line(voxels: int, count: int, dtype: str, eps: float) -> Calls:
    """Return transforms of one long line at new random points, by our engine and by finufft."""
    rng = np.random.default_rng(0)
    k = rng.uniform(-0.5, 0.5, (count, 1)).astype(dtype)
    x = (rng.standard_normal(voxels) + 1j).astype(np.result_type(dtype, np.complex64))
    calls: Calls = {}
    for engine in ("grid", "finufft"):
        F = nl.NUFFT(k, (voxels,), eps=eps, engine=engine)
        y = F(x)

        def value(F: nl.NUFFT = F) -> object:
            return F.replace(trajectory=k)(x)

        def adjoint(F: nl.NUFFT = F, y: Any = y) -> object:
            return F.replace(trajectory=k).adjoint(y)

        def gradient(F: nl.NUFFT = F, y: Any = y) -> object:
            return F.replace(trajectory=k).linearize(x, wrt="trajectory")[1].adjoint(y)

        calls |= {f"{engine}: value": value, f"{engine}: adjoint": adjoint}
        calls |= {f"{engine}: value + gradient": gradient}
    return calls


def crowd(count: int) -> dict[str, float]:
    """Return the relative errors of the adjoint of ones at equal points, single precision."""
    k = np.full((count, 2), 0.123, np.float32)
    n, ones = np.arange(256) - 128, np.ones(count, np.complex64)
    want = count * np.exp(2j * np.pi * float(k[0, 0]) * (n[:, None] + n))
    return {
        engine: float(
            np.linalg.norm(nl.NUFFT(k, (256, 256), eps=1e-4, engine=engine).H(ones) - want)
            / np.linalg.norm(want)
        )
        for engine in ("grid", "finufft")
    }


MEASUREMENTS: dict[str, Callable[[], Calls]] = {
    **{
        f"density {size}, {shots * samples} points": (
            lambda setting=(size, shots, samples): density(*setting)
        )
        for size, shots, samples in (
            (256, 16, 512), (256, 64, 512), (384, 96, 512), (512, 128, 512),
        )
    },
    **{
        f"sorting {len(shape)}D, {count}": lambda setting=(shape, count): sorting(*setting)
        for shape in ((100_000,), (512, 512), (128, 128, 128))
        for count in (100_000, 1_000_000, 10_000_000)
    },
    **{
        f"line {voxels}, {count}, {dtype}, {eps:g}": (
            lambda setting=(voxels, count, dtype, eps): line(*setting)
        )
        for voxels, count in ((20_000, 200_000), (100_000, 1_000_000), (1_000_000, 1_000_000))
        for dtype, eps in (("f4", 1e-2), ("f8", 1e-6))
    },
}  # fmt: skip


def measure(name: str, repeats: int) -> dict[str, tuple[float, float]]:
    """Return the least milliseconds of the processor, and those that passed, of each call."""
    calls = MEASUREMENTS[name]()
    least = {call: (float("inf"), float("inf")) for call in calls}
    for run in range(repeats + 1):
        for label, call in calls.items():
            cpu, wall = time.process_time(), time.perf_counter()
            call()
            taken = 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)
            if run:  # the first compiles
                least[label] = min(least[label][0], taken[0]), min(least[label][1], taken[1])
    return least


def main() -> None:
    """Print a line of JSON for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names; by default all")
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    for name in MEASUREMENTS:
        if not arguments.names or any(name.startswith(begin) for begin in arguments.names):
            print(json.dumps({name: measure(name, arguments.repeats)}), flush=True)
    if not arguments.names or "crowd" in arguments.names:
        print(json.dumps({"crowd of 2000000": crowd(2_000_000)}))


if __name__ == "__main__":
    main()
