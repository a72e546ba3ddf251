"""The device as the grid engine sees it: memory, launches and FFTs, on the current stream."""

from __future__ import annotations

import math
import threading
from functools import cache
from pathlib import Path
from typing import Any

from nufftlib.core.arrays import Array
from nufftlib.nufft.engines.plans import PlanCache, guarded

THREADS = 128
"""Threads of a block."""


SCAN = 1024
"""Threads of the one block that scans the bins."""


BATCH = 16
"""Points whose weights a block that spreads by tiles holds at once."""


CHUNK = 256
"""Most points that such a block spreads: a bin with more is cut."""


OPTIONS = (
    "-std=c++17",
    *(f"-D{name}={globals()[name]}" for name in ("THREADS", "SCAN", "BATCH", "CHUNK")),
)


C_TYPE = {"f": "float", "d": "double"}


class Cuda:
    """All of CuPy that the engine uses, in one place; a test replaces it by the host.

    Work is queued on the current stream.
    """

    def __init__(self) -> None:
        self._plans: PlanCache[Any] = PlanCache(size=16)
        self._captured: set[Any] = set()
        self._lock = threading.RLock()

    def device(self, x: Array) -> int:
        """Return the number of the device of an array."""
        return int(x.device.id)

    def stream(self, device: int) -> int:
        """Return the handle of the device's current stream."""
        import cupy

        return int(cupy.cuda.get_current_stream(device).ptr)

    def capturing(self, device: int) -> bool:
        """Return whether that stream is recorded for a CUDA graph, not executed."""
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
        """Return `x`, or a contiguous copy whose start is aligned to its items."""
        import cupy

        with x.device:
            x = cupy.ascontiguousarray(x)
            return x.copy() if x.data.ptr % x.itemsize else x

    def upload(self, device: int, values: Any) -> Array:
        """Return a copy of a NumPy array for use on any stream; wait until it is there."""
        import cupy

        self._refuse_capture(device, "tables")
        with cupy.cuda.Device(device):
            array = cupy.asarray(values)
            cupy.cuda.get_current_stream().synchronize()
        return array

    def launch(self, kernel: str, blocks: int, threads: int, *arguments: Any) -> None:
        """Launch a kernel, named with its template's arguments, on the first array's device."""
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
            if self.capturing(grid.device.id):
                self._captured.add(plan)  # the graph needs it for longer than the cache
            direction = cufft.CUFFT_INVERSE if inverse else cufft.CUFFT_FORWARD
            guarded(self._lock, plan.fft, grid, grid, direction)

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
