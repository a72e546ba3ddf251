"""Laws of every projection, from one table; then what is particular to each."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from rows import covering, open_row

from optim import projections, proximal

LOW = np.asarray([[-1.0], [-0.5], [0.0], [0.25]])  # broadcasts along the second axis
HIGH = np.asarray([[-0.5, 0.0, 2.0, 1.0, 0.5], [1.0] * 5, [0.0] * 5, [3.0] * 5])


def on_simplex(rng, radius, shape):
    """Random points of the simplex along the last axis, vertices among them."""
    z = rng.dirichlet(np.full(shape[-1], 0.3), size=shape[:-1])
    z[::2] = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])][::2]
    return radius * z


def off_simplex(p, radius, axis):
    """How far a point is outside: an entry below zero by any amount is infinitely far."""
    return np.inf if np.any(p < 0) else np.max(np.abs(np.sum(p, axis=axis) - radius))


WEIGHTS = 10.0 ** np.random.default_rng(2).uniform(-0.5, 0.5, (4, 5))


def in_l1_ball(rng, radius, shape):
    """Points of the ball, about every other on its surface."""
    moduli = on_simplex(rng, radius, shape) * np.minimum(1, rng.uniform(0, 2, (shape[0], 1)))
    return moduli * rng.choice([-1.0, 1.0], shape)


def in_l2_ball(rng, radius, shape):
    x = rng.normal(size=shape)
    inwards = np.minimum(1, rng.uniform(0, 2, (shape[0], 1)))
    return radius * inwards * x / np.linalg.norm(x, axis=1, keepdims=True)


def with_sum(x, total):
    return x - np.mean(x, axis=1, keepdims=True) + total / x.shape[1]


# name: (the projection, given what makes arrays of its bounds; a random feasible point;
# how far a point is outside), for points of the shape (4, 5)
PROJECTIONS = {
    "simplex": (
        lambda _: projections.simplex(2.5),
        lambda rng: on_simplex(rng, 2.5, (1, 20)).reshape(4, 5),
        lambda p: off_simplex(p, 2.5, None),
    ),
    "simplex-rows": (
        lambda _: projections.simplex(0.7, axes=-1),
        lambda rng: on_simplex(rng, 0.7, (4, 5)),
        lambda p: off_simplex(p, 0.7, 1),
    ),
    "simplex-columns": (
        lambda _: projections.simplex(axes=(0,)),
        lambda rng: on_simplex(rng, 1.0, (5, 4)).T,
        lambda p: off_simplex(p, 1.0, 0),
    ),
    "box": (
        lambda _: projections.box(-0.5, 0.25),
        lambda rng: rng.uniform(-0.5, 0.25, (4, 5)),
        lambda p: max(np.max(-0.5 - p), np.max(p - 0.25)),
    ),
    "box-arrays": (
        lambda array: projections.box(array(LOW), array(HIGH)),
        lambda rng: rng.uniform(LOW, HIGH),
        lambda p: max(np.max(LOW - p), np.max(p - HIGH)),
    ),
    "box-half": (
        lambda array: projections.box(-math.inf, array(HIGH)),
        lambda rng: HIGH - rng.exponential(size=(4, 5)),
        lambda p: np.max(p - HIGH),
    ),
    "simplex-weighted": (
        lambda array: projections.simplex(2.5, weights=array(WEIGHTS)),
        lambda rng: on_simplex(rng, 2.5, (1, 20)).reshape(4, 5) / WEIGHTS,
        lambda p: off_simplex(p * WEIGHTS, 2.5, None),
    ),
    "simplex-weighted-columns": (
        lambda array: projections.simplex(0.7, axes=0, weights=array(WEIGHTS[:, :1])),
        lambda rng: on_simplex(rng, 0.7, (5, 4)).T / WEIGHTS[:, :1],
        lambda p: off_simplex(p * WEIGHTS[:, :1], 0.7, 0),
    ),
    "l1-ball": (
        lambda _: projections.l1_ball(2.5),
        lambda rng: in_l1_ball(rng, 2.5, (1, 20)).reshape(4, 5),
        lambda p: np.sum(np.abs(p)) - 2.5,
    ),
    "l1-ball-rows": (
        lambda _: projections.l1_ball(0.7, axes=1),
        lambda rng: in_l1_ball(rng, 0.7, (4, 5)),
        lambda p: np.max(np.sum(np.abs(p), axis=1)) - 0.7,
    ),
    "l2-ball": (
        lambda _: projections.l2_ball(1.5),
        lambda rng: in_l2_ball(rng, 1.5, (1, 20)).reshape(4, 5),
        lambda p: np.linalg.norm(p) - 1.5,
    ),
    "l2-ball-columns": (
        lambda _: projections.l2_ball(axes=(0,)),
        lambda rng: in_l2_ball(rng, 1.0, (5, 4)).T,
        lambda p: np.max(np.linalg.norm(p, axis=0)) - 1.0,
    ),
    "affine-sum": (
        lambda _: projections.affine_sum(-2.0),
        lambda rng: with_sum(rng.normal(size=(1, 20)), -2.0).reshape(4, 5),
        lambda p: abs(np.sum(p) + 2.0) / 20,
    ),
    "affine-sum-rows": (
        lambda _: projections.affine_sum(axes=-1),
        lambda rng: with_sum(rng.normal(size=(4, 5)), 1.0),
        lambda p: np.max(np.abs(np.sum(p, axis=1) - 1.0)) / 5,
    ),
    "nonnegative": (
        lambda _: projections.nonnegative(),
        lambda rng: rng.exponential(size=(4, 5)),
        lambda p: np.max(-p),
    ),
}
EPS = {"float32": 1e-6, "float64": 1e-14}


@pytest.fixture(params=PROJECTIONS)
def case(request):
    return PROJECTIONS[request.param]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=EPS)
def dtype(request):
    return request.param


@pytest.fixture(params=list(covering(EPS, ["float64"])))
def setting(request):
    name, dtype = request.param
    with open_row(name) as row:
        yield row, dtype


# --- laws ---------------------------------------------------------------------------------


def test_variational_inequality(case, setting, rng):
    # p = P(x) for a convex set if and only if p is in it and <x - p, z - p> <= 0 for all z in it.
    row, dtype = setting
    make, feasible, outside = case
    project = make(lambda values: row.array(values, dtype))
    for scale in (0.1, 1.0, 10.0):
        x = row.array(scale * rng.normal(size=(4, 5)), dtype)
        x64, p = (row.numpy(a).astype(float) for a in (x, project(x)))
        assert outside(p) <= EPS[dtype]
        for _ in range(50):
            z = feasible(rng)
            assert np.sum((x64 - p) * (z - p)) <= 100 * scale * EPS[dtype]


def test_feasible_points_stay_where_they_are(case, setting, rng):
    row, dtype = setting
    make, feasible, _ = case
    for _ in range(10):
        x = row.array(feasible(rng), dtype)
        p = make(lambda values: row.array(values, dtype))(x)
        np.testing.assert_allclose(row.numpy(p), row.numpy(x), rtol=0, atol=EPS[dtype])


def test_idempotent(case, setting, rng):
    row, dtype = setting
    make, _, _ = case
    project = make(lambda values: row.array(values, dtype))
    p = project(row.array(rng.normal(size=(4, 5)), dtype))
    np.testing.assert_allclose(row.numpy(project(p)), row.numpy(p), rtol=0, atol=EPS[dtype])


def test_keeps_namespace_device_dtype_shape_and_its_input(case, row, dtype, rng):
    make, _, _ = case
    x = row.array(rng.normal(size=(4, 5)), dtype)
    before = row.numpy(x).copy()
    p = make(lambda values: row.array(values, dtype))(x)
    assert row.owns(p, dtype)
    assert p.shape == x.shape
    np.testing.assert_array_equal(row.numpy(x), before)


@pytest.mark.parametrize("x", [np.zeros((4, 5), int), [0.5], 0.5])
def test_wants_floating_point_arrays(case, x):
    make, _, _ = case
    with pytest.raises(TypeError, match=r"x is .*; want a real (or complex )?floating-point"):
        make(np.asarray)(x)


@pytest.mark.parametrize(
    "project", [projections.simplex(), projections.box(0.0, 1.0), projections.nonnegative()]
)
def test_what_is_ordered_wants_real_arrays(project):
    with pytest.raises(TypeError, match=r"x is .*complex128.*; want a real floating-point array"):
        project(np.zeros((4, 5), complex))


def test_firmly_nonexpansive(case, setting, rng):
    """``|P x - P y|^2 <= <P x - P y, x - y>``."""
    row, dtype = setting
    make, _, _ = case
    project = make(lambda values: row.array(values, dtype))
    for scale in (0.3, 3.0):
        x, y = (row.array(scale * rng.normal(size=(4, 5)), dtype) for _ in range(2))
        way = row.numpy(x).astype(float) - row.numpy(y)
        step = row.numpy(project(x)).astype(float) - row.numpy(project(y))
        assert np.sum(step * step) <= np.sum(step * way) + 100 * scale * EPS[dtype]


@pytest.mark.parametrize("factory", [lambda: projections.box(-1.0, 1.0), projections.nonnegative])
def test_nan_stays_nan_and_infinity_is_clipped(row, factory):
    p = row.numpy(factory()(row.array([math.nan, 0.5, -math.inf])))
    np.testing.assert_array_equal(p, [math.nan, 0.5, p[2]])
    assert math.isfinite(p[2])


# --- simplex ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((6, 5), -1),
        ((6, 5), (0,)),
        ((3, 4, 5), (0, 2)),
        ((3, 4, 5), (2, 0)),
        ((3, 4, 5), (-2, -1)),
        ((2, 3, 4, 5), (1, 3)),
        ((3, 4), None),
        ((1, 1), None),
    ],
)
def test_a_batch_is_its_vectors_one_by_one(row, shape, axes, rng):
    x = rng.normal(size=shape) * rng.choice([0.01, 1.0, 30.0], size=shape)
    got = row.numpy(projections.simplex(1.5, axes)(row.array(x)))
    vector = range(len(shape)) if axes is None else np.atleast_1d(axes) % len(shape)
    batch = [a for a in range(len(shape)) if a not in vector]
    one = projections.simplex(1.5)
    for index in np.ndindex(*(shape[a] for a in batch)):
        at = [slice(None)] * len(shape)
        for a, i in zip(batch, index, strict=True):
            at[a] = i
        at = tuple(at)
        np.testing.assert_allclose(got[at], row.numpy(one(row.array(x[at]))), rtol=0, atol=1e-14)


def plateau(rng, n):
    """One peak and many nearly equal entries, all of them in the support at small spread."""
    return np.concatenate([[0.0], -0.5 - 3 * rng.random(n - 1) / n])


HARD = {
    "far": lambda rng: 1e6 + rng.normal(size=625),
    "far below": lambda rng: -1e6 + rng.normal(size=625),
    "wide": lambda rng: rng.normal(size=625) * 10.0 ** rng.uniform(-12, 12, size=625),
    "tiny": lambda rng: 1e-12 * rng.normal(size=625),
    "equal": lambda rng: np.full(625, rng.random()),
    "plateau": lambda rng: plateau(rng, 625),
    "long plateau": lambda rng: plateau(rng, 256 * 256),
    "near uniform": lambda rng: (1 + 0.3 * rng.normal(size=256 * 256)) / 256**2,
}


@pytest.mark.parametrize("radius", [1.0, 1e-3, 1e5])
@pytest.mark.parametrize("hard", HARD)
def test_sums_to_the_radius_and_is_nowhere_negative(dtype, hard, radius, rng):
    x = (max(radius, 1.0) * HARD[hard](rng)).astype(dtype)
    p = projections.simplex(radius)(x)
    assert p.dtype == x.dtype
    assert np.all(p >= 0)
    assert abs(math.fsum(p.tolist()) / radius - 1) < {"float32": 2e-7, "float64": 4e-15}[dtype]
    # Optimality once more, at all vertices: x - p is largest, and constant, on the support.
    slack = x.astype(float) - p
    assert np.max(slack) - np.min(slack[p > 0]) <= EPS[dtype] * max(
        radius, np.max(np.abs(x[p > 0]))
    )


@pytest.mark.parametrize("bad", [[math.nan, 0.5], [math.inf, 0.5], [-math.inf, -math.inf]])
def test_a_vector_that_has_no_projection_is_nan_and_its_neighbours_are_not(row, bad):
    rows = [[1.0, 0.5], bad, [0.2, 0.2]]
    p = row.numpy(projections.simplex(axes=-1)(row.array(rows)))
    np.testing.assert_array_equal(np.isnan(p), [[False] * 2, [True] * 2, [False] * 2])
    np.testing.assert_allclose(p[[0, 2]], [[0.75, 0.25], [0.5, 0.5]], rtol=0, atol=1e-15)


def test_minus_infinity_is_far_below(row):
    p = projections.simplex()(row.array([-math.inf, 0.75, 0.25, -math.inf]))
    np.testing.assert_array_equal(row.numpy(p), [0.0, 0.75, 0.25, 0.0])


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
def test_simplex_wants_a_positive_radius(radius):
    with pytest.raises(ValueError, match=f"simplex: radius is {radius}; want a positive"):
        projections.simplex(radius)


def test_axes_may_be_integers_of_numpy():
    x = np.asarray([[3.0, 0.0], [5.0, 5.0]])
    for axes in (np.int64(0), (np.int32(-2),)):
        np.testing.assert_array_equal(
            projections.simplex(axes=axes)(x), projections.simplex(axes=0)(x)
        )
    for axes in (0.5, "0", (0, 0.5)):
        with pytest.raises(TypeError, match=r"simplex: axes is .*; want an integer or a tuple"):
            projections.simplex(axes=axes)(x)


@pytest.mark.parametrize("axes", [2, -3, (0, 0), (0, -2), (0, 1, 2)])
def test_simplex_wants_axes_of_x(axes):
    with pytest.raises(ValueError, match=r"x has 2 dimensions; want different axes of x"):
        projections.simplex(axes=axes)(np.zeros((3, 4)))


@pytest.mark.parametrize(("shape", "axes"), [((0,), None), ((3, 0), -1), ((), None), ((3, 4), ())])
def test_simplex_wants_vectors_with_entries(shape, axes):
    with pytest.raises(ValueError, match="want vectors that have entries"):
        projections.simplex(axes=axes)(np.zeros(shape))


# --- simplex with weights -------------------------------------------------------------------


def exactly(x, w, radius):
    """The projection in rational numbers, by trying every support in the order of x / w."""
    x, w = [Fraction(v) for v in x.tolist()], [Fraction(v) for v in w.tolist()]
    theta, dot, square = None, -Fraction(radius), Fraction(0)
    for i in sorted(range(len(x)), key=lambda i: x[i] / w[i], reverse=True):
        if theta is not None and x[i] / w[i] <= theta:
            break
        dot, square = dot + w[i] * x[i], square + w[i] * w[i]
        theta = dot / square
    return np.asarray([float(max(x - theta * w, 0)) for x, w in zip(x, w, strict=True)])


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0])
def test_weighted_simplex_is_exact(dtype, spread, rng):
    for _ in range(30):
        w = (10.0 ** rng.uniform(-spread, spread, 25)).astype(dtype)
        x = (rng.normal(size=25) * 10.0 ** rng.uniform(-3, 3)).astype(dtype)
        radius = float(10.0 ** rng.uniform(-2, 2))
        p = projections.simplex(radius, weights=w)(x)
        assert p.dtype == x.dtype
        assert np.all(p >= 0)
        assert abs(np.sum(w.astype(float) * p) / radius - 1) < EPS[dtype]
        want = exactly(x, w, radius)
        scale = np.max(want) + np.max(np.abs(x))
        np.testing.assert_allclose(p, want, rtol=0, atol=10 * EPS[dtype] * scale)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("scale", [1.0, 1e8, 1e17, 1e100, 1e290])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_weighted_simplex_far_from_zero(row, scale, sign, spread, rng):
    """Entries in the proportion of the weights, of which rounding leaves a few ahead or none."""
    for n in (2, 3, 25):
        w = 10.0 ** rng.uniform(-spread, spread, n)
        x = sign * scale * w
        p = row.numpy(projections.simplex(weights=row.array(w))(row.array(x)))
        assert np.all(p >= 0)
        assert abs(math.fsum(w * p) - 1) < 1e-15 * n
        far = np.max(np.abs(x)) + np.max(1 / w)
        np.testing.assert_allclose(p, exactly(x, w, 1.0), rtol=0, atol=1e-15 * far)
    project = projections.simplex(weights=row.array([1.0, 3.0]))
    x = row.array([1e17, 3e17])
    np.testing.assert_allclose(row.numpy(project(x)), [0.1, 0.3], rtol=1e-15)


def test_a_large_weight_about_to_vanish_keeps_its_digits():
    """The weight of one is a million times that of the other, their quotients near and far."""
    w = np.asarray([1.0, 1e6])
    for y in (1e-1, 1.0, 1e3, 1e5):
        for p in (1e-12, 1e-9, 1e-7):
            x = np.asarray([1e6, 1e6 * y + p])
            radius = 1e6 - y + 1e6 * p
            got = projections.simplex(radius, weights=w)(x)
            np.testing.assert_allclose(got, exactly(x, w, radius), rtol=1e-9, atol=1e-15)


def test_what_is_beyond_the_radius_does_not_overflow(row):
    x = row.array([0.0, -0.25, -0.5, *[-1e308] * 5])
    for weights in (None, row.array(np.ones(8))):
        p = row.numpy(projections.simplex(weights=weights)(x))
        np.testing.assert_allclose(p, np.asarray([7, 4, 1, *[0] * 5]) / 12, rtol=1e-15)


def test_weights_and_an_entry_far_below(row):
    w = row.array([1.0, 2.0, 1.0, 2.0])
    p = projections.simplex(weights=w)(row.array([1.0, -1e308, 0.5, -math.inf]))
    np.testing.assert_array_equal(row.numpy(p), [0.75, 0.0, 0.25, 0.0])


def test_weights_of_one_change_nothing(row, rng):
    x = row.array(rng.normal(size=(4, 5)))
    p = projections.simplex(0.5, 1, row.array(np.ones(5)))(x)
    want = row.numpy(projections.simplex(0.5, 1)(x))
    np.testing.assert_allclose(row.numpy(p), want, rtol=0, atol=1e-15)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_simplex_wants_positive_weights(bad):
    got = rf"shape \(1, 2\), is {bad} at the index \(0, 1\); want positive numbers"
    with pytest.raises(ValueError, match=f"simplex: weights, an array of {got}"):
        projections.simplex(weights=np.asarray([[1.0, bad]]))
    with pytest.raises(ValueError, match=r"shape \(\), is -1.0 at the index \(\); want positive"):
        projections.simplex(weights=np.asarray(-1.0))


def test_simplex_wants_weights_like_x():
    with pytest.raises(TypeError, match="simplex: weights is a float; want a real"):
        projections.simplex(weights=2.0)
    with pytest.raises(ValueError, match=r"simplex: weights is .*float32.*; want one like x"):
        projections.simplex(weights=np.ones(3, np.float32))(np.zeros(3))
    with pytest.raises(ValueError, match=r"simplex: weights is .*\(2, 3\).*; want one like x"):
        projections.simplex(weights=np.ones((2, 3)))(np.zeros(3))


# --- balls and sums ---------------------------------------------------------------------------

BALLS = {
    "l1": (projections.l1_ball, lambda p: np.sum(np.abs(p), axis=-1)),
    "l2": (projections.l2_ball, lambda p: np.linalg.norm(p, axis=-1)),
}


@pytest.fixture(params=BALLS)
def ball(request):
    return BALLS[request.param]


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
def test_a_point_of_the_ball_stays_as_it_is_to_the_bit(ball, row, kind, rng):
    make, size = ball
    values = rng.normal(size=(6, 5)) + (1j * rng.normal(size=(6, 5)) if "c" in kind else 0)
    values *= (rng.uniform(0.1, 0.99, 6) / size(values))[:, None]
    values[0] = 0
    x = row.array(values, kind)
    p = make(axes=-1)(x)
    assert row.owns(p, kind)
    np.testing.assert_array_equal(row.numpy(p), row.numpy(x))


@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_complex_balls_keep_phases_and_are_nearest(ball, row, kind, rng):
    make, size = ball
    eps = {"complex64": 1e-6, "complex128": 1e-14}[kind]
    x = row.array(rng.normal(size=(4, 5)) + 1j * rng.normal(size=(4, 5)), kind)
    p = make(0.8, axes=-1)(x)
    assert row.owns(p, kind)
    x, p = row.numpy(x).astype(complex), row.numpy(p).astype(complex)
    np.testing.assert_allclose(size(p), 0.8, rtol=eps)
    turned = p * np.conj(x)
    np.testing.assert_allclose(turned, np.abs(turned), rtol=0, atol=10 * eps)
    for _ in range(50):
        z = rng.normal(size=(4, 5)) + 1j * rng.normal(size=(4, 5))
        z *= 0.8 / size(z)[:, None]
        assert np.all(np.sum(np.conj(x - p) * (z - p), axis=-1).real <= 100 * eps)


def test_a_real_array_is_a_complex_one_without_imaginary_part(ball, rng):
    make, _ = ball
    x = rng.normal(size=7)
    np.testing.assert_allclose(make(0.8)(x + 0j), make(0.8)(x), rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_lengths_neither_overflow_nor_vanish(ball, scale):
    make, _ = ball
    x = scale * np.asarray([3.0, -4.0, 0.0])
    far = make(1.0)(x)
    if scale < 1:
        np.testing.assert_array_equal(far, x)
    else:
        assert np.sum(np.abs(far)) == pytest.approx({"l1": 1, "l2": 1.4}[make.__name__[:2]])
    p = make(scale)(np.asarray([3.0, -4.0, 0.0]) * scale)
    np.testing.assert_allclose(p / scale, make(1.0)(np.asarray([3.0, -4.0, 0.0])), atol=1e-15)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_vector_that_is_not_finite_has_no_nearest_point_in_a_ball(ball, row, bad):
    make, _ = ball
    p = row.numpy(make(axes=-1)(row.array([[1.0, 0.0], [bad, 0.5], [0.25, 0.25]])))
    np.testing.assert_array_equal(np.isnan(p), [[False] * 2, [True] * 2, [False] * 2])


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
def test_balls_want_a_positive_radius(ball, radius):
    make, _ = ball
    with pytest.raises(ValueError, match=f"_ball: radius is {radius}; want a positive number"):
        make(radius)


def test_a_complex_sum(row, rng):
    values = rng.normal(size=(4, 5)) + 1j * rng.normal(size=(4, 5))
    p = projections.affine_sum(1 - 2j, axes=0)(row.array(values, "complex128"))
    assert row.owns(p, "complex128")
    moved = row.numpy(p) - values
    np.testing.assert_allclose(np.sum(row.numpy(p), axis=0), 1 - 2j, rtol=1e-14)
    np.testing.assert_allclose(moved, moved[:1] + 0 * moved, rtol=0, atol=1e-14)


def test_a_sum_wants_what_the_array_can_have():
    with pytest.raises(ValueError, match=r"affine_sum: total is 1j and x is real; want a real"):
        projections.affine_sum(1j)(np.zeros(3))
    with pytest.raises(ValueError, match=r"affine_sum: total is .*nan.*; want a finite number"):
        projections.affine_sum(math.nan)


# --- box ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "got"),
    [
        (1.0, 0.0, "low is 1.0 and high is 0.0"),
        (math.nan, 1.0, "low is nan and high is 1.0"),
        (
            np.zeros((1, 3)),
            [[1.0, 2.0, 3.0], [1.0, -1.0, -2.0]],
            "low, an array of shape (1, 3), is 0.0 and high, an array of shape (2, 3), is -1.0 "
            "at the index (1, 1)",
        ),
        (
            [0.0, 2.0],
            0.5,
            "low, an array of shape (2,), is 2.0 and high is 0.5 at the index (1,)",
        ),
        (
            -1.0,
            [0.0, math.nan],
            "low is -1.0 and high, an array of shape (2,), is nan at the index (1,)",
        ),
    ],
)
def test_box_wants_ordered_bounds_and_says_where_they_are_not(row, low, high, got):
    low, high = (b if isinstance(b, float) else row.array(b) for b in (low, high))
    with pytest.raises(ValueError, match=re.escape(f"box: {got}; want low <= high")):
        projections.box(low, high)


def test_a_message_about_large_bounds_is_short():
    with pytest.raises(ValueError, match="at the index") as caught:
        projections.box(np.zeros((300, 300)), -np.ones((300, 300)))
    assert len(str(caught.value)) < 200


def test_box_does_not_widen_single_precision_by_a_numpy_number():
    x = np.ones(3, np.float32)
    assert projections.box(np.float64(0.0), np.asarray(0.5))(x).dtype == np.float32


@pytest.mark.parametrize(
    "low", [np.zeros(3, np.float32), np.zeros(2), np.zeros((2, 3)), np.zeros((1, 3))]
)
def test_box_wants_bounds_like_x(low):
    with pytest.raises(
        ValueError, match=r"box: low is an .*; want one like x, which is an array of numpy"
    ):
        projections.box(low, 1.0)(np.zeros(3))


def test_box_wants_bounds_of_the_namespace_of_x():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match=r"box: high is an array of array_api_strict"):
        projections.box(0.0, strict.ones(3))(np.zeros(3))


# --- the ends of the range ------------------------------------------------------------------------

SCALED = {  # of a radius, with ``P_(c r)(c x) = c P_r(x)``
    "simplex": lambda r: projections.simplex(r),
    "l1_ball": lambda r: projections.l1_ball(r),
    "l2_ball": lambda r: projections.l2_ball(r),
    "affine_sum": lambda r: projections.affine_sum(r),
    "soft_threshold": lambda r: lambda x: proximal.soft_threshold(r).prox(x, 1.0),
}


@pytest.mark.parametrize("scale", [1e300, 1e200, 1e-200, 1e-290])
@pytest.mark.parametrize("name", SCALED)
def test_a_scale_at_the_end_of_the_range_is_a_scale(row, name, scale):
    for x in (np.asarray([1.0, 0.7, -0.2, 0.9]), np.asarray([1 + 1j, 0.7, -0.2j, 0.9 - 1j])):
        if name == "simplex" and x.dtype.kind == "c":
            continue
        dtype = str(x.dtype)
        want = row.numpy(SCALED[name](0.5)(row.array(x, dtype)))
        got = row.numpy(SCALED[name](0.5 * scale)(row.array(scale * x, dtype)))
        assert np.all(np.isfinite(got))
        np.testing.assert_allclose(got / scale, want, rtol=1e-12, atol=1e-14)


def test_the_largest_numbers_have_projections(row):
    """Their differences, sums and moduli overflow."""
    big = 1.7e308
    x = row.array([big, -big, 0.9 * big, big])
    for name, want in (
        ("simplex", [0.5, 0, 0, 0.5]),
        ("l1_ball", [1 / 3, -1 / 3, 0, 1 / 3]),
        ("l2_ball", np.asarray([1, -1, 0.9, 1]) / math.sqrt(3.81)),
    ):
        np.testing.assert_allclose(row.numpy(SCALED[name](1.0)(x)), want, rtol=1e-12)
    z = row.array([big * (1 + 1j)] * 4, "complex128")
    for name in ("l1_ball", "l2_ball", "affine_sum", "soft_threshold"):
        assert np.all(np.isfinite(row.numpy(SCALED[name](1.0)(z)))), name


@pytest.mark.parametrize("scale", [1e200, 1e-170, 1e-290])
def test_the_units_of_the_weights_do_not_matter(row, scale):
    """``sum_i c w_i p_i = c r`` is one set for every `c`."""
    w, x = row.array([0.5, 1.0, 3.0]), row.array([1.0, 0.2, -0.3])
    want = row.numpy(projections.simplex(2.0, weights=w)(x))
    got = row.numpy(projections.simplex(2.0 * scale, weights=scale * w)(x))
    np.testing.assert_allclose(got, want, rtol=1e-12)
    far = row.numpy(projections.simplex(1.0, weights=scale * w)(x))
    np.testing.assert_allclose(scale * np.sum(np.asarray([0.5, 1.0, 3.0]) * far), 1.0, rtol=1e-12)


@pytest.mark.parametrize("weights", [[1e-170, 1.0, 1.0], [1e200, 1.0, 1e-100]])
def test_weights_of_all_sizes_leave_numbers(row, weights):
    p = row.numpy(projections.simplex(weights=row.array(weights))(row.array([1.0, 0.2, -0.3])))
    assert np.all(np.isfinite(p))
    assert np.all(p >= 0)
