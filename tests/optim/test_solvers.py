"""Laws of every solver with a constraint, from one table; then what is particular to each."""

import functools
import math
import sys

import numpy as np
import pytest
import scipy.optimize
from rows import covering, open_row

import optim
from optim import projections, proximal


def by_indicator(value_and_grad, params, projection, **options):
    """The accelerated method, with a projection."""
    if isinstance(projection, dict):
        penalty = {name: proximal.indicator(P) for name, P in projection.items()}
    else:
        penalty = proximal.indicator(projection)
    return optim.accelerated_proximal_gradient(value_and_grad, params, penalty, **options)


def quasi_newton(value_and_grad, params, projection, *, steps, **options):
    """Limited-memory BFGS, in few steps: each costs more than the functions here."""
    return optim.lbfgs(value_and_grad, params, projection, steps=min(steps, 100), **options)


SOLVERS = {
    "projected_gradient": optim.projected_gradient,
    "accelerated_proximal_gradient": by_indicator,
    "spectral_projected_gradient": optim.spectral_projected_gradient,
    "lbfgs": quasi_newton,
    "lbfgs, diagonal": functools.partial(quasi_newton, diagonal=True),
}
N = 8


@pytest.fixture(params=SOLVERS)
def solve(request):
    return SOLVERS[request.param]


def problem(seed=0, n=N, condition=1e3, dtype=float):
    """A quadratic ``<p - c, H (p - c)> / 2`` and its parts."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if dtype is complex else 0)
    Q, _ = np.linalg.qr(A)
    H = (Q * np.geomspace(1, condition, n)) @ np.conj(Q.T)
    c = 0.5 * rng.normal(size=n) + (0.5j * rng.normal(size=n) if dtype is complex else 0)
    return H, c


def quadratic(H, c, xp=np):
    def value_and_grad(p):
        g = xp.matmul(H, (p - c)[:, None])[:, 0]
        return 0.5 * xp.sum(xp.real(xp.conj(p - c) * g) if H.dtype.kind == "c" else (p - c) * g), g

    return value_and_grad


def on_row(row, H, c, dtype):
    """The same function for the arrays of a row."""
    xp, complex_ = row.xp, "complex" in dtype
    H, c = row.array(H, dtype), row.array(c, dtype)

    def value_and_grad(p):
        d = p - c
        g = xp.matmul(H, d[:, None])[:, 0]
        return xp.sum(xp.real(xp.conj(d) * g) if complex_ else d * g) / 2, g

    return value_and_grad


def by_scipy(H, c):
    """The minimum on the simplex."""
    found = scipy.optimize.minimize(
        lambda p: (0.5 * (p - c) @ H @ (p - c), H @ (p - c)),
        np.full(len(c), 1 / len(c)),
        jac=True,
        method="SLSQP",
        bounds=[(0, None)] * len(c),
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones_like(p)},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.x


# --- what they find -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scipy_on_the_simplex(solve, seed):
    H, c = problem(seed)
    f = quadratic(H, c)
    result = solve(f, np.zeros(N), projections.simplex(), steps=5000, tolerance=1e-10)
    assert result.converged
    np.testing.assert_allclose(result.params, by_scipy(H, c), rtol=0, atol=2e-7)
    assert optim.projected_gradient_norm(*f_at(f, result.params), projections.simplex()) <= 1e-10
    assert np.all(result.params >= 0)
    assert abs(result.params.sum() - 1) < 1e-12


def f_at(f, p):
    return p, f(p)[1]


def test_agrees_with_the_exact_bounded_least_squares(solve):
    rng = np.random.default_rng(3)
    A, b = rng.normal(size=(20, N)), rng.normal(size=20)
    want = scipy.optimize.lsq_linear(A, b, bounds=(-0.1, 0.1), method="bvls", tol=1e-15).x

    def value_and_grad(p):
        r = A @ p - b
        return 0.5 * r @ r, A.T @ r

    box = projections.box(-0.1, 0.1)
    result = solve(value_and_grad, np.zeros(N), box, steps=2000, tolerance=1e-12)
    assert result.converged
    np.testing.assert_allclose(result.params, want, rtol=0, atol=1e-12)


def test_a_function_that_is_no_quadratic(solve):
    """Rosenbrock's, in a disc that cuts its valley off; not convex."""

    def value_and_grad(p):
        x, y = p
        value = 100 * (y - x * x) ** 2 + (1 - x) ** 2
        return value, np.asarray([-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)])

    disc = projections.l2_ball(1.0)
    start = np.asarray([-0.5, 0.5])
    result = solve(value_and_grad, start, disc, steps=20000, tolerance=1e-8)
    found = scipy.optimize.minimize(
        lambda t: value_and_grad(np.asarray([np.cos(t[0]), np.sin(t[0])]))[0], [0.6], tol=1e-14
    )
    assert result.converged
    assert result.best_value == pytest.approx(found.fun, rel=1e-6)


@functools.cache
def exactly(solve, kind):
    """Return a problem, its set, and its solution: once for all rows and precisions."""
    H, c = problem(1, condition=30.0, dtype=kind)
    ball = projections.l2_ball(0.5)
    found = solve(quadratic(H, c), np.ones_like(c), ball, steps=5000, tolerance=1e-12)
    return H, c, ball, found


DTYPES = ["float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize("setting", list(covering(DTYPES, ["float32", "complex128"])))
def test_converges_on_every_row_and_keeps_what_it_was_given(solve, setting):
    name, dtype = setting
    H, c, ball, exact = exactly(solve, complex if "complex" in dtype else float)
    eps = 2e-5 if dtype in {"float32", "complex64"} else 1e-8
    with open_row(name) as row:
        start = row.array(np.ones(N), dtype)
        result = solve(on_row(row, H, c, dtype), start, ball, steps=300, tolerance=eps / 2)
        check_row(row, dtype, eps, start, result, exact)


def check_row(row, dtype, eps, start, result, exact):
    assert exact.converged
    assert result.converged
    np.testing.assert_allclose(row.numpy(result.params), exact.params, rtol=0, atol=eps)
    assert row.owns(result.params, dtype)
    assert row.owns(result.best_params, dtype)
    assert all(type(value) is float for value in result.history)
    np.testing.assert_array_equal(row.numpy(start), 1.0)


def test_a_mapping_is_one_vector(solve):
    H, c = problem(2, condition=100.0)
    f = quadratic(H, c)

    def by_name(p):
        value, g = f(np.concatenate([p["a"], p["b"].ravel()]))
        return value, {"b": g[3:].reshape(5, 1), "a": g[:3]}

    start = {"a": np.zeros(3), "b": np.zeros((5, 1))}
    together = solve(by_name, start, {"a": projections.box(-0.1, 0.1)}, steps=5000, tolerance=1e-10)
    assert together.converged
    low, high = [-0.1] * 3 + [-np.inf] * 5, [0.1] * 3 + [np.inf] * 5
    box = projections.box(np.asarray(low), np.asarray(high))
    alone = solve(f, np.zeros(N), box, steps=5000, tolerance=1e-10)
    assert list(together.params) == ["a", "b"]
    np.testing.assert_allclose(together.params["a"], alone.params[:3], rtol=0, atol=1e-9)
    np.testing.assert_allclose(together.params["b"][:, 0], alone.params[3:], rtol=0, atol=1e-9)


def test_every_point_is_feasible_and_its_loss_is_in_the_history(solve):
    H, c = problem(4)
    f, seen = quadratic(H, c), []

    def watched(p):
        assert np.all(p >= 0)
        assert abs(p.sum() - 1) < 1e-12
        return f(p)

    def callback(step, value, p):
        assert value == f(p)[0]
        seen.append((step, value, p))

    result = solve(watched, np.arange(N) - 3.0, projections.simplex(), steps=9, callback=callback)
    assert [s for s, _, _ in seen] == list(range(9))
    assert result.history == [v for _, v, _ in seen]
    assert result.steps == result.state.step == 9
    assert result.params is seen[-1][2]
    assert result.best_value == min(result.history)
    assert not result.converged
    start = projections.simplex()(np.arange(N) - 3.0)
    np.testing.assert_array_equal(seen[0][2], start)


# --- how they end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float32", 1e-12), ("float32", 1e12), ("float64", 1.0), ("float64", 1e12)],
)
def test_rounding_ends_a_search_and_raises_nothing(solve, dtype, scale):
    """A large constant hides every decrease near the minimum."""
    H, c = problem(5, condition=1e4)
    H, c = (scale * H).astype(dtype), c.astype(dtype)
    f = quadratic(H, c)
    calls = []

    def hidden(p):
        calls.append(0)
        value, g = f(p)
        return value + np.asarray(100 * scale, dtype), g

    result = solve(hidden, np.zeros(N, dtype), projections.simplex(), steps=1500)
    assert len(calls) < 10 * 1500
    want = by_scipy(H.astype(float) / scale, c.astype(float))
    atol = 5e-3 if dtype == "float32" else 1e-5
    np.testing.assert_allclose(result.params, want, rtol=0, atol=atol)


def test_ends_at_the_start_if_that_is_the_minimum(solve):
    start = np.full(4, 0.25)
    simplex = projections.simplex()

    def flat(_):
        return 1.0, np.ones(4)

    stopped = solve(flat, start, simplex, steps=9, tolerance=0.1)
    assert stopped.converged
    assert stopped.steps == 1
    np.testing.assert_array_equal(stopped.params, start)
    going = solve(flat, start, simplex, steps=9)
    assert not going.converged
    np.testing.assert_allclose(going.params, start, rtol=1e-12)


def test_no_steps_return_the_start(solve):
    start = np.zeros(3)
    result = solve(pytest.fail, start, projections.simplex(), steps=0)
    assert result.params is result.best_params is start
    assert result.history == []
    assert not result.converged


def test_the_callback_may_stop(solve):
    f = quadratic(*problem())
    result = solve(
        f, np.zeros(N), projections.simplex(), steps=9, callback=lambda step, *_: step == 3
    )
    assert result.steps == 4
    assert not result.interrupted


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_an_interrupt_returns_the_last_completed_step(solve, n):
    f, calls = quadratic(*problem()), iter(range(100))

    def interrupted(p):
        if next(calls) == n:
            raise KeyboardInterrupt
        return f(p)

    result = solve(interrupted, np.zeros(N), projections.simplex(), steps=50)
    want = solve(f, np.zeros(N), projections.simplex(), steps=result.steps)
    assert result.interrupted
    assert result.steps <= n
    assert result.history == want.history
    np.testing.assert_array_equal(result.params, want.params)


@pytest.mark.parametrize("n", [0, 1, 4])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_stays_not_finite_is_an_error_with_the_result_so_far(solve, n, bad):
    f, calls = quadratic(*problem()), iter(range(1000))

    def broken(p):
        value, g = f(p)
        return (bad, g) if next(calls) >= n else (value, g)

    with pytest.raises(optim.NonFiniteError, match=r"at step \d the loss is") as caught:
        solve(broken, np.zeros(N), projections.simplex(), steps=50)
    assert caught.value.result.steps == len(caught.value.result.history) <= n
    assert next(calls) <= n + 61
    with pytest.raises(optim.NonFiniteError, match="the gradient is not finite in 8 of 8 entries"):
        solve(lambda p: (1.0, p + bad), np.zeros(N), projections.simplex(), steps=50)


@pytest.mark.parametrize("of_gradient", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_trial_that_is_not_finite_is_one_too_far(solve, n, bad, of_gradient):
    H, c = problem(condition=30.0)
    f, calls = quadratic(H, c), iter(range(10000))

    def broken(p):
        value, g = f(p)
        if next(calls) != n:
            return value, g
        return (value, g + bad) if of_gradient else (bad, g)

    result = solve(broken, np.zeros(N), projections.simplex(), steps=500, tolerance=1e-9)
    assert result.converged
    assert np.all(np.isfinite(result.history))
    np.testing.assert_allclose(result.params, by_scipy(H, c), rtol=0, atol=2e-7)


def test_a_barrier_holds(solve):
    """``-sum_i w_i log p_i`` on the simplex, infinite at each face; its minimum is at `w`."""
    w = np.asarray([0.2, 0.3, 0.5])

    def value_and_grad(p):
        with np.errstate(divide="ignore"):
            return -float(w @ np.log(p)), -w / p

    for start in ([0.9, 0.05, 0.05], [0.02, 0.96, 0.02], [0.002, 0.996, 0.002]):
        result = solve(
            value_and_grad, np.asarray(start), projections.simplex(), steps=2000, tolerance=1e-7
        )
        assert result.converged
        np.testing.assert_allclose(result.params, w, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_with_a_given_step_what_is_not_finite_is_an_error(bad):
    f = quadratic(*problem())
    for solver in (optim.projected_gradient, by_indicator):
        calls = iter(range(100))

        def broken(p, calls=calls):
            value, g = f(p)
            return (bad, g) if next(calls) == 4 else (value, g)

        with pytest.raises(optim.NonFiniteError, match="at step 4 the loss is") as caught:
            solver(broken, np.zeros(N), projections.simplex(), steps=50, step_size=1e-3)
        assert caught.value.result.steps == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("of_f", "of_p"), [(1e-38, 1.0), (1e-30, 1e-8), (1e35, 1.0), (1.0, 1e-20), (1.0, 1e15)]
)
def test_scales_at_the_end_of_single_precision(solve, dtype, of_f, of_p):
    """The value and the gradient fit; the step size, its inverse and their products need not."""
    H, c = problem(3, condition=20.0)
    f = quadratic(H, c)

    def scaled(p):
        value, g = f(p.astype(float) / of_p)
        return of_f * of_p * float(value), (of_f * g).astype(dtype)

    simplex = projections.simplex(of_p)
    result = solve(scaled, np.zeros(N, dtype), simplex, steps=300)
    atol = {"float32": 1e-3, "float64": 1e-6}[dtype]
    np.testing.assert_allclose(result.params / of_p, by_scipy(H, c), rtol=0, atol=atol)


@pytest.mark.parametrize("scale", [1e-290, 1e-300, 1e150])
def test_scales_at_the_end_of_double_precision(solve, scale):
    H, c = problem(3, condition=20.0)
    f = quadratic(H, c)
    result = solve(
        lambda p: tuple(scale * part for part in f(p)),
        np.zeros(N),
        projections.simplex(),
        steps=300,
    )
    np.testing.assert_allclose(result.params, by_scipy(H, c), rtol=0, atol=1e-6)


def test_a_projection_may_fill_the_same_array_again_and_again(solve):
    f, same = quadratic(*problem()), np.empty(N)

    def filling(p):
        same[:] = projections.simplex()(p)
        return same

    options = {"steps": 2000, "tolerance": 1e-9}
    result = solve(f, np.zeros(N), filling, **options)
    want = solve(f, np.zeros(N), projections.simplex(), **options)
    assert result.converged
    assert result.history == want.history
    np.testing.assert_array_equal(result.params, want.params)
    np.testing.assert_array_equal(result.best_params, want.best_params)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_without_a_minimum_does_not_converge(solve, dtype):
    """Far out ``p - g`` is `p`, by rounding."""
    far = np.asarray([1e17, 1.0], dtype)
    start = {"a": far, "b": np.zeros(1, dtype)}

    def downhill(p):
        a, b = p["a"], p["b"]
        return -float(a[0]), {"a": np.asarray([-1, 0], dtype), "b": 0 * b}

    result = solve(downhill, start, {"b": projections.nonnegative()}, steps=5, tolerance=1e-6)
    assert not result.converged
    flat = solve(lambda p: (1.0, {k: 0 * v for k, v in p.items()}), start, {}, steps=5, tolerance=1)
    assert flat.converged


def test_a_function_may_fill_the_same_array_again_and_again(solve):
    f, same = quadratic(*problem()), np.empty(N)

    def filling(p):
        value, same[:] = f(p)
        return value, same

    result = solve(filling, np.zeros(N), projections.simplex(), steps=20)
    want = solve(f, np.zeros(N), projections.simplex(), steps=20)
    assert result.history == want.history


def test_the_bar_shows_the_loss(solve, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    f = quadratic(*problem())
    solve(f, np.zeros(N), projections.simplex(), steps=3, progress=True)
    assert "3/3" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"(_gradient|lbfgs): progress=True needs tqdm"):
        solve(f, np.zeros(N), projections.simplex(), steps=1, progress=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": np.zeros(0)}, r"the parameter is .*\(0,\).*; want an array that has entries"),
        ({"params": {}, "projection": {}}, "the parameters are an empty mapping; want an array"),
        ({"params": np.zeros(3, int)}, "the parameter is .*int64.*; want a real or complex"),
        ({"tolerance": -1.0}, "(_gradient|lbfgs): tolerance is -1.0; want 0 or more"),
        ({"tolerance": math.nan}, "(_gradient|lbfgs): tolerance is nan; want 0 or more"),
        ({"steps": -1}, "(_gradient|lbfgs): steps is -1; want 0 or more"),
        (
            {"value_and_grad": lambda p: p},
            r"(_gradient|lbfgs): value_and_grad returned an array.*; want",
        ),
        ({"value_and_grad": lambda p: (p, p)}, r"the loss is .*\(3,\).*; want a number"),
        ({"value_and_grad": lambda p: (1.0, p[:2])}, r"the gradient is .*\(2,\).*; want"),
        (
            {"projection": lambda p: p[:2]},
            r"the result of the pro.* is .*shape \(2,\).*; want .*\(3,\)",
        ),
        ({"projection": {"h": abs}}, r"is a mapping with the names \['h'\] and the parameters are"),
    ],
)
def test_a_wrong_argument_is_named(solve, change, message):
    given = {
        "value_and_grad": lambda p: (1.0, p),
        "params": np.ones(3),
        "projection": projections.nonnegative(),
        "steps": 3,
    } | change
    with pytest.raises((TypeError, ValueError), match=message):
        solve(given.pop("value_and_grad"), given.pop("params"), given.pop("projection"), **given)


# --- projected gradient -----------------------------------------------------------------------


@pytest.mark.parametrize("step_size", [2e-3, optim.linear_schedule(2e-3, 1e-4, 20)])
def test_a_given_step_is_that_of_minimize(step_size):
    f = quadratic(*problem())
    start = np.full(N, 1 / N)
    simplex = projections.simplex()
    ours = optim.projected_gradient(f, start, simplex, steps=30, step_size=step_size)
    other = optim.minimize(f, start, optim.sgd(step_size), steps=30, project=simplex)
    np.testing.assert_allclose(ours.history, other.history[:-1], rtol=1e-14)


def test_backtracking_decreases_as_promised_and_lets_the_step_grow():
    f, points, sizes = quadratic(*problem(condition=100.0)), [], []
    box = projections.box(-0.3, 0.3)
    for steps in range(1, 12):
        result = optim.projected_gradient(f, np.zeros(N), box, steps=steps)
        points.append(result.params)
        sizes.append(result.state.step_size)
    for p, q, a in zip(points[:-1], points[1:], sizes[1:], strict=True):
        d = q - p
        # What was used is a, or a / 1.25 if it has grown since.
        assert f(q)[0] <= f(p)[0] + f(p)[1] @ d + 1.25 * (d @ d) / (2 * a) + 1e-12
    assert np.any(np.diff(sizes) > 0)
    assert np.any(np.diff(sizes) < 0)


# --- spectral projected gradient --------------------------------------------------------------


def test_spectral_steps_are_those_of_barzilai_and_borwein_where_nothing_is_constrained():
    """The first 9 steps by the papers' formulas; no trial is rejected."""
    f = quadratic(*problem(7, condition=20.0))
    seen = []

    def solve(steps, callback=None):
        return optim.spectral_projected_gradient(
            f, np.zeros(N), lambda p: p, steps=steps, callback=callback
        )

    result = solve(10, lambda *at: seen.append(at[2]))
    p, a, threshold, shorts = seen[0], solve(1).state.step_size, 0.5, []
    for k in range(1, result.steps):
        q = p - a * f(p)[1]
        np.testing.assert_allclose(seen[k], q, rtol=1e-9, atol=1e-12)
        s, y = q - p, f(q)[1] - f(p)[1]
        long, short = s @ s / (s @ y), s @ y / (y @ y)
        shorts = [*shorts, short][-3:]
        if short / long < threshold:
            a, threshold = min(shorts), 0.9 * threshold
        else:
            a, threshold = long, 1.1 * threshold
        p = q
    assert result.state.step_size == pytest.approx(a)


def spectrally(f, P, p, a, steps, memory):
    """The whole method written out; also how often each of its branches was taken."""
    values, shorts, threshold = [f(p)[0]], [], 0.5
    events = {"rejected": 0, "risen": 0, "farther": 0, "short": 0, "long": 0}
    for _ in range(steps - 1):
        g, t = f(p)[1], 1.0
        d = P(p - a * g) - p
        slope = min(g @ d, -d @ d / a)
        while (new := f(p + t * d)[0]) > max(values[-memory:]) + 1e-4 * t * slope:
            bend = new - values[-1] - t * slope
            t = min(max(-slope * t * t / (2 * bend), 0.1 * t), 0.5 * t)
            events["rejected"] += 1
        events["risen"] += new > values[-1]
        s = t * d
        y = (d - (P(p + s - a * f(p + s)[1]) - p - s)) / a
        p, values = p + s, [*values, new]
        if s @ y <= 0:
            a, events["farther"] = 10 * a, events["farther"] + 1
            continue
        long, short = s @ s / (s @ y), s @ y / (y @ y)
        shorts = [*shorts, short][-3:]
        if short / long < threshold:
            a, threshold, events["short"] = min(shorts), 0.9 * threshold, events["short"] + 1
        else:
            a, threshold, events["long"] = long, 1.1 * threshold, events["long"] + 1
    return values, events


@pytest.mark.parametrize("memory", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_spectral_steps_are_those_of_the_papers_on_a_set(seed, memory):
    f, simplex = quadratic(*problem(seed, condition=300.0)), projections.simplex()
    options = {"memory": memory}
    start = simplex(np.arange(N) % 3 - 1.0)
    a = optim.spectral_projected_gradient(f, start, simplex, steps=1).state.step_size
    values, events = spectrally(f, simplex, start, a, 16, memory)
    ours = optim.spectral_projected_gradient(f, start, simplex, steps=16, **options)
    np.testing.assert_allclose(ours.history, values, rtol=1e-8)
    assert events["short"] > 0
    assert events["long"] > 0


def test_spectral_steps_are_those_of_the_papers_where_values_rise():
    """A function with many hollows, of either curvature."""

    def f(p):
        return float(np.sum(p * p / 20 - np.cos(3 * p))), p / 10 + 3 * np.sin(3 * p)

    box = projections.box(-4.0, 4.0)
    totals = {"rejected": 0, "risen": 0, "farther": 0}
    for seed in range(12):
        start = np.random.default_rng(seed).uniform(-4, 4, 5)
        a = optim.spectral_projected_gradient(f, start, box, steps=1).state.step_size
        for memory in (1, 3):
            ours = optim.spectral_projected_gradient(f, start, box, steps=14, memory=memory)
            values, events = spectrally(f, box, start, a, ours.steps, memory)
            np.testing.assert_allclose(ours.history, values, rtol=0, atol=1e-9)
            totals = {event: totals[event] + events[event] for event in totals}
    assert min(totals.values()) > 2


def test_the_decrease_asked_for_is_that_of_the_trial():
    """``1e-4 t <g, d>``: at t = 1/4 a decrease by 5e-5 of the slope is enough."""
    values = iter([0.0, 0.0, 1.0, -5e-5, math.nan])

    def f(p):
        return next(values), np.asarray([-1.0])

    result = optim.spectral_projected_gradient(f, np.zeros(1), lambda p: p, steps=2, memory=1)
    assert result.history == [0.0, -5e-5]
    assert result.params == 0.25


def test_no_curvature_makes_steps_ten_times_as_long():
    def f(p):
        return -float(p[0]), np.asarray([-1.0])

    sizes = [
        optim.spectral_projected_gradient(
            f, np.ones(1), projections.box(0.0, 1e6), steps=n
        ).state.step_size
        for n in (1, 2, 3, 4)
    ]
    np.testing.assert_allclose(sizes, [1.0, 10.0, 100.0, 1000.0])


def test_one_evaluation_for_each_step_where_nothing_is_rejected():
    f, calls = quadratic(*problem(condition=1e4)), []

    def counted(p):
        calls.append(p)
        return f(p)

    steps = 200
    result = optim.spectral_projected_gradient(
        counted, np.zeros(N), projections.nonnegative(), steps=steps, memory=100
    )
    assert result.steps <= len(calls) <= 1.2 * result.steps + 10


@pytest.mark.parametrize("seed", range(5, 9))
def test_rounding_does_not_keep_values_from_falling(seed):
    """With a memory of one, a constant a million times the decrease, in single precision."""
    H, c = problem(seed, condition=1e4)
    f = quadratic(H.astype(np.float32), c.astype(np.float32))

    def hidden(p):
        value, g = f(p)
        return value + np.float32(1e5), g

    start = np.zeros(N, np.float32)
    result = optim.spectral_projected_gradient(
        hidden, start, projections.simplex(), steps=1500, memory=1
    )
    np.testing.assert_allclose(result.params, by_scipy(H, c), rtol=0, atol=1e-5)


def test_values_fall_throughout_with_a_memory_of_one():
    f = quadratic(*problem(condition=1e4))
    one = optim.spectral_projected_gradient(
        f, np.zeros(N), projections.simplex(), steps=40, memory=1
    )
    assert np.all(np.diff(one.history) <= 1e-14 * abs(one.history[0]))
    with pytest.raises(ValueError, match="spectral_projected_gradient: memory is 0; want at"):
        optim.spectral_projected_gradient(f, np.zeros(N), projections.simplex(), steps=1, memory=0)


def test_spectral_and_accelerated_are_fast_where_the_gradient_alone_is_slow():
    rng = np.random.default_rng(0)
    H, c = problem(11, n=40, condition=1e5)
    c = rng.dirichlet(np.ones(40))
    f, start, simplex = quadratic(H, c), np.full(40, 1 / 40), projections.simplex()
    options = {"steps": 400}
    slow = optim.projected_gradient(f, start, simplex, step_size=1e-5, **options).best_value
    for solver in (optim.spectral_projected_gradient, by_indicator):
        assert solver(f, start, simplex, **options).best_value < 0.02 * slow


# --- accelerated proximal gradient ------------------------------------------------------------


def test_the_minimum_with_an_l1_penalty_meets_its_conditions():
    H, c = problem(6)
    f, w = quadratic(H, c), 30.0
    result = optim.accelerated_proximal_gradient(
        f, np.zeros(N), proximal.soft_threshold(w), steps=5000, tolerance=1e-11
    )
    p, g = result.params, f(result.params)[1]
    assert result.converged
    assert 0 < np.count_nonzero(p) < N
    np.testing.assert_allclose(g[p != 0], -w * np.sign(p[p != 0]), rtol=1e-8)
    assert np.all(np.abs(g[p == 0]) <= w)
    assert result.history[-1] == pytest.approx(f(p)[0] + w * np.abs(p).sum())


def test_penalties_by_name():
    def value_and_grad(p):
        return sum(0.5 * float(np.sum((p[k] - 2) ** 2)) for k in p), {k: p[k] - 2 for k in p}

    start = {"a": np.zeros(2), "b": np.zeros(1)}
    penalty = {"a": proximal.soft_threshold(0.5)}
    result = optim.accelerated_proximal_gradient(
        value_and_grad, start, penalty, steps=500, tolerance=1e-10
    )
    np.testing.assert_allclose(result.params["a"], 1.5, rtol=1e-8)
    np.testing.assert_allclose(result.params["b"], 2.0, rtol=1e-8)
    assert result.history[-1] == pytest.approx(2 * 0.125 + 2 * 0.75)


def plainly(f, P, p, a, steps):
    """Tseng's second method with restarts, written out."""
    x, z, t, history, restarts = p, p, 1.0, [], 0
    for _ in range(steps):
        y = (1 - t) * x + t * z
        value, g = f(y)
        history.append(value)
        z = P(z - a / t * g)
        new = (1 - t) * x + t * z
        if (y - new) @ (new - x) > 0:
            z, t, restarts = new, 1.0, restarts + 1
        else:
            t = 2 / (1 + math.sqrt(1 + 4 / t**2))
        x = new
    return history, restarts


def test_a_given_step_is_tsengs_method_and_restarts_help():
    H, c = problem(8)
    f, simplex = quadratic(H, c), projections.simplex()
    start, a = np.full(N, 1 / N), 1e-3
    ours = by_indicator(f, start, simplex, steps=3000, step_size=a)
    history, restarts = plainly(f, simplex, start, a, 3000)
    np.testing.assert_allclose(ours.history, history, rtol=1e-9)
    assert restarts > 1
    best = f(by_scipy(H, c))[0]
    assert abs(ours.history[-1] - best) < 1e-9 * best


def test_the_step_shrinks_to_the_curvatures_on_the_way():
    weight = np.asarray([1.0, 50.0])
    result = optim.accelerated_proximal_gradient(
        lambda p: (0.5 * float(np.sum(weight * p * p)), weight * p),
        np.asarray([1.0, 0.0]),  # where the gradient sees the small one alone
        proximal.soft_threshold(0.0),
        steps=2,
    )
    assert 1 / 1.05 <= result.state.step_size <= 1
    H, c = problem(9)
    result = by_indicator(quadratic(H, c), np.zeros(N), lambda p: p, steps=200)
    assert 0.9 / 1000 < result.state.step_size < 2 / 1000


@pytest.mark.parametrize("constant", [0.0, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_the_step_stays_above_the_inverse_of_the_largest_curvature(seed, constant):
    """Also where it has converged, and differences of the gradient are rounding."""
    L = 1e3
    f = quadratic(*problem(seed, condition=L))
    push = np.zeros(N)
    push[0] = constant  # a gradient that the constraint takes, and rounding remembers

    def value_and_grad(p):
        value, g = f(p)
        return value + push @ p, g + push

    sizes = [
        by_indicator(value_and_grad, np.zeros(N), projections.simplex(), steps=n).state.step_size
        for n in (1, 2, 3, 10, 100, 500)
    ]
    assert min(sizes) >= (1 - 1e-3) / (1.05 * L)


GROWING = {  # f, its gradient, the minimum of f + |x_1| / 10 + |x_2| / 10
    "cosh": (lambda x: float(np.sum(np.cosh(x))), np.sinh, 0.0),
    "exp": (lambda x: float(np.sum(np.exp(x) - 2 * x)), lambda x: np.exp(x) - 2, math.log(1.9)),
    "fourth power": (
        lambda x: float(np.sum((x - 0.5) ** 4)),
        lambda x: 4 * (x - 0.5) ** 3,
        0.5 - 0.025 ** (1 / 3),
    ),
}


@pytest.mark.parametrize("start", [(3.0, 1.0), (0.0, 1.0), (-8.0, 8.0)])
@pytest.mark.parametrize("name", GROWING)
def test_a_curvature_that_grows_does_not_freeze_it(name, start):
    """Far off, where the first trial is, curvatures are larger by any factor."""
    value, gradient, minimum = GROWING[name]

    def f(x):
        with np.errstate(over="ignore"):
            return value(x), gradient(x)

    penalty = proximal.soft_threshold(0.1)
    result = optim.accelerated_proximal_gradient(f, np.asarray(start), penalty, steps=2000)
    np.testing.assert_allclose(result.params, minimum, rtol=0, atol=1e-3)
    near = optim.accelerated_proximal_gradient(f, np.asarray([1.0, 0.7]), penalty, steps=200)
    np.testing.assert_allclose(near.params, minimum, rtol=0, atol=1e-6)


def test_a_likelihood_with_little_background_does_not_freeze_it():
    """Poisson's, ``sum (m - y log m)`` with ``m = A p + 1e-6``: curvatures up to 1e12 y."""
    rng = np.random.default_rng(0)
    A = 1e3 * np.eye(20) + 50 * rng.uniform(size=(20, 20))
    truth = rng.dirichlet(np.full(20, 0.5))
    y = A @ truth + 1e-6

    def f(p):
        m = A @ p + 1e-6
        return float(np.sum(m - y * np.log(m))), A.T @ (1 - y / m)

    result = by_indicator(f, np.full(20, 1 / 20), projections.simplex(), steps=1000)
    np.testing.assert_allclose(result.params, truth, rtol=0, atol=1e-3)


def test_a_restart_lets_the_step_grow():
    """A well at the start with a curvature of 100, then a slope with one of 1."""

    def f(p):
        steep = np.minimum(p, 1.0) - 1.0  # left of 1
        return float(np.sum(0.5 * (p - 9) ** 2 + 50 * steep**2)), p - 9 + 100 * steep

    result = by_indicator(f, np.zeros(2), lambda p: p, steps=300)
    np.testing.assert_allclose(result.params, 9.0, rtol=1e-9)
    assert result.state.step_size > 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": projections.simplex()}, "the penalty is a partial; want a Penalty, as"),
        (
            {"penalty": {"h": 1}},
            r"the penalty is a mapping .*\['h'\] and the parameters are an array",
        ),
        ({"step_size": 0.0}, "step_size is 0.0; want a positive number"),
    ],
)
def test_a_wrong_penalty_is_named(change, message):
    given = {"penalty": proximal.soft_threshold(0.1), "steps": 2} | change
    with pytest.raises((TypeError, ValueError), match=message):
        optim.accelerated_proximal_gradient(lambda p: (1.0, p), np.ones(3), **given)


# --- largest curvature ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_the_largest_curvature_of_a_quadratic(row, dtype):
    H, c = problem(0, condition=20.0, dtype=complex if "complex" in dtype else float)
    f, start = on_row(row, H, c, dtype), row.array(np.ones(N), dtype)
    L = optim.lipschitz(f, start, iterations=60)
    assert type(L) is float
    assert 0.99 * 20 < L < 20 * (1 + (1e-3 if dtype == "float32" else 1e-9))
    assert optim.lipschitz(f, start, iterations=3) <= L
    assert optim.lipschitz(f, start) == optim.lipschitz(f, start, seed=0)
    assert optim.lipschitz(f, start, seed=1) != optim.lipschitz(f, start)


def test_curvatures_along_a_set_alone():
    ones = np.ones((N, N))  # a large curvature of the sum
    weight = np.linspace(1, 2, N)

    def value_and_grad(p):
        assert abs(p.sum() - 1) < 1e-12
        g = 100 * ones @ p + weight * p
        return 0.5 * float(p @ g), g

    L = optim.lipschitz(value_and_grad, np.full(N, 1 / N), projections.affine_sum(), iterations=50)
    assert 1.5 < L < 2
    at_vertex = np.eye(N)[0]
    assert 1 < optim.lipschitz(value_and_grad, at_vertex, projections.simplex()) < 2.01


def test_the_largest_of_the_curvatures_seen_a_hundredth_away():
    """The curvature changes with each evaluation, which is at ``p + w``, ``|w| = |p| / 100``."""
    curvatures = iter([0.0, 1.0, 5.0, 2.0])
    p, seen = np.asarray([3.0, 4.0]), []

    def value_and_grad(q):
        seen.append(np.linalg.norm(q - p))
        return 0.0, next(curvatures) * (q - p)

    assert optim.lipschitz(value_and_grad, p, iterations=3) == pytest.approx(5.0)
    np.testing.assert_allclose(seen, [0, 0.05, 0.05, 0.05], rtol=1e-12)


def test_at_a_vertex_the_curvatures_are_those_towards_the_set():
    """``diag(1, 10, 1000)``: along an edge from the vertex half a sum, inside of the set more."""
    weight = np.asarray([1.0, 10.0, 1000.0])

    def value_and_grad(p):
        return 0.5 * float(weight @ (p * p)), weight * p

    simplex, options = projections.simplex(), {"iterations": 100}
    at_vertex = optim.lipschitz(value_and_grad, np.eye(3)[0], simplex, **options)
    inside = optim.lipschitz(value_and_grad, np.full(3, 1 / 3), simplex, **options)
    along = np.eye(3) - 1 / 3
    largest = np.linalg.eigvalsh(along @ np.diag(weight) @ along)[-1]
    assert at_vertex <= 500.5 * (1 + 1e-9)
    assert inside == pytest.approx(largest)


def test_a_linear_function_has_no_curvature_and_iterations_are_counted():
    calls = []

    def value_and_grad(p):
        calls.append(p)
        return float(p.sum()), np.ones(3)

    assert optim.lipschitz(value_and_grad, np.zeros(3)) == 0.0
    f = quadratic(*problem())
    calls.clear()
    optim.lipschitz(lambda p: (calls.append(p), f(p))[1], np.zeros(N), iterations=7)
    assert len(calls) == 8
    with pytest.raises(ValueError, match="lipschitz: iterations is 0; want at least 1"):
        optim.lipschitz(f, np.zeros(N), iterations=0)
    with pytest.raises(optim.NonFiniteError, match="lipschitz: the loss is nan"):
        optim.lipschitz(lambda p: (math.nan, p), np.zeros(N))


# --- the stopping rule ------------------------------------------------------------------------


def test_the_projected_gradient_norm(row):
    p = {"a": row.array([0.0, 2.0, 1.0]), "b": row.array([1 + 1j], "complex128")}
    g = {"a": row.array([3.0, 1.0, -2.0]), "b": row.array([3 - 4j], "complex128")}
    nonnegative = {"a": projections.nonnegative()}
    assert optim.projected_gradient_norm(p, g) == pytest.approx(math.sqrt(14 + 25))
    got = optim.projected_gradient_norm(p, g, nonnegative)
    assert type(got) is float
    assert got == pytest.approx(math.sqrt(0 + 1 + 4 + 25))


def test_minimize_ends_by_the_same_rule():
    f = quadratic(*problem(condition=10.0))
    simplex = projections.simplex()
    result = optim.minimize(
        f, np.full(N, 1 / N), optim.sgd(0.1), steps=5000, project=simplex, tolerance=1e-6
    )
    assert result.converged
    assert result.steps < 1000
    norms = [optim.projected_gradient_norm(*f_at(f, result.params), simplex)]
    assert norms[0] <= 1e-6
    assert result.history[-1] == f(result.params)[0]
    free = optim.minimize(f, np.zeros(N), optim.sgd(0.1), steps=5000, tolerance=1e-6)
    assert free.converged
    assert np.linalg.norm(f(free.params)[1]) <= 1e-6
    never = optim.minimize(f, np.zeros(N), optim.sgd(0.1), steps=50)
    assert not never.converged
    with pytest.raises(ValueError, match=r"minimize: tolerance is -1.0; want 0 or more"):
        optim.minimize(f, np.zeros(N), optim.sgd(0.1), steps=50, tolerance=-1.0)
