"""Noise: seeded, equal on every row, and of the moments that its formula says."""

import numpy as np
import pytest
import scipy.stats

import nufftlib as nl
from nufftlib.blur import gaussian_noise, motion_psf, poisson_gaussian_noise, poisson_noise
from nufftlib.data import astronaut

x = np.random.default_rng(4).standard_normal((3, 11, 12))
NOISES = {
    "gaussian": lambda x: gaussian_noise(x, 0.1, seed=2),
    "poisson": lambda x: poisson_noise(x, 0.5, seed=2),
    "poisson-gaussian": lambda x: poisson_gaussian_noise(x, 0.5, 0.1, seed=2),
}


@pytest.mark.parametrize("name", NOISES)
def test_noise_is_equal_on_every_row(row, name):
    values = 10 * abs(x)
    noisy = NOISES[name](row.array(values))
    assert row.owns(noisy, "float64")
    np.testing.assert_array_equal(row.numpy(noisy), NOISES[name](values))
    assert not np.array_equal(row.numpy(noisy), values)
    single = NOISES[name](row.array(values, "float32"))
    assert row.owns(single, "float32")
    np.testing.assert_array_equal(row.numpy(single), NOISES[name](values.astype("f4")))


def test_complex_gaussian_noise_is_equal_on_every_row(row):
    noisy = gaussian_noise(row.array(x + 1j * x, "complex128"), 0.1, seed=2)
    assert row.owns(noisy, "complex128")
    np.testing.assert_array_equal(row.numpy(noisy), gaussian_noise(x + 1j * x, 0.1, seed=2))


def test_complex_noise_has_the_std_in_either_part():
    noise = gaussian_noise(np.zeros(200_000, complex), 0.3, seed=0)
    assert noise.real.std() == pytest.approx(0.3, rel=0.01)
    assert noise.imag.std() == pytest.approx(0.3, rel=0.01)
    assert abs(np.mean(noise.real * noise.imag)) < 1e-3


@pytest.mark.parametrize("gain", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("mean", [0.6, 40.0])
def test_counts_have_poissons_probabilities(gain, mean):
    y = poisson_noise(np.full(200_000, mean), gain, seed=1)
    counts = y / gain
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    assert y.mean() == pytest.approx(mean, abs=4 * np.sqrt(gain * mean / y.size))
    assert y.var() == pytest.approx(gain * mean, rel=0.02)
    law = scipy.stats.poisson(mean / gain)
    for n in range(int(mean / gain) + 3):
        p = law.pmf(n)
        assert np.mean(counts.round() == n) == pytest.approx(p, abs=5 * np.sqrt(p / y.size) + 1e-5)


def test_reading_adds_its_variance_to_that_of_counting():
    clean, gain, std = np.full(400_000, 6.0), 0.5, 1.5
    y = poisson_gaussian_noise(clean, gain, std, seed=3)
    assert y.mean() == pytest.approx(6.0, abs=4 * np.sqrt(5.25 / y.size))
    assert y.var() == pytest.approx(gain * 6.0 + std**2, rel=0.01)
    read = y - poisson_noise(clean, gain, seed=3)
    assert scipy.stats.kstest(read / std, "norm").pvalue > 0.01
    np.testing.assert_array_equal(
        poisson_gaussian_noise(clean, gain, 0.0, seed=3), poisson_noise(clean, gain, seed=3)
    )


def test_the_reading_is_independent_of_the_counts():
    """As a second generator of one seed is not: its first number is that of the first count."""
    dim = np.full(1, 6.0)
    counts = np.asarray([poisson_noise(dim, seed=n)[0] for n in range(4000)])
    y = np.asarray([poisson_gaussian_noise(dim, 1.0, 1.0, seed=n)[0] for n in range(4000)])
    read = y - counts
    for of_reading in (read, abs(read)):
        assert abs(np.corrcoef(counts, of_reading)[0, 1]) < 4 / np.sqrt(4000)
    alone = [gaussian_noise(0 * dim, 1.0, seed=n)[0] for n in range(4000)]
    assert not np.any(np.isclose(read, alone, atol=1e-6))


# --- a std for each pixel ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["real", "complex", "read"])
@pytest.mark.parametrize("shape", [(3, 11, 12), (11, 1), (12,), ()])
def test_a_constant_array_is_the_number(row, name, shape):
    values = 1j * x if name == "complex" else abs(x)
    for dtype in ("float64", "float32"):
        std = np.full(shape, 0.1, dtype)

        def noisy(x, std):
            if name == "read":
                return poisson_gaussian_noise(x, 0.5, std, seed=2)
            return gaussian_noise(x, std, seed=2)

        kind = {"float64": "complex128", "float32": "complex64"}[dtype]
        clean = row.array(values, kind if name == "complex" else dtype)
        got = noisy(clean, row.array(std, dtype))
        assert row.owns(got, kind if name == "complex" else dtype)
        want = noisy(clean, float(np.dtype(dtype).type(0.1)))
        np.testing.assert_array_equal(row.numpy(got), row.numpy(want))


def test_an_array_is_the_std_of_each_entry(row):
    std = np.asarray([[0.0], [0.5], [3.0]])
    noise = row.numpy(gaussian_noise(row.array(np.zeros((3, 100_000))), row.array(std), seed=1))
    np.testing.assert_allclose(noise.std(axis=1), std[:, 0], rtol=0.01)
    y = poisson_gaussian_noise(np.full((3, 100_000), 6.0), 0.5, std, seed=1)
    np.testing.assert_allclose(y.var(axis=1), 3.0 + std[:, 0] ** 2, rtol=0.02)


# --- dark pixels ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dark_pixels_of_the_own_blur_are_counted_as_zero(dtype):
    clean = nl.Blur(motion_psf(9, seed=0, dtype=dtype))(astronaut().astype(dtype))
    assert np.sum(clean < 0) > 1000  # a little, by FFT
    y = poisson_noise(clean, 1e-3, seed=0)
    np.testing.assert_array_equal(y[clean < 0], 0)
    np.testing.assert_array_equal(y, poisson_noise(np.maximum(clean, 0), 1e-3, seed=0))
    read = poisson_gaussian_noise(clean, 1e-3, 0.01, seed=0)
    assert np.all(np.isfinite(read))
    loss = nl.PoissonLikelihood(y, 1e-3)
    value, gradient = loss.value_and_grad(clean)
    assert value == loss(np.maximum(clean, 0))
    assert np.isfinite(value)
    np.testing.assert_array_equal(gradient[clean < 0], dtype(1) / dtype(1e-3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_is_a_hundred_eps_of_the_largest_entry(row, dtype):
    eps = np.finfo(dtype).eps
    for largest in (1.0, 1e-6, 1e6):
        clean = largest * np.asarray([-99 * eps, 0.0, 1.0])
        y = row.numpy(poisson_noise(row.array(clean, dtype), 0.1 * largest, seed=0))
        assert y[0] == y[1] == 0
        clean[0] = -101 * eps * largest
        with pytest.raises(ValueError, match="1 of 3 entries are negative"):
            poisson_noise(row.array(clean, dtype), 0.1 * largest, seed=0)


def test_noise_of_nothing_is_nothing():
    empty = np.zeros((0, 3))
    assert poisson_noise(empty, seed=0).shape == empty.shape
    assert nl.PoissonLikelihood(empty)(empty) == 0


def test_nothing_gives_no_counts():
    np.testing.assert_array_equal(poisson_noise(np.zeros(5), seed=0), np.zeros(5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_noise(x, -1.0, seed=0), ValueError, "std is -1.0; want a finite number"),
        (lambda: gaussian_noise(x, np.inf, seed=0), ValueError, "std is inf; want a finite number"),
        (lambda: gaussian_noise(x, -abs(x), seed=0), ValueError, "entries of std are negative"),
        (lambda: gaussian_noise(x, x * np.nan, seed=0), ValueError, "negative or not finite"),
        (
            lambda: gaussian_noise(x, np.ones(3), seed=0),
            ValueError,
            r"std has the shape \(3,\); want one that broadcasts to the shape of x, \(3, 11, 12\)",
        ),
        (lambda: gaussian_noise(x[0], abs(x), seed=0), ValueError, "want one that broadcasts"),
        (lambda: gaussian_noise(x, 1j * x, seed=0), TypeError, "want real numbers"),
        (lambda: gaussian_noise(x, x.astype("f4"), seed=0), TypeError, "of one precision"),
        (
            lambda: gaussian_noise(x, [0.1], seed=0),
            TypeError,
            r"want a number or an array",
        ),
        (
            lambda: poisson_gaussian_noise(abs(x), 1.0, -abs(x), seed=0),
            ValueError,
            r"poisson_gaussian_noise\(std\): some entries of std are negative",
        ),
        (lambda: gaussian_noise(np.arange(3), 1.0, seed=0), TypeError, "want real or complex"),
        (
            lambda: poisson_noise(np.asarray([1.0, -2.5, np.nan]), seed=0),
            ValueError,
            r"2 of 3 entries are negative.*\(first -2.5\)",
        ),
        (lambda: poisson_noise(np.asarray([np.inf]), seed=0), ValueError, "not finite"),
        (lambda: poisson_noise(np.asarray([1e30]), seed=0), ValueError, "beyond 4e18 counts"),
        (lambda: poisson_noise(np.ones(3), 0.0, seed=0), ValueError, "want a positive, finite"),
        (lambda: poisson_noise(np.ones(3) + 0j, seed=0), TypeError, "want real floating point"),
        (lambda: poisson_noise(np.arange(3), seed=0), TypeError, "want real or complex"),
        (
            lambda: poisson_gaussian_noise(np.ones(3), 1.0, -0.1, seed=0),
            ValueError,
            "std is -0.1; want a finite number, 0 or more",
        ),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
