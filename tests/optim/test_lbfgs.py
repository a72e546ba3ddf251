"""What is particular to limited-memory BFGS; the laws of all solvers are in ``test_solvers.py``."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize

import optim
from optim import _lbfgs, projections

N = 8


def quadratic(seed=0, condition=1e3, dtype=float):
    """``<p - c, H (p - c)> / 2`` and its gradient."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(N, N)) + (1j * rng.normal(size=(N, N)) if dtype is complex else 0)
    Q, _ = np.linalg.qr(A)
    H = (Q * np.geomspace(1, condition, N)) @ np.conj(Q.T)
    c = 0.5 * rng.normal(size=N) + (0.5j * rng.normal(size=N) if dtype is complex else 0)

    def value_and_grad(p):
        g = H @ (p - c)
        return 0.5 * float(np.real(np.vdot(p - c, g))), g

    return value_and_grad


def rosenbrock(p):
    """The chain of Rosenbrock's function."""
    r = p[1:] - p[:-1] ** 2
    g = np.zeros_like(p)
    g[:-1] += -400 * p[:-1] * r - 2 * (1 - p[:-1])
    g[1:] += 200 * r
    return float(np.sum(100 * r * r + (1 - p[:-1]) ** 2)), g


def counted(f):
    calls = []

    def g(p):
        calls.append(p)
        return f(p)

    return g, calls


def vectors(state):
    """The pairs of a state as dense columns."""
    return [(np.asarray(s), np.asarray(y)) for s, y in state.pairs]


def first_matrix(state):
    """``a D``, written out."""
    c = np.ones(N) if state.squares is None else state.squares / np.max(state.squares)
    D = np.ones(N) if state.squares is None else (np.sqrt(c) + 1e-4) ** -1.5
    return state.step_size * np.diag(D)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("diagonal", [False, True])
def test_the_matrices_are_those_of_bfgs(diagonal, dtype):
    f = quadratic(condition=100.0, dtype=dtype)
    result = optim.lbfgs(f, np.zeros(N, dtype), steps=6, memory=4, diagonal=diagonal)
    state = result.state
    assert len(state.pairs) == 4
    # Real vectors of twice the length, since the inner product is real.
    stack = (lambda v: np.concatenate([v.real, v.imag])) if dtype is complex else np.asarray
    H = first_matrix(state)
    H = np.kron(np.eye(2), H) if dtype is complex else H
    eye = np.eye(len(H))
    for s, y in vectors(state):
        s, y = stack(s), stack(y)
        assert s @ y == pytest.approx(1)
        V = eye - np.outer(y, s)
        H = V.T @ H @ V + np.outer(s, s)
    v = np.random.default_rng(0).standard_normal(N) + (1j * np.arange(N) if dtype is complex else 0)
    Hv = _lbfgs.inverse_product(state, v)
    np.testing.assert_allclose(stack(Hv), H @ stack(v), rtol=1e-9, atol=1e-9 * np.abs(Hv).max())
    np.testing.assert_allclose(_lbfgs.hessian(state)(Hv), v, rtol=1e-8, atol=1e-8)
    s, y = state.pairs[-1]
    np.testing.assert_allclose(_lbfgs.inverse_product(state, y), s, atol=1e-9 * np.abs(s).max())


def test_the_first_matrix_has_the_last_curvature_and_the_squares_of_gradients():
    f = quadratic(condition=100.0)
    points = []
    result = optim.lbfgs(
        f, np.ones(N), steps=5, diagonal=True, callback=lambda *at: points.append(at[-1])
    )
    gradients = [f(p)[1] for p in points]
    want = sum(
        0.9**n * (np.abs(g) / np.abs(g).max()) ** 2 for n, g in enumerate(reversed(gradients))
    )
    np.testing.assert_allclose(result.state.squares, want, rtol=1e-12)
    s, y = points[-1] - points[-2], gradients[-1] - gradients[-2]
    D = (np.sqrt(want / want.max()) + 1e-4) ** -1.5
    assert result.state.step_size == pytest.approx(s @ y / (y @ (D * y)))
    plain = optim.lbfgs(f, np.ones(N), steps=5)
    assert plain.state.squares is None


@pytest.mark.parametrize("seed", range(3))
def test_a_quadratic_takes_as_many_evaluations_as_with_scipys(seed):
    f, calls = counted(quadratic(seed, 1e4))
    result = optim.lbfgs(f, np.zeros(N), steps=500, tolerance=1e-8)
    ours = len(calls)
    options = {"ftol": 0, "gtol": 1e-8 / np.sqrt(N)}
    scipy.optimize.minimize(f, np.zeros(N), jac=True, method="L-BFGS-B", options=options)
    assert result.converged
    assert ours < 1.3 * (len(calls) - ours)


@pytest.mark.parametrize("bounds", [(-2.0, 0.6), (-0.5, 0.5), (-3.0, 3.0)])
def test_agrees_with_scipys_within_bounds(bounds):
    start = np.clip(np.tile([-1.2, 1.0], 4), *bounds)
    f, calls = counted(rosenbrock)
    box = projections.box(*bounds)
    result = optim.lbfgs(f, start, box, steps=500, tolerance=1e-8)
    want = scipy.optimize.minimize(
        rosenbrock,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[bounds] * 8,
        options={"ftol": 1e-16, "gtol": 1e-10},
    )
    assert result.converged
    np.testing.assert_allclose(result.params, want.x, rtol=0, atol=1e-6)
    assert all(np.all((bounds[0] <= p) & (p <= bounds[1])) for p in calls)


@pytest.mark.parametrize("diagonal", [False, True])
def test_rosenbrocks_chain_without_a_set(diagonal):
    start = np.tile([-1.2, 1.0], 10)
    f, calls = counted(rosenbrock)
    result = optim.lbfgs(f, start, steps=500, tolerance=1e-8, diagonal=diagonal)
    assert result.converged
    np.testing.assert_allclose(result.params, 1, rtol=0, atol=1e-8)
    assert len(calls) < 250
    assert np.all(np.diff(result.history) <= 1e-14)


def test_units_of_the_entries_matter_little_with_the_diagonal():
    """Logistic regression whose features have units over three orders of magnitude."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20)) * np.geomspace(1, 1e3, 20)
    marks = np.sign(X @ (1 / np.geomspace(1, 1e3, 20)) + 2 * rng.standard_normal(200))

    def f(p):
        t = marks * (X @ p)
        return np.mean(np.logaddexp(0, -t)), -X.T @ (marks * np.exp(-np.logaddexp(0, t))) / 200

    plain, diagonal = (
        optim.lbfgs(f, np.zeros(20), steps=100, diagonal=d).best_value for d in (False, True)
    )
    best = optim.lbfgs(f, np.zeros(20), steps=400, diagonal=True).best_value
    assert diagonal - best < 0.01 * (plain - best)


def test_wolfes_conditions_hold_at_each_point():
    points = []
    start = np.tile([-1.2, 1.0], 3)
    optim.lbfgs(rosenbrock, start, steps=40, callback=lambda *at: points.append(at[-1]))
    for p, q in pairwise(points):
        (f, g), (f_q, g_q), s = rosenbrock(p), rosenbrock(q), q - p
        assert f_q <= f + 1e-4 * g @ s
        assert g_q @ s >= 0.9 * g @ s


def test_a_search_goes_farther_than_one_without_a_set():
    """Far out the slope is constant, and the first step size is a guess."""

    def f(p):
        return float(np.sum(np.sqrt(1 + p * p))), p / np.sqrt(1 + p * p)

    result = optim.lbfgs(f, np.asarray([1e6, -1e6]), steps=60, tolerance=1e-8)
    assert result.converged
    np.testing.assert_allclose(result.params, 0, atol=1e-7)


def test_a_pair_without_curvature_is_left_out():
    def f(p):  # concave along the box
        return -0.5 * float(p @ p), -p

    result = optim.lbfgs(f, np.asarray([0.1, 0.2]), projections.box(-1.0, 1.0), steps=20)
    assert result.state.pairs == ()
    np.testing.assert_allclose(result.params, 1.0)


def test_an_interrupt_of_the_model_is_one_of_the_loop():
    f, calls = quadratic(), []

    def interrupted(p):
        calls.append(p)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return projections.simplex()(p)

    result = optim.lbfgs(f, np.zeros(N), interrupted, steps=50)
    assert result.interrupted
    assert len(calls) == 30
    assert 0 < result.steps < 50


def test_evaluations_are_few_beside_the_spectral_methods():
    ball, totals = projections.l2_ball(0.5), [0, 0]
    for seed in range(5):
        for i, solve in enumerate((optim.lbfgs, optim.spectral_projected_gradient)):
            f, calls = counted(quadratic(seed, 1e3))
            assert solve(f, np.zeros(N), ball, steps=999, tolerance=1e-9).converged
            totals[i] += len(calls)
    assert totals[0] < 0.8 * totals[1]


def test_the_memory_is_at_least_one_pair():
    with pytest.raises(ValueError, match="lbfgs: memory is 0; want at least 1"):
        optim.lbfgs(rosenbrock, np.zeros(2), steps=3, memory=0)
    assert len(optim.lbfgs(rosenbrock, np.zeros(2), steps=9, memory=2).state.pairs) == 2
