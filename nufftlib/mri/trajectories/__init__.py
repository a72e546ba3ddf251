"""Patterns of k-space trajectories from the literature, in two and three dimensions."""

from nufftlib.mri.trajectories import tools
from nufftlib.mri.trajectories.catalogue import patterns
from nufftlib.mri.trajectories.planar.radial import radial
from nufftlib.mri.trajectories.planar.spirals import spiral
from nufftlib.mri.trajectories.tilts import tilt_angle, tiny_golden_angle
from nufftlib.mri.trajectories.volume.blades import (
    radial_echo_planar,
    turbine,
)
from nufftlib.mri.trajectories.volume.cones import (
    cones_3d,
    floret,
)
from nufftlib.mri.trajectories.volume.seiffert import seiffert_spiral
from nufftlib.mri.trajectories.volume.shells import (
    annular_shells,
    helical_shells,
    seiffert_shells,
)
from nufftlib.mri.trajectories.volume.spokes import (
    golden_means_radial,
    koosh_ball,
    park_radial,
    phyllotaxis_radial,
    wong_radial,
)
from nufftlib.mri.trajectories.volume.wave_caipi import wave_caipi

__all__ = [
    "annular_shells",
    "cones_3d",
    "floret",
    "golden_means_radial",
    "helical_shells",
    "koosh_ball",
    "park_radial",
    "patterns",
    "phyllotaxis_radial",
    "radial",
    "radial_echo_planar",
    "seiffert_shells",
    "seiffert_spiral",
    "spiral",
    "tilt_angle",
    "tiny_golden_angle",
    "tools",
    "turbine",
    "wave_caipi",
    "wong_radial",
]
