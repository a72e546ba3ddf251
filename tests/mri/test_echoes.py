"""The field map of two echoes: sign, limit, weights, and what it is for."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri

N, SPACING = 32, 2e-3
AXIS = np.linspace(-1, 1, N)
FIELD = (
    90 * AXIS - 70 * AXIS[:, None] + 60 * np.exp(-((AXIS - 0.2) ** 2 + AXIS[:, None] ** 2) / 0.1)
)
INSIDE = np.hypot(AXIS, AXIS[:, None]) < 0.75
IMAGE = INSIDE * (1 + 0.5 * np.cos(9 * AXIS)) * np.exp(2j * AXIS[:, None])
MAPS = mri.birdcage_maps(4, (N, N), dtype=np.complex128)


def echoes(noise, field=FIELD):
    rng = np.random.default_rng(0)
    first = MAPS * IMAGE * np.exp(-2j * np.pi * field * 3e-3)
    second = first * 0.8 * np.exp(-2j * np.pi * field * SPACING)
    draw = rng.standard_normal((4, *first.shape)) * noise
    return first + draw[0] + 1j * draw[1], second + draw[2] + 1j * draw[3]


def off(found, field=FIELD):
    return np.sqrt(np.mean((found - field)[INSIDE] ** 2))


def test_the_map_is_that_of_off_resonance():
    """Of the same sign: its transform at one time makes the second image of the first one."""
    first, second = echoes(0.0)
    found = mri.field_map_from_echoes(first, second, SPACING, smoothing=0)
    assert off(found) < 1e-9
    k = np.random.default_rng(1).uniform(-0.5, 0.5, (40, 2))
    F = nl.NUFFT(k, (N, N), engine="direct")
    A = nl.OffResonance(F, found, np.full(40, SPACING), eps=1e-9)
    np.testing.assert_allclose(A(first), F(second) / 0.8, atol=1e-6 * abs(F(second)).max())


def test_smoothing_takes_noise_and_fills_holes():
    first, second = echoes(0.05)
    rough = mri.field_map_from_echoes(first, second, SPACING, smoothing=0)
    found = mri.field_map_from_echoes(first, second, SPACING)
    assert off(found) < 0.5 * off(rough) < 5.0
    hole = (abs(AXIS - 0.3) < 0.12) & (abs(AXIS[:, None]) < 0.12)
    first, second = (np.where(hole, 0, x) for x in echoes(0.0))
    found = mri.field_map_from_echoes(first, second, SPACING, smoothing=0.5)
    assert abs(found - FIELD)[hole].max() < 15
    np.testing.assert_array_equal(
        mri.field_map_from_echoes(first, second, SPACING, smoothing=0)[hole], 0
    )


def test_the_smoothed_map_is_the_minimum():
    first, second = echoes(0.05)
    z = np.sum(np.conj(first) * second, axis=0)
    w = abs(z) / abs(z).max()
    target = -np.angle(z) / (2 * np.pi * SPACING)
    D = nl.FiniteDifferences((N, N))
    found = mri.field_map_from_echoes(first, second, SPACING, smoothing=1.5)
    gradient = w * (found - target) + 1e-4 * found + 1.5**4 * D.N(D.N(found))
    assert np.linalg.norm(gradient) < 1e-3 * np.linalg.norm(w * target)


def test_frequencies_beyond_half_of_the_spacing_wrap():
    for f, want in ((240.0, 240.0), (260.0, -240.0), (-260.0, 240.0)):
        first, second = echoes(0.0, np.full((N, N), f))
        found = mri.field_map_from_echoes(first, second, SPACING, smoothing=0)
        assert off(found, want) < 1e-9


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_no_scale_matters(scale):
    first, second = (x.astype("complex64") for x in echoes(0.01))
    want = mri.field_map_from_echoes(first, second, SPACING)
    found = mri.field_map_from_echoes(scale * first, second * (1 / scale), SPACING)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, want, atol=0.05)


X = np.ones((2, 4, 4), complex)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": X.real}, "first is float64; want complex64 or complex128"),
        ({"second": X[:, :3]}, r"second has the shape \(2, 3, 4\)"),
        ({"first": X[0, 0], "second": X[0, 0]}, r"\(4,\); want \(coils, \*image shape\)"),
        ({"first": 0 * X}, "no voxel has a signal at both echoes"),
        ({"second": np.full_like(X, np.inf)}, "second is not finite"),
        ({"spacing": 0.0}, "spacing is 0.0; want a positive"),
        ({"smoothing": -1.0}, "smoothing is -1.0; want a finite number, 0 or more"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        mri.field_map_from_echoes(**{"first": X, "second": X, "spacing": 1e-3} | change)
