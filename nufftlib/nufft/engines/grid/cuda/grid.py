"""Grids on CUDA: padded, transformed, read and spread to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.caching import remembered
from nufftlib.nufft.engines.grid.cuda.device import BATCH, C_TYPE, THREADS, Cuda
from nufftlib.nufft.engines.grid.cuda.points import CudaPoints, bin_count, three
from nufftlib.nufft.engines.grid.layout import Layout

EDGES = {1: (256,), 2: (16, 8), 3: (8, 4)}
"""Edges of a bin in cells, the best first; a bin and the kernel's width around it are a tile."""

SHARED = 48 * 1024
"""Bytes of shared memory that a block has by default."""

L2 = 2**25
"""Bytes of grids that a large L2 cache holds; on larger grids points are taken bin by bin."""

SORT = 2**22
"""Taps that take as long as sorting: four launches of small kernels."""


def lanes(taps: int, samples: int) -> int:
    """Return how many threads share a point: a power of two, at most a warp.

    Eight taps a thread keep the loads of all coils in flight and most lanes busy. Few
    points get more threads, for 2^16 in all: 512 on each of an H100's multiprocessors.
    """
    count = 1
    while count < 32 and 2 * count <= taps and (taps > 8 * count or samples * count < 2**16):
        count *= 2
    return count


@remembered(maxsize=256)
def tile(width: int, ndim: int, real_bytes: int, parts: int, coils: int) -> tuple[int, int] | None:
    """Return the edge of a bin and the coils on its tile, such that the tile fits shared memory."""
    for edge in EDGES[ndim]:
        # Weights and slopes of a batch, its cells and directions; some bytes of padding.
        taps = BATCH * (ndim * (width * (2 * real_bytes + 4) + real_bytes) + 8) + 64
        each = parts * real_bytes * ((edge + width - 1) ** ndim + BATCH)
        fit = min(8, (SHARED - taps) // each)
        if fit >= 1:
            return edge, -(-coils // -(-coils // fit))
    return None


def tiles_pay(layout: Layout, edge: int, samples: int, coils: int) -> bool:
    """Return whether spreading by tiles is expected to be quicker than atomics on the grid.

    A tile costs an atomic for each of its cells, even for few points. It pays if the tiles
    receive at least twice as many taps as they have cells, and the taps take longer than a
    sort.
    """
    ndim, width = len(layout.sizes), layout.kernel.width
    taps = samples * width**ndim
    flushed = min(bin_count(layout, edge), samples) * (edge + width - 1) ** ndim
    return bool(taps >= 2 * flushed and taps * coils >= SORT)


@dataclass(frozen=True, eq=False)
class Tables:
    """A layout's numbers on a device, in one dtype."""

    polynomials: Any
    factors: Any


@remembered(maxsize=64)
def tables(cuda: Cuda, device: int, layout: Layout, real: np.dtype[Any]) -> Tables:
    """Return the polynomials, and the deconvolution of all three axes in a row."""
    factors = np.concatenate(
        [np.ones(1)] * (3 - len(layout.shape))
        + [
            layout.deconvolution(axis)[np.abs(np.arange(N) - N // 2)]
            for axis, N in enumerate(layout.shape)
        ]
    )
    return Tables(
        cuda.upload(device, layout.polynomials.astype(real)),
        cuda.upload(device, factors.astype(real)),
    )


class Grid:
    """The grids of some coils, and the operations on them.

    Parameters
    ----------
    cuda : Cuda
        The device that launches the kernels.
    layout : Layout
        Sizes and kernel.
    cells : array, shape (coils, *layout.sizes), real or complex
        The grids.
    """

    def __init__(self, cuda: Cuda, layout: Layout, cells: Any) -> None:
        self.cuda, self.layout, self.cells = cuda, layout, cells
        self.coils, self.ndim = cells.shape[0], len(layout.sizes)
        char = cells.dtype.char
        self.parts = 1 if char in C_TYPE else 2
        self.real = np.dtype(char.lower())
        self.type = C_TYPE[char.lower()]
        self.tables = tables(cuda, cuda.device(cells), layout, self.real)
        self.sizes = three(layout.sizes)
        # Sums of a thread: as many registers in either precision.
        block = 8 if self.type == "float" else 4
        self.block = -(-self.coils // -(-self.coils // block))

    def pad(self, image: Any) -> None:
        """Lay the deconvolved images (coils, ...) on the grids."""
        self.cuda.launch(
            f"pad<{self.type}>",
            *self._rows(self.sizes),
            image,
            *three(self.layout.shape),
            self.tables.factors,
            self.cells,
            *self.sizes,
        )

    def crop(self, image: Any) -> None:
        """Read the deconvolved images off the grids: the transpose of `pad`."""
        shape = three(self.layout.shape)
        self.cuda.launch(
            f"crop<{self.type}>",
            *self._rows(shape),
            self.cells,
            *self.sizes,
            self.tables.factors,
            image,
            *shape,
        )

    def pad_coils(self, images: Any, maps: Any, start: int) -> None:
        """Lay images of coils on the grids: ``s_c x_b``, number ``b C + c``, from `start` on."""
        self.cuda.launch(
            f"pad_coils<{self.type}, {self._parts_of(maps)}>",
            *self._rows(self.sizes),
            images,
            *three(self.layout.shape),
            self.tables.factors,
            maps,
            maps.shape[0],
            start,
            self.cells,
            *self.sizes,
        )

    def crop_coils(self, images: Any, maps: Any, start: int) -> None:
        """Add the coils to the images that they are of: the transpose of `pad_coils`."""
        shape, count = three(self.layout.shape), maps.shape[0]
        touched = (start + self.coils - 1) // count - start // count + 1
        self.cuda.launch(
            f"crop_coils<{self.type}, {self._parts_of(maps)}>",
            *self._rows(shape, touched),
            self.cells,
            *self.sizes,
            self.tables.factors,
            maps,
            count,
            start,
            self.coils,
            images,
            *shape,
        )

    def transform(self, *, inverse: bool) -> None:
        """FFT of every coil, in place and without scale."""
        self.cuda.fft(self.cells, inverse=inverse)

    def interpolate(self, points: CudaPoints, data: Any, derivatives: Any, stride: int) -> None:
        """Write values (coils, M); and derivatives, `stride` numbers from axis to axis, if any."""
        first = 0 if derivatives is None else 1
        share, blocks = self._shares(points)
        kind = f"{self._kind()}, {self.parts}, {share}, {self.block}, {first}"
        where = self._where(points, self._order(points))
        arguments = *where, data, derivatives if first else 0, stride
        self.cuda.launch(f"interpolate<{kind}>", blocks, THREADS, *arguments)

    def contract(self, points: CudaPoints, data: Any, out: Any, order: int, *, add: bool) -> None:
        """Write, or add to, ``sum_b <data_b, derivatives>``, first or second: (M, d[, d])."""
        share, blocks = self._shares(points)
        kind = f"{self._kind()}, {share}, {self.block}, {order}"
        where = self._where(points, self._order(points))
        self.cuda.launch(f"contract<{kind}>", blocks, THREADS, *where, data, out, int(add))

    def spread(self, points: CudaPoints, data: Any, direction: Any, method: str) -> None:
        """Add points to empty grids, or their derivative along `direction` (M, d)."""
        directed = int(direction is not None)
        found = tile(self._width, self.ndim, self.real.itemsize, self.parts, self.coils)
        if method == "auto":
            pays = found is not None and tiles_pay(self.layout, found[0], points.size, self.coils)
            method = "tiles" if pays else "atomics"
        if method == "tiles" and found is not None:
            edge, coils = found
            bins = points.bins(self.cuda, self.layout, edge)
            kind = f"{self._kind()}, {self.parts}, {edge}, {coils}, {directed}"
            blocks, threads = bins.most * -(-self.coils // coils), 32 * coils
            name = f"spread_tiles<{kind}>"
            where = self._where(
                points, bins.order, bins.starts, bins.problems, bins.bin_of, bins.size
            )
        else:
            share, blocks = self._shares(points)
            threads = THREADS
            name = f"spread<{self._kind()}, {self.parts}, {share}, {directed}>"
            where = self._where(points, self._order(points))
        self.cuda.launch(name, blocks, threads, *where, data, direction if directed else 0)

    @property
    def _width(self) -> int:
        return self.layout.kernel.width

    def _kind(self) -> str:
        return f"{self.type}, {self.ndim}, {self._width}, {self.layout.kernel.degree}"

    def _shares(self, points: CudaPoints) -> tuple[int, int]:
        share = lanes(self._width**self.ndim, points.size)
        return share, -(-points.size // (THREADS // share))

    def _order(self, points: CudaPoints) -> Any:
        taps = points.size * self._width**self.ndim * self.coils
        if self.cells.nbytes <= L2 or taps < SORT:
            return 0
        return points.bins(self.cuda, self.layout, EDGES[self.ndim][0]).order

    def _where(self, points: CudaPoints, *order: Any) -> tuple[Any, ...]:
        return (
            self.cells,
            *self.sizes,
            points.coordinates,
            *order,
            self.tables.polynomials,
            points.size,
            self.coils,
        )

    def _rows(self, sizes: tuple[int, ...], count: int | None = None) -> tuple[int, int]:
        threads = min(THREADS, -(-sizes[2] // 32) * 32)
        count = self.coils if count is None else count
        return count * sizes[0] * sizes[1] * -(-sizes[2] // threads), threads

    def _parts_of(self, maps: Any) -> int:
        return 1 if maps.dtype.char in C_TYPE else 2
