"""Whether each engine and method keeps `memory_limit`, by peak resident memory (Linux).

``python bench/memory.py [size ...]`` prints a table for images of ``size^3`` voxels (64 and 128 by
default), a batch of 6 in double precision, 100,000 points, and limits of 16 and 64 images. Each
entry runs in a process of its own and is the peak above the start over the limit, or, with a
star, over the least that the set-up of the Gram takes, where that is more than the limit. Inputs do
not count, such as the Jacobian of a Hessian, nor does what is still there with the result: data,
images, the parts of a Jacobian.
"""

import ctypes
import gc
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np

import nufftlib as nl

ENGINES = ("grid", "finufft", "direct")
POINTS, BATCH = 100_000, 6


class Arrays(NamedTuple):
    """Trajectory or direction, images and data."""

    k: Any
    x: Any
    y: Any


METHODS = {
    "apply": lambda F, a: F(a.x),
    "adjoint": lambda F, a: F.H(a.y),
    "vjp": lambda F, a: F.vjp("trajectory", a.x, a.y),
    "jvp": lambda F, a: F.jvp("trajectory", a.x, a.k),
    "linearize": lambda F, a: F.linearize(a.x, wrt="trajectory"),
    "derivative.adjoint": lambda F, a: F.derivative("trajectory", a.k).adjoint(a.y),
    "hessian": lambda J, a: J.hessian(a.y),
    "N": lambda F, a: F.N(a.x),
    "gram set-up": lambda F, _: F.gram(method="toeplitz").convolution,
    "gram": lambda C, a: C(a.x),
    "gram vjp": lambda F, a: F.gram(method="toeplitz").vjp("trajectory", a.x, a.x),
}

BEFORE = {
    "hessian": lambda F, a: F.linearize(a.x, wrt="trajectory")[1],
    "gram": lambda F, _: F.gram(method="toeplitz").convolution,
}
"""What is there before the start, and is measured in place of the NUFFT."""


def resident(key: str) -> float:
    """Return a figure of this process in MB: ``VmRSS`` now, ``VmHWM`` at most."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return int(next(line for line in status if line.startswith(key)).split()[1]) / 1024


def settled() -> float:
    """Return the resident memory in MB, of what is still referred to."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident("VmRSS")


def measure(size: int, engine: str, method: str, images: float, batch: int = BATCH) -> str:
    """Return the peak over the limit, and both in MB."""
    from nufftlib.nufft.gram import setup_bytes

    rng = np.random.default_rng(0)
    points = POINTS if engine != "direct" else POINTS // 100  # its time is points times voxels
    k = rng.uniform(-0.5, 0.5, (points, 3))
    run, before, small = METHODS[method], BEFORE.get(method, lambda F, _: F), (8, 8, 8)
    few = nl.NUFFT(k[:50], small, engine=engine, norm="ortho", memory_limit=10**5)
    z = np.ones((batch, *small), complex)
    arrays = Arrays(k[:50], z, few(z))
    run(before(few, arrays), arrays)  # compiles
    limit = int(images * size**3 * 16)
    F = nl.NUFFT(k, (size,) * 3, engine=engine, norm="ortho", memory_limit=limit)
    x = np.ones((batch, size, size, size), complex)
    y = np.ones((batch, points), complex)
    F(x[:1])  # sorts the points, which the operator keeps
    arrays = Arrays(k, x, y)
    operator = before(F, arrays)
    settled()
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as refs:
        refs.write("5")  # the peak begins anew
    start = resident("VmRSS")
    result = run(operator, arrays)
    peak, with_result = resident("VmHWM") - start, settled()
    del result
    kept = max(with_result - settled(), 0.0)
    extra = max(peak - kept, 0.0)
    least = setup_bytes(F) if method in ("gram set-up", "gram vjp") else 0
    star = "*" if least > limit else ""
    return f"{extra * 2**20 / max(limit, least):.2f}{star} ({extra:.0f} MB over {kept:.0f})"


if __name__ == "__main__":
    if len(sys.argv) > 2:
        size, engine, method, images = sys.argv[1:5]
        print(measure(int(size), engine, method, float(images)), flush=True)
    else:
        for size in map(int, sys.argv[1:] or (64, 128)):
            for images in (16, 64):
                print(f"{size}^3, limit {images} images, {images * size**3 * 16 / 2**20:.0f} MB")
                for method in METHODS:
                    row = []
                    for engine in ENGINES:
                        setting = [str(size), engine, method, str(images)]
                        done = subprocess.run(
                            [sys.executable, __file__, *setting], capture_output=True, text=True
                        )
                        row.append(done.stdout.strip() or done.stderr.strip().splitlines()[-1])
                    print(f"  {method:20}", *(f"{entry:26}" for entry in row), flush=True)
