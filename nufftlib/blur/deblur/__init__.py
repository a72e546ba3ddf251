"""Deblurring with a known PSF: three methods, their weights, and the noise of a picture."""

from nufftlib.blur.deblur.job import METHODS, DeblurredPicture, deblur

__all__ = ["METHODS", "DeblurredPicture", "deblur"]
