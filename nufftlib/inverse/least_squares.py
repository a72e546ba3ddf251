r"""Regularised least squares as an operator on the data.

The minimiser of :math:`\tfrac12 \|W^{1/2}(A x - y)\|^2 + \tfrac\lambda2 \|R x\|^2` solves

.. math:: H x = A^H W y, \qquad H = A^H W A + \lambda R^H R .

`problem` has its derivatives, with :math:`D = \lambda R^H R`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import optim
from nufftlib.core.arrays import Array
from nufftlib.core.operator import (
    LinearOperator,
    Map,
    ParameterMap,
    merge_parameters,
    parameter,
    total,
)
from nufftlib.core.shapes import Shapes, Swapped
from nufftlib.core.tree import is_array
from nufftlib.inverse.differential import DifferentialJacobian
from nufftlib.inverse.inverse import Inverse
from nufftlib.inverse.problem import Problem, Slope, SolutionDifferential
from nufftlib.inverse.solve import optional_operator, solution, solve


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquares(Problem, LinearOperator):
    r"""The solution of a least-squares problem, as an operator on its data.

    .. math::
        y \mapsto \operatorname{argmin}_x \tfrac12 \|W^{1/2}(A x - y)\|^2
            + \tfrac\lambda2 \|R x\|^2

    It is linear in ``y``, and it has derivatives by every parameter of ``A`` and ``R``, by the
    weights and by the damping: ``f(y)``, ``f.linearize(y, wrt="trajectory")``,
    ``f.as_map("trajectory", y)``. Each is one solve more, with the same matrix, in either
    direction; nothing of the iteration is kept. CG-SENSE is ``LeastSquares(F @ S, damping)``.

    Parameters
    ----------
    model : LinearOperator
        ``A``, from the solution to the data. Its Gram is used, such as a NUFFT's convolution.
    damping : float or array of zero dimensions
        ``lambda``, 0 or more. An array is a parameter, named ``damping``; a number is not.
    weights : array, real, optional
        ``W``, which broadcasts to the data; by default 1. A parameter, named ``weights``.
    regularizer : LinearOperator, optional
        ``R``, by default the identity. Its parameters are the solution's, too.
    guess : array, optional
        Where to start, of the solution's shape; by default zero. It changes the solution by no
        more than its error.
    tolerance : float
        Part by which ``H`` and the right-hand side would have to change for a solution to be
        exact, at which a solve ends; see `optim.conjugate_gradient`.
    steps : int
        Steps of conjugate gradients at most. A solve that needs more gives a
        `NotConvergedWarning`.
    preconditioner : LinearOperator, optional
        Of conjugate gradients: self-adjoint, positive definite, and like ``H^-1``, such as
        `mri.circulant_preconditioner`. It changes the number of steps alone.

    Raises
    ------
    TypeError
        If the arrays do not go together, or an argument is of the wrong kind.
    ValueError
        If a setting is out of range, or two parameters have one name: rename one, as in
        ``A.rename(weights="gain")``.

    Notes
    -----
    The solution's error is up to the condition of ``H`` times the tolerance, and so is that of
    a gradient. Items of a batch are solved together, each with step sizes of its own.

    A derivative wants ``H`` positive definite: with fewer data than unknowns a damping.

    References
    ----------
    K. P. Pruessmann, M. Weiger, P. Börnert and P. Boesiger, "Advances in sensitivity encoding
    with arbitrary k-space trajectories", Magn. Reson. Med. 46 (2001) 638-651.

    S. Gould et al., "On differentiating parameterized argmin and argmax problems with
    application to bi-level optimization", arXiv:1607.05447 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> rng = np.random.default_rng(0)
    >>> F = nl.NUFFT(rng.uniform(-0.5, 0.5, (300, 2)), (8, 8))
    >>> truth = rng.standard_normal((8, 8)) + 0j
    >>> f = nl.LeastSquares(F, damping=1e-3)
    >>> bool(np.linalg.norm(f(F(truth)) - truth) < 1e-4 * np.linalg.norm(truth))
    True
    >>> loss = nl.MeanSquaredError(truth) @ f.as_map("trajectory", F(truth))
    >>> value, gradient = loss.value_and_grad(F.trajectory)
    >>> gradient.shape
    (300, 2)
    """

    model: LinearOperator
    damping: Array | float = parameter(default=0.0)
    weights: Array | None = parameter(default=None)
    regularizer: LinearOperator | None = None
    guess: Array | None = None
    tolerance: float = 1e-6
    steps: int = 200
    preconditioner: LinearOperator | None = None

    def __post_init__(self) -> None:
        """Refuse settings out of range, and two parameters of one name."""
        self.settle()
        for name in ("regularizer", "preconditioner"):
            optional_operator("LeastSquares", name, getattr(self, name))
        self._parameters  # noqa: B018  # merges the names

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        # The preconditioner changes no solution.
        own = {"damping": self.damping if is_array(self.damping) else None}
        parts = [part.parameters for part in (self.model, self.regularizer) if part is not None]
        return merge_parameters("LeastSquares", own, {"weights": self.weights}, *parts)

    @cached_property
    def shapes(self) -> Shapes | None:
        """The model's rule, the other way round."""
        return self.model.shapes and Swapped(self.model.shapes)

    @cached_property
    def quadratic(self) -> LinearOperator | None:
        """``lambda R^H R``."""
        damped, R = self.damped, self.regularizer
        return damped if R is None or damped is None else R.H @ damped @ R

    @cached_property
    def inverse(self) -> Inverse:
        """``H^-1``."""
        return Inverse(self.normal, self.tolerance, self.steps, self.preconditioner)

    def inverse_at(self, x: Array) -> Inverse:
        """Return ``H^-1``, which is that of every solution."""
        return self.inverse

    def added_slope(self, x: Array) -> Slope:
        """Return ``lambda R^H R x`` with its derivative."""
        return Slope(self.quadratic, None, x)

    def differential(self, y: Array, x: Array, shared: str | None) -> SolutionDifferential:
        """Return the derivative of the solution `x` of the data `y`."""
        return SolutionDifferential(self, y, x, shared if shared in self.model.parameters else None)

    def solve(self, y: Array) -> optim.Result:
        """Return the solution with the course of its iteration.

        Parameters
        ----------
        y : array
            Data.

        Returns
        -------
        optim.Result
            Of `optim.conjugate_gradient`: `params` is ``f(y)``, `history` has the relative
            residual before the first step and after each.
        """
        self._check("solve(y)", "x", y)
        return solve(
            self.normal,
            self.backward.apply(y),
            self.guess,
            tolerance=self.tolerance,
            steps=self.steps,
            preconditioner=self.preconditioner,
        )

    # H^-1 A^H W y
    def _apply(self, x: Array) -> Array:
        return solution("LeastSquares", self.solve(x), self.tolerance)

    # W A H^-1 z
    def _adjoint(self, y: Array) -> Array:
        return self.backward.adjoint(self.inverse.apply(y))

    # H^-1 (d(A^H W) - dH f)
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        terms: list[LinearOperator] = []
        if name in self.backward.parameters:
            terms.append(self.backward.derivative(name, dtheta))
        if name in self.normal.parameters:
            terms.append(-(self.normal.derivative(name, dtheta) @ self))
        return self.inverse @ total(terms)

    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self.differential(x, self._apply(x), name).cotangents(y, (name,))[name]

    def require_form(self, name: str) -> None:
        """Raise unless the model and the regulariser have this derivative."""
        self.require(name)
        for part in (self.model, self.regularizer):
            if part is not None and name in part.parameters:
                part.require_form(name)

    def _as_map(self, name: str, x: Array) -> Map:
        return LeastSquaresMap(self, name, x)


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquaresMap(ParameterMap):
    """The map from a parameter to the solution of fixed data."""

    def linearize(self, theta: Array) -> tuple[Array, LinearOperator]:
        """Return the solution and its Jacobian, for one solve."""
        solver, y = self.at(theta), self.x
        assert isinstance(solver, LeastSquares)
        at = solver.differential(y, solver.apply(y), self.name)
        return at.value, DifferentialJacobian(at, self.name, solver.parameters[self.name], y)
