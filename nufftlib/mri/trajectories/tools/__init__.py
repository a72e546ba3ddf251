"""From one trajectory to another: stacked, turned, bent onto cones and shells."""

from nufftlib.mri.trajectories.tools.stacks import shells, stack, stack_spherically
from nufftlib.mri.trajectories.tools.turns import conify, duplicate_along_axes, precess, rotate

__all__ = [
    "conify",
    "duplicate_along_axes",
    "precess",
    "rotate",
    "shells",
    "stack",
    "stack_spherically",
]
