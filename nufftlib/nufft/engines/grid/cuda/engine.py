"""The grid engine on CUDA, for CuPy arrays: the kernels of ``kernels.cu``, and cuFFT.

Nothing here waits for the device or reads its memory, so that a step can be captured in a
CUDA graph; docs/grid-engine.md says how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.nufft.engines.base import (
    CoilImages,
    Engine,
    Points,
    TrajectoryJacobian,
    batch_blocks,
)
from nufftlib.nufft.engines.grid.cuda.device import C_TYPE, THREADS, Cuda
from nufftlib.nufft.engines.grid.cuda.grid import Grid
from nufftlib.nufft.engines.grid.cuda.points import CudaPoints
from nufftlib.nufft.engines.grid.layout import Layout, density_layout, layout
from nufftlib.nufft.engines.gridding import Gridding


class CudaGridEngine(Engine):
    """One oversampled FFT, read with the kernel and its derivatives."""

    cuda = Cuda()

    spreading: Literal["auto", "atomics", "tiles"] = "auto"
    """How points are added to a grid: by the choice of `tiles_pay`, or always in one way."""

    def prepare(self, trajectory: Array) -> CudaPoints:
        """Copy into one contiguous array for each axis, in cycles per voxel."""
        cuda, k = self.cuda, self.cuda.contiguous(trajectory)
        M, d = k.shape
        folded = cuda.empty(cuda.device(k), (d, M), k.dtype)
        cuda.launch(f"fold<{C_TYPE[k.dtype.char]}, {d}>", -(-M // THREADS), THREADS, k, folded, M)
        return CudaPoints(tuple(folded), folded)

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
        return self._spread(points, y, dk, self.cuda.contiguous(maps))

    def transform_bytes(self) -> int:
        """One grid."""
        return self.layout.cells * (8 if self.dtype == self.xp.float32 else 16)

    def fix(self, x: Array, *, lasting: bool = False) -> CudaGridImages:
        """Transform images where they are used; if `lasting`, once, if that fits `memory_limit`."""
        return self._fixed(self.cuda.contiguous(x), None, lasting)

    def coil_fix(self, images: CoilImages, *, lasting: bool = False) -> CudaGridImages:
        """As `fix`, without the images of the coils."""
        x, maps = map(self.cuda.contiguous, (images.x, images.maps))
        return self._fixed(x, maps, lasting)

    def _fixed(self, x: Any, maps: Any, lasting: bool) -> CudaGridImages:
        images = CudaGridImages(self, x, maps)
        if not lasting:
            return images
        if images.size * self._grid_bytes(x) > self.memory_limit:
            return CudaGridImages(self, x.copy(), None if maps is None else maps.copy())
        empty = self.cuda.empty(self.cuda.device(x), (images.size, 0), x.dtype)
        return CudaGridImages(self, empty, None, tuple(images.blocks()))

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """On a grid of this shape, which is not oversampled."""
        points, grid = self.prepare(trajectory), density_layout(shape, width)
        return CudaGridGridding(self.cuda, points, grid, self.spreading)

    @property
    def layout(self) -> Layout:
        """The grid for this shape and accuracy."""
        return layout(self.shape, self.eps, self.dtype == self.xp.float32)

    def blocks(self, size: int, like: Array) -> Iterator[slice]:
        """Cut a batch into blocks of nearly one size, whose grids fit `memory_limit`."""
        return batch_blocks(size, self.memory_limit // self._grid_bytes(like))

    def grid(self, like: Array, block: slice, *, empty: bool) -> Grid:
        """Return grids for a block of coils, with the device and dtype of `like`.

        They are zero if `empty`, else not set.
        """
        make = self.cuda.zeros if empty else self.cuda.empty
        shape = (block.stop - block.start, *self.layout.sizes)
        return Grid(self.cuda, self.layout, make(self.cuda.device(like), shape, like.dtype))

    def _grid_bytes(self, x: Array) -> int:
        return int(x.dtype.itemsize) * self.layout.cells

    def _spread(self, points: Points, y: Array, dk: Array | None, maps: Any = None) -> Array:
        assert isinstance(points, CudaPoints)
        data = self.cuda.contiguous(y)
        along = None if dk is None else self.cuda.contiguous(dk)
        make, coils = (self.cuda.empty, 1) if maps is None else (self.cuda.zeros, maps.shape[0])
        shape = (data.shape[0] // coils, *self.shape)
        image = make(self.cuda.device(data), shape, data.dtype)
        for block in self.blocks(data.shape[0], data):
            grid = self.grid(data, block, empty=True)
            grid.spread(points, data[block], along, self.spreading)
            grid.transform(inverse=True)
            if maps is None:
                grid.crop(image[block])
            else:
                grid.crop_coils(image, maps, block.start)
        return image


@dataclass(frozen=True, eq=False)
class CudaGridImages:
    """Images as oversampled spectra: one FFT for values and derivatives at any trajectory.

    Parameters
    ----------
    engine : CudaGridEngine
        The engine of the images.
    images : array, shape (B, ...), complex
        The images; none, (B, 0), of grids that are kept.
    maps : array, shape (C, ...), real or complex, optional
        Maps of coils: the images then are ``s_c x_b``, number ``b C + c``.
    kept : tuple of (slice, Grid), optional
        Their grids. Without them each use transforms the images, block by block.
    """

    engine: CudaGridEngine
    images: Any
    maps: Any = None
    kept: tuple[tuple[slice, Grid], ...] | None = None

    @property
    def size(self) -> int:
        """Number of images."""
        return int(self.images.shape[0] * (1 if self.maps is None else self.maps.shape[0]))

    def blocks(self) -> Iterator[tuple[slice, Grid]]:
        """Yield a slice of the batch and its grids."""
        if self.kept is not None:
            yield from self.kept
            return
        for block in self.engine.blocks(self.size, self.images):
            grid = self.engine.grid(self.images, block, empty=False)
            if self.maps is None:
                grid.pad(self.images[block])
            else:
                grid.pad_coils(self.images, self.maps, block.start)
            grid.transform(inverse=False)
            yield block, grid

    def values(self, points: Points) -> Array:
        """``F x``."""
        assert isinstance(points, CudaPoints)
        y = self._empty(self.size, points.size)
        for block, grid in self.blocks():
            grid.interpolate(points, y[block], None, 0)
        return y

    def jvp(self, points: Points, dk: Array) -> Array:
        """``sum_a dk_a d_a (F x)``, one block of the batch after the other."""
        assert isinstance(points, CudaPoints)
        y = self._empty(self.size, points.size)
        engine, d = self.engine, len(self.engine.shape)
        most = engine.memory_limit // (d * points.size * y.dtype.itemsize)
        for block, grid in self.blocks():
            for part in batch_blocks(block.stop - block.start, most):
                values = y[block][part]
                derivatives = self._empty(d, *values.shape)
                some = Grid(engine.cuda, engine.layout, grid.cells[part])
                some.interpolate(points, values, derivatives, values.size)
                values[...] = CudaGridJacobian(engine.cuda, derivatives).apply(dk)
        return y

    def vjp(self, points: Points, y: Array) -> Array:
        """``sum_b <y_b, d_a (F x)_b>``, summed over the batch inside of the kernel."""
        return self._contract(points, y, 1)

    def curvature(self, points: Points, r: Array) -> Array:
        """``sum_b <r_b, d_a d_c (F x)_b>``."""
        return self._contract(points, r, 2)

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """Read values and derivatives in one launch."""
        assert isinstance(points, CudaPoints)
        B, M = self.size, points.size
        y = self._empty(B, M)
        derivatives = self._empty(len(self.engine.shape), B, M)
        for block, grid in self.blocks():
            grid.interpolate(points, y[block], derivatives[:, block], B * M)
        return y, CudaGridJacobian(self.engine.cuda, derivatives)

    def _contract(self, points: Points, y: Array, order: int) -> Array:
        assert isinstance(points, CudaPoints)
        cuda, data = self.engine.cuda, self.engine.cuda.contiguous(y)
        make = cuda.empty if data.shape[0] else cuda.zeros
        shape = (points.size, *(len(self.engine.shape),) * order)
        out = make(cuda.device(data), shape, np.dtype(data.dtype.char.lower()))
        for block, grid in self.blocks():
            grid.contract(points, data[block], out, order, add=block.start > 0)
        return out

    def _empty(self, *shape: int) -> Any:
        cuda = self.engine.cuda
        return cuda.empty(cuda.device(self.images), shape, self.images.dtype)


@dataclass(frozen=True, eq=False)
class CudaGridGridding(Gridding):
    """Spreading to a grid of reals, and interpolation there.

    Parameters
    ----------
    cuda : Cuda
        The device that launches the kernels.
    points : CudaPoints
        The points.
    layout : Layout
        The grid.
    method : {"auto", "atomics", "tiles"}
        How points are added to the grid.
    """

    cuda: Cuda
    points: CudaPoints
    layout: Layout
    method: Literal["auto", "atomics", "tiles"]

    def apply(self, w: Array) -> Array:
        """``G G^T w``."""
        return self._values(self._spread(w, None))

    def slopes(self, w: Array) -> tuple[Array, Array]:
        """Values and derivatives of ``G^T w`` at the points, in one launch."""
        grid, M = self._spread(w, None), self.points.size
        values = self._empty(grid, M)
        slopes = self._empty(grid, len(self.layout.shape), M)
        grid.interpolate(self.points, values, slopes, M)
        return values, slopes.T

    def along(self, dk: Array, w: Array) -> Array:
        """``G dG[dk]^T w``."""
        return self._values(self._spread(w, self.cuda.contiguous(dk)))

    def _spread(self, w: Array, direction: Any) -> Grid:
        cuda, data = self.cuda, self.cuda.contiguous(w)
        cells = cuda.zeros(cuda.device(data), (1, *self.layout.sizes), data.dtype)
        grid = Grid(cuda, self.layout, cells)
        grid.spread(self.points, data, direction, self.method)
        return grid

    def _values(self, grid: Grid) -> Array:
        out = self._empty(grid, self.points.size)
        grid.interpolate(self.points, out, None, 0)
        return out

    def _empty(self, grid: Grid, *shape: int) -> Array:
        return self.cuda.empty(self.cuda.device(grid.cells), shape, grid.cells.dtype)


@dataclass(frozen=True, eq=False)
class CudaGridJacobian(TrajectoryJacobian):
    """The Jacobian of ``k -> F(k) x``, block diagonal: sample j depends on point j alone.

    Parameters
    ----------
    cuda : Cuda
        The device that launches the kernels.
    derivatives : array, shape (d, B, M), complex
        ``d_a (F x)_j``.
    """

    cuda: Cuda
    derivatives: Any

    # sum_a dk_a d_a (F x)
    def apply(self, dk: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        return self._launch("along", self.derivatives.shape[1:], self.derivatives.dtype, dk)

    # B(x, y)_a = sum_b <y_b, d_a (F x)_b>
    def adjoint(self, y: Array) -> Array:
        """Return the gradient (M, d) at the cotangent ``y`` of shape (B, M)."""
        d, _, M = self.derivatives.shape
        return self._launch("against", (M, d), self._real, y)

    def gauss_newton(self) -> Array:
        """Return the blocks ``Re sum_b conj(d_a (F x)_b) d_c (F x)_b``, shape (M, d, d)."""
        d, _, M = self.derivatives.shape
        return self._launch("outer_products", (M, d, d), self._real)

    @property
    def _real(self) -> np.dtype[Any]:
        real: np.dtype[Any] = np.dtype(self.derivatives.dtype.char.lower())
        return real

    def _launch(self, name: str, shape: tuple[int, ...], dtype: Any, *x: Array) -> Array:
        cuda, D = self.cuda, self.derivatives
        d, B, M = D.shape
        out = cuda.empty(cuda.device(D), shape, dtype)
        kind = f"{name}<{C_TYPE[self._real.char]}, {d}>"
        cuda.launch(kind, -(-M // THREADS), THREADS, D, *map(cuda.contiguous, x), out, M, B)
        return out
