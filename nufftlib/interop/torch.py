"""Operators in torch: their hand-derived derivatives behind ``torch.autograd``.

Tensors are viewed, not copied; `wrap` says the rest. Shapes, units and the gradient of a
complex array (``dL/dRe + i dL/dIm``) are torch's and the library's alike.
"""

# mypy: allow-untyped-calls, allow-subclassing-any
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final, overload

from nufftlib.core.operator import LinearOperator, Map
from nufftlib.interop.packages import missing

try:
    import torch
    from torch import Tensor
    from torch._C import _DisableFuncTorch
    from torch._C._functorch import is_functorch_wrapped_tensor
except ModuleNotFoundError as error:
    raise missing("torch") from error  # noqa: EM101  # it makes the message

from nufftlib.interop._torch_arrays import arrays_of, differentiated, refuse_lost_gradients, same
from nufftlib.interop._torch_calls import opaque
from nufftlib.interop._torch_functions import Value
from nufftlib.interop._torch_maps import MapPoint, MapValue
from nufftlib.interop._torch_terms import Point, Term

__all__ = ["OperatorModule", "wrap"]


@overload
def wrap(op: LinearOperator) -> WrappedOperator: ...  # type: ignore[overload-overlap]  # the first fits
@overload
def wrap(op: Map) -> WrappedMap: ...
def wrap(op: Map) -> WrappedOperator | WrappedMap:
    """Return an operator as a function of torch tensors, differentiable by all of them.

    Parameters
    ----------
    op : LinearOperator or Map
        The operator, or a map such as a loss. What it is made of computes: torch tensors
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
    derivative by image and parameters for most, of maps none. What is missing raises.

    ``torch.func`` works, but for ``linearize``, which traces; under ``torch.vmap`` images go as
    one batch where two random ones at once give what they give alone, and else, as parameters
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
    """What `wrap` makes of a linear operator.

    Parameters
    ----------
    operator : LinearOperator
        The operator.
    """

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator
        self._arrays = arrays_of(operator)
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
        self._arrays.check(caller, **{"y" if adjoint else "x": x})
        self._arrays.check(caller, **parameters)
        thetas = list(parameters.values())
        if torch.is_grad_enabled():
            thetas = [theta.clone() for theta in thetas]
        point = Point(self.operator, self._arrays, tuple(parameters))
        value: Tensor = Value.apply(Term(point, adjoint=adjoint), x, *thetas)
        return value


@final
class WrappedMap:
    """What `wrap` makes of a map that is not linear.

    Parameters
    ----------
    map : Map
        The map.
    """

    def __init__(self, map: Map) -> None:
        self.map = map
        self._arrays = arrays_of(map)
        refuse_lost_gradients(map)
        self._point = MapPoint(map, self._arrays)

    def __repr__(self) -> str:
        return f"wrap({self.map!r})"

    def __call__(self, x: Tensor, /) -> Tensor:
        """Return ``f(x)``."""
        return opaque(self._evaluate, x)

    def _evaluate(self, x: Tensor) -> Tensor:
        self._arrays.check("f(x)", x=x)
        # A tensor of its own, with which the Jacobian is freed.
        value: Tensor = MapValue.apply(self._point, x.view_as(x))
        return value


@final
class OperatorModule(torch.nn.Module):
    """An operator as a module that learns some of its parameters.

    Parameters
    ----------
    operator : LinearOperator
        The operator at which learning starts.
    learn : iterable of str
        The parameters that become ``torch.nn.Parameter``, under their names. The others
        become buffers. All are copies.

    Attributes
    ----------
    operator : LinearOperator
        The operator as it stands now, in its own library, detached from the module.

    Raises
    ------
    TypeError, ValueError
        As `wrap`, and if the operator has no parameter of a name in `learn`, or one whose name
        a module needs; by a conversion, if it is not to single or double precision.

    Notes
    -----
    ``module(x)`` is ``A x`` and ``module.adjoint(y)`` is ``A^H y``, as by `wrap`. The operator
    is remade when a buffer changes: a NUFFT whose points are not learned sorts them once.

    A conversion takes a real dtype, as ``module.double()``, and keeps complex parameters
    complex.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> import nufftlib as nl
    >>> from nufftlib.interop.torch import OperatorModule
    >>> blur = OperatorModule(nl.Blur(np.full((3, 3), 1 / 9)), learn=["psf"])
    >>> optimizer = torch.optim.SGD(blur.parameters(), lr=0.1)
    >>> sharp = torch.ones(1, 8, 8, dtype=torch.float64)
    >>> blur(sharp).square().sum().backward()
    >>> optimizer.step()
    >>> blur.operator.psf.shape, type(blur.operator.psf).__name__
    ((3, 3), 'ndarray')
    """

    def __init__(self, operator: LinearOperator, learn: Iterable[str]) -> None:
        super().__init__()
        if not isinstance(operator, LinearOperator) or isinstance(learn, str):
            have = f"op is a {type(operator).__name__} and learn a {type(learn).__name__}"
            msg = f"OperatorModule(op, learn): {have}; want a LinearOperator and a list of names"
            raise TypeError(msg)
        self._wrapped = wrap(operator)
        self._learned = tuple(learn)
        for name in self._learned:
            operator.require(name)
        for name, value in operator.parameters.items():
            if name in dir(self):
                msg = (
                    f"OperatorModule(op, learn): op has a parameter {name!r}, which is the name "
                    f"of something else in a module; want another, by "
                    f"op.rename({name}=...)"
                )
                raise ValueError(msg)
            tensor = self._wrapped._arrays.copied(value)
            if name in self._learned:
                self.register_parameter(name, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
        self._wrapped = wrap(self.operator)

    def extra_repr(self) -> str:
        """Return what ``print(module)`` shows: the operator, and what is learned of it."""
        return f"{self._wrapped.operator!r}, learn={list(self._learned)}"

    def forward(self, x: Tensor) -> Tensor:
        """Return ``A x``."""
        return opaque(self._evaluate, False, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A^H y``."""
        return opaque(self._evaluate, True, y)

    @property
    def operator(self) -> LinearOperator:
        """The operator as it stands now."""
        arrays, tensors = self._wrapped._arrays, self._tensors()
        arrays.check("module.operator", **tensors)
        values = {name: arrays.array(t.detach().clone()) for name, t in tensors.items()}
        return self._wrapped.operator.replace(**values)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._wrapped.operator.parameters}

    def _evaluate(self, adjoint: bool, x: Tensor) -> Tensor:
        passed = self._passed()
        return (self._wrapped.adjoint if adjoint else self._wrapped)(x, **passed)

    def _passed(self) -> dict[str, Tensor]:
        """Return what is passed to the operator at the values of the buffers.

        It is remade where a buffer has other values than it. To compare them is cheap beside a
        call, to sort the points of a NUFFT is not; and nothing else tells of every change.
        """
        arrays, tensors = self._wrapped._arrays, self._tensors()
        arrays.check("module", **tensors)
        # torch.func.functional_call may have put anything in the place of a buffer.
        passed = {
            name: t
            for name, t in tensors.items()
            if name in self._learned or differentiated(t) or is_functorch_wrapped_tensor(t)
        }
        own = self._wrapped.operator.parameters
        with _DisableFuncTorch():  # the rest is nothing that torch.func transforms
            if all(n in passed or same(arrays.array(t), own[n]) for n, t in tensors.items()):
                return passed
            if any(map(is_functorch_wrapped_tensor, passed.values())):
                return tensors
            self._wrapped = wrap(self.operator)
            return passed

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OperatorModule:
        # Real dtypes, as of .double(), pass complex tensors by or cut off their imaginary parts.
        def keep_complex(t: Tensor) -> Tensor:
            parts = torch.view_as_real(t) if t.is_complex() else t
            moved = fn(parts)
            if moved.dtype not in (torch.float32, torch.float64):
                msg = (
                    f"module.to(dtype): the dtype is {moved.dtype}; want torch.float32 or "
                    f"torch.float64, the precision: what is complex stays so"
                )
                raise TypeError(msg)
            return torch.view_as_complex(moved) if t.is_complex() else moved

        super()._apply(keep_complex, recurse)
        return self
