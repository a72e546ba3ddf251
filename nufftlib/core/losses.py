"""Losses: real-valued maps with their gradients, for real and complex data.

Each is a `Map`, so ``loss @ model`` is the objective, and its ``value_and_grad``
is what an optimiser takes. Gradients by complex data are ``dL/dRe + i dL/dIm``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import final

from array_api_compat import array_namespace, is_array_api_obj, size

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    common_namespace,
    is_complex,
    is_floating,
    real_dtype,
    real_part,
)
from nufftlib.core.inner import inner
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.core.shapes import Fixed

ROUNDING = 100
"""Of the largest entry, in units of its precision: what an FFT may leave in dark pixels."""


@dataclass(frozen=True, eq=False, repr=False)
class Functional(LinearOperator):
    """The linear functional ``dz -> <g, dz>``: the Jacobian of a loss of gradient ``g``."""

    gradient: Array

    @cached_property
    def shapes(self) -> Fixed:
        """From the gradient's shape to a number."""
        return Fixed(tuple(self.gradient.shape), ())

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
        value, gradient = self.at(xp, x)
        return value, Functional(gradient)

    @abstractmethod
    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """Return the loss and its gradient at ``z``, which has been checked."""

    def _check_beside(self, name: str, array: Array) -> None:
        """Refuse what is no real, nonnegative array that broadcasts against the target."""
        check_beside(f"{type(self).__name__}({name})", name, array, "target", self.target)


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
            self._check_beside("weights", self.weights)

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``<r, w r> / 2`` and ``w r``."""
        r = z - self.target
        g = r if self.weights is None else self.weights * r
        return 0.5 * inner(r, g), g


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

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``|r|^2 / size`` and ``2 r / size``."""
        r = z - self.target
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

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``sum |r| / size`` and ``phase(r) / size``."""
        magnitude, phase = magnitude_and_phase("MeanAbsoluteError(z)", z - self.target)
        return xp.mean(magnitude), phase / size(z)


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
        object.__setattr__(self, "delta", float(self.delta))  # NumPy's has a precision of its own
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


@dataclass(frozen=True, eq=False, repr=False)
class PoissonLikelihood(Loss):
    r"""The negative log-likelihood of counts, less its minimum.

    .. math:: L = \frac{1}{g} \sum \left( \lambda - t + t \log \frac{t}{\lambda} \right),
              \qquad \lambda = z + b,

    for a target ``t = g n`` with ``n`` drawn from ``Poisson(lambda / g)``, as
    `blur.poisson_noise` draws it. This is a Kullback-Leibler divergence: 0 where
    ``z + b`` is the target, positive elsewhere. The gradient is
    ``(1 - t / lambda) / g``.

    Parameters
    ----------
    target : array, real
        The data ``t`` to be matched, in units of ``z``, 0 or more.
    gain : float
        What one count adds to the data, positive.
    background : float or array, real
        What reaches the detector beside ``z``, in the same units, 0 or more; an array
        broadcasts to the target's shape.

    Raises
    ------
    TypeError
        If target or background is no real floating-point array.
    ValueError
        If an entry of target or background is negative, or the gain is not positive.

    Notes
    -----
    ``lambda`` must be positive, or zero where the target is zero as well. What is
    negative by no more than rounding, ``100 eps max |lambda|``, counts as zero: a blur
    by FFT leaves it in dark pixels. Elsewhere the likelihood of the data is zero: the
    value is infinite, and the gradient, which does not exist, is zero at those entries.

    A model that is dark where a single count came is such a case, however right it is
    elsewhere, and so is one that rounding made dark. A positive background, if only of a
    tenth of a count, keeps value and gradient finite for every ``z >= 0``; a detector
    has one, its dark current.

    With noise of the reading on top (`blur.poisson_gaussian_noise`), data and mean are
    moved by ``b = std^2 / gain``: their variance, ``gain z + std^2``, is then ``gain``
    times their mean, as of counts. The loss is
    ``PoissonLikelihood(xp.maximum(y + b, 0.0), gain, background=b)`` up to data that are
    cut at zero, which are few if `std` is three times `gain` or more.

    References
    ----------
    D. L. Snyder et al., "Image recovery from data acquired with a charge-coupled-device
    camera", J. Opt. Soc. Am. A 10 (1993) 1014-1023.

    C. Loader, "Fast and accurate computation of binomial probabilities" (2000).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> loss = nl.PoissonLikelihood(np.asarray([0.0, 2.0]))
    >>> value, gradient = loss.value_and_grad(np.asarray([1.0, 2.0]))
    >>> float(value), gradient
    (1.0, array([1., 0.]))
    """

    gain: float = 1.0
    background: Array | float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_beside("target", self.target)
        object.__setattr__(self, "gain", float(self.gain))  # NumPy's has a precision of its own
        if not 0 < self.gain < float("inf"):
            msg = f"PoissonLikelihood(gain): gain is {self.gain}; want a positive number"
            raise ValueError(msg)
        b = self.background
        if not isinstance(b, Real):
            self._check_beside("background", b)
            return
        object.__setattr__(self, "background", float(b))
        if not 0 <= float(b) < float("inf"):
            msg = f"PoissonLikelihood(background): background is {b}; want 0 or more"
            raise ValueError(msg)

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``sum D(t, lambda) / g`` and ``(1 - t / lambda) / g``."""
        if is_complex(xp, z):
            msg = f"PoissonLikelihood(z): z has the dtype {z.dtype}; want real numbers"
            raise TypeError(msg)
        t, rate = self.target, clear_of_rounding(xp, z + self.background)
        impossible = (rate < 0) | ((rate == 0) & (t > 0))
        safe = xp.where(rate > 0, rate, xp.ones_like(rate))
        D = xp.where(t > 0, poisson_deviance(xp, t, safe), rate)
        D = xp.where(impossible, xp.full_like(D, float("inf")), D)
        g = xp.where(impossible, xp.zeros_like(rate), 1.0 - t / safe)
        # What is not a number stays so: it is neither possible nor impossible.
        D, g = (xp.where(xp.isnan(rate), rate, a) for a in (D, g))
        return xp.sum(D) / self.gain, g / self.gain


def poisson_deviance(xp: Namespace, t: Array, rate: Array) -> Array:
    """Return ``rate - t + t log(t / rate)``, to full accuracy where the two are close.

    Near ``t = rate`` terms of first order cancel. With ``r = t - rate`` and
    ``v = r / (t + rate)``, ``log(t / rate) = 2 artanh(v)`` and ``2 t v = r + r v`` give
    ``r v + 2 t (v^3 / 3 + v^5 / 5 + ...)``, of terms of one sign or small (Loader 2000).
    """
    r = t - rate
    v = r / (t + rate)
    near = xp.abs(v) < 0.1
    v2 = xp.where(near, v * v, xp.zeros_like(v))
    series = xp.zeros_like(v)
    for k in range(17, 1, -2):  # 0.1^18 is below rounding
        series = v2 * (series + 1.0 / k)
    # artanh(v) - v is v times the series.
    close = v * (r + 2 * t * series)
    ratio = xp.where(near | (t <= 0), xp.ones_like(t), t / rate)
    return xp.where(near, close, t * xp.log(ratio) - r)


def clear_of_rounding(xp: Namespace, x: Array) -> Array:
    """Return `x` with 0 for what is negative by no more than rounding of its largest entry."""
    if size(x) == 0:
        return x
    bound = ROUNDING * float(xp.finfo(x.dtype).eps) * xp.max(xp.abs(x))
    return xp.where((x < 0) & (x >= -bound), xp.zeros_like(x), x)


def check_beside(caller: str, name: str, array: Array, whole_name: str, whole: Array) -> None:
    """Refuse an `array` that is not real, finite, nonnegative, and broadcasts to `whole`."""
    both = {name: array, whole_name: whole}
    xp = common_namespace(caller, **both)
    check_precision(xp, caller, **both)
    lead = len(whole.shape) - len(array.shape)
    fits = lead >= 0 and all(
        n in (1, m) for n, m in zip(array.shape, whole.shape[lead:], strict=True)
    )
    if not fits:
        msg = (
            f"{caller}: {name} has the shape {tuple(array.shape)}; want one that broadcasts to "
            f"the shape of {whole_name}, {tuple(whole.shape)}"
        )
        raise ValueError(msg)
    if is_complex(xp, array):
        msg = f"{caller}: {name} has the dtype {array.dtype}; want real numbers"
        raise TypeError(msg)
    if not bool(xp.all((array >= 0) & xp.isfinite(array))):
        msg = f"{caller}: some entries of {name} are negative or not finite; want 0 or more"
        raise ValueError(msg)
