"""Learning of the trajectory from an image: the objective and the job."""

from nufftlib.mri.learn.learn import LearnedTrajectory, learn_trajectory
from nufftlib.mri.learn.objective import TrajectoryObjective
from nufftlib.mri.learn.reconstructions import AdjointReconstruction, Linearized, Reconstruction

__all__ = [
    "AdjointReconstruction",
    "LearnedTrajectory",
    "Linearized",
    "Reconstruction",
    "TrajectoryObjective",
    "learn_trajectory",
]
