"""Blur: point-spread functions and noise."""

from nufftlib.blur.noise import gaussian_noise
from nufftlib.blur.psf import motion_psf

__all__ = ["gaussian_noise", "motion_psf"]
