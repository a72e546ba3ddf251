"""Raw data of BART: samples at a trajectory, or a Cartesian grid whose zeros were not sampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.io.bart import COMPONENTS, DIMENSIONS, read_cfl, shortened
from nufftlib.io.raw.scan import Raw
from nufftlib.io.stored import Stored

COIL, MAPS = 3, 4


def read_bart_scan(path: Path, *, grid: bool) -> Raw:
    """Read ``NAME.cfl``: a grid, or of dimensions (1, samples, shots, coils, 1, frames...)."""
    values = read_cfl(path)
    values = values.reshape((1,) * (DIMENSIONS - values.ndim) + values.shape)
    sizes = values.shape[::-1]
    if sizes[MAPS] != 1:
        msg = f"its dimensions are {shortened(sizes)}, with {sizes[MAPS]} sets of maps"
        raise ValueError(msg)
    if sizes[0] == COMPONENTS and not values.imag.any():
        msg = f"its dimensions are {shortened(sizes)}, and its values real: those of a trajectory"
        raise ValueError(msg)
    frames = values.reshape(-1, *values.shape[-(COIL + 1) :])  # (frames, coils, z, y, x)
    if sizes[0] == 1:
        return Raw(frames[..., 0], None, source="BART")
    if not grid:
        msg = f"its dimensions are {shortened(sizes)}: a grid, and a trajectory is given"
        raise ValueError(msg)
    data, stored = on_grid(frames)
    return Raw(data, stored, source="BART")


def on_grid(frames: Any) -> tuple[Any, Stored]:
    """Return the samples of each frame that are not zero in all coils, as one shot."""
    frames = np.transpose(frames, (0, 1, 4, 3, 2))  # (frames, coils, x, y, z)
    axes = 3 if frames.shape[-1] > 1 else 2
    sizes = frames.shape[2 : 2 + axes]
    sampled = np.any(frames != 0, axis=1)
    counts = np.count_nonzero(sampled, axis=(1, 2, 3))
    if counts.min() != counts.max():
        msg = f"its frames have {counts.min()} to {counts.max()} samples that are not zero"
        raise ValueError(msg)
    steps = np.stack([np.stack(np.nonzero(mask)[:axes], axis=-1) for mask in sampled])
    k = (steps - np.asarray(sizes) // 2).astype(np.float32)
    data = np.stack([frame[:, mask] for frame, mask in zip(frames, sampled, strict=True)])
    stored = Stored("BART", k[:, None], unit="1/fov", fixed=True, shape=sizes)
    return data[:, :, None, :], stored
