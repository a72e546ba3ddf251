"""cufinufft on CUDA, for CuPy arrays.

It has no adjoint of a plan, so each setting has two: type 2 and type 1. A plan is
tied to the device and to the stream that were current when it was made.
"""

from __future__ import annotations

import math
import threading
from typing import Any

from nufftlib.core.arrays import Array
from nufftlib.nufft.engines.base import Engine, Points, batch_blocks, fold
from nufftlib.nufft.engines.cuda12 import import_cufinufft
from nufftlib.nufft.engines.grid.cuda.engine import CudaGridEngine
from nufftlib.nufft.engines.gridding import Gridding
from nufftlib.nufft.engines.plans import PlanCache, call, guarded


class SharedPlan:
    """A cufinufft plan and the points that it holds, behind a lock.

    Parameters
    ----------
    plan : cufinufft.Plan
        A plan of either type.
    """

    def __init__(self, plan: Any) -> None:
        self._plan = plan
        self._points: Points | None = None
        self._lock = threading.RLock()

    def execute(self, points: Points, data: Any, out: Any) -> None:
        """Transform `data` at `points` into `out`."""
        guarded(self._lock, self._execute, points, data, out)

    def _execute(self, points: Points, data: Any, out: Any) -> None:
        if self._points is not points:
            # The plan reads the points again at every execution, so keep them alive here.
            self._points = None
            call(self._plan.setpts, *points.axes)
            self._points = points
        call(self._plan.execute, data, out=out)


PLANS: PlanCache[SharedPlan] = PlanCache(size=16)

TYPE_1, TYPE_2 = 1, 2


class CufinufftEngine(Engine):
    """The cufinufft library."""

    def prepare(self, trajectory: Array) -> Points:
        """Copy into one contiguous array of radians for each axis."""
        import cupy

        with trajectory.device:
            k = fold(self.xp, trajectory).astype(cupy.float64 if self.double else cupy.float32)
            radians = 2.0 * cupy.pi * k
            axes = cupy.ascontiguousarray(radians.T)
            return Points(tuple(axes))

    def forward(self, points: Points, x: Array) -> Array:
        """Type 2."""
        return self._execute(TYPE_2, points, x, (points.size,))

    def adjoint(self, points: Points, y: Array) -> Array:
        """Type 1 with the opposite sign."""
        return self._execute(TYPE_1, points, y, self.shape)

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """As our own grid does: cufinufft's kernel has no derivative."""
        return CudaGridEngine(self.xp, shape, self.dtype, self.eps, self.memory_limit).gridding(
            trajectory, shape, width
        )

    def _execute(
        self,
        kind: int,
        points: Points,
        data: Array,
        out_shape: tuple[int, ...],
    ) -> Array:
        import cupy

        with data.device:
            source = cupy.ascontiguousarray(data)
            out = cupy.empty((source.shape[0], *out_shape), dtype=source.dtype)
            working = cupy.result_type(points.axes[0].dtype, cupy.complex64)
            cast = working != source.dtype
            each = (math.prod(self.shape) + points.size) * working.itemsize
            most = self.memory_limit // 2 // each if cast else source.shape[0]
            for part in batch_blocks(source.shape[0], most):
                inside = source[part].astype(working, copy=False)
                outside = cupy.empty(out[part].shape, working) if cast else out[part]
                self._plan(kind, inside).execute(points, inside, outside)
                if cast:
                    out[part] = outside
            return out

    def transform_bytes(self) -> int:
        """One oversampled grid, of twice the size on each axis."""
        return int(2 ** len(self.shape) * math.prod(self.shape) * (16 if self.double else 8))

    def _plan(self, kind: int, data: Array) -> SharedPlan:
        import cupy

        settings: dict[str, Any] = {
            "eps": self.eps,
            "gpu_stream": cupy.cuda.get_current_stream().ptr,
            "gpu_device_id": data.device.id,
        }
        n_trans = data.shape[0]
        fit = self.memory_limit // 2 // self.transform_bytes()
        settings["gpu_maxbatchsize"] = max(1, min(n_trans, 8, fit))
        key = (kind, self.shape, data.dtype.str, n_trans, tuple(settings.items()))
        isign = -1 if kind == TYPE_2 else +1

        def make() -> SharedPlan:
            plan = import_cufinufft().Plan
            name = data.dtype.name
            return SharedPlan(
                call(plan, kind, self.shape, n_trans, isign=isign, dtype=name, **settings)
            )

        return PLANS.get(key, make)
