"""The two headline jobs, end to end, and the pictures they read."""

from nufftlib.blur.calibrate import (
    METHODS,
    BlindCalibration,
    CalibratedPSF,
    Identifiability,
    calibrate_blind,
    calibrate_psf,
    identifiability,
    psf_error,
    shift_aligned_error,
    simulate_blur,
)
from nufftlib.blur.phase import RetrievedPhase, retrieve_phase
from nufftlib.io.image_sets import ImageSet, load_images
from nufftlib.io.pictures import load_color, load_gray, load_picture, load_psf
from nufftlib.io.volumes import load_volume
from nufftlib.mri.learn import (
    Augmentation,
    ImageScore,
    ImagesObjective,
    LearnedOnImages,
    LearnedTrajectory,
    TrajectoryObjective,
    learn_on_images,
    learn_trajectory,
)

__all__ = [
    "METHODS",
    "Augmentation",
    "BlindCalibration",
    "CalibratedPSF",
    "Identifiability",
    "ImageScore",
    "ImageSet",
    "ImagesObjective",
    "LearnedOnImages",
    "LearnedTrajectory",
    "RetrievedPhase",
    "TrajectoryObjective",
    "calibrate_blind",
    "calibrate_psf",
    "identifiability",
    "learn_on_images",
    "learn_trajectory",
    "load_color",
    "load_gray",
    "load_images",
    "load_picture",
    "load_psf",
    "load_volume",
    "psf_error",
    "retrieve_phase",
    "shift_aligned_error",
    "simulate_blur",
]
