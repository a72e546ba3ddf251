"""Learning of the trajectory from an image or a set of them: the objectives and the jobs."""

from nufftlib.mri.learn.augment import Augmentation
from nufftlib.mri.learn.images import ImagesObjective
from nufftlib.mri.learn.learn import LearnedTrajectory, learn_trajectory
from nufftlib.mri.learn.learn_on_images import LearnedOnImages, learn_on_images
from nufftlib.mri.learn.objective import TrajectoryObjective
from nufftlib.mri.learn.reconstructions import (
    AdjointReconstruction,
    CGReconstruction,
    Linearized,
    Reconstruction,
    TVReconstruction,
)
from nufftlib.mri.learn.scores import ImageScore

__all__ = [
    "AdjointReconstruction",
    "Augmentation",
    "CGReconstruction",
    "ImageScore",
    "ImagesObjective",
    "LearnedOnImages",
    "LearnedTrajectory",
    "Linearized",
    "Reconstruction",
    "TVReconstruction",
    "TrajectoryObjective",
    "learn_on_images",
    "learn_trajectory",
]
