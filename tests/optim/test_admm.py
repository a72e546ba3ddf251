"""ADMM: the minimum of the primal-dual method, its certificate, and what it refuses."""

import numpy as np
import pytest

import optim
from optim import proximal

N = 9
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((12, N)), 0.5 + RNG.standard_normal(12)
K = np.diff(np.eye(N), axis=0)
H, RHS = A.T @ A, A.T @ B
WEIGHT = 3.0
PENALTY = proximal.soft_threshold(WEIGHT)


def solve(penalty=PENALTY, operator=lambda x: K @ x, adjoint=lambda u: K.T @ u, **settings):
    given = {"steps": 500, "tolerance": 1e-9} | settings
    return optim.admm(lambda x: H @ x, RHS, operator, adjoint, penalty, **given)


def reference(**settings):
    return optim.primal_dual(
        lambda x: (0.5 * x @ H @ x - RHS @ x, H @ x - RHS),
        np.zeros(N),
        proximal.soft_threshold(0.0),
        lambda x: K @ x,
        lambda u: K.T @ u,
        PENALTY,
        curvature=np.linalg.norm(H, 2),
        norm_of_map=2.0,
        steps=20000,
        tolerance=1e-11,
    )


@pytest.mark.parametrize("coupling", [None, 1e-2, 1e3])
@pytest.mark.parametrize("inner_steps", [3, 20])
def test_the_minimum(coupling, inner_steps):
    result, want = solve(coupling=coupling, inner_steps=inner_steps), reference()
    assert result.converged
    assert result.steps < 500
    np.testing.assert_allclose(result.params, want.params, rtol=0, atol=1e-8)
    assert result.history[-1] == pytest.approx(want.history[-1], rel=1e-9)


def test_a_sum_of_penalties():
    """Differences and entries, each with a weight: the same as both in one array."""
    both = np.concatenate([K, 2 * np.eye(N)])
    result = solve(
        {"jumps": PENALTY, "entries": proximal.soft_threshold(0.5 * WEIGHT)},
        lambda x: {"jumps": K @ x, "entries": x},
        lambda u: K.T @ u["jumps"] + u["entries"],
    )
    want = solve(
        proximal.soft_threshold(WEIGHT),
        lambda x: np.concatenate([K @ x, 0.5 * x]),
        lambda u: K.T @ u[: N - 1] + 0.5 * u[N - 1 :],
    )
    assert len(both) == 2 * N - 1
    assert result.converged
    np.testing.assert_allclose(result.params, want.params, atol=1e-8)


def test_the_error_is_the_distance_from_the_conditions_of_optimality():
    """``z`` is in ``dh*(u)``: zero where ``|u| < weight``, along `u` elsewhere."""
    result = solve(steps=15, tolerance=0.0, inner_steps=2)
    x, (_, z, u, Kx, _, error) = result.params, result.state
    np.testing.assert_allclose(Kx, K @ x)
    want = np.hypot(np.linalg.norm(H @ x - RHS + K.T @ u), np.linalg.norm(K @ x - z))
    assert error == pytest.approx(want, rel=1e-6)
    assert error > 1e-6
    assert np.all(np.abs(u) <= WEIGHT + 1e-12)
    assert np.all(z[np.abs(u) < WEIGHT - 1e-12] == 0)
    assert np.all(z * u >= 0)
    assert np.any(z != 0)


def test_a_constant_makes_the_loss_that_of_least_squares():
    result = solve(constant=0.5 * B @ B)
    x = result.params
    want = 0.5 * np.sum((A @ x - B) ** 2) + WEIGHT * np.sum(np.abs(K @ x))
    assert result.history[-1] == pytest.approx(want)


def test_it_starts_where_it_is_told():
    want = solve()
    again = solve(guess=want.params, steps=1)
    assert np.array_equal(again.params, want.params)
    assert again.history[0] == pytest.approx(want.history[-1])


def test_an_interrupt_inside_conjugate_gradients_keeps_the_last_point():
    calls = []

    def gram(x):
        calls.append(x)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return H @ x

    result = optim.admm(
        gram, RHS, lambda x: K @ x, lambda u: K.T @ u, PENALTY, steps=50, inner_steps=5
    )
    want = solve(steps=result.steps, inner_steps=5, tolerance=0.0)
    assert result.interrupted
    assert 1 < result.steps < 6
    np.testing.assert_allclose(result.params, want.params)


def test_refusals():
    with pytest.raises(ValueError, match="positive definite"):
        optim.admm(lambda x: -x, RHS, lambda x: 0 * x, lambda u: 0 * u, PENALTY, steps=3)
    with pytest.raises(ValueError, match="K\\^H u"):
        solve(adjoint=lambda u: u)
    with pytest.raises(optim.NonFiniteError, match="at step 0"):
        solve(guess=np.full(N, np.nan))
    with pytest.raises(ValueError, match=r"coupling is 0.* want"):
        solve(coupling=0.0)
