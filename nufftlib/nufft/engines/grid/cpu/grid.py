"""A grid on the CPU: laid out, transformed, read and spread to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import scipy.fft

from nufftlib.core.caching import remembered
from nufftlib.nufft.engines.base import Points
from nufftlib.nufft.engines.grid.cpu import loops
from nufftlib.nufft.engines.grid.cpu.crowds import crowd_sum
from nufftlib.nufft.engines.grid.cpu.parallel import run, split, workers
from nufftlib.nufft.engines.grid.cpu.points import Cells, GridPoints
from nufftlib.nufft.engines.grid.cpu.vectors import whole_chunks
from nufftlib.nufft.engines.grid.layout import Layout

LEAST = 2**16
"""Cells to which the points of a slab are spread, at least: less is not worth handing over."""


@dataclass(frozen=True, eq=False)
class Tables:
    """A layout as the loops want it: three axes, wrapped offsets in reals, one dtype."""

    extent: tuple[int, int, int]
    plane_at: Any
    row_at: Any
    polynomials: Any
    sizes: tuple[int, ...]
    factors: tuple[Any, Any, Any]


@remembered(maxsize=16)
def tables(layout: Layout, dtype: np.dtype[Any], reals: int) -> Tables:
    """Return the tables for grids of `reals` numbers in each cell."""
    missing = 3 - len(layout.shape)
    sizes = (1,) * missing + layout.sizes
    covered = -(-whole_chunks(layout.kernel.width * reals) // reals)
    width = layout.kernel.width
    extent = (sizes[0], sizes[1], sizes[2] + covered - 1)
    row = extent[2] * reals
    padding = [(0, 0)] * 3 + [(0, whole_chunks(width) - width)]
    factors = (layout.deconvolution(axis) for axis in range(len(layout.shape)))
    return Tables(
        extent=extent,
        plane_at=(np.arange(sizes[0] + width, dtype=np.uint64) % sizes[0]) * extent[1] * row,
        row_at=(np.arange(sizes[1] + width, dtype=np.uint64) % sizes[1]) * row,
        polynomials=np.pad(layout.polynomials, padding).astype(dtype),
        sizes=sizes,
        factors=tuple(f.astype(dtype) for f in ((np.ones(1),) * missing + tuple(factors))),
    )


class Grid:
    """A grid with a block of coils, and the operations on it.

    Parameters
    ----------
    layout : Layout
        Sizes and kernel.
    dtype : dtype
        Real dtype.
    coils : int
        Coils, side by side in each cell.
    parts : int
        Reals in a number: 2 if complex.
    memory : array, shape (size,), optional
        Where it lies, of this dtype and at least as large; by default in memory of its own.
    """

    def __init__(
        self,
        layout: Layout,
        dtype: np.dtype[Any],
        coils: int,
        parts: int = 2,
        memory: Any = None,
    ) -> None:
        self.layout = layout
        self.parts = parts
        self.reals = coils * parts
        self.tables = tables(layout, dtype, self.reals)
        shape = *self.tables.extent, self.reals
        size = math.prod(shape)
        self.cells = (np.empty(size, dtype) if memory is None else memory[:size]).reshape(shape)

    def pad(self, image: Any) -> None:
        """Lay the deconvolved image (coils, ..., 2) on the grid."""
        table = self.tables
        rows = table.extent[0] * table.extent[1]
        run(
            loops.pad,
            split(rows, self.cells.size),
            self._image(image),
            table.sizes,
            table.factors,
            self.cells,
        )

    def crop(self, image: Any) -> None:
        """Read the deconvolved image off the grid: the transpose of `pad`."""
        table, out = self.tables, self._image(image)
        run(
            loops.crop,
            split(out.shape[1] * out.shape[2], out.size),
            self.cells,
            table.sizes,
            table.factors,
            out,
        )

    def cut(self) -> None:
        """Deconvolve the image on the grid twice, and set all around it to zero.

        It is `crop`, and then `pad`.
        """
        table = self.tables
        shape = (1,) * (3 - len(self.layout.shape)) + self.layout.shape
        rows = table.extent[0] * table.extent[1]
        run(
            loops.cut,
            split(rows, self.cells.size),
            self.cells,
            shape,
            table.sizes,
            table.factors,
        )

    def pad_coils(self, image: Any, maps: Any, start: int) -> None:
        """Lay images of coils on the grid, those that are numbered from `start`.

        ``s_c x_b`` is number ``b C + c`` of an image (B, ..., 2) and maps (C, ..., 1 or 2).
        """
        table = self.tables
        rows = table.extent[0] * table.extent[1]
        run(
            loops.pad_coils,
            split(rows, self.cells.size),
            numbers(self._image(image)),
            numbers(self._image(maps)),
            start,
            table.sizes,
            table.factors,
            self._complex_cells,
        )

    def crop_coils(self, image: Any, maps: Any, start: int) -> None:
        """Add coil by coil to the images that they are of: the transpose of `pad_coils`."""
        table, out = self.tables, numbers(self._image(image))
        run(
            loops.crop_coils,
            split(out.shape[1] * out.shape[2], self.cells.size),
            self._complex_cells,
            start,
            numbers(self._image(maps)),
            table.sizes,
            table.factors,
            out,
        )

    def transform(self, *, inverse: bool) -> None:
        """FFT of every coil, in place and without scale.

        Rows without voxels are zero before the forward transform and unused after the inverse
        one. They are transformed only along the axes before their own.
        """
        period = self._complex_cells[:, :, : self.layout.sizes[-1]]
        grid = period.reshape(*self.layout.sizes, -1, copy=False)
        function: Any = scipy.fft.ifft if inverse else scipy.fft.fft
        norm, count = "forward" if inverse else "backward", workers(8 * self.cells.size)
        axes = range(len(self.layout.sizes))
        for axis in axes if inverse else reversed(axes):
            for rows in product(*(self.layout.filled(a) for a in range(axis))):
                part = grid[rows]
                done = function(part, axis=axis, norm=norm, overwrite_x=True, workers=count)
                if not np.may_share_memory(done, part):  # another backend of scipy.fft
                    part[...] = done

    def transform_of(self, image: Any, maps: Any = None, start: int = 0) -> None:
        """Make the grid the oversampled spectrum of images (coils, ..., 2), or of `pad_coils`."""
        if maps is None:
            self.pad(image)
        else:
            self.pad_coils(image, maps, start)
        self.transform(inverse=False)
        self.wrap()

    def wrap(self) -> None:
        """Copy the first columns behind the last."""
        n, total = self.layout.sizes[-1], self.tables.extent[2]
        for begin in range(n, total, n):
            end = min(begin + n, total)
            self.cells[:, :, begin:end] = self.cells[:, :, : end - begin]

    def fold(self) -> None:
        """Add the columns behind the last to the first: the transpose of `wrap`."""
        n, total = self.layout.sizes[-1], self.tables.extent[2]
        for begin in range(n, total, n):
            end = min(begin + n, total)
            self.cells[:, :, : end - begin] += self.cells[:, :, begin:end]

    def read(self, mode: loops.Mode, points: Points, data: Any, out: Any, *more: Any) -> None:
        """Interpolate at points; see `loops.interpolation` for the modes."""
        assert isinstance(points, GridPoints)
        cells = points.to_read(self.layout.sizes, self.layout.kernel.width)
        loop = loops.interpolation(*self._setting(), mode)
        M = len(cells.order)
        taps = self.layout.kernel.width ** len(self.layout.shape) * self.reals
        run(loop, split(M, M * taps), *self._where(cells), data, out, *(more or (None, None)))

    def spread(self, points: Points, data: Any, direction: Any, weights: Any = None) -> None:
        """Add points, times weights, to an empty grid, or their derivative along `direction`."""
        rows = self.tables.extent[0] * self.tables.extent[1]
        run(loops.clear, split(rows, self.cells.size), self.cells)
        assert isinstance(points, GridPoints)
        cells = points.cells(self.layout.sizes, self.layout.kernel.width)
        loop = loops.spreading(*self._setting(), direction is not None, weights is not None)
        given = data, direction, weights
        width, sizes = self.layout.kernel.width, self.layout.sizes
        slabs = cells.slabs(sizes[0], width, LEAST / width ** len(sizes))
        # First all of even number, then the others: no two at once that touch a common cell.
        for some in (slabs[0::2], slabs[1::2]):
            run(loop, [(slab.begin, slab.end) for slab in some], *self._where(cells), *given)
        self._add_crowds(loop, cells, *given)

    def add_crowds(self, cells: Cells, data: Any) -> None:
        """Add the points of crowded bins, which the slabs leave out."""
        loop = loops.spreading(*self._setting(), False, False)
        self._add_crowds(loop, cells, data, None, None)

    def _add_crowds(self, loop: loops.Loop, cells: Cells, *data: Any) -> None:
        table, width = self.tables, self.layout.kernel.width
        for crowd in cells.crowds:
            tile = crowd_sum(loop, crowd, cells, table.polynomials, width, self.reals, *data)
            self._add(tile, crowd.origin)

    def _add(self, tile: Any, origin: tuple[int, ...]) -> None:
        """Add a part (planes, rows, columns, reals) that begins at a cell, around the period."""
        *first, column = (0,) * (3 - len(origin)) + origin
        planes, rows = self.tables.sizes[:2]
        line = self.cells[0, 0, column:].shape[0]  # none of the columns that are cut has a point
        for a, b in np.ndindex(tile.shape[:2]):
            row = self.cells[(first[0] + a) % planes, (first[1] + b) % rows, column:]
            row[: tile.shape[2]] += tile[a, b, :line]

    def _setting(self) -> tuple[int, int, int, int, int]:
        kernel = self.layout.kernel
        return len(self.layout.shape), kernel.width, kernel.degree, self.reals, self.parts

    def _where(self, cells: Cells) -> tuple[Any, ...]:
        table = self.tables
        return (
            self.cells.reshape(-1),
            table.plane_at,
            table.row_at,
            table.polynomials,
            cells.starts,
            cells.offsets,
            cells.order,
        )

    @property
    def _complex_cells(self) -> Any:
        return self.cells.view(np.result_type(self.cells.dtype, np.complex64))

    def _image(self, image: Any) -> Any:
        missing = 3 - len(self.layout.shape)
        return image.reshape(image.shape[0], *(1,) * missing, *image.shape[1:])


def numbers(parts: Any) -> Any:
    """View real and imaginary parts along the last axis as complex numbers, a single as reals."""
    real = parts.shape[-1] == 1
    return (parts if real else parts.view(np.result_type(parts.dtype, np.complex64)))[..., 0]
