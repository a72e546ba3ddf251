"""Deblurring: each method's minimum, the noise, the weights, and the margins."""

import math

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import blur, data, workflows
from nufftlib.blur.deblur import variation
from nufftlib.blur.deblur.model import Model
from nufftlib.blur.deblur.richardson_lucy import richardson_lucy
from nufftlib.blur.deblur.spectrum import wiener_weight
from nufftlib.blur.deblur.variation import deblur_by_variation
from nufftlib.blur.deblur.wiener import Wiener
from nufftlib.blur.psf_grid import grid_blur
from nufftlib.core.poisson import PoissonLikelihood

SHARP = data.astronaut()[:2, 40:120, 70:160].astype(np.float64)
SMALL = SHARP[:, 42:74, 12:46]
PSF = blur.motion_psf(7, seed=3, xp=np, dtype=np.float64)
BOUNDARIES = ["valid", "circular", "replicate", "reflect", "zero"]


def pair(noise=0.01, boundary="valid", psf=PSF, sharp=SHARP):
    return nl.blur.gaussian_noise(nl.Blur(psf, boundary)(sharp), noise, seed=1)


def inside(x, like):
    """The sharp picture on the pixels of the blurred one."""
    if x.shape == like.shape:
        return x
    return x[..., 3:-3, 3:-3]


def decibels(x, blurred):
    sharp = inside(SHARP, blurred)
    return float(nl.psnr(x, sharp, 1.0))


def varying(boundary="valid"):
    """A grid of two by three PSFs, and the picture that they blur."""
    kinds = [blur.gaussian_psf(7, std=0.7 + 0.3 * i, xp=np, dtype=np.float64) for i in range(5)]
    psfs = np.reshape(np.stack([*kinds, PSF]), (2, 3, 7, 7))
    shape = (74, 84) if boundary == "valid" else SHARP.shape[-2:]
    A = grid_blur(psfs, shape, boundary)
    return psfs, A, nl.blur.gaussian_noise(A(SHARP), 0.01, seed=1)


# --- Wiener's filter ------------------------------------------------------------------------


def test_the_circular_filter_is_the_solution_of_the_linear_system():
    """The closed form is found before the first step, and is that of conjugate gradients."""
    y = pair(boundary="circular")
    result = workflows.deblur(y, PSF, method="wiener", boundary="circular", weight=0.01)
    assert result.converged
    assert result.steps == 0
    assert result.losses[0] < 1e-13
    d = np.zeros((3, 3))
    d[1, 1], d[1, 0] = 1, -1
    D = nl.Blur(np.stack([d, d.T])[:, None], "circular")
    R = Stacked(D)
    solve = nl.LeastSquares(
        nl.Blur(PSF, "circular").rename(psf="h"), 0.01, regularizer=R, tolerance=1e-10, steps=2000
    )
    np.testing.assert_allclose(result.picture, solve(y), rtol=0, atol=1e-6)


class Stacked(nl.LinearOperator):
    """Both differences of a periodic picture."""

    def __init__(self, D):
        object.__setattr__(self, "D", D)

    _parameters = {}  # noqa: RUF012
    shapes = None

    def _apply(self, x):
        return np.stack([np.roll(x, 1, -1) - x, np.roll(x, 1, -2) - x])

    def _adjoint(self, y):
        return np.roll(y[0], -1, -1) - y[0] + np.roll(y[1], -1, -2) - y[1]


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_the_gradient_vanishes_at_wieners_picture(boundary):
    y = pair(boundary=boundary)
    result = workflows.deblur(y, PSF, method="wiener", boundary=boundary, weight=0.02, steps=500)
    assert result.converged
    A, x = nl.Blur(PSF, boundary), result.with_margins
    if boundary == "circular":
        penalty = 4 * x - sum(np.roll(x, s, a) for s in (1, -1) for a in (-1, -2))
    else:
        penalty = nl.FiniteDifferences(x.shape[-2:]).N(x)
    gradient = A.H(A(x) - y) + 0.02 * penalty
    assert np.linalg.norm(gradient) < 1e-4 * np.linalg.norm(A.H(y))
    np.testing.assert_allclose(result.residual, y - A(x), rtol=0, atol=1e-12)


def test_it_agrees_with_the_least_squares_of_the_library():
    y = pair()
    result = workflows.deblur(y, PSF, method="wiener", weight=0.05)
    D = nl.FiniteDifferences(SHARP.shape[-2:])
    solve = nl.LeastSquares(nl.Blur(PSF), 0.05, regularizer=D, tolerance=1e-8, steps=3000)
    np.testing.assert_allclose(result.picture, inside(solve(y), y), rtol=0, atol=2e-3)


def test_the_margins_are_found_and_leave_no_rings():
    """Along the frame the error is not much larger than inside; a periodic picture rings."""
    y = pair(0.002)
    found = {b: workflows.deblur(y, PSF, boundary=b, noise=0.002) for b in ("valid", "circular")}
    error = {b: np.abs(r.picture - inside(SHARP, y)) for b, r in found.items()}
    frame = np.ones(y.shape[-2:], bool)
    frame[8:-8, 8:-8] = False
    near, far = (float(np.mean(error["valid"][:, part])) for part in (frame, ~frame))
    assert near < 2.5 * far
    assert near < 0.5 * float(np.mean(error["circular"][:, frame]))
    assert found["valid"].with_margins.shape == SHARP.shape
    assert found["valid"].picture.shape == y.shape


# --- total variation ------------------------------------------------------------------------


@pytest.mark.parametrize("nonnegative", [True, False])
def test_the_variation_is_least(monkeypatch, nonnegative):
    """The conditions of optimality hold at the picture and its dual variable."""
    monkeypatch.setattr(variation, "TOLERANCE", 1e-3)
    y = pair(0.02, sharp=SMALL - 0.05)
    model, w = Model(nl.Blur(PSF), y), 0.01
    result = deblur_by_variation(model, w, model.start(), nonnegative=nonnegative, steps=3000)
    assert result.converged
    A, D, x, u = nl.Blur(PSF), nl.FiniteDifferences(model.pixels), result.params, result.state.dual
    assert np.max(np.sqrt(np.sum(u**2, axis=-3))) <= w * (1 + 1e-12)
    # g = A^H (A x - y) + D^H u is 0 where x > 0, and not negative elsewhere
    g = A.H(A(x) - y) + D.H(u)
    scale = w * math.sqrt(x.size)
    if nonnegative:
        assert np.min(x) == 0
        assert np.linalg.norm(np.minimum(g, x)) < 2e-3 * scale
    else:
        assert np.min(x) < 0
        assert np.linalg.norm(g) < 2e-3 * scale
    # <u, D x> = w |D x|: the dual variable lies along the differences
    Dx = D(x)
    gap = w * np.sum(np.sqrt(np.sum(Dx**2, axis=-3))) - np.sum(u * Dx)
    assert -1e-9 <= gap < 1e-4 * result.history[-1]


def test_it_is_that_of_the_smooth_penalty_as_its_corner_sharpens():
    y = pair(0.02, sharp=SMALL)
    D = nl.FiniteDifferences(SMALL.shape[-2:])
    smooth = nl.PenalizedLeastSquares(nl.Blur(PSF), nl.Charbonnier(0.01, 1e-3, D, axis=-3))
    sharp = workflows.deblur(y, PSF, weight=0.01, nonnegative=False, steps=3000).picture
    assert np.sqrt(np.mean((sharp - inside(smooth(y), y)) ** 2)) < 2e-3


# --- Richardson and Lucy --------------------------------------------------------------------


def counts(boundary, gain=1e-3, background=0.0):
    mean = np.maximum(nl.Blur(PSF, boundary)(SHARP), 0) + background
    return nl.blur.poisson_noise(mean, gain, seed=2)


@pytest.mark.parametrize("boundary", ["circular", "valid"])
def test_every_step_raises_the_likelihood(boundary):
    y = counts(boundary)
    seen = []
    result = workflows.deblur(
        y,
        PSF,
        method="richardson-lucy",
        boundary=boundary,
        noise=0.0,
        steps=30,
        callback=lambda _, loss, x: seen.append((loss, x)),
    )
    losses = np.asarray(result.losses)
    assert len(losses) == 31
    assert np.all(np.diff(losses) < 0)
    if boundary == "circular":
        want = float(PoissonLikelihood(y)(nl.Blur(PSF, boundary)(seen[-1][1])))
        assert losses[-1] == pytest.approx(want, rel=1e-9)


def test_the_light_is_conserved_on_a_circle():
    y = counts("circular")
    sums = []
    workflows.deblur(
        y,
        PSF,
        method="richardson-lucy",
        boundary="circular",
        noise=0.0,
        steps=5,
        callback=lambda _, __, x: sums.append(x.sum(axis=(-2, -1))),
    )
    for now in sums[1:]:
        np.testing.assert_allclose(now, y.sum(axis=(-2, -1)), rtol=1e-12)


def test_the_picture_that_made_the_data_stays():
    """Without noise, ``x A^H (A x / A x) / A^H 1 = x``, also in the margins."""
    light = np.full_like(SHARP, 0.5)
    for background in (0.0, 0.2):
        y = nl.Blur(PSF)(light) + background
        result = workflows.deblur(
            y, PSF, method="richardson-lucy", background=background, noise=0.0, steps=3
        )
        np.testing.assert_allclose(result.with_margins, 0.5, rtol=1e-9)
        np.testing.assert_allclose(result.residual, 0, atol=1e-12)


def test_a_step_is_that_of_the_formula():
    """Dey and others, equation 13: ``x A^H (y / (A x + b)) / (A^H 1 - w div (D x / |D x|))``."""
    y, b, w = counts("valid", background=0.1), 0.1, 0.02
    model = Model(nl.Blur(PSF), y)
    x = []
    result = richardson_lucy(
        model, w, residual=0.0, background=b, steps=3, callback=lambda _, __, p: x.append(p)
    )
    A, D = nl.Blur(PSF), nl.FiniteDifferences(SHARP.shape[-2:])
    u = D(x[1])
    m = np.sqrt(np.sum(u**2, axis=-3, keepdims=True) + (1e-3 * y.max()) ** 2)
    t, n = D.H(w * u / m), A.H(np.ones_like(y))
    light = A.H(y / (A(x[1]) + b))
    plain, dark = t > 0, n < 1e-9
    want = np.where(plain, x[1] * light, x[1] * (light - 2 * t)) / (n + np.abs(t))
    np.testing.assert_allclose(x[2][~dark], want[~dark], rtol=1e-8)
    np.testing.assert_array_equal(x[2][dark], x[1][dark])
    assert x[3].min() >= 0
    assert np.all(np.diff(result.history) < 0)


def test_it_ends_where_the_residual_is_that_of_wieners_filter():
    y = pair(0.02)
    result = workflows.deblur(y, PSF, method="richardson-lucy")
    assert result.converged
    assert 0 < result.steps < 100
    choice = wiener_weight(Model(nl.Blur(PSF), y), result.noise)
    assert 0.2 < choice.residual < 1
    assert np.mean(result.residual**2) <= choice.residual * result.noise**2
    before = workflows.deblur(y, PSF, method="richardson-lucy", noise=0, steps=result.steps - 1)
    assert np.mean(before.residual**2) > choice.residual * result.noise**2


# --- noise and weights ----------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.002, 0.01, 0.05])
@pytest.mark.parametrize("kind", ["motion", "gaussian", "defocus"])
def test_the_noise_is_estimated_beside_texture(kind, noise):
    sharp = data.astronaut()
    psf, y = workflows.simulate_blur(sharp, psf=kind, size=15, noise=noise, seed=4)
    assert blur.estimate_noise(y, psf) == pytest.approx(noise, rel=0.2 if noise < 0.005 else 0.1)


def test_the_noise_of_white_noise_is_its_deviation():
    rng = np.random.default_rng(0)
    for shape in ((400, 300), (3, 200, 200)):
        noise = 0.3 * rng.standard_normal(shape)
        assert blur.estimate_noise(noise) == pytest.approx(0.3, rel=0.03)
        assert blur.estimate_noise(noise + 100.0) == pytest.approx(0.3, rel=0.03)


def oracle(y, method):
    """Return the highest PSNR of weights on a grid, whatever is chosen."""
    ends = (2e-4, 0.3, 8) if method == "wiener" else (1e-4, 0.02, 6)
    return max(
        decibels(workflows.deblur(y, PSF, method=method, weight=w, steps=80).picture, y)
        for w in np.geomspace(*ends)
    )


@pytest.mark.parametrize(
    ("method", "noise"), [("wiener", 0.005), ("wiener", 0.02), ("wiener", 0.05), ("tv", 0.02)]
)
def test_the_weight_is_near_the_best_one(method, noise):
    y = pair(noise)
    result = workflows.deblur(y, PSF, method=method)
    assert decibels(result.picture, y) > oracle(y, method) - 0.5


def test_weights_follow_the_unit_of_the_picture():
    """Of squares the weight has no unit, of lengths the picture's."""
    y = pair(0.02)
    for method, unit in (("wiener", 1.0), ("tv", 100.0)):
        one = workflows.deblur(y, PSF, method=method)
        other = workflows.deblur(100 * y, PSF, method=method)
        assert other.noise == pytest.approx(100 * one.noise, rel=1e-9)
        assert other.weight == pytest.approx(unit * one.weight, rel=1e-6)
        np.testing.assert_allclose(other.picture, 100 * one.picture, rtol=0, atol=0.1)


# --- PSFs that vary -------------------------------------------------------------------------


@pytest.mark.parametrize("method", workflows.DEBLURRING)
def test_a_grid_of_psfs_is_better_than_their_mean(method):
    psfs, A, y = varying()
    right = workflows.deblur(y, psfs, method=method)
    again = workflows.deblur(y, A, method=method)
    np.testing.assert_allclose(right.picture, again.picture, rtol=0, atol=1e-9)
    mean = workflows.deblur(y, psfs.mean(axis=(0, 1)), method=method)
    assert decibels(right.picture, y) > decibels(mean.picture, y) + 0.5
    np.testing.assert_allclose(right.residual, y - A(right.with_margins), rtol=0, atol=1e-12)


def test_the_psf_at_a_node_is_that_of_the_grid():
    psfs, A, _ = varying("circular")
    columns = SHARP.shape[-1]
    spot = np.zeros(SHARP.shape[-2:])
    spot[3, columns // 2] = 1  # beside node (0, 1), where weights change slowly
    seen = A(spot)[:7, columns // 2 - 3 : columns // 2 + 4]
    np.testing.assert_allclose(seen, psfs[0, 1], rtol=0, atol=0.02)


def test_the_power_is_the_mean_over_the_picture():
    """Against the spectra of the PSFs at every pixel."""
    _, A, y = varying()
    here = np.einsum("kpq,kij->pqij", A.weights, A.psf)
    want = np.mean(np.abs(np.fft.fft2(here, (12, 10))) ** 2, axis=(0, 1))
    np.testing.assert_allclose(Model(A, y).power((12, 10)), want, rtol=1e-9)
    one = Model(nl.Blur(PSF), y).power((5, 4))  # fewer pixels than the PSF has
    i, j = np.arange(7)[:, None], np.arange(7)
    sums = [
        [np.sum(PSF * np.exp(-2j * np.pi * (i * a / 5 + j * b / 4))) for b in range(4)]
        for a in range(5)
    ]
    np.testing.assert_allclose(one, np.abs(sums) ** 2, atol=1e-12)


# --- the job --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", workflows.DEBLURRING)
def test_ctrl_c_gives_the_picture_so_far(method):
    y = pair(0.005)

    def stop(step, loss, picture):
        assert picture.shape == y.shape
        if step == 3:
            raise KeyboardInterrupt

    result = workflows.deblur(y, PSF, method=method, callback=stop)
    assert result.interrupted
    assert not result.converged
    assert result.steps == 3
    assert decibels(result.picture, y) > 0
    stopped = workflows.deblur(y, PSF, method=method, callback=lambda step, *_: step == 2)
    assert (stopped.steps, stopped.interrupted) == (2, False)


def test_a_ctrl_c_before_the_first_loss_is_raised(monkeypatch):
    """Within the solve that finds the start of the total variation."""
    filtered, calls = Wiener.filtered, []

    def interrupted(self, r):
        calls.append(r)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return filtered(self, r)

    monkeypatch.setattr(Wiener, "filtered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workflows.deblur(pair(), PSF)
    assert len(calls) == 3


@pytest.mark.parametrize("method", workflows.DEBLURRING)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_picture_stays_as_it_is(method, value):
    y = np.full((2, 20, 21), value)
    result = workflows.deblur(y, PSF, method=method)
    assert result.noise < 1e-12
    np.testing.assert_allclose(result.picture, y, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"psf": PSF[0]}, r"deblur\(psf\): psf has the shape \(7,\); want \(height, width\), or"),
        ({"psf": PSF.astype(np.float32)}, r"deblur\(blurred, psf\): blurred is float64 and psf"),
        ({"blurred": np.full((9, 9), np.nan)}, "blurred is not finite in 81 of 81 entries"),
        ({"blurred": np.ones(9)}, r"blurred has the shape \(9,\); want \(\.\.\., height, width\)"),
        ({"psf": varying()[1]}, r"deblur\(psf\): psf and weights of the blur have the shapes"),
        ({"background": 0.1}, r"deblur\(background\): background is 0.1; want 0 with the method"),
        ({"method": "wiener", "weight": 0}, r"deblur\(weight\): weight is 0.*; want a positive"),
    ],
)
def test_what_does_not_fit_is_said(change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        workflows.deblur(**{"blurred": np.ones((9, 9)), "psf": PSF} | change)


# --- pixels that do not count


@pytest.mark.parametrize("method", workflows.DEBLURRING)
def test_pixels_that_do_not_count_may_have_any_value(method):
    sharp = data.astronaut()[:, 40:76, 80:112].astype(float)
    psf, blurred = workflows.simulate_blur(sharp, size=5, noise=0.005, seed=0)
    seen = np.random.default_rng(0).random(blurred.shape) > 0.03
    hot = [np.where(seen, blurred, value) for value in (0.3, 40.0)]
    results = [workflows.deblur(y, psf, method=method, seen=seen, steps=60) for y in hot]
    assert results[0].noise == pytest.approx(0.005, rel=0.3)
    assert (results[0].noise, results[0].weight) == (results[1].noise, results[1].weight)
    np.testing.assert_allclose(results[0].picture, results[1].picture, atol=1e-5)
    all_seen = np.ones(blurred.shape, bool)
    plain, same, wrong = (
        workflows.deblur(y, psf, method=method, seen=mask, steps=60)
        for y, mask in ((blurred, None), (blurred, all_seen), (hot[0], None))
    )
    np.testing.assert_array_equal(same.picture, plain.picture)
    inner = sharp[:, 2:-2, 2:-2]
    errors = [float(nl.nrmse(x.picture, inner)) for x in (plain, results[1], wrong)]
    assert errors[1] < 1.3 * errors[0]
    assert errors[1] < 0.8 * errors[2]


def test_a_masked_wiener_picture_solves_its_linear_system():
    rng = np.random.default_rng(1)
    h, y, seen = rng.random((3, 2)), rng.random((2, 8, 9)), rng.random((2, 8, 9)) > 0.2
    found = workflows.deblur(
        y, h / h.sum(), method="wiener", noise=0.1, weight=0.05, seen=seen, steps=400
    )
    A, D, x = nl.Blur(h / h.sum()), nl.FiniteDifferences((10, 10)), found.with_margins
    slope = A.H(seen * (A(x) - y)) + 0.05 * D.H(D(x))
    assert np.linalg.norm(slope) < 1e-4 * np.linalg.norm(A.H(seen * y))
    np.testing.assert_allclose(found.residual, y - A(x), atol=1e-12)


@pytest.mark.parametrize(
    ("seen", "error", "message"),
    [
        (
            np.ones((8, 9)),
            TypeError,
            r"deblur\(seen\): seen is .* float64.*; want an array of bool",
        ),
        (np.ones((8, 8), bool), ValueError, r"\(8, 8\); want that of the picture, \(8, 9\)"),
        (np.zeros((8, 9), bool), ValueError, "seen is False everywhere; want pixels that count"),
    ],
)
def test_a_mask_of_another_kind_is_refused(seen, error, message):
    with pytest.raises(error, match=message):
        workflows.deblur(np.ones((8, 9)), np.ones((3, 3)) / 9, seen=seen)
