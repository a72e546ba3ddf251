"""Patterns of k-space trajectories from the literature, in two and three dimensions."""

from nufftlib.mri.trajectories import tools
from nufftlib.mri.trajectories.catalogue import patterns
from nufftlib.mri.trajectories.planar.radial import radial
from nufftlib.mri.trajectories.planar.spirals import spiral
from nufftlib.mri.trajectories.tilts import tilt_angle, tiny_golden_angle

__all__ = [
    "patterns",
    "radial",
    "spiral",
    "tilt_angle",
    "tiny_golden_angle",
    "tools",
]
