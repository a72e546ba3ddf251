"""The nearest trajectory that a scanner can play, with a certificate."""

from nufftlib.mri.scanner.projection.project import (
    Certificate,
    ProjectedTrajectory,
    TrajectoryProjection,
    project_trajectory,
)

__all__ = ["Certificate", "ProjectedTrajectory", "TrajectoryProjection", "project_trajectory"]
