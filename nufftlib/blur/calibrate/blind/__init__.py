"""Blind calibration: image and PSF from one blurred image."""

from nufftlib.blur.calibrate.blind.job import BlindCalibration, calibrate_blind
from nufftlib.blur.calibrate.blind.shifts import shift_aligned_error

__all__ = ["BlindCalibration", "calibrate_blind", "shift_aligned_error"]
