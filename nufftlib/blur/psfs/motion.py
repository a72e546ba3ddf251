"""The point-spread function of a camera that moves at random."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from nufftlib.blur.psfs.made import batch_shape, of_sum_one, pixels
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
    size: int | tuple[int, ...],
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
        Height and width of the PSF in pixels; of three axes, for stacks, (depth, height, width).
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
    array, shape (*batch, *size), real
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
    shape, axes = pixels(call, size, least=2), batch_shape(call, batch)
    length, std = positive(call, "length", length), number(call, "std", std)
    if not 0 <= std <= FARTHEST:
        raise out_of_range(call, "std", std, f"0 to {FARTHEST:g} half-sizes")
    rng = generator(call, seed)
    h = np.empty((math.prod(axes), *shape))
    for n in range(len(h)):
        h[n] = draw_motion(rng, shape, length, std)
    h = h.reshape(*axes, *shape)
    return of_sum_one(call, h, len(shape), xp=xp, dtype=dtype, device=device)


def draw_motion(rng: np.random.Generator, shape: tuple[int, ...], length: float, std: float) -> Any:
    """Draw a path and deposit it; the sum is the number of points within."""
    path = matern_path(rng, length, std, len(shape))
    r = [n // 2 + u * n / 2 for n, u in zip(shape, path, strict=True)]
    # Steps of half a pixel at most, so that bilinear weights leave no holes.
    longest = max(np.abs(np.diff(u)).max() for u in r)
    t = np.linspace(0, KNOTS - 1, (KNOTS - 1) * max(2, math.ceil(2 * longest)) + 1)
    h = deposit([np.interp(t, np.arange(KNOTS), u) for u in r], shape)
    if not h.sum() > 0:
        msg = f"motion_psf(std): std is {std} and the path leaves the PSF; want a smaller std"
        raise ValueError(msg)
    return h


def matern_path(rng: np.random.Generator, length: float, std: float, axes: int = 2) -> Any:
    """Draw centred coordinates (axes, KNOTS) of the process over one time unit."""
    path = std * (matern_factor(length) @ rng.standard_normal((KNOTS, axes))).T
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


def deposit(r: Any, shape: tuple[int, ...]) -> Any:
    """Add up points (axes, points) with linear weights on each axis; drop those outside."""
    image = np.zeros(shape)
    first = np.floor(r).astype(int)
    f, ends = r - first, np.asarray(shape)[:, None]
    for corner in itertools.product((0, 1), repeat=len(shape)):
        far = np.asarray(corner)[:, None]
        j, w = first + far, np.prod(np.where(far, f, 1 - f), axis=0)
        inside = np.all((j >= 0) & (j < ends), axis=0)
        np.add.at(image, tuple(j[:, inside]), w[inside])
    return image
