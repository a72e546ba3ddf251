"""Patterns of k-space trajectories from the literature, in two and three dimensions."""

from nufftlib.mri.trajectories import tools
from nufftlib.mri.trajectories.catalogue import patterns
from nufftlib.mri.trajectories.planar.circles import eccentric_2d, rings
from nufftlib.mri.trajectories.planar.lines import epi, propeller
from nufftlib.mri.trajectories.planar.radial import radial
from nufftlib.mri.trajectories.planar.rosettes import lissajous, polar_lissajous, rosette
from nufftlib.mri.trajectories.planar.spirals import fibonacci_spiral, spiral, twirl
from nufftlib.mri.trajectories.planar.variable_density import variable_density_spiral
from nufftlib.mri.trajectories.planar.zigzags import cones_2d, sinusoid, waves
from nufftlib.mri.trajectories.tilts import tilt_angle, tiny_golden_angle
from nufftlib.mri.trajectories.walks import (
    random_walk,
    random_walk_3d,
    travelling_salesman,
    travelling_salesman_3d,
)

__all__ = [
    "cones_2d",
    "eccentric_2d",
    "epi",
    "fibonacci_spiral",
    "lissajous",
    "patterns",
    "polar_lissajous",
    "propeller",
    "radial",
    "random_walk",
    "random_walk_3d",
    "rings",
    "rosette",
    "sinusoid",
    "spiral",
    "tilt_angle",
    "tiny_golden_angle",
    "tools",
    "travelling_salesman",
    "travelling_salesman_3d",
    "twirl",
    "variable_density_spiral",
    "waves",
]
