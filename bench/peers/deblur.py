"""Deblurring: ours with its own weights beside scikit-image with the best parameter in hindsight.

    bench/peers/.venv/bin/python bench/peers/deblur.py

Job 2's picture, blurred by motion, with two noises. Ours gets the true PSF and the calibrated one,
and nothing else. scikit-image gets the true PSF, the parameter of the highest PSNR, and the
picture as it is or continued by reflection, whichever is better: its boundary is periodic, or zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from skimage import restoration

import nufftlib as nl
from nufftlib import data, workflows

Array = Any
SIZE, FRAME = 25, 12
PADDING = 48


def timed(make: Callable[[], Array]) -> tuple[Array, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began


def padded(call: Callable[[Array], Array], y: Array) -> Array:
    """Return what a call gives for a picture that goes on by reflection, cut out again."""
    wide = np.pad(y, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)), mode="reflect")
    x = np.stack([call(channel) for channel in wide])
    return x[:, PADDING:-PADDING, PADDING:-PADDING]


def theirs(h: Array) -> dict[str, dict[str, Callable[[Array], Array]]]:
    """Return their calls on one channel, by method and parameter."""
    return {
        "wiener": {
            f"balance {b:.2g}": lambda y, b=b: restoration.wiener(y, h, b)
            for b in np.geomspace(1e-4, 3, 19)
        },
        "unsupervised_wiener": {
            "": lambda y: restoration.unsupervised_wiener(y, h, rng=0)[0],
        },
        "richardson_lucy": {
            f"{n} steps": lambda y, n=n: restoration.richardson_lucy(np.maximum(y, 0), h, n)
            for n in (3, 5, 8, 12, 18, 26, 38, 55, 80, 120)
        },
    }


def row(noise: float, method: str, psf: str, setting: str, decibels: float, s: float) -> None:
    print(f"| {noise} | {method} | {psf} | {setting} | {decibels:.2f} | {s:.1f} |", flush=True)


def rows(noise: float) -> None:
    """Print the rows of one noise."""
    x = data.astronaut()
    sharp = x[:, FRAME:-FRAME, FRAME:-FRAME]
    h, y = workflows.simulate_blur(x, size=SIZE, noise=noise, seed=0)

    def decibels(found: Array) -> float:
        return float(nl.psnr(np.asarray(found, np.float32), sharp, 1.0))

    row(noise, "blurred", "", "", decibels(y), 0.0)
    c = workflows.calibrate_psf(x, y, size=SIZE).psf
    for method in workflows.DEBLURRING:
        for name, psf in (("true", h), ("calibrated", c)):
            r, s = timed(lambda m=method, p=psf: workflows.deblur(y, p, method=m))
            setting = f"weight {r.weight:.2g}, {r.steps} steps"
            row(noise, f"ours, {method}", name, setting, decibels(r.picture), s)
    for method, calls in theirs(h).items():
        best: tuple[float, str, float] = -np.inf, "", 0.0
        for setting, call in calls.items():
            found, s = timed(lambda f=call: np.stack([f(channel) for channel in y]))
            best = max(best, (decibels(found), f"{setting}, as it is", s))
            found, s = timed(lambda f=call: padded(f, y))
            best = max(best, (decibels(found), f"{setting}, reflected", s))
        row(noise, f"scikit-image, {method}", "true", best[1].strip(", "), best[0], best[2])


def main() -> None:
    versions = ", ".join(f"{n} {version(n)}" for n in ("numpy", "scipy", "scikit-image"))
    print(f"{versions}\n\n| noise | method | PSF | parameter | PSNR, dB | seconds |")
    print("|---|---|---|---|---|---|")
    for noise in (0.005, 0.02):
        rows(noise)


if __name__ == "__main__":
    main()
