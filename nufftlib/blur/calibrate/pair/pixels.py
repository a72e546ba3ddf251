"""Pixels of a blurred picture that do not count: clipped ones, and outliers."""

from __future__ import annotations

import math
from typing import Any

from nufftlib.core.arrays import Array, namespace

PLATEAU = 1e-4
"""Part of the pixels of a channel that have a value at which it counts as clipped, at least."""

FEWEST = 20
"""Pixels that a plateau has at least."""

TALLER = 5
"""Times as many pixels as at the value next to it."""

BEYOND = 0.01
"""Part of the pixels, at most, that lie beyond a plateau, as hot ones do."""

NEAR = 3.0
"""Standard deviations from a clipping level within which the noise may have been clipped."""

FAR = 5.0
"""Standard deviations beyond which a pixel is an outlier."""

MAD = 1.4826
"""Standard deviation of normal numbers in units of their median modulus."""


def clipping_levels(y: Array) -> list[tuple[float, float]]:
    """Return the levels at which each channel (height, width) is clipped, or infinity."""
    channels = [y[c, ...] for c in range(y.shape[0])]
    return [(-plateau(-channel), plateau(channel)) for channel in channels]


def plateau(channel: Array) -> float:
    """Return the value near the largest that most pixels share, if it is a plateau."""
    xp: Any = namespace(channel)
    size = math.prod(channel.shape)
    values, counts = xp.unique_counts(xp.reshape(channel, (-1,)))
    order = xp.argsort(values)
    values, counts = xp.take(values, order), xp.take(counts, order)
    below = xp.concat([xp.zeros_like(counts[:1]), counts[:-1]])
    beyond = size - xp.cumulative_sum(counts)
    tall = (counts >= math.ceil(max(FEWEST, PLATEAU * size))) & (counts > TALLER * below)
    near = beyond <= math.floor(BEYOND * size)
    found = xp.where(tall & near, counts, xp.zeros_like(counts))
    best = int(xp.argmax(found))
    return float(values[best]) if int(found[best]) > 0 else math.inf


def unclipped(y: Array, levels: list[tuple[float, float]], slack: float = 0.0) -> Array:
    """Return where each channel lies between its levels, by more than `slack`."""
    xp: Any = namespace(y)
    kept = []
    for c, (low, high) in enumerate(levels):
        channel = y[c, ...]
        kept.append((channel > low + slack) & (channel < high - slack))
    return xp.stack(kept)


def spread(residual: Array) -> float:
    """Return the standard deviation of normal numbers with outliers among them."""
    xp: Any = namespace(residual)
    found = xp.sort(xp.abs(residual))
    return MAD * float(found[found.shape[0] // 2])
