"""Stacks of planes to calibrate a PSF of three axes with: simulated beads, or the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from nufftlib import workflows
from nufftlib.io.pictures import Picture, all_known

T = TypeVar("T")

SHAPE, STEPS = (24, 64, 64), (300e-9, 100e-9, 100e-9)
"""Voxels of the simulated stack, and their size in metres: coarser along the depth, as usual."""
BEADS, RADII = 150, (150e-9, 600e-9)
"""How many beads there are, and their least and largest radius in metres."""


def beads(seed: int) -> Picture:
    """Return a stack of balls at random places, of random size and brightness up to one."""
    rng = np.random.default_rng(seed)
    axes = [step * np.arange(n) for n, step in zip(SHAPE, STEPS, strict=True)]
    stack = np.zeros(SHAPE)
    for _ in range(BEADS):
        centre, radius = rng.uniform(0, [a[-1] for a in axes]), rng.uniform(*RADII)
        z, y, x = ((a - c) ** 2 for a, c in zip(axes, centre, strict=True))
        ball = z[:, None, None] + y[:, None] + x <= radius**2
        stack[ball] = np.maximum(stack[ball], rng.uniform(0.2, 1.0))
    return Picture(stack[np.newaxis].astype(np.float32), STEPS)


def told_of_stacks(load: Callable[[Path], T], path: Path) -> T:
    """Load a picture; where it cannot be one, say so if the file is a stack."""
    try:
        return load(path)
    except ValueError as error:
        try:
            depth = workflows.load_stack(path).values.shape[1]
        except (ValueError, OSError, ImportError):
            depth = 1
        if depth == 1:
            raise
        msg = f"{error}; stacks go with --ndim 3 of calibrate-psf or deblur"
        raise ValueError(msg) from error


def load_planes(path: Path) -> Picture:
    """Read a stack, shape (channels, depth, rows, columns), with the size of its voxels."""
    stack = workflows.load_stack(path)
    depth, rows, columns = stack.values.shape[1:]
    if depth == 1:
        msg = (
            f"{path}: it holds one plane of {rows} x {columns} pixels; want a stack of several, "
            f"or --ndim 2"
        )
        raise ValueError(msg)
    return Picture(stack.values, all_known(stack.pixel_size))


def load_light(path: Path) -> Picture:
    """Read a stack of values from 0 to 1, which the noise of a simulation is meant for."""
    stack = load_planes(path)
    low, high = float(stack.values.min()), float(stack.values.max())
    if low < 0 or high > 1:
        msg = f"{path}: the values run from {low:g} to {high:g}; want 0 to 1"
        raise ValueError(msg)
    return stack
