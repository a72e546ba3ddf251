"""Models of the point-spread function: Gaussian, defocus, motion, diffraction, and mixtures."""

from nufftlib.blur.psfs.defocus import defocus_psf
from nufftlib.blur.psfs.diffraction import Diffraction
from nufftlib.blur.psfs.gaussian import gaussian_psf
from nufftlib.blur.psfs.mixture import random_psf
from nufftlib.blur.psfs.motion import motion_psf

__all__ = ["Diffraction", "defocus_psf", "gaussian_psf", "motion_psf", "random_psf"]
