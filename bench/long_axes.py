"""Time and memory of the grid engine's first call on long axes, each in a process of its own.

``python bench/long_axes.py [voxels ...]`` prints a line for each length of a one-dimensional
image in single precision: the first call with its set-up, a second one, and the peak of resident
memory above the start, which includes the grid and SciPy's FFT.
"""

import subprocess
import sys
import time

import numpy as np

import nufftlib as nl


def resident(key: str) -> float:
    """Return a figure of this process in MB: ``VmRSS`` now, ``VmHWM`` at most (Linux)."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return int(next(line for line in status if line.startswith(key)).split()[1]) / 1024


def measure(voxels: int) -> str:
    """Return the figures of one length."""
    k = np.linspace(-0.5, 0.5, 100, dtype=np.float32)[:, None]
    settings = {"engine": "grid", "eps": 1e-3}
    nl.NUFFT(k, (64,), **settings)(np.ones(64, np.complex64))  # compiles
    x = np.ones(voxels, np.complex64)
    before, times = resident("VmRSS"), [time.perf_counter()]
    F = nl.NUFFT(k, (voxels,), **settings)
    for _ in range(2):
        F(x)
        times.append(time.perf_counter())
    first, second = np.diff(times)
    grid = F.transform.engine.layout.cells * x.itemsize / 2**20
    peak = resident("VmHWM") - before
    return (
        f"{voxels:>10} voxels: first call {first:.2f} s, second {second:.2f} s, "
        f"grid {grid:.0f} MB, peak {peak:.0f} MB ({peak / grid:.1f} grids)"
    )


if __name__ == "__main__":
    lengths = sys.argv[1:] or ["100000", "1000000", "10000000"]
    if len(lengths) == 1:
        print(measure(int(lengths[0])))
    else:
        for length in lengths:
            subprocess.run([sys.executable, __file__, length], check=True)
