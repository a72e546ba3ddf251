"""Eight motion PSFs, four photographs and 1 % noise: the setting of Levin et al. (2009).

Their kernels and images are not free to pass on. The sizes here are theirs, the motions are the
first eight seeds of `motion_psf`, and the photographs are the middles of four that come with
scikit-image. All were chosen before the first result was known.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage, signal
from skimage import data

import nufftlib as nl
from nufftlib import workflows

Array = Any
PICTURES = ("camera", "astronaut", "coffee", "chelsea")
SIZES = (19, 17, 15, 27, 13, 21, 23, 23)
SIDE = 255  # of a blurred picture
NOISE = 0.01
LUMA = 0.2125, 0.7154, 0.0721
FRAME = 15  # not compared
REACH = 7  # pixels of a shift


class Case(NamedTuple):
    """A sharp picture with the margin that the blurred one sees, the PSF, and the blurred one."""

    sharp: Array
    psf: Array
    blurred: Array


@cache
def grey(picture: str) -> Array:
    """Return a photograph in grey, from 0 to 1."""
    values = np.asarray(getattr(data, picture)(), np.float64) / 255
    return values if values.ndim == 2 else values @ np.asarray(LUMA)


def case_of(picture: str, seed: int) -> Case:
    """Return a case."""
    psf = nl.blur.motion_psf(SIZES[seed], seed=seed, dtype=np.float64)
    whole, side = grey(picture), SIDE + SIZES[seed] - 1
    row, column = ((n - side) // 2 for n in whole.shape)
    sharp = whole[row : row + side, column : column + side]
    blurred = nl.blur.gaussian_noise(nl.Blur(psf)(sharp), NOISE, seed=100 + seed)
    return Case(sharp, psf, blurred)


def restored(case: Case, psf: Array) -> Array:
    """Return the picture that `deblur` finds with a PSF; all get the same."""
    return workflows.deblur(case.blurred, psf, noise=NOISE).picture


def squared_error(case: Case, found: Array) -> float:
    """Return the squared error without the frame, the least over shifts by quarters of a pixel.

    Levin et al. search in the same steps. It is the true picture that is shifted, by splines of
    the fifth degree: interpolation would smooth the noise of the one found.
    """
    size = case.sharp.shape[0] - SIDE + 1
    corner, inner = size - 1 - size // 2 + FRAME, SIDE - 2 * FRAME
    f = found[FRAME:-FRAME, FRAME:-FRAME]
    wide = np.pad(case.sharp, REACH, mode="edge")
    first = slice(corner, corner + inner + 2 * REACH)
    seen = wide[first, first]
    ones = np.ones_like(f)
    whole = signal.correlate(seen**2, ones, "valid", "fft") + np.sum(f**2)
    errors = whole - 2 * signal.correlate(seen, f, "valid", "fft")
    row, column = np.unravel_index(np.argmin(errors), errors.shape)
    best = (REACH - float(row), REACH - float(column))

    def shifted(shift: tuple[float, float]) -> float:
        moved = ndimage.shift(seen, shift, order=5, mode="nearest")
        return float(np.sum((moved[REACH:-REACH, REACH:-REACH] - f) ** 2))

    for step in (0.5, 0.25):
        near = [(best[0] + a * step, best[1] + b * step) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        best = min(near, key=shifted)
    return shifted(best)
