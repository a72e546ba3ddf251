"""Where the search for a motion begins: pictures that are far apart are registered first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nufftlib.blur.calibrate.pair.between import REACH, SMOOTHING
from nufftlib.blur.calibrate.pair.model import STILL, Pair
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.windows import halve
from nufftlib.warp.operator import numbers
from nufftlib.warp.registration import COARSEST, finer, register

FAR = 3.0
"""Pixels of a motion at the picture's edge that the steps of the alignment do not find alone."""

LOWER = 0.8
"""Part of the root mean square that a motion leaves of the difference of two pictures."""

LARGEST = 512
"""Pixels along the longer side of the pictures that are registered."""

SLACK = 2
"""Pixels that a shift may still grow by."""

MIDDLE = 32
"""Pixels of a side that are left, at least, where a motion takes the edge."""


def near(pair: Pair, *, turned: bool) -> Pair:
    """Return the pair with the motion of a registration, if its pictures are far apart.

    The sharp picture is blurred by the first guess of the PSF. Both are brought to one mean and
    spread, since `register` wants pictures of one brightness.
    """
    fixed, moving = levelled(pair.y), levelled(pair.blur(pair.x))
    shapes = []
    while max(fixed.shape) > LARGEST:
        shapes.append(fixed.shape)
        fixed, moving = halve(fixed, 2), halve(moving, 2)
    if min(fixed.shape) < COARSEST:
        return pair
    found = register(fixed, moving, "similarity" if turned else "shift")
    xp: Any = namespace(fixed)
    if found.residual > LOWER * float(xp.sqrt(xp.mean((moving - fixed) ** 2))):
        return pair
    rest = [float(p) for p in (found.warp.rotation, found.warp.scale) if p is not None]
    moved = replace(pair, motion=(*numbers(found.warp.shift), *(rest or STILL[2:])))
    for shape in reversed(shapes):
        moved = replace(pair, motion=tuple(float(v) for v in finer(moved.warp, shape)))
    part = moved.overlapping()
    enough = min(part.y.shape[-2:]) - 2 * (part.margin + SLACK + SMOOTHING) >= MIDDLE
    return part if enough and moved.margin > REACH + FAR else pair


def levelled(x: Array) -> Array:
    """Return the mean of the channels, of mean zero and deviation one."""
    xp: Any = namespace(x)
    grey = xp.mean(x, axis=0)
    grey = grey - xp.mean(grey)
    level: Array = grey / xp.std(grey)
    return level
