"""What a record of speed measures, in a process for each tree: `record.py` starts it.

A measurement is a function from a row to its columns: name to a call that returns one figure,
milliseconds or megabytes. ``python record_works.py MEASUREMENT ROW`` makes them ready and prints
their names; then it answers each name on its input by a figure.
"""

import contextlib
import inspect
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Columns = dict[str, Callable[[], float]]

HERE = Path(__file__).parent
SIZES = {  # voxels along an axis, coils, shots
    "256^2, 6 coils, 8192 points": (256, 6, 32),
    "256^2, 6 coils, 32768 points": (256, 6, 128),
    "384^2, 16 coils, 49152 points": (384, 16, 128),
    "512^2, 32 coils, 65536 points": (512, 32, 128),
    "32^2, 2 coils, 128 points": (32, 2, 4),
}
*LARGE, TINY = SIZES
KINDS = {
    f"{maps}, {'constants' if constants else 'whole gradient'}": (maps, constants)
    for maps in ("ones", "estimated")
    for constants in (True, False)
}
"""The step's columns: kind of maps, and whether its gradient holds density and constants."""

README = ["learn-trajectory", "--out", "OUT"]  # its first command
FIRST_STEP = """
import os, sys
import optim
minimize = optim.minimize
def until_the_first_step(step, *arguments, **settings):
    def first(*where):
        step(*where)
        os.write(1, b"first step")
        os._exit(0)
    return minimize(first, *arguments, **settings)
optim.minimize = until_the_first_step
from nufftlib.cli import main
main()
"""

UNTIL_THE_FIRST_STEP = [sys.executable, "-P", "-c", FIRST_STEP]  # of the tree, wherever it runs


@dataclass(frozen=True)
class Measurement:
    """A function that makes its columns ready, and the rows that it is called with."""

    columns: Callable[[str], Columns]
    rows: list[str]
    tiny: list[str]
    """Rows that take seconds, for a test."""
    unit: str = "ms"


def clocked(call: Callable[[], object], times: int = 1) -> float:
    """Return the milliseconds of a call, the mean of several."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return 1e3 * (time.perf_counter() - start) / times


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """Return what times a call, which is made once before: it compiles, plans and fills caches."""
    call()
    return lambda: clocked(call)


class Job:
    """Job 1 at a size, in complex64 to 1e-4, with a trajectory that is new at each step."""

    def __init__(self, row: str) -> None:
        import nufftlib as nl
        from nufftlib import data

        self.voxels, self.coils, shots = SIZES[row]
        shape = (self.voxels, self.voxels)
        nearest = np.arange(self.voxels) * 256 // self.voxels
        self.image = np.ascontiguousarray(data.brain()[np.ix_(nearest, nearest)])
        angle = 2 * math.pi / shots * np.arange(shots)[:, None]
        # As `radial`, whose name has changed; not to the edge, so that all steps stay within.
        radius = np.linspace(0, 0.49, self.voxels if row != TINY else 32)
        spokes = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
        self.start = spokes.astype(np.float32)
        self.moved = np.random.default_rng(0).standard_normal(spokes.shape).astype(np.float32)
        self.turn = iter(range(1, 10**9))
        self.maps = nl.mri.birdcage_maps(self.coils, shape)
        self.nufft = nl.NUFFT(self.start, shape, eps=1e-4)

    def trajectory(self) -> np.ndarray:
        """Return one that was not there before."""
        return self.start + np.float32(1e-6 * (next(self.turn) % 1000)) * self.moved

    def step(self, maps: str, constants: bool) -> Callable[[], object] | None:
        """Return value and gradient of the loss; None where this tree has not such a gradient."""
        from nufftlib.workflows import TrajectoryObjective

        settings = {"constants": constants}
        if "constants" not in inspect.signature(TrajectoryObjective).parameters:
            if not constants:
                return None
            settings = {}
        objective = TrajectoryObjective(self.image, self.maps, self.nufft, maps, **settings)
        return lambda: objective.value_and_grad(self.trajectory())

    def density(self) -> object:
        """Return the weights that a step has."""
        from nufftlib.mri import pipe_menon

        F = self.nufft.replace(trajectory=self.trajectory())
        return pipe_menon(F, width=7, grid=F.shape, iterations=10)

    def transforms(self) -> Callable[[], object]:
        """Return one stack of FFTs of all coils, on a grid that is finer by 1.25."""
        from scipy import fft

        size = fft.next_fast_len(math.ceil(1.25 * self.voxels))
        z = np.ones((self.coils, size, size), np.complex64)
        settings = {"norm": "ortho", "workers": os.cpu_count(), "overwrite_x": True}
        return lambda: fft.fft2(z, **settings)

    def steps(self, kinds: dict[str, tuple[str, bool]]) -> dict[str, Callable[[], object]]:
        """Return the steps of these kinds that this tree has, by their columns."""
        found = {name: self.step(*kind) for name, kind in kinds.items()}
        return {name: step for name, step in found.items() if step is not None}


def steps(row: str) -> Columns:
    """Steps of job 1, and what they cannot do without."""
    job = Job(row)
    calls = {**job.steps(KINDS), "density": job.density, "FFTs": job.transforms()}
    return {name: timed(call) for name, call in calls.items()}


@contextlib.contextmanager
def busy(processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep that many other processes busy."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for _ in range(processes)]
    time.sleep(0.1 if processes else 0.0)
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def shared(row: str) -> Columns:
    """Steps of job 1 beside other busy processes, the mean of five."""

    def beside(call: Callable[[], object], processes: int) -> float:
        with busy(processes):
            return clocked(call, 5)

    calls = Job(row).steps({name: kind for name, kind in KINDS.items() if kind[1]})
    for call in calls.values():
        call()
    return {
        f"{name}, {processes} busy": lambda call=call, n=processes: beside(call, n)
        for name, call in calls.items()
        for processes in (0, 1, 2)
    }


def memory(row: str) -> Columns:
    """Megabytes at the peak of a step beyond those before it (Linux)."""
    from memory import resident, settled

    def peak(call: Callable[[], object]) -> float:
        before = settled()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        call()
        return resident("VmHWM") - before

    calls = Job(row).steps(KINDS)
    for call in calls.values():
        call()
    return {name: lambda call=call: peak(call) for name, call in calls.items()}


def engine(row: str) -> Columns:
    """The rows of the tree's own `engines.py`, our engine and finufft."""
    import engines

    calls = {side: engines.works(row, side) for side in ("grid", "finufft")}
    return {
        f"{work}, {side}": timed(call)
        for side, works in calls.items()
        for work, call in works.items()
    }


def first_call(_: str) -> Columns:
    """From the start of a process to the end of the first step of README's command."""
    kept = tempfile.TemporaryDirectory()
    # Python's own bytecode is there, as pip has left it.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": kept.name}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def call(cache: str) -> float:
        with tempfile.TemporaryDirectory() as out:
            command = [out if part == "OUT" else part for part in README]
            return clocked(
                lambda: subprocess.run(
                    [*UNTIL_THE_FIRST_STEP, *command],
                    env={**environment, "NUMBA_CACHE_DIR": cache},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=True,
                )
            )

    def fresh() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return call(cache)

    call(kept.name)
    return {"nothing compiled": fresh, "a later process": lambda: call(kept.name)}


def peers(_: str) -> Columns:
    """A step of job 1 as published, and ours, in the environment of `peers`."""
    import compare

    arrays = compare.in_fresh_process(compare.make_arrays)

    def step(side: compare.Side) -> float:
        run = compare.in_fresh_process(compare.warm_run, side, arrays, 10)
        return 1e3 * run.seconds / len(run.losses)

    sides = [side for job in compare.trajectory_jobs() for side in (job.ours, job.theirs)]
    return {str(side): lambda side=side: step(side) for side in sides}


ENGINE_ROWS = [
    "2D 256, 6 coils, 8192 radial, complex64, 1e-4",
    "2D 512, 1 coil, 200000, complex64, 1e-4",
    "3D 128, 4 coils, 1000000, complex64, 1e-4",
    "2D 256, 6 coils, 8192 radial, complex128, 1e-9",
]
MEASUREMENTS = {
    "step": Measurement(steps, LARGE, [TINY]),
    "beside busy processes": Measurement(shared, LARGE[:1], [TINY]),
    "peak memory": Measurement(memory, LARGE, [TINY], "MB"),
    "engines": Measurement(engine, ENGINE_ROWS, ENGINE_ROWS[:1]),
    "first call": Measurement(first_call, ["README's first command"], ["README's first command"]),
    "peers": Measurement(peers, ["the published example"], ["the published example"]),
}


def main() -> None:
    """Answer the names of columns on the input by figures, until it ends."""
    columns: Columns = {}
    answer = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        columns = MEASUREMENTS[sys.argv[1]].columns(sys.argv[2])
        print(json.dumps(list(columns)), file=answer)
    except Exception as error:  # an older tree may lack a part: it is told, and others go on
        print(json.dumps(f"{type(error).__name__}: {error}"), file=answer)
    for line in sys.stdin:
        print(columns[line.strip()](), file=answer)


if __name__ == "__main__":
    import nufftlib

    # The tree's own benchmarks come first, as they know its names.
    sys.path[:0] = [str(Path(nufftlib.__file__).parents[1] / "bench")]
    sys.path.append(str(HERE / "peers"))
    main()
