"""Time and peak memory where coils are: steps of job 1, and a volume beside finufft (Linux).

``python bench/coils.py`` prints a table; ``python bench/coils.py step 512 32 65536 ones`` and
``python bench/coils.py volume grid`` print one row. Each row runs in a process of its own, in
single precision with eps 1e-4. The time is the least of some; every step has a trajectory of its
own. The peak is that of resident memory above the inputs, which are there before, as everything
compiled is: it holds the spectra that are kept from step to step.

To compare two versions, run a row of each in turn, with ``PYTHONPATH`` at one and the other.
"""

import subprocess
import sys
import time
from typing import Any

import numpy as np
from memory import resident, settled

import nufftlib as nl
from nufftlib import workflows

STEPS = [(256, 6, 8192), (256, 6, 32768), (384, 16, 49152), (512, 32, 65536)]
MAPS = ("ones", "true", "estimated")
VOLUME = 192, 8, 2_000_000
ENGINES = ("grid", "finufft")


def objective(size: int, coils: int, points: int, maps: str) -> tuple[Any, Any]:
    """Return the objective of job 1, and its trajectory."""
    k = nl.mri.trajectories.radial(points // size, size, tilt="golden")
    image = np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]).astype(np.float32)
    s = nl.mri.birdcage_maps(coils, image.shape)
    F = nl.NUFFT(k, image.shape, eps=1e-4)
    return workflows.TrajectoryObjective(1.5 - image, s, F, maps), k


def residual(size: int, coils: int, points: int, engine: str) -> tuple[Any, Any]:
    """Return ``1/2 |F S x - y|^2`` of a volume with its gradient, and its trajectory."""
    rng, shape = np.random.default_rng(0), (size,) * 3
    k = rng.uniform(-0.5, 0.5, (points, 3)).astype(np.float32)
    x = np.ones(shape, np.complex64)
    s = np.empty((coils, *shape), np.complex64)
    s.real, s.imag = (rng.standard_normal(s.shape, np.float32) for _ in range(2))
    y = np.ones((coils, points), np.complex64)

    def value_and_grad(k: Any) -> tuple[Any, Any]:
        A = nl.NUFFT(k, shape, eps=1e-4, engine=engine) @ nl.Sense(s)
        r, J = A.linearize(x, wrt="trajectory")
        r -= y
        return 0.5 * nl.inner(r, r), J.adjoint(r)

    return value_and_grad, k


def measure(small: tuple[Any, Any], large: tuple[Any, Any], count: int) -> str:
    """Return the least time of some evaluations, their peak memory, and the value of the first."""
    f, k = small
    for _ in range(2):
        f(k)  # compiles
    f, k = large
    start = settled()
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as refs:
        refs.write("5")  # the peak begins anew
    times, values = [], []
    for i in range(count):
        moved = k + np.float32(1e-5 * i)
        begin = time.perf_counter()
        values.append(float(f(moved)[0]))
        times.append(time.perf_counter() - begin)
    peak = resident("VmHWM") - start
    return f"{1e3 * min(times):8.1f} ms {peak:7.0f} MB   value {values[0]:.6g}"


def row(kind: str, *setting: str) -> str:
    """Return a row of the table."""
    if kind == "step":
        numbers, maps = tuple(map(int, setting[:3])), setting[3]
        (f, k), (g, q) = objective(*numbers, maps), objective(32, numbers[1], 1024, maps)
        return measure((g.value_and_grad, q), (f.value_and_grad, k), 8)
    size, coils, points = VOLUME
    return measure(residual(24, coils, 5000, *setting), residual(size, coils, points, *setting), 3)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(row(*sys.argv[1:]), flush=True)
    else:
        steps = [("step", *map(str, each), maps) for each in STEPS for maps in MAPS]
        for setting in [*steps, *(("volume", engine) for engine in ENGINES)]:
            done = subprocess.run(
                [sys.executable, __file__, *setting], capture_output=True, text=True, check=False
            )
            print(f"{' '.join(setting):32}", done.stdout.strip() or done.stderr.strip()[-200:])
