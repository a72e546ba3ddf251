"""Convex problems of a textbook, with constraints, against SciPy; and functions that are rough.

S. Boyd and L. Vandenberghe, "Convex optimization", Cambridge University Press, 2004; the numbers
in brackets are its sections.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import scipy.optimize

import optim
from optim import projections, proximal

N = 8
RNG = np.random.default_rng(0)
A, b = RNG.standard_normal((20, N)), RNG.standard_normal(20)
MARKS = np.sign(A @ RNG.standard_normal(N) + 0.5 * RNG.standard_normal(20))
DEPTHS = np.linspace(0.1, 1.2, N)


def by_projection(solver):
    return lambda f, start, projection, _, **options: solver(f, start, projection, **options)


def accelerated(f, start, projection, penalty, **options):
    penalty = penalty or proximal.indicator(projection)
    return optim.accelerated_proximal_gradient(f, start, penalty, **options)


SOLVERS = {
    "projected_gradient": by_projection(optim.projected_gradient),
    "spectral_projected_gradient": by_projection(optim.spectral_projected_gradient),
    "accelerated_proximal_gradient": accelerated,
    "lbfgs": by_projection(optim.lbfgs),
    "lbfgs, diagonal": by_projection(functools.partial(optim.lbfgs, diagonal=True)),
}


@pytest.fixture(params=SOLVERS)
def solve(request):
    return SOLVERS[request.param]


# --- functions --------------------------------------------------------------------------------


def least_squares(p):
    r = A @ p - b
    return 0.5 * r @ r, A.T @ r


def water_filling(p):
    """``-sum_i log(a_i + p_i)`` (5.5.3)."""
    return -np.sum(np.log(DEPTHS + p)), -1 / (DEPTHS + p)


def portfolio(p):
    """Risk less return (4.4.1)."""
    covariance, mean = A.T @ A / 20, DEPTHS / 3
    return 0.5 * p @ covariance @ p - mean @ p, covariance @ p - mean


def logistic(p):
    """Regression of marks ``+1, -1`` (7.1.1)."""
    t = MARKS * (A @ p)
    return np.sum(np.logaddexp(0, -t)), -A.T @ (MARKS / (1 + np.exp(t)))


def entropy(p):
    """``sum_i p_i log p_i + d_i p_i``, infinitely steep at the faces (7.2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sum(np.where(p > 0, p * np.log(p), 0) + 3 * DEPTHS * p), (
            np.log(p) + 1 + 3 * DEPTHS
        )


def experiment(p):
    """``-log det sum_i p_i v_i v_i^T``, the design of most information (7.5.2)."""
    V = A[:N, :3]
    F = (V.T * p) @ V
    if np.linalg.matrix_rank(F) < 3:
        return np.inf, p
    return -np.linalg.slogdet(F)[1], -np.sum((V @ np.linalg.inv(F)) * V, axis=1)


def centring(p):
    """``-sum_i log(1 - a_i p) - sum_i log(1 - p_i^2)``, infinite outside a polytope (9.3)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        s, t = 1 - A @ p / 3, 1 - p * p
        return -np.sum(np.log(s)) - np.sum(np.log(t)), A.T @ (1 / s) / 3 + 2 * p / t


# --- sets and penalties, and the same for SciPy -------------------------------------------------

SUM_IS_ONE = {"type": "eq", "fun": lambda p: np.sum(p) - 1, "jac": np.ones_like}


def by_slsqp(f, start, low, high, *constraints):
    found = scipy.optimize.minimize(
        f,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(low, high)] * len(start),
        constraints=constraints,
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.fun


def split(weight=0.0, radius=None):
    """With ``p = u - v`` and ``u, v >= 0`` the l1 norm is the sum of `u` and `v`."""

    def minimum(f, start):
        def of_parts(q):
            u, v = np.split(q, 2)
            value, g = f(u - v)
            return value + weight * np.sum(q), np.concatenate([g, -g]) + weight

        ball = {"type": "ineq", "fun": lambda q: radius - np.sum(q), "jac": lambda q: -(q**0)}
        both = np.concatenate([start, 0 * start])
        return by_slsqp(of_parts, both, 0, None, *([ball] if radius else []))

    return minimum


class Setting(NamedTuple):
    """A set or a penalty, a start, and the minimum of a function there by SciPy."""

    projection: Callable | None
    start: np.ndarray
    minimum: Callable
    penalty: proximal.Penalty | None = None


UNIFORM = np.full(N, 1 / N)
SIMPLEX = Setting(
    projections.simplex(), UNIFORM, lambda f, start: by_slsqp(f, start, 0, None, SUM_IS_ONE)
)
BOX = Setting(
    projections.box(-0.1, 0.2), np.zeros(N), lambda f, start: by_slsqp(f, start, -0.1, 0.2)
)
BALL = Setting(projections.l1_ball(0.7), np.zeros(N), split(radius=0.7))
FREE = Setting(lambda p: p, np.zeros(N), lambda f, start: by_slsqp(f, start, None, None))
LASSO = Setting(None, np.zeros(N), split(weight=1.5), proximal.soft_threshold(1.5))

PROBLEMS = {
    "least squares, simplex": (least_squares, SIMPLEX),
    "least squares, box": (least_squares, BOX),
    "least squares, l1 ball": (least_squares, BALL),
    "least squares, l1 penalty": (least_squares, LASSO),
    "water filling": (water_filling, SIMPLEX),
    "portfolio": (portfolio, SIMPLEX),
    "logistic, box": (logistic, BOX),
    "logistic, l1 ball": (logistic, BALL),
    "logistic, l1 penalty": (logistic, LASSO),
    "entropy": (entropy, SIMPLEX),
    "experiment design": (experiment, SIMPLEX),
    "analytic centring": (centring, FREE),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_solver_finds_the_minimum_of_scipy(solve, name):
    f, (projection, start, minimum, penalty) = PROBLEMS[name]
    if penalty and solve is not SOLVERS["accelerated_proximal_gradient"]:
        pytest.skip("takes no penalty")
    result = solve(f, start, projection, penalty, steps=3000, tolerance=1e-8)
    want = minimum(f, start)
    assert result.converged
    assert result.history[-1] == pytest.approx(want, rel=1e-9, abs=1e-9)
    assert result.history[-1] < result.history[0]


# --- rough on the way ---------------------------------------------------------------------------


def exponential(p):
    """``(a - 2)^2 / 2 + (exp(200 q) - 3)^2 / 2``: a step as long as `p` is finite, but 1e173."""
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(200 * p[1])
        return 0.5 * (p[0] - 2) ** 2 + 0.5 * (e - 3) ** 2, np.asarray([p[0] - 2, 200 * e * (e - 3)])


def hollow(p):
    """``sum_i 1 - exp(-p_i^2)``, flat far out."""
    return np.sum(1 - np.exp(-p * p)), 2 * p * np.exp(-p * p)


def steep_then_flat(p):
    """A wall of ``exp(-50 p)`` left of a shallow bowl at 3."""
    with np.errstate(over="ignore", invalid="ignore"):
        wall = np.exp(-50 * p)
        return np.sum(wall + 1e-3 * (p - 3) ** 2), -50 * wall + 2e-3 * (p - 3)


def quartic(p):
    return np.sum(p**4 + p * p), 4 * p**3 + 2 * p


ROUGH = {  # and the start; all minima are 0
    "hollow": (hollow, [1.0]),
    "hollow, wide": (hollow, [1.0, 2.0, 0.3]),
    "hollow, farther": (hollow, [3.0]),
    "steep then flat": (steep_then_flat, [0.0, 0.1]),
    "quartic": (quartic, [10.0, -1e-3]),
}


def free(p):
    return p


NOTHING = proximal.indicator(free)


@pytest.mark.parametrize("name", ROUGH)
def test_no_loss_rises_unseen(solve, name):
    f, start = ROUGH[name]
    result = solve(f, np.asarray(start), free, NOTHING, steps=3000, tolerance=1e-9)
    assert result.converged
    assert result.history[-1] == result.best_value
    assert result.best_value == pytest.approx(0, abs=1e-9)


def test_a_trial_that_is_huge_is_too_far(solve):
    """The curvatures at the minimum are 1 and 360,000: one step of 1 / L gains 3e-6."""
    result = solve(exponential, np.asarray([1.0, 0.0]), free, NOTHING, steps=500)
    assert result.best_value < 0.5
    enough = solve(exponential, np.asarray([1.0, 0.0]), free, NOTHING, steps=9000, tolerance=1e-8)
    if solve is SOLVERS["projected_gradient"]:
        assert enough.steps == 9000
    else:
        assert enough.converged
        assert enough.best_value < 1e-15


@pytest.mark.parametrize("curvature", [1e30, 1e60])
def test_a_step_that_rounds_to_nothing_is_too_short(solve, curvature):
    """The first trial alone sees this curvature, of a slope that is 1 everywhere else."""
    first = iter([False, True])

    def f(p):
        return -float(p[0]), -np.ones(1) + (curvature * (p - 1) if next(first, False) else 0)

    result = solve(f, np.ones(1), free, NOTHING, steps=5)
    assert result.best_value < -1


def test_a_given_step_arrives_at_a_vertex(solve):
    """``z`` is there after some steps, and `x` must not follow in ever shorter ones."""
    c = np.asarray([3.0, 0.0, -1.0])

    def f(p):
        return 0.5 * float((p - c) @ (p - c)), p - c

    if solve not in (SOLVERS["projected_gradient"], SOLVERS["accelerated_proximal_gradient"]):
        pytest.skip("takes no step size")
    for step_size in (1.0, 0.1, 0.01):
        result = solve(
            f,
            np.full(3, 1 / 3),
            projections.simplex(),
            None,
            steps=60,
            step_size=step_size,
            tolerance=1e-9,
        )
        assert result.converged
        np.testing.assert_array_equal(result.params, [1.0, 0.0, 0.0])


def test_a_loop_ends_where_nothing_moves(solve):
    result = solve(
        lambda p: (float(p[0]), np.asarray([1.0, 0.0])),
        np.asarray([0.0, 1.0]),
        projections.nonnegative(),
        None,
        steps=5000,
    )
    assert result.steps < 5
    assert not result.converged
