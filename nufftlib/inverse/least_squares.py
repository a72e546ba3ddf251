r"""Regularised least squares as an operator on the data.

The minimiser of :math:`\tfrac12 \|W^{1/2}(A x - y)\|^2 + \tfrac\lambda2 \|R x\|^2` solves

.. math:: H x = A^H W y, \qquad H = A^H W A + \lambda R^H R .

Differentiate, with the residual :math:`r = y - A x`:

.. math::
    H\, \mathrm{d}x = A^H W (\mathrm{d}y - \mathrm{d}A\, x) + \mathrm{d}A^H W r
        + A^H \mathrm{d}W\, r - \mathrm{d}\lambda\, R^H R x
        - \lambda (\mathrm{d}R^H R + R^H \mathrm{d}R)\, x .

A derivative is a solve with the same ``H``. For the cotangent :math:`\bar x` let
:math:`q = H^{-1} \bar x` and :math:`p = A q`. Then

.. math::
    \bar y = W p, \qquad \bar\theta_A = B_A(q, W r) - B_A(x, W p), \qquad
    \bar w = \mathrm{Re}(\bar p\, r), \qquad \bar\lambda = -\langle R q, R x \rangle, \qquad
    \bar\theta_R = -\lambda\, (B_R(q, R x) + B_R(x, R q)) .
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import optim
from nufftlib.core.arrays import (
    Array,
    check_floating,
    check_real,
    common_namespace,
    conj,
    namespace,
    project_like,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import instance, is_array, not_negative
from nufftlib.core.operator import (
    Compose,
    LinearOperator,
    Map,
    ParameterJacobian,
    ParameterMap,
    Scale,
    merge_parameters,
    parameter,
    total,
)
from nufftlib.core.shapes import Shapes, Swapped
from nufftlib.inverse.inverse import Inverse
from nufftlib.inverse.solve import settle, solution, solve
from nufftlib.nufft.operator import NUFFT


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquares(LinearOperator):
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
        Where to start, of the solution's shape; by default zero. It does not change the solution.
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
        call = "LeastSquares"
        instance(call, "model", self.model, LinearOperator, "a LinearOperator")
        if self.regularizer is not None:
            instance(call, "regularizer", self.regularizer, LinearOperator, "a LinearOperator")
        settle(call, self)
        if self.preconditioner is not None:
            wish = "a LinearOperator"
            instance(call, "preconditioner", self.preconditioner, LinearOperator, wish)
        if is_array(self.damping):
            # Arithmetic turns NumPy's arrays of zero dimensions into scalars.
            damping = namespace(self.damping).asarray(self.damping)
            if damping.ndim:
                msg = f"{call}(damping): its shape is {tuple(damping.shape)}; want one number"
                raise ValueError(msg)
        else:
            damping = not_negative(call, "damping", self.damping)
        object.__setattr__(self, "damping", damping)
        for name, value in (("damping", damping), ("weights", self.weights)):
            if value is not None and not isinstance(value, float):
                xp = common_namespace(f"{call}({name})", **{name: value})
                check_real(xp, f"{call}({name})", name, value)
        if self.guess is not None:
            xp = common_namespace(f"{call}(guess)", guess=self.guess)
            check_floating(xp, f"{call}(guess)", "guess", self.guess)
        self._parameters  # noqa: B018  # merges the names

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        own = {"damping": self.damping if is_array(self.damping) else None}
        own["weights"] = self.weights
        inner = [part.parameters for part in (self.model, self.regularizer) if part is not None]
        return merge_parameters("LeastSquares", own, *inner)

    @cached_property
    def shapes(self) -> Shapes | None:
        """The model's rule, the other way round."""
        return self.model.shapes and Swapped(self.model.shapes)

    @cached_property
    def backward(self) -> LinearOperator:
        """``A^H W``."""
        return self.model.H if self.weights is None else self.model.H @ Diagonal(self.weights)

    @cached_property
    def penalty(self) -> LinearOperator | None:
        """``lambda R^H R``, or None if the damping is the number 0."""
        if is_array(self.damping):
            by: LinearOperator = Diagonal(self.damping).rename(weights="damping")
        elif self.damping:
            by = Scale(self.damping)
        else:
            return None
        R = self.regularizer
        return by if R is None else R.H @ by @ R

    @cached_property
    def normal(self) -> LinearOperator:
        """``H = A^H W A + lambda R^H R``."""
        H, penalty = weighted_gram(self.model, self.weights), self.penalty
        return H if penalty is None else H + penalty

    @cached_property
    def inverse(self) -> Inverse:
        """``H^-1``."""
        return Inverse(self.normal, self.tolerance, self.steps, self.preconditioner)

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
        return LeastSquaresJacobian(self, name, x, self._apply(x)).adjoint(y)

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
        solver = self.at(theta)
        assert isinstance(solver, LeastSquares)
        solution = solver.apply(self.x)
        return solution, LeastSquaresJacobian(solver, self.name, self.x, solution)


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquaresJacobian(ParameterJacobian):
    """The Jacobian of a solution by a parameter, and by its data: one solve each way."""

    operator: LeastSquares
    solution: Array

    @cached_property
    def residual(self) -> tuple[Array, LinearOperator]:
        """``r = y - A x``, and the Jacobian of ``A x`` by the parameter, from shared work.

        Where ``A`` does not have the parameter, ``A`` itself is in its place.
        """
        A, name = self.operator.model, self.name
        Ax, J = A.linearize(self.solution, wrt=name if name in A.parameters else None)
        return self.x - Ax, J

    def _apply(self, dtheta: Array) -> Array:
        return self.tangent(dtheta, None)

    def _adjoint(self, y: Array) -> Array:
        return self.cotangents(y)[0]

    def tangent(self, dtheta: Array | None, dy: Array | None) -> Array:
        """Return ``dx`` of a change of the parameter and of the data, for one solve.

        Parameters
        ----------
        dtheta : array or None
            Change of the parameter.
        dy : array or None
            Change of the data.

        Returns
        -------
        array
            Of the solution's shape.
        """
        f, name, x = self.operator, self.name, self.solution
        terms = []
        along = [] if dy is None else [dy]
        if dtheta is not None and name in f.model.parameters:
            r, J = self.residual
            terms.append(f.model.derivative(name, dtheta).adjoint(weighted(f.weights, r)))
            along.append(-J.apply(dtheta))
        if dtheta is not None and name == "weights" and f.weights is not None:
            terms.append(f.model.adjoint(dtheta * self.residual[0]))
        if dtheta is not None and f.penalty is not None and name in f.penalty.parameters:
            terms.append(-f.penalty.jvp(name, x, dtheta))
        if along:
            terms.append(f.backward.apply(sum(along[1:], start=along[0])))
        return f.inverse.apply(sum(terms[1:], start=terms[0]))

    def cotangents(self, z: Array) -> tuple[Array, Array]:
        """Return the gradients by the parameter and by the data, for one solve.

        Parameters
        ----------
        z : array
            A cotangent, of the solution's shape.

        Returns
        -------
        by_parameter : array
            Of the parameter's shape and dtype.
        by_data : array
            Of the shape of the data.
        """
        f, name, x = self.operator, self.name, self.solution
        q = f.inverse.apply(z)
        terms = []
        if name in f.model.parameters:
            r, J = self.residual
            p, K = f.model.linearize(q, wrt=name)
            by_data = weighted(f.weights, p)
            terms.append(K.adjoint(weighted(f.weights, r)) - J.adjoint(by_data))
        else:
            p = f.model.apply(q)
            by_data = weighted(f.weights, p)
        if name == "weights" and f.weights is not None:
            terms.append(project_like(namespace(p), conj(p) * self.residual[0], f.weights))
        if f.penalty is not None and name in f.penalty.parameters:
            terms.append(-f.penalty.vjp(name, x, q))
        return sum(terms[1:], start=terms[0]), by_data


def weighted(w: Array | None, y: Array) -> Array:
    """Return ``W y``."""
    return y if w is None else w * y


def weighted_gram(A: LinearOperator, weights: Array | None) -> LinearOperator:
    """Return ``A^H W A``, with the Gram that the outermost factor has."""
    if isinstance(A, Compose):
        return A.right.H @ weighted_gram(A.left, weights) @ A.right
    if weights is None:
        return A.N
    if isinstance(A, NUFFT) and weights.shape == A.trajectory.shape[:-1]:
        return A.gram(weights)
    return A.H @ Diagonal(weights) @ A
