"""Blur: point-spread functions and noise."""

from nufftlib.blur.deblur.spectrum import estimate_noise
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.psf_grid import grid_weights
from nufftlib.blur.psfs.defocus import defocus_psf
from nufftlib.blur.psfs.diffraction import Diffraction
from nufftlib.blur.psfs.focal_shift import FocalShift
from nufftlib.blur.psfs.gaussian import gaussian_psf
from nufftlib.blur.psfs.mixture import random_psf
from nufftlib.blur.psfs.motion import motion_psf
from nufftlib.blur.psfs.through_focus import ThroughFocus
from nufftlib.core.noise import gaussian_noise, poisson_gaussian_noise, poisson_noise

__all__ = [
    "Diffraction",
    "FocalShift",
    "ThroughFocus",
    "defocus_psf",
    "estimate_noise",
    "gaussian_noise",
    "gaussian_psf",
    "grid_weights",
    "motion_psf",
    "normal_equations",
    "poisson_gaussian_noise",
    "poisson_noise",
    "random_psf",
]
