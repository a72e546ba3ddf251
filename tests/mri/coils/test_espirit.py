"""Coil maps from calibration data and from images, by their definitions and against the truth."""

import itertools

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.coils import eigen
from nufftlib.mri.coils.espirit import (
    first_axis,
    kernel_products,
    signal_kernels,
    signal_parts,
    transform_lags,
)


def transform(x, d):
    """The centred DFT of the last axes."""
    axes = tuple(range(-d, 0))
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(x, axes=axes), axes=axes), axes=axes)


def centre(y, size):
    """The middle of k-space."""
    return y[(slice(None), *(slice(n // 2 - size // 2, n // 2 + size // 2) for n in y.shape[1:]))]


def scene(*shape, coils=4):
    """Coils, and the images that they see of an ellipsoid with some structure."""
    axes = np.meshgrid(*[(np.arange(n) - n // 2) / (n / 2) for n in shape], indexing="ij")
    radius = np.sqrt(sum(a**2 for a in axes))
    image = (radius < 0.8) * (1 + 0.4 * np.cos(6 * axes[0]) * np.sin(5 * axes[1]))
    s = mri.birdcage_maps(coils, shape, dtype=np.complex128)
    return s, s * image * np.exp(1j * axes[0]), radius < 0.75


def off(maps, c, inside):
    """The part of coil images that maps do not explain; several sets are orthonormal."""
    told = sum(np.sum(np.conj(s) * c, axis=0) * s for s in maps)
    return np.linalg.norm((c - told)[:, inside]) / np.linalg.norm(c[:, inside])


@pytest.mark.parametrize(
    ("shape", "size", "kernel", "most"), [((32, 29), 20, 6, 1e-3), ((14, 13, 14), 10, 3, 0.03)]
)
def test_maps_explain_the_images_of_the_coils(shape, size, kernel, most):
    _, c, inside = scene(*shape, coils=6)
    found = mri.espirit_maps(centre(transform(c, len(shape)), size), shape, kernel=kernel)
    assert found.maps.shape == (1, 6, *shape)
    assert off(found.maps, c, inside) < most
    assert np.min(found.eigenvalues[0][inside]) > 0.99
    assert np.max(found.eigenvalues) < 1 + 1e-10


def test_the_matrices_are_those_of_the_windows():
    """``w^-d sum_q R_q^H P R_q y`` in k-space, window by window, is a product in the image."""
    rng = np.random.default_rng(0)
    N, M, w, coils = 7, 6, 3, 2
    cal = rng.standard_normal((coils, 5, 5)) + 1j * rng.standard_normal((coils, 5, 5))
    kernels = signal_kernels(np, cal, w, 0.6)
    P = kernels.reshape(len(kernels), -1)
    P = P.T @ P.conj()
    assert len(kernels) < 9 * coils
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    y = rng.standard_normal((coils, N, M)) + 1j * rng.standard_normal((coils, N, M))
    want = np.zeros_like(y)
    for q in itertools.product(range(N), range(M)):
        rows = np.ix_(range(coils), (q[0] + np.arange(w)) % N, (q[1] + np.arange(w)) % M)
        want[rows] += (P @ y[rows].ravel()).reshape(coils, w, w) / w**2
    lags = transform_lags(np, kernel_products(np, kernels, w), (M,))
    G = first_axis(np, lags, N, 0, N)

    def image(y):
        return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y, axes=(1, 2))), axes=(1, 2))

    got = np.einsum("nmcb,bnm->cnm", G, image(y))
    np.testing.assert_allclose(got, image(want), atol=1e-12)


def test_the_phase_is_that_of_the_virtual_coil():
    _, c, inside = scene(24, 24)
    cal = centre(transform(c, 2), 16)
    v = eigen.principal(np, cal.reshape(4, -1))
    assert v[0].imag == pytest.approx(0, abs=1e-12)
    energy = np.linalg.norm(v.conj() @ cal.reshape(4, -1))
    assert energy == pytest.approx(np.linalg.norm(cal.reshape(4, -1), 2))
    of_images = eigen.principal(np, c.reshape(4, -1))
    for s, coil in (
        (mri.espirit_maps(cal, (24, 24)).maps[0], v),
        (mri.walsh_maps(c, window=3), of_images),
    ):
        part = np.einsum("c,cnm->nm", coil.conj(), s)[inside]
        np.testing.assert_allclose(part.imag, 0, atol=1e-12)
        assert part.real.min() > 0


def test_noise_is_told_from_signal():
    """Of pure noise hardly a singular vector is kept; of a weak signal the right number."""
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((60, 200)) + 1j * rng.standard_normal((60, 200))
    weights = signal_parts(np, np.linalg.eigvalsh(noise @ noise.conj().T), 200)
    assert np.sum(weights > 0) <= 2
    assert weights.max() < 0.1
    X = noise + 5 * rng.standard_normal((60, 4)) @ rng.standard_normal((4, 200))
    p = np.linalg.eigvalsh(X @ X.conj().T)
    weights = signal_parts(np, p, 200)
    np.testing.assert_allclose(weights[-4:], 1 - 2 * (60**0.5 + 200**0.5) ** 2 / p[-4:], rtol=0.03)
    assert np.max(weights[:-4]) < 0.1
    few = signal_parts(np, np.linalg.eigvalsh(noise[:, :30] @ noise[:, :30].conj().T), 30)
    assert np.sum(few > 0) <= 2


def test_the_noise_of_the_data_sets_the_threshold():
    _, c, inside = scene(32, 32, coils=6)
    y = transform(c, 2)
    rng = np.random.default_rng(2)
    for level, most in ((0.0, 1e-3), (0.002, 0.02)):
        noise = rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
        cal = centre(y + level * abs(y).max() * noise, 18)
        error = off(mri.espirit_maps(cal, (32, 32), kernel=6, crop=0).maps, c, inside)
        assert error < most
        for threshold in (1e-3, 0.3):
            fixed = mri.espirit_maps(cal, (32, 32), kernel=6, crop=0, threshold=threshold)
            assert error < 1.02 * off(fixed.maps, c, inside)


def test_two_sets_where_the_object_is_folded():
    """Half of the field of view along the first axis: two places fall on one voxel."""
    _, c, _ = scene(48, 24, coils=6)
    y = transform(c, 2)[:, ::2, :]
    folded = c[:, 12:36, :] + np.roll(c, 24, axis=1)[:, 12:36, :]
    found = mri.espirit_maps(centre(y, 20), (24, 24), kernel=5, sets=2, crop=0.9)
    weight = np.sum(abs(folded) ** 2, axis=0)
    inside = weight > 0.3 * weight.max()
    assert off(found.maps[:1], folded, inside) > 0.03
    assert off(found.maps, folded, inside) < 0.01
    both = np.sum(np.conj(found.maps[0]) * found.maps[1], axis=0)
    np.testing.assert_allclose(both, 0, atol=1e-12)


def test_crop_and_soft_weights():
    _, c, _ = scene(24, 24)
    cal = centre(transform(c, 2), 12)
    plain = mri.espirit_maps(cal, (24, 24), kernel=5, crop=0.0, threshold=0.05)
    e = plain.eigenvalues[0]
    cropped = mri.espirit_maps(cal, (24, 24), kernel=5, crop=0.9, threshold=0.05).maps
    np.testing.assert_allclose(cropped, plain.maps * (e >= 0.9), atol=1e-14)
    soft = mri.espirit_maps(cal, (24, 24), kernel=5, crop=0.9, threshold=0.05, soft=True).maps
    t = np.clip((e - 0.9) / 0.1, 0, 1)
    np.testing.assert_allclose(soft, plain.maps * (t * t * (3 - 2 * t)), atol=1e-14)
    assert 0.1 < np.mean(e < 0.9) < 0.9


def test_slabs_change_nothing(monkeypatch):
    _, c, _ = scene(12, 10)
    cal = centre(transform(c, 2), 8)
    whole = mri.espirit_maps(cal, (12, 10), kernel=3).maps, mri.walsh_maps(c)
    monkeypatch.setattr(eigen, "BYTES", 5 * 10 * 16 * 16)
    monkeypatch.setattr(eigen, "DECOMPOSED", 7 * 16 * 16)
    parts = mri.espirit_maps(cal, (12, 10), kernel=3).maps, mri.walsh_maps(c)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_maps_from_images_written_out():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 5, 4)) + 1j * rng.standard_normal((3, 5, 4))
    s = mri.walsh_maps(x, window=3)
    for n, m in itertools.product(range(5), range(4)):
        part = x[:, max(n - 1, 0) : n + 2, max(m - 1, 0) : m + 2].reshape(3, -1)
        largest = np.linalg.eigvalsh(part @ part.conj().T)[-1]
        got = np.linalg.norm(s[:, n, m].conj() @ part) ** 2
        assert got == pytest.approx(largest, rel=1e-10)


@pytest.mark.parametrize("norm", [None, "ortho"])
def test_a_region_from_spokes_is_that_of_the_grid(norm):
    _, c, inside = scene(32, 32, coils=6)
    F = nl.NUFFT(mri.trajectories.radial(64, 48, dtype=np.float64), (32, 32), norm=norm, eps=1e-9)
    region = mri.calibration_region(F, F(c), size=20)
    want = centre(transform(c, 2), 20) / (32 if norm else 1)
    assert np.linalg.norm(region - want) < 0.02 * np.linalg.norm(want)
    assert off(mri.espirit_maps(region, (32, 32), kernel=6).maps, c, inside) < 2e-3


def test_a_region_in_three_axes():
    _, c, _ = scene(12, 12, 12)
    k = np.random.default_rng(4).uniform(-0.5, 0.5, (6000, 3))
    F = nl.NUFFT(k, (12, 12, 12), eps=1e-6)
    region = mri.calibration_region(F, F(c), size=(4, 4, 4))
    want = centre(transform(c, 3), 4)
    assert np.linalg.norm(region - want) < 0.02 * np.linalg.norm(want)


CAL = np.ones((2, 6, 6), complex)
F = nl.NUFFT(np.full((4, 2), 0.4), (32, 32), engine="direct")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mri.espirit_maps(CAL.real, (8, 8)), "is float64; want complex64 or complex128"),
        (lambda: mri.espirit_maps(CAL, (8, 5)), r"\(2, 6, 6\); want \(coils, 6 to 8, 6 to 5\)"),
        (lambda: mri.espirit_maps(CAL, (8, 8, 8)), r"\(2, 6, 6\); want \(coils, 6 to 8, 6 to 8"),
        (lambda: mri.espirit_maps(CAL, (8, 8), kernel=7), r"want \(coils, 7 to 8, 7 to 8\)"),
        (lambda: mri.espirit_maps(CAL, (8, 8), sets=3), "at most the number of coils, 2"),
        (lambda: mri.espirit_maps(CAL, (8, 8), crop=1.0), "crop is 1.0; want a number below 1"),
        (lambda: mri.espirit_maps(CAL, (8, 8), threshold=1), "want a number below 1"),
        (lambda: mri.espirit_maps(0 * CAL, (8, 8)), "zero everywhere; want a signal"),
        (lambda: mri.espirit_maps(np.nan * CAL, (8, 8)), "not finite in 72 of 72"),
        (lambda: mri.walsh_maps(CAL, window=4), "window is 4; want an odd number"),
        (lambda: mri.walsh_maps(CAL[0]), r"\(6, 6\); want \(coils, height, width\)"),
        (lambda: mri.walsh_maps(CAL.real), "is float64; want complex64 or complex128"),
        (lambda: mri.walsh_maps(0 * CAL), "zero everywhere"),
        (lambda: mri.calibration_region(F, np.ones((2, 4), complex), size=40), "want at most the"),
        (
            lambda: mri.calibration_region(F, np.ones((2, 4), complex), size=8),
            "no sample is within",
        ),
        (lambda: mri.calibration_region(F, np.ones((2, 5), complex)), r"\(2, 5\); want \('coils'"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
