"""Point-spread functions of random kinds and parameters, to train and test with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from nufftlib.blur.psfs.defocus import defocus_psf
from nufftlib.blur.psfs.diffraction import Diffraction
from nufftlib.blur.psfs.gaussian import gaussian_psf
from nufftlib.blur.psfs.made import batch_shape, of_sum_one, pixels
from nufftlib.blur.psfs.motion import draw_motion
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import choice, generator, number, out_of_range

Kind = Literal["motion", "gaussian", "defocus", "diffraction"]


def random_psf(
    size: int | tuple[int, ...],
    *,
    kind: Kind | Mapping[Kind, float],
    seed: int,
    batch: int | tuple[int, ...] = (),
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Draw PSFs of one kind or of several, with parameters that fit the size.

    With ``n`` the smallest size, parameters are uniform in these ranges:

    ============ ======================================================================
    motion       ``length`` 0.1 to 0.6, ``std`` 0.1 to 0.3 of half the size
    gaussian     either ``std`` 0 to ``n / 6`` pixels, ``angle`` 0 to pi
    defocus      ``radius`` 0 to ``(n - 1) / 2`` pixels
    diffraction  ``cutoff`` from ``8 / n`` (at most 1/2) to 1/2; the polynomials 4 to 11
                 in a random direction, together 0 to ``n * cutoff / 40`` waves
    ============ ======================================================================

    PSFs of three axes, for stacks, are of the first two kinds; their Gaussians have a standard
    deviation of 0 to a sixth of the size on each axis.

    Parameters
    ----------
    size : int or tuple of int
        Height and width of the PSF in pixels; of three axes (depth, height, width).
    kind : str or mapping of str to float
        A kind in the table, or the probability of each: every PSF is of one kind.
    seed : int
        Seed; one seed gives the same PSFs in every library.
    batch : int or tuple of int
        Leading axes of independent draws. A call without a batch returns the first draw,
        and a larger batch begins with the draws of a smaller one.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (*batch, *size), real
        Nonnegative, of sum one, centred at ``size // 2``.

    Raises
    ------
    ValueError
        If a kind is unknown, or none of three axes, or probabilities are negative or do not sum to
        one.
    TypeError
        If the dtype is neither float32 nor float64.

    Examples
    --------
    >>> mixture = {"motion": 0.5, "gaussian": 0.25, "diffraction": 0.25}
    >>> random_psf(25, kind=mixture, seed=0, batch=10).shape
    (10, 25, 25)
    """
    call = "random_psf"
    shape, axes = pixels(call, size, least=2), batch_shape(call, batch)
    known = kinds_of(len(shape))
    odds: Mapping[Any, Any] = kind if isinstance(kind, Mapping) else {}
    for name in odds or (kind,):
        choice(call, "kind", name, known)
    odds = odds or {kind: 1.0}
    # In the order of the table, so that a mapping's own order does not matter.
    probabilities = np.asarray([number(call, "kind", odds.get(name, 0.0)) for name in DRAWS])
    if not np.all(probabilities >= 0) or not math.isclose(probabilities.sum(), 1.0):
        raise out_of_range(call, "kind", kind, "probabilities, 0 or more, of sum one")
    rng = generator(call, seed)
    h = np.empty((math.prod(axes), *shape))
    for n in range(len(h)):
        h[n] = DRAWS[rng.choice(list(DRAWS), p=probabilities)](rng, shape)
    h = h.reshape(*axes, *shape)
    return of_sum_one(call, h, len(shape), xp=xp, dtype=dtype, device=device)


def kinds_of(ndim: int) -> tuple[Kind, ...]:
    """Return the kinds of two or three axes."""
    return get_args(Kind)[: 4 if ndim == 2 else 2]


def random_motion(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Draw a motion, its path's length of correlation and its spread."""
    return draw_motion(rng, shape, rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.3))


def random_gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Draw a Gaussian that ends three standard deviations from its centre."""
    if len(shape) == 3:
        return gaussian_psf(shape, rng.uniform(0, np.asarray(shape) / 6), dtype=np.float64)
    std, angle = rng.uniform(0, min(shape) / 6, 2), rng.uniform(0, math.pi)
    return gaussian_psf(shape, std, angle, dtype=np.float64)


def random_defocus(rng: np.random.Generator, shape: tuple[int, int]) -> Any:
    """Draw a disk within the PSF."""
    return defocus_psf(shape, rng.uniform(0, (min(shape) - 1) / 2), dtype=np.float64)


def random_diffraction(rng: np.random.Generator, shape: tuple[int, int]) -> Any:
    """Draw aberrations of a lens; slopes of the wavefront keep most light within the PSF."""
    cutoff = rng.uniform(min(0.5, 8 / min(shape)), 0.5)
    a = rng.standard_normal(8)
    a *= rng.uniform(0, min(shape) * cutoff / 40) / np.linalg.norm(a)
    return Diffraction(shape, cutoff=cutoff)(a)


DRAWS: dict[Kind, Any] = {
    "motion": random_motion,
    "gaussian": random_gaussian,
    "defocus": random_defocus,
    "diffraction": random_diffraction,
}
"""How each kind is drawn."""
