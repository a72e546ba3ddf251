"""Blurred images to calibrate from, made of sharp ones."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.operator import Blur
from nufftlib.blur.psfs.made import pixels_nd
from nufftlib.blur.psfs.mixture import Kind, kinds_of, random_psf
from nufftlib.blur.psfs.motion import motion_psf
from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import choice, integer, is_array, not_negative
from nufftlib.core.noise import gaussian_noise


def simulate_blur(
    sharp: Array,
    *,
    psf: Kind | Array = "motion",
    size: int | tuple[int, ...] = 25,
    ndim: int = 2,
    boundary: str = "valid",
    noise: float = 0.02,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Blur an image at random and add noise.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp image, with ``ndim=3`` a stack (..., depth, height, width).
    psf : {"motion", "gaussian", "defocus", "diffraction"} or array
        The kind of the random PSF: see `nufftlib.blur.motion_psf`, and for the others
        `nufftlib.blur.random_psf`; or a PSF of your own, of the image's dtype. Those of stacks
        are ``"motion"``, of a specimen that drifts, and ``"gaussian"``.
    size : int or tuple of int
        Height and width of a random PSF, with ``ndim=3`` (depth, height, width).
    ndim : {2, 3}
        Number of axes that are blurred, the last ones.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    noise : float
        Standard deviation of the Gaussian noise.
    seed : int
        Seed of PSF and noise.

    Returns
    -------
    psf : array, shape (height, width) or (depth, height, width)
        The PSF.
    blurred : array
        The blurred image with noise.

    Raises
    ------
    TypeError
        If `sharp` is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a name is unknown, or a setting is out of range.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> psf, blurred = workflows.simulate_blur(data.astronaut(), size=25)
    >>> psf.shape, blurred.shape
    ((25, 25), (3, 232, 232))
    """
    call = "simulate_blur"
    xp = common_namespace(f"{call}(sharp)", sharp=sharp)
    check_real(xp, f"{call}(sharp)", "sharp", sharp)
    ndim = integer(call, "ndim", ndim, least=2, most=3)
    shape, seed = pixels_nd(call, size, ndim), integer(call, "seed", seed, least=0)
    boundary = choice(call, "boundary", boundary, BOUNDARIES)
    noise = not_negative(call, "noise", noise)
    like = {"xp": xp, "dtype": sharp.dtype, "device": device(sharp)}
    h: Any = psf
    if not is_array(psf):
        kind: Any = choice(call, "psf", psf, kinds_of(ndim))
        if kind == "motion":
            h = motion_psf(shape, seed=seed, **like)
        else:
            h = random_psf(shape, kind=kind, seed=seed, **like)
    return h, gaussian_noise(Blur(h, boundary, ndim)(sharp), noise, seed=seed + 1)
