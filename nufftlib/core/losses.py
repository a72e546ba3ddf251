"""Losses: real-valued maps with their gradients, for real and complex data.

Each is a `Map`, so ``loss @ model`` is the objective, and its ``value_and_grad``
serves an optimiser. Gradients by complex data are ``dL/dRe + i dL/dIm``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

from array_api_compat import array_namespace, is_array_api_obj

from nufftlib.core.arrays import (
    Array,
    Namespace,
    blank,
    check_beside,
    check_floating,
    check_precision,
    common_namespace,
    is_complex,
    namespace,
    real_dtype,
    real_part,
)
from nufftlib.core.images import check_mask, count_within, within
from nufftlib.core.inner import inner
from nufftlib.core.kinds import number
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.core.shapes import Fixed


@dataclass(frozen=True, eq=False, repr=False)
class Functional(LinearOperator):
    """The linear functional ``dz -> <g, dz>``: the Jacobian of a loss of gradient ``g``."""

    gradient: Array

    @cached_property
    def shapes(self) -> Fixed:
        """From the gradient's shape to a number."""
        return Fixed(tuple(self.gradient.shape), ())

    def _gives_complex(self, label: str, x: Array) -> bool:
        """The value is real; the adjoint is like the gradient."""
        return label == "y" and is_complex(array_namespace(self.gradient), self.gradient)

    # <g, x>
    def _apply(self, x: Array) -> Array:
        return inner(self.gradient, x)

    # Re(y) g: the value is real
    def _adjoint(self, y: Array) -> Array:
        y = y.real if isinstance(y, complex) else y
        if is_array_api_obj(y):
            y = real_part(array_namespace(y), y)
        return y * self.gradient


@dataclass(frozen=True, eq=False, repr=False)
class Loss(Map):
    """A real function of ``z``, to be matched to a target.

    Parameters
    ----------
    target : array
        The data to be matched; its shape is the argument's.
    """

    target: Array

    def __post_init__(self) -> None:
        call = f"{type(self).__name__}(target)"
        xp = common_namespace(call, target=self.target)
        check_floating(xp, call, "target", self.target)

    @final
    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the loss at `x` and its Jacobian, the functional of its gradient."""
        value, gradient = self.at(self._checked(x), x)
        return value, Functional(gradient)

    @final
    def outline(self, x: Array) -> Array:
        """Like one real number."""
        self._checked(x)
        return blank(x, (), complex=False)

    def _checked(self, x: Array) -> Namespace:
        """Refuse an argument that is not like the target; return its namespace."""
        call = f"{type(self).__name__}(z)"
        xp = common_namespace(call, z=x, target=self.target)
        if x.shape != self.target.shape:
            msg = f"{call}: z has the shape {x.shape}; want the target's, {self.target.shape}"
            raise ValueError(msg)
        check_precision(xp, call, z=x, target=self.target)
        if is_complex(xp, self.target) and not is_complex(xp, x):
            msg = f"{call}: z is real ({x.dtype}) and the target complex ({self.target.dtype})"
            raise TypeError(msg)
        return xp

    @abstractmethod
    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """Return the loss and its gradient at ``z``, which has been checked."""


@dataclass(frozen=True, eq=False, repr=False)
class HalfSquaredError(Loss):
    """``1/2 sum w |z - target|^2``; its gradient is ``w (z - target)``.

    With ``w = 1 / std^2`` it is the negative log-likelihood of Gaussian noise.

    Parameters
    ----------
    target : array
        The data to be matched.
    weights : array, real, optional
        Weights ``w``, 0 or more, of a shape that broadcasts to the target's; by
        default 1.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.HalfSquaredError(np.zeros(2)).value_and_grad(np.asarray([3.0, 4.0]))
    >>> float(value), gradient
    (12.5, array([3., 4.]))
    >>> loss = nl.HalfSquaredError(np.zeros(2), weights=np.asarray([2.0, 0.0]))
    >>> float(loss(np.asarray([3.0, 4.0])))
    9.0
    """

    weights: Array | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is not None:
            check_beside("HalfSquaredError", "weights", self.weights, "target", self.target)

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``<r, w r> / 2`` and ``w r``."""
        r = z - self.target
        g = r if self.weights is None else self.weights * r
        return 0.5 * inner(r, g), g


@dataclass(frozen=True, eq=False, repr=False)
class MeanLoss(Loss):
    """A loss that is a mean over the entries, or those in a mask."""

    mask: Array | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask is not None:
            check_mask(type(self).__name__, self.mask, "target", self.target, self.target.ndim)

    @cached_property
    def _count(self) -> float:
        """The number of entries."""
        xp = namespace(self.target)
        return float(count_within(xp, self.mask, self.target, self.target.ndim))


@dataclass(frozen=True, eq=False, repr=False)
class MeanSquaredError(MeanLoss):
    """``mean |z - target|^2``; its gradient is ``2 r / n`` with the number ``n`` of entries.

    Parameters
    ----------
    target : array
        The data to be matched.
    mask : array of bool, optional
        The entries over which the mean is taken, of a shape that broadcasts to the target's;
        by default all. What is elsewhere has no effect, even if it is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.MeanSquaredError(np.zeros(2)).value_and_grad(np.asarray([3.0, 4.0]))
    >>> float(value), gradient
    (12.5, array([3., 4.]))
    >>> loss = nl.MeanSquaredError(np.zeros(2), mask=np.asarray([True, False]))
    >>> float(loss(np.asarray([3.0, 4.0])))
    9.0
    """

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``|r|^2 / n`` and ``2 r / n``."""
        r = within(xp, self.mask, z - self.target)
        return inner(r, r) / self._count, (2.0 / self._count) * r


@dataclass(frozen=True, eq=False, repr=False)
class MeanAbsoluteError(MeanLoss):
    """``mean |z - target|``; its gradient is ``(r / |r|) / n``, zero where ``r`` is.

    Parameters
    ----------
    target : array
        The data to be matched.
    mask : array of bool, optional
        The entries over which the mean is taken, as of `MeanSquaredError`.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> value, gradient = nl.MeanAbsoluteError(np.zeros(2)).value_and_grad(np.asarray([3.0, -4.0]))
    >>> float(value), gradient
    (3.5, array([ 0.5, -0.5]))
    """

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``sum |r| / n`` and ``phase(r) / n``."""
        r = within(xp, self.mask, z - self.target)
        magnitude, phase = magnitude_and_phase("MeanAbsoluteError(z)", r)
        return xp.sum(magnitude) / self._count, phase / self._count


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
        Where the quadratic part ends, in units of the data; positive, and a normal
        number in the target's precision.

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
        object.__setattr__(self, "delta", number("Huber", "delta", self.delta))
        xp = array_namespace(self.target)
        info = xp.finfo(real_dtype(xp, self.target))
        if not float(info.smallest_normal) <= self.delta <= float(info.max):
            msg = (
                f"Huber(delta): delta is {self.delta}; want a positive number, at least "
                f"{float(info.smallest_normal):.2g} in the target's precision"
            )
            raise ValueError(msg)

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``sum m (|r| - m / 2)`` and ``r m / |r|`` with ``m = min(|r|, delta)``."""
        r = z - self.target
        t = xp.abs(r)
        m = xp.where(t <= self.delta, t, xp.full_like(t, self.delta))
        # |r| may be zero, where it does not divide.
        return xp.sum(m * (t - 0.5 * m)), r * (m / xp.where(t > 0, t, xp.ones_like(t)))
