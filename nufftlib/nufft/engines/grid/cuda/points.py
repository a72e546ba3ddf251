"""Points on CUDA, sorted by the bins of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nufftlib.nufft.engines.base import Points
from nufftlib.nufft.engines.grid.cuda.device import C_TYPE, CHUNK, SCAN, THREADS, Cuda
from nufftlib.nufft.engines.grid.layout import Layout

KEPT = 4
"""Orders of the points of one trajectory that are kept: two grids on two streams."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Points sorted by the bins of one grid, and cut into problems of at most `CHUNK`.

    Parameters
    ----------
    order : array, shape (M,), int32
        The points, bin by bin.
    starts, problems : array, shape (bins + 1,), int32
        Where each bin begins among the points, and among the problems.
    bin_of : array, shape (most,), int32
        The bin of each problem. Only the device knows their number; `most` bounds it.
    """

    order: Any
    starts: Any
    problems: Any
    bin_of: Any

    @property
    def size(self) -> int:
        """Number of bins."""
        return int(self.starts.shape[0]) - 1

    @property
    def most(self) -> int:
        """Upper bound of the number of problems."""
        return int(self.bin_of.shape[0])


@dataclass(frozen=True, eq=False)
class CudaPoints(Points):
    """Points in cycles per voxel, (d, M), and their bins on each grid they were used with."""

    coordinates: Any
    _bins: dict[Any, Bins] = field(default_factory=dict)

    def bins(self, cuda: Cuda, layout: Layout, edge: int) -> Bins:
        """Return the points sorted by bins of this edge.

        Two threads may sort at once, with equal effect; an interrupt could leave a lock held.
        """
        device = cuda.device(self.coordinates)
        if cuda.capturing(device):  # recorded results do not exist before the launch
            return sort_points(cuda, self.coordinates, layout, edge)
        # Another stream would not wait until this one has sorted.
        key = cuda.stream(device), layout.sizes, layout.kernel.width, edge
        if key not in self._bins:
            self._bins[key] = sort_points(cuda, self.coordinates, layout, edge)
        found = self._bins[key]
        for old in list(self._bins)[:-KEPT]:
            self._bins.pop(old, None)  # another thread may have been here
        return found


def sort_points(cuda: Cuda, points: Any, layout: Layout, edge: int) -> Bins:
    """Sort points (d, M) by bins: count, scan, scatter."""
    d, M = points.shape
    device = cuda.device(points)
    bins = bin_count(layout, edge)

    def empty(size: int) -> Any:
        return cuda.empty(device, (size,), np.int32)

    keys, ranks, order = empty(M), empty(M), empty(M)
    starts, problems = empty(bins + 1), empty(bins + 1)
    bin_of = empty(min(bins, M) + M // CHUNK)
    counts = cuda.zeros(device, (bins,), np.int32)
    blocks = -(-M // THREADS)
    kind = f"{C_TYPE[points.dtype.char]}, {d}, {layout.kernel.width}, {edge}"
    cuda.launch(
        f"count<{kind}>", blocks, THREADS, points, M, *three(layout.sizes), keys, ranks, counts
    )
    cuda.launch("scan", 1, SCAN, counts, bins, starts, problems, bin_of)
    cuda.launch("scatter", blocks, THREADS, keys, ranks, starts, M, order)
    return Bins(order, starts, problems, bin_of)


def bin_count(layout: Layout, edge: int) -> int:
    """Return the number of bins of a grid."""
    return math.prod(-(-n // edge) for n in layout.sizes)


def three(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return sizes with axes of one cell in front."""
    return (1,) * (3 - len(sizes)) + tuple(sizes)
