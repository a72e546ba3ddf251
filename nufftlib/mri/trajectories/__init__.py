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
from nufftlib.mri.trajectories.volume.blades import (
    radial_echo_planar,
    turbine,
)
from nufftlib.mri.trajectories.volume.cones import (
    cones_3d,
    floret,
)
from nufftlib.mri.trajectories.volume.eccentric import eccentric_3d
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
from nufftlib.mri.trajectories.walks import (
    random_walk,
    random_walk_3d,
    travelling_salesman,
    travelling_salesman_3d,
)

__all__ = [
    "annular_shells",
    "cones_2d",
    "cones_3d",
    "eccentric_2d",
    "eccentric_3d",
    "epi",
    "fibonacci_spiral",
    "floret",
    "golden_means_radial",
    "helical_shells",
    "koosh_ball",
    "lissajous",
    "park_radial",
    "patterns",
    "phyllotaxis_radial",
    "polar_lissajous",
    "propeller",
    "radial",
    "radial_echo_planar",
    "random_walk",
    "random_walk_3d",
    "rings",
    "rosette",
    "seiffert_shells",
    "seiffert_spiral",
    "sinusoid",
    "spiral",
    "tilt_angle",
    "tiny_golden_angle",
    "tools",
    "travelling_salesman",
    "travelling_salesman_3d",
    "turbine",
    "twirl",
    "variable_density_spiral",
    "wave_caipi",
    "waves",
    "wong_radial",
]
