"""Densities: sums, symmetry, and values known by other means."""

import numpy as np
import pytest

from nufftlib.mri import sampling
from nufftlib.mri.sampling.densities import squared_filter

SHAPES = [(16, 16), (15, 18), (8, 9, 12)]
MAKERS = {
    "polynomial": lambda shape: sampling.polynomial_density(shape, 1.5, dtype=np.float64),
    "decay": lambda shape: sampling.decay_density(shape, 0.1, 2.5, dtype=np.float64),
    "wavelet": lambda shape: sampling.wavelet_density(shape, levels=3, dtype=np.float64),
    "separable": lambda shape: sampling.wavelet_density(
        shape, moments=2, levels=2, separable=True, dtype=np.float64
    ),
    "energy": lambda shape: sampling.energy_density(
        np.random.default_rng(0).standard_normal((3, *shape)), ndim=len(shape)
    ),
}
COEFFICIENTS = {  # of the filters, from Daubechies (1988), table 1
    1: [0.5**0.5, 0.5**0.5],
    2: [0.482962913145, 0.836516303738, 0.224143868042, -0.129409522551],
    3: [
        0.33267055295,
        0.806891509311,
        0.459877502118,
        -0.13501102001,
        -0.085441273882,
        0.035226291882,
    ],
    4: (
        *(0.230377813309, 0.714846570553, 0.630880767930, -0.027983769417),
        *(-0.187034811719, 0.030841381836, 0.032883011667, -0.010597401785),
    ),
}


def mirrored(density):
    """Return the density at -k: cell n at N - n, where the first of an even axis is its own."""
    for axis, n in enumerate(density.shape):
        density = np.roll(np.flip(density, axis), 1 - n % 2, axis)
    return density


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", MAKERS)
def test_sum_sign_and_symmetry(name, shape):
    density = MAKERS[name](shape)
    assert density.shape == shape
    assert density.sum() == pytest.approx(1, abs=1e-14)
    assert density.min() >= 0
    np.testing.assert_allclose(mirrored(density), density, atol=1e-15)
    centre = tuple(n // 2 for n in shape)
    if name != "energy":
        assert density[centre] == density.max()


def test_formulas_at_single_cells():
    k = np.hypot(3 / 16, 5 / 20)  # cell (11, 15) of 16 x 20
    decay = sampling.decay_density((16, 20), 0.125, 3.0, dtype=np.float64)
    assert decay[11, 15] / decay[8, 10] == pytest.approx((0.125 / k) ** 3)
    assert decay[8, 12] == decay[8, 10] == decay[10, 10]  # at the radii 0.1, 0 and 0.125
    assert decay[8, 13] < decay[8, 10]
    polynomial = sampling.polynomial_density((16, 20), 3.0, dtype=np.float64)
    assert polynomial[11, 15] / polynomial[8, 10] == pytest.approx((1 - k * 2**0.5) ** 3)
    assert polynomial[0, 0] == 0 < polynomial[0, 1]  # the corner of k-space
    volume = sampling.polynomial_density((4, 4, 4), 1.0, dtype=np.float64)
    assert volume[1, 1, 1] / volume[2, 2, 2] == pytest.approx(0.5)  # halfway to the corner


def test_a_power_of_zero_is_uniform():
    for density in (
        sampling.polynomial_density((6, 5), 0, dtype=np.float64),
        sampling.decay_density((6, 5), 0.1, 0, dtype=np.float64),
    ):
        np.testing.assert_allclose(density, 1 / 30)


def test_the_energy_is_that_of_the_spectrum(row):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 6, 5)) + 1j * rng.standard_normal((3, 6, 5))
    n = [np.arange(size) - size // 2 for size in (6, 5)]
    dense = [np.exp(-2j * np.pi * np.outer(a, a) / a.size) for a in n]
    spectrum = abs(dense[0] @ x @ dense[1].T) ** 2
    want = np.mean(spectrum / spectrum.sum(axis=(1, 2), keepdims=True), axis=0)
    got = sampling.energy_density(row.array(x, "complex128"))
    assert row.owns(got, "float64")
    np.testing.assert_allclose(row.numpy(got), want, rtol=1e-12)
    # Each image counts alike, whatever its scale.
    scaled = sampling.energy_density(row.array(x * [[[1e200]], [[1e-200]], [[1]]], "complex128"))
    np.testing.assert_allclose(row.numpy(scaled), want, rtol=1e-12)


@pytest.mark.parametrize("moments", COEFFICIENTS)
def test_filters_are_those_published(moments):
    h = np.asarray(COEFFICIENTS[moments])
    omega = np.linspace(-np.pi, np.pi, 37)
    want = abs(np.exp(-1j * np.outer(omega, np.arange(h.size))) @ h) ** 2
    np.testing.assert_allclose(squared_filter(omega, moments), want, atol=1e-10)


def test_filters_of_any_number_of_moments_are_orthogonal():
    omega = np.linspace(-np.pi, np.pi, 101)
    for moments in range(1, 21):
        both = squared_filter(omega, moments) + squared_filter(omega + np.pi, moments)
        np.testing.assert_allclose(both, 2, rtol=1e-9)


def transform(size, moments, levels):
    """Return the functions of a periodic wavelet transform, and the level and kind of each."""
    h = np.asarray(COEFFICIENTS[moments])
    g = h[::-1] * (-1) ** np.arange(h.size)
    rows, kinds, approximation = [], [], np.eye(size)
    for level in range(levels):
        half = approximation.shape[0] // 2

        def filtered(f, half=half, from_rows=approximation):
            taken = (2 * np.arange(half)[:, None] + np.arange(f.size)) % from_rows.shape[0]
            return np.einsum("i,nik->nk", f, from_rows[taken])

        rows.append(filtered(g))
        kinds += [(level, 1)] * half
        approximation = filtered(h)
        rows.append(approximation)
        kinds += [(level, 0)] * half
    return np.concatenate(rows), kinds


@pytest.mark.parametrize("moments", [1, 2, 4])
@pytest.mark.parametrize("separable", [False, True])
def test_the_wavelet_density_is_the_largest_entry_of_each_row(moments, separable):
    """By the transform itself: its matrix, the spectra of its rows, and their largest squares."""
    levels, shape = 2, (16, 24)
    spectra = []
    for size in shape:
        rows, kinds = transform(size, moments, levels)
        power = np.fft.fftshift(abs(np.fft.fft(rows, axis=1)) ** 2, axes=1)
        spectra.append({kind: power[[k == kind for k in kinds]].max(axis=0) for kind in set(kinds)})
    bases = [(a, b) for a in spectra[0] for b in spectra[1]]
    last = levels - 1
    if separable:
        kept = [(a, b) for a, b in bases if all(kind or level == last for level, kind in (a, b))]
    else:
        kept = [(a, b) for a, b in bases if a[0] == b[0] and (a[1] or b[1] or a[0] == last)]
    want = np.max([np.outer(spectra[0][a], spectra[1][b]) for a, b in kept], axis=0)
    got = sampling.wavelet_density(
        shape, moments=moments, levels=levels, separable=separable, dtype=np.float64
    )
    np.testing.assert_allclose(got, want / want.sum(), atol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling.decay_density((8,), 0.1, 2.0), r"shape is \(8,\); want the cells along"),
        (lambda: sampling.decay_density((8, 8), 0, 2.0), r"cutoff is 0.0; want a positive"),
        (lambda: sampling.decay_density((8, 8), 0.1, -1), r"power is -1.0; want a finite number"),
        (lambda: sampling.polynomial_density((8, 0), 1.0), r"shape is \(8, 0\); want"),
        (lambda: sampling.wavelet_density((8, 16), levels=4), r"levels is 4; want 2\*\*levels of"),
        (lambda: sampling.wavelet_density((8, 8), moments=21), r"moments is 21; want 1 to 20"),
        (lambda: sampling.energy_density(np.ones(8)), r"shape \(8,\); want images of 2 axes"),
        (lambda: sampling.energy_density(np.zeros((8, 8))), r"zero or not finite; want"),
        (lambda: sampling.energy_density(np.full((8, 8), np.nan)), r"zero or not finite; want"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
