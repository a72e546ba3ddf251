"""Time and memory of calibrating the PSF of a stack: ``python bench/stacks.py [matrix|job] ...``.

``matrix STACK PSF`` builds the matrix of the squared error alone, ``job STACK PSF PATH STEPS`` runs
`calibrate_psf`; sizes are as 64x256x256. Each is a process of its own: memory is its peak.
"""

import sys
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import workflows


def sizes(text):
    """Return sizes written as 64x256x256."""
    return tuple(map(int, text.split("x")))


def megabytes(name):
    """Return a number of this process that the kernel keeps."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(name))


def made(stack, psf):
    """Return a stack of noise, a Gaussian PSF, and the blurred stack with a little noise."""
    sharp = np.random.default_rng(0).random(sizes(stack), dtype=np.float32)
    h = nl.blur.gaussian_psf(sizes(psf), np.asarray(sizes(psf)) / 8)
    return sharp, h, nl.blur.gaussian_noise(nl.Blur(h, ndim=3)(sharp), 0.005, seed=0)


def measured(run):
    """Run, and print seconds, seconds of work on all cores, and memory."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far is forgotten
    before, start, work = megabytes("VmRSS"), time.perf_counter(), time.process_time()
    result = run()
    seconds, worked = time.perf_counter() - start, time.process_time() - work
    above = megabytes("VmHWM") - before
    print(f"| {seconds:.1f} s | {worked:.1f} s | {above:.0f} MB |", end=" ")
    return result


def matrix(stack, psf):
    """Build the matrix."""
    sharp, h, blurred = made(stack, psf)
    A = nl.Blur(h, ndim=3)
    measured(lambda: nl.blur.normal_equations(A, sharp, blurred))
    print()


def job(stack, psf, path, steps):
    """Calibrate."""
    sharp, h, blurred = made(stack, psf)
    settings = {"size": sizes(psf), "ndim": 3, "path": path, "steps": int(steps)}
    result = measured(lambda: workflows.calibrate_psf(sharp, blurred, **settings))
    each = result.seconds / len(result.losses)
    error = workflows.psf_error(result.psf, h)
    print(f"{result.path}: set-up {result.seconds_setup:.1f} s, a step {each:.4f} s, {error:.1e} |")


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    {"matrix": matrix, "job": job}[what](*arguments)
