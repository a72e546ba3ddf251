"""Diffraction: Noll's polynomials, known patterns, derivatives, and a calibration."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from pupils import disk, pixel_grid

import nufftlib as nl
from nufftlib.blur import Diffraction
from nufftlib.blur.psfs.zernike import noll, zernike

rng = np.random.default_rng(7)


# --- polynomials ------------------------------------------------------------------------

# Noll (1976), table I, to j = 11, and its continuation; r and theta as there.
PUBLISHED = {
    1: (0, 0, lambda r, t: 1 + 0 * r * t),
    2: (1, 1, lambda r, t: 2 * r * np.cos(t)),
    3: (1, 1, lambda r, t: 2 * r * np.sin(t)),
    4: (2, 0, lambda r, _: np.sqrt(3) * (2 * r**2 - 1)),
    5: (2, 2, lambda r, t: np.sqrt(6) * r**2 * np.sin(2 * t)),
    6: (2, 2, lambda r, t: np.sqrt(6) * r**2 * np.cos(2 * t)),
    7: (3, 1, lambda r, t: np.sqrt(8) * (3 * r**3 - 2 * r) * np.sin(t)),
    8: (3, 1, lambda r, t: np.sqrt(8) * (3 * r**3 - 2 * r) * np.cos(t)),
    9: (3, 3, lambda r, t: np.sqrt(8) * r**3 * np.sin(3 * t)),
    10: (3, 3, lambda r, t: np.sqrt(8) * r**3 * np.cos(3 * t)),
    11: (4, 0, lambda r, _: np.sqrt(5) * (6 * r**4 - 6 * r**2 + 1)),
    12: (4, 2, lambda r, t: np.sqrt(10) * (4 * r**4 - 3 * r**2) * np.cos(2 * t)),
    13: (4, 2, lambda r, t: np.sqrt(10) * (4 * r**4 - 3 * r**2) * np.sin(2 * t)),
    14: (4, 4, lambda r, t: np.sqrt(10) * r**4 * np.cos(4 * t)),
    15: (4, 4, lambda r, t: np.sqrt(10) * r**4 * np.sin(4 * t)),
}


@pytest.mark.parametrize("j", PUBLISHED)
def test_the_polynomials_are_nolls(j):
    n, m, formula = PUBLISHED[j]
    assert (noll(j)[0], abs(noll(j)[1])) == (n, m)
    r, theta, _ = disk(8)
    np.testing.assert_allclose(zernike(j, r, theta), formula(r, theta), atol=1e-13)


def test_the_polynomials_are_orthonormal():
    r, theta, w = disk()
    Z = np.stack([zernike(j, r, theta) for j in range(1, 67)])  # all orders to 10
    np.testing.assert_allclose((w * Z) @ Z.T, np.eye(66), atol=1e-12)


# --- known patterns ---------------------------------------------------------------------


def oracle(a, indices, cutoff, shape):
    """The continuous integral over the pupil in polar coordinates, to rounding."""
    r, theta, w = disk()
    W = sum(c * zernike(j, r, theta) for c, j in zip(a, indices, strict=True))
    p0, p1 = (p[..., None] for p in pixel_grid(shape))
    path = p0 * r * np.cos(theta) + p1 * r * np.sin(theta)
    f = np.sum(w * np.exp(2j * np.pi * W - 1j * np.pi * cutoff * path), axis=-1)
    return np.abs(f) ** 2


@pytest.mark.parametrize(
    ("shape", "cutoff"),
    [
        ((25, 25), 0.25),
        ((16, 31), 0.5),
        ((40, 9), 0.13),
        ((500, 3), 0.5),  # for which the least number of samples would wrap
    ],
)
def test_without_aberrations_it_is_the_airy_pattern(shape, cutoff):
    h = Diffraction(shape, cutoff=cutoff)(np.zeros(8))
    v = np.pi * cutoff * np.hypot(*pixel_grid(shape))
    airy = (2 * scipy.special.j1(v) / np.where(v > 0, v, 1)) ** 2
    airy[shape[0] // 2, shape[1] // 2] = 1
    np.testing.assert_allclose(h / h.max(), airy, atol=3e-5)
    # The first zero, 1.22 / cutoff pixels from the centre, of what was compared with.
    assert scipy.special.jn_zeros(1, 1)[0] / np.pi == pytest.approx(1.22, abs=1e-3)


def test_the_first_dark_ring_is_at_its_radius():
    cutoff = 1.2196699 / 20
    row = Diffraction((1, 61), cutoff=cutoff)(np.zeros(8))[0]
    assert np.argmin(row[30:56]) == 20
    assert row[50] < 1e-5 * row[30]


@pytest.mark.parametrize(("shape", "axis"), [((300, 3), 0), ((3, 301), 1)])
def test_what_a_tilt_moves_past_an_edge_does_not_come_back_at_the_other(shape, axis):
    shift = 145
    a = np.asarray([shift * 0.5 / 4])  # waves: 4 a / c pixels
    h = Diffraction(shape, (2 + axis,), cutoff=0.5)(a)
    grid = pixel_grid(shape)
    v = np.pi * 0.5 * np.hypot(grid[axis] - shift, grid[1 - axis])
    airy = (2 * scipy.special.j1(v) / np.where(v > 0, v, 1)) ** 2
    airy[v == 0] = 1
    np.testing.assert_allclose(h / h.max(), airy, atol=3e-5)


@pytest.mark.parametrize(("j", "error"), [(11, 2e-4), (28, 8e-4)])
def test_the_error_of_a_quarter_of_a_wave_is_what_the_manual_says(j, error):
    indices, draw = tuple(range(4, j + 1)), np.random.default_rng(0)
    optics, worst = Diffraction((14, 15), indices, cutoff=0.4), []
    for _ in range(12):
        a = draw.standard_normal(len(indices))
        a *= 0.25 / np.linalg.norm(a)
        want = oracle(a, indices, 0.4, (14, 15))
        worst.append(abs(optics(a) - want / want.sum()).max() / (want / want.sum()).max())
    assert 0.5 * error < max(worst) < 1.2 * error


@pytest.mark.parametrize("j", [36, 66, 105, 106, 120, 136])
def test_the_error_of_high_orders_is_below_what_the_manual_says(j):
    want = oracle((0.25,), (j,), 0.4, (14, 15))
    h = Diffraction((14, 15), (j,), cutoff=0.4)(np.asarray([0.25]))
    assert abs(h - want / want.sum()).max() < 5e-2 * h.max()


@pytest.mark.parametrize("seed", range(3))
def test_with_aberrations_it_is_the_integral_over_the_pupil(seed):
    indices = (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15)
    a = 0.08 * np.random.default_rng(seed).standard_normal(11)
    h = Diffraction((14, 15), indices, cutoff=0.4)(a)
    want = oracle(a, indices, 0.4, (14, 15))
    np.testing.assert_allclose(h, want / want.sum(), atol=1e-4 * h.max())


@pytest.mark.parametrize(("j", "axis"), [(2, 0), (3, 1)])
def test_a_tilt_moves_the_psf_to_higher_indices(j, axis):
    optics = Diffraction((24, 25), indices=(j,), cutoff=0.25)
    at_rest, moved = optics(np.zeros(1)), optics(np.asarray([0.1875]))
    shift = round(4 * 0.1875 / 0.25)  # 4 a / c = 3 pixels
    ratio = np.roll(at_rest, shift, axis=axis) / moved
    seen = [slice(None)] * 2
    seen[axis] = slice(shift, None)
    np.testing.assert_allclose(ratio[tuple(seen)], ratio[12, 12], rtol=1e-9)
    assert np.argmax(moved.sum(axis=1 - axis)) == 12 + shift


def test_defocus_is_symmetric_and_wider():
    optics = Diffraction(25, indices=(4,), cutoff=0.4)
    h = optics(np.asarray([0.3]))
    for same in (h[::-1], h[:, ::-1], h.T, optics(np.asarray([-0.3]))):
        np.testing.assert_allclose(same, h, atol=1e-15)
    assert h.max() < 0.6 * optics(np.zeros(1)).max()


def test_the_strehl_ratio_falls_by_the_mean_square_of_the_phase():
    for sigma in (0.02, 0.04):  # waves
        a = rng.standard_normal(8)
        a *= sigma / np.linalg.norm(a)
        optics = Diffraction(65, cutoff=0.5)  # so large that the sum is nearly all the light
        strehl = optics(a)[32, 32] / optics(np.zeros(8))[32, 32]
        assert strehl == pytest.approx(np.exp(-((2 * np.pi * sigma) ** 2)), abs=1e-3)


def test_nothing_is_seen_beyond_the_cutoff():
    cutoff = 0.2
    h = Diffraction(128, cutoff=cutoff)(0.05 * np.ones(8))
    spectrum = abs(np.fft.fft2(h))
    u = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    assert spectrum[u > cutoff + 0.02].max() < 3e-3
    assert spectrum[(u > 0.4 * cutoff) & (u < 0.5 * cutoff)].min() > 0.05


def test_a_piston_does_nothing():
    h, J = Diffraction(9, indices=(1,)).linearize(np.asarray([0.3]))
    np.testing.assert_allclose(h, Diffraction(9, indices=(4,))(np.zeros(1)), atol=1e-15)
    assert abs(J.adjoint(rng.standard_normal((9, 9)))).max() < 1e-13


# --- as a map ---------------------------------------------------------------------------


def test_batch_precision_and_rows(row):
    optics = Diffraction((8, 9), indices=(4, 6, 7), cutoff=0.4)
    a = 0.2 * np.random.default_rng(1).standard_normal((2, 4, 3))
    want = np.stack([[optics(v) for v in vs] for vs in a])
    for dtype, tolerance in (("float64", 1e-13), ("float32", 2e-6)):
        h, J = optics.linearize(row.array(a, dtype))
        assert row.owns(h, dtype)
        np.testing.assert_allclose(row.numpy(h), want, atol=tolerance)
        np.testing.assert_allclose(row.numpy(h).sum(axis=(-2, -1)), 1, atol=10 * tolerance)
        assert row.numpy(h).min() >= 0
        assert row.owns(J.adjoint(h), dtype)
        assert J.adjoint(h).shape == (2, 4, 3)


def fourth_order(f, a, t, h=2e-4):
    return (8 * (f(a + h * t) - f(a - h * t)) - (f(a + 2 * h * t) - f(a - 2 * h * t))) / (12 * h)


@pytest.mark.parametrize("shape", [(7, 8), (1, 5), (12, 12)])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_the_jacobian_is_that_of_finite_differences(shape, batch):
    optics = Diffraction(shape, indices=(2, 3, 4, 7, 8, 11), cutoff=0.45)
    a, t = 0.1 * rng.standard_normal((*batch, 6)), rng.standard_normal((*batch, 6))
    h, J = optics.linearize(a)
    want = fourth_order(optics, a, t)
    np.testing.assert_allclose(J(t), want, atol=1e-8 * abs(want).max())
    np.testing.assert_allclose(J(t).sum(axis=(-2, -1)), 0, atol=1e-13)  # the sum stays one
    y = rng.standard_normal(h.shape)
    assert nl.inner(J.adjoint(y), t) == pytest.approx(nl.inner(y, J(t)), rel=1e-11)
    np.testing.assert_array_equal(J.adjoint(y + 2j * h), J.adjoint(y))


def test_the_first_evaluation_makes_what_the_next_ones_use(monkeypatch):
    optics = Diffraction(9)
    optics(np.zeros(8))
    monkeypatch.setattr("nufftlib.blur.psfs.diffraction.kernel", None)
    optics(np.ones(8))


def test_coefficients_are_calibrated_through_the_blur():
    """From a sharp and a noisy blurred image, with SciPy's least squares, in waves."""
    optics = Diffraction(15, indices=(4, 5, 6, 7, 8, 11), cutoff=0.4)
    truth = np.asarray([0.12, -0.06, 0.04, 0.05, -0.03, 0.06])
    sharp = np.random.default_rng(2).random((48, 48))
    clean = nl.Blur(optics(truth))(sharp)
    blurred = nl.blur.gaussian_noise(clean, 1e-4, seed=3)
    model = nl.Blur(optics(truth)).as_map("psf", sharp) @ optics

    def jacobian(a):
        _, J = model.linearize(a)
        return np.stack([J(e).reshape(-1) for e in np.eye(6)], axis=1)

    # The sign of even polynomials is ambiguous: start on their side of zero.
    start = np.asarray([0.05, -0.02, 0.02, 0.0, 0.0, 0.02])
    found = scipy.optimize.least_squares(
        lambda a: (model(a) - blurred).reshape(-1), start, jac=jacobian
    )
    np.testing.assert_allclose(found.x, truth, atol=1e-3)
    loss = nl.HalfSquaredError(blurred) @ model
    _, gradient = loss.value_and_grad(start)
    t = rng.standard_normal(6)
    assert nl.inner(gradient, t) == pytest.approx(fourth_order(loss, start, t), rel=1e-6)
    assert found.cost == pytest.approx(0.5 * 1e-8 * blurred.size, rel=0.1)  # the noise
