"""The point-spread function of a camera that moves at random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nufftlib.blur.psfs.made import batch_shape, of_sum_one, pixels_2d
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.caching import remembered
from nufftlib.core.kinds import generator, number, out_of_range, positive

KNOTS = 512
"""Points at which the random path of a motion is drawn."""
FARTHEST = 10.0
"""Largest std, in half-sizes: next to nothing of such a path is within the PSF."""
APART = 1e3
"""Lengths of correlation beyond which ``e^-a`` is zero."""


def motion_psf(
    size: int | tuple[int, int],
    *,
    seed: int,
    length: float = 0.3,
    std: float = 0.25,
    batch: int | tuple[int, ...] = (),
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Draw the PSF of a camera that moves along a random path during one time unit.

    Each coordinate of the path is an independent Gaussian process with the Matern
    covariance of smoothness 5/2,

    .. math:: \kappa(t) = \sigma^2 \left(1 + a + \tfrac{a^2}{3}\right) e^{-a}, \qquad
              a = \sqrt{5}\, |t| / \ell,

    centred afterwards. The path is deposited with bilinear weights, so that it has no
    holes, and the PSF sums to one.

    Parameters
    ----------
    size : int or tuple of int
        Height and width of the PSF in pixels.
    seed : int
        Seed of the paths; one seed gives one path at every size, in every library.
    length : float
        Correlation length ``l``, in units of the exposure time.
    std : float
        Standard deviation ``sigma`` of either coordinate, in units where the PSF
        spans [-1, 1], from 0 to 10. The part of the path that leaves the PSF
        is lost.
    batch : int or tuple of int
        Leading axes of independent draws. A call without a batch returns the first draw,
        and a larger batch begins with the draws of a smaller one.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (*batch, height, width), real
        Nonnegative, of sum one; the centre of the path is at ``size // 2``.

    Raises
    ------
    ValueError
        If an argument is out of range, or all of a path is outside the PSF.
    TypeError
        If the dtype is neither float32 nor float64.

    References
    ----------
    C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine Learning",
    MIT Press (2006), eq. 4.17.

    C. J. Schuler et al., "Learning to deblur", IEEE Trans. Pattern Anal. Mach. Intell.
    38 (2016) 1439-1451.

    Examples
    --------
    >>> h = motion_psf(25, seed=0)
    >>> h.shape, round(float(h.sum()), 5)
    ((25, 25), 1.0)
    >>> motion_psf(25, seed=0, batch=4).shape
    (4, 25, 25)
    """
    call = "motion_psf"
    shape, axes = pixels_2d(call, size), batch_shape(call, batch)
    length, std = positive(call, "length", length), number(call, "std", std)
    if not 0 <= std <= FARTHEST:
        raise out_of_range(call, "std", std, f"0 to {FARTHEST:g} half-sizes")
    rng = generator(call, seed)
    h = np.empty((math.prod(axes), *shape))
    for n in range(len(h)):
        h[n] = draw_motion(rng, shape, length, std)
    return of_sum_one(call, h.reshape(*axes, *shape), 2, xp=xp, dtype=dtype, device=device)


def draw_motion(rng: np.random.Generator, shape: tuple[int, int], length: float, std: float) -> Any:
    """Draw a path and deposit it; the sum is the number of points within."""
    path = matern_path(rng, length, std)
    r0, r1 = (n // 2 + u * n / 2 for n, u in zip(shape, path, strict=True))
    # Steps of half a pixel at most, so that bilinear weights leave no holes.
    longest = max(np.abs(np.diff(r0)).max(), np.abs(np.diff(r1)).max())
    t = np.linspace(0, KNOTS - 1, (KNOTS - 1) * max(2, math.ceil(2 * longest)) + 1)
    r0, r1 = (np.interp(t, np.arange(KNOTS), r) for r in (r0, r1))
    h = deposit(r0, r1, shape)
    if not h.sum() > 0:
        msg = f"motion_psf(std): std is {std} and the path leaves the PSF; want a smaller std"
        raise ValueError(msg)
    return h


def matern_path(rng: np.random.Generator, length: float, std: float) -> Any:
    """Draw two centred coordinates (2, KNOTS) of the process over one time unit."""
    path = std * (matern_factor(length) @ rng.standard_normal((KNOTS, 2))).T
    return path - path.mean(axis=1, keepdims=True)


@remembered(maxsize=4)
def matern_factor(length: float) -> Any:
    """Return the Cholesky factor of the process's correlation matrix."""
    t = np.linspace(0, 1, KNOTS)
    # Knots far apart are independent, at whatever number of lengths; infinity times 0 is NaN.
    a = np.sqrt(5.0) * np.minimum(np.abs(t[:, None] - t[None, :]), APART * length) / length
    correlation = (1 + a + a * a / 3) * np.exp(-a)
    # Smooth paths make the matrix singular to rounding; the jitter is far below a pixel.
    return np.linalg.cholesky(correlation + 1e-9 * np.eye(KNOTS))


def deposit(r0: Any, r1: Any, shape: tuple[int, int]) -> Any:
    """Add up points at fractional pixels with bilinear weights; drop those outside."""
    image = np.zeros(shape)
    i0, i1 = np.floor(r0).astype(int), np.floor(r1).astype(int)
    f0, f1 = r0 - i0, r1 - i1
    for d0, w0 in ((0, 1 - f0), (1, f0)):
        for d1, w1 in ((0, 1 - f1), (1, f1)):
            j0, j1 = i0 + d0, i1 + d1
            inside = (j0 >= 0) & (j0 < shape[0]) & (j1 >= 0) & (j1 < shape[1])
            np.add.at(image, (j0[inside], j1[inside]), (w0 * w1)[inside])
    return image
