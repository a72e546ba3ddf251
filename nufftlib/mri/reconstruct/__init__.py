"""Reconstruction as a job: the data of a scan in, its image out."""

from nufftlib.mri.reconstruct.curve import LCurve, l_curve
from nufftlib.mri.reconstruct.job import METHODS, ReconstructedImage, reconstruct

__all__ = ["METHODS", "LCurve", "ReconstructedImage", "l_curve", "reconstruct"]
