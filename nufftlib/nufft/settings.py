"""The settings of a NUFFT: their checks, and the choice of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat

from nufftlib.core.arrays import Array, Namespace, check_real, library
from nufftlib.core.kinds import choice, number
from nufftlib.nufft.engines.base import (
    DOUBLE_BITS,
    Engine,
    phase_rounding,
)
from nufftlib.nufft.engines.bridge import bridged

DEVICE_CPU, DEVICE_CUDA = 1, 2  # DLPack's names for them

ARRAYS = {
    "direct": "any arrays",
    "grid": "CPU or CUDA arrays",
    "finufft": "CPU arrays",
    "cufinufft": "CUDA arrays",
}
"""The arrays that each engine takes."""

ENGINES = ("auto", *ARRAYS)


def check_trajectory(xp: Namespace, trajectory: Array, shape: tuple[int, ...]) -> None:
    """Refuse a trajectory that is not real, finite and of the right shape for `shape`."""
    call = "NUFFT(trajectory)"
    check_real(xp, call, "trajectory", trajectory)
    if trajectory.ndim < 1 or trajectory.shape[-1] != len(shape) or 0 in trajectory.shape:
        msg = (
            f"{call}: the shape is {tuple(trajectory.shape)}; want (..., {len(shape)}) with at "
            f"least one point, the last axis matching the image shape {shape}"
        )
        raise ValueError(msg)
    finite = xp.isfinite(trajectory)
    if not bool(xp.all(finite)):  # of all numbers: point by point takes ten times as long
        bad = xp.reshape(~xp.all(finite, axis=-1), (-1,))
        first = int(xp.argmax(xp.astype(bad, xp.int8)))
        index: list[int] = []
        for size in reversed(trajectory.shape[:-1]):
            first, i = divmod(first, size)
            index.insert(0, i)
        msg = (
            f"{call}: {int(xp.sum(xp.astype(bad, xp.int32)))} of {bad.shape[0]} points are not "
            f"finite (first at index {tuple(index)}); want finite points"
        )
        raise ValueError(msg)


def accuracy(xp: Namespace, trajectory: Array, shape: tuple[int, ...], eps: float) -> float:
    """Return `eps`, or refuse one that no engine can serve."""
    eps = number("NUFFT", "eps", eps)
    finest = 1.2e-7 if trajectory.dtype == xp.float32 else 1e-14
    # The engines multiply points by the size of a grid in double precision at best.
    finest = max(finest, phase_rounding(shape, DOUBLE_BITS))
    if not finest <= eps < 1:
        msg = (
            f"NUFFT(eps): eps is {eps}; want {finest:.2g} <= eps < 1 for a trajectory of "
            f"{trajectory.dtype} and the shape {shape}"
        )
        raise ValueError(msg)
    return eps


def choose_engine(xp: Namespace, k: Array, name: str) -> Callable[..., Engine]:
    """Return the engine's class by its name, or the fastest one for ``"auto"``.

    On a CPU our own is the fastest (docs/grid-engine.md has the measurements). On CUDA cufinufft
    is. The CUDA engines take CuPy arrays, and other libraries' arrays across a bridge.
    """
    name = choice("NUFFT", "engine", name, ENGINES)
    device: Any = k.__dlpack_device__()[0]
    if name == "auto":
        name = "cufinufft" if device == DEVICE_CUDA else "grid"
    if name == "direct":
        from nufftlib.nufft.engines.direct import DirectEngine

        return DirectEngine
    if name == "grid" and device == DEVICE_CPU:
        from nufftlib.nufft.engines.grid.cpu.engine import GridEngine

        return GridEngine
    if name == "grid" and device == DEVICE_CUDA:
        from nufftlib.nufft.engines.grid.cuda.engine import CudaGridEngine

        return bridged(xp, CudaGridEngine)
    if name == "finufft" and device == DEVICE_CPU:
        from nufftlib.nufft.engines.finufft import FinufftEngine

        return FinufftEngine
    if name == "cufinufft" and device == DEVICE_CUDA:
        from nufftlib.nufft.engines.cufinufft import CufinufftEngine

        return bridged(xp, CufinufftEngine)
    msg = (
        f"NUFFT(engine={name!r}): the trajectory is one of {library(xp)} arrays on "
        f"{array_api_compat.device(k)}; want {ARRAYS[name]} (engine='direct' takes any)"
    )
    raise ValueError(msg)
