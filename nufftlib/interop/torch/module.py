"""An operator as a module of torch: parameters that are learned."""

# mypy: allow-untyped-calls, allow-subclassing-any
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

import torch
from torch import Tensor

from nufftlib.core.operator import LinearOperator
from nufftlib.interop.torch.buffers import at_buffers
from nufftlib.interop.torch.calls import opaque
from nufftlib.interop.torch.wrapped import wrap


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
        names = isinstance(learn, Iterable) and not isinstance(learn, str)
        if not isinstance(operator, LinearOperator) or not names:
            have = f"operator is a {type(operator).__name__} and learn a {type(learn).__name__}"
            msg = f"OperatorModule(operator, learn): {have}; want a LinearOperator and names"
            raise TypeError(msg)
        self._wrapped = wrap(operator)
        self._learned = tuple(learn)
        for name in self._learned:
            operator.require(name)
        for name, value in operator.parameters.items():
            if name in dir(self):
                msg = (
                    f"OperatorModule(operator, learn): operator has a parameter {name!r}, the name "
                    f"of something else in a module; want another, by "
                    f"operator.rename({name}=...)"
                )
                raise ValueError(msg)
            tensor = self._wrapped.arrays.copied(value)
            if name in self._learned:
                self.register_parameter(name, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
        self._wrapped = wrap(self.operator)

    def extra_repr(self) -> str:
        """Return the operator and the names of learned parameters, for ``print(module)``."""
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
        arrays, tensors = self._wrapped.arrays, self._tensors()
        arrays.check("module.operator", **tensors)
        values = {name: arrays.array(t.detach().clone()) for name, t in tensors.items()}
        return self._wrapped.operator.replace(**values)

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._wrapped.operator.parameters}

    def _evaluate(self, adjoint: bool, x: Tensor) -> Tensor:
        # torch.func.functional_call may have put anything in the place of a buffer.
        self._wrapped, passed = at_buffers("module", self._wrapped, self._tensors(), self._learned)
        return (self._wrapped.adjoint if adjoint else self._wrapped)(x, **passed)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> OperatorModule:
        # Real dtypes, as of .double(), pass complex tensors by or cut off their imaginary parts.
        def keep_complex(t: Tensor) -> Tensor:
            parts = torch.view_as_real(t) if t.is_complex() else t
            moved = fn(parts)
            if moved.dtype not in (torch.float32, torch.float64):
                msg = (
                    f"module.to(dtype): the dtype is {moved.dtype}; want torch.float32 or "
                    f"torch.float64, the precision: complex tensors stay complex"
                )
                raise TypeError(msg)
            return torch.view_as_complex(moved) if t.is_complex() else moved

        super()._apply(keep_complex, recurse)
        return self
