"""The grid engine on CUDA, for CuPy arrays: the kernels of ``kernels.cu``, and cuFFT.

Nothing here waits for the device or looks at what is on it, so that a step can be captured
in a CUDA graph; docs/engines.md says how.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.nufft.engines.base import Engine, Points, TrajectoryJacobian
from nufftlib.nufft.engines.grid.layout import Layout, coil_blocks, density_layout, layout
from nufftlib.nufft.engines.plans import PlanCache

THREADS = 128
"""Threads of a block."""

SCAN = 1024
"""Threads of the one block that scans the bins."""

BATCH = 16
"""Points whose weights a block that spreads by tiles holds at once."""

CHUNK = 256
"""Points that it spreads at most: a bin of more is cut."""

OPTIONS = (
    "-std=c++17",
    *(f"-D{name}={globals()[name]}" for name in ("THREADS", "SCAN", "BATCH", "CHUNK")),
)

EDGES = {1: (256,), 2: (16, 8), 3: (8, 4)}
"""Edges of a bin in cells, the best first; a bin and the kernel's width around it are a tile."""

SHARED = 48 * 1024
"""Bytes of shared memory that a block has without asking for more."""

L2 = 2**25
"""Bytes of grids that a large L2 cache keeps; on larger ones points go bin by bin."""

SORT = 2**22
"""Taps that take as long as sorting: four launches of small kernels."""

C_TYPE = {"f": "float", "d": "double"}


class Cuda:
    """What the engine needs of CuPy, in one place; a test puts the host in its stead.

    All is queued on the stream that is current.
    """

    def __init__(self) -> None:
        self._plans: PlanCache[Any] = PlanCache(size=16)
        self._captured: set[Any] = set()
        self._lock = threading.Lock()

    def device(self, x: Array) -> int:
        """Return the number of the device of an array."""
        return int(x.device.id)

    def stream(self, device: int) -> int:
        """Return the handle of the device's current stream."""
        import cupy

        return int(cupy.cuda.get_current_stream(device).ptr)

    def capturing(self, device: int) -> bool:
        """Tell whether that stream is recorded for a CUDA graph, not executed."""
        import cupy

        return bool(cupy.cuda.get_current_stream(device).is_capturing())

    def empty(self, device: int, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array to be written."""
        import cupy

        with cupy.cuda.Device(device):
            return cupy.empty(shape, dtype)

    def zeros(self, device: int, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array of zeros."""
        import cupy

        with cupy.cuda.Device(device):
            return cupy.zeros(shape, dtype)

    def contiguous(self, x: Array) -> Array:
        """Return `x`, or a copy that is contiguous and starts where a whole number may."""
        import cupy

        with x.device:
            x = cupy.ascontiguousarray(x)
            return x.copy() if x.data.ptr % x.itemsize else x

    def upload(self, device: int, values: Any) -> Array:
        """Return a copy of a NumPy array for use on any stream: this one waits for the device."""
        import cupy

        self._refuse_capture(device, "tables")
        with cupy.cuda.Device(device):
            array = cupy.asarray(values)
            cupy.cuda.get_current_stream().synchronize()
        return array

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        """Launch a kernel, named with its template's arguments, where the first array is."""
        device = arguments[0].device
        with device:
            compiled(device.id, kernel)((blocks,), (threads,), arguments)

    def fft(self, grid: Array, *, inverse: bool) -> None:
        """Transform all but the first axis in place, without scale."""
        from cupy.cuda import cufft

        with grid.device:
            # A plan has one work area: two streams must not share it.
            key = grid.device.id, self.stream(grid.device.id), grid.shape, grid.dtype.char
            plan = self._plans.get(key, lambda: self._plan(grid))
            with self._lock:
                if self.capturing(grid.device.id):
                    self._captured.add(plan)  # the graph needs it for longer than the cache
                plan.fft(grid, grid, cufft.CUFFT_INVERSE if inverse else cufft.CUFFT_FORWARD)

    def _plan(self, grid: Array) -> Any:
        from cupy.cuda import cufft

        self._refuse_capture(grid.device.id, "a plan of cuFFT")
        batch, *sizes = grid.shape
        kind = cufft.CUFFT_C2C if grid.dtype.char == "F" else cufft.CUFFT_Z2Z
        each = math.prod(sizes)
        return cufft.PlanNd(
            sizes, sizes, 1, each, sizes, 1, each, kind, batch, "C", len(sizes), None
        )

    def _refuse_capture(self, device: int, what: str) -> None:
        if self.capturing(device):
            msg = (
                f"NUFFT(engine='grid'): {what} would be made while the stream is captured; want "
                f"the same step to have run once before, on the same stream"
            )
            raise RuntimeError(msg)


@cache
def compiled(device: int, kernel: str) -> Any:  # noqa: ARG001  # a module belongs to a device
    """Compile one kernel; CuPy keeps the result on disk."""
    import cupy

    source = Path(__file__).with_name("kernels.cu").read_text(encoding="utf-8")
    module = cupy.RawModule(code=source, options=OPTIONS, name_expressions=(kernel,))
    return module.get_function(kernel)


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


def lanes(taps: int, samples: int) -> int:
    """Return how many threads share a point: a power of two, at most a warp.

    Eight taps a thread keep the loads of all coils in flight and most lanes busy. Few
    points get more threads, for 2^16 in all: 512 on each of an H100's multiprocessors.
    """
    count = 1
    while count < 32 and 2 * count <= taps and (taps > 8 * count or samples * count < 2**16):
        count *= 2
    return count


@lru_cache(maxsize=256)
def tile(width: int, ndim: int, real_bytes: int, parts: int, coils: int) -> tuple[int, int] | None:
    """Return the edge of a bin, and how many coils spread on its tile, that fit shared memory."""
    for edge in EDGES[ndim]:
        # Weights and slopes of a batch, its cells and directions; some bytes of padding.
        taps = BATCH * (ndim * (width * (2 * real_bytes + 4) + real_bytes) + 8) + 64
        each = parts * real_bytes * ((edge + width - 1) ** ndim + BATCH)
        fit = min(8, (SHARED - taps) // each)
        if fit >= 1:
            return edge, -(-coils // -(-coils // fit))
    return None


def tiles_pay(layout: Layout, edge: int, samples: int, coils: int) -> bool:
    """Tell whether spreading by tiles is expected to be quicker than atomics on the grid.

    A tile costs an atomic for each of its cells, however few points its bin has: it is to
    receive twice as many taps. And the taps are to be worth a sort.
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


@lru_cache(maxsize=64)
def tables(cuda: Cuda, device: int, layout: Layout, real: np.dtype[Any]) -> Tables:
    """Return the polynomials, and the deconvolution of all three axes in a row."""
    ones = (np.ones(1),) * (3 - len(layout.shape))
    factors = np.concatenate([*ones, *layout.factors])
    return Tables(
        cuda.upload(device, layout.polynomials.astype(real)),
        cuda.upload(device, factors.astype(real)),
    )


class Grid:
    """The grids of some coils, and what can be done with them.

    Parameters
    ----------
    cuda : Cuda
        Who launches the kernels.
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

    def _rows(self, sizes: tuple[int, ...]) -> tuple[int, int]:
        threads = min(THREADS, -(-sizes[2] // 32) * 32)
        return self.coils * sizes[0] * sizes[1] * -(-sizes[2] // threads), threads


class CudaGridEngine(Engine):
    """One oversampled FFT, read with the kernel and its derivatives."""

    cuda = Cuda()

    spreading: Literal["auto", "atomics", "tiles"] = "auto"
    """How points are added to a grid: as `tiles_pay` says, or always in one way."""

    def prepare(self, trajectory: Array) -> CudaPoints:
        """Copy into one contiguous array for each axis, in cycles per voxel."""
        cuda, k = self.cuda, self.cuda.contiguous(trajectory)
        M, d = k.shape
        folded = cuda.empty(cuda.device(k), (d, M), k.dtype)
        cuda.launch(f"fold<{C_TYPE[k.dtype.char]}, {d}>", -(-M // THREADS), THREADS, k, folded, M)
        return CudaPoints(tuple(folded), folded)

    def forward(self, points: Points, x: Array) -> Array:
        """FFT of the padded image, read at the points."""
        return CudaGridImages(self, self.cuda.contiguous(x)).values(points)

    def adjoint(self, points: Points, y: Array) -> Array:
        """Points spread on the grid, FFT, and the image cut out."""
        return self._spread(points, y, None)

    def derivative_adjoint(self, points: Points, dk: Array, y: Array) -> Array:
        """Points spread with the derivative of the kernel: one FFT for all axes."""
        return self._spread(points, y, self.cuda.contiguous(dk))

    def fix(self, x: Array) -> CudaGridImages:
        """Transform images; their grids are kept if they fit `memory_limit`."""
        images = self.cuda.contiguous(x)
        if images.shape[0] * self._grid_bytes(images) > self.memory_limit:
            return CudaGridImages(self, images.copy())  # as grids are, apart from the user's
        return CudaGridImages(self, images, tuple(CudaGridImages(self, images).blocks()))

    def spread_interpolate(self, points: Points, w: Array, width: int) -> Array:
        """``C w`` with `density_kernel`, on a grid of the image's own size."""
        assert isinstance(points, CudaPoints)
        cuda, data = self.cuda, self.cuda.contiguous(w)
        cells = cuda.zeros(cuda.device(data), (1, *self.shape), data.dtype)
        grid = Grid(cuda, density_layout(self.shape, width), cells)
        grid.spread(points, data, None, self.spreading)
        out = cuda.empty(cuda.device(data), data.shape, data.dtype)
        grid.interpolate(points, out, None, 0)
        return out

    @property
    def layout(self) -> Layout:
        """The grid for this shape and accuracy."""
        return layout(self.shape, self.eps, self.dtype == self.xp.float32)

    def blocks(self, x: Array) -> Iterator[slice]:
        """Cut a batch into blocks of nearly one size, whose grids fit `memory_limit`."""
        return coil_blocks(x.shape[0], self.memory_limit // self._grid_bytes(x))

    def grid(self, like: Array, block: slice, *, empty: bool) -> Grid:
        """Return grids for a block of coils, where and of what dtype `like` is, zero if `empty`."""
        make = self.cuda.zeros if empty else self.cuda.empty
        shape = (block.stop - block.start, *self.layout.sizes)
        return Grid(self.cuda, self.layout, make(self.cuda.device(like), shape, like.dtype))

    def _grid_bytes(self, x: Array) -> int:
        return int(x.dtype.itemsize) * self.layout.cells

    def _spread(self, points: Points, y: Array, dk: Any) -> Array:
        assert isinstance(points, CudaPoints)
        data = self.cuda.contiguous(y)
        image = self.cuda.empty(self.cuda.device(data), (data.shape[0], *self.shape), data.dtype)
        for block in self.blocks(data):
            grid = self.grid(data, block, empty=True)
            grid.spread(points, data[block], dk, self.spreading)
            grid.transform(inverse=True)
            grid.crop(image[block])
        return image


@dataclass(frozen=True, eq=False)
class CudaGridImages:
    """Images as oversampled spectra: one FFT for values and derivatives at any trajectory.

    Parameters
    ----------
    engine : CudaGridEngine
        Whose images they are.
    images : array, shape (B, ...), complex
        The images.
    kept : tuple of (slice, Grid), optional
        Their grids. Without them each use transforms the images, block by block.
    """

    engine: CudaGridEngine
    images: Any
    kept: tuple[tuple[slice, Grid], ...] | None = None

    def blocks(self) -> Iterator[tuple[slice, Grid]]:
        """Yield a slice of the batch and its grids."""
        if self.kept is not None:
            yield from self.kept
            return
        for block in self.engine.blocks(self.images):
            grid = self.engine.grid(self.images, block, empty=False)
            grid.pad(self.images[block])
            grid.transform(inverse=False)
            yield block, grid

    def values(self, points: Points) -> Array:
        """``F x``."""
        assert isinstance(points, CudaPoints)
        y = self._empty(self.images.shape[0], points.size)
        for block, grid in self.blocks():
            grid.interpolate(points, y[block], None, 0)
        return y

    def jvp(self, points: Points, dk: Array) -> Array:
        """``sum_a dk_a d_a (F x)``, one block of the batch after the other."""
        assert isinstance(points, CudaPoints)
        y = self._empty(self.images.shape[0], points.size)
        for block, grid in self.blocks():
            derivatives = self._empty(len(self.engine.shape), *y[block].shape)
            grid.interpolate(points, y[block], derivatives, y[block].size)
            y[block] = CudaGridJacobian(self.engine.cuda, derivatives).apply(dk)
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
        B, M = self.images.shape[0], points.size
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


@dataclass(frozen=True, eq=False, repr=False)
class CudaGridJacobian(TrajectoryJacobian):
    """The Jacobian of ``k -> F(k) x``, block diagonal: sample j depends on point j alone.

    Parameters
    ----------
    cuda : Cuda
        Who launches the kernels.
    derivatives : array, shape (d, B, M), complex
        ``d_a (F x)_j``.
    """

    cuda: Cuda
    derivatives: Any

    # sum_a dk_a d_a (F x)
    def _apply(self, x: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        return self._launch("along", self.derivatives.shape[1:], self.derivatives.dtype, x)

    # B(x, y)_a = sum_b <y_b, d_a (F x)_b>
    def _adjoint(self, y: Array) -> Array:
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
