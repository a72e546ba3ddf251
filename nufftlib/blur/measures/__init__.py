"""Numbers that describe a PSF, and how well they are known."""

from nufftlib.blur.measures.known import Curve, Measured
from nufftlib.blur.measures.measure import PSFMeasures, measure_psf

__all__ = ["Curve", "Measured", "PSFMeasures", "measure_psf"]
