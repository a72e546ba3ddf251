"""Gaussian point-spread functions, integrated over the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.blur.psfs.made import edges, of_sum_one, pixels
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import out_of_range, real_values

NARROWEST = 1e-6
"""Standard deviation in pixels below which all light is in the pixels that the axis meets."""
WIDEST = 1e4
"""Beyond this, differences of the distribution function lose more than half their digits."""


def gaussian_psf(
    size: int | tuple[int, ...],
    std: Any,
    angle: Any = 0.0,
    *,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Return the Gaussian PSF, integrated over each pixel.

    .. math:: h_q \propto \int_{[q - 1/2,\, q + 1/2]} e^{-u^T \Sigma^{-1} u / 2}\, du, \qquad
              \Sigma = R \begin{pmatrix} \sigma_0^2 & \\ & \sigma_1^2 \end{pmatrix} R^T, \qquad
              R = \begin{pmatrix} \cos\alpha & -\sin\alpha \\
                                  \sin\alpha & \cos\alpha \end{pmatrix}

    with ``q`` counted from the centre. A pixel holds its integral, not its value at the
    middle. The PSF is thus right for a standard deviation of any size, down to zero, where
    all light is in the pixels that the axis meets.

    Parameters
    ----------
    size : int or tuple of int
        Size on each axis in pixels; one number is a square. One or three axes are
        allowed without an angle.
    std : float or array-like, shape (..., ndim)
        The principal standard deviations in pixels, from 0 to 10 000; one number makes
        a round PSF.
    angle : float or array-like, shape (...)
        Angle of the first principal axis, in radians, from the first array axis towards
        the second. It broadcasts against the leading axes of `std`.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (..., *size), real
        Nonnegative, of sum one, centred at ``size // 2``. The part beyond the edges
        is left out.

    Raises
    ------
    ValueError
        If an argument is out of range, or their shapes do not fit.
    TypeError
        If the dtype is neither float32 nor float64.

    Notes
    -----
    In two dimensions it is the difference of the bivariate distribution function at the
    pixel's corners, by Owen's T; its error is about 3e-15 ``max(1, std_0) max(1, std_1)``
    of the peak.

    References
    ----------
    D. B. Owen, "Tables for computing bivariate normal probabilities", Ann. Math. Statist.
    27 (1956) 1075-1090.

    Examples
    --------
    >>> gaussian_psf(3, 0.5).round(3)
    array([[0.025, 0.108, 0.025],
           [0.108, 0.469, 0.108],
           [0.025, 0.108, 0.025]], dtype=float32)
    >>> gaussian_psf(25, [[4.0, 1.0], [3.0, 3.0]], angle=[0.5, 0.0]).shape
    (2, 25, 25)
    """
    call = "gaussian_psf"
    shape = pixels(call, size)
    s, turn = real_values(call, "std", std), real_values(call, "angle", angle)
    s = s if s.ndim else s[None]
    if s.shape[-1] not in (1, len(shape)):
        msg = f"{call}(std): std has the shape {s.shape}; want a number or (..., {len(shape)})"
        raise ValueError(msg)
    if not np.all((s >= 0) & (s <= WIDEST)):  # NaN is neither
        raise out_of_range(call, "std", std, f"0 to {WIDEST:g} pixels")
    if not np.all(np.isfinite(turn)) or (len(shape) != 2 and np.any(turn != 0)):
        raise out_of_range(call, "angle", angle, "finite radians, and in 2D alone")
    try:
        lead = np.broadcast_shapes(s.shape[:-1], turn.shape)
    except ValueError:
        msg = (
            f"{call}(std, angle): std has the leading axes {s.shape[:-1]} and angle the shape "
            f"{turn.shape}; want shapes that broadcast"
        )
        raise ValueError(msg) from None
    s = np.broadcast_to(np.maximum(s, NARROWEST), (*lead, len(shape)))
    h = rotated(shape, s, turn) if len(shape) == 2 else separable(shape, s)
    return of_sum_one(call, h, len(shape), xp=xp, dtype=dtype, device=device)


def separable(shape: tuple[int, ...], std: Any) -> Any:
    """Return the product of each axis's differences of the distribution function."""
    from scipy.special import ndtr

    h = np.ones(std.shape[:-1])
    for axis, n in enumerate(shape):
        factor = np.diff(ndtr(edges(n) / std[..., axis, None]), axis=-1)
        h = h[..., None] * factor.reshape(*std.shape[:-1], *[1] * axis, n)
    return h


def rotated(shape: tuple[int, ...], std: Any, angle: Any) -> Any:
    """Return the second difference of the bivariate distribution function at the corners."""
    from scipy.special import ndtr, owens_t

    s0, s1 = std[..., 0, None, None], std[..., 1, None, None]
    c, s = np.cos(angle)[..., None, None], np.sin(angle)[..., None, None]
    S00, S11 = (c * s0) ** 2 + (s * s1) ** 2, (s * s0) ** 2 + (c * s1) ** 2
    ratio = s0 / s1
    x, y = edges(shape[0])[:, None], edges(shape[1])[None, :]  # never zero
    u, v = x / np.sqrt(S00), y / np.sqrt(S11)
    # P(X < x, Y < y) = (N(u) + N(v)) / 2 - T(u, a) - T(v, b) - (1/2 if x y < 0), Owen (1956);
    # the halves are functions of x or of y alone, and vanish in the second difference.
    # a = (S00 y - S01 x) / (x sqrt(det Sigma)), b the same with the axes exchanged, both in
    # coordinates along and across the first principal axis. T(u, a) and T(v, b) are steep at
    # across = 0: there the rounding of one number moves both, and their sum stays.
    along, across = c * x + s * y, c * y - s * x
    a, b = (
        (c * across * ratio + s * along / ratio) / x,
        (c * along / ratio - s * across * ratio) / y,
    )
    P = 0.5 * (ndtr(u) + ndtr(v)) - owens_t(u, a) - owens_t(v, b) - 0.5 * (x * y < 0)
    return np.maximum(np.diff(np.diff(P, axis=-2), axis=-1), 0.0)
