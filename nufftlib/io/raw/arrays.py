"""Raw data in NumPy's archives: ``data``, ``trajectory`` and ``shape`` by these names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.core.kinds import sizes
from nufftlib.io.raw.scan import Raw
from nufftlib.io.stored import Stored

WISH = "the voxels along each axis"
NAMES = ("data", "trajectory", "shape", "fov", "noise", "sample_time")


def read_archive(path: Path) -> Raw:
    """Read the arrays."""
    with np.load(path, allow_pickle=False) as archive:
        held: dict[str, Any] = {name: archive[name] for name in NAMES if name in archive.files}
        if "data" not in held:
            msg = f"it holds {', '.join(archive.files) or 'nothing'}, and no data"
            raise ValueError(msg)
    stored = None
    if "trajectory" in held:
        if "shape" in held:
            counts = tuple(np.atleast_1d(held["shape"]).tolist())
            held["shape"] = sizes("read_scan", "shape", counts, WISH)
        stored = Stored(
            "NumPy",
            held["trajectory"],
            unit="cycles per voxel",
            shape=sizes("read_scan", "shape", tuple(np.atleast_1d(held["shape"]).tolist()), WISH)
            if "shape" in held
            else None,
            fov=tuple(np.atleast_1d(held["fov"]).tolist()) if "fov" in held else None,
            sample_time=float(held["sample_time"]) if "sample_time" in held else None,
        )
    return Raw(held["data"], stored, held.get("noise"), source="NumPy")
