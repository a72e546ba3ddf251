r"""Penalised least squares as a map of its data.

The minimiser of :math:`\tfrac12 \|W^{1/2}(A x - y)\|^2 + \tfrac\mu2 \|x\|^2 + \varphi(x)` is where

.. math:: g(x; y, \theta) = A^H W (A x - y) + \mu x + \nabla\varphi(x)

vanishes. `problem` has its derivatives, with :math:`D = \mu`: those of this equation, whatever has
found the solution.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

from array_api_compat import device, size

import optim
from nufftlib.core.arrays import Array, check_alike, namespace
from nufftlib.core.inner import inner
from nufftlib.core.kinds import instance, integer
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.inverse.differential import Differentiable, Differential
from nufftlib.inverse.inverse import Inverse
from nufftlib.inverse.penalties import Charbonnier, PenaltyGradient
from nufftlib.inverse.problem import Problem, Slope, SolutionDifferential
from nufftlib.inverse.solve import NotConvergedWarning, item_axes

DECREASE = 1e-4  # of the slope, at least: Armijo's condition
FLAT = 0.8  # of the slope, at most, where the change of the loss is rounding
TRIALS = 40  # of a step, each at most half as long
ROUNDING = 1e-10  # of a loss, a long sum
PATIENCE = 4  # steps of Newton's method, which halve the gradient together or are the last
NEAR = 1e-6  # relative gradient at which Newton's method takes over
CARE = 1e-3  # tolerance of the last solve, relative to what is left to do
FORCING = 0.1  # tolerance of a solve far off; near the solution it is the relative gradient


@dataclass(frozen=True, eq=False, repr=False)
class PenalizedLeastSquares(Problem, Differentiable):
    r"""The solution of least squares with a smooth penalty, as a map of its data.

    .. math::
        y \mapsto \operatorname{argmin}_x \tfrac12 \|W^{1/2}(A x - y)\|^2
            + \tfrac\mu2 \|x\|^2 + \varphi(x)

    It has derivatives by ``y``, by every parameter of ``A`` and of the penalty, by the weights
    and by the damping: ``f(y)``, ``f.linearize(y)``, ``f.linearize(y, wrt="trajectory")``,
    ``f.as_map("trajectory", y)``. They are those of the solution, by the implicit function
    theorem: one linear solve each, in either direction; nothing of the iteration is kept.

    Parameters
    ----------
    model : LinearOperator
        ``A``, from the solution to the data. Its Gram is used, such as a NUFFT's convolution.
    penalty : Charbonnier, optional
        ``phi``, such as a smooth total variation.
    damping : float or array of zero dimensions
        ``mu``, 0 or more. An array is a parameter, named ``damping``; a number is not.
    weights : array, real, optional
        ``W``, which broadcasts to the data; by default 1. A parameter, named ``weights``.
    guess : array, optional
        Where to start, of the solution's shape; by default zero. It changes the solution by no
        more than its error.
    tolerance : float
        The iteration ends where ``|g(x)|`` is at most this, relative to ``|g(0)|``, in every item
        of a batch. ``g(0)`` lies along the largest eigenvalues of ``A^H W A``, so that the error
        of the solution is larger, by up to the condition of ``H``. The solves of derivatives end
        at the same backward error, as those of `LeastSquares`.
    steps : int
        Steps of descent at most, and of conjugate gradients in one solve.
    iterations : int
        Steps of Newton's method at most. A solution that needs more gives a
        `NotConvergedWarning`.

    Raises
    ------
    TypeError
        If the arrays do not go together, or an argument is of the wrong kind.
    ValueError
        If a setting is out of range, or two parameters have one name: rename one, as in
        ``A.rename(weights="gain")``.

    Notes
    -----
    Accelerated gradient descent comes near the solution, to a relative gradient of 1e-6, with
    a step size that it finds on the way. Newton's method does the rest: conjugate gradients
    solve for its step, and a line search shortens it. Near the solution it converges faster than
    linearly. That is nearer than the descent comes where `delta` is far below the differences that
    noise makes: then a larger `delta` or more `steps` help.

    References
    ----------
    S. Gould et al., "On differentiating parameterized argmin and argmax problems with
    application to bi-level optimization", arXiv:1607.05447 (2016).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> R = nl.FiniteDifferences((6,))
    >>> denoise = nl.PenalizedLeastSquares(
    ...     nl.Diagonal(np.ones(6)), nl.Charbonnier(np.asarray(0.1), 1e-3, R, axis=-2)
    ... )
    >>> y = np.asarray([0.0, 0.1, 0.0, 1.0, 1.1, 1.0])
    >>> denoise(y).round(2)
    array([0.07, 0.07, 0.07, 1.  , 1.  , 1.  ])
    >>> loss = nl.MeanSquaredError(np.asarray([0.0, 0, 0, 1, 1, 1])) @ denoise.as_map("scale", y)
    >>> value, gradient = loss.value_and_grad(denoise.parameters["scale"])
    >>> bool(gradient > 0)  # less of it would do
    True
    """

    model: LinearOperator
    penalty: Charbonnier | None = None
    damping: Array | float = parameter(default=0.0)
    weights: Array | None = parameter(default=None)
    guess: Array | None = None
    tolerance: float = 1e-6
    steps: int = 1000
    iterations: int = 20

    def __post_init__(self) -> None:
        """Refuse settings out of range, and two parameters of one name."""
        call = "PenalizedLeastSquares"
        self.settle()
        if self.penalty is not None:
            instance(call, "penalty", self.penalty, Charbonnier, "a Charbonnier")
        iterations = integer(call, "iterations", self.iterations, least=1)
        object.__setattr__(self, "iterations", iterations)
        self._parameters  # noqa: B018  # merges the names

    def outline(self, x: Array) -> Array:
        """Like the solution, which is complex if one of the operators gives complex images."""
        z = self.normal.outline(self.backward.outline(x))
        return z if self.penalty is None else self.penalty.R.N.outline(z)

    def _checked(self, x: Array) -> None:
        self.backward.outline(x)

    @property
    def axes(self) -> tuple[int, ...] | None:
        """The axes of one solution, all if there is no rule; others are batch."""
        return item_axes(self.model)

    def hessian(self, x: Array) -> LinearOperator:
        """Return ``H = A^H W A + mu + phi''(x)``.

        Parameters
        ----------
        x : array
            The point.

        Returns
        -------
        LinearOperator
            Self-adjoint; linear over the real numbers.
        """
        self.normal.outline(x)  # refuses what is no image
        return self.normal if self.penalty is None else self.normal + self.penalty.hessian(x)

    def inverse_at(self, x: Array) -> Inverse:
        """Return ``H^-1`` at a solution."""
        return Inverse(self.hessian(x), self.tolerance, self.steps)

    def added_slope(self, x: Array) -> Slope:
        """Return ``mu x + phi'(x)`` with its derivative."""
        return Slope(self.quadratic, self.penalty, x)

    def differential(self, x: Array) -> Differential:
        """Return the solution of these data with its derivative."""
        return SolutionDifferential(self, x, self(x))

    def __call__(self, x: Array) -> Array:
        """Return the solution; warn if it is none to the tolerance."""
        found = self.solve(x)
        if not found.converged:
            msg = (
                f"PenalizedLeastSquares: after {found.steps} steps the gradient is "
                f"{found.history[-1]:.2g} of that of zero; want {self.tolerance:g}: more "
                f"steps or iterations, more damping or a larger tolerance"
            )
            warnings.warn(msg, NotConvergedWarning, stacklevel=2)
        return found.params

    def solve(self, y: Array) -> optim.Result:
        """Return the solution with the course of its iteration.

        Parameters
        ----------
        y : array
            Data.

        Returns
        -------
        optim.Result
            `params` is ``f(y)``, `history` has ``|g(x)| / |g(0)|``, the largest of the items, at
            the start, after the descent and after each step of Newton's method; `steps` counts
            those of both, and `converged` tells whether the tolerance was met.
        """
        self._checked(y)
        b, x = self.backward.apply(y), beginning(self, y)
        point, steps = Point.of(self, b, x, self.normal.apply(x)), 0
        history = [relative(point.gradient, b, self.axes)]
        near = max(self.tolerance, NEAR)
        if self.penalty is not None and history[-1] > near:
            point, steps = descended(self, b, x, near)
            history.append(relative(point.gradient, b, self.axes))
        begun = len(history)
        for _ in range(self.iterations):
            # Steps that no longer halve the gradient would go on like this for long.
            stalled = len(history) - begun >= PATIENCE and history[-1] > history[-1 - PATIENCE] / 2
            if history[-1] <= self.tolerance or stalled:
                break
            point, steps = newton(self, b, point, history[-1]), steps + 1
            history.append(relative(point.gradient, b, self.axes))
        last = history[-1]
        return optim.Result(
            params=point.x,
            history=history,
            state=None,
            best_params=point.x,
            best_value=last,
            steps=steps,
            interrupted=False,
            converged=last <= self.tolerance,
        )


class Point(NamedTuple):
    """A point, its image under ``A^H W A + mu``, the loss up to a constant, and its gradient."""

    x: Array
    Nx: Array
    loss: float
    gradient: Array

    @classmethod
    def of(cls, problem: PenalizedLeastSquares, b: Array, x: Array, Nx: Array) -> Point:
        """Return the point: ``<x, N x> / 2 - <b, x> + phi(x)``, and ``N x - b + phi'(x)``."""
        loss, gradient = float(inner(x, 0.5 * Nx - b)), Nx - b
        if problem.penalty is not None:
            at = PenaltyGradient(problem.penalty, x)
            loss, gradient = loss + float(at.loss), gradient + at.value
        return cls(x, Nx, loss, gradient)


# --- Newton's method ------------------------------------------------------------------------


def beginning(problem: PenalizedLeastSquares, y: Array) -> Array:
    """Return where an iteration starts: the guess, or zeros."""
    like = problem.outline(y)
    if problem.guess is not None:
        check_alike("PenalizedLeastSquares", "guess", problem.guess, "f(y)", like)
        return problem.guess
    return namespace(y).zeros(like.shape, dtype=like.dtype, device=device(like))


def relative(gradient: Array, b: Array, axes: tuple[int, ...] | None) -> float:
    """Return the norm of the gradient relative to that at zero, the largest of the items."""
    if not size(gradient):
        return 0.0
    xp = namespace(gradient)
    axes = axes or tuple(range(gradient.ndim))
    scale = xp.max(xp.abs(b), axis=axes, keepdims=True)  # no square leaves the range
    scale = xp.where(scale > 0, scale, xp.ones_like(scale))
    norm, unit = (xp.sqrt(xp.sum(xp.abs(a / scale) ** 2, axis=axes)) for a in (gradient, b))
    return float(xp.max(norm / xp.where(unit > 0, unit, xp.ones_like(unit))))


def descended(
    problem: PenalizedLeastSquares, b: Array, x: Array, tolerance: float
) -> tuple[Point, int]:
    """Return a point near the solution, found by accelerated descent, and its number of steps."""

    def value_and_grad(x: Array) -> tuple[float, Array]:
        point = Point.of(problem, b, x, problem.normal.apply(x))
        return point.loss, point.gradient

    nothing = optim.proximal.Penalty(value=lambda _: 0.0, prox=lambda x, _: x)
    xp = namespace(b)
    scale = float(xp.max(xp.abs(b))) or 1.0  # no square leaves the range
    enough = tolerance * scale * math.sqrt(float(inner(b / scale, b / scale)))
    found = optim.accelerated_proximal_gradient(
        value_and_grad, x, nothing, steps=problem.steps, tolerance=enough
    )
    if found.interrupted:
        raise KeyboardInterrupt
    x = found.params
    return Point.of(problem, b, x, problem.normal.apply(x)), found.steps


def newton(problem: PenalizedLeastSquares, b: Array, point: Point, residual: float) -> Point:
    """Return the point after a step of Newton's method with a line search."""
    H = problem.hessian(point.x)
    # The tolerance of a solve is that of a backward error, which the condition of H makes worse.
    least = max(4 * float(namespace(b).finfo(b.dtype).eps), CARE * problem.tolerance / residual)
    ahead = problem.tolerance if problem.penalty is None else residual
    enough = max(min(FORCING, ahead), least)
    solved = optim.conjugate_gradient(
        H.apply, -point.gradient, steps=problem.steps, tolerance=enough, axes=problem.axes
    )
    if solved.interrupted:
        raise KeyboardInterrupt
    s = solved.params
    Ns, slope, length = problem.normal.apply(s), float(inner(point.gradient, s)), 1.0
    for _ in range(TRIALS):
        new = Point.of(problem, b, point.x + length * s, point.Nx + length * Ns)
        change, end = new.loss - point.loss, float(inner(new.gradient, s))
        rounding = abs(change) <= ROUNDING * abs(point.loss)
        if change <= DECREASE * length * slope or (rounding and end <= FLAT * abs(slope)):
            break
        # Where the slope along the step would vanish, if it fell in proportion.
        length *= min(max(slope / (slope - end), 0.1), 0.5) if end > slope else 0.5
    return new
