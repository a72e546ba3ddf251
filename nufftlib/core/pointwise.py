"""Nonlinear maps: the magnitude of an image, and division by its mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from array_api_compat import size

from nufftlib.core.arrays import (
    Array,
    Namespace,
    blank,
    check_floating,
    check_real,
    common_namespace,
    is_complex,
    namespace,
    real_part,
)
from nufftlib.core.inner import inner
from nufftlib.core.operator import NUMBERS, LinearOperator, Map
from nufftlib.core.shapes import Fixed


@dataclass(frozen=True, repr=False)
class Magnitude(Map):
    """The magnitude ``z = |x|``, entry by entry.

    Its derivative is ``Re(conj(p) dx)`` with the phase ``p = x / |x|``; where ``x``
    is zero the magnitude has no derivative, and zero, a subgradient, is used.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> z, J = nl.Magnitude().linearize(np.asarray([3 + 4j]))
    >>> z, J(np.asarray([1 + 0j])), J.adjoint(np.asarray([5.0]))
    (array([5.]), array([0.6]), array([3.+4.j]))
    """

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return ``|x|`` and its Jacobian."""
        z, p = magnitude_and_phase("Magnitude(x)", x)
        return z, PhaseProjection(p)

    def outline(self, x: Array) -> Array:
        """Like `x`, but real."""
        check_floating(common_namespace("Magnitude(x)", x=x), "Magnitude(x)", "x", x)
        return blank(x, tuple(x.shape), complex=False)


@dataclass(frozen=True, eq=False, repr=False)
class PhaseProjection(LinearOperator):
    """The Jacobian ``dx -> Re(conj(p) dx)`` of the magnitude."""

    phase: Array

    @cached_property
    def shapes(self) -> Fixed:
        """The phase's shape."""
        return Fixed(tuple(self.phase.shape), tuple(self.phase.shape))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Magnitudes are real; the adjoint is like the phase."""
        return label == "y" and is_complex(namespace(self.phase), self.phase)

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        xp = common_namespace(call, **{label: x}, phase=self.phase)
        check_floating(xp, call, label, x)

    # dz = Re(conj(p) dx)
    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        if not is_complex(xp, self.phase):
            return self.phase * real_part(xp, x)
        return xp.real(xp.conj(self.phase) * x)

    # <y, Re(conj(p) dx)> = Re sum conj(p Re(y)) dx
    def _adjoint(self, y: Array) -> Array:
        return self.phase * (y.real if type(y) in NUMBERS else real_part(namespace(y), y))


def magnitude_and_phase(caller: str, x: Array) -> tuple[Array, Array]:
    """Return ``|x|`` and ``x / |x|``, the latter zero where ``x`` is zero."""
    xp = common_namespace(caller, x=x)
    check_floating(xp, caller, "x", x)
    z = xp.abs(x)
    # Numbers too small to be divided by safely count as zero.
    usable = z >= xp.finfo(z.dtype).smallest_normal
    phase = x / xp.where(usable, z, xp.ones_like(z))
    return z, xp.where(usable, phase, xp.zeros_like(phase))


@dataclass(frozen=True, repr=False)
class MeanNormalize(Map):
    """Division of a real array by its mean, ``u = z / mean(z)``.

    The derivative is ``du = dz / m - z mean(dz) / m^2`` with ``m = mean(z)``. Where the mean is
    zero, neither exists: they are not finite, and it depends on the array library whether there
    is a warning.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> nl.MeanNormalize()(np.asarray([1.0, 3.0]))
    array([0.5, 1.5])
    """

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return ``z / mean(z)`` and its Jacobian."""
        xp = real_namespace(x)
        largest = xp.max(xp.abs(x))  # the sum of large numbers may overflow, but not their mean
        mean = xp.asarray(largest * xp.mean(x / largest))  # NumPy returns a scalar
        u = x / mean
        return u, MeanNormalizeJacobian(u, mean)

    def outline(self, x: Array) -> Array:
        """Like `x`."""
        real_namespace(x)
        return blank(x, tuple(x.shape), complex=False)


def real_namespace(z: Array) -> Namespace:
    """Return the namespace of a real array that is to be normalised, and refuse another one."""
    xp = common_namespace("MeanNormalize(z)", z=z)
    check_real(xp, "MeanNormalize(z)", "z", z)
    if size(z) == 0:
        msg = f"MeanNormalize(z): z has the shape {tuple(z.shape)}; want entries, which have a mean"
        raise ValueError(msg)
    return xp


@dataclass(frozen=True, eq=False, repr=False)
class MeanNormalizeJacobian(LinearOperator):
    """The Jacobian of `MeanNormalize` where the value is ``u`` and the mean ``m``."""

    value: Array
    mean: Array

    @cached_property
    def shapes(self) -> Fixed:
        """The value's shape."""
        return Fixed(tuple(self.value.shape), tuple(self.value.shape))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Never."""
        return False

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        xp = common_namespace(call, **{label: x}, value=self.value)
        check = check_real if label == "x" else check_floating
        check(xp, call, label, x)

    # du = (dz - u mean(dz)) / m, for real dz
    def _apply(self, x: Array) -> Array:
        return (x - self.value * namespace(x).mean(x)) / self.mean

    # <y, du> = <(y - <u, y> / size) / m, dz>
    def _adjoint(self, y: Array) -> Array:
        y = real_part(common_namespace("MeanNormalizeJacobian.adjoint(y)", y=y), y)
        return (y - inner(self.value, y) / size(self.value)) / self.mean
