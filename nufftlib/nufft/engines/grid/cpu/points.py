"""Points on the CPU, sorted by the cells of a grid, in slabs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nufftlib.nufft.engines.base import Points
from nufftlib.nufft.engines.grid.cpu import loops
from nufftlib.nufft.engines.grid.cpu.parallel import Range, run

BINS = {1: (64,), 2: (8, 32), 3: (4, 8, 32)}
"""Cells of a bin. Loops take points bin by bin, so that the cache holds their part of the grid.
In one dimension a bin is at least as long as the chunks of a run, so that slabs keep apart."""


PIECES = 16
"""Pieces into which a long trajectory is cut for sorting."""


SLABS = 32
"""Slabs into which a large grid is cut for spreading."""


LEAST = 2**16
"""Cells to which the points of a slab are spread, at least: less is not worth handing over."""


KEPT = 2
"""Grids for which points stay sorted: those used last."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Points sorted by the cells of one grid.

    Parameters
    ----------
    starts : array, shape (M, d), int32
        First cell that each point covers.
    offsets : array, shape (M, d), real
        Position of each point in its cell: the argument of the kernel's polynomials.
    order : array, shape (M,), int
        Number of each point in the trajectory.
    slabs : tuple of two lists of (begin, end)
        Ranges of points that may be spread at once: first all of the first list, then all
        of the second.
    """

    starts: Any
    offsets: Any
    order: Any
    slabs: tuple[list[Range], list[Range]]


@dataclass(frozen=True, eq=False)
class GridPoints(Points):
    """Points in cycles per voxel, and their order on the grids that they were last used with."""

    _cells: dict[Any, Cells] = field(default_factory=dict)

    def cells(self, sizes: tuple[int, ...], width: int) -> Cells:
        """Return the points sorted by the cells of a grid, for a kernel of this width.

        Two threads may sort at once, to the same result; a lock would be lost to a fork.
        """
        cells = self._cells.get((sizes, width))
        if cells is None:
            cells = self._cells[sizes, width] = sort_points(self.axes, sizes, width)
            for old in list(self._cells)[:-KEPT]:
                self._cells.pop(old, None)  # another thread may have been quicker
        return cells


def sort_points(axes: tuple[Any, ...], sizes: tuple[int, ...], width: int) -> Cells:
    """Find the cells of points, and sort the points by them."""
    M, d = len(axes[0]), len(axes)
    bins = BINS[d]
    rows = [-(-n // b) for n, b in zip(sizes, bins, strict=True)]
    count = min(PIECES, -(-M // 4096))
    pieces = np.arange(count + 1) * M // count
    each = [(piece, piece + 1) for piece in range(count)]
    keys, counts = np.empty(M, np.int32), np.zeros((count, math.prod(rows)), np.int32)
    run(loops.count, each, axes, sizes, bins, width, pieces, keys, counts)
    ends = np.cumsum(counts.T).reshape(counts.T.shape).T
    starts, offsets = np.empty((M, d), np.int32), np.empty((M, d), axes[0].dtype)
    order = np.empty(M, np.int32)
    run(loops.place, each, axes, sizes, width, pieces, keys, ends - counts, starts, offsets, order)
    ends_of_rows = ends[-1].reshape(rows[0], -1)[:, -1]
    slabs = cut(ends_of_rows, bins[0], sizes[0], width, LEAST / width**d)
    return Cells(starts, offsets, order, slabs)


def cut(
    ends: Any, height: int, size: int, width: int, least: float
) -> tuple[list[Range], list[Range]]:
    """Cut the first axis into slabs of about equally many points, and take every other.

    Points of a slab reach at most ``width - 1`` cells into the next slab, also around the
    edge of the period. Slabs are at least that high, and their number is even. Two slabs of
    one list thus touch no common cell. They depend only on the points. Those of fewer than
    `least` points are joined.
    """
    wanted = max(ends[-1] / SLABS, least)
    slabs: list[Range] = []
    begin = top = 0
    for row, end in enumerate(map(int, ends), start=1):
        high = min(row * height, size) - top
        rest = size - min(row * height, size)
        full = high >= width - 1 and (rest >= width - 1 or rest == 0)
        if full and (end - begin >= wanted or rest == 0):
            slabs.append((begin, end))
            begin, top = end, row * height
    if len(slabs) % 2:  # the last two become one
        slabs[-2:] = [(slabs[-2][0], slabs[-1][1])] if len(slabs) > 1 else []
    if len(slabs) < 2:
        return [(0, int(ends[-1]))], []
    return slabs[0::2], slabs[1::2]
