"""The iteration of density weights on the CPU: in each step the points are passed once.

A step reads the grid of the weights before it, and at once spreads the new weights on another
grid, by the same values of the kernel. The points stay in the order of the bins throughout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from nufftlib.core.arrays import Array
from nufftlib.core.caching import remembered
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.nufft.engines.grid.cpu.grid import Grid
from nufftlib.nufft.engines.grid.cpu.loops import Loop
from nufftlib.nufft.engines.grid.cpu.parallel import run, workers
from nufftlib.nufft.engines.grid.cpu.points import Cells
from nufftlib.nufft.engines.grid.cpu.steps import backward_step, forward_step
from nufftlib.nufft.engines.grid.cpu.turns import WIDE
from nufftlib.nufft.engines.grid.cpu.vectors import whole_chunks
from nufftlib.nufft.engines.grid.layout import Layout
from nufftlib.nufft.engines.gridding import Gridding, Recomputed

PIECE = 4096
"""Points that are passed at once where they are not spread."""

FEWEST = 256
"""Points of a slab, at least: fewer are not worth a wait for their neighbours."""


class Passes:
    """Passes over sorted points, of which each reads the grid that the one before filled.

    Parameters
    ----------
    layout : Layout
        The grids' layout.
    cells : Cells
        The points, sorted by its cells.
    dtype : dtype
        Real dtype.
    """

    def __init__(self, layout: Layout, cells: Cells, dtype: np.dtype[Any]) -> None:
        kernel = layout.kernel
        self.cells, self.layout = cells, layout
        self.setting = len(layout.shape), kernel.width, kernel.degree
        self._grids = Grid(layout, dtype, 1, 1), Grid(layout, dtype, 1, 1)

    def run(self, loop: Loop, orders: int, values: Any, steps: int, *data: Any) -> None:
        """Pass the points once more than there are steps; `values` (M,) are what is spread.

        The sums of crowds are added between two passes.
        """
        slabs = self._slabs()
        if not self.cells.crowds:
            self._pass(loop, orders, slabs, (0, steps + 1), steps, True, *data)
            return
        begin, end = self.cells.crowds[0].begin, len(values)
        count = 2 * -(-(end - begin) // (2 * PIECE))  # an even number, as of slabs
        bounds = begin + (end - begin) * np.arange(count + 1) // count
        pieces = np.zeros((count, 6), np.int64)
        pieces[:, 0], pieces[:, 1] = bounds[:-1], bounds[1:]
        in_order = replace(self.cells, order=np.arange(end, dtype=np.int32))
        for n in range(steps + 1):
            self._pass(loop, orders, slabs, (n, n + 1), steps, True, *data)
            self._pass(loop, orders, pieces, (n, n + 1), steps, False, *data)
            if n < steps:
                target = self._grids[n % 2]
                target.add_crowds(in_order, values[None, :, None])
                target.fold()
                target.wrap()

    def _pass(
        self,
        loop: Loop,
        orders: int,
        slabs: Any,
        passes: tuple[int, int],
        steps: int,
        adds: bool,
        *data: Any,
    ) -> None:
        table, cells = self._grids[0].tables, self.cells
        grids = tuple(grid.cells.reshape(-1) for grid in self._grids)
        ndim, width, _ = self.setting
        taps = len(cells.order) * (passes[1] - passes[0]) * width**ndim
        helpers = workers(taps)
        counts = np.zeros(2 * len(slabs) * WIDE, np.int64)
        run(
            loop,
            [(thread, thread + 1) for thread in range(min(helpers, -(-len(slabs) // 2)))],
            counts,
            slabs,
            passes,
            steps,
            adds,
            grids,
            table.extent[2],
            table.sizes[2],
            table.plane_at,
            table.row_at,
            point_polynomials(self.layout, cells.offsets.dtype, orders),
            cells.starts,
            cells.offsets,
            *data,
        )

    # Each slab: its points; what it sets to zero of the flat grid; the lines that it closes. The
    # slabs of even number add to a row before the others.
    def _slabs(self) -> Any:
        table, (ndim, width, _) = self._grids[0].tables, self.setting
        size = self.layout.sizes[0]
        closes = not self.cells.crowds
        slabs = self.cells.slabs(size, width, FEWEST)
        if ndim == 1:
            halo, lines, unit, end = whole_chunks(width) - 1, 1, 1, table.extent[2]
        else:
            halo, lines, end = width - 1, table.extent[1] if ndim == 3 else 1, size
            unit = lines * table.extent[2]
        rows = []
        for number, slab in enumerate(slabs):
            top, bottom = slab.top, slab.bottom
            if len(slabs) == 1:
                clear, close = (0, end), (0, size)
            elif number % 2 == 0:
                clear, close = (top, bottom + halo), (top + halo, bottom)
            else:
                last = end if number == len(slabs) - 1 else bottom
                clear, close = (top + halo, last), (top, bottom + halo)
            if not closes:
                close = 0, 0
            elif ndim == 1:  # one line, which the last slab closes
                close = 0, int(number == len(slabs) - 1)
            row = [unit * clear[0], unit * clear[1], lines * close[0], lines * close[1]]
            rows.append([slab.begin, slab.end, *row])
        return np.array(rows, np.int64)


@remembered(maxsize=16)
def point_polynomials(layout: Layout, dtype: np.dtype[Any], orders: int) -> Any:
    """Return the kernel's polynomials as `evaluate_point` wants them."""
    width = layout.kernel.width
    padding = [(0, 0)] * 3 + [(0, whole_chunks(width) - width)]
    table = np.pad(layout.polynomials[:, :orders], padding).astype(dtype)
    return np.ascontiguousarray(np.moveaxis(table, 2, 0))


def last_weights(passes: Passes, w: Any, steps: int) -> None:
    """Replace the weights of sorted points by those after so many steps."""
    loop = forward_step(*passes.setting, slopes=False)
    unused = np.empty((0, 0, passes.setting[0]), w.dtype)
    passes.run(loop, 1, w, steps, w, unused[:, :, 0], unused)


@dataclass(frozen=True, eq=False)
class GridIteration:
    """The iteration of which all that its steps have read is kept, in the order of the cells.

    Parameters
    ----------
    gridding : Gridding
        At the same points.
    layout : Layout
        The grids' layout.
    cells : Cells
        The points, sorted by its cells.
    w : array, shape (M,)
        The weights after the last step.
    z, D : array, shape (steps, M) and (steps, M, d)
        ``C w`` and ``D w`` of each step.
    weights : array, shape (M,)
        The weights after the last step, in the order of the points.
    """

    gridding: Gridding
    layout: Layout
    cells: Cells
    w: Any
    z: Any
    D: Any
    weights: Array

    def tangent(self, dk: Array) -> Array:
        """Return their change along a direction of the points."""
        xp = array_namespace(dk)
        before = accumulate(reversed(self.z), lambda w, z: w * abs(z), initial=self.w)
        each = [from_numpy(xp, unsorted(w, self.cells)) for w in before]
        return Recomputed(self.gridding, tuple(reversed(each))).tangent(dk)

    def cotangent(self, bar: Array) -> Array:
        """Return the gradient by the points, from that by the weights."""
        q = as_numpy(bar)[self.cells.order]
        w, p, gradient = self.w.copy(), np.empty_like(q), np.zeros(self.D.shape[1:], q.dtype)
        passes = Passes(self.layout, self.cells, q.dtype)
        loop = backward_step(*passes.setting)
        passes.run(loop, 2, p, len(self.z), w, self.z, self.D, p, q, gradient)
        return from_numpy(array_namespace(bar), unsorted(gradient, self.cells))


def linearized(
    gridding: Gridding, layout: Layout, cells: Cells, start: Array, steps: int
) -> GridIteration:
    """Return the iteration with its derivative."""
    w = as_numpy(start)[cells.order]
    z, D = np.empty((steps, *w.shape), w.dtype), np.empty((steps, *cells.starts.shape), w.dtype)
    passes = Passes(layout, cells, w.dtype)
    loop = forward_step(*passes.setting, slopes=True)
    passes.run(loop, 2, w, steps, w, z, D)
    weights = from_numpy(array_namespace(start), unsorted(w, cells))
    return GridIteration(gridding, layout, cells, w, z, D, weights)


def unsorted(x: Any, cells: Cells) -> Any:
    """Bring an array from the order of the cells to that of the points."""
    out = empty(x.shape, x.dtype)
    out[cells.order] = x
    return out
