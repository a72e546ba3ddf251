"""The grid engine on the CPU: Numba and scipy.fft, for any library's CPU arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, item_bytes
from nufftlib.core.dlpack import as_numpy, empty, from_numpy, zeros
from nufftlib.nufft.engines.base import (
    CoilImages,
    Engine,
    FixedImages,
    Points,
    TrajectoryJacobian,
    batch_blocks,
    fold,
)
from nufftlib.nufft.engines.grid.cpu import iteration, loops
from nufftlib.nufft.engines.grid.cpu.grid import Grid
from nufftlib.nufft.engines.grid.cpu.parallel import run, split
from nufftlib.nufft.engines.grid.cpu.points import Cells, GridPoints
from nufftlib.nufft.engines.grid.layout import Layout, density_layout, layout
from nufftlib.nufft.engines.gridding import Gridding, Iteration

COILS = 8
"""Most coils in one cell of a grid: more coils take several grids, one after the other."""

PASSING = 2**26
"""Most bytes of a grid for one use, beyond one coil: as many as finufft takes for two threads."""

KEPT = 4
"""A Jacobian keeps its derivatives where they take at most this part of `memory_limit`: the data,
their cotangent and a grid stand beside them."""


class GridEngine(Engine):
    """One oversampled FFT, read with the kernel and its derivatives."""

    def prepare(self, trajectory: Array) -> GridPoints:
        """Copy into one contiguous array for each axis, in cycles per voxel."""
        k = as_numpy(fold(self.xp, trajectory))
        return GridPoints(tuple(np.ascontiguousarray(k[:, a]) for a in range(k.shape[-1])))

    def forward(self, points: Points, x: Array) -> Array:
        """FFT of the padded image, read at the points."""
        return self.fix(x).values(points)

    def adjoint(self, points: Points, y: Array) -> Array:
        """Points spread on the grid, FFT, and the image cut out."""
        return self._spread(points, y, None)

    def derivative_adjoint(self, points: Points, dk: Array, y: Array) -> Array:
        """Points spread with the derivative of the kernel: one FFT for all axes."""
        return self._spread(points, y, dk)

    def coil_forward(self, points: Points, images: CoilImages) -> Array:
        """FFTs of the image times the maps, multiplied where it is padded."""
        return self.coil_fix(images).values(points)

    def coil_adjoint(self, points: Points, y: Array, maps: Array, dk: Array | None = None) -> Array:
        """Points spread, FFT, and the coils added up where their images are cut out."""
        return self._spread(points, y, dk, real_parts(maps))

    def weighted_adjoint(self, points: Points, y: Array, weights: Array, maps: Array) -> Array:
        """The points are multiplied by their weights where they are spread."""
        return self._spread(points, y, None, real_parts(maps), contiguous(weights))

    def weighted_adjoint_vjp(
        self, points: Points, images: CoilImages, y: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """Read all of them in one pass."""
        return self._fixed(real_parts(images.x), real_parts(images.maps), False).weighted_vjp(
            points, y, weights
        )

    def transform_bytes(self) -> int:
        """One grid."""
        return self._grid_bytes(np.dtype(np.float32 if self.dtype == self.xp.float32 else float))

    def fix(self, x: Array, *, lasting: bool = False) -> GridImages:
        """Transform images where they are used; if `lasting`, once, if that fits `memory_limit`."""
        return self._fixed(real_parts(x), None, lasting)

    def coil_fix(self, images: CoilImages, *, lasting: bool = False) -> GridImages:
        """As `fix`, without the images of the coils."""
        return self._fixed(real_parts(images.x), real_parts(images.maps), lasting)

    def fix_adjoint(self, points: Points, y: Array) -> FixedImages:
        """The images stay on their grids, deconvolved twice, if these fit `memory_limit`."""
        data = real_parts(y)
        if data.shape[0] * self._grid_bytes(data.dtype) > self.memory_limit:
            return super().fix_adjoint(points, y)
        kept = []
        for block in self._blocks(data.shape[0], data.dtype, self.memory_limit):
            grid = Grid(self.layout, data.dtype, block.stop - block.start)
            grid.spread(points, data[block], None)
            grid.fold()
            grid.transform(inverse=True)
            grid.cut()
            grid.transform(inverse=False)
            grid.wrap()
            kept.append((block, grid))
        return GridImages(self, np.empty((data.shape[0], 0), data.dtype), None, tuple(kept))

    def _fixed(self, x: Any, maps: Any, lasting: bool) -> GridImages:
        images = GridImages(self, x, maps)
        if not lasting:
            return images
        size = images.size
        if size * self._grid_bytes(x.dtype) > self.memory_limit:
            return GridImages(self, x.copy(), None if maps is None else maps.copy())
        kept = []
        for block in self._blocks(size, x.dtype, self.memory_limit):
            grid = Grid(self.layout, x.dtype, block.stop - block.start)
            images.lay(block, grid)
            kept.append((block, grid))
        return GridImages(self, np.empty((size, 0), x.dtype), None, tuple(kept))

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """On a grid of this shape, which is not oversampled."""
        return GridGridding(self, self.prepare(trajectory), density_layout(shape, width))

    def gridding_at(
        self, points: Points, trajectory: Array, shape: tuple[int, ...], width: int
    ) -> Gridding:
        """What is known of the points on this grid is kept with them."""
        assert isinstance(points, GridPoints)
        return GridGridding(self, points, density_layout(shape, width))

    @property
    def layout(self) -> Layout:
        """The grid for this shape and accuracy."""
        return layout(self.shape, self.eps, self.dtype == self.xp.float32)

    def passing(self, coils: int, real: np.dtype[Any]) -> Iterator[tuple[slice, Grid]]:
        """Yield blocks of a batch, each with a grid that is free for it until the next."""
        memory: Any = None
        blocks = list(self._blocks(coils, real, PASSING))
        for size in sorted({block.stop - block.start for block in blocks}, reverse=True):
            # The largest first: the others lie in its memory.
            grid = Grid(self.layout, real, size, memory=memory)
            memory = grid.cells.reshape(-1) if memory is None else memory
            for block in blocks:
                if block.stop - block.start == size:
                    yield block, grid

    def _blocks(self, coils: int, real: np.dtype[Any], limit: int) -> Iterator[slice]:
        """Cut a batch into blocks of coils that share a grid of `limit` bytes at most."""
        fit = min(limit, self.memory_limit) // self._grid_bytes(real)
        return batch_blocks(coils, min(COILS, fit))

    def _grid_bytes(self, real: np.dtype[Any]) -> int:
        return 2 * real.itemsize * self.layout.cells

    def _spread(
        self, points: Points, y: Array, dk: Array | None, maps: Any = None, weights: Any = None
    ) -> Array:
        data = real_parts(y)
        along = None if dk is None else contiguous(dk)
        make, coils = (empty, 1) if maps is None else (zeros, maps.shape[0])
        image = make((data.shape[0] // coils, *self.shape, 2), data.dtype)
        for block, grid in self.passing(data.shape[0], data.dtype):
            grid.spread(points, data[block], along, weights)
            grid.fold()
            grid.transform(inverse=True)
            if maps is None:
                grid.crop(image[block])
            else:
                grid.crop_coils(image, maps, block.start)
        return from_numpy(self.xp, complex_of(image))


@dataclass(frozen=True, eq=False)
class GridImages:
    """Images as oversampled spectra: one FFT for values and derivatives at any trajectory.

    Parameters
    ----------
    engine : GridEngine
        The engine of the images.
    images : array, shape (B, ..., 2), real
        Real and imaginary parts; none, (B, 0), of grids that are kept.
    maps : array, shape (C, ..., 1 or 2), real, optional
        Maps of coils, real or complex: the images then are ``s_c x_b``, number ``b C + c``.
    kept : tuple of (slice, Grid), optional
        Their grids. Without them each use transforms the images, block by block.
    """

    engine: GridEngine
    images: Any
    maps: Any = None
    kept: tuple[tuple[slice, Grid], ...] | None = None

    @property
    def size(self) -> int:
        """Number of images."""
        return int(self.images.shape[0] * (1 if self.maps is None else self.maps.shape[0]))

    def lay(self, block: slice, grid: Grid) -> None:
        """Make the grid the spectrum of some of the images."""
        if self.maps is None:
            grid.transform_of(self.images[block])
        else:
            grid.transform_of(self.images, self.maps, block.start)

    def blocks(self) -> Iterator[tuple[slice, Grid]]:
        """Yield a slice of the batch and its grid, valid until the next one."""
        if self.kept is not None:
            yield from self.kept
            return
        for block, grid in self.engine.passing(self.size, self.images.dtype):
            self.lay(block, grid)
            yield block, grid

    def values(self, points: Points) -> Array:
        """``F x``."""
        y = self._data(points)
        for block, grid in self.blocks():
            grid.read("values", points, y[block], None)
        return from_numpy(self.engine.xp, complex_of(y))

    def jvp(self, points: Points, dk: Array) -> Array:
        """``sum_a dk_a d_a (F x)``, one block of the batch after the other."""
        y, direction = self._data(points), contiguous(dk)
        for block, grid in self.blocks():
            grid.read("directional", points, y[block], direction)
        return from_numpy(self.engine.xp, complex_of(y))

    def vjp(self, points: Points, y: Array) -> Array:
        """``sum_b <y_b, d_a (F x)_b>``, summed over the batch inside of the loop."""
        data = real_parts(y)
        gradient = zeros((points.size, len(self.engine.shape)), data.dtype)
        for block, grid in self.blocks():
            grid.read("gradient", points, data[block], gradient)
        return from_numpy(self.engine.xp, gradient)

    def weighted_vjp(self, points: Points, y: Array, weights: Array) -> tuple[Array, Array, Array]:
        """``sum_b w <y_b, d_a (F x)_b>``, ``w F x`` and ``sum_b <y_b, (F x)_b>``."""
        out, given, w = self._data(points), real_parts(y), contiguous(weights)
        d = len(self.engine.shape)
        sums = zeros((points.size, d + 1), out.dtype)
        for block, grid in self.blocks():
            grid.read("vjp", points, out[block], sums, given[block], w)
        gradient, products = (np.ascontiguousarray(part) for part in (sums[:, :d], sums[:, d]))
        xp = self.engine.xp
        return from_numpy(xp, gradient), from_numpy(xp, complex_of(out)), from_numpy(xp, products)

    def curvature(self, points: Points, r: Array) -> Array:
        """``sum_b <r_b, d_a d_c (F x)_b>``."""
        data, d = real_parts(r), len(self.engine.shape)
        blocks = zeros((points.size, d, d), data.dtype)
        for block, grid in self.blocks():
            grid.read("curvature", points, data[block], blocks)
        return from_numpy(self.engine.xp, blocks)

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """Read values and derivatives in one pass, if the derivatives may be kept."""
        sizes = (self.size, points.size)
        entries = 2 * math.prod(sizes) * len(self.engine.shape)
        if entries * self.images.itemsize > self.engine.memory_limit // KEPT:
            return self.values(points), RereadJacobian(self, points)
        y, derivatives = self._data(points), []
        for block, grid in self.blocks():
            derivatives.append((block, self._derivatives(points, grid, y[block])))
        value = from_numpy(self.engine.xp, complex_of(y))
        return value, GridJacobian(self.engine, sizes, derivatives)

    def derivatives(self, points: Points) -> Iterator[tuple[slice, Any]]:
        """Yield ``d_a (F x)_j`` (M, d, reals) of some images after the other."""
        for block, grid in self.blocks():
            y = np.empty((block.stop - block.start, points.size, 2), self.images.dtype)
            yield block, self._derivatives(points, grid, y)

    def _derivatives(self, points: Points, grid: Grid, y: Any) -> Any:
        """Write values to ``y`` and return derivatives (M, d, reals)."""
        out = np.empty((points.size, len(self.engine.shape), grid.reals), y.dtype)
        grid.read("linearize", points, y, out)
        return out

    def _data(self, points: Points) -> Any:
        return empty((self.size, points.size, 2), self.images.dtype)


@dataclass(frozen=True, eq=False)
class GridGridding(Gridding):
    """Spreading to a grid of reals, and interpolation there.

    Parameters
    ----------
    engine : GridEngine
        The engine whose arrays it takes.
    points : GridPoints
        The points.
    layout : Layout
        The grid.
    """

    engine: GridEngine
    points: GridPoints
    layout: Layout

    def apply(self, w: Array) -> Array:
        """``G G^T w``."""
        return self._values(self._spread(w, None))

    def slopes(self, w: Array) -> tuple[Array, Array]:
        """Values and derivatives of ``G^T w`` at the points, in one pass."""
        grid = self._spread(w, None)
        values = empty((1, self.points.size, 1), grid.cells.dtype)
        slopes = empty((self.points.size, len(self.layout.shape), 1), values.dtype)
        grid.read("linearize", self.points, values, slopes)
        xp = self.engine.xp
        return from_numpy(xp, values[0, :, 0]), from_numpy(xp, slopes[:, :, 0])

    def along(self, dk: Array, w: Array) -> Array:
        """``G dG[dk]^T w``."""
        return self._values(self._spread(w, contiguous(dk)))

    def iterate(self, start: Array, steps: int) -> Array:
        """Return the weights after so many steps; each passes the sorted points once."""
        cells = self._cells
        w = as_numpy(start)[cells.order]
        iteration.last_weights(iteration.Passes(self.layout, cells, w.dtype), w, steps)
        return from_numpy(self.engine.xp, iteration.unsorted(w, cells))

    def linearize(self, start: Array, steps: int) -> Iteration:
        """Keep what the steps read, if it fits `memory_limit`."""
        reads = start.shape[0] * steps * (1 + len(self.layout.shape))
        fits = reads * item_bytes(self.engine.xp, start) <= self.engine.memory_limit
        if steps == 0 or not fits:
            return super().linearize(start, steps)
        return iteration.linearized(self, self.layout, self._cells, start, steps)

    @property
    def _cells(self) -> Cells:
        return self.points.cells(self.layout.sizes, self.layout.kernel.width)

    def _spread(self, w: Array, direction: Any) -> Grid:
        data = contiguous(w)[None, :, None]
        grid = Grid(self.layout, data.dtype, 1, 1)
        grid.spread(self.points, data, direction)
        grid.fold()
        grid.wrap()
        return grid

    def _values(self, grid: Grid) -> Array:
        out = empty((1, self.points.size, 1), grid.cells.dtype)
        grid.read("values", self.points, out, None)
        return from_numpy(self.engine.xp, out[0, :, 0])


@dataclass(frozen=True, eq=False)
class GridJacobian(TrajectoryJacobian):
    """The Jacobian of ``k -> F(k) x``, block diagonal: sample j depends on point j alone.

    Parameters
    ----------
    engine : GridEngine
        The engine whose arrays it takes.
    sizes : tuple of int
        Batch and points, (B, M).
    derivatives : iterable of (slice, array of shape (M, d, reals))
        ``d_a (F x)_j`` for each block of the batch.
    """

    engine: GridEngine
    sizes: tuple[int, int]
    derivatives: Iterable[tuple[slice, Any]]

    # sum_a dk_a d_a (F x)
    def apply(self, dk: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        dk = as_numpy(dk)
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


@dataclass(frozen=True, eq=False)
class RereadJacobian(TrajectoryJacobian):
    """As `GridJacobian`, of derivatives too large to be kept: read from the images at each use.

    Parameters
    ----------
    images : GridImages
        The images, which do not change; neither may the maps of coils, which are the operator's.
    points : GridPoints
        The points.
    """

    images: GridImages
    points: Points

    # sum_a dk_a d_a (F x)
    def apply(self, dk: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        return self.images.jvp(self.points, dk)

    # B(x, y)_a = sum_b <y_b, d_a (F x)_b>
    def adjoint(self, y: Array) -> Array:
        """Return the gradient (M, d) at the cotangent ``y`` of shape (B, M)."""
        return self.images.vjp(self.points, y)

    def gauss_newton(self) -> Array:
        """Return the blocks ``Re sum_b conj(d_a (F x)_b) d_c (F x)_b``, shape (M, d, d)."""
        sizes, read = (self.images.size, self.points.size), self.images.derivatives(self.points)
        return GridJacobian(self.images.engine, sizes, read).gauss_newton()


def contiguous(x: Array) -> Any:
    """View an array as NumPy's, its rows one after the other."""
    return np.ascontiguousarray(as_numpy(x))


def real_parts(x: Array) -> Any:
    """View complex numbers as pairs of reals along a new last axis, real ones as single."""
    data = contiguous(x)
    return data.view(data.real.dtype).reshape(*data.shape, -1 if data.size else 2)


def complex_of(parts: Any) -> Any:
    """View pairs of reals as complex numbers."""
    return parts.view(np.result_type(parts.dtype, np.complex64))[..., 0]
