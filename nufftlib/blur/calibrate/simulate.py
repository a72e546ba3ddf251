"""Blurred images to calibrate from, made of sharp ones."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from nufftlib.blur.operator import Blur
from nufftlib.blur.psfs.mixture import Kind, random_psf
from nufftlib.blur.psfs.motion import motion_psf
from nufftlib.core.arrays import (
    Array,
)
from nufftlib.core.noise import gaussian_noise


def simulate_blur(
    sharp: Array,
    *,
    psf: Kind | Array = "motion",
    size: int | tuple[int, int] = 25,
    boundary: str = "valid",
    noise: float = 0.02,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Blur an image at random and add noise.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp image.
    psf : {"motion", "gaussian", "defocus", "diffraction"} or array
        The kind of the random PSF: see `nufftlib.blur.motion_psf`, and for the others
        `nufftlib.blur.random_psf`; or a PSF of your own, of the image's dtype.
    size : int or tuple of int
        Height and width of a random PSF.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    noise : float
        Standard deviation of the Gaussian noise.
    seed : int
        Seed of PSF and noise.

    Returns
    -------
    psf : array, shape (height, width)
        The PSF.
    blurred : array
        The blurred image with noise.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> psf, blurred = workflows.simulate_blur(data.astronaut(), size=25)
    >>> psf.shape, blurred.shape
    ((25, 25), (3, 232, 232))
    """
    xp = array_namespace(sharp)
    like = {"xp": xp, "dtype": sharp.dtype, "device": device(sharp)}
    h: Any = psf
    if isinstance(psf, str) and psf == "motion":
        h = motion_psf(size, seed=seed, **like)
    elif isinstance(psf, str):
        kind: Any = psf
        h = random_psf(size, kind=kind, seed=seed, **like)
    return h, gaussian_noise(Blur(h, boundary)(sharp), noise, seed=seed + 1)
