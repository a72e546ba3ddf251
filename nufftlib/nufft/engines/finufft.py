"""finufft on the CPU, for NumPy and, through DLPack, for other libraries' CPU arrays.

A plan belongs to an image shape, a precision, an accuracy and a number of
transforms; points are set when they differ from the plan's. One plan serves both
directions. finufft rounds points to the precision of its grids, so that long axes of
single precision are computed in double. It keeps a pointer to the points and cannot survive
a NaN among them, so it only ever sees the finite copies of `FinufftEngine.prepare`.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from typing import Any

import finufft
import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.nufft.engines.base import Engine, Points, batch_blocks, fold
from nufftlib.nufft.engines.grid.cpu.engine import GridEngine
from nufftlib.nufft.engines.gridding import Gridding
from nufftlib.nufft.engines.plans import PlanCache, call, guarded


class SharedPlan:
    """A finufft plan and the points that it holds, behind a lock.

    Parameters
    ----------
    plan : finufft.Plan
        A plan of type 2 with a negative exponent.
    """

    def __init__(self, plan: finufft.Plan) -> None:
        self._plan = plan
        self._points: Points | None = None
        self._lock = threading.RLock()

    def execute(self, points: Points, data: Any, out: Any, *, adjoint: bool) -> None:
        """Transform `data` at `points` into `out`."""
        guarded(self._lock, self._execute, points, data, out, adjoint)

    def _execute(self, points: Points, data: Any, out: Any, adjoint: bool) -> None:
        if self._points is not points:
            self._points = None  # a setpts that fails must not leave old points behind
            call(self._plan.setpts, *points.axes)
            self._points = points
        call(self._plan.execute_adjoint if adjoint else self._plan.execute, data, out=out)


PLANS: PlanCache[SharedPlan] = PlanCache(size=16)

FORKED = False
"""Whether this process is a fork, where the threads of the OpenMP library are lost."""


def after_fork() -> None:
    """Forget plans whose locks and threads belong to the parent."""
    global PLANS, FORKED  # the state of the process
    PLANS, FORKED = PlanCache(size=16), True


os.register_at_fork(after_in_child=after_fork)


class FinufftEngine(Engine):
    """The finufft library."""

    def prepare(self, trajectory: Array) -> Points:
        """Copy into one contiguous array of radians for each axis; its precision is the plans'."""
        k = as_numpy(fold(self.xp, trajectory))
        radians = 2.0 * np.pi * k.astype(np.float64 if self.double else np.float32)
        axes = tuple(np.ascontiguousarray(radians[:, a]) for a in range(len(self.shape)))
        for axis in axes:
            axis.flags.writeable = False
        return Points(axes)

    def forward(self, points: Points, x: Array) -> Array:
        """Type 2."""
        return self._execute(points, x, (points.size,), adjoint=False)

    def adjoint(self, points: Points, y: Array) -> Array:
        """Type 1, as the adjoint of the plan of type 2."""
        return self._execute(points, y, self.shape, adjoint=True)

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """As our own grid does: finufft's kernel has no derivative."""
        return GridEngine(self.xp, shape, self.dtype, self.eps, self.memory_limit).gridding(
            trajectory, shape, width
        )

    def _execute(
        self, points: Points, data: Array, out_shape: tuple[int, ...], *, adjoint: bool
    ) -> Array:
        source = np.ascontiguousarray(as_numpy(data))
        out = empty((data.shape[0], *out_shape), source.dtype)
        working = np.result_type(points.axes[0].dtype, np.complex64)
        for part in self._parts(points, source.shape[0], cast=working != source.dtype):
            inside = source[part].astype(working, copy=False)
            outside = out[part] if working == out.dtype else np.empty(out[part].shape, working)
            work = inside.shape[0] * max(points.size, math.prod(self.shape))
            plan = self._plan(inside.shape[0], working, threads(work))
            plan.execute(points, inside, outside, adjoint=adjoint)
            if outside.dtype != out.dtype:
                out[part] = outside
        return from_numpy(self.xp, out)

    def _parts(self, points: Points, batch: int, *, cast: bool) -> Iterator[slice]:
        """Cut a batch into parts, whose copies of double precision fit half of `memory_limit`."""
        each = (math.prod(self.shape) + points.size) * np.dtype(np.complex128).itemsize
        yield from batch_blocks(batch, self.memory_limit // 2 // each if cast else batch)

    def transform_bytes(self) -> int:
        """One oversampled grid, of at most twice the size on each axis."""
        item = np.dtype(np.complex128 if self.double else np.complex64).itemsize
        return int(2 ** len(self.shape) * math.prod(self.shape) * item)

    def _plan(self, n_trans: int, dtype: np.dtype[Any], nthreads: int) -> SharedPlan:
        # finufft holds one such grid a thread.
        fit = max(1, self.memory_limit // 2 // self.transform_bytes())
        options: dict[str, float] = {"nthreads": nthreads}
        if fit < min(n_trans, os.cpu_count() or 1):
            options["maxbatchsize"] = fit
        return shared_plan(self.shape, dtype, self.eps, n_trans, **options)


def shared_plan(
    shape: tuple[int, ...], dtype: np.dtype[Any], eps: float, n_trans: int, **options: float
) -> SharedPlan:
    """Return the one plan of these settings."""
    return PLANS.get(
        (shape, dtype.str, eps, n_trans, tuple(options.items())),
        lambda: SharedPlan(
            call(finufft.Plan, 2, shape, n_trans, eps, isign=-1, dtype=dtype.name, **options)
        ),
    )


def threads(work: int) -> int:
    """Return how many threads finufft may use: one for little work, else 0, its own choice.

    Below about a tenth of a million numbers a second thread costs more than it saves; on a
    busy machine it costs many times more. In a forked process the parent's threads are
    gone, and waiting for them would last forever.
    """
    return 1 if FORKED or work < 2**17 else 0
