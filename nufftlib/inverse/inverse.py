r"""The inverse of a positive definite operator.

From :math:`H H^{-1} = 1` comes

.. math:: \mathrm{d}(H^{-1}) = -H^{-1}\, \mathrm{d}H\, H^{-1}

so that derivatives of every order are solves with the same operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import instance
from nufftlib.core.operator import LinearOperator, Map, ParameterJacobian, ParameterMap
from nufftlib.core.shapes import Shapes
from nufftlib.inverse.solve import optional_operator, settle, solution, solve


@dataclass(frozen=True, eq=False, repr=False)
class Inverse(LinearOperator):
    """The inverse ``H^-1`` of a self-adjoint, positive definite operator.

    Applied by conjugate gradients, to each item of a batch with step sizes of its own.

    Parameters
    ----------
    operator : LinearOperator
        ``H``, whose parameters are the inverse's. That it is self-adjoint is not checked.
    tolerance : float
        Part by which ``H`` and the right-hand side would have to change for a solution to be
        exact, at which a solve ends; see `optim.conjugate_gradient`.
    steps : int
        Number of steps at most. A solve that needs more gives a `NotConvergedWarning`.
    preconditioner : LinearOperator, optional
        Of conjugate gradients: self-adjoint, positive definite, and like ``H^-1``.

    Raises
    ------
    TypeError
        If `operator` is none, or a setting of the wrong kind.
    ValueError
        If a setting is out of range, or ``H`` takes and returns different shapes.

    Notes
    -----
    Parameter ``p`` of ``H``: ``B(x, y) = -B_H(H^-1 x, H^-1 y)``.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> H = nl.BlockDiagonal(np.asarray([[[2.0, 1.0], [1.0, 2.0]]]))
    >>> x = nl.Inverse(H, tolerance=1e-12)(np.asarray([[3.0, 3.0]]))
    >>> x.round(6)
    array([[1., 1.]])
    """

    operator: LinearOperator
    tolerance: float = 1e-6
    steps: int = 200
    preconditioner: LinearOperator | None = None

    def __post_init__(self) -> None:
        """Refuse what has no inverse, and settings out of range."""
        H = instance("Inverse", "operator", self.operator, LinearOperator, "a LinearOperator")
        if H.shapes and H.shapes.source != H.shapes.target:
            msg = (
                f"Inverse(operator): it takes {H.shapes.source} to {H.shapes.target}; want an "
                f"operator that keeps the shape, such as A.N + damping"
            )
            raise ValueError(msg)
        settle("Inverse", self)
        optional_operator("Inverse", "preconditioner", self.preconditioner)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return dict(self.operator.parameters)  # the preconditioner changes no solution

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @property
    def shapes(self) -> Shapes | None:
        """The operator's rule."""
        return self.operator.shapes

    # H^-1 x
    def _apply(self, x: Array) -> Array:
        result = solve(
            self.operator,
            x,
            tolerance=self.tolerance,
            steps=self.steps,
            preconditioner=self.preconditioner,
        )
        return solution("Inverse", result, self.tolerance)

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    # -H^-1 dH H^-1
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return -(self @ self.operator.derivative(name, dtheta) @ self)

    # B(x, y) = -B_H(H^-1 x, H^-1 y)
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return -self.operator.vjp(name, self._apply(x), self._apply(y))

    def require_form(self, name: str) -> None:
        """Raise unless the operator has this derivative."""
        self.operator.require_form(name)

    def _as_map(self, name: str, x: Array) -> Map:
        return InverseMap(self, name, x)


@dataclass(frozen=True, eq=False, repr=False)
class InverseMap(ParameterMap):
    """The map ``theta -> H(theta)^-1 b``, whose Jacobian keeps the solution."""

    def linearize(self, theta: Array) -> tuple[Array, LinearOperator]:
        """Return the solution and its Jacobian, for one solve."""
        inverse = self.at(theta)
        assert isinstance(inverse, Inverse)
        solution = inverse.apply(self.x)
        return solution, InverseJacobian(inverse, self.name, self.x, solution)


@dataclass(frozen=True, eq=False, repr=False)
class InverseJacobian(ParameterJacobian):
    """The Jacobian of `InverseMap` at a solution: one solve each way."""

    operator: Inverse
    solution: Array

    # -H^-1 dH x
    def _apply(self, dtheta: Array) -> Array:
        inverse = self.operator
        return -inverse.apply(inverse.operator.jvp(self.name, self.solution, dtheta))

    # -B_H(x, H^-1 y)
    def _adjoint(self, y: Array) -> Array:
        inverse = self.operator
        return -inverse.operator.vjp(self.name, self.solution, inverse.apply(y))
