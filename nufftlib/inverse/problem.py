r"""What problems of least squares have in common, with a penalty or without.

The minimiser of :math:`\tfrac12 \|W^{1/2}(A x - y)\|^2 + \tfrac12 \langle x, D x \rangle
+ \varphi(x)` is where :math:`A^H W (A x - y) + D x + \nabla\varphi(x)` vanishes. Differentiate,
with the residual :math:`r = y - A x`:

.. math::
    H\, \mathrm{d}x = A^H W (\mathrm{d}y - \mathrm{d}A\, x) + \mathrm{d}A^H W r
        + A^H \mathrm{d}W\, r - \mathrm{d}D\, x - \mathrm{d}(\nabla\varphi), \qquad
    H = A^H W A + D + \nabla^2\varphi .

A derivative is a solve with :math:`H`, in either direction, whatever has found the solution. For
the cotangent :math:`\bar x` let :math:`q = H^{-1} \bar x` and :math:`p = A q`. Then

.. math::
    \bar y = W p, \qquad \bar\theta_A = B_A(q, W r) - B_A(x, W p), \qquad
    \bar w = \mathrm{Re}(\bar p\, r), \qquad \bar\theta_D = -B_D(x, q), \qquad
    \bar\theta_\varphi = -\nabla_\theta \langle q, \nabla\varphi(x) \rangle .
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from array_api_compat import size

from nufftlib.core.arrays import (
    Array,
    check_floating,
    check_real,
    common_namespace,
    conj,
    is_complex,
    namespace,
    project_like,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import instance
from nufftlib.core.operator import Compose, LinearOperator, Parametric, Scale, added
from nufftlib.core.tree import is_array
from nufftlib.inverse.differential import (
    Differential,
    Direction,
    Gradients,
    changes,
    forms,
    gather,
    number_or_parameter,
    owns,
)
from nufftlib.inverse.inverse import Inverse
from nufftlib.inverse.penalties import Charbonnier
from nufftlib.inverse.solve import settle
from nufftlib.nufft.coils import CoilNUFFT
from nufftlib.nufft.operator import NUFFT


class Problem(Parametric):
    """A problem of least squares; its fields, and what follows of them."""

    model: LinearOperator
    damping: Array | float
    weights: Array | None
    guess: Array | None

    def settle(self) -> None:
        """Refuse fields that are none."""
        call = type(self).__name__
        instance(call, "model", self.model, LinearOperator, "a LinearOperator")
        number_or_parameter(self, "damping")
        for name, check in (("weights", check_real), ("guess", check_floating)):
            value = getattr(self, name)
            if value is not None:
                caller = f"{call}({name})"
                check(common_namespace(caller, **{name: value}), caller, name, value)
        settle(call, self)

    @cached_property
    def backward(self) -> LinearOperator:
        """``A^H W``."""
        return self.model.H if self.weights is None else self.model.H @ Diagonal(self.weights)

    @property
    def damped(self) -> LinearOperator | None:
        """The damping as an operator, or None if it is the number 0."""
        if is_array(self.damping):
            return Diagonal(self.damping).rename(weights="damping")
        return Scale(self.damping) if self.damping else None

    @cached_property
    def quadratic(self) -> LinearOperator | None:
        """``D``."""
        return self.damped

    @cached_property
    def normal(self) -> LinearOperator:
        """``A^H W A + D``."""
        gram, more = weighted_gram(self.model, self.weights), self.quadratic
        return gram if more is None else gram + more

    @abstractmethod
    def inverse_at(self, x: Array) -> Inverse:
        """Return ``H^-1`` at a solution."""

    @abstractmethod
    def added_slope(self, x: Array) -> Slope:
        """Return ``D x + phi'(x)`` with its derivative."""


@dataclass(frozen=True, eq=False, repr=False)
class Slope(Differential):
    """The gradient ``N x + phi'(x)`` of a quadratic function and a penalty."""

    operator: LinearOperator | None
    penalty: Charbonnier | None
    x: Array

    @cached_property
    def of_penalty(self) -> Differential | None:
        """``phi'(x)``."""
        return None if self.penalty is None else self.penalty.gradient(self.x)

    @cached_property
    def value(self) -> Array:
        """``N x + phi'(x)``."""
        terms = [] if self.operator is None else [self.operator.apply(self.x)]
        return added("f + g", terms + ([] if self.of_penalty is None else [self.of_penalty.value]))

    def has(self, name: str | None) -> bool:
        """Tell whether it depends on a parameter."""
        return any(name in part.parameters for part in (self.operator, self.penalty) if part)

    def tangent(self, direction: Direction) -> Array:
        """Return the change along a direction; names of others are left out."""
        N, penalty = self.operator, self.penalty
        terms = []
        if N is not None:
            terms += [N.apply(direction[None])] if None in direction else []
            terms += changes(N, self.x, direction)
        if penalty is not None and self.of_penalty is not None:
            own = {n: d for n, d in direction.items() if n is None or n in penalty.parameters}
            terms += [self.of_penalty.tangent(own)] if own else []
        return added("f + g", terms)

    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients; names of others are left out."""
        N, penalty = self.operator, self.penalty
        found: Gradients = {}
        if N is not None:
            found = forms(N, self.x, z, names)
            found |= {None: N.adjoint(z)} if None in names else {}
        if penalty is not None and self.of_penalty is not None:
            own = [name for name in names if name is None or name in penalty.parameters]
            gather(found, self.of_penalty.cotangents(z, own))
        return found


@dataclass(frozen=True, eq=False, repr=False)
class SolutionDifferential(Differential):
    """A solution ``x`` of the data ``y``, with its derivative: one solve each way.

    Parameters
    ----------
    problem : Problem
        What is solved.
    y, x : array
        The data, and the solution.
    shared : str or None
        A parameter of the model whose derivative is to share its work with ``A x`` and ``A q``.
    """

    problem: Problem
    y: Array
    x: Array
    shared: str | None = None

    @property
    def value(self) -> Array:
        """The solution."""
        return self.x

    @cached_property
    def inverse(self) -> Inverse:
        """``H^-1``."""
        data, unknowns = real_size(self.y), real_size(self.x)
        if self.slope.operator is None and self.slope.penalty is None and data < unknowns:
            msg = (
                f"{type(self.problem).__name__}: {data} real numbers are the data of {unknowns} "
                f"unknowns, without damping or penalty: the solution is not unique, and has no "
                f"derivative; want a damping"
            )
            raise ValueError(msg)
        return self.problem.inverse_at(self.x)

    @cached_property
    def slope(self) -> Slope:
        """``D x + phi'(x)``."""
        return self.problem.added_slope(self.x)

    @cached_property
    def modelled(self) -> tuple[Array, LinearOperator]:
        """``A x``, and its Jacobian by the shared parameter; ``A`` if there is none."""
        return self.problem.model.linearize(self.x, wrt=self.shared)

    @cached_property
    def residual(self) -> Array:
        """``r = y - A x``."""
        return self.y - self.modelled[0]

    # H dx = A^H W (dy - dA x) + dA^H W r + A^H dW r - d(D x + phi')
    def tangent(self, direction: Direction) -> Array:
        """Return the change of the solution."""
        f, x, w = self.problem, self.x, self.problem.weights
        terms, along = [], []
        for name, d in direction.items():
            if name is None:
                along.append(d)
                continue
            if name in f.model.parameters:
                dA = f.model.derivative(name, d)
                terms.append(dA.adjoint(weighted(w, self.residual)))
                shared = name == self.shared
                along.append(-(self.modelled[1].apply(d) if shared else dA.apply(x)))
            if name == "weights" and owns(f, name):
                terms.append(f.model.adjoint(d * self.residual))
            if self.slope.has(name):
                terms.append(-self.slope.tangent({name: d}))
        if along:
            terms.append(f.backward.apply(added("f + g", along)))
        return self.inverse.apply(added("f + g", terms))

    # With q = H^-1 z and p = A q: W p; B(q, W r) - B(x, W p); Re(conj(p) r); -<q, d(D x + phi')>
    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients, all of them for one solve."""
        f, x, w = self.problem, self.x, self.problem.weights
        q = self.inverse.apply(z)
        p, J = f.model.linearize(q, wrt=self.shared)
        Wp = weighted(w, p)
        found: Gradients = {}
        for name in names:
            if name is None:
                found[None] = project_like(namespace(p), Wp, self.y)
                continue
            terms = []
            if name in f.model.parameters:
                Wr = weighted(w, self.residual)
                if name == self.shared:
                    terms.append(J.adjoint(Wr) - self.modelled[1].adjoint(Wp))
                else:
                    terms.append(f.model.vjp(name, q, Wr) - f.model.vjp(name, x, Wp))
            if name == "weights" and owns(f, name):
                terms.append(project_like(namespace(p), conj(p) * self.residual, w))
            if self.slope.has(name):
                terms.append(-self.slope.cotangents(q, (name,))[name])
            found[name] = added("f + g", terms)
        return found


def real_size(x: Array) -> int:
    """Return how many real numbers an array holds."""
    entries: int = size(x)
    return entries * (2 if is_complex(namespace(x), x) else 1)


def weighted(w: Array | None, y: Array) -> Array:
    """Return ``W y``."""
    return y if w is None else w * y


def weighted_gram(A: LinearOperator, weights: Array | None) -> LinearOperator:
    """Return ``A^H W A``, with the Gram that the outermost factor has."""
    if isinstance(A, Compose):
        return A.right.H @ weighted_gram(A.left, weights) @ A.right
    if weights is None:
        return A.N
    if isinstance(A, NUFFT | CoilNUFFT) and tuple(weights.shape) == A.transform.samples:
        return A.gram(weights)
    return A.H @ Diagonal(weights) @ A
