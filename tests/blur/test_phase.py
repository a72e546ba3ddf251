"""Phase retrieval: optics through focus, the fit's derivatives, and what is found."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
from pupils import disk, pixel_grid

import nufftlib as nl
from nufftlib import workflows
from nufftlib.blur import Diffraction, FocalShift, ThroughFocus
from nufftlib.blur.phase.fit import Counts, Fit, Gaussian
from nufftlib.blur.psfs.zernike import zernike

INDICES = (4, 5, 6, 7, 8, 11)
OPTICS = ThroughFocus(32, (-0.5, 0.0, 0.5), INDICES, cutoff=0.4, pixel=False)
TRUTH = np.asarray([0.02, -0.05, 0.03, 0.04, 0.0, -0.05])


def intensity(wavefront, cutoff, p0, p1, nodes=60):
    """The continuous integral over the pupil in polar coordinates, squared, at any points."""
    r, theta, w = disk(nodes)
    path = p0[..., None] * r * np.cos(theta) + p1[..., None] * r * np.sin(theta)
    P = w * np.exp(2j * np.pi * wavefront(r, theta))
    return abs(np.sum(P * np.exp(-1j * np.pi * cutoff * path), axis=-1)) ** 2


def pictures(a, defocus, cutoff=0.4, shape=(32, 32), shift=(0.0, 0.0)):
    """Pictures through focus by the integral, each of sum one."""
    p0, p1 = pixel_grid(shape)

    def plane(d):
        def W(r, theta):
            terms = zip(a, INDICES, strict=True)
            return d * zernike(4, r, theta) + sum(c * zernike(j, r, theta) for c, j in terms)

        h = intensity(W, cutoff, p0 - shift[0], p1 - shift[1])
        return h / h.sum()

    return np.stack([plane(d) for d in defocus])


# --- optics ------------------------------------------------------------------------------


def test_a_plane_is_a_psf_with_its_defocus():
    want = pictures(TRUTH, OPTICS.defocus)
    np.testing.assert_allclose(OPTICS(TRUTH), want, atol=3e-4 * want.max())


def test_a_focal_shift_is_the_difference_of_path_and_at_a_small_aperture_defocus():
    shift = FocalShift(520e-9, 1.2, 1.33)
    x0, x1 = np.asarray([0.3, -0.7, 0.0]), np.asarray([0.1, 0.7, 0.0])
    nu2 = (1.2 / 520e-9) ** 2 * (x0**2 + x1**2)
    want = np.sqrt((1.33 / 520e-9) ** 2 - nu2) - 1.33 / 520e-9
    np.testing.assert_allclose(shift(x0, x1), want, rtol=1e-9)
    a4 = 0.3
    z = -a4 * 4 * np.sqrt(3) * 1.5 * 2e-6 / 0.01**2
    by_length = Diffraction(25, (11,), 0.4, (FocalShift(2e-6, 0.01, 1.5),))(np.asarray([0.0, z]))
    by_waves = Diffraction(25, (4,), 0.4)(np.asarray([a4]))
    np.testing.assert_allclose(by_length, by_waves, atol=2e-4 * by_waves.max())


@pytest.mark.parametrize("z", [-0.8, 1.1])
def test_at_a_large_aperture_it_is_the_integral_over_the_pupil(z):
    shift = FocalShift(0.52, 1.25, 1.33)
    h = ThroughFocus((20, 21), (z,), (7,), 0.4, shift, pixel=False)(np.asarray([0.05]))[0]

    def W(r, theta):
        return 0.05 * zernike(7, r, theta) + z * np.sqrt(
            (1.33 / 0.52) ** 2 - (r * 1.25 / 0.52) ** 2
        )

    want = intensity(W, 0.4, *pixel_grid((20, 21)))
    np.testing.assert_allclose(h, want / want.sum(), atol=1.2e-3 * h.max())


def test_bead_and_pixel_are_integrals_over_their_extent():
    radius, size, inner = 2.2, 48, slice(21, 29)
    optics = ThroughFocus(size, (0.4,), (7,), cutoff=0.35, bead=radius)
    a = np.asarray([0.06])

    def W(r, theta):
        return 0.06 * zernike(7, r, theta) + 0.4 * zernike(4, r, theta)

    p0, p1 = (p[inner, inner] for p in pixel_grid((size, size)))
    # Points of the ball's projection, of weight sqrt(1 - r^2), and of the pixel.
    r, theta, w = disk(6)
    w = w * np.sqrt(1 - r * r) / np.sum(w * np.sqrt(1 - r * r))
    t, v = np.polynomial.legendre.leggauss(2)
    want = np.zeros(p0.shape)
    for u0, u1, weight in zip(
        radius * r * np.cos(theta), radius * r * np.sin(theta), w, strict=True
    ):
        for i in range(2):
            for j in range(2):
                at = p0 - u0 - t[i] / 2, p1 - u1 - t[j] / 2
                want += weight * v[i] * v[j] / 4 * intensity(W, 0.35, *at, nodes=14)
    point = replace(optics, bead=0.0, pixel=False)
    scale = intensity(W, 0.35, *pixel_grid((size, size))).sum()
    h, sharp = optics(a)[0, inner, inner], point(a)[0, inner, inner]
    np.testing.assert_allclose(h, want / scale, atol=2e-3 * h.max())
    assert abs(h - sharp).max() > 0.1 * h.max()
    only_ball = replace(optics, pixel=False)(a)[0, inner, inner]
    assert abs(h - only_ball).max() > 1e-2 * h.max()  # the pixel is seen


def test_modes_are_refused_unless_they_are_finite_and_of_the_grid():
    for mode in (lambda x, _: x[0], lambda x, _: x + np.nan, lambda x, _: x + 1j):
        with pytest.raises(ValueError, match=r"Diffraction\(modes\): a mode returned the shape"):
            Diffraction(5, (4,), modes=(mode,))(np.zeros(2))


# --- the fit -----------------------------------------------------------------------------


def fits(shifts):
    clean = 2e3 * OPTICS(TRUTH) + 3.0
    counts = nl.blur.poisson_noise(clean, 0.5, seed=1)
    weights = 1 / (1 + clean)
    return Fit(Counts(counts, 0.5), OPTICS, shifts), Fit(Gaussian(counts, weights), OPTICS, shifts)


@pytest.mark.parametrize("shifts", ["common", "each"])
@pytest.mark.parametrize("which", [0, 1])
def test_the_gradient_of_the_fit_is_that_of_its_loss(shifts, which):
    fit, rng = fits(shifts)[which], np.random.default_rng(0)
    c = 0.05 * rng.standard_normal(fit.tilts + len(INDICES))
    _, gradient, _ = fit.evaluate(c)
    for _ in range(3):
        t = rng.standard_normal(c.size)
        at = [fit.evaluate(c + s * 1e-4 * t)[0] for s in (-2, -1, 1, 2)]
        slope = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-4
        assert gradient @ t == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("shifts", ["common", "each"])
@pytest.mark.parametrize("which", [0, 1])
def test_the_information_is_that_of_all_unknowns_without_amplitude_and_background(shifts, which):
    fit, rng = fits(shifts)[which], np.random.default_rng(0)
    c = 0.05 * rng.standard_normal(fit.tilts + len(INDICES))
    planes, n = fit.planes(c), c.size

    def mean(v):
        h = fit.planes(v[:n]).psf
        return (v[n : n + 3, None, None] * h + v[n + 3 :, None, None]).reshape(-1)

    v = np.concatenate([c, planes.amplitude, planes.background])
    steps = np.diag(np.concatenate([np.full(n, 1e-5), np.full(6, 1e-3)]))
    J = np.stack([(mean(v + e) - mean(v - e)) / (2 * e.max()) for e in steps], axis=1)
    w = fit.noise.information(planes.mean).reshape(-1)
    whole = np.linalg.inv((J.T * w) @ J)[:n, :n]
    np.testing.assert_allclose(np.linalg.inv(fit.evaluate(c)[2]), whole, rtol=1e-6, atol=1e-14)


def test_amplitude_and_background_of_counts_are_the_most_likely():
    h = OPTICS(TRUTH)
    counts = Counts(nl.blur.poisson_noise(500 * h + 0.3, seed=3), 1.0)
    s, b = counts.scales(h)

    def loss(v):
        return float(counts.loss(v[:3, None, None] * h + v[3:, None, None]))

    found = scipy.optimize.minimize(
        loss, np.full(6, 1.0), bounds=[(1e-9, None)] * 6, method="L-BFGS-B", options={"ftol": 1e-15}
    )
    np.testing.assert_allclose(np.concatenate([s, b]), found.x, rtol=1e-3)
    assert loss(np.concatenate([s, b])) <= found.fun + 1e-9


def test_a_background_that_would_be_negative_is_zero():
    h = OPTICS(TRUTH)
    s, b = Counts(500 * h**1.5 / np.sum(h**1.5, axis=(1, 2), keepdims=True), 1.0).scales(h)
    np.testing.assert_array_equal(b, 0.0)
    np.testing.assert_allclose(s, 500)


# --- what is found -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise", ["counts", "counts and reading", "gaussian", "gaussian, each pixel", "unknown"]
)
def test_pictures_by_the_integral_give_their_aberrations_back(noise):
    clean = 1e5 * pictures(TRUTH, OPTICS.defocus, shift=(1.3, -2.4)) + 20.0
    if noise == "counts":
        y, settings = nl.blur.poisson_noise(clean, seed=0), {"gain": 1.0}
    elif noise == "counts and reading":
        y = nl.blur.poisson_gaussian_noise(clean - 20.0, 2.0, 5.0, seed=0)
        settings = {"gain": 2.0, "std": 5.0}
    else:
        std = 5.0 if noise != "gaussian, each pixel" else 1 + np.sqrt(clean)
        y = nl.blur.gaussian_noise(clean, std, seed=0)
        settings = {} if noise == "unknown" else {"std": std}
    found = workflows.retrieve_phase(y, OPTICS, **settings)
    background = 0.0 if noise == "counts and reading" else 20.0
    assert found.converged
    np.testing.assert_allclose(found.coefficients, TRUTH, atol=3e-3)
    np.testing.assert_allclose(found.shift, (1.3, -2.4), atol=0.02)
    np.testing.assert_allclose(found.amplitude, 1e5, rtol=0.03)
    np.testing.assert_allclose(found.background, background, atol=1.0)
    np.testing.assert_allclose(found.psf, OPTICS(found.coefficients))
    assert found.misfit == pytest.approx(25.0 if noise == "unknown" else 1.0, rel=0.1)
    assert found.strehl_ratio == pytest.approx(
        np.exp(-((2 * np.pi) ** 2) * np.sum(TRUTH**2)), abs=0.02
    )


def test_deviations_are_those_of_many_repetitions():
    scores = []
    for seed in range(24):
        y = nl.blur.poisson_noise(5e3 * OPTICS(TRUTH) + 1.0, seed=seed)
        found = workflows.retrieve_phase(y, OPTICS, gain=1.0)
        scores.append((found.coefficients - TRUTH) / found.deviations)
    scores = np.asarray(scores)  # 144 of about unit variance: sqrt(2 / 144) is 0.12
    assert 0.7 < np.mean(scores**2) < 1.4
    unknown = workflows.retrieve_phase(
        nl.blur.gaussian_noise(5e3 * OPTICS(TRUTH), 2.0, seed=0), OPTICS
    )
    known = workflows.retrieve_phase(
        nl.blur.gaussian_noise(5e3 * OPTICS(TRUTH), 2.0, seed=0), OPTICS, std=2.0
    )
    np.testing.assert_allclose(unknown.deviations, known.deviations, rtol=0.05)


def test_planes_may_have_a_shift_each():
    shifts = np.asarray([[1.2, 0.0], [0.0, -0.7], [-0.6, 2.1]])
    clean = [pictures(TRUTH, (d,), shift=s)[0] for d, s in zip(OPTICS.defocus, shifts, strict=True)]
    y = nl.blur.poisson_noise(1e5 * np.stack(clean) + 5.0, seed=0)
    found = workflows.retrieve_phase(y, OPTICS, gain=1.0, shifts="each")
    np.testing.assert_allclose(found.shift, shifts, atol=0.02)
    np.testing.assert_allclose(found.coefficients, TRUTH, atol=3e-3)
    assert workflows.retrieve_phase(y, OPTICS, gain=1.0, starts=2).misfit > 2  # not one shift


def test_twelve_coefficients_of_five_planes_are_found():
    optics = ThroughFocus(64, (-1.0, -0.5, 0.0, 0.5, 1.0))
    for seed, photons in ((0, 1e5), (1, 1e4)):
        a = np.random.default_rng(seed).standard_normal(12)
        a *= 0.1 / np.linalg.norm(a)
        y = nl.blur.poisson_noise(photons * optics(a) + 5.0, seed=seed)
        found = workflows.retrieve_phase(y, optics, gain=1.0)
        assert np.linalg.norm(found.coefficients - a) < 0.01


def test_another_start_leaves_the_valley_of_the_first():
    optics = replace(OPTICS, defocus=(-0.25, 0.25))
    a = np.random.default_rng(0).standard_normal(6)
    a *= 0.35 / np.linalg.norm(a)
    y = nl.blur.poisson_noise(1e5 * optics(a) + 5.0, seed=1)
    stuck = workflows.retrieve_phase(y, optics, gain=1.0, starts=1)
    assert stuck.misfit > 10
    found = workflows.retrieve_phase(y, optics, gain=1.0)
    assert np.linalg.norm(found.coefficients - a) < 0.01
    assert found.loss_final < stuck.loss_final


def test_a_bead_in_the_model_takes_its_blur_out_of_the_psf():
    optics = replace(OPTICS, bead=2.0, pixel=True)
    y = nl.blur.poisson_noise(1e5 * optics(TRUTH) + 5.0, seed=0)
    found = workflows.retrieve_phase(y, optics, gain=1.0)
    np.testing.assert_allclose(found.coefficients, TRUTH, atol=3e-3)
    point = replace(optics, bead=0.0)
    np.testing.assert_allclose(found.psf, point(found.coefficients))
    np.testing.assert_allclose(found.psf_at((0.1, 0.7)), point.at((0.1, 0.7))(found.coefficients))
    without = workflows.retrieve_phase(y, point, gain=1.0, starts=1)
    assert abs(without.coefficients - TRUTH).max() > 3e-3


@pytest.mark.parametrize(("photons", "background"), [(1e5, 5.0), (300.0, 0.0), (1e4, 0.0)])
def test_the_search_ends_where_the_noise_is_explained(photons, background):
    y, starts = nl.blur.poisson_noise(photons * OPTICS(TRUTH) + background, seed=0), []
    workflows.retrieve_phase(
        y, OPTICS, gain=1.0, callback=lambda step, *_: starts.append(step == 0)
    )
    assert sum(starts) == 1


def test_no_step_is_made_of_rounding_where_the_start_has_no_information():
    """In focus no even polynomial has a slope at zero, and the other plane's model is dark."""
    optics = ThroughFocus(64, (0.0, 1.0))
    a = np.random.default_rng(1).standard_normal(12)
    a *= 0.2 / np.linalg.norm(a)
    y = nl.blur.poisson_noise(1e5 * optics(a) + 5.0, seed=1)
    found = workflows.retrieve_phase(y, optics, gain=1.0, starts=1)
    assert np.linalg.norm(found.coefficients - a) < 0.01


def test_the_wavefront_is_the_sum_of_its_polynomials():
    y = nl.blur.poisson_noise(1e5 * OPTICS(TRUTH) + 5.0, seed=0)
    found = workflows.retrieve_phase(y, OPTICS, gain=1.0)
    W = found.wavefront(401)
    assert np.isnan(W[0, 0])
    assert W[200, 200] == pytest.approx(
        -np.sqrt(3) * found.coefficients[0] + np.sqrt(5) * found.coefficients[5], abs=1e-9
    )
    assert np.nanmean(W**2) == pytest.approx(np.sum(found.coefficients**2), rel=0.02)


def test_the_search_can_be_ended():
    y, seen = 1e4 * OPTICS(TRUTH) + 5.0, []

    def follow(step, loss, a):
        seen.append((step, loss, a.shape))
        return len(seen) == 3

    found = workflows.retrieve_phase(y, OPTICS, gain=1.0, callback=follow)
    assert [s[0] for s in seen] == [0, 1, 2]
    assert found.losses == [s[1] for s in seen]
    assert seen[0][2] == (6,)
    assert not found.interrupted

    def interrupt(step, *_):
        if step == 2:
            raise KeyboardInterrupt

    found = workflows.retrieve_phase(y, OPTICS, gain=1.0, callback=interrupt)
    assert found.interrupted
    assert len(found.losses) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stack": np.ones((2, 32, 32))}, r"stack has the shape \(2, 32, 32\); want \(3, 32, 32\)"),
        ({"stack": np.ones((3, 32, 32))}, "3 planes are constant; want pictures"),
        ({"stack": np.full((3, 32, 32), np.nan)}, "stack is not finite"),
        ({"stack": OPTICS(TRUTH) - 1.0, "gain": 1.0}, "stack are negative or not finite"),
        ({"std": 0.0}, "std are 0; want positive"),
        ({"gain": 0.0}, "gain is 0.0; want a positive"),
        ({"optics": ThroughFocus(32, (0.0,), (3, 4))}, "from the index 4 on"),
        ({"shifts": "none"}, "want one of 'common', 'each'"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    settings = {"stack": OPTICS(TRUTH), "optics": OPTICS, "gain": None} | change
    with pytest.raises(ValueError, match=message):
        workflows.retrieve_phase(**settings)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FocalShift(5e-7, 1.4, 1.33), "aperture is 1.4; want less than index, 1.33"),
        (lambda: ThroughFocus(9, ()), "a finite number for each plane"),
        (lambda: ThroughFocus(9, (np.inf,)), "a finite number for each plane"),
        (lambda: ThroughFocus(9, (0.0,), (4, 5))(np.zeros(3)), r"want \(..., 2\), a coefficient"),
    ],
)
def test_optics_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
