"""Shifts of a PSF, which a blind calibration leaves open."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from nufftlib.blur.boundaries import BOUNDARIES, part
from nufftlib.blur.calibrate.centroid import centroid
from nufftlib.blur.calibrate.errors import check_psfs, in_units, psf_error
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array


def shift_aligned_error(psf: Array, truth: Array) -> float:
    """Return the relative error of a PSF at the best of all shifts by whole pixels.

    ``min_s |S_s psf - truth| / |truth|`` judges a blind calibration, which finds image and PSF
    up to opposite shifts.

    Parameters
    ----------
    psf : array, shape (height, width) or (depth, height, width), real
        A PSF.
    truth : array, real
        The true one, of as many axes; the sizes may differ.

    Returns
    -------
    float
        The error, relative to the norm of the truth.

    Raises
    ------
    TypeError
        If one is no array of float32 or float64.
    ValueError
        If they are not both of two or both of three axes, or the truth is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from nufftlib import workflows
    >>> h = np.asarray([[0.0, 0.5, 0.5]])
    >>> workflows.shift_aligned_error(np.asarray([[0.5, 0.5, 0.0]]), h)
    0.0
    """
    xp = check_psfs("shift_aligned_error", psf=psf, truth=truth)
    if psf.ndim != truth.ndim or psf.ndim not in (2, 3):
        msg = (
            f"shift_aligned_error(psf, truth): the shapes are {tuple(psf.shape)} and "
            f"{tuple(truth.shape)}; want both (height, width), or both (depth, height, width)"
        )
        raise ValueError(msg)
    h, t = in_units(xp, *(xp.astype(a, xp.float64, copy=False) for a in (psf, truth)))
    P = tuple(t.shape)
    # The frame holds the truth at every shift at which it meets the PSF.
    frame = tuple(n + 2 * p for n, p in zip(h.shape, P, strict=True))
    h = window(h, tuple(-p for p in P), frame)
    # The nearest shift has the largest product, and one correlation has them all.
    products = Blur(xp.flip(t), "zero", ndim=t.ndim)(h)
    nearest = np.unravel_index(int(xp.argmax(products)), frame)
    corner = tuple(p - 1 - p // 2 - int(i) for p, i in zip(P, nearest, strict=True))
    return psf_error(h, window(t, corner, frame))


def centred(psf: Array) -> Array:
    """Return a PSF shifted by whole pixels, its centre of gravity nearest to ``size // 2``."""
    row, column = (round(c) - n // 2 for c, n in zip(centroid(psf), psf.shape, strict=True))
    cut = window(psf, (row, column), tuple(psf.shape))
    return cut / array_namespace(psf).sum(cut)


def window(x: Array, corner: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Return a part of an array's last axes; beyond the array it is zero."""
    xp = array_namespace(x)
    for axis, first, size in zip(range(-len(shape), 0), corner, shape, strict=True):
        before, after = max(0, -first), max(0, first + size - x.shape[axis])
        x = BOUNDARIES["zero"].extend(xp, x, axis, before, after)
        x = part(x, axis, first + before, first + before + size)
    return x
