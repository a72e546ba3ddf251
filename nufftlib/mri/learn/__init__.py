"""Learning of the trajectory from an image: the objective and the job."""

from nufftlib.mri.learn.learn import LearnedTrajectory, learn_trajectory
from nufftlib.mri.learn.objective import TrajectoryObjective

__all__ = ["LearnedTrajectory", "TrajectoryObjective", "learn_trajectory"]
