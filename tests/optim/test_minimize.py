"""Promises of the loop: its result, the order of its events, and its end."""

import math
import sys

import numpy as np
import pytest
import scipy.optimize

import optim
from optim import _loop

CENTRE = [0.5, -1.5, 3.0]


def quadratic(p):
    """``sum |p - c|^2 / 2`` for NumPy."""
    d = p - np.asarray(CENTRE)
    return 0.5 * float(np.sum(d * d)), d


def trajectory(opt, steps, project=lambda p: p, p=None):
    """The parameters and losses of `steps` steps, without `minimize`."""
    points = [np.zeros(3) if p is None else p]
    state = opt.init(points[0])
    for _ in range(steps):
        p, state = opt.update(quadratic(points[-1])[1], state, points[-1])
        points.append(project(p))
    return points, [quadratic(p)[0] for p in points]


def raise_at(step, error, f):
    """Make `f` raise at its call number `step`."""
    calls = iter(range(step + 1))

    def wrapped(*args):
        if next(calls) == step:
            raise error
        return f(*args)

    return wrapped


# --- what it returns ------------------------------------------------------------------------


def test_history_is_the_loss_of_each_point_the_last_included():
    opt = optim.sgd(0.3, momentum=0.5)
    points, losses = trajectory(opt, 7)
    result = optim.minimize(quadratic, np.zeros(3), opt, steps=7)
    assert result.history == losses
    assert len(losses) == 8
    assert all(type(value) is float for value in result.history)
    np.testing.assert_array_equal(result.params, points[7])
    assert result.history[-1] == quadratic(result.params)[0]
    assert result.steps == result.state.step == 7
    assert result.interrupted is False


def test_best_is_the_lowest_of_the_history():
    opt = optim.sgd(0.9, momentum=0.9)  # overshoots
    points, losses = trajectory(opt, 20)
    result = optim.minimize(quadratic, np.zeros(3), opt, steps=20)
    lowest = int(np.argmin(losses))
    assert 0 < lowest < 19
    assert result.best_value == min(result.history) == losses[lowest]
    np.testing.assert_array_equal(result.best_params, points[lowest])


def test_the_last_point_may_be_the_best():
    result = optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=4)
    assert result.best_params is result.params
    assert result.best_value == result.history[-1] < result.history[-2]


def test_of_equal_losses_the_first_is_the_best():
    result = optim.minimize(lambda p: (1.0, p), np.ones(3), optim.sgd(0.1), steps=3)
    np.testing.assert_array_equal(result.best_params, 1.0)


def test_no_steps_return_the_start_and_its_loss():
    start, seen = np.zeros(3), []
    result = optim.minimize(
        quadratic, start, optim.sgd(0.1), steps=0, callback=lambda *at: seen.append(at)
    )
    assert result.params is result.best_params is start
    assert result.history == [quadratic(start)[0]] == [result.best_value]
    assert result.steps == 0
    assert [(step, value) for step, value, _ in seen] == [(0, result.best_value)]


@pytest.mark.parametrize("tolerance", [2.0, 1e-3])
def test_a_tolerance_ends_at_a_point_and_counts_its_updates(tolerance):
    opt = optim.sgd(0.3)
    points, losses = trajectory(opt, 40)
    met = [np.linalg.norm(quadratic(p)[1]) <= tolerance for p in points].index(True)
    result = optim.minimize(quadratic, np.zeros(3), opt, steps=40, tolerance=tolerance)
    assert result.converged
    assert result.steps == result.state.step == met
    assert result.history == losses[: met + 1]
    np.testing.assert_array_equal(result.params, points[met])
    assert optim.minimize(quadratic, np.zeros(3), opt, steps=met, tolerance=tolerance).converged
    early = optim.minimize(quadratic, np.zeros(3), opt, steps=met - 1, tolerance=tolerance)
    assert not early.converged


def test_a_function_may_fill_the_same_array_again_and_again():
    same, opt = np.empty(3), optim.adam(0.3)

    def filling(p):
        value, same[:] = quadratic(p)
        return value, same

    want = optim.minimize(quadratic, np.zeros(3), opt, steps=9)
    result = optim.minimize(
        filling, np.zeros(3), opt, steps=9, callback=lambda *_: filling(np.ones(3))[0] < 0
    )
    assert result.history == want.history


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_keeps_namespace_device_and_dtype(row, dtype):
    c = row.array(CENTRE, dtype)
    xp = row.xp

    def value_and_grad(p):
        d = p - c
        return xp.sum(xp.abs(d) ** 2) / 2, d

    start = row.array([0.0, 0.0, 0.0], dtype)
    result = optim.minimize(value_and_grad, start, optim.sgd(0.5), steps=40)
    assert row.owns(result.params, dtype)
    assert row.owns(result.best_params, dtype)
    assert type(result.history[0]) is float
    np.testing.assert_allclose(row.numpy(result.params), CENTRE, rtol=1e-6)
    np.testing.assert_array_equal(row.numpy(start), 0.0)


@pytest.mark.parametrize("make", [float, int, np.float32, np.float64, np.asarray])
def test_the_loss_may_be_any_real_scalar(make):
    result = optim.minimize(lambda p: (make(2.0), p), np.zeros(3), optim.sgd(0.1), steps=1)
    assert result.history == [2.0, 2.0]
    assert type(result.history[0]) is float


def test_agrees_with_scipy_under_bounds():
    low, high = -1.0, 2.0
    A = np.asarray([[3.0, 0.5, 0.2], [0.5, 2.0, -0.3], [0.2, -0.3, 1.0]])

    def value_and_grad(p):
        d = p - np.asarray(CENTRE)
        return 0.5 * float(d @ A @ d), A @ d

    theirs = scipy.optimize.minimize(
        value_and_grad,
        np.zeros(3),
        jac=True,
        method="L-BFGS-B",
        bounds=[(low, high)] * 3,
        options={"ftol": 0.0, "gtol": 1e-12},
    )
    box = optim.projections.box(low, high)
    ours = optim.minimize(value_and_grad, np.zeros(3), optim.sgd(0.3), steps=300, project=box)
    np.testing.assert_allclose(ours.params, theirs.x, rtol=0, atol=1e-9)
    assert ours.params[1] == low
    assert ours.params[2] == high


# --- projections ----------------------------------------------------------------------------


def test_projects_after_each_update_and_not_the_start():
    opt = optim.adam(0.4)
    project = optim.projections.simplex()
    start = np.asarray([5.0, -5.0, 0.0])
    points, losses = trajectory(opt, 5, project, start)
    seen = []
    result = optim.minimize(
        quadratic,
        start,
        opt,
        steps=5,
        project=project,
        callback=lambda *at: seen.append(at[2]),
    )
    assert seen[0] is start
    assert result.history == losses
    assert seen[-1] is result.params
    for p, q in zip(seen, points, strict=True):
        np.testing.assert_array_equal(p, q)


def test_projects_by_name_and_leaves_the_others_alone():
    def value_and_grad(p):
        return float(np.sum(p["a"] + p["b"])), {"b": np.ones(2), "a": np.ones(2)}

    start = {"a": np.zeros(2), "b": np.zeros(2)}
    result = optim.minimize(
        value_and_grad, start, optim.sgd(1.0), steps=2, project={"b": lambda b: b + 10.0}
    )
    assert list(result.params) == ["a", "b"]
    np.testing.assert_array_equal(result.params["a"], [-2.0, -2.0])
    np.testing.assert_array_equal(result.params["b"], [18.0, 18.0])


def test_a_callable_projects_the_whole_mapping():
    def swap(p):
        return {"a": p["b"], "b": p["a"]}

    start = {"a": np.zeros(2), "b": np.ones(2)}
    result = optim.minimize(lambda p: (0.0, p), start, optim.sgd(0.0), steps=1, project=swap)
    np.testing.assert_array_equal(result.params["a"], [1.0, 1.0])


@pytest.mark.parametrize("params", [{"psf": np.zeros(3)}, np.zeros(3)])
def test_an_unknown_name_is_an_error_before_the_first_step(params):
    with pytest.raises(ValueError, match=r"the projection is a mapping with the names \['pfs'\]"):
        optim.minimize(None, params, optim.sgd(0.1), steps=1, project={"pfs": lambda p: p})


# --- how it ends ----------------------------------------------------------------------------


def test_the_callback_sees_each_value_with_its_parameters_and_may_stop():
    seen = []

    def callback(step, value, p):
        assert value == quadratic(p)[0]
        seen.append(step)
        return step == 3

    opt = optim.sgd(0.3)
    points, _ = trajectory(opt, 4)
    result = optim.minimize(quadratic, np.zeros(3), opt, steps=9, callback=callback)
    assert seen == [0, 1, 2, 3]
    assert result.steps == len(result.history) - 1 == 3
    assert result.interrupted is False
    np.testing.assert_array_equal(result.params, points[3])


def test_the_callback_sees_the_last_point_too():
    seen = []
    result = optim.minimize(
        quadratic, np.zeros(3), optim.sgd(0.3), steps=4, callback=lambda *at: seen.append(at)
    )
    assert [step for step, _, _ in seen] == [0, 1, 2, 3, 4]
    assert [value for _, value, _ in seen] == result.history
    assert seen[-1][2] is result.params


@pytest.mark.parametrize("where", ["value_and_grad", "update", "project", "callback"])
def test_an_interrupt_returns_the_last_completed_step(where):
    n = 4
    opt = optim.adam(0.3)
    points, losses = trajectory(opt, n + 1)
    parts = {
        "value_and_grad": quadratic,
        "update": opt.update,
        "project": lambda p: p,
        "callback": lambda *_: None,
    }
    parts[where] = raise_at(n, KeyboardInterrupt, parts[where])
    result = optim.minimize(
        parts["value_and_grad"],
        np.zeros(3),
        optim.Optimizer(opt.init, parts["update"]),
        steps=50,
        project=parts["project"],
        callback=parts["callback"],
    )
    # Call number n of the update and the projection is that of point n + 1.
    done = n if where != "value_and_grad" else n - 1
    assert result.interrupted is True
    assert result.steps == result.state.step == done
    assert result.history == losses[: done + 1]
    assert result.best_value == min(losses[: done + 1])
    np.testing.assert_array_equal(result.params, points[done])


def test_an_interrupt_before_the_first_loss_returns_the_start():
    start = np.zeros(3)
    f = raise_at(0, KeyboardInterrupt, quadratic)
    result = optim.minimize(f, start, optim.sgd(0.1), steps=9)
    assert result.interrupted is True
    assert result.params is result.best_params is start
    assert (result.steps, result.history, result.best_value) == (0, [], math.inf)


def test_an_interrupt_at_any_line_leaves_no_half_step():
    steps = 3
    opt = optim.sgd(0.3)
    points, losses = trajectory(opt, steps)
    files = {optim.minimize.__code__.co_filename, _loop.run.__code__.co_filename}
    ends = set()
    for line in range(400):
        countdown = iter(range(line + 1))

        def trace(frame, event, arg, countdown=countdown, line=line):
            if frame.f_code.co_filename not in files:
                return None
            if event == "line" and next(countdown, -1) == line:
                raise KeyboardInterrupt
            return trace

        outer = sys.gettrace()
        sys.settrace(trace)
        try:
            result = optim.minimize(quadratic, np.zeros(3), opt, steps=steps)
        except KeyboardInterrupt:
            continue  # before or after the loop
        finally:
            sys.settrace(outer)
        ends.add((len(result.history), result.interrupted))
        assert result.steps == result.state.step
        reached = 0 if result.best_value == math.inf else result.steps + 1
        assert result.history == losses[:reached]
        assert result.best_value == min(result.history, default=math.inf)
        np.testing.assert_array_equal(result.params, points[result.steps])
    assert {(0, True), (1, True), (2, True), (3, True), (4, False)} <= ends


def test_a_loss_that_is_not_finite_is_an_error_with_the_result_so_far(row):
    start = row.array(CENTRE)
    losses = iter([3.0, 2.0, math.nan])
    with pytest.raises(optim.NonFiniteError, match="at step 2 the loss is nan") as caught:
        optim.minimize(lambda p: (next(losses), p), start, optim.sgd(0.5), steps=9)
    result = caught.value.result
    assert result.history == [3.0, 2.0]
    assert result.best_value == 2.0
    assert result.steps == 1
    np.testing.assert_array_equal(row.numpy(result.params), np.asarray(CENTRE) / 2)
    assert isinstance(caught.value, FloatingPointError)


@pytest.mark.parametrize(
    ("bad", "dtype"),
    [(math.nan, "float32"), (math.inf, "float64"), (complex(0.0, math.nan), "complex64")],
)
def test_a_gradient_that_is_not_finite_is_an_error_that_names_it(row, bad, dtype):
    fine = row.array(np.ones((2, 3)), dtype)
    fault = row.array([[1.0, bad, 1.0], [-1.0, 1.0, bad]], dtype)
    gradients = iter([{"a": fine, "psf": fine}, {"a": fine, "psf": fault}])
    with pytest.raises(
        optim.NonFiniteError,
        match="at step 1 the gradient of 'psf' is not finite in 2 of 6 entries; want",
    ) as caught:
        optim.minimize(
            lambda _: (1.0, next(gradients)), {"a": fine, "psf": fine}, optim.sgd(1.0), steps=9
        )
    assert caught.value.result.steps == 0
    np.testing.assert_array_equal(row.numpy(caught.value.result.params["psf"]), 1.0)


def test_a_lone_gradient_that_is_not_finite_has_no_name():
    with pytest.raises(optim.NonFiniteError, match="the gradient is not finite in 1 of 3 entries"):
        optim.minimize(
            lambda _: (1.0, np.asarray([0, math.inf, 0])), np.zeros(3), optim.sgd(1.0), steps=1
        )


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1.0 + 0j, TypeError, "the loss is a complex; want a real number"),
        (np.asarray(1j), TypeError, r"the loss is .* dtype complex128.*; want a real number"),
        (np.complex64(1), TypeError, r"the loss is .* dtype complex64.*; want a real number"),
        (
            np.ones(1),
            ValueError,
            r"the loss is .*shape \(1,\).*; want a number or an array of no",
        ),
        ("1.0", TypeError, "the loss is a str; want a real number"),
        (None, TypeError, "the loss is a NoneType; want a real number"),
    ],
)
def test_a_loss_that_is_no_real_scalar_is_an_error(value, error, message):
    with pytest.raises(error, match=message):
        optim.minimize(lambda p: (value, p), np.zeros(3), optim.sgd(0.1), steps=1)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [(np.zeros(2), r"an array .* shape \(2,\)"), ([0.0] * 3, "a list"), (None, "a NoneType")],
)
def test_a_gradient_unlike_the_parameters_is_an_error(gradient, message):
    with pytest.raises(ValueError, match=f"the gradient is {message}.*; want an array of numpy"):
        optim.minimize(lambda _: (1.0, gradient), np.zeros(3), optim.sgd(0.1), steps=1)


def test_steps_are_counted_from_zero():
    with pytest.raises(ValueError, match="minimize: steps is -1; want 0 or more"):
        optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=-1)
    with pytest.raises(TypeError):
        optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=1.5)


# --- the progress bar -----------------------------------------------------------------------


def test_the_bar_shows_the_loss_and_is_drawn_seldom(capsys):
    pytest.importorskip("tqdm")
    steps = 2000
    optim.minimize(quadratic, np.zeros(3), optim.sgd(0.0), steps=steps, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{steps}/{steps}" in err
    assert "loss 5.75" in err
    assert err.count("\r") < steps / 10


def test_the_bar_is_closed_by_an_interrupt(capsys):
    pytest.importorskip("tqdm")
    f = raise_at(2, KeyboardInterrupt, quadratic)
    result = optim.minimize(f, np.zeros(3), optim.sgd(0.0), steps=9, progress=True)
    assert result.interrupted
    assert "1/9" in capsys.readouterr().err


def test_nothing_is_printed_without_it(capsys):
    optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=50)
    assert capsys.readouterr() == ("", "")


def test_the_bar_without_tqdm_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[app\]"'):
        optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=1, progress=True)
    optim.minimize(quadratic, np.zeros(3), optim.sgd(0.1), steps=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": optim.adam}, "optimizer is a function; want an Optimizer"),
        ({"value_and_grad": lambda p: p.sum()}, "want the pair"),
        ({"project": lambda p: p[:1]}, "the result of the projection is an array .* want"),
        ({"project": lambda _: None}, "the result of the projection is a NoneType"),
        ({"project": lambda p: p.astype("f4")}, "float32.* want .*float64"),
    ],
)
def test_a_wrong_argument_is_named(change, message):
    arguments = {
        "value_and_grad": lambda p: (0.5 * (p @ p), p),
        "params": np.ones(3),
        "optimizer": optim.sgd(0.1),
        "steps": 2,
    } | change
    with pytest.raises((TypeError, ValueError), match=message):
        optim.minimize(**arguments)
