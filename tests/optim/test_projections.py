"""Laws of every projection, from one table; then what is particular to each."""

import math

import numpy as np
import pytest

from optim import projections

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


# --- laws ---------------------------------------------------------------------------------


def test_variational_inequality(case, row, dtype, rng):
    # p = P(x) for a convex set if and only if p is in it and <x - p, z - p> <= 0 for all z in it.
    make, feasible, outside = case
    project = make(lambda values: row.array(values, dtype))
    for scale in (0.1, 1.0, 10.0):
        x = row.array(scale * rng.normal(size=(4, 5)), dtype)
        x64, p = (row.numpy(a).astype(float) for a in (x, project(x)))
        assert outside(p) <= EPS[dtype]
        for _ in range(50):
            z = feasible(rng)
            assert np.sum((x64 - p) * (z - p)) <= 100 * scale * EPS[dtype]


def test_feasible_points_stay_where_they_are(case, row, dtype, rng):
    make, feasible, _ = case
    for _ in range(10):
        x = row.array(feasible(rng), dtype)
        p = make(lambda values: row.array(values, dtype))(x)
        np.testing.assert_allclose(row.numpy(p), row.numpy(x), rtol=0, atol=EPS[dtype])


def test_idempotent(case, row, dtype, rng):
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


@pytest.mark.parametrize("x", [np.zeros((4, 5), complex), np.zeros((4, 5), int), [0.5], 0.5])
def test_wants_real_floating_point_arrays(case, x):
    make, _, _ = case
    with pytest.raises(TypeError, match=r"x is .*; wanted a real floating-point array"):
        make(np.asarray)(x)


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
    with pytest.raises(ValueError, match=f"simplex: radius is {radius}; wanted a positive"):
        projections.simplex(radius)


@pytest.mark.parametrize("axes", [2, -3, (0, 0), (0, -2), (0, 1, 2)])
def test_simplex_wants_axes_of_x(axes):
    with pytest.raises(ValueError, match=r"x has 2 dimensions; wanted different axes of x"):
        projections.simplex(axes=axes)(np.zeros((3, 4)))


@pytest.mark.parametrize(("shape", "axes"), [((0,), None), ((3, 0), -1), ((), None), ((3, 4), ())])
def test_simplex_wants_vectors_with_entries(shape, axes):
    with pytest.raises(ValueError, match="wanted vectors that have entries"):
        projections.simplex(axes=axes)(np.zeros(shape))


# --- box ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"),
    [(1.0, 0.0), (math.nan, 1.0), (np.zeros(2), np.asarray([1.0, -1.0])), (np.ones(2), 0.5)],
)
def test_box_wants_ordered_bounds(low, high):
    with pytest.raises(ValueError, match=r"box: low is .* and high is .*; wanted low <= high"):
        projections.box(low, high)


def test_box_does_not_widen_single_precision_by_a_numpy_number():
    x = np.ones(3, np.float32)
    assert projections.box(np.float64(0.0), np.asarray(0.5))(x).dtype == np.float32


@pytest.mark.parametrize(
    "low", [np.zeros(3, np.float32), np.zeros(2), np.zeros((2, 3)), np.zeros((1, 3))]
)
def test_box_wants_bounds_like_x(low):
    with pytest.raises(
        ValueError, match=r"box: low is an .*; wanted one like x, which is an array of numpy"
    ):
        projections.box(low, 1.0)(np.zeros(3))


def test_box_wants_bounds_of_the_namespace_of_x():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match=r"box: high is an array of array_api_strict"):
        projections.box(0.0, strict.ones(3))(np.zeros(3))
