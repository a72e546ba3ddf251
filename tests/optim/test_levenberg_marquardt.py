"""Damped Newton steps block by block: what they compute, what is safe, and how they end."""

import math
import sys

import numpy as np
import pytest
import scipy.optimize
from array_api_compat import array_namespace

import optim

STARTS = np.asarray([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.0], [0.5, 3.0], [1.0, 1.0]])


def rosenbrock(p):
    """Residuals ``10 (q - p^2), 1 - p`` of each block, and the Gauss-Newton matrices."""
    xp = array_namespace(p)
    x, y = p[..., 0], p[..., 1]
    one = xp.ones_like(x)
    r = xp.stack([10 * (y - x * x), 1 - x], axis=-1)
    J = xp.stack(
        [xp.stack([-20 * x, 10 * one], axis=-1), xp.stack([-one, 0 * one], axis=-1)], axis=-2
    )
    JT = xp.matrix_transpose(J)
    gradient = xp.matmul(JT, r[..., None])[..., 0]
    return xp.sum(r * r, axis=-1) / 2, gradient, xp.matmul(JT, J)


def double_well(p):
    """``(x^2 - 1)^2 / 4 + y^2 / 2`` with its exact Hessian, indefinite between the wells."""
    x, y = p[..., 0], p[..., 1]
    blocks = np.zeros((*p.shape, 2))
    blocks[..., 0, 0], blocks[..., 1, 1] = 3 * x * x - 1, 1
    return (x * x - 1) ** 2 / 4 + y * y / 2, np.stack([x * (x * x - 1), y], axis=-1), blocks


def arctangent(p):
    """``atan(x)^2 / 2``, on which undamped steps from beyond 1.4 diverge."""
    r, slope = np.arctan(p), 1 / (1 + p * p)
    return np.sum(r * r, axis=-1) / 2, slope * r, slope[..., None] ** 2 * np.eye(p.shape[-1])


# --- what it computes -----------------------------------------------------------------------


def plainly(function, p, steps, damping):
    """One block after Madsen, Nielsen and Tingleff, section 3.2, with Moré's diagonal."""
    value, g, H = function(p)
    mu, nu, D, values = damping, 2.0, np.diag(H), [value]
    for _ in range(steps - 1):
        if not np.any(g):
            values.append(value)
            continue
        h = -np.linalg.solve(H + mu * np.diag(D), g)
        new = function(p + h)
        ratio = (value - new[0]) / (0.5 * h @ (mu * D * h - g))
        if ratio > 0:
            p, (value, g, H) = p + h, new
            D = np.maximum(D, np.diag(H))
            mu, nu = mu * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 2.0
        else:
            mu, nu = mu * nu, 2 * nu
        values.append(value)
    return p, values


@pytest.mark.parametrize("damping", [1e-6, 1e-3, 1.0])
def test_each_block_goes_as_the_paper_says(damping):
    steps = 12
    result = optim.levenberg_marquardt(rosenbrock, STARTS[:4], steps=steps, damping=damping)
    alone = [plainly(rosenbrock, p, steps, damping) for p in STARTS[:4]]
    np.testing.assert_allclose(result.params, [p for p, _ in alone], rtol=1e-8, atol=1e-12)
    losses = np.sum([v for _, v in alone], axis=0)
    np.testing.assert_allclose(result.history, losses, rtol=1e-6, atol=1e-20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_converges_on_every_row_and_keeps_what_it_was_given(row, dtype):
    start = row.array(STARTS, dtype)
    result = optim.levenberg_marquardt(rosenbrock, start, steps=60)
    assert row.owns(result.params, dtype)
    for field in result.state[1:]:
        assert row.owns(field, dtype)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(row.numpy(result.params), 1.0, atol=tolerance)
    np.testing.assert_array_equal(row.numpy(start), STARTS.astype(dtype))


@pytest.mark.parametrize("units", [(1.0, 1e3), (1e-6, 1e6), (2.0**40, 2.0**-40)])
@pytest.mark.parametrize("name", ["rosenbrock", "double_well"])
def test_the_units_of_the_parameters_do_not_matter(name, units):
    """``f(u q)`` from ``q = p / u`` goes as `f` from `p`, each parameter in a unit of its own."""
    function, start = {
        "rosenbrock": (rosenbrock, STARTS),
        "double_well": (double_well, np.asarray([[0.3, 2.0], [3.0, -1.0]])),
    }[name]
    u = np.asarray(units)

    def in_units(q):
        values, gradient, blocks = function(q * u)
        return values, gradient * u, blocks * u * u[:, None]

    want = optim.levenberg_marquardt(function, start, steps=25)
    got = optim.levenberg_marquardt(in_units, start / u, steps=25)
    np.testing.assert_allclose(got.params * u, want.params, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.history, want.history, rtol=1e-5, atol=1e-12)


def test_blocks_do_not_see_each_other():
    together = optim.levenberg_marquardt(rosenbrock, STARTS.reshape(5, 1, 2), steps=9)
    for i, start in enumerate(STARTS):
        alone = optim.levenberg_marquardt(rosenbrock, start, steps=9)  # values of no dimensions
        np.testing.assert_array_equal(together.params[i, 0], alone.params)


def test_converges_quadratically_where_the_residual_is_zero():
    errors = []
    optim.levenberg_marquardt(
        rosenbrock,
        np.asarray([[1.1, 1.0], [0.8, 0.7]]),
        steps=8,
        damping=1e-12,
        callback=lambda *at: errors.append(np.abs(at[2] - 1).max()),
    )
    e = np.asarray(errors)
    near = (e[:-1] < 0.5) & (e[:-1] > 1e-7)
    assert np.count_nonzero(near) >= 2
    assert np.all(e[1:][near] < 20 * e[:-1][near] ** 2)
    assert e[-1] < 1e-13


def test_agrees_with_scipy_on_a_fit_with_noise():
    t = np.linspace(0, 4, 30)
    data = 2.5 * np.exp(-1.3 * t) + 0.1 * np.random.default_rng(0).standard_normal((6, 30))

    def residual(p):
        return p[..., :1] * np.exp(-p[..., 1:] * t) - data

    def function(p):
        e = np.exp(-p[..., 1:] * t)
        J = np.stack([e, -p[..., :1] * t * e], axis=-1)
        r, JT = residual(p), np.swapaxes(J, -1, -2)
        return np.sum(r * r, axis=-1) / 2, (JT @ r[..., None])[..., 0], JT @ J

    ours = optim.levenberg_marquardt(function, np.ones((6, 2)), steps=40)
    for i in range(6):
        theirs = scipy.optimize.least_squares(
            lambda p, i=i: p[0] * np.exp(-p[1] * t) - data[i], np.ones(2), xtol=1e-14, ftol=1e-14
        )
        np.testing.assert_allclose(ours.params[i], theirs.x, rtol=1e-6)


# --- what is safe ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "start", "low"),
    [
        (rosenbrock, STARTS, 0.0),
        (double_well, np.asarray([[0.1, 2.0], [-0.4, 1.0], [3.0, -1.0], [1e-8, 1e-8]]), 0.0),
        (arctangent, np.asarray([[3.0], [-20.0], [0.3]]), 0.0),
    ],
)
def test_no_block_ever_gets_worse(function, start, low):
    seen = []
    result = optim.levenberg_marquardt(
        function, start, steps=60, damping=1e-12, callback=lambda *at: seen.append(at[2])
    )
    values = np.asarray([function(p)[0] for p in seen])
    assert np.all(np.diff(values, axis=0) <= 0)
    assert np.all(np.diff(result.history) <= 0)
    np.testing.assert_allclose(values[-1], low, atol=1e-20)
    assert result.params is result.best_params is result.state.params
    np.testing.assert_array_equal(result.state.values, function(result.params)[0])


def test_a_bad_step_of_one_block_is_no_hindrance_to_the_others():
    start = np.asarray([[3.0], [0.3]])
    undamped = start - np.arctan(start) * (1 + start * start)
    assert abs(undamped[0, 0]) > 3  # worse
    result = optim.levenberg_marquardt(arctangent, start, steps=2, damping=1e-12)
    assert result.params[0, 0] == 3.0
    np.testing.assert_allclose(result.params[1], undamped[1], rtol=1e-9)
    np.testing.assert_allclose(result.state.damping, [2e-12, 1e-12])
    np.testing.assert_array_equal(result.state.growth, [4.0, 2.0])


def test_a_negative_curvature_counts_by_its_size():
    start = np.asarray([[0.5, 1.0]])  # curvatures -1/4 and 1
    state = optim.levenberg_marquardt(double_well, start, steps=1, damping=0.1).state
    np.testing.assert_allclose(state.trial - start, [[1.5 / 1.1, -1 / 1.1]])


def test_singular_blocks_move_where_they_can(row):
    """No signal at all; one direction alone; a slope without curvature."""
    flat = row.array([[0, 0], [0, 0], [0, 1]])
    along = row.array([[0, 0], [1, 1], [0, 0]])
    xp = row.xp

    def function(p):
        s = xp.sum(along * p, axis=-1) - row.array([0.0, 3.0, 0.0])
        values = s * s / 2 + xp.sum(flat * p, axis=-1)
        return values, along * s[..., None] + flat, along[..., None] * along[..., None, :]

    start = row.array([[5.0, 7.0], [0.0, 1.0], [2.0, 2.0]])
    result = optim.levenberg_marquardt(function, start, steps=30)
    p = row.numpy(result.params)
    np.testing.assert_array_equal(p[0], [5.0, 7.0])
    np.testing.assert_allclose(p[1], [1.0, 2.0], rtol=1e-9)  # the shortest way
    assert p[2, 0] == 2.0
    assert p[2, 1] < -1.0
    assert np.all(np.isfinite(p))
    rested = row.numpy(result.state.damping)[0], row.numpy(result.state.growth)[0]
    assert rested == (1e-3, 2.0)  # what has not moved has learned nothing


@pytest.mark.parametrize("curvature", [0.0, 5e-324, 1e-310, 1e-200])
@pytest.mark.parametrize("slope", [1e-200, 1e-3, 1.0])
def test_a_slope_with_hardly_any_curvature_leads_down_and_does_not_converge(curvature, slope):
    def function(p):
        values, gradient = slope * np.tanh(p[..., 0]), np.zeros_like(p)
        gradient[..., 0] = slope * (1 - np.tanh(p[..., 0]) ** 2)
        return values, gradient, np.full((1, 2, 2), curvature) * np.eye(2)

    start = np.asarray([[0.5, 3.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        first = optim.levenberg_marquardt(function, start, steps=1)
        result = optim.levenberg_marquardt(function, start, steps=200)
    assert not first.converged
    assert result.best_value < -0.99 * slope
    assert result.params[0, 1] == 3.0


def test_nothing_that_moves_is_the_end():
    zero = np.zeros((4, 2))
    result = optim.levenberg_marquardt(
        lambda _: (np.ones(4), zero, np.zeros((4, 2, 2))), zero, steps=900
    )
    assert result.steps == 1
    assert result.best_value == 4.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_what_is_not_finite_on_the_way_is_a_step_not_taken(bad, where):
    calls = iter(range(100))

    def function(p):
        found = rosenbrock(p)
        if next(calls) == 1:
            found[where][0] = bad
        return found

    starts = STARTS[::-1][1:]
    result = optim.levenberg_marquardt(function, starts, steps=2)
    clean = optim.levenberg_marquardt(rosenbrock, starts, steps=2)
    assert np.any(clean.params[0] != starts[0])
    np.testing.assert_array_equal(result.params[0], starts[0])
    np.testing.assert_array_equal(result.params[1:], clean.params[1:])
    calls = iter(range(100))
    assert optim.levenberg_marquardt(function, starts, steps=60).best_value < 1e-20


@pytest.mark.parametrize("where", [0, 1, 2])
def test_what_is_not_finite_at_the_start_is_an_error(where):
    def function(p):
        found = rosenbrock(p)
        found[where][1:3] = math.nan
        return found

    with pytest.raises(
        optim.NonFiniteError,
        match=r"levenberg_marquardt: at step 0 .* is not finite in 2 of 5 blocks; want finite",
    ) as caught:
        optim.levenberg_marquardt(function, STARTS, steps=3)
    assert caught.value.result.params is STARTS
    assert caught.value.result.steps == 0


def test_the_damping_stays_in_its_range():
    def uphill(p):  # whose gradient is a lie
        return np.sum(p * p, axis=-1), -2 * p, 2 * np.eye(2)[None, ...] + np.zeros((3, 1, 1))

    start = np.asarray([[1e-300, 1.0], [0.0, 1.0], [1.0, 1.0]])
    result = optim.levenberg_marquardt(uphill, start, steps=200)
    np.testing.assert_array_equal(result.params, start)
    assert result.state.damping.max() <= 1e16
    assert result.state.growth.max() <= 2**20
    good = optim.levenberg_marquardt(rosenbrock, STARTS, steps=200, damping=1e-12)
    assert good.state.damping.min() >= 1e-12


# --- how it ends ----------------------------------------------------------------------------


def test_the_loss_of_each_evaluation_and_no_more_than_asked_for():
    calls = []

    def function(p):
        calls.append(p)
        return rosenbrock(p)

    result = optim.levenberg_marquardt(function, STARTS, steps=5)
    assert len(calls) == result.steps == len(result.history) == result.state.step == 5
    assert np.array_equal(calls[0], STARTS)
    assert result.history[0] == pytest.approx(float(np.sum(rosenbrock(STARTS)[0])))
    assert result.best_value == result.history[-1]
    nothing = optim.levenberg_marquardt(pytest.fail, STARTS, steps=0)
    assert nothing.params is nothing.best_params is STARTS
    assert nothing.history == []


def test_ends_when_no_parameter_would_move_farther_than_the_tolerance():
    far = optim.levenberg_marquardt(rosenbrock, STARTS, steps=100, tolerance=1e-3)
    near = optim.levenberg_marquardt(rosenbrock, STARTS, steps=100, tolerance=1e-9)
    assert far.steps < near.steps < 40
    assert np.abs(far.state.trial - far.params).max() <= 1e-3
    assert np.abs(near.params - 1).max() < 1e-9


def test_the_callback_sees_the_best_with_its_loss_and_may_stop():
    seen = []

    def callback(step, value, p):
        assert value == float(np.sum(rosenbrock(p)[0]))
        seen.append(step)
        return step == 3

    result = optim.levenberg_marquardt(rosenbrock, STARTS, steps=9, callback=callback)
    assert seen == [0, 1, 2, 3]
    assert result.steps == 4


@pytest.mark.parametrize("n", [0, 1, 4])
def test_an_interrupt_returns_the_last_completed_step(n):
    calls = iter(range(100))

    def function(p):
        if next(calls) == n:
            raise KeyboardInterrupt
        return rosenbrock(p)

    result = optim.levenberg_marquardt(function, STARTS, steps=50)
    want = optim.levenberg_marquardt(rosenbrock, STARTS, steps=n)
    assert result.interrupted
    assert result.steps == n
    assert result.history == want.history
    np.testing.assert_array_equal(result.params, want.params)


def test_the_bar_shows_the_loss(capsys, monkeypatch):
    pytest.importorskip("tqdm")
    optim.levenberg_marquardt(rosenbrock, STARTS, steps=3, progress=True)
    assert "3/3" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"levenberg_marquardt: progress=True needs tqdm"):
        optim.levenberg_marquardt(rosenbrock, STARTS, steps=1, progress=True)


def returning(index, change):
    def function(p):
        found = list(rosenbrock(p))
        found[index] = change(found[index])
        return tuple(found)

    return {"function": function}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": STARTS + 0j}, "params is .* complex128.*; want a real floating-point"),
        ({"params": {"k": STARTS}}, "params is a mapping .*; want a real floating-point array"),
        ({"params": np.zeros((3, 2), int)}, "int64.*; want a real floating-point array"),
        ({"params": np.zeros((0, 2))}, r"shape \(0, 2\).* want the shape \(..., d\), not empty"),
        ({"params": np.asarray(1.0)}, r"shape \(\).*; want the shape"),
        ({"damping": 0.0}, "damping is 0.0; want 1e-12 <= damping"),
        ({"damping": math.nan}, "damping is nan"),
        ({"tolerance": -1.0}, "tolerance is -1.0; want 0 or more"),
        ({"steps": -1}, "levenberg_marquardt: steps is -1; want 0 or more"),
        ({"function": lambda p: (p, p)}, "function returned a tuple; want the three"),
        ({"function": lambda p: p}, r"function returned an array.*; want the three"),
        (returning(0, np.sum), r"the array of values is .*shape \(\).*; want .*shape \(5,\)"),
        (returning(1, lambda g: g[:2]), r"the gradient is .*\(2, 2\).*; want .*\(5, 2\)"),
        (returning(2, lambda H: H[0]), r"the array of blocks .*\(2, 2\).*want .*\(5, 2, 2\)"),
        (returning(2, lambda H: H.astype("f4")), "the array of blocks .*float32.*want .*float64"),
    ],
)
def test_a_wrong_argument_is_named(change, message):
    arguments = {"function": rosenbrock, "params": STARTS, "steps": 2} | change
    with pytest.raises((TypeError, ValueError), match=message):
        optim.levenberg_marquardt(arguments.pop("function"), arguments.pop("params"), **arguments)


def test_a_function_may_fill_the_same_arrays_again_and_again():
    values, gradient, blocks = np.empty(1), np.empty((1, 1)), np.full((1, 1, 1), 2.0)

    def function(p):
        values[:], gradient[:] = (p[:, 0] - 3) ** 2, 2 * (p - 3)
        p[:] = np.nan  # and do as it likes with what it was given
        return values, gradient, blocks

    start = np.zeros((1, 1))
    result = optim.levenberg_marquardt(function, start, steps=10)
    np.testing.assert_allclose(result.params, 3.0)
    assert start == 0.0


def test_a_step_that_is_no_number_is_not_tried():
    seen = []

    def function(p):
        seen.append(p)
        return np.sum(p, axis=-1), np.ones_like(p), np.full((1, 1, 1), 1e-310)

    with np.errstate(over="ignore"):
        optim.levenberg_marquardt(function, np.zeros((1, 1)), steps=3)
    assert np.all(np.isfinite(seen))
