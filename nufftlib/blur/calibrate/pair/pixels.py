"""Pixels of a blurred picture that do not count: clipped ones, and outliers."""

from __future__ import annotations

import math
from typing import Any

from nufftlib.core.arrays import Array, namespace

PLATEAU = 1e-4
"""Part of the pixels at a channel's largest or smallest value from which it counts as clipped."""

FEWEST = 20
"""Pixels that a plateau has at least."""

NEAR = 3.0
"""Standard deviations from a clipping level within which the noise may have been clipped."""

FAR = 5.0
"""Standard deviations beyond which a pixel is an outlier."""

MAD = 1.4826
"""Standard deviation of normal numbers in units of their median modulus."""


def clipping_levels(y: Array) -> list[tuple[float, float]]:
    """Return the levels at which each channel (height, width) is clipped, or infinity."""
    xp: Any = namespace(y)
    levels = []
    for channel in y:
        least = max(FEWEST, PLATEAU * math.prod(channel.shape))
        ends = (float(xp.min(channel)), float(xp.max(channel)))
        counts = [int(xp.count_nonzero(channel == end)) for end in ends]
        low = ends[0] if counts[0] >= least else -math.inf
        high = ends[1] if counts[1] >= least else math.inf
        levels.append((low, high))
    return levels


def unclipped(y: Array, levels: list[tuple[float, float]], slack: float = 0.0) -> Array:
    """Return where each channel lies between its levels, by more than `slack`."""
    xp: Any = namespace(y)
    return xp.stack(
        [(c > low + slack) & (c < high - slack) for c, (low, high) in zip(y, levels, strict=True)]
    )


def spread(residual: Array) -> float:
    """Return the standard deviation of normal numbers with outliers among them."""
    xp: Any = namespace(residual)
    found = xp.sort(xp.abs(residual))
    return MAD * float(found[found.shape[0] // 2])
