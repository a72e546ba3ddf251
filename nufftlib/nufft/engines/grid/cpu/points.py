"""Points on the CPU, sorted by the cells of a grid, in slabs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nufftlib.nufft.engines.base import Points
from nufftlib.nufft.engines.grid.cpu.sorting import locate_all, most_in_a_cell, sort_by_bins

BINS = {1: (6,), 2: (3, 5), 3: (2, 3, 5)}
"""Cells of a bin, as powers of two. Loops take points bin by bin, so that the cache holds their
part of the grid. dimension a bin is at least as long as the chunks of a run, so that slabs
keep apart."""


SLABS = 32
"""Slabs into which a large grid is cut for spreading."""


CROWD = 2048
"""Points that begin in one cell and are too many to be added up in single precision, one after the
other: the sum of equal ones is off by 2e-7 of it for each."""


KEPT = 2
"""Grids for which points stay sorted: those used last."""


@dataclass(frozen=True)
class Slab:
    """The points from `begin` to `end`: those of the first axis' cells from `top` to `bottom`."""

    begin: int
    end: int
    top: int
    bottom: int


@dataclass(frozen=True, eq=False)
class Crowd:
    """The points of a crowded bin: those from `begin` to `end`, in a bin from cell `origin` on."""

    begin: int
    end: int
    origin: tuple[int, ...]


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
    ends : array, shape (rows of bins,)
        How many points lie in all rows of bins up to each, but for those of crowds.
    crowds : list of Crowd
        The points of crowded bins, behind the others.
    """

    starts: Any
    offsets: Any
    order: Any
    ends: Any
    crowds: list[Crowd]

    def slabs(self, size: int, width: int, least: float) -> list[Slab]:
        """Cut the first axis, of so many cells, into slabs of `least` points or more."""
        height = 1 << BINS[self.starts.shape[1]][0]
        return cut(self.ends, height, size, width, least)


@dataclass(frozen=True, eq=False)
class GridPoints(Points):
    """Points in cycles per voxel, and their order on the grids that they were last used with."""

    _cells: dict[Any, Cells] = field(default_factory=dict)
    _given: dict[Any, Cells] = field(default_factory=dict)

    def cells(self, sizes: tuple[int, ...], width: int) -> Cells:
        """Return the points sorted by the cells of a grid, for a kernel of this width."""
        return self._kept(self._cells, sort_points, sizes, width)

    def to_read(self, sizes: tuple[int, ...], width: int) -> Cells:
        """Return the points in an order for reading a grid.

        In one dimension it is the given one: a point reads a line or two of the cache, wherever
        it lies, and its data are written one after the other.
        """
        if len(sizes) > 1:
            return self.cells(sizes, width)
        return self._kept(self._given, located_points, sizes, width)

    def _kept(
        self, kept: dict[Any, Cells], make: Callable[..., Cells], sizes: tuple[int, ...], width: int
    ) -> Cells:
        """Return what is kept, or made now.

        Two threads may sort at once, to the same result; a lock would be lost to a fork.
        """
        cells = kept.get((sizes, width))
        if cells is None:
            cells = kept[sizes, width] = make(self.axes, sizes, width)
            for old in list(kept)[:-KEPT]:
                kept.pop(old, None)  # another thread may have been quicker
        return cells


def located_points(axes: tuple[Any, ...], sizes: tuple[int, ...], width: int) -> Cells:
    """Find the cells of points, in the given order; they may be read, not spread."""
    starts, offsets = locate_all(axes, sizes, width)
    return Cells(starts, offsets, np.arange(len(starts), dtype=np.int32), np.empty(0, int), [])


def sort_points(axes: tuple[Any, ...], sizes: tuple[int, ...], width: int) -> Cells:
    """Find the cells of points, and sort the points by them."""
    M, shifts = len(axes[0]), BINS[len(axes)]
    starts, offsets, order, ends = sort_by_bins(axes, sizes, shifts, width)
    counts = np.diff(ends.reshape(-1), prepend=0)
    crowded = np.flatnonzero(counts > CROWD) if axes[0].dtype == np.float32 else np.empty(0, int)
    most = most_in_a_cell(starts, ends.reshape(-1)[crowded], counts[crowded], shifts)
    crowded, crowds = crowded[most > CROWD], []
    if len(crowded):
        last = ends.reshape(-1)[crowded]
        bounds = np.stack([last - counts[crowded], last], axis=-1).reshape(-1)
        starts, offsets, order = (even_then_odd(x, bounds) for x in (starts, offsets, order))
        begin = M - int(counts[crowded].sum())
        for number, count in zip(crowded, counts[crowded].tolist(), strict=True):
            place = np.unravel_index(number, ends.shape)
            origin = tuple(int(i) << shift for i, shift in zip(place, shifts, strict=True))
            crowds.append(Crowd(begin, begin + count, origin))
            begin += count
        counts[crowded] = 0
    ends_of_rows = np.cumsum(counts.reshape(len(ends), -1).sum(axis=1))
    return Cells(starts, offsets, order, ends_of_rows, crowds)


def even_then_odd(x: Any, bounds: Any) -> Any:
    """Cut an array at bounds, and join every other part, and behind these the others."""
    parts = np.split(x, bounds)
    return np.concatenate(parts[0::2] + parts[1::2])


def cut(ends: Any, height: int, size: int, width: int, least: float) -> list[Slab]:
    """Cut the first axis into slabs of about equally many points.

    Points of a slab reach at most ``width - 1`` cells into the next slab, also around the
    edge of the period. Slabs are at least that high, and their number is even. Two that are no
    neighbours thus touch no common cell. They depend only on the points. Those of fewer than
    `least` points are joined.
    """
    ends = ends.tolist()
    wanted = max(ends[-1] / SLABS, least)
    slabs: list[Slab] = []
    begin = top = 0
    while size - top >= width - 1 and top < size:
        # The first row at which the slab is high enough and full; all, if too little is left.
        row = max(-(-(top + max(width - 1, 1)) // height), bisect_left(ends, begin + wanted) + 1)
        bottom = row * height if size - row * height >= width - 1 else size
        end = ends[min(row, len(ends)) - 1] if bottom < size else ends[-1]
        slabs.append(Slab(begin, end, top, bottom))
        begin, top = end, bottom
    if len(slabs) < 2:
        return [Slab(0, ends[-1], 0, size)]
    if len(slabs) % 2:  # the last two become one
        before, last = slabs[-2:]
        slabs[-2:] = [Slab(before.begin, last.end, before.top, last.bottom)]
    return slabs
