"""Losses: real-valued maps with their gradients, for real and complex data.

Each is a `Map`, so ``loss @ model`` is the objective, and its ``value_and_grad``
is what an optimiser takes. Gradients by complex data are ``dL/dRe + i dL/dIm``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import final

from array_api_compat import array_namespace, is_array_api_obj, size

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    common_namespace,
    is_complex,
    is_floating,
    real_part,
)
from nufftlib.core.inner import inner
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import magnitude_and_phase


@dataclass(frozen=True, eq=False, repr=False)
class Functional(LinearOperator):
    """The linear functional ``dz -> <g, dz>``: the Jacobian of a loss of gradient ``g``."""

    gradient: Array

    def apply(self, x: Array) -> Array:
        """``<g, x>``."""
        return inner(self.gradient, x)

    def adjoint(self, y: Array) -> Array:
        """``Re(y) g``: the value is real."""
        y = y.real if isinstance(y, complex) else y
        if is_array_api_obj(y):
            y = real_part(array_namespace(y), y)
        return y * self.gradient


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Map):
    """A real function of the residual ``r = z - target``.

    Parameters
    ----------
    target : array
        The data to be matched; its shape is the argument's.
    """

    target: Array

    def __post_init__(self) -> None:
        call = f"{type(self).__name__}(target)"
        xp = common_namespace(call, target=self.target)
        if not is_floating(xp, self.target):
            msg = f"{call}: target has the dtype {self.target.dtype}; want floating point"
            raise TypeError(msg)

    @final
    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the loss at `x` and its Jacobian, the functional of its gradient."""
        call = f"{type(self).__name__}(z)"
        xp = common_namespace(call, z=x, target=self.target)
        if x.shape != self.target.shape:
            msg = f"{call}: z has the shape {x.shape}; want the target's, {self.target.shape}"
            raise ValueError(msg)
        check_precision(xp, call, z=x, target=self.target)
        if is_complex(xp, self.target) and not is_complex(xp, x):
            msg = f"{call}: z is real ({x.dtype}) and the target complex ({self.target.dtype})"
            raise TypeError(msg)
        value, gradient = self.of_residual(xp, x - self.target)
        return value, Functional(gradient)

    @abstractmethod
    def of_residual(self, xp: Namespace, r: Array) -> tuple[Array, Array]:
        """Return the loss and its gradient at the residual ``r``."""


@dataclass(frozen=True, eq=False, repr=False)
class HalfSquaredError(Loss):
    """``1/2 sum |z - target|^2``; its gradient is the residual.

    Parameters
    ----------
    target : array
        The data to be matched.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.HalfSquaredError(np.zeros(2)).value_and_grad(np.asarray([3.0, 4.0]))
    >>> float(value), gradient
    (12.5, array([3., 4.]))
    """

    def of_residual(self, xp: Namespace, r: Array) -> tuple[Array, Array]:  # noqa: ARG002  # one signature for all losses
        """``|r|^2 / 2`` and ``r``."""
        return 0.5 * inner(r, r), r


@dataclass(frozen=True, eq=False, repr=False)
class MeanSquaredError(Loss):
    """``mean |z - target|^2``; its gradient is ``2 r / size``.

    Parameters
    ----------
    target : array
        The data to be matched.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.MeanSquaredError(np.zeros(2)).value_and_grad(np.asarray([3.0, 4.0]))
    >>> float(value), gradient
    (12.5, array([3., 4.]))
    """

    def of_residual(self, xp: Namespace, r: Array) -> tuple[Array, Array]:  # noqa: ARG002  # one signature for all losses
        """``|r|^2 / size`` and ``2 r / size``."""
        return inner(r, r) / size(r), (2.0 / size(r)) * r


@dataclass(frozen=True, eq=False, repr=False)
class MeanAbsoluteError(Loss):
    """``mean |z - target|``; its gradient is ``(r / |r|) / size``, zero where ``r`` is.

    Parameters
    ----------
    target : array
        The data to be matched.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.MeanAbsoluteError(np.zeros(2)).value_and_grad(np.asarray([3.0, -4.0]))
    >>> float(value), gradient
    (3.5, array([ 0.5, -0.5]))
    """

    def of_residual(self, xp: Namespace, r: Array) -> tuple[Array, Array]:
        """``sum |r| / size`` and ``phase(r) / size``."""
        magnitude, phase = magnitude_and_phase("MeanAbsoluteError(z)", r)
        return xp.mean(magnitude), phase / size(r)


@dataclass(frozen=True, eq=False, repr=False)
class Huber(Loss):
    """``sum h(|z - target|)``, quadratic up to ``delta`` and linear beyond.

    ``h(t) = t^2 / 2`` for ``t <= delta``, else ``delta (t - delta / 2)``; the gradient
    is ``r min(1, delta / |r|)``.

    Parameters
    ----------
    target : array
        The data to be matched.
    delta : float
        Where the quadratic part ends, in units of the data; positive.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Statist.
    35 (1964) 73-101.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> loss = nl.Huber(np.zeros(2), delta=1.0)
    >>> value, gradient = loss.value_and_grad(np.asarray([0.5, -4.0]))
    >>> float(value), gradient
    (3.625, array([ 0.5, -1. ]))
    """

    delta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "delta", float(self.delta))  # NumPy's has a precision of its own
        if not 0 < self.delta < float("inf"):
            msg = f"Huber(delta): delta is {self.delta}; want a positive number"
            raise ValueError(msg)

    def of_residual(self, xp: Namespace, r: Array) -> tuple[Array, Array]:
        """Return ``sum h(|r|)`` and ``r min(1, delta / |r|)``."""
        t = xp.abs(r)
        inside = t <= self.delta
        value = xp.sum(xp.where(inside, 0.5 * t * t, self.delta * (t - 0.5 * self.delta)))
        # |r| may be zero inside, where it does not divide.
        return value, r * (self.delta / xp.where(inside, self.delta * xp.ones_like(t), t))
