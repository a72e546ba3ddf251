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
from numba import uint64

from nufftlib.core.arrays import Array
from nufftlib.core.caching import remembered
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.nufft.engines.grid.cpu.grid import Grid
from nufftlib.nufft.engines.grid.cpu.loops import Loop, compiled, find
from nufftlib.nufft.engines.grid.cpu.parallel import run
from nufftlib.nufft.engines.grid.cpu.points import Cells
from nufftlib.nufft.engines.grid.cpu.scratch import filled
from nufftlib.nufft.engines.grid.cpu.vectors import (
    ORDERS,
    add_rows,
    evaluate,
    read_cell,
    whole_chunks,
)
from nufftlib.nufft.engines.grid.layout import Layout
from nufftlib.nufft.engines.gridding import Gridding, Recomputed

PIECE = 4096
"""Points that are passed at once where they are not spread."""


@remembered(maxsize=None)
def forward_step(ndim: int, width: int, degree: int, slopes: bool) -> Loop:
    """Compile ``w <- w / |z|``, ``z = C w``, spread at once; with `slopes` all are kept.

    If not `reads`, `w` itself is spread; if not `adds`, nothing is.
    """
    planes = width if ndim == 3 else 1
    rows = width if ndim >= 2 else 1
    lines = planes * rows
    padded = whole_chunks(width)

    def step(  # type: ignore[no-untyped-def]
        source, target, plane_at, row_at, polynomials, starts, offsets, reads, adds,
        w, z, D, begin, end,
    ):  # fmt: skip
        kernel = filled(source, 1, 3, ORDERS, padded)
        t = filled(source, 0, 2, padded)
        s = filled(source, 0, 4)
        at = filled(plane_at, 0, lines)
        for i in range(uint64(begin), uint64(end)):
            for axis in range(ndim):
                x = offsets[i, axis]
                evaluate(kernel, polynomials[axis, 0], x, 3 - ndim + axis, 0, degree, width)
                if slopes:
                    evaluate(kernel, polynomials[axis, 1], x, 3 - ndim + axis, 1, degree, width)
            find(at, plane_at, row_at, starts[i], ndim, planes, rows, 1)
            if reads:
                read_cell(s, source, at, kernel, planes, rows, width, slopes)
                w[i] /= abs(s[0])
                if slopes:
                    z[i] = s[0]
                    for axis in range(ndim):
                        D[i, axis] = s[ndim - axis]
            if adds:
                for cell in range(padded):
                    t[0, cell] = kernel[2, 0, cell] * w[i]
                add_rows(t, target, at, kernel, planes, rows, width, padded, False)

    loop: Loop = compiled(step, ndim, width, degree, slopes)
    return loop


@remembered(maxsize=None)
def backward_step(ndim: int, width: int, degree: int) -> Loop:
    """Compile the transpose of a step, after which `p` of the step before is spread at once.

    If `reads`, ``C p`` and ``D p`` of the step from `w` are read, ``bar = q + C p`` is the
    gradient by `w`, and ``gradient += p (D w) + w (D p)``; else ``q`` holds the gradient by `w`.
    If there is `more`, `q` and `p` become those of the step to `w`, in which ``C`` gave `z`, and
    `w` the weights before it: they are not kept, but ``w |z|``. If it `adds`, `p` is spread.
    """
    planes = width if ndim == 3 else 1
    rows = width if ndim >= 2 else 1
    lines = planes * rows
    padded = whole_chunks(width)

    def step(  # type: ignore[no-untyped-def]
        source, target, plane_at, row_at, polynomials, starts, offsets, reads, adds,
        more, w, z, D, p, q, gradient, begin, end,
    ):  # fmt: skip
        kernel = filled(source, 1, 3, ORDERS, padded)
        t = filled(source, 0, 2, padded)
        s = filled(source, 0, 4)
        at = filled(plane_at, 0, lines)
        for i in range(uint64(begin), uint64(end)):
            for axis in range(ndim):
                x = offsets[i, axis]
                evaluate(kernel, polynomials[axis, 0], x, 3 - ndim + axis, 0, degree, width)
                evaluate(kernel, polynomials[axis, 1], x, 3 - ndim + axis, 1, degree, width)
            find(at, plane_at, row_at, starts[i], ndim, planes, rows, 1)
            bar = q[i]
            if reads:
                read_cell(s, source, at, kernel, planes, rows, width, True)
                bar += s[0]
                for axis in range(ndim):
                    gradient[i, axis] += p[i] * D[i, axis] + w[i] * s[ndim - axis]
            if more:
                q[i] = bar / abs(z[i])
                p[i] = -np.sign(z[i]) * w[i] * q[i]
                w[i] *= abs(z[i])
            if adds:
                for cell in range(padded):
                    t[0, cell] = kernel[2, 0, cell] * p[i]
                add_rows(t, target, at, kernel, planes, rows, width, padded, False)

    loop: Loop = compiled(step, ndim, width, degree)
    return loop


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
        self.cells = cells
        self.setting = len(layout.shape), layout.kernel.width, layout.kernel.degree
        self._grids = Grid(layout, dtype, 1, 1), Grid(layout, dtype, 1, 1)

    def run(self, loop: Loop, values: Any, *data: Any, reads: bool, spreads: bool) -> None:
        """Pass the points once; `values` (M,) are what the loop spreads."""
        source, target = self._grids
        if spreads:
            target.cells[...] = 0
        table, cells = target.tables, self.cells
        grids = source.cells.reshape(-1), target.cells.reshape(-1)
        where = table.plane_at, table.row_at, table.polynomials, cells.starts, cells.offsets
        for slabs in cells.slabs:
            run(loop, slabs, *grids, *where, reads, spreads, *data)
        if cells.crowds:
            begins = range(cells.crowds[0].begin, len(values), PIECE)
            pieces = [(begin, min(begin + PIECE, len(values))) for begin in begins]
            run(loop, pieces, *grids, *where, reads, False, *data)
            if spreads:
                in_order = replace(cells, order=np.arange(len(values), dtype=np.int32))
                target.add_crowds(in_order, values[None, :, None])
        if spreads:
            target.fold()
            target.wrap()
        self._grids = target, source


def last_weights(passes: Passes, w: Any, steps: int) -> None:
    """Replace the weights of sorted points by those after so many steps."""
    loop = forward_step(*passes.setting, slopes=False)
    unused = np.empty((0, passes.setting[0]), w.dtype)
    for step in range(steps + 1):
        passes.run(loop, w, w, unused[:, 0], unused, reads=step > 0, spreads=step < steps)


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
        steps = len(self.z)
        for step in range(steps, -1, -1):
            # The step from these weights is read, and the one to them is spread.
            D, z = self.D[min(step, steps - 1)], self.z[max(step - 1, 0)]
            data = step > 0, w, z, D, p, q, gradient
            passes.run(loop, p, *data, reads=step < steps, spreads=step > 0)
        return from_numpy(array_namespace(bar), unsorted(gradient, self.cells))


def linearized(
    gridding: Gridding, layout: Layout, cells: Cells, start: Array, steps: int
) -> GridIteration:
    """Return the iteration with its derivative."""
    w = as_numpy(start)[cells.order]
    z, D = np.empty((steps, *w.shape), w.dtype), np.empty((steps, *cells.starts.shape), w.dtype)
    passes = Passes(layout, cells, w.dtype)
    loop = forward_step(*passes.setting, slopes=True)
    for step in range(steps + 1):
        before = max(step - 1, 0)
        passes.run(loop, w, w, z[before], D[before], reads=step > 0, spreads=step < steps)
    weights = from_numpy(array_namespace(start), unsorted(w, cells))
    return GridIteration(gridding, layout, cells, w, z, D, weights)


def unsorted(x: Any, cells: Cells) -> Any:
    """Bring an array from the order of the cells to that of the points."""
    out = empty(x.shape, x.dtype)
    out[cells.order] = x
    return out
