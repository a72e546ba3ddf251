"""The engines of CuPy arrays for other libraries' CUDA arrays: by DLPack, without a copy.

They run on the CUDA stream of the caller's library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from array_api_compat import array_namespace, is_array_api_obj

from nufftlib.core.arrays import Array, Namespace, library
from nufftlib.core.cuda import as_cupy, callers_stream, from_cupy, import_cupy
from nufftlib.nufft.engines.base import (
    CoilImages,
    Engine,
    FixedImages,
    Points,
    TrajectoryJacobian,
)
from nufftlib.nufft.engines.gridding import Gridding


@dataclass(frozen=True)
class Border:
    """Conversion of a library's CUDA arrays to CuPy's and back.

    Parameters
    ----------
    xp : module
        The library.
    device : int
        Number of the device.
    """

    xp: Namespace
    device: int

    def cross(self, method: Callable[..., Any], *arguments: Any) -> Array:
        """Call a method of CuPy arrays with the caller's arrays, and convert its result."""
        with callers_stream(self.xp, self.device):
            result = method(*(as_cupy(a) if is_array_api_obj(a) else a for a in arguments))
            return from_cupy(self.xp, result)


def border_of(x: Array) -> Border:
    """Return the border for the library and device of `x`."""
    return Border(array_namespace(x), x.__dlpack_device__()[1])


class BridgedEngine(Engine):
    """An engine of CuPy arrays, for another library's arrays.

    Parameters
    ----------
    engine : type of Engine
        The engine of CuPy arrays.
    xp : module
        Namespace of the caller's arrays; the other arguments are as for `Engine`.
    """

    def __init__(
        self,
        engine: type[Engine],
        xp: Namespace,
        shape: tuple[int, ...],
        dtype: Any,
        eps: float,
        memory_limit: int,
    ) -> None:
        super().__init__(xp, shape, dtype, eps, memory_limit)
        cupy = import_cupy()
        real = cupy.float32 if dtype == xp.float32 else cupy.float64
        inner_xp = array_namespace(cupy.empty(0))
        self.inner = engine(inner_xp, shape, real, eps, memory_limit)

    def with_shape(self, shape: tuple[int, ...]) -> Engine:
        """Return the same engine for another grid."""
        settings = self.xp, shape, self.dtype, self.eps, self.memory_limit
        return BridgedEngine(type(self.inner), *settings)

    def prepare(self, trajectory: Array) -> Points:
        """Copy into the form of the engine of CuPy arrays."""
        border = border_of(trajectory)
        with callers_stream(border.xp, border.device):
            return self.inner.prepare(as_cupy(trajectory))

    def forward(self, points: Points, x: Array) -> Array:
        """``F x``."""
        return border_of(x).cross(self.inner.forward, points, x)

    def adjoint(self, points: Points, y: Array) -> Array:
        """``F^H y``."""
        return border_of(y).cross(self.inner.adjoint, points, y)

    def derivative_adjoint(self, points: Points, dk: Array, y: Array) -> Array:
        """``(dF[dk])^H y``."""
        return border_of(y).cross(self.inner.derivative_adjoint, points, dk, y)

    def coil_forward(self, points: Points, images: CoilImages) -> Array:
        """``F (s_c x_b)``."""
        return border_of(images.x).cross(self._coil_forward, points, images.x, images.maps)

    def _coil_forward(self, points: Points, x: Array, maps: Array) -> Array:
        return self.inner.coil_forward(points, CoilImages(x, maps))

    def coil_adjoint(self, points: Points, y: Array, maps: Array, dk: Array | None = None) -> Array:
        """``sum_c conj(s_c) F^H y_bc``."""
        return border_of(y).cross(self.inner.coil_adjoint, points, y, maps, dk)

    def weighted_adjoint(self, points: Points, y: Array, weights: Array, maps: Array) -> Array:
        """``sum_c conj(s_c) F^H (w y_bc)``."""
        return border_of(y).cross(self.inner.weighted_adjoint, points, y, weights, maps)

    def transform_bytes(self) -> int:
        """Those of the engine on the other side."""
        return self.inner.transform_bytes()

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """Spreading of CuPy arrays."""
        border = border_of(trajectory)
        with callers_stream(border.xp, border.device):
            return BridgedGridding(border, self.inner.gridding(as_cupy(trajectory), shape, width))

    def fix(self, x: Array, *, lasting: bool = False) -> FixedImages:
        """Prepare images, as CuPy arrays."""
        border = border_of(x)
        with callers_stream(border.xp, border.device):
            return BridgedImages(border, self.inner.fix(as_cupy(x), lasting=lasting))

    def coil_fix(self, images: CoilImages, *, lasting: bool = False) -> FixedImages:
        """Prepare images of coils, as CuPy arrays."""
        border = border_of(images.x)
        with callers_stream(border.xp, border.device):
            inner = CoilImages(as_cupy(images.x), as_cupy(images.maps))
            return BridgedImages(border, self.inner.coil_fix(inner, lasting=lasting))


@dataclass(frozen=True, eq=False)
class BridgedImages:
    """Fixed images of CuPy arrays, for another library."""

    border: Border
    inner: FixedImages

    def values(self, points: Points) -> Array:
        """``F x``."""
        return self.border.cross(self.inner.values, points)

    def jvp(self, points: Points, dk: Array) -> Array:
        """``dF[dk] x``."""
        return self.border.cross(self.inner.jvp, points, dk)

    def vjp(self, points: Points, y: Array) -> Array:
        """``B(x, y)``."""
        return self.border.cross(self.inner.vjp, points, y)

    def curvature(self, points: Points, r: Array) -> Array:
        """``Re sum_b conj(r_b) d_a d_c (F x)_b``."""
        return self.border.cross(self.inner.curvature, points, r)

    def linearize(self, points: Points) -> tuple[Array, TrajectoryJacobian]:
        """``F x`` and its Jacobian."""
        border = self.border
        with callers_stream(border.xp, border.device):
            value, jacobian = self.inner.linearize(points)
            return from_cupy(border.xp, value), BridgedJacobian(border, jacobian)


@dataclass(frozen=True, eq=False)
class BridgedJacobian(TrajectoryJacobian):
    """A Jacobian of CuPy arrays, for another library's arrays."""

    border: Border
    inner: TrajectoryJacobian

    def apply(self, dk: Array) -> Array:
        """Return the directional derivative (B, M) along ``dk`` of shape (M, d)."""
        return self.border.cross(self.inner.apply, dk)

    def adjoint(self, y: Array) -> Array:
        """Return the gradient (M, d) at the cotangent ``y`` of shape (B, M)."""
        return self.border.cross(self.inner.adjoint, y)

    def gauss_newton(self) -> Array:
        """Return ``J^H J``, one symmetric block for each point: (M, d, d)."""
        return self.border.cross(self.inner.gauss_newton)


@dataclass(frozen=True, eq=False)
class BridgedGridding(Gridding):
    """Spreading and interpolation of CuPy arrays, for another library's arrays."""

    border: Border
    inner: Gridding

    def apply(self, w: Array) -> Array:
        """``C w``."""
        return self.border.cross(self.inner.apply, w)

    def slopes(self, w: Array) -> tuple[Array, Array]:
        """``C w`` and ``D w``."""
        border = self.border
        with callers_stream(border.xp, border.device):
            values, slopes = self.inner.slopes(as_cupy(w))
            return from_cupy(border.xp, values), from_cupy(border.xp, slopes)

    def along(self, dk: Array, w: Array) -> Array:
        """``G dG[dk]^T w``."""
        return self.border.cross(self.inner.along, dk, w)


def bridged(xp: Namespace, engine: type[Engine]) -> Callable[..., Engine]:
    """Return an engine of CuPy arrays, for the arrays of `xp`."""
    return engine if library(xp) == "cupy" else partial(BridgedEngine, engine)
