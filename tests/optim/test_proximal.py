"""Laws of every penalty, from one table; then what each is."""

import math

import numpy as np
import pytest
import scipy.optimize
from rows import covering, open_row

import optim
from optim import proximal

REAL, COMPLEX = ["float32", "float64"], ["complex64", "complex128"]
EPS = {"float32": 1e-6, "complex64": 1e-6, "float64": 1e-14, "complex128": 1e-14}

# name: (the penalty, dtypes, how far from its minimum the prox may be, relative to |x|)
PENALTIES = {
    "l1": (proximal.soft_threshold(0.7), REAL + COMPLEX, 0.0),
    "l1-none": (proximal.soft_threshold(0.0), REAL + COMPLEX, 0.0),
    "group": (proximal.group_soft_threshold(0.7), REAL + COMPLEX, 0.0),
    "group-rows": (proximal.group_soft_threshold(0.7, axes=-1), REAL + COMPLEX, 0.0),
    "indicator": (proximal.indicator(optim.projections.l2_ball(0.8)), REAL + COMPLEX, 0.0),
    "tv": (proximal.total_variation(0.3, accuracy=1e-4), REAL + COMPLEX, 1e-4),
    "tv-rows": (proximal.total_variation(0.5, axes=-1, accuracy=1e-4), REAL + COMPLEX, 1e-4),
}
CASES = [(name, dtype) for name, (_, dtypes, _) in PENALTIES.items() for dtype in dtypes]
SOME = [case for case in CASES if case[1] in ("float64", "complex64")]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request):
    name, dtype = request.param
    penalty, _, accuracy = PENALTIES[name]
    return penalty, dtype, accuracy + EPS[dtype]


def random(dtype, seed=0, shape=(4, 5)):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (values if "complex" in dtype else values.real).astype(dtype)


def dot(a, b):
    return float(np.sum(np.conj(a) * b).real)


# --- laws -----------------------------------------------------------------------------------


@pytest.fixture(params=list(covering(CASES, SOME)))
def setting(request):
    """NumPy with every dtype, and every library with real and complex numbers once each."""
    name, (penalty, dtype) = request.param
    operator, _, accuracy = PENALTIES[penalty]
    with open_row(name) as row:
        yield row, operator, dtype, accuracy + EPS[dtype]


@pytest.mark.parametrize("step", [0.1, 4.0])
def test_nothing_near_has_a_lower_sum(setting, step):
    """``h(q) >= h(p) + <x - p, q - p> / step`` for all `q`, which makes `p` the prox."""
    row, penalty, dtype, error = setting
    for seed in range(2):
        x = row.array(random(dtype, seed), dtype)
        p = penalty.prox(x, step)
        low, at, size = float(penalty.value(p)), row.numpy(p), np.linalg.norm(row.numpy(x))
        for other in range(10):
            near = at + 10.0 ** (-other / 3) * random(dtype, 100 + other)
            q = penalty.prox(row.array(near, dtype), 0.0)  # where the penalty is finite
            slope = dot(row.numpy(x) - at, row.numpy(q) - at) / step
            way = np.linalg.norm(row.numpy(q) - at)
            slack = 20 * error * size * (way / step + 1) + 2 * (error * size) ** 2 / step
            assert float(penalty.value(q)) >= low + slope - slack


def test_firmly_nonexpansive(setting):
    row, penalty, dtype, error = setting
    for seed in range(5):
        x, y = random(dtype, seed), random(dtype, seed + 100)
        p, q = (row.numpy(penalty.prox(row.array(a, dtype), 0.7)) for a in (x, y))
        assert dot(p - q, p - q) <= dot(p - q, x - y) + 100 * error


def test_keeps_namespace_device_dtype_and_its_input(case, row):
    penalty, dtype, _ = case
    x = row.array(random(dtype), dtype)
    p = penalty.prox(x, 0.5)
    assert row.owns(p, dtype)
    np.testing.assert_array_equal(row.numpy(x), random(dtype))
    assert math.isfinite(float(penalty.value(p)))


def test_a_step_of_nothing_moves_only_to_where_the_penalty_is_finite(setting):
    row, penalty, dtype, _ = setting
    inside = 0.1 * random(dtype) / np.linalg.norm(random(dtype))
    p = row.numpy(penalty.prox(row.array(inside, dtype), 0.0))
    np.testing.assert_array_equal(p, inside.astype(dtype))


def test_a_phase_turns_the_prox(case):
    penalty, dtype, error = case
    if "complex" not in dtype:
        return
    x, turn = random(dtype), np.exp(0.7j).astype(dtype)
    p, turned = penalty.prox(x, 0.5), penalty.prox(turn * x, 0.5)
    np.testing.assert_allclose(turned, turn * p, rtol=0, atol=50 * error)


# --- what each is ---------------------------------------------------------------------------


def test_the_threshold_is_soft():
    x = np.asarray([3.0, -0.5, 0.5, 1e-9, 0.0, -2.0])
    penalty = proximal.soft_threshold(0.25)
    np.testing.assert_allclose(penalty.prox(x, 2.0), [2.5, 0, 0, 0, 0, -1.5], rtol=0, atol=1e-15)
    assert float(penalty.value(x)) == pytest.approx(0.25 * 6.000000001)
    z = np.asarray([3 + 4j, 0.3j])
    np.testing.assert_allclose(penalty.prox(z, 4.0), [0.8 * (3 + 4j), 0], rtol=1e-15)


def test_the_group_threshold_shortens_whole_vectors():
    x = np.asarray([[3.0, 4.0], [0.0, 0.0], [0.3, -0.4], [5e200, 0.0]])
    penalty = proximal.group_soft_threshold(0.5, axes=-1)
    want = [[2.4, 3.2], [0, 0], [0, 0], [5e200, 0]]
    np.testing.assert_allclose(penalty.prox(x, 2.0), want, rtol=1e-15)
    assert float(penalty.value(x[:3])) == pytest.approx(0.5 * 5.5)
    assert float(penalty.value(x)) == pytest.approx(2.5e200)
    by_entry = penalty.prox(x[..., None], 2.0)[..., 0]
    np.testing.assert_allclose(by_entry, proximal.soft_threshold(0.5).prox(x, 2.0), rtol=1e-15)


@pytest.mark.parametrize("step", [np.float64(2.0), np.float32(2.0), 2])
def test_a_step_of_numpy_does_not_widen_single_precision(step):
    p = proximal.soft_threshold(0.25).prox(np.asarray([3.0, 0.1], np.float32), step)
    assert p.dtype == np.float32
    np.testing.assert_array_equal(p, np.asarray([2.5, 0.0], np.float32))


def test_a_step_may_be_longer_than_single_precision_counts():
    p = proximal.soft_threshold(1.0).prox(np.asarray([3.0, -0.1], np.float32), 1e40)
    np.testing.assert_array_equal(p, 0.0)


def test_the_threshold_keeps_infinity_and_nan(row):
    p = proximal.soft_threshold(1.0).prox(row.array([math.inf, -math.inf, math.nan, 2.0]), 1.0)
    np.testing.assert_array_equal(row.numpy(p), [math.inf, -math.inf, math.nan, 1.0])


def taut(x, t):
    """One-dimensional total variation by its dual, a least-squares problem in a box."""
    n = len(x)
    D = np.diff(np.eye(n), axis=0)
    found = scipy.optimize.lsq_linear(t * D.T, x, bounds=(-1, 1), method="bvls", tol=1e-14)
    return x - t * D.T @ found.x


def test_total_variation_is_found_by_the_method_of_the_notes():
    x, t, iterations = random("float64", shape=(9,)), 0.8, 7
    D = np.diff(np.eye(9), axis=0)
    u = w = np.zeros(8)
    k = 1.0
    for _ in range(iterations):
        v = w + D @ (x - t * D.T @ w) / (t * 4)
        before, u = u, v / np.maximum(np.abs(v), 1)
        after = (1 + math.sqrt(1 + 4 * k * k)) / 2
        w, k = u + (k - 1) / after * (u - before), after
    p = proximal.total_variation(t, accuracy=1e-9, iterations=iterations).prox(x, 1.0)
    np.testing.assert_allclose(p, x - t * D.T @ u, rtol=0, atol=1e-13)
    assert np.max(np.abs(p - taut(x, t))) > 1e-6  # not there yet


@pytest.mark.parametrize("t", [0.05, 0.5, 5.0])
def test_total_variation_in_one_dimension_is_exact(row, t):
    x = random("float64", shape=(3, 12))
    penalty = proximal.total_variation(0.5, axes=1, accuracy=1e-7, iterations=20000)
    p = row.numpy(penalty.prox(row.array(x), 2 * t))
    np.testing.assert_allclose(p, [taut(r, t) for r in x], rtol=0, atol=1e-6)


def test_total_variation_in_two_dimensions_is_isotropic():
    """The value of a ramp, and the prox of a small image by a general minimiser."""
    j, i = np.mgrid[:6, :7]
    ramp = 3.0 * i + 4.0 * j
    inner, edges = 5 * 5 * 6, 3 * 6 + 4 * 5
    assert float(proximal.total_variation(0.5).value(ramp)) == pytest.approx(0.5 * (inner + edges))

    x = random("float64", shape=(3, 4))
    penalty = proximal.total_variation(1.0, accuracy=1e-7, iterations=20000)
    found = scipy.optimize.minimize(
        lambda z: float(penalty.value(z.reshape(x.shape))) + np.sum((z - x.ravel()) ** 2) / 0.6,
        x.ravel(),
        method="Powell",
        options={"xtol": 1e-10, "ftol": 1e-15, "maxiter": 100000},
    )
    z = penalty.prox(x, 0.3)
    here = float(penalty.value(z)) + np.sum((z - x) ** 2) / 0.6
    assert here <= found.fun + 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_the_accuracy_is_kept(dtype):
    j, i = np.mgrid[:24, :20]
    x = ((i - 9) ** 2 + (j - 11) ** 2 < 40) + 0.2 * random(dtype, shape=(24, 20))
    x = x.astype(dtype)
    exact = proximal.total_variation(1.0, accuracy=1e-5, iterations=20000).prox(x, 0.2)
    for accuracy in (1e-1, 1e-2, 1e-3, 1e-4):
        p = proximal.total_variation(1.0, accuracy=accuracy).prox(x, 0.2)
        assert np.linalg.norm(p - exact) <= (accuracy + 1.1e-5) * np.linalg.norm(x)


def test_no_more_iterations_than_asked_for():
    x = random("float64", shape=(24, 20))
    few = proximal.total_variation(1.0, accuracy=1e-9, iterations=3).prox(x, 5.0)
    many = proximal.total_variation(1.0, accuracy=1e-9, iterations=300).prox(x, 5.0)
    assert np.linalg.norm(few - many) > 0.1  # 3 do not suffice


def test_a_batch_is_its_images_one_by_one(row):
    x = random("float64", shape=(2, 3, 4, 5))
    penalty = proximal.total_variation(0.4, axes=(1, 3), accuracy=1e-7)
    p = row.numpy(penalty.prox(row.array(x), 0.5))
    alone = proximal.total_variation(0.4, accuracy=1e-7)
    for a in range(2):
        for b in range(4):
            want = row.numpy(alone.prox(row.array(x[a, :, b]), 0.5))
            np.testing.assert_allclose(p[a, :, b], want, rtol=0, atol=1e-6)


def test_the_mean_is_kept_and_an_image_that_is_not_finite_ends():
    x = random("float64")
    p = proximal.total_variation(3.0, accuracy=1e-6).prox(x, 100.0)
    np.testing.assert_allclose(p, np.mean(x), rtol=0, atol=1e-4)
    x[1, 1] = math.nan
    assert np.isnan(proximal.total_variation(1.0).prox(x, 1.0)).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: proximal.group_soft_threshold(-1.0), "group_soft_threshold: weight is -1.0; want"),
        (lambda: proximal.soft_threshold(-1.0), "soft_threshold: weight is -1.0; want a finite"),
        (lambda: proximal.soft_threshold(math.inf), "soft_threshold: weight is inf; want"),
        (lambda: proximal.total_variation(-1.0), "total_variation: weight is -1.0; want"),
        (lambda: proximal.total_variation(1.0, accuracy=0.0), "accuracy is 0.0; want a positive"),
        (lambda: proximal.total_variation(1.0, iterations=0), "iterations is 0; want at least 1"),
        (
            lambda: proximal.total_variation(1.0, 2).prox(np.zeros((3, 3)), 1.0),
            r"axes is \(2,\) and x",
        ),
        (lambda: proximal.indicator(0.5), "indicator: projection is 0.5; want a callable"),
        (
            lambda: proximal.soft_threshold(1.0).prox(np.zeros(2, int), 1.0),
            "x is .*int64.*; want",
        ),
        (lambda: proximal.total_variation(1.0).value([1.0]), "x is a list; want a real or"),
    ],
)
def test_a_wrong_argument_is_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
