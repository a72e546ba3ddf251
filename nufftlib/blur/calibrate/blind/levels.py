"""The picture and the PSF on coarser pixels, each level's wider than the last one's by sqrt(2)."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from nufftlib.blur.calibrate.blind.shifts import centred
from nufftlib.blur.psf_grid import hats_at
from nufftlib.core.arrays import Array

STEP = math.sqrt(0.5)
SMALLEST = 3
"""Pixels of the PSF on an axis, at the coarsest level."""

Level: TypeAlias = tuple[Array, tuple[int, int]]
"""The blurred image on the level's pixels, and the shape of the PSF."""

Matrix: TypeAlias = NDArray[np.float64]


def pyramid(blurred: Array, shape: tuple[int, int]) -> list[Level]:
    """Return the levels, from the finest to one whose PSF has at most 4 pixels on an axis."""
    levels, scale = [(blurred, shape)], 1.0
    while max(levels[-1][1]) > SMALLEST + 1:
        scale *= STEP
        height, width = (min(p, max(SMALLEST, odd(p * scale))) for p in shape)
        rows, columns = (max(1, round(n * scale)) for n in blurred.shape[-2:])
        levels.append((averaged(blurred, (rows, columns)), (height, width)))
    return levels


def odd(size: float) -> int:
    """Return the nearest odd number."""
    return 2 * round((size - 1) / 2) + 1


def averaged(x: Array, shape: tuple[int, int]) -> Array:
    """Return an image on coarser pixels of the same frame."""
    return between(x, *(tents(m, n) for m, n in zip(shape, x.shape[-2:], strict=True)))


def tents(m: int, n: int) -> Matrix:
    """Return the matrix from `n` pixels to `m` wider ones: tents with feet on their neighbours."""
    place, wide = (np.arange(m)[:, None] + 0.5) * n / m - 0.5, n / m
    weights = (1 - np.abs(place - np.arange(n)) / wide).clip(0.0)
    whole: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return whole


def upsampled(psf: Array, shape: tuple[int, int]) -> Array:
    """Centre a PSF, and interpolate it to pixels narrower by sqrt(2)."""
    fine = between(centred(psf), *(narrower(m, n) for m, n in zip(shape, psf.shape, strict=True)))
    return centred(fine)


def narrower(m: int, n: int) -> Matrix:
    """Return the linear interpolation from `n` pixels to `m` of the next level, both centred."""
    place = (np.arange(m, dtype=np.float64) - m // 2) * STEP + n // 2
    return hats_at(n, place).T


def between(x: Array, rows: Matrix, columns: Matrix) -> Array:
    """Return ``rows x columns^T``."""
    xp = array_namespace(x)
    left, right = (
        xp.asarray(np.ascontiguousarray(a), dtype=x.dtype, device=device(x))
        for a in (rows, columns.T)
    )
    return xp.matmul(xp.matmul(left, x), right)
