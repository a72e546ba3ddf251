"""The centre of mass of a PSF."""

from __future__ import annotations

from typing import Any

from nufftlib.core.arrays import Array, namespace


def centroid(h: Array) -> list[float]:
    """Return the centre of mass in pixels along both axes."""
    xp: Any = namespace(h)
    sides = [xp.sum(h, axis=1), xp.sum(h, axis=0)]
    return [
        float(xp.sum(s * xp.arange(s.shape[0], dtype=h.dtype, device=h.device)) / xp.sum(s))
        for s in sides
    ]
