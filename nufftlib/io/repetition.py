r"""The gradients of a repetition: from rest to a shot, along it, and on to rest.

All lengths in k-space are divided by :math:`\gamma\,\Delta t` here: they are the gradients in T/m
that go so far in one raster time. So the sum of the gradients is the way.
"""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import numpy as np

from nufftlib.mri.scanner import Protocol, Scanner
from nufftlib.mri.scanner.report import lengths


def repetitions(k: Any, protocol: Protocol, before: float, after: float) -> tuple[Any, int]:
    """Return the gradients of all shots, each from one moment along z to another.

    Parameters
    ----------
    k : ndarray of float64, shape (shots, samples, 2 or 3)
        Trajectory in cycles per voxel.
    protocol : Protocol
        Limits, raster, voxel, and where a shot is at rest.
    before, after : float
        Where a repetition begins and ends, in 1/m along z.

    Returns
    -------
    gradients : ndarray, shape (shots, rows, 3)
        Gradients in T/m, zero at both ends; all shots have the same timing.
    first : int
        Raster times from the beginning to the first sample of the trajectory.
    """
    scanner = protocol.scanner
    unit = scanner.gamma * scanner.raster
    to_3d = (0, 0), (0, 0), (0, 3 - protocol.ndim)
    points = np.pad(k / np.asarray(protocol.voxel), to_3d) / unit
    along = np.diff(points, axis=1)
    along_z = np.asarray([0.0, 0.0, 1.0]) / unit
    there = approach(
        points[:, 0] - before * along_z, along[:, 0] * (not protocol.rests_at_start), scanner
    )
    back = approach(
        after * along_z - points[:, -1], along[:, -1] * (not protocol.rests_at_end), scanner
    )
    return np.concatenate([there, along, back[:, ::-1]], axis=1), there.shape[1]


def approach(way: Any, final: Any, scanner: Scanner) -> Any:
    """Return gradients that go from rest to the gradient `final`, and on the whole by `way`.

    It is a straight line, the shortest that the limits let the longest way have, and a ramp.

    Parameters
    ----------
    way, final : ndarray, shape (shots, 3)
        In T/m.
    scanner : Scanner
        The limits.

    Returns
    -------
    ndarray, shape (shots, rows, 3)
        The first row is zero, the last one `final`, and the sum `way`.
    """
    step = scanner.smax * scanner.raster
    ramp_rows = math.ceil(np.max(lengths(final, scanner.norm)) / step)
    ramp = np.linspace(0, 1, ramp_rows + 1)[:, None] * final[:, None]
    way = way - np.sum(ramp, axis=1)

    def fastest(rows: int) -> Any:
        row = np.arange(rows + 1)
        return np.minimum(scanner.gmax, step * np.minimum(row, rows + 1 - row))

    longest = np.max(lengths(way, scanner.norm))
    line = next(g for g in map(fastest, count(1)) if np.sum(g) >= longest)
    return np.concatenate([line[:, None] * way[:, None] / np.sum(line), ramp], axis=1)
