"""Nonlinear maps and losses against finite differences, on every row."""

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nl.HalfSquaredError(np.ones(3))(np.ones(4)), ValueError, "want the target's"),
        (lambda: nl.HalfSquaredError(np.arange(3)), TypeError, "want floating point"),
        (lambda: nl.HalfSquaredError(np.ones(3, "f2")), TypeError, "float16; want floating"),
        (lambda: nl.Huber(np.ones(3, np.longdouble), 1.0), TypeError, "want floating point"),
        (lambda: nl.Diagonal(np.ones(3, "f2")), TypeError, "float16; want real or complex"),
        (lambda: nl.MeanSquaredError(np.ones(3))(np.ones(3, "f2")), TypeError, "z is float16"),
        (lambda: nl.HalfSquaredError(1j * np.ones(3))(np.ones(3)), TypeError, "z is real"),
        (lambda: nl.Huber(np.ones(3), 0.0), ValueError, "delta is 0.0; want a positive"),
        (lambda: nl.MeanNormalize()(1j * np.ones(3)), TypeError, "want a real array"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
