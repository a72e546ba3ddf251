"""The jobs, end to end, and the pictures they read."""

from nufftlib.blur.calibrate import (
    METHODS,
    NUISANCES,
    BlindCalibration,
    CalibratedField,
    CalibratedPair,
    CalibratedPSF,
    CalibratedStars,
    Identifiability,
    RejectedStar,
    SlantedEdge,
    calibrate_blind,
    calibrate_field,
    calibrate_from_stars,
    calibrate_pair,
    calibrate_psf,
    identifiability,
    psf_error,
    shift_aligned_error,
    simulate_blur,
    slanted_edge_mtf,
)
from nufftlib.blur.deblur import METHODS as DEBLURRING
from nufftlib.blur.deblur import DeblurredPicture, deblur
from nufftlib.blur.measures import Curve, Measured, PSFMeasures, measure_psf
from nufftlib.blur.phase import RetrievedPhase, retrieve_phase
from nufftlib.io.image_sets import ImageSet, load_images
from nufftlib.io.pictures import load_color, load_gray, load_picture
from nufftlib.io.psfs import load_psf, save_psf
from nufftlib.io.stacks import Stack, load_stack
from nufftlib.io.stored_images import StoredImages, open_images
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
from nufftlib.mri.reconstruct import METHODS as RECONSTRUCTIONS
from nufftlib.mri.reconstruct import LCurve, ReconstructedImage, l_curve, reconstruct

__all__ = [
    "DEBLURRING",
    "METHODS",
    "NUISANCES",
    "RECONSTRUCTIONS",
    "Augmentation",
    "BlindCalibration",
    "CalibratedField",
    "CalibratedPSF",
    "CalibratedPair",
    "CalibratedStars",
    "Curve",
    "DeblurredPicture",
    "Identifiability",
    "ImageScore",
    "ImageSet",
    "ImagesObjective",
    "LCurve",
    "LearnedOnImages",
    "LearnedTrajectory",
    "Measured",
    "PSFMeasures",
    "ReconstructedImage",
    "RejectedStar",
    "RetrievedPhase",
    "SlantedEdge",
    "Stack",
    "StoredImages",
    "TrajectoryObjective",
    "calibrate_blind",
    "calibrate_field",
    "calibrate_from_stars",
    "calibrate_pair",
    "calibrate_psf",
    "deblur",
    "identifiability",
    "l_curve",
    "learn_on_images",
    "learn_trajectory",
    "load_color",
    "load_gray",
    "load_images",
    "load_picture",
    "load_psf",
    "load_stack",
    "load_volume",
    "measure_psf",
    "open_images",
    "psf_error",
    "reconstruct",
    "retrieve_phase",
    "save_psf",
    "shift_aligned_error",
    "simulate_blur",
    "slanted_edge_mtf",
]
