"""Blur: point-spread functions and noise."""

from nufftlib.blur.defocus import defocus_psf
from nufftlib.blur.diffraction import Diffraction
from nufftlib.blur.gaussian import gaussian_psf
from nufftlib.blur.mixture import random_psf
from nufftlib.blur.motion import motion_psf
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.core.noise import gaussian_noise, poisson_gaussian_noise, poisson_noise

__all__ = [
    "Diffraction",
    "defocus_psf",
    "gaussian_noise",
    "gaussian_psf",
    "motion_psf",
    "normal_equations",
    "poisson_gaussian_noise",
    "poisson_noise",
    "random_psf",
]
