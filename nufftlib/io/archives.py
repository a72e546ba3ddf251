"""Trajectories in NumPy's archives, as arrays with these names: what anyone's script can write."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.kinds import sizes
from nufftlib.io.stored import CALL, Stored

NAMES = ("trajectory", "k")
"""A trajectory goes by one of them."""


def by_names(archive: Any) -> Stored:
    """Return the trajectory of an archive, and what stands beside it."""
    found = [name for name in NAMES if name in archive.files]
    if len(found) != 1:
        held = ", ".join(archive.files) or "nothing"
        more = "both trajectory and k" if found else "neither trajectory nor k"
        msg = f"it holds {held}: {more}"
        raise ValueError(msg)
    beside = {name: archive[name] for name in ("shape", "fov") if name in archive.files}
    shape, fov = (values_of(beside.get(name)) for name in ("shape", "fov"))
    return Stored(
        "NumPy",
        archive[found[0]],
        unit="cycles per voxel",
        shape=shape and sizes(CALL, "shape", shape, "the voxels along each axis"),
        fov=fov,
        sample_time=float(archive["sample_time"]) if "sample_time" in archive.files else None,
    )


def values_of(array: Any) -> tuple[Any, ...] | None:
    """Return the numbers of a row, or of one number."""
    return None if array is None else tuple(np.atleast_1d(array).tolist())
