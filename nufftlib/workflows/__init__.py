"""The two headline jobs, end to end, and the pictures they read."""

from nufftlib.workflows.blind import BlindCalibration, calibrate_blind, shift_aligned_error
from nufftlib.workflows.calibrate_psf import (
    METHODS,
    CalibratedPSF,
    Identifiability,
    calibrate_psf,
    identifiability,
    psf_error,
    simulate_blur,
)
from nufftlib.workflows.images import load_color, load_gray, load_picture, load_psf
from nufftlib.workflows.learn_trajectory import (
    LearnedTrajectory,
    TrajectoryObjective,
    learn_trajectory,
)

__all__ = [
    "METHODS",
    "BlindCalibration",
    "CalibratedPSF",
    "Identifiability",
    "LearnedTrajectory",
    "TrajectoryObjective",
    "calibrate_blind",
    "calibrate_psf",
    "identifiability",
    "learn_trajectory",
    "load_color",
    "load_gray",
    "load_picture",
    "load_psf",
    "psf_error",
    "shift_aligned_error",
    "simulate_blur",
]
