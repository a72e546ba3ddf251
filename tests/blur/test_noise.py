"""Noise: seeded, equal on every row, and of the moments that its formula says."""

import numpy as np
import pytest

from nufftlib.blur import gaussian_noise

x = np.random.default_rng(4).standard_normal((3, 11, 12))


def test_gaussian_noise_is_equal_on_every_row(row):
    for values, dtype in ((x, "float64"), (x + 1j * x, "complex128")):
        noisy = gaussian_noise(row.array(values, dtype), 0.1, seed=2)
        assert row.owns(noisy, dtype)
        np.testing.assert_array_equal(row.numpy(noisy), gaussian_noise(values, 0.1, seed=2))


def test_complex_noise_has_the_std_in_either_part():
    noise = gaussian_noise(np.zeros(200_000, complex), 0.3, seed=0)
    assert noise.real.std() == pytest.approx(0.3, rel=0.01)
    assert noise.imag.std() == pytest.approx(0.3, rel=0.01)
    assert abs(np.mean(noise.real * noise.imag)) < 1e-3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gaussian_noise(x, -1.0, seed=0), ValueError, "std is -1.0; want 0 or more"),
        (lambda: gaussian_noise(np.arange(3), 1.0, seed=0), TypeError, "want floating point"),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
