"""Nonlinear maps and losses against finite differences, on every row."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import nufftlib as nl

rng = np.random.default_rng(2)
REAL = rng.standard_normal((3, 4))
COMPLEX = REAL + 1j * rng.standard_normal((3, 4))
TARGET = {"real": rng.standard_normal((3, 4)), "complex": COMPLEX[::-1] * 0.7}

LOSSES = {
    "half squared error": (nl.HalfSquaredError, lambda r: 0.5 * np.sum(np.abs(r) ** 2)),
    "mean squared error": (nl.MeanSquaredError, lambda r: np.mean(np.abs(r) ** 2)),
    "mean absolute error": (nl.MeanAbsoluteError, lambda r: np.mean(np.abs(r))),
    "huber": (
        lambda y: nl.Huber(y, 0.8),
        lambda r: np.sum(np.where(np.abs(r) <= 0.8, 0.5 * np.abs(r) ** 2, 0.8 * (np.abs(r) - 0.4))),
    ),
}
MAPS = {
    "magnitude": (nl.Magnitude(), COMPLEX, np.abs),
    "magnitude of real numbers": (nl.Magnitude(), REAL, np.abs),
    "mean normalisation": (nl.MeanNormalize(), np.abs(REAL), lambda z: z / z.mean()),
    "chain": (
        nl.MeanNormalize() @ nl.Magnitude(),
        COMPLEX,
        lambda z: np.abs(z) / np.abs(z).mean(),
    ),
}


def difference(f, z, t):
    """Central difference of fourth order along ``t``."""
    h = 1e-4
    return (8 * (f(z + h * t) - f(z - h * t)) - (f(z + 2 * h * t) - f(z - 2 * h * t))) / (12 * h)


def real_inner(a, b):
    return np.real(np.vdot(a, b))


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(row, name, kind):
    make, plain = LOSSES[name]
    z, y = (REAL, TARGET["real"]) if kind == "real" else (COMPLEX, TARGET["complex"])
    loss = make(row.array(y, str(y.dtype)))
    value, gradient = loss.value_and_grad(row.array(z, str(z.dtype)))
    assert row.owns(value, "float64")
    assert row.owns(gradient, str(z.dtype))
    assert float(value) == pytest.approx(plain(z - y), rel=1e-13)
    assert float(loss(row.array(z, str(z.dtype)))) == float(value)
    t = np.random.default_rng(5).standard_normal(z.shape) * (1 if kind == "real" else 1 + 0.3j)
    slope = difference(lambda s: plain(s - y), z, t)
    assert real_inner(row.numpy(gradient), t) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("name", MAPS)
def test_map(row, name):
    f, z, plain = MAPS[name]
    value, J = f.linearize(row.array(z, str(z.dtype)))
    assert row.owns(value, "float64")
    np.testing.assert_allclose(row.numpy(value), plain(z), rtol=1e-13)
    t = np.random.default_rng(5).standard_normal(z.shape) * (1 if np.isrealobj(z) else 1 - 0.4j)
    Jt = row.numpy(J(row.array(t, str(t.dtype))))
    np.testing.assert_allclose(Jt, difference(plain, z, t), rtol=1e-6, atol=1e-9)
    y = rng.standard_normal(z.shape)
    back = J.adjoint(row.array(y))
    assert row.owns(back, str(z.dtype))
    assert real_inner(row.numpy(back), t) == pytest.approx(real_inner(y, Jt), rel=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_stays_single(row, name):
    value, gradient = LOSSES[name][0](row.array(REAL, "float32")).value_and_grad(
        row.array(-REAL, "float32")
    )
    assert row.owns(value, "float32")
    assert row.owns(gradient, "float32")


def test_no_derivative_at_zero_is_zero_not_nan():
    z = np.asarray([0.0, 3.0])
    np.testing.assert_array_equal(nl.Magnitude().linearize(z + 0j)[1].adjoint(np.ones(2)), [0, 1])
    np.testing.assert_array_equal(nl.MeanAbsoluteError(z).value_and_grad(z)[1], [0, 0])
    np.testing.assert_array_equal(nl.Huber(z, 1.0).value_and_grad(z)[1], [0, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_huber_is_finite_for_every_delta_that_it_takes(row, dtype):
    info = np.finfo(dtype)
    z = row.array([0.0, 1.0, -3.0], dtype)
    for delta in (float(info.smallest_normal), float(info.max)):
        value, gradient = nl.Huber(0 * z, delta).value_and_grad(z)
        want = (4.0 * delta, [0, delta, -delta]) if delta < 1 else (5.0, [0, 1, -3])
        assert float(value) == pytest.approx(want[0], rel=1e-6, abs=0)
        np.testing.assert_allclose(row.numpy(gradient), want[1], rtol=1e-6)
    for delta in (float(info.smallest_normal) / 2, np.inf):
        with pytest.raises(ValueError, match=r"want a positive number, at least [12]\.[0-9]e-3"):
            nl.Huber(z, delta)


def test_the_jacobian_of_the_magnitude_takes_the_real_part_of_a_cotangent():
    _, J = nl.Magnitude().linearize(COMPLEX)
    np.testing.assert_array_equal(J.adjoint(COMPLEX[::-1]), J.adjoint(REAL[::-1]))
    _, J = nl.Magnitude().linearize(REAL)
    np.testing.assert_array_equal(J.adjoint(COMPLEX), np.sign(REAL) * REAL)


def test_numbers_too_small_to_divide_have_a_finite_gradient():
    z = np.asarray([1e-310 + 2e-310j, 3e-320j, 3.0])
    for values in (z, z.real + 0.0):
        value, gradient = nl.MeanAbsoluteError(0 * values).value_and_grad(values)
        assert np.isfinite(value)
        assert np.all(np.abs(gradient) <= 1 / 3 + 1e-12)  # of a mean of three


def test_long_sums_in_single_precision_keep_their_digits(row):
    many = row.array(np.full(3_000_000, 1.1), "float32")
    want = float(np.float32(1.1)) ** 2
    assert float(nl.inner(many, many)) / 3e6 == pytest.approx(want, rel=1e-5)
    assert float(nl.MeanSquaredError(0 * many)(many)) == pytest.approx(want, rel=1e-5)


def test_a_loss_behind_a_complex_operator_keeps_its_gradient(row):
    c, w, target = 0.3 - 0.2j, 1.5 + 0.7j, TARGET["complex"]
    f = (
        nl.HalfSquaredError(row.array(c, "complex128"))
        @ nl.Diagonal(row.array(w, "complex128"))
        @ nl.MeanSquaredError(row.array(target, "complex128"))
    )

    def plain(z):
        return 0.5 * abs(w * np.mean(np.abs(z - target) ** 2) - c) ** 2

    t = rng.standard_normal(COMPLEX.shape) * (1 - 0.4j)
    value, gradient = f.value_and_grad(row.array(COMPLEX, "complex128"))
    assert float(value) == pytest.approx(plain(COMPLEX), rel=1e-12)
    slope = difference(plain, COMPLEX, t)
    assert real_inner(row.numpy(gradient), t) == pytest.approx(slope, rel=1e-6)


def test_the_jacobian_of_a_loss_takes_the_real_part_of_a_cotangent():
    _, J = nl.HalfSquaredError(0 * COMPLEX).linearize(COMPLEX)
    for y in (2 + 3j, np.asarray(2 + 3j)):
        np.testing.assert_array_equal(J.adjoint(y), 2 * COMPLEX)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_a_complex_value_has_no_gradient(row, dtype):
    loss = 1j * nl.MeanSquaredError(row.array(TARGET["complex"], dtype))
    with pytest.raises(TypeError, match="want one real number"):
        loss.value_and_grad(row.array(COMPLEX, dtype))


def test_a_numpy_scalar_does_not_raise_the_precision():
    z = REAL.astype("f4")
    value, gradient = nl.Huber(-z, np.float64(0.8)).value_and_grad(z)
    assert value.dtype == gradient.dtype == np.float32


# --- weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (3, 1), (4,), ()])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_weights_broadcast_against_the_target(row, kind, shape):
    z, y = (REAL, TARGET["real"]) if kind == "real" else (COMPLEX, TARGET["complex"])
    w = np.random.default_rng(3).random(shape)

    def plain(z):
        return 0.5 * np.sum(w * np.abs(z - y) ** 2)

    loss = nl.HalfSquaredError(row.array(y, str(y.dtype)), weights=row.array(w))
    value, gradient = loss.value_and_grad(row.array(z, str(z.dtype)))
    assert row.owns(value, "float64")
    assert row.owns(gradient, str(z.dtype))
    assert float(value) == pytest.approx(plain(z), rel=1e-13)
    t = np.random.default_rng(5).standard_normal(z.shape) * (1 if kind == "real" else 1 + 0.3j)
    assert real_inner(row.numpy(gradient), t) == pytest.approx(difference(plain, z, t), rel=1e-6)


# --- masks ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (3, 1), (4,)])
@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("name", ["mean squared error", "mean absolute error"])
def test_means_in_a_mask(row, name, kind, shape):
    make, plain = LOSSES[name]
    z, y = (REAL, TARGET["real"]) if kind == "real" else (COMPLEX, TARGET["complex"])
    mask = np.arange(np.prod(shape)).reshape(shape) % 3 != 1
    inside = np.broadcast_to(mask, z.shape)
    y = np.where(inside, y, np.nan)  # whatever is outside has no effect
    loss = make(row.array(y, str(y.dtype)), row.array(mask, "bool"))
    value, gradient = loss.value_and_grad(row.array(z, str(z.dtype)))
    assert row.owns(value, "float64")
    assert row.owns(gradient, str(z.dtype))
    assert float(value) == pytest.approx(plain((z - y)[inside]), rel=1e-13)
    t = np.random.default_rng(5).standard_normal(z.shape) * (1 if kind == "real" else 1 + 0.3j)
    slope = difference(lambda s: plain((s - y)[inside]), z, t)
    assert real_inner(row.numpy(gradient), t) == pytest.approx(slope, rel=1e-6)
    np.testing.assert_array_equal(row.numpy(gradient)[~inside], 0)


def test_a_mask_of_all_changes_nothing_and_single_precision_stays():
    for make in (nl.MeanSquaredError, nl.MeanAbsoluteError):
        for dtype in ("f4", "f8"):
            z, y = REAL.astype(dtype), TARGET["real"].astype(dtype)
            plain, masked = (f.value_and_grad(z) for f in (make(y), make(y, np.ones(4, bool))))
            assert masked[0].dtype == masked[1].dtype == dtype
            for a, b in zip(plain, masked, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-6 if dtype == "f4" else 1e-14)


# --- counts -----------------------------------------------------------------------------

COUNTS = np.asarray([[0.0, 1.0, 3.0, 7.0], [0.0, 2.0, 50.0, 1e5], [4.0, 0.5, 20.0, 9.0]])
MEANS = COUNTS * np.asarray([0.3, 1.0, 1.02, 3.0]) + 0.2


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("background", [0.0, 2.5, np.asarray([0.0, 1.0, 0.1, 2.0])])
def test_poisson_likelihood(row, gain, background):
    """Against SciPy's Kullback-Leibler divergence, and finite differences of it."""

    def plain(z):
        return np.sum(scipy.special.kl_div(COUNTS, z + background)) / gain

    b = background if np.isscalar(background) else row.array(background)
    loss = nl.PoissonLikelihood(row.array(COUNTS), gain, b)
    value, gradient = loss.value_and_grad(row.array(MEANS))
    assert row.owns(value, "float64")
    assert row.owns(gradient, "float64")
    assert float(value) == pytest.approx(plain(MEANS), rel=1e-13)
    t = np.random.default_rng(5).standard_normal(MEANS.shape)
    slope = difference(plain, MEANS, t)
    assert real_inner(row.numpy(gradient), t) == pytest.approx(slope, rel=1e-6)
    least, nothing = loss.value_and_grad(row.array(COUNTS - background))
    assert float(least) == pytest.approx(0, abs=1e-12)
    if gain == 1.0 and np.all(np.asarray(background) == 0):
        assert float(least) == 0.0
        np.testing.assert_array_equal(row.numpy(nothing)[COUNTS > 0], 0)


def test_it_is_the_likelihood_up_to_its_minimum():
    z, gain = MEANS, 0.5
    n = np.asarray(COUNTS / gain)

    def negative_log_likelihood(mean):
        return np.sum(mean - scipy.special.xlogy(n, mean) + scipy.special.gammaln(n + 1))

    want = negative_log_likelihood(z / gain) - negative_log_likelihood(n)
    assert float(nl.PoissonLikelihood(COUNTS, gain)(z)) == pytest.approx(want, rel=1e-10)


@pytest.mark.parametrize(
    "relative", [1e-15, 1e-12, 1e-8, 1e-4, 0.03, 0.15, 0.2, 0.25, 0.33, 0.45, 0.7]
)
def test_close_to_the_target_no_digits_are_lost(relative):
    """The series sum (-u)^k / (k (k - 1)), and exact rationals, in place of differences."""
    from fractions import Fraction

    for t, sign in ((3.0, 1), (3.0, -1), (1e5, 1), (0.7, -1)):
        z = t * (1 + sign * relative)
        u = float(Fraction(z) / Fraction(t) - 1)  # exact: z / t rounded would lose it
        if relative <= 0.3:
            want = t * sum((-u) ** k / k for k in range(2, 60))  # u - log(1 + u)
        else:
            want = t * (u - np.log1p(u))
        value = float(nl.PoissonLikelihood(np.asarray([t]))(np.asarray([z])))
        assert value == pytest.approx(want, rel=2e-14, abs=0)


def test_what_cannot_be_is_infinite_and_has_a_finite_gradient(row):
    t = row.array([0.0, 1.0, 1.0, 0.0, 2.0])
    z = row.array([0.0, 0.0, -1.0, -1.0, 1.0])
    value, gradient = nl.PoissonLikelihood(t).value_and_grad(z)
    assert float(value) == np.inf
    np.testing.assert_array_equal(row.numpy(gradient), [1, 0, 0, 0, -1])
    for k, want in enumerate([0, np.inf, np.inf, np.inf, 2 * np.log(2) - 1]):
        loss = nl.PoissonLikelihood(t[k : k + 1])
        assert float(loss(z[k : k + 1])) == pytest.approx(want, rel=1e-14)
    value, gradient = nl.PoissonLikelihood(t).value_and_grad(t * float("nan"))
    assert np.isnan(float(value))
    assert np.all(np.isnan(row.numpy(gradient)))


def test_what_is_not_a_number_stays_so(row):
    loss = nl.PoissonLikelihood(row.array([1.0, 0.0, 3.0]))
    for k in range(3):
        z = np.asarray([1.0, 2.0, 3.0])
        z[k] = np.nan
        value, gradient = loss.value_and_grad(row.array(z))
        assert np.isnan(float(value))
        np.testing.assert_array_equal(np.isnan(row.numpy(gradient)), np.isnan(z))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_that_is_negative_by_rounding_is_zero(row, dtype):
    eps = np.finfo(dtype).eps

    def at(target, rate, background=0.0):
        loss = nl.PoissonLikelihood(row.array(target, dtype), 0.5, background)
        value, gradient = loss.value_and_grad(row.array(rate, dtype))
        return float(value), row.numpy(gradient)

    for rate in (0.0, -1e-30, -99 * 8 * eps):  # of the largest, 8
        value, gradient = at([0.0, 8.0], [rate, 8.0])
        assert value == 0
        np.testing.assert_array_equal(gradient, [2, 0])
    assert at([0.0, 8.0], [-101 * 8 * eps, 8.0])[0] == np.inf
    value, gradient = at([1.0, 8.0], [-8 * eps, 8.0])  # one count where none can be
    assert value == np.inf
    np.testing.assert_array_equal(gradient, [0, 0])
    value, gradient = at([1.0, 8.0], [-8 * eps, 7.75], 0.25)  # unless something is there
    assert value == pytest.approx(2 * (0.25 - 1 + np.log(4)), rel=1e-4)
    np.testing.assert_allclose(gradient, [2 * (1 - 4), 0], rtol=1e-4)


def test_poisson_likelihood_in_single_precision_stays_single(row):
    loss = nl.PoissonLikelihood(row.array(COUNTS, "float32"), np.float64(0.5), np.float64(0.1))
    value, gradient = loss.value_and_grad(row.array(MEANS, "float32"))
    assert row.owns(value, "float32")
    assert row.owns(gradient, "float32")
    want = nl.PoissonLikelihood(COUNTS, 0.5, 0.1)(MEANS)
    assert float(value) == pytest.approx(float(want), rel=1e-5)


# --- a loss matches its noise -----------------------------------------------------------


def fitted(loss, size):
    """The constant of least loss."""
    found = scipy.optimize.minimize_scalar(
        lambda c: float(loss(np.full(size, c))), bounds=(1e-3, 100), options={"xatol": 1e-9}
    )
    return found.x


@pytest.mark.parametrize(("mean", "gain"), [(0.4, 1.0), (30.0, 2.5), (8.0, 0.1)])
def test_the_likelihood_of_counts_is_unbiased_and_has_their_scale(mean, gain):
    n = 40_000
    y = nl.blur.poisson_noise(np.full(n, mean), gain, seed=11)
    loss = nl.PoissonLikelihood(y, gain)
    assert fitted(loss, n) == pytest.approx(mean, abs=3 * np.sqrt(gain * mean / n))
    # Curvature is the Fisher information n / (gain mean): the error bar is the right one.
    h = 1e-2 * mean
    values = [float(loss(np.full(n, mean + s * h))) for s in (-1, 0, 1)]
    assert (values[0] - 2 * values[1] + values[2]) / h**2 == pytest.approx(
        n / (gain * mean), rel=0.02
    )


def test_the_likelihood_sees_the_background():
    n, mean, background, gain = 40_000, 5.0, 20.0, 0.5
    y = nl.blur.poisson_noise(np.full(n, mean + background), gain, seed=12)
    loss = nl.PoissonLikelihood(y, gain, background)
    assert fitted(loss, n) == pytest.approx(mean, abs=3 * np.sqrt(gain * 25 / n))


def test_the_shifted_likelihood_is_that_of_a_camera():
    n, mean, gain, std = 40_000, 3.0, 0.5, 2.0
    y = nl.blur.poisson_gaussian_noise(np.full(n, mean), gain, std, seed=13)
    b = std**2 / gain
    loss = nl.PoissonLikelihood(np.maximum(y + b, 0.0), gain, background=b)
    variance = gain * mean + std**2
    assert fitted(loss, n) == pytest.approx(mean, abs=3 * np.sqrt(variance / n))
    # Where the model is right, twice the loss is one chi-squared for each pixel.
    assert 2 * float(loss(np.full(n, mean))) / n == pytest.approx(1, rel=0.05)


def test_weights_by_the_variance_are_the_likelihood_of_gaussian_noise():
    n, mean = 40_000, 7.0
    std = np.where(np.arange(n) % 2, 0.1, 5.0)
    y = mean + std * np.random.default_rng(14).standard_normal(n)
    loss = nl.HalfSquaredError(y, weights=1 / std**2)
    error = 1 / np.sqrt(np.sum(1 / std**2))
    assert fitted(loss, n) == pytest.approx(mean, abs=3 * error)
    assert 2 * float(loss(np.full(n, mean))) / n == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nl.HalfSquaredError(np.ones((3, 4)), np.ones(3)),
            ValueError,
            r"\(3,\); want one that broadcasts to the shape of target, \(3, 4\)",
        ),
        (lambda: nl.HalfSquaredError(np.ones(3), np.ones((1, 3))), ValueError, "want one that"),
        (lambda: nl.HalfSquaredError(np.ones(3), -np.ones(3)), ValueError, "negative or not"),
        (lambda: nl.HalfSquaredError(np.ones(3), np.ones(3) * np.nan), ValueError, "not finite"),
        (lambda: nl.HalfSquaredError(np.ones(3), 1j * np.ones(3)), TypeError, "want real"),
        (lambda: nl.HalfSquaredError(np.ones(3), 2.0), TypeError, "want an array"),
        (lambda: nl.HalfSquaredError(np.ones(3), np.ones(3, "f4")), TypeError, "one precision"),
        (lambda: nl.MeanSquaredError(np.ones(3), np.ones(3)), TypeError, "float64; want bool"),
        (lambda: nl.MeanSquaredError(np.ones(3), np.ones(2, bool)), ValueError, "want one that"),
        (lambda: nl.MeanAbsoluteError(np.ones(3), np.zeros(3, bool)), ValueError, "want an entry"),
        (lambda: nl.PoissonLikelihood(-np.ones(3)), ValueError, "target are negative or not"),
        (lambda: nl.PoissonLikelihood(1j * np.ones(3)), TypeError, "want real numbers"),
        (lambda: nl.PoissonLikelihood(np.ones(3))(1j * np.ones(3)), TypeError, "z has the dtype"),
        (lambda: nl.PoissonLikelihood(np.ones(3), 0.0), ValueError, "gain is 0.0; want a posi"),
        (
            lambda: nl.PoissonLikelihood(np.ones(3), 1, -1),
            ValueError,
            "-1.0; want a finite number",
        ),
        (lambda: nl.PoissonLikelihood(np.ones(3), 1, np.ones(2)), ValueError, "want one that"),
        (lambda: nl.HalfSquaredError(np.ones(3))(np.ones(4)), ValueError, "want the target's"),
        (lambda: nl.HalfSquaredError(np.arange(3)), TypeError, "int64; want real or complex"),
        (lambda: nl.HalfSquaredError(np.ones(3, "f2")), TypeError, "float16; want real or"),
        (lambda: nl.Huber(np.ones(3, np.longdouble), 1.0), TypeError, "want real or complex"),
        (lambda: nl.Diagonal(np.ones(3, "f2")), TypeError, "float16; want real or complex"),
        (lambda: nl.MeanSquaredError(np.ones(3))(np.ones(3, "f2")), TypeError, "z is float16"),
        (lambda: nl.HalfSquaredError(1j * np.ones(3))(np.ones(3)), TypeError, "z is real"),
        (lambda: nl.Huber(np.ones(3), 0.0), ValueError, "delta is 0.0; want a positive"),
        (lambda: nl.MeanNormalize()(1j * np.ones(3)), TypeError, "want float32 or float64"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_map_that_is_no_dataclass_has_a_repr():
    class Own(nl.core.operator.Map):
        def linearize(self, x):
            raise NotImplementedError

    assert repr(2.0 * Own()) == "Chain(outer=Scale(scalar=2.0), inner=Own(...))"


@pytest.mark.parametrize(("dtype", "large"), [("float32", 3e38), ("float64", 1.7e308)])
def test_the_mean_of_large_numbers_does_not_overflow(row, dtype, large):
    z = row.array(large * np.linspace(0.5, 1, 401), dtype)
    u, J = nl.MeanNormalize().linearize(z)
    np.testing.assert_allclose(row.numpy(u), np.linspace(0.5, 1, 401) / 0.75, rtol=1e-5)
    np.testing.assert_allclose(row.numpy(J(1e-3 * z)), 0, atol=1e-7)  # no change along z


def test_numbers_near_zero_have_a_mean(row):
    z = row.array(np.float32(1e-38) * np.linspace(0.5, 1, 401), "float32")
    np.testing.assert_allclose(row.numpy(nl.MeanNormalize()(z)).mean(), 1, rtol=1e-5)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match=r"z has the shape \(0, 3\); want entries"):
        nl.MeanNormalize()(np.zeros((0, 3)))


def test_a_background_of_no_dimensions_is_a_number():
    loss = nl.PoissonLikelihood(np.ones(3, "f4"), 1, np.asarray(0.5))
    assert type(loss.background) is float
    assert loss(np.ones(3, "f4")).dtype == np.float32


def test_the_magnitude_of_one_number_has_a_gradient(row):
    value, gradient = nl.Magnitude().value_and_grad(row.array(3 + 4j, "complex128"))
    assert float(value) == 5
    assert complex(gradient) == pytest.approx(0.6 + 0.8j)
