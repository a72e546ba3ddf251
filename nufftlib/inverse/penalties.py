r"""Smooth penalties of images, with their second derivatives.

For :math:`\varphi(x) = \lambda \sum_i \psi(|u_i|)`, with vectors :math:`u_i` of :math:`u = R x`,
:math:`\psi(t) = \sqrt{t^2 + \delta^2} - \delta` and :math:`m = \sqrt{|u|^2 + \delta^2}`,

.. math::
    \nabla \varphi = \lambda R^H p, \quad p = \frac{u}{m}, \qquad
    \nabla^2 \varphi = \lambda R^H C R, \quad
    C\, \mathrm{d}u = \frac{\mathrm{d}u - p\, \mathrm{Re}\langle p, \mathrm{d}u \rangle_i}{m} .

The Hessian is self-adjoint and positive semidefinite, as :math:`|p_i| < 1`. For complex images it
is linear over the real numbers only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import (
    Array,
    blank,
    check_floating,
    common_namespace,
    conjugate,
    namespace,
    project_like,
    real_part,
)
from nufftlib.core.inner import inner
from nufftlib.core.kinds import as_integer, instance, positive, wrong_kind
from nufftlib.core.operator import LinearOperator, Scale, added, parameter
from nufftlib.core.shapes import Kept
from nufftlib.core.tree import is_array
from nufftlib.inverse.differential import (
    Differentiable,
    Differential,
    Direction,
    Gradients,
    number_or_parameter,
    owns,
)


@dataclass(frozen=True, eq=False, repr=False)
class Charbonnier(Differentiable):
    r"""A penalty of edges that is smooth: ``scale sum_i (sqrt(|(R x)_i|^2 + delta^2) - delta)``.

    Far above ``delta`` it is the sum of lengths, as an l1 norm or the total variation, and far
    below a sum of squares. It is also called hyperbola or pseudo-Huber.

    Parameters
    ----------
    scale : float or array of zero dimensions
        Its weight beside other terms, 0 or more. An array is a parameter, named ``scale``; a
        number is not.
    delta : float
        Where it turns from squares to lengths, in units of ``R x``; positive.
    operator : LinearOperator, optional
        ``R``, by default the identity. Its parameters are the penalty's.
    axis : int, optional
        Axis of ``R x`` along which the components of one vector lie, counted from the last, -1.
        By default each entry is a vector of its own.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a number is out of its range, or two parameters have one name.

    References
    ----------
    P. Charbonnier, L. Blanc-Féraud, G. Aubert and M. Barlaud, "Deterministic edge-preserving
    regularization in computed imaging", IEEE Trans. Image Process. 6 (1997) 298-311.

    Examples
    --------
    The total variation of an image, smoothed below a hundredth:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> R = nl.FiniteDifferences((1, 4))
    >>> variation = nl.Charbonnier(1.0, 1e-2, R, axis=-3)
    >>> round(float(variation(np.asarray([[0.0, 0.0, 5.0, 5.0]]))), 3)
    4.99
    """

    scale: Array | float = parameter()
    delta: float  # type: ignore[misc]  # a parameter has no default
    operator: LinearOperator | None = None
    axis: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        call = "Charbonnier"
        number_or_parameter(self, "scale")
        object.__setattr__(self, "delta", positive(call, "delta", self.delta))
        if self.operator is not None:
            instance(call, "operator", self.operator, LinearOperator, "a LinearOperator")
        if self.axis is not None:
            axis = as_integer(self.axis)
            if axis is None:
                raise wrong_kind(call, "axis", self.axis, "an integer or None")
            if axis >= 0:
                msg = f"{call}(axis): axis is {axis}; want it counted from the last, -1"
                raise ValueError(msg)
            object.__setattr__(self, "axis", axis)
        self._parameters  # noqa: B018  # merges the names

    @cached_property
    def R(self) -> LinearOperator:
        """``R``."""
        return Scale(1.0) if self.operator is None else self.operator

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        self.R.outline(x)
        return blank(x, (), complex=False)

    def _checked(self, x: Array) -> None:
        check_floating(common_namespace("Charbonnier(x)", x=x), "Charbonnier(x)", "x", x)

    def differential(self, x: Array) -> Differential:
        """Return the penalty at `x` with its derivative."""
        return PenaltyValue(self, x)

    def gradient(self, x: Array) -> Differential:
        """Return the gradient by `x`, differentiable by `x` and by the parameters.

        Parameters
        ----------
        x : array
            The point.

        Returns
        -------
        Differential
            Its ``value`` is ``scale R^H p``.
        """
        self._checked(x)
        return PenaltyGradient(self, x)

    def hessian(self, x: Array) -> LinearOperator:
        """Return ``scale R^H C R``, the second derivative at a point.

        Parameters
        ----------
        x : array
            The point.

        Returns
        -------
        LinearOperator
            Self-adjoint and positive semidefinite; linear over the real numbers.
        """
        self._checked(x)
        at = PenaltyGradient(self, x)
        return self.R.H @ Curvature(at.p, self.scale / at.m, self.axis) @ self.R


@dataclass(frozen=True, eq=False, repr=False)
class PenaltyAt(Differential):
    """A penalty at a point: vectors ``u`` of length up to ``m``, and ``p = u / m``."""

    penalty: Charbonnier
    x: Array

    @cached_property
    def u(self) -> Array:
        """``R x``."""
        return self.penalty.R.apply(self.x)

    @cached_property
    def squares(self) -> Array:
        """``|u_i|^2``."""
        return products(self.u, self.u, self.penalty.axis)

    @cached_property
    def m(self) -> Array:
        """``sqrt(|u_i|^2 + delta^2)``."""
        return namespace(self.u).sqrt(self.squares + self.penalty.delta**2)

    @cached_property
    def p(self) -> Array:
        """``u / m``."""
        return self.u / self.m

    @cached_property
    def total(self) -> Array:
        """``sum_i psi_i``, without the difference of large numbers."""
        return namespace(self.u).sum(self.squares / (self.m + self.penalty.delta))

    @cached_property
    def loss(self) -> Array:
        """``lambda sum_i psi_i``."""
        return self.penalty.scale * self.total


@dataclass(frozen=True, eq=False, repr=False)
class PenaltyValue(PenaltyAt):
    """The value of a penalty: ``lambda sum_i psi_i``."""

    @property
    def value(self) -> Array:
        """``lambda sum_i psi_i``."""
        return self.loss

    # d phi = lambda <p, R dx + dR x> + dlambda sum_i psi_i
    def tangent(self, direction: Direction) -> Array:
        """Return the change along a direction."""
        R, weight = self.penalty.R, self.penalty.scale
        terms = []
        for name, d in direction.items():
            if name is None:
                terms.append(weight * inner(self.p, R.apply(d)))
                continue
            if owns(self.penalty, name):
                terms.append(d * self.total)
            if name in R.parameters:
                terms.append(weight * inner(self.p, R.jvp(name, self.x, d)))
        return added("f + g", terms)

    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients of ``z`` times the value."""
        xp, penalty = namespace(self.u), self.penalty
        z = z.real if isinstance(z, complex) else z
        z = real_part(xp, z) if is_array(z) else z
        found: Gradients = {}
        for name in names:
            if name is None:
                g = (z * penalty.scale) * penalty.R.adjoint(self.p)
                found[None] = project_like(xp, g, self.x)
                continue
            terms = []
            if owns(penalty, name):
                terms.append(z * self.total)
            if name in penalty.R.parameters:
                terms.append((z * penalty.scale) * penalty.R.vjp(name, self.x, self.p))
            found[name] = added("f + g", terms)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class PenaltyGradient(PenaltyAt):
    """The gradient of a penalty, ``lambda R^H p``."""

    @cached_property
    def value(self) -> Array:
        """``lambda R^H p``, real for real images."""
        gradient = self.penalty.scale * self.penalty.R.adjoint(self.p)
        return project_like(namespace(gradient), gradient, self.x)

    @cached_property
    def C(self) -> Curvature:
        """``dp = C du``."""
        return Curvature(self.p, 1.0 / self.m, self.penalty.axis)

    # lambda (R^H C R dx + dR^H p + R^H C dR x) + dlambda R^H p
    def tangent(self, direction: Direction) -> Array:
        """Return the change along a direction."""
        R, weight = self.penalty.R, self.penalty.scale
        terms = []
        for name, d in direction.items():
            if name is None:
                terms.append(weight * R.adjoint(self.C.apply(R.apply(d))))
                continue
            if owns(self.penalty, name):
                terms.append(d * R.adjoint(self.p))
            if name in R.parameters:
                dR = R.derivative(name, d)
                change = dR.adjoint(self.p) + R.adjoint(self.C.apply(dR.apply(self.x)))
                terms.append(weight * change)
        return added("f + g", terms)

    # <q, .> of the same: lambda R^H C R q; lambda (B(q, p) + B(x, C R q)); <R q, p>
    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients of ``<z, gradient>``."""
        R, weight = self.penalty.R, self.penalty.scale
        Rq = R.apply(z)
        back = self.C.apply(Rq)
        found: Gradients = {}
        for name in names:
            if name is None:
                found[None] = weight * R.adjoint(back)
                continue
            terms = []
            if owns(self.penalty, name):
                terms.append(inner(Rq, self.p))
            if name in R.parameters:
                terms.append(weight * (R.vjp(name, z, self.p) + R.vjp(name, self.x, back)))
            found[name] = added("f + g", terms)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Curvature(LinearOperator):
    """The derivative of ``p = u / m`` times a weight: ``du -> w (du - p Re<p, du>_i)``."""

    p: Array
    weight: Array
    axis: int | None

    @cached_property
    def shapes(self) -> Kept:
        """Vectors stay vectors."""
        return Kept(tuple(self.p.shape), exact=self.p.ndim)

    # w (du - p Re<p, du>_i)
    def _apply(self, x: Array) -> Array:
        return self.weight * (x - self.p * products(self.p, x, self.axis))

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)


def products(a: Array, b: Array, axis: int | tuple[int, ...] | None) -> Array:
    """Return the inner products ``Re<a, b>_i`` of vectors along axes, which stay with size 1.

    Without an axis each entry is a vector.
    """
    xp = namespace(a)
    product = real_part(xp, conjugate(xp, a) * b)
    return product if axis is None else xp.sum(product, axis=axis, keepdims=True)
