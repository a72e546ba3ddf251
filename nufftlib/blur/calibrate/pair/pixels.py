"""Pixels of a blurred picture that do not count: clipped ones, and outliers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nufftlib.blur.calibrate.pair.active_set import on_host
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.noise import median_deviation

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


FLAT = 0.05
"""Part of a sharp picture's deviation that it has under a plateau which it explains."""


def clipping_levels(x: Array, y: Array, seen: Array) -> list[tuple[float, float]]:
    """Return the levels at which each channel of `y` is clipped, or infinity.

    A black background is no clipping, nor are the maxima of equal stars: under these plateaus
    the sharp picture, of the same pixels, is flat.
    """
    levels = []
    for sharp, stored, kept in zip(on_host(x), on_host(y), on_host(seen), strict=True):
        ends = []
        for sign in (-1.0, 1.0):
            level = sign * plateau(sign * stored[kept])
            under = sharp[kept & (stored == level)]
            if math.isfinite(level) and under.std() < FLAT * sharp.std():
                level = sign * math.inf
            ends.append(level)
        levels.append((ends[0], ends[1]))
    return levels


def plateau(values: Any) -> float:
    """Return the value near the largest that most pixels share, if it is a plateau."""
    size = values.size
    if size == 0:
        return math.inf
    levels, counts = np.unique(values, return_counts=True)
    below = np.concatenate([[0], counts[:-1]])
    beyond = size - np.cumsum(counts)
    tall = (counts >= max(FEWEST, PLATEAU * size)) & (counts > TALLER * below)
    found = np.where(tall & (beyond <= BEYOND * size), counts, 0)
    best = int(np.argmax(found))
    return float(levels[best]) if found[best] > 0 else math.inf


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


def spread(residual: Array, seen: Array) -> float:
    """Return the standard deviation of normal numbers with outliers among them."""
    return median_deviation(on_host(residual)[on_host(seen)])
