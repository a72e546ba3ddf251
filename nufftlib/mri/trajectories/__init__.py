"""Patterns of k-space trajectories from the literature, in two and three dimensions."""

from nufftlib.mri.trajectories.catalogue import patterns
from nufftlib.mri.trajectories.planar.radial import radial
from nufftlib.mri.trajectories.planar.spirals import spiral
from nufftlib.mri.trajectories.tilts import tilt_angle, tiny_golden_angle
from nufftlib.mri.trajectories.walks import (
    random_walk,
    random_walk_3d,
    travelling_salesman,
    travelling_salesman_3d,
)

__all__ = [
    "patterns",
    "radial",
    "random_walk",
    "random_walk_3d",
    "spiral",
    "tilt_angle",
    "tiny_golden_angle",
    "travelling_salesman",
    "travelling_salesman_3d",
]
