"""Points on CUDA, and how they are sorted by the bins of a grid."""

from __future__ import annotations

import math
import threading
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
        The bin of each problem. How many there are, the device alone knows; `most` bounds it.
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
        """How many problems there are at most."""
        return int(self.bin_of.shape[0])


@dataclass(frozen=True, eq=False)
class CudaPoints(Points):
    """Points in cycles per voxel, (d, M), and how they are sorted for the grids they met."""

    coordinates: Any
    _bins: dict[Any, Bins] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bins(self, cuda: Cuda, layout: Layout, edge: int) -> Bins:
        """Return the points sorted by bins of this edge."""
        device = cuda.device(self.coordinates)
        if cuda.capturing(device):  # what is recorded is not there before the graph is launched
            return sort_points(cuda, self.coordinates, layout, edge)
        # Another stream does not know when this one will have sorted.
        key = cuda.stream(device), layout.sizes, layout.kernel.width, edge
        with self._lock:
            if key not in self._bins:
                self._bins[key] = sort_points(cuda, self.coordinates, layout, edge)
                for old in list(self._bins)[:-KEPT]:
                    del self._bins[old]
            return self._bins[key]


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
