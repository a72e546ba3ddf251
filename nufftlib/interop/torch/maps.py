"""A map that is not linear, such as a loss, as a torch function: by its Jacobian."""

# mypy: allow-untyped-calls, allow-subclassing-any
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.tree import held_arrays
from nufftlib.interop.torch.arrays import TorchArrays
from nufftlib.interop.torch.functions import Context, like, one_by_one, signed

JACOBIAN = "_nufftlib_jacobian"
"""An attribute of tensors."""


@dataclass(frozen=True)
class MapPoint:
    """A map and its Jacobians, each kept by the tensor at which it was taken.

    That tensor is the adapter's own, and lives as long as torch keeps it for backward.

    Parameters
    ----------
    map : Map
        The map.
    arrays : TorchArrays
        Its library.
    """

    map: Map
    arrays: TorchArrays

    def value(self, x: Tensor) -> Tensor:
        """Return ``f(x)``, and leave the Jacobian to backward."""
        array = self.arrays.array(x)
        value, jacobian = self.map.linearize(array)
        setattr(x, JACOBIAN, jacobian)
        return self.arrays.result(value, array, *held_arrays(self.map), *held_arrays(jacobian))

    def jacobian(self, x: Tensor) -> LinearOperator:
        """Return the Jacobian at `x`; torch hands backward the tensor of forward, if it can."""
        kept: LinearOperator | None = getattr(x, JACOBIAN, None)
        return self.map.linearize(self.arrays.array(x))[1] if kept is None else kept


class MapValue(torch.autograd.Function):
    """``(point, x) -> f(x)``."""

    @staticmethod
    @signed
    def forward(point: MapPoint, x: Tensor) -> Tensor:
        """Compute the value, and the Jacobian with it."""
        with point.arrays.running(x):
            return point.value(x)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004  # torch's signature
        """Keep the input."""
        ctx.point, x = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Context, g: Tensor) -> tuple[None, Tensor]:
        """``J^H g``."""
        (x,) = ctx.saved_tensors
        return None, MapJacobian.apply(ctx.point, True, x, g)

    @staticmethod
    def jvp(ctx: Context, _: None, dx: Tensor) -> Tensor:
        """``J dx``."""
        (x,) = ctx.saved_tensors
        tangent: Tensor = MapJacobian.apply(ctx.point, False, x, dx)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One by one: a map need not know batches, and each item has its Jacobian."""
        return one_by_one(MapValue.apply, info, in_dims, inputs)


class MapJacobian(torch.autograd.Function):
    """``(point, adjoint, x, v) -> J v`` or ``J^H v``, linear in ``v`` alone."""

    @staticmethod
    @signed
    def forward(point: MapPoint, adjoint: bool, x: Tensor, v: Tensor) -> Tensor:
        """Compute it; a gradient by the input is brought to the input's kind."""
        with point.arrays.running(x):
            J = point.jacobian(x)
            if not adjoint:
                return point.arrays.call(J, J.apply, v)
            return like(point.arrays.call(J, J.adjoint, v), x.shape, x.dtype)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004  # torch's signature
        """Keep the input."""
        ctx.point, ctx.adjoint, x, _ = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Context, t: Tensor | None) -> tuple[Tensor | None, ...]:
        """By ``v`` the other of the two; by ``x`` there is none."""
        if t is None:
            return (None,) * 4
        if ctx.needs_input_grad[2]:
            raise NotImplementedError(no_second_derivative(ctx.point.map))
        (x,) = ctx.saved_tensors
        return None, None, None, MapJacobian.apply(ctx.point, not ctx.adjoint, x, t)

    @staticmethod
    def jvp(ctx: Context, _: None, __: None, dx: Tensor | None, dv: Tensor | None) -> Tensor:
        """As backward."""
        if dx is not None:
            raise NotImplementedError(no_second_derivative(ctx.point.map))
        (x,) = ctx.saved_tensors
        tangent: Tensor = MapJacobian.apply(ctx.point, ctx.adjoint, x, dv)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One by one; only a Jacobian at the item's own input is another one."""
        return one_by_one(MapJacobian.apply, info, in_dims, inputs)


def no_second_derivative(map: Map) -> str:
    """Say of which map."""
    return f"f(x): {type(map).__name__} has a Jacobian, and no second derivative"
