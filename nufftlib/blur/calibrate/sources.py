"""Point sources in a picture: where they are, and how strong the noise is."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.noise import median_deviation


def noise_level(picture: Any) -> float:
    """Return the standard deviation of the noise, by second differences along both axes.

    Parameters
    ----------
    picture : numpy.ndarray, shape (height, width)
        The picture.

    Returns
    -------
    float
        ``1.4826 / 6`` times the median absolute value of the differences
        ``[1, -2, 1]`` of rows and of columns: smooth light adds little to them.

    References
    ----------
    J. Immerkaer, "Fast noise variance estimation", Comput. Vis. Image Underst. 64 (1996)
    300-302.
    """
    d = np.diff(np.diff(picture, n=2, axis=0), n=2, axis=1)
    return median_deviation(d) / 6


def find_sources(picture: Any, size: int, threshold: float) -> Any:
    """Return the positions of local maxima, to a part of a pixel.

    The picture minus its background, both smoothed by a Gaussian, is compared with its own
    median absolute deviation.

    Parameters
    ----------
    picture : numpy.ndarray, shape (height, width)
        The picture.
    size : int
        Size of the PSF in pixels: the widths of the Gaussians are a sixteenth and a third of it.
    threshold : float
        Least height of a maximum, in robust standard deviations.

    Returns
    -------
    numpy.ndarray, shape (sources, 2)
        Rows and columns in pixels.
    """
    from scipy import ndimage

    smooth, background = (
        ndimage.gaussian_filter(picture, std, mode="nearest") for std in (size / 16, size / 3)
    )
    d = smooth - background
    d = d - np.median(d)
    highest = ndimage.maximum_filter(d, 2 * max(size // 10, 1) + 1)
    found = np.argwhere((d == highest) & (d > threshold * median_deviation(d)))
    # The parabola through a maximum and its neighbours has its top at (a - c) / (2 (a - 2 b + c)).
    d = np.pad(d, 1, mode="edge")
    shifts = []
    for step in (np.asarray([1, 0]), np.asarray([0, 1])):
        a, b, c = (d[tuple((found + 1 + k * step).T)] for k in (-1, 0, 1))
        curvature = np.minimum(a - 2 * b + c, -np.finfo(float).tiny)
        shifts.append(np.clip((a - c) / (2 * curvature), -0.5, 0.5))
    return found + np.stack(shifts, axis=-1)
