"""Limited-memory BFGS for many problems at once: each goes as it would alone."""

import numpy as np
import pytest

import optim
from optim import projections

N, MANY = 8, 6


def quadratics(dtype=float):
    """``<p - c, H (p - c)> / 2`` of many problems, whose curvatures differ.

    By few orders: rounding grows with the evaluations, and changes their number.
    """
    rng = np.random.default_rng(0)

    def normal(*shape):
        real = rng.normal(size=shape)
        return real + 1j * rng.normal(size=shape) if dtype is complex else real

    Q, _ = np.linalg.qr(normal(MANY, N, N))
    H = Q * np.geomspace(1, np.geomspace(3, 100, MANY), N).T[:, None, :] @ np.conj(Q.mT)
    c = 0.5 * normal(MANY, N)

    def value_and_grad(p):
        d = p - c
        g = (H @ d[..., None])[..., 0]
        return 0.5 * np.sum(np.real(np.conj(d) * g), axis=-1), g

    return value_and_grad


def rosenbrocks(p):
    """The chain of Rosenbrock's function for each row."""
    r = p[:, 1:] - p[:, :-1] ** 2
    g = np.zeros_like(p)
    g[:, :-1] += -400 * p[:, :-1] * r - 2 * (1 - p[:, :-1])
    g[:, 1:] += 200 * r
    return np.sum(100 * r * r + (1 - p[:, :-1]) ** 2, axis=-1), g


def counted(f):
    calls = []

    def g(p):
        calls.append(p.copy())
        return f(p)

    return g, calls


def keep(points):
    """Return a callback that keeps each point."""
    return lambda *at: points.append(at[-1])


def alone(f, start, i, projection, **options):
    """Minimise the problem `i` by itself; return the result and the number of evaluations."""

    def one(p):
        whole = start.copy()
        whole[i] = p
        values, gradient = f(whole)
        return float(values[i]), gradient[i]

    one, calls = counted(one)
    return optim.lbfgs(one, start[i], projection, **options), len(calls)


SCATTERED = np.random.default_rng(1).normal(size=(MANY, N))
SMOOTH = {
    "quadratics": (quadratics(), np.zeros((MANY, N))),
    "complex": (quadratics(complex), np.zeros((MANY, N), complex)),
    "rosenbrocks": (rosenbrocks, SCATTERED),
}


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("name", SMOOTH)
def test_each_problem_goes_as_it_does_alone(name, diagonal):
    f, start = SMOOTH[name]
    options = {"steps": 300, "tolerance": 1e-5, "diagonal": diagonal, "memory": 5}
    batch, calls = counted(f)
    together, most = [], 0
    result = optim.lbfgs(batch, start, axes=-1, callback=keep(together), **options)
    assert result.converged
    for i in range(MANY):
        points = []
        _, count = alone(f, start, i, None, callback=keep(points), **options)
        path = [
            p[i]
            for p, q in zip(together, [None, *together], strict=False)
            if q is None or not np.array_equal(p[i], q[i])
        ]
        # Later, rounding has grown.
        np.testing.assert_allclose(path[:10], points[:10], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(path[-1], points[-1], atol=2e-5)
        most = max(most, count)
    # The slowest sets the number; the sum of all would need several times as many.
    assert len(calls) == pytest.approx(most, rel=0.1)


SETS = {
    "box": (quadratics(), np.zeros((MANY, N)), projections.box(-0.3, 0.3)),
    "simplex": (quadratics(), np.full((MANY, N), 1 / N), projections.simplex(axes=-1)),
    "ball": (rosenbrocks, 0.1 * SCATTERED, projections.l2_ball(1.5, axes=-1)),
}


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("name", SETS)
def test_on_a_set_each_meets_the_minimum_that_it_has_alone(name, diagonal):
    f, start, projection = SETS[name]
    options = {"steps": 300, "tolerance": 1e-5, "diagonal": diagonal}
    batch, calls = counted(f)
    result = optim.lbfgs(batch, start, projection, axes=-1, **options)
    assert result.converged
    single = projections.simplex() if name == "simplex" else projection
    single = projections.l2_ball(1.5) if name == "ball" else single
    each = [alone(f, start, i, single, **options) for i in range(MANY)]
    np.testing.assert_allclose(result.params, [r.params for r, _ in each], atol=2e-5)
    assert len(calls) < 1.3 * max(count for _, count in each) + 3
    for p in calls:  # all points are feasible
        np.testing.assert_allclose(projection(p), p, atol=1e-14)


def test_no_point_leaves_the_set_by_rounding():
    for dtype, box, start in (
        (np.float64, projections.box(0.1, 1e17), [[1e16, 3e16]]),
        (np.float32, projections.box(1e-4, 1e9), [[1.0, 3e4]]),
    ):
        f, calls = counted(lambda p: (p.sum(-1), np.ones_like(p)))
        result = optim.lbfgs(f, np.asarray(start, dtype), box, steps=9, axes=-1)
        assert all(np.array_equal(box(p), p) for p in calls)
        np.testing.assert_allclose(result.params, box(np.zeros((1, 2), dtype)))


def test_any_axes_make_a_problem():
    f = quadratics()

    def turned(p):
        values, g = f(p.transpose(1, 2, 0).reshape(MANY, N))
        return values.reshape(MANY // 2, 2), g.reshape(MANY // 2, 2, N).transpose(2, 0, 1)

    options = {"steps": 60, "tolerance": 1e-6}
    want = optim.lbfgs(f, np.zeros((MANY, N)), axes=1, **options)
    got = optim.lbfgs(turned, np.zeros((N, MANY // 2, 2)), axes=0, **options)
    np.testing.assert_allclose(got.params.transpose(1, 2, 0).reshape(MANY, N), want.params)
    np.testing.assert_allclose(got.history, want.history)


def test_no_problem_rises_and_those_at_rest_stay():
    points = []
    optim.lbfgs(
        rosenbrocks,
        SCATTERED,
        axes=-1,
        steps=150,
        tolerance=1e-3,
        callback=keep(points),
    )
    values = np.asarray([rosenbrocks(p)[0] for p in points])
    assert np.all(np.diff(values, axis=0) <= 1e-12 * values[:-1])
    small = [np.linalg.norm(rosenbrocks(p)[1], axis=-1) <= 1e-3 for p in points]
    first = np.argmax(small, axis=0)
    assert len(set(first)) > 3
    for i, n in enumerate(first):
        assert all(np.array_equal(p[i], points[n][i]) for p in points[n:])


def steep(p):
    """``sum p^8``, and infinite beyond 3: a start far off has slopes of no parabola."""
    p = np.where(np.abs(p) > 3, np.inf, p)
    return np.sum(p**8, axis=-1), 8 * p**7


def test_trials_that_are_too_long_are_shortened():
    start = np.asarray([[2.9, -2.9], [1e-3, 2.0], [0.0, 0.0]])
    with np.errstate(invalid="ignore"):
        result = optim.lbfgs(steep, start, axes=-1, steps=200, tolerance=1e-6)
    assert result.converged
    assert np.all(np.abs(result.params) < 0.2)


def test_a_problem_without_a_better_point_rests_while_others_go_on():
    f = quadratics()

    def deceptive(p):
        values, g = f(p)
        g[0] = -g[0]  # uphill
        return values, g

    result = optim.lbfgs(deceptive, np.zeros((MANY, N)), axes=-1, steps=500, tolerance=1e-6)
    assert not result.converged
    np.testing.assert_allclose(result.params[0], 0, atol=1e-12)
    assert result.steps < 500
    assert result.state.converged[1:].all()
    assert not result.state.converged[0]


def test_a_start_that_is_not_finite_is_refused():
    start = np.asarray([[1.0, 4.0], [1.0, 2.0]])
    with pytest.raises(optim.NonFiniteError, match="not finite in 1 of 2 problems"):
        optim.lbfgs(steep, start, axes=-1, steps=5)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_of_any_unit(dtype):
    """Far from one the squares of gradients leave the range."""
    for unit in (1e-15, 1.0, 1e15):
        c = np.asarray([[1.0, -2.0], [3.0, 0.5]], dtype) * unit
        curvatures = np.asarray([1.0, 30.0], np.float32) / unit

        def f(p, c=c, curvatures=curvatures):
            g = curvatures * (p - c)
            return 0.5 * np.sum(np.real(np.conj(p - c) * g), axis=-1), g

        result = optim.lbfgs(f, np.zeros_like(c), axes=-1, steps=40)
        np.testing.assert_allclose(result.params, c, rtol=1e-5)
        assert result.params.dtype == dtype


def test_what_does_not_fit_is_refused():
    start = np.zeros((MANY, N))
    with pytest.raises(TypeError, match=r"lbfgs: axes is -1 and params is a mapping .*; want one"):
        optim.lbfgs(quadratics(), {"p": start}, axes=-1, steps=3)
    with pytest.raises(ValueError, match=r"lbfgs: axes is .*; want different axes of x"):
        optim.lbfgs(quadratics(), start, axes=2, steps=3)
    with pytest.raises(ValueError, match=rf"the loss is .*; want real numbers of the shape \({N},"):
        optim.lbfgs(quadratics(), start, axes=0, steps=3)
    with pytest.raises(ValueError, match=r"the gradient is .*; want"):
        optim.lbfgs(lambda p: (p[:, 0], p[:, 0]), start, axes=-1, steps=3)


def test_the_function_may_write_into_what_it_is_given_and_has_returned():
    f, filled = quadratics(), np.zeros((MANY, N))

    def careless(p):
        values, g = f(p)
        filled[...] = g
        p[...] = np.nan
        return values, filled

    options = {"axes": -1, "steps": 30}
    want = optim.lbfgs(quadratics(), np.zeros((MANY, N)), **options)
    got = optim.lbfgs(careless, np.zeros((MANY, N)), **options)
    np.testing.assert_array_equal(got.params, want.params)
