"""Trajectories in NumPy's archives, as arrays with these names: what anyone's script can write."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.io.stored import Stored

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
    if shape is not None and not all(isinstance(n, int) and n > 0 for n in shape):
        msg = f"its shape is {shape}, and not the voxels along each axis, integers"
        raise ValueError(msg)
    points = archive[found[0]]
    if fov is not None and len(fov) == 1 and points.ndim:
        fov *= points.shape[-1]  # one length is that of all axes, as the functions take it
    return Stored(
        "NumPy",
        points,
        unit="cycles per voxel",
        shape=shape,
        fov=fov,
        sample_time=float(archive["sample_time"]) if "sample_time" in archive.files else None,
    )


def values_of(array: Any) -> tuple[Any, ...] | None:
    """Return the numbers of a row, or of one number."""
    return None if array is None else tuple(np.atleast_1d(array).tolist())
