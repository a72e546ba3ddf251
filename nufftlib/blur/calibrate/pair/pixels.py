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

NEAR, BAND = 3.0, 0.05
"""Standard deviations from a clipping level within which the noise may have been clipped, and the
largest part of a channel's range that they may be."""

FAR = 5.0
"""Standard deviations beyond which a pixel is an outlier."""

MAD = 1.4826
"""Standard deviation of normal numbers in units of their median modulus."""


FLAT = 0.05
"""Part of a sharp picture's deviation that it has under a plateau which it explains."""


def clipping_levels(x: Array, y: Array, seen: Array) -> list[tuple[float, float]]:
    """Return the levels at which each channel of `y` is clipped, or infinity.

    A black background is no clipping, nor are the maxima of equal stars: under these plateaus
    the sharp picture, of the same pixels, is flat.
    """
    xp: Any = namespace(y)
    levels = []
    for c in range(y.shape[0]):
        ends = []
        for sign in (-1.0, 1.0):
            level = sign * plateau(sign * y[c, ...][seen[c, ...]])
            under = x[c, ...][seen[c, ...] & (y[c, ...] == level)]
            if math.isfinite(level) and float(xp.std(under)) < FLAT * float(xp.std(x[c, ...])):
                level = sign * math.inf
            ends.append(level)
        levels.append((ends[0], ends[1]))
    return levels


def plateau(channel: Array) -> float:
    """Return the value near the largest that most pixels share, if it is a plateau."""
    xp: Any = namespace(channel)
    size = math.prod(channel.shape)
    if size == 0:
        return math.inf
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


def unclipped(y: Array, levels: list[tuple[float, float]], noise: float = 0.0) -> Array:
    """Return where each channel lies between its levels, or farther inside than noise reaches."""
    xp: Any = namespace(y)
    kept = []
    for c, (low, high) in enumerate(levels):
        channel = y[c, ...]
        span = float(xp.max(channel)) - float(xp.min(channel))
        slack = min(NEAR * noise, BAND * span)
        kept.append((channel > low + slack) & (channel < high - slack))
    return xp.stack(kept)


def spread(residual: Array) -> float:
    """Return the standard deviation of normal numbers with outliers among them."""
    xp: Any = namespace(residual)
    found = xp.sort(xp.abs(residual))
    return MAD * float(found[found.shape[0] // 2])
