"""Calibration of the PSF: from images, stars or an edge, and how well it is known."""

from nufftlib.blur.calibrate.blind import BlindCalibration, calibrate_blind, shift_aligned_error
from nufftlib.blur.calibrate.calibrate import CalibratedPSF, calibrate_psf
from nufftlib.blur.calibrate.errors import psf_error
from nufftlib.blur.calibrate.field.calibrate import CalibratedField, calibrate_field
from nufftlib.blur.calibrate.pair.calibrate import CalibratedPair, calibrate_pair
from nufftlib.blur.calibrate.pair.rounds import NUISANCES
from nufftlib.blur.calibrate.recipes import METHODS
from nufftlib.blur.calibrate.simulate import simulate_blur
from nufftlib.blur.calibrate.slanted_edge import SlantedEdge, slanted_edge_mtf
from nufftlib.blur.calibrate.stars import CalibratedStars, RejectedStar, calibrate_from_stars
from nufftlib.blur.calibrate.uncertainty import Identifiability, identifiability

__all__ = [
    "METHODS",
    "NUISANCES",
    "BlindCalibration",
    "CalibratedField",
    "CalibratedPSF",
    "CalibratedPair",
    "CalibratedStars",
    "Identifiability",
    "RejectedStar",
    "SlantedEdge",
    "calibrate_blind",
    "calibrate_field",
    "calibrate_from_stars",
    "calibrate_pair",
    "calibrate_psf",
    "identifiability",
    "psf_error",
    "shift_aligned_error",
    "simulate_blur",
    "slanted_edge_mtf",
]
