"""The primal-dual method: its minimum by other means, its certificate, and what it refuses."""

import math

import numpy as np
import pytest
import scipy.optimize

import optim
from optim import proximal

N = 9
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((12, N)), 0.5 + RNG.standard_normal(12)
K = np.diff(np.eye(N), axis=0)
L, LENGTH = np.linalg.norm(A, 2) ** 2, np.linalg.norm(K, 2)
LIGHT = proximal.indicator(optim.projections.nonnegative())
FREE = proximal.soft_threshold(0.0)
WEIGHT = 3.0


def misfit(x):
    r = A @ x - B
    return 0.5 * r @ r, A.T @ r


def solve(penalty=FREE, map_penalty=None, f=misfit, **settings):
    given = {"curvature": L, "norm_of_map": LENGTH, "steps": 20000, "tolerance": 1e-9} | settings
    return optim.primal_dual(
        f,
        np.zeros(N),
        penalty,
        lambda x: K @ x,
        lambda u: K.T @ u,
        map_penalty or proximal.soft_threshold(WEIGHT),
        **given,
    )


def by_scipy(least):
    """``x = least + p - m`` with ``|K x|`` as sums of nonnegative parts, by a quadratic program."""

    def f(z):
        x, t = z[:N], z[N:]
        value, g = misfit(x)
        return value + WEIGHT * t.sum(), np.concatenate([g, np.full(N - 1, WEIGHT)])

    G = np.block([[-K, np.eye(N - 1)], [K, np.eye(N - 1)]])  # t >= |K x|
    found = scipy.optimize.minimize(
        f,
        np.ones(2 * N - 1),
        jac=True,
        method="SLSQP",
        bounds=[(least, None)] * N + [(None, None)] * (N - 1),
        constraints={"type": "ineq", "fun": lambda z: G @ z, "jac": lambda _: G},
        options={"ftol": 1e-15, "maxiter": 2000},
    )
    return found.x[:N], found.fun


@pytest.mark.parametrize("penalty", [FREE, LIGHT], ids=["free", "nonnegative"])
@pytest.mark.parametrize("step", [None, 0.1 / L, 1.9 / L])
def test_agrees_with_a_quadratic_program(penalty, step):
    result = solve(penalty, step_size=step)
    want, value = by_scipy(None if penalty is FREE else 0.0)
    assert result.converged
    np.testing.assert_allclose(result.params, want, rtol=0, atol=1e-6)
    assert result.history[-1] == pytest.approx(value, rel=1e-9)
    if penalty is LIGHT:
        assert np.any(result.params == 0)
        assert np.all(result.params >= 0)


def test_the_error_is_the_distance_from_the_conditions_of_optimality():
    """Recomputed from two points: an element of each subdifferential."""
    result, before = solve(LIGHT, steps=41, tolerance=0), solve(LIGHT, steps=40, tolerance=0)
    (x, u), (p, w) = ((r.params, r.state.dual) for r in (result, before))
    a = 2 / (L + LENGTH)
    b = (1 / a - L / 2) / LENGTH**2
    r = (p - x) / a + misfit(x)[1] - misfit(p)[1] + K.T @ (u - w)
    s = (w - u) / b + K @ (x - p)
    assert result.state.error == pytest.approx(np.hypot(np.linalg.norm(r), np.linalg.norm(s)))
    # r is in F(x) + dg(x) + K^T u: 0 where x > 0, no more than that elsewhere
    inside = x > 0
    np.testing.assert_allclose(r[inside], (misfit(x)[1] + K.T @ u)[inside], atol=1e-9)
    assert np.all(r[~inside] <= (misfit(x)[1] + K.T @ u)[~inside] + 1e-9)
    # K x + s is in dh*(u): zero where |u| is below the weight, along u at the weight
    jump = K @ x + s
    free = np.abs(u) < WEIGHT - 1e-12
    np.testing.assert_allclose(jump[free], 0, atol=1e-9)
    assert np.all(jump * u >= -1e-9)
    assert np.all(np.abs(u) <= WEIGHT + 1e-12)


def test_the_gap_to_the_dual_closes():
    """``f + h(K x)`` beside ``-f*(-K^T u)`` for ``|u| <= weight``: the dual of least squares."""
    result = solve()
    u = result.state.dual
    v = -K.T @ u  # f*(v) = |z|^2 / 2 + <z, B> at A^T z = v
    H = A.T @ A
    x = np.linalg.solve(H, v + A.T @ B)
    conjugate = v @ x - misfit(x)[0]
    assert result.history[-1] == pytest.approx(-conjugate, rel=1e-9)


def test_a_dual_start_goes_on_where_the_last_one_ended():
    half = solve(steps=100, tolerance=0)
    whole = solve(steps=199, tolerance=0)
    rest = optim.primal_dual(
        misfit,
        half.params,
        FREE,
        lambda x: K @ x,
        lambda u: K.T @ u,
        proximal.soft_threshold(WEIGHT),
        curvature=L,
        norm_of_map=LENGTH,
        steps=100,
        dual=half.state.dual,
    )
    np.testing.assert_array_equal(rest.params, whole.params)


def test_without_a_smooth_function_it_is_that_of_chambolle_and_pock():
    c = RNG.standard_normal(N)
    square = proximal.Penalty(
        lambda x: 0.5 * np.sum((x - c) ** 2), lambda x, t: (x + t * c) / (1 + t)
    )
    by_penalty = solve(square, f=lambda x: (0.0, 0 * x), curvature=0.0)
    by_gradient = solve(f=lambda x: (0.5 * np.sum((x - c) ** 2), x - c), curvature=1.0)
    assert by_penalty.converged
    np.testing.assert_allclose(by_penalty.params, by_gradient.params, rtol=0, atol=1e-7)


def test_total_variation_agrees_with_its_proximal_map():
    c = RNG.standard_normal((6, 7))
    D = [lambda x, a=a: np.diff(x, axis=a, append=np.take(x, [-1], a)) for a in (0, 1)]

    def adjoint(u):
        total = 0
        for a in (0, 1):
            v = np.moveaxis(u[a], a, 0)[:-1]
            z = np.zeros((1, v.shape[1]))
            total = total + np.moveaxis(np.concatenate([z, v]) - np.concatenate([v, z]), 0, a)
        return total

    result = optim.primal_dual(
        lambda x: (0.5 * float(np.sum((x - c) ** 2)), x - c),
        c,
        FREE,
        lambda x: np.stack([d(x) for d in D]),
        adjoint,
        proximal.group_soft_threshold(0.4, axes=0),
        curvature=1.0,
        norm_of_map=math.sqrt(8),
        steps=5000,
        tolerance=1e-8,
    )
    want = proximal.total_variation(0.4, accuracy=1e-8, iterations=50000).prox(c, 1.0)
    np.testing.assert_allclose(result.params, want, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_mappings_and_arrays_of_every_library(row, dtype):
    """Names keep their arrays apart, on both sides of the map; results are like the inputs."""
    c = {name: row.array(RNG.standard_normal(5), dtype) for name in "pq"}

    def f(x):
        d = {name: x[name] - c[name] for name in c}
        return sum(float(row.xp.sum(row.xp.abs(v) ** 2)) for v in d.values()) / 2, d

    def move(x):
        return {"both": x["p"] - x["q"]}

    result = optim.primal_dual(
        f,
        {name: 0 * v for name, v in c.items()},
        {"p": proximal.soft_threshold(0.1)},
        move,
        lambda u: {"p": u["both"], "q": -u["both"]},
        {"both": proximal.soft_threshold(100.0)},
        curvature=1.0,
        norm_of_map=math.sqrt(2),
        steps=3000,
        tolerance=1e-3 if dtype in ("float32", "complex64") else 1e-7,
    )
    assert result.converged
    assert all(row.owns(v, dtype) for v in result.params.values())
    p, q = (row.numpy(result.params[name]) for name in "pq")
    np.testing.assert_allclose(p, q, rtol=0, atol=2e-3)  # the weight is large


def test_ctrl_c_ends_at_the_last_point():
    def stop(step, value, x):
        if step == 3:
            raise KeyboardInterrupt

    result = solve(callback=stop)
    assert result.interrupted
    assert len(result.history) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"step_size": 2 / L},
            "primal_dual: step_size is .*; want step_size < 2 / curv",
        ),
        ({"norm_of_map": 0.0}, "primal_dual: norm_of_map is 0.0; want a positive number"),
        ({"curvature": -1.0}, "primal_dual: curvature is -1.0; want a finite number"),
        ({"dual": np.zeros(3)}, "primal_dual: dual is .*; want"),
        ({"map_penalty": {"u": LIGHT}}, "primal_dual: the penalty is a mapping"),
        ({"penalty": 1.0}, "primal_dual: the penalty is a float; want a Penalty"),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        solve(**change)
