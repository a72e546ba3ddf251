"""MRI: trajectories, density compensation, coil sensitivities."""

from nufftlib.mri.coils import birdcage_maps, low_frequency_maps
from nufftlib.mri.density import pipe_menon
from nufftlib.mri.trajectories import from_cycles_per_fov, from_radians, radial_trajectory

__all__ = [
    "birdcage_maps",
    "from_cycles_per_fov",
    "from_radians",
    "low_frequency_maps",
    "pipe_menon",
    "radial_trajectory",
]
