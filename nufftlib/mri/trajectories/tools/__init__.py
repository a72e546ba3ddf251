"""From one trajectory to another: stacked, turned, bent, joined, and placed elsewhere."""

from nufftlib.mri.trajectories.tools.offsets import (
    caipi_offsets,
    packing_offsets,
    place,
    stack_random,
)
from nufftlib.mri.trajectories.tools.readouts import (
    epify,
    in_out,
    oversample,
    radialize_centre,
    unepify,
)
from nufftlib.mri.trajectories.tools.stacks import shells, stack, stack_spherically
from nufftlib.mri.trajectories.tools.turns import conify, duplicate_along_axes, precess, rotate

__all__ = [
    "caipi_offsets",
    "conify",
    "duplicate_along_axes",
    "epify",
    "in_out",
    "oversample",
    "packing_offsets",
    "place",
    "precess",
    "radialize_centre",
    "rotate",
    "shells",
    "stack",
    "stack_random",
    "stack_spherically",
    "unepify",
]
