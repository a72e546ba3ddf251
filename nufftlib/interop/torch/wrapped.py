"""Operators in torch: their hand-derived derivatives behind ``torch.autograd``.

Tensors are viewed, not copied; `wrap` says the rest. Shapes, units and the gradient of a
complex array (``dL/dRe + i dL/dIm``) are torch's and the library's alike.
"""

# mypy: allow-untyped-calls, allow-subclassing-any
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from typing import final, overload

import torch
from torch import Tensor

from nufftlib.core.operator import LinearOperator, Map
from nufftlib.interop.torch.arrays import arrays_of, differentiated, refuse_lost_gradients
from nufftlib.interop.torch.calls import opaque
from nufftlib.interop.torch.functions import Value
from nufftlib.interop.torch.maps import MapPoint, MapValue
from nufftlib.interop.torch.terms import Point, PointTerm


@overload
def wrap(op: LinearOperator) -> WrappedOperator: ...  # type: ignore[overload-overlap]  # the first fits
@overload
def wrap(op: Map) -> WrappedMap: ...
def wrap(op: Map) -> WrappedOperator | WrappedMap:
    """Return an operator as a function of torch tensors, differentiable by all of them.

    Parameters
    ----------
    op : LinearOperator or Map
        The operator, or a map such as a loss. The library of its arrays computes: torch tensors
        as they are, on any device; NumPy arrays on views of CPU tensors; CuPy arrays on
        views of CUDA tensors, on torch's current stream.

    Returns
    -------
    callable
        Of an operator ``f(x, **parameters)`` with ``f.adjoint(y, **parameters)``: a
        parameter that is given replaces the operator's own for this call, and gets a
        gradient; one that is not is the operator's own, a constant. Of a map ``f(x)``.

    Raises
    ------
    TypeError
        If `op` is no map, or made of arrays of another library; by the function, if an
        argument is no tensor of single or double precision.
    ValueError
        If a tensor that `op` holds requires grad, which it would not get; by the function, if
        a name is unknown, or a tensor is on another device than the operator.
    NotImplementedError
        By backward, if a derivative has not been derived; by the function, if it is traced.

    Notes
    -----
    By a tensor that does not require grad nothing is computed; by those that do, everything,
    also if ``torch.autograd.grad`` is asked for one of them alone. Backward uses the values of
    forward: parameters are cloned (in the graph), so that changing them in place changes
    nothing; images are not, and torch raises if one that backward needs was changed in place.

    Gradients of gradients, and forward mode, are as far as the operator has them: a second
    derivative by image and parameters for most, of maps none. A derivative that is missing raises.

    ``torch.func`` works, but for ``linearize``, which traces; under ``torch.vmap`` images go as
    one batch where the operator's shape rule takes one, and else, as parameters
    do, one by one. ``torch.compile`` calls the function as it is, outside of its graph.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import nufftlib as nl
    >>> from nufftlib.interop.torch import wrap
    >>> f = wrap(nl.NUFFT(np.zeros((1, 2)), (4, 4)))
    >>> x = torch.ones(4, 4, dtype=torch.complex128)
    >>> k = torch.tensor([[0.1, 0.2], [-0.3, 0.0]], dtype=torch.float64, requires_grad=True)
    >>> loss = f(x, trajectory=k).abs().square().sum()
    >>> loss.backward()
    >>> k.grad.shape
    torch.Size([2, 2])
    """
    if isinstance(op, LinearOperator):
        return WrappedOperator(op)
    if isinstance(op, Map):
        return WrappedMap(op)
    msg = f"wrap(op): op is a {type(op).__name__}; want a LinearOperator or another Map"
    raise TypeError(msg)


@final
class WrappedOperator:
    """A linear operator as a function of tensors; made by `wrap`.

    Parameters
    ----------
    operator : LinearOperator
        The operator.
    """

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator
        self.arrays = arrays_of(operator)
        for name, value in operator.parameters.items():
            if differentiated(value):
                msg = (
                    f"wrap(op): the operator's own {name!r} requires grad, which it would not "
                    f"get; want a detached one, and the tensor given to each call: "
                    f"f(x, {name}=tensor)"
                )
                raise ValueError(msg)
        refuse_lost_gradients(operator)

    def __repr__(self) -> str:
        return f"wrap({self.operator!r})"

    # (a parameter may be named x, or self)
    def __call__(self, x: Tensor, /, **parameters: Tensor) -> Tensor:
        """Return ``A(theta) x``."""
        return opaque(self._evaluate, "f(x)", False, x, parameters)

    def adjoint(self, y: Tensor, /, **parameters: Tensor) -> Tensor:
        """Return ``A(theta)^H y``."""
        return opaque(self._evaluate, "f.adjoint(y)", True, y, parameters)

    def _evaluate(
        self, caller: str, adjoint: bool, x: Tensor, parameters: dict[str, Tensor]
    ) -> Tensor:
        for name in parameters:
            self.operator.require(name)
        self.arrays.check(caller, **{"y" if adjoint else "x": x})
        self.arrays.check(caller, **parameters)
        thetas = list(parameters.values())
        if torch.is_grad_enabled():
            thetas = [theta.clone() for theta in thetas]
        point = Point(self.operator, self.arrays, tuple(parameters))
        value: Tensor = Value.apply(PointTerm(point=point, adjoint=adjoint), x, *thetas)
        return value


@final
class WrappedMap:
    """A map that is not linear as a function of a tensor; made by `wrap`.

    Parameters
    ----------
    map : Map
        The map.
    """

    def __init__(self, map: Map) -> None:
        self.map = map
        self.arrays = arrays_of(map)
        refuse_lost_gradients(map)
        self._point = MapPoint(map, self.arrays)

    def __repr__(self) -> str:
        return f"wrap({self.map!r})"

    def __call__(self, x: Tensor, /) -> Tensor:
        """Return ``f(x)``."""
        return opaque(self._evaluate, x)

    def _evaluate(self, x: Tensor) -> Tensor:
        self.arrays.check("f(x)", x=x)
        # A tensor of its own, with which the Jacobian is freed.
        value: Tensor = MapValue.apply(self._point, x.view_as(x))
        return value
