"""Noise: seeded, equal on every row, and of the moments that its formula says."""

import numpy as np
import pytest
import scipy.stats

from nufftlib.blur import gaussian_noise, poisson_gaussian_noise, poisson_noise

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


def test_nothing_gives_no_counts():
    np.testing.assert_array_equal(poisson_noise(np.zeros(5), seed=0), np.zeros(5))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_noise(x, -1.0, seed=0), ValueError, "std is -1.0; want 0 or more"),
        (lambda: gaussian_noise(np.arange(3), 1.0, seed=0), TypeError, "want floating point"),
        (
            lambda: poisson_noise(np.asarray([1.0, -2.5, np.nan]), seed=0),
            ValueError,
            r"2 of 3 entries are negative.*\(first -2.5\)",
        ),
        (lambda: poisson_noise(np.asarray([np.inf]), seed=0), ValueError, "not finite"),
        (lambda: poisson_noise(np.asarray([1e30]), seed=0), ValueError, "beyond 4e18 counts"),
        (lambda: poisson_noise(np.ones(3), 0.0, seed=0), ValueError, "want a positive number"),
        (lambda: poisson_noise(np.ones(3) + 0j, seed=0), TypeError, "want real floating point"),
        (lambda: poisson_noise(np.arange(3), seed=0), TypeError, "want floating point"),
        (
            lambda: poisson_gaussian_noise(np.ones(3), 1.0, -0.1, seed=0),
            ValueError,
            "std is -0.1; want 0 or more",
        ),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
