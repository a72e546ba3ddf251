"""Raw data in NumPy's archives: ``data``, a trajectory and noise, by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nufftlib.io.archives import NAMES, by_names
from nufftlib.io.raw.scan import Raw


def read_archive(path: Path) -> Raw:
    """Read the arrays."""
    with np.load(path, allow_pickle=False) as archive:
        if "data" not in archive.files:
            msg = f"it holds {', '.join(archive.files) or 'nothing'}, and no data"
            raise ValueError(msg)
        stored = by_names(archive) if set(NAMES) & set(archive.files) else None
        noise = archive["noise"] if "noise" in archive.files else None
        return Raw(archive["data"], stored, noise, source="NumPy")
