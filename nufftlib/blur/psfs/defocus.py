"""The point-spread function of a defocused lens with a circular aperture."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.blur.psfs.made import edges, of_sum_one, pixels_2d
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import out_of_range, real_values


def defocus_psf(
    size: int | tuple[int, int],
    radius: Any,
    *,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Return the PSF of geometric defocus: a disk, the image of a circular aperture.

    .. math:: h_q \propto \mathrm{area}\left([q - \tfrac{1}{2}, q + \tfrac{1}{2}] \cap
              \{|u| \le r\}\right)

    with ``q`` counted from the centre, in closed form. It is continuous in the radius;
    before the division by the sum each pixel grows with the radius.

    Parameters
    ----------
    size : int or tuple of int
        Height and width of the PSF in pixels.
    radius : float or array-like, shape (...)
        Radius in pixels, 0 or more. Up to 1/2 the disk is within one pixel.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (..., height, width), real
        Nonnegative, of sum one, centred at ``size // 2``. The part beyond the edges
        is left out.

    Raises
    ------
    ValueError
        If an argument is out of range.
    TypeError
        If the dtype is neither float32 nor float64.

    Examples
    --------
    >>> defocus_psf(3, 1.0).round(3)
    array([[0.025, 0.145, 0.025],
           [0.145, 0.318, 0.145],
           [0.025, 0.145, 0.025]], dtype=float32)
    """
    call = "defocus_psf"
    height, width = pixels_2d(call, size)
    r = real_values(call, "radius", radius)
    if not np.all((r >= 0) & np.isfinite(r)):
        raise out_of_range(call, "radius", radius, "a finite number, 0 or more")
    r = np.maximum(r, 0.5)[..., None, None]  # smaller disks are in the same one pixel
    h = disk_overlap(edges(height), edges(width), r)
    return of_sum_one(call, h, 2, xp=xp, dtype=dtype, device=device)


def disk_overlap(e0: Any, e1: Any, r: Any) -> Any:
    """Return the areas that the disk of radius `r` at 0 shares with the cells of a grid.

    Parameters
    ----------
    e0, e1 : numpy.ndarray
        Edges of the cells on either axis, ascending.
    r : float or numpy.ndarray, shape (..., 1, 1)
        Positive radius.

    Returns
    -------
    numpy.ndarray, shape (..., e0.size - 1, e1.size - 1)
        Areas.
    """
    x, y = e0[:, None], e1[None, :]
    # Signed area of the disk between 0 and the corner (x, y); the cell's is its difference.
    S = np.sign(x) * np.sign(y) * quadrant_overlap(np.abs(x), np.abs(y), r)
    return np.maximum(np.diff(np.diff(S, axis=-2), axis=-1), 0.0)


def quadrant_overlap(a: Any, b: Any, r: Any) -> Any:
    """Return the area of the disk within ``[0, a] x [0, b]``."""
    inside = a * a + b * b <= r * r
    a0, b0 = np.minimum(a, r), np.minimum(b, r)
    c = np.minimum(np.sqrt(r * r - b0 * b0), a0)  # where the circle passes the height b
    # int_0^a min(b, sqrt(r^2 - u^2)) du = b c + G(a) - G(c)
    return np.where(inside, a * b, b0 * c + circle_integral(a0, r) - circle_integral(c, r))


def circle_integral(u: Any, r: Any) -> Any:
    """Return ``G(u)``, the integral of ``sqrt(r^2 - u^2)`` from 0 to ``u <= r``."""
    return 0.5 * (u * np.sqrt(r * r - u * u) + r * r * np.arcsin(u / r))
