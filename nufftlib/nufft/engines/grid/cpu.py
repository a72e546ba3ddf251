"""The grid engine on the CPU: Numba and scipy.fft, for any library's CPU arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import scipy.fft

from nufftlib.core.arrays import Array
from nufftlib.core.dlpack import as_numpy, empty, from_numpy, zeros
from nufftlib.nufft.engines.base import Engine, Points, TrajectoryJacobian, fold
from nufftlib.nufft.engines.grid import loops
from nufftlib.nufft.engines.grid.layout import Layout, coil_blocks, density_layout, layout
from nufftlib.nufft.engines.grid.parallel import Range, run, split, workers
from nufftlib.nufft.engines.grid.vectors import whole_chunks

COILS = 8
"""Coils in one cell of a grid: more take one grid after the other."""

PASSING = 2**26
"""Bytes of a grid, beyond one coil, that is used once: what finufft takes for its two threads."""

BINS = {1: (64,), 2: (8, 32), 3: (4, 8, 32)}
"""Cells of a bin; points are worked off bin by bin, so that they find the grid in the cache.
In one dimension it is also at least as long as the chunks of a run, so that slabs keep apart."""

PIECES = 16
"""Into how many pieces a trajectory is cut for sorting, where it is long enough."""

SLABS = 32
"""Into how many slabs a grid is cut for spreading, where it is large enough."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Points sorted by the cells of one grid.

    Parameters
    ----------
    starts : array, shape (M, d), int32
        First cell that each point covers.
    offsets : array, shape (M, d), real
        Where in its cell it lies: the argument of the kernel's polynomials.
    order : array, shape (M,), int
        Number of each in the trajectory.
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
    """Points in cycles per voxel, and how they lie on the grids they were used with."""

    _cells: dict[Any, Cells] = field(default_factory=dict)

    def cells(self, sizes: tuple[int, ...], width: int) -> Cells:
        """Return the points sorted by the cells of a grid, for a kernel of this width.

        Two threads may sort at once, to the same result; a lock would be lost to a fork.
        """
        if (sizes, width) not in self._cells:
            self._cells[sizes, width] = sort_points(self.axes, sizes, width)
        return self._cells[sizes, width]


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
    return Cells(starts, offsets, order, cut(ends_of_rows, bins[0], sizes[0], width))


def cut(ends: Any, height: int, size: int, width: int) -> tuple[list[Range], list[Range]]:
    """Cut the first axis into slabs of about equally many points, and take every other.

    Points of a slab reach at most ``width - 1`` cells into the next one, around the edge of
    the period too. Slabs are at least so high and even in number, and so those of one
    list touch no common cell. They depend on nothing but the points.
    """
    wanted = max(ends[-1] / SLABS, 1.0)
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


@dataclass(frozen=True, eq=False)
class Tables:
    """A layout as the loops want it: three axes, wrapped offsets in reals, one dtype."""

    extent: tuple[int, int, int]
    plane_at: Any
    row_at: Any
    polynomials: Any
    factors: tuple[Any, Any, Any]
    places: tuple[Any, Any, Any]
    sources: tuple[Any, Any]


@lru_cache(maxsize=64)
def tables(layout: Layout, dtype: np.dtype[Any], reals: int) -> Tables:
    """Return the tables for grids of `reals` numbers in each cell."""
    missing = 3 - len(layout.shape)
    sizes = (1,) * missing + layout.sizes
    covered = -(-whole_chunks(layout.kernel.width * reals) // reals)
    width = layout.kernel.width
    extent = (sizes[0], sizes[1], sizes[2] + covered - 1)
    row = extent[2] * reals
    padding = [(0, 0)] * 3 + [(0, whole_chunks(width) - width)]
    places = tuple(p.astype(np.uint64) for p in (np.zeros(1),) * missing + layout.places)
    sources = []
    for axis in (0, 1):
        source = np.full(sizes[axis], -1)
        source[places[axis]] = np.arange(len(places[axis]))
        sources.append(source)
    return Tables(
        extent=extent,
        plane_at=(np.arange(sizes[0] + width, dtype=np.uint64) % sizes[0]) * extent[1] * row,
        row_at=(np.arange(sizes[1] + width, dtype=np.uint64) % sizes[1]) * row,
        polynomials=np.pad(layout.polynomials, padding).astype(dtype),
        factors=tuple(f.astype(dtype) for f in (np.ones(1),) * missing + layout.factors),
        places=places,
        sources=(sources[0], sources[1]),
    )


class Grid:
    """A grid with a block of coils, and what can be done with it.

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
    """

    def __init__(self, layout: Layout, dtype: np.dtype[Any], coils: int, parts: int = 2) -> None:
        self.layout = layout
        self.parts = parts
        self.reals = coils * parts
        self.tables = tables(layout, dtype, self.reals)
        self.cells = np.empty((*self.tables.extent, self.reals), dtype)

    def pad(self, image: Any) -> None:
        """Lay the deconvolved image (coils, ..., 2) on the grid."""
        table = self.tables
        rows = table.extent[0] * table.extent[1]
        run(
            loops.pad,
            split(rows, self.cells.size),
            self._image(image),
            table.sources,
            table.factors,
            table.places[2],
            self.cells,
        )

    def crop(self, image: Any) -> None:
        """Read the deconvolved image off the grid: the transpose of `pad`."""
        table, out = self.tables, self._image(image)
        run(
            loops.crop,
            split(out.shape[1] * out.shape[2], out.size),
            self.cells,
            table.places[:2],
            table.factors,
            table.places[2],
            out,
        )

    def transform(self, *, inverse: bool) -> None:
        """FFT of every coil, in place and without scale.

        Rows without voxels are zero before the forward transform, and are not wanted after
        the inverse one: they are transformed along the axes before theirs only.
        """
        period = self.cells[:, :, : self.layout.sizes[-1]]
        complex_cells = period.view(np.result_type(self.cells.dtype, np.complex64))
        grid = complex_cells.reshape(*self.layout.sizes, -1, copy=False)
        function: Any = scipy.fft.ifft if inverse else scipy.fft.fft
        norm, count = "forward" if inverse else "backward", workers(8 * self.cells.size)
        axes = range(len(self.layout.sizes))
        for axis in axes if inverse else reversed(axes):
            for rows in product(*(self.layout.filled(a) for a in range(axis))):
                part = grid[rows]
                done = function(part, axis=axis, norm=norm, overwrite_x=True, workers=count)
                if not np.may_share_memory(done, part):  # another backend of scipy.fft
                    part[...] = done

    def transform_of(self, image: Any) -> None:
        """Make the grid the oversampled spectrum of images (coils, ..., 2)."""
        self.pad(image)
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

    def read(self, mode: loops.Mode, points: Points, data: Any, out: Any) -> None:
        """Interpolate at points; see `loops.interpolation` for the modes."""
        cells = self._sorted(points)
        loop = loops.interpolation(*self._setting(), mode)
        M = len(cells.order)
        taps = self.layout.kernel.width ** len(self.layout.shape) * self.reals
        run(loop, split(M, M * taps), *self._where(cells), data, out)

    def spread(self, points: Points, data: Any, direction: Any) -> None:
        """Add points to an empty grid, or their derivative along `direction`."""
        self.cells[...] = 0
        cells = self._sorted(points)
        directed = direction is not None
        loop = loops.spreading(*self._setting(), directed)
        for slabs in cells.slabs:
            run(loop, slabs, *self._where(cells), data, direction if directed else data)

    def _sorted(self, points: Points) -> Cells:
        assert isinstance(points, GridPoints)
        return points.cells(self.layout.sizes, self.layout.kernel.width)

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

    def _image(self, image: Any) -> Any:
        missing = 3 - len(self.layout.shape)
        return image.reshape(image.shape[0], *(1,) * missing, *image.shape[1:])


class GridEngine(Engine):
    """One oversampled FFT, read with the kernel and its derivatives."""

    def prepare(self, trajectory: Array) -> Points:
        """Copy into one contiguous array for each axis, in cycles per voxel."""
        k = as_numpy(fold(self.xp, trajectory))
        return GridPoints(tuple(np.ascontiguousarray(k[:, a]) for a in range(k.shape[-1])))

    def forward(self, points: Points, x: Array) -> Array:
        """FFT of the padded image, read at the points."""
        return GridSpectrum(self, real_parts(x)).values(points)

    def adjoint(self, points: Points, y: Array) -> Array:
        """Points spread on the grid, FFT, and the image cut out."""
        return self._spread(points, y, None)

    def derivative_adjoint(self, points: Points, dk: Array, y: Array) -> Array:
        """Points spread with the derivative of the kernel: one FFT for all axes."""
        return self._spread(points, y, np.ascontiguousarray(as_numpy(dk)))

    def spectrum(self, x: Array) -> GridSpectrum:
        """Transform images; their grids are kept if they fit `memory_limit`."""
        images = real_parts(x)
        if images.shape[0] * self._grid_bytes(images.dtype) > self.memory_limit:
            return GridSpectrum(self, images.copy())  # as grids are, apart from the user's array
        kept = []
        for block in self._blocks(images.shape[0], images.dtype, self.memory_limit):
            grid = Grid(self.layout, images.dtype, block.stop - block.start)
            grid.transform_of(images[block])
            kept.append((block, grid))
        return GridSpectrum(self, images, tuple(kept))

    def spread_interpolate(self, points: Points, w: Array, width: int) -> Array:
        """``C w`` with `density_kernel`, on a grid of the image's own size."""
        data = np.ascontiguousarray(as_numpy(w))[None, :, None]
        grid = Grid(density_layout(self.shape, width), data.dtype, 1, 1)
        grid.spread(points, data, None)
        grid.fold()
        grid.wrap()
        out = empty(data.shape, data.dtype)
        grid.read("values", points, out, None)
        return from_numpy(self.xp, out[0, :, 0])

    @property
    def layout(self) -> Layout:
        """The grid for this shape and accuracy."""
        return layout(self.shape, self.eps, self.dtype == self.xp.float32)

    def passing(self, coils: int, real: np.dtype[Any]) -> Iterator[tuple[slice, Grid]]:
        """Yield blocks of a batch, each with a grid that is free for it until the next."""
        grid: Grid | None = None
        for block in self._blocks(coils, real, PASSING):
            size = block.stop - block.start
            if grid is None or grid.reals != 2 * size:
                grid = Grid(self.layout, real, size)
            yield block, grid

    def _blocks(self, coils: int, real: np.dtype[Any], limit: int) -> Iterator[slice]:
        """Cut a batch into blocks of coils that share a grid of `limit` bytes at most."""
        fit = min(limit, self.memory_limit) // self._grid_bytes(real)
        return coil_blocks(coils, min(COILS, fit))

    def _grid_bytes(self, real: np.dtype[Any]) -> int:
        return 2 * real.itemsize * self.layout.cells

    def _spread(self, points: Points, y: Array, dk: Any) -> Array:
        data = real_parts(y)
        image = empty((data.shape[0], *self.shape, 2), data.dtype)
        for block, grid in self.passing(data.shape[0], data.dtype):
            grid.spread(points, data[block], dk)
            grid.fold()
            grid.transform(inverse=True)
            grid.crop(image[block])
        return from_numpy(self.xp, complex_of(image))


@dataclass(frozen=True, eq=False)
class GridSpectrum:
    """Images as oversampled spectra: one FFT for values and derivatives at any trajectory.

    Parameters
    ----------
    engine : GridEngine
        Whose images they are.
    images : array, shape (B, ..., 2), real
        Real and imaginary parts.
    kept : tuple of (slice, Grid), optional
        Their grids. Without them each use transforms the images, block by block.
    """

    engine: GridEngine
    images: Any
    kept: tuple[tuple[slice, Grid], ...] | None = None

    def blocks(self) -> Iterator[tuple[slice, Grid]]:
        """Yield a slice of the batch and its grid, good until the next one."""
        if self.kept is not None:
            yield from self.kept
            return
        for block, grid in self.engine.passing(self.images.shape[0], self.images.dtype):
            grid.transform_of(self.images[block])
            yield block, grid

    def values(self, points: Points) -> Array:
        """``F x``."""
        y = self._data(points)
        for block, grid in self.blocks():
            grid.read("values", points, y[block], None)
        return from_numpy(self.engine.xp, complex_of(y))

    def jvp(self, points: Points, dk: Array) -> Array:
        """``sum_a dk_a d_a (F x)``, one block of the batch after the other."""
        y, direction = self._data(points), as_numpy(dk)
        for block, grid in self.blocks():
            D = self._derivatives(points, grid, y[block])
            run(loops.along, split(points.size, D.size), D, direction, y[block])
        return from_numpy(self.engine.xp, complex_of(y))

    def vjp(self, points: Points, y: Array) -> Array:
        """``sum_b <y_b, d_a (F x)_b>``, summed over the batch inside of the loop."""
        data = real_parts(y)
        gradient = zeros((points.size, len(self.engine.shape)), data.dtype)
        for block, grid in self.blocks():
            grid.read("gradient", points, data[block], gradient)
        return from_numpy(self.engine.xp, gradient)

    def curvature(self, points: Points, r: Array) -> Array:
        """``sum_b <r_b, d_a d_c (F x)_b>``."""
        data, d = real_parts(r), len(self.engine.shape)
        blocks = zeros((points.size, d, d), data.dtype)
        for block, grid in self.blocks():
            grid.read("curvature", points, data[block], blocks)
        return from_numpy(self.engine.xp, blocks)

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """Read values and derivatives in one pass."""
        y = self._data(points)
        derivatives = []
        for block, grid in self.blocks():
            derivatives.append((block, self._derivatives(points, grid, y[block])))
        value = from_numpy(self.engine.xp, complex_of(y))
        sizes = (self.images.shape[0], points.size)
        return value, GridJacobian(self.engine, sizes, tuple(derivatives))

    def _derivatives(self, points: Points, grid: Grid, y: Any) -> Any:
        """Write values to ``y`` and return derivatives (M, d, reals)."""
        out = np.empty((points.size, len(self.engine.shape), grid.reals), y.dtype)
        grid.read("linearize", points, y, out)
        return out

    def _data(self, points: Points) -> Any:
        return empty((self.images.shape[0], points.size, 2), self.images.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class GridJacobian(TrajectoryJacobian):
    """The Jacobian of ``k -> F(k) x``, block diagonal: sample j depends on point j alone.

    Parameters
    ----------
    engine : GridEngine
        Whose arrays it takes.
    sizes : tuple of int
        Batch and points, (B, M).
    derivatives : tuple of (slice, array of shape (M, d, reals))
        ``d_a (F x)_j`` for each block of the batch.
    """

    engine: GridEngine
    sizes: tuple[int, int]
    derivatives: tuple[tuple[slice, Any], ...]

    # sum_a dk_a d_a (F x)
    def apply(self, x: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        dk = as_numpy(x)
        out = empty((*self.sizes, 2), dk.dtype)
        for block, D in self.derivatives:
            run(loops.along, split(D.shape[0], D.size), D, dk, out[block])
        return from_numpy(self.engine.xp, complex_of(out))

    # B(x, y)_a = sum_b <y_b, d_a (F x)_b>
    def adjoint(self, y: Array) -> Array:
        """Return the gradient (M, d) at the cotangent ``y`` of shape (B, M)."""
        data = real_parts(y)
        out = zeros((data.shape[1], len(self.engine.shape)), data.dtype)
        for block, D in self.derivatives:
            run(loops.against, split(D.shape[0], D.size), D, data[block], out)
        return from_numpy(self.engine.xp, out)

    def gauss_newton(self) -> Array:
        """Return the blocks ``Re sum_b conj(d_a (F x)_b) d_c (F x)_b``, shape (M, d, d)."""
        M, d = self.sizes[1], len(self.engine.shape)
        single = self.engine.dtype == self.engine.xp.float32
        out = zeros((M, d, d), np.float32 if single else np.float64)
        for _, D in self.derivatives:
            run(loops.outer_products, split(M, d * D.size), D, out)
        return from_numpy(self.engine.xp, out)


def real_parts(x: Array) -> Any:
    """View complex numbers as pairs of reals along a new last axis."""
    data = np.ascontiguousarray(as_numpy(x))
    return data.view(data.real.dtype).reshape(*data.shape, 2)


def complex_of(parts: Any) -> Any:
    """View pairs of reals as complex numbers."""
    return parts.view(np.result_type(parts.dtype, np.complex64))[..., 0]
