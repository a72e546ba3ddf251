"""The two headline jobs, end to end, and the pictures they read."""

from nufftlib.workflows.calibrate_psf import (
    METHODS,
    CalibratedPSF,
    calibrate_psf,
    psf_error,
    simulate_blur,
)
from nufftlib.workflows.images import load_color, load_gray
from nufftlib.workflows.learn_trajectory import (
    LearnedTrajectory,
    TrajectoryObjective,
    learn_trajectory,
)

__all__ = [
    "METHODS",
    "CalibratedPSF",
    "LearnedTrajectory",
    "TrajectoryObjective",
    "calibrate_psf",
    "learn_trajectory",
    "load_color",
    "load_gray",
    "psf_error",
    "simulate_blur",
]
