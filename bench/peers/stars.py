"""The PSF of a field of stars: `calibrate_from_stars` beside photutils' `EPSFBuilder`.

    python bench/peers/stars.py [SEED ...]

Each field has 60 stars at random on 256 x 256 pixels, of a signal-to-noise ratio of 50 to 500,
uniform in its logarithm, and a background of 100 times the noise. The PSF is an elliptical Moffat
function, integrated over the pixels by quadrature. "error" is that of the PSF at 2 samples a
pixel, ``|h - t| / |t|`` with both of sum one; "shape" is the error after the best scaling and
shift.

"found" lets us search for the stars. "given" gives the true positions, to a quarter of a pixel, to
both. EPSFBuilder gets all stars with a whole cutout ("photutils"), and those alone that have no
neighbour within 10 pixels ("isolated"), with the background's median subtracted.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from nufftlib import workflows

Array = Any
NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(5))
WIDTHS, ANGLE, BETA = (2.6, 1.9), 0.5, 3.0


def moffat(y: Array, x: Array) -> Array:
    """Return the PSF at points, of integral one."""
    c, s = np.cos(ANGLE), np.sin(ANGLE)
    r2 = ((c * y + s * x) / WIDTHS[0]) ** 2 + ((c * x - s * y) / WIDTHS[1]) ** 2
    return (1 + r2) ** -BETA * (BETA - 1) / (np.pi * WIDTHS[0] * WIDTHS[1])


def pixels(y: Array, x: Array) -> Array:
    """Return the PSF integrated over the pixels with these middles."""
    nodes = [
        (a, b, u * v)
        for a, u in zip(NODES, WEIGHTS, strict=True)
        for b, v in zip(NODES, WEIGHTS, strict=True)
    ]
    total: Array = sum(w * moffat(y + a, x + b) for a, b, w in nodes)
    return total


def field(seed: int, count: int = 60, size: int = 256) -> tuple[Array, Array, Array]:
    """Return the picture, the positions and the fluxes."""
    rng, n = np.random.default_rng(seed), np.arange(float(size))
    p = rng.uniform(3, size - 4, (count, 2))
    q = np.arange(-20.0, 21.0)
    ratio = np.exp(rng.uniform(np.log(50), np.log(500), count))
    flux = ratio / np.linalg.norm(pixels(q[:, None], q))
    picture = 100 + rng.standard_normal((size, size))
    for (row, column), f in zip(p, flux, strict=True):
        picture += f * pixels(n[:, None] - row, n - column)
    return picture, p, flux


def photutils_psf(picture: Array, p: Array, size: int) -> Array:
    """Return the PSF of photutils on these stars."""
    from astropy.nddata import NDData
    from astropy.table import Table
    from photutils.psf import EPSFBuilder, extract_stars

    inside = np.all((p > size // 2 + 1) & (p < len(picture) - 2 - size // 2), axis=1)
    table = Table({"x": p[inside, 1], "y": p[inside, 0]})
    stars = extract_stars(NDData(picture - np.median(picture)), table, size=size)
    builder = EPSFBuilder(oversampling=2, maxiters=20, progress_bar=False)
    return np.asarray(builder(stars)[0].data)


def errors(psf: Array) -> tuple[float, float]:
    """Return the error of a PSF of sum one, and that after the best scaling and shift."""
    from scipy.optimize import minimize

    n0, n1 = psf.shape
    y, x = (np.arange(n0)[:, None] - n0 // 2) / 2, (np.arange(n1) - n1 // 2) / 2
    psf = psf / psf.sum()

    def aligned(shift: Array) -> float:
        t = pixels(y - shift[0], x - shift[1])
        return float(np.linalg.norm(psf * np.sum(psf * t) / np.sum(psf**2) - t) / np.linalg.norm(t))

    truth = pixels(y, x)
    truth /= truth.sum()
    error = float(np.linalg.norm(psf - truth) / np.linalg.norm(truth))
    return error, float(minimize(aligned, np.zeros(2), method="Nelder-Mead").fun)


def compare(seed: int, size: int = 21) -> None:
    """Print the rows of a field."""
    picture, p, _ = field(seed)
    near = p + np.random.default_rng(seed + 1).uniform(-0.25, 0.25, p.shape)
    apart = np.linalg.norm(p[:, None] - p, axis=-1) + 1e9 * np.eye(len(p))
    alone = near[apart.min(axis=1) > 10]
    ours = workflows.calibrate_from_stars
    rows: dict[str, Callable[[], Array]] = {
        "ours, found": lambda: ours(picture, size=size).psf,
        "ours, given": lambda: ours(picture, size=size, positions=near).psf,
        "photutils": lambda: photutils_psf(picture, near, size),
        "photutils, isolated": lambda: photutils_psf(picture, alone, size),
    }
    for name, call in rows.items():
        start = time.perf_counter()
        psf = call()
        seconds = time.perf_counter() - start
        error, shape = errors(psf)
        print(f"{seed:4} {name:20} {error:.4f} {shape:.4f} {seconds:6.1f}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print("seed                  error  shape  seconds")
    for each in [int(s) for s in sys.argv[1:]] or range(5):
        compare(each)
