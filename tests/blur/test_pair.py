"""The PSF between pictures that differ by more than a blur."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize

from nufftlib import Blur, Warp, data, workflows
from nufftlib.blur.calibrate.pair import between, calibrate, fit, rounds, statistics, vignette
from nufftlib.blur.calibrate.pair.active_set import nonnegative_minimum
from nufftlib.blur.calibrate.pair.deviations import psf_deviations
from nufftlib.blur.calibrate.pair.masked import masked_gram
from nufftlib.blur.calibrate.pair.model import Pair

SIZE, NOISE, SEED = 11, 0.005, 1
PLAIN = ("photometry", "clipping", "outliers")


def picture():
    return data.astronaut()[:, 40:216, 40:216].astype(float)


@pytest.fixture(scope="module")
def blurred():
    """The PSF, the picture without noise, and noise."""
    psf, y = workflows.simulate_blur(picture(), size=SIZE, noise=0.0, seed=SEED)
    return psf, y, NOISE * np.random.default_rng(SEED).standard_normal(y.shape)


def shifted(y):
    """Shift a picture by (0.5, -0.3) pixels, band-limited."""
    wide = np.pad(y, ((0, 0), (40, 40), (40, 40)), mode="reflect")
    spectra = [scipy.ndimage.fourier_shift(np.fft.fft2(c), (0.5, -0.3)) for c in wide]
    return np.real(np.fft.ifft2(spectra))[:, 40:-40, 40:-40]


def hot(y):
    """Make a pixel in a thousand brighter than all others."""
    rng = np.random.default_rng(9)
    return np.where(rng.random(y.shape) < 1e-3, rng.uniform(1.0, 1.5, y.shape), y)


def encoded(y):
    return np.maximum(y, 0) ** (1 / 2.2)


DIFFERENCES = {
    "nothing": (lambda y, n: y + n, 0.03),
    "gain and offset": (lambda y, n: 0.8 * y + 0.1 + n, 0.03),
    "gamma": (lambda y, n: encoded(y) + n, 0.03),
    "shift": (lambda y, n: shifted(y) + n, 0.03),
    "clipping": (lambda y, n: np.minimum(y + n, 0.6), 0.03),
    "hot pixels": (lambda y, n: hot(y + n), 0.03),
    "all": (lambda y, n: hot(encoded(np.minimum(0.8 * shifted(y) + 0.1 + n, 0.6))), 0.06),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_psf_is_found_whatever_else_differs(name, blurred):
    psf, y, noise = blurred
    differ, most = DIFFERENCES[name]
    found = workflows.calibrate_pair(picture(), differ(y, noise), size=SIZE)
    assert workflows.psf_error(found.psf, psf) < most
    assert found.psf.min() >= 0
    assert found.psf.sum() == pytest.approx(1)
    every = name == "all"
    believed = {"gamma": name == "gamma" or every, "shift": name == "shift" or every}
    assert set(found.nuisances) == {*PLAIN, *(n for n in believed if believed[n])}
    assert found.gamma == pytest.approx(2.2 if believed["gamma"] else 1, rel=0.01)
    gain = 0.8 if every or name == "gain and offset" else 1.0
    np.testing.assert_allclose(found.gain[0], gain, atol=0.005)
    np.testing.assert_allclose(found.offset[0], (1 - gain) / 2, atol=0.002)
    shift = (-0.5, 0.3) if believed["shift"] else (0.0, 0.0)
    deviations = found.motion_deviations[0] or (1e-9, 1e-9)
    for got, want, deviation in zip(found.motion[0], shift, deviations, strict=False):
        assert abs(got - want) < 4 * deviation
    assert found.noise == pytest.approx(NOISE, rel=0.15)
    words = {
        "gain and offset": "has the gain (0.8",
        "gamma": "the power 1/2.2",
        "shift": "pixels down",
        "clipping": "is clipped at 0.6",
        "hot pixels": "are outliers",
    }
    said = " ".join(found.findings)
    for key, word in words.items():
        if not every or key in ("gain and offset", "gamma", "shift"):  # clipping has the others
            assert (word.split("(")[0] in said) == (name == key or every)


def test_without_differences_it_is_the_minimum_on_the_simplex(blurred):
    _, y, noise = blurred
    found = workflows.calibrate_pair(picture(), y + noise, size=SIZE, nuisances=())
    want = workflows.calibrate_psf(picture(), y + noise, size=SIZE, steps=20_000, tolerance=1e-12)
    assert workflows.psf_error(found.psf, want.psf) < 1e-3
    assert found.losses[-1] / 2 <= want.loss_final * (1 + 1e-6)
    assert found.nuisances == ()
    np.testing.assert_array_equal(found.gain[0], 1)


def test_several_pairs_share_a_psf_and_have_gains_of_their_own(blurred):
    psf, y, noise = blurred
    found = workflows.calibrate_pair(
        [picture(), picture()[:1]],
        [0.5 * y + noise, 1.5 * y[:1] - 0.2 + noise[:1]],
        size=SIZE,
        nuisances=PLAIN,
    )
    assert workflows.psf_error(found.psf, psf) < 0.03
    assert [g.shape for g in found.gain] == [(3,), (1,)]
    np.testing.assert_allclose(found.gain[0], 0.5, atol=0.002)
    np.testing.assert_allclose(found.gain[1], 1.5, atol=0.002)
    np.testing.assert_allclose(found.offset[1], -0.2, atol=0.002)


def test_pixels_that_are_masked_do_not_matter(blurred):
    _, y, noise = blurred
    seen = np.ones(y.shape, bool)
    seen[:, 20:50, 30:60] = False
    options = {"size": SIZE, "nuisances": ("photometry",), "seen": seen}
    want = workflows.calibrate_pair(picture(), y + noise, **options)
    got = workflows.calibrate_pair(picture(), np.where(seen, y + noise, 7.0), **options)
    np.testing.assert_allclose(got.psf, want.psf, atol=1e-10)


def test_deviations_cover_the_truth(blurred):
    psf, y, _ = blurred
    within = []
    for seed in range(6):
        noise = NOISE * np.random.default_rng(seed).standard_normal(y.shape)
        found = workflows.calibrate_pair(picture(), 0.9 * y + noise, size=SIZE, nuisances=PLAIN)
        off = np.abs(found.psf - psf) / found.deviations
        within.append(np.mean(off[(found.psf > 0) | (psf > 0)] < 1.96))
    assert 0.9 <= np.mean(within) <= 0.99


def falling_off(y):
    """A vignette of 30 % at the corners."""
    r, s = (np.linspace(-1, 1, n) for n in y.shape[-2:])
    return 1 - 0.15 * (r[:, None] ** 2 + s**2)


def test_a_vignette_is_found(blurred, monkeypatch):
    psf, y, noise = blurred
    v = falling_off(y)
    found = workflows.calibrate_pair(picture(), 0.8 * v * y + 0.1 + noise, size=SIZE)
    assert set(found.nuisances) == {*PLAIN, "vignette"}
    assert workflows.psf_error(found.psf, psf) < 0.03
    np.testing.assert_allclose(found.vignette[0], v, atol=5e-3)
    np.testing.assert_allclose(found.gain[0], 0.8, atol=0.005)
    np.testing.assert_allclose(found.offset[0], 0.1, atol=0.005)
    assert found.noise == pytest.approx(NOISE, rel=0.05)
    assert any("its corners got 70" in sentence for sentence in found.findings)
    without = workflows.calibrate_pair(picture(), v * y + noise, size=SIZE, nuisances=PLAIN)
    assert workflows.psf_error(without.psf, psf) > 2 * workflows.psf_error(found.psf, psf)
    assert without.vignette == [None]
    monkeypatch.setattr(rounds, "CROP", 118)
    names = ("vignette", "shift")
    found = workflows.calibrate_pair(picture(), v * shifted(y) + noise, size=SIZE, nuisances=names)
    assert workflows.psf_error(found.psf, psf) < 0.03
    np.testing.assert_allclose(found.vignette[0], v, atol=0.02)


@pytest.mark.parametrize("masked", [False, True])
def test_the_vignette_is_the_least_squares_one(masked, blurred):
    psf, y, noise = blurred
    seen = np.random.default_rng(1).random(y.shape) < 0.9 if masked else np.ones(y.shape, bool)
    pair = Pair(Blur(np.full(psf.shape, 1 / psf.size)), picture(), y * falling_off(y) + noise, seen)
    start = fit.Fit([pair], True)
    found = vignette.with_vignette(start).pairs[0]
    g = start.photometric[0][0]
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in y.shape[1:]), indexing="ij")
    P = g[:, None, None] * pair.whole.blurred(start.psf)
    terms = [rows**i * columns**j * P for i, j in vignette.POWERS]
    terms += [np.ones_like(P) * (np.arange(3) == c)[:, None, None] for c in range(3)]
    a = np.linalg.lstsq(np.stack([t[seen] for t in terms], axis=1), pair.y[seen])[0]
    want = sum(c * rows**i * columns**j for c, (i, j) in zip(a, vignette.POWERS, strict=False))
    np.testing.assert_allclose(found.vignette, want / a[0], rtol=1e-9)
    np.testing.assert_allclose(found.black, a[-3:], rtol=1e-8)


def test_the_noise_that_is_given_is_believed(blurred):
    _, y, noise = blurred
    options = {"size": SIZE, "nuisances": ("photometry", "shift")}
    plain = workflows.calibrate_pair(picture(), shifted(y) + noise, **options)
    found = workflows.calibrate_pair(picture(), shifted(y) + noise, **options, noise=0.004)
    assert found.noise == pytest.approx(NOISE, rel=0.05)
    ratio = 0.004 / found.noise
    np.testing.assert_allclose(found.deviations, ratio * plain.deviations, rtol=1e-6)
    for got, want in zip(found.motion_deviations[0], plain.motion_deviations[0], strict=True):
        assert got == pytest.approx(ratio * want)
    assert any("the noise was given as 0.004" in sentence for sentence in found.findings)
    options = {"size": SIZE, "nuisances": PLAIN}
    assert workflows.calibrate_pair(picture(), y + noise, **options, noise=0.005).findings == []
    one = y.copy()
    one[0, 60, 60] += 0.03  # six times the noise
    for given, counts in ((0.004, False), (0.02, True)):
        found = workflows.calibrate_pair(picture(), one + noise, **options, noise=given)
        assert found.seen[0][0, 60, 60] == counts


def test_swapped_pictures_are_told_of():
    sharp = picture()
    blurred = scipy.ndimage.gaussian_filter(sharp, (0, 1.2, 1.2))
    settings = {"size": 9, "nuisances": ("photometry",)}
    said = workflows.calibrate_pair(blurred, sharp[:, 4:-4, 4:-4], **settings)
    assert any("they are swapped" in sentence for sentence in said.findings)
    found = workflows.calibrate_pair(sharp, blurred[:, 4:-4, 4:-4], **settings)
    assert not any("swapped" in sentence for sentence in found.findings)


def test_a_shift_of_whole_pixels_is_told_from_the_psf():
    x = picture()
    psf, y = workflows.simulate_blur(x[:, 10:170, 6:166], size=SIZE, noise=NOISE, seed=0)
    # What the sharp picture shows is six pixels higher up there, and four farther to the right.
    y = np.pad(y, ((0, 0), (5, 5), (5, 5)))  # of the sharp picture's size again
    found = workflows.calibrate_pair(
        x[:, 16:176, 2:162], y, size=SIZE + 10, nuisances=("photometry", "shift")
    )
    deviations = found.motion_deviations[0]
    for got, want, deviation in zip(found.motion[0], (-6, 4), deviations, strict=False):
        assert abs(got - want) < 4 * deviation < 1
    assert workflows.psf_error(found.psf[5:-5, 5:-5], psf) < 0.1


def test_pictures_that_are_far_apart_are_registered_first(blurred):
    psf, _, noise = blurred
    x = data.astronaut()[:1].astype(float)
    first, second = x[:, 44:204, 48:208], x[:, 32:192, 80:240]  # 12 pixels up, 32 to the right
    y = Blur(psf)(second) + noise[:1, :150, :150]
    found = workflows.calibrate_pair(first, y, size=SIZE)
    assert "shift" in found.nuisances
    for got, want in zip(found.motion[0], (-12, 32), strict=False):
        assert abs(got - want) < 4 * found.motion_deviations[0][0] < 0.2
    assert workflows.psf_error(found.psf, psf) < 0.1
    assert found.seen[0].shape == y.shape
    assert not found.seen[0][:, :12].any()  # the first picture does not show them
    assert not found.seen[0][:, :, -32:].any()
    assert found.seen[0][:, 12:, :-32].mean() > 0.99


def test_a_rotation_is_found(blurred):
    """Of the sharp picture, before the blur; the shift is that of the given pictures' centre."""
    psf, _, noise = blurred
    x = scipy.ndimage.gaussian_filter(data.astronaut()[0, :200, :201].astype(float), 0.6)
    A = Warp(np.asarray([12.2, -20.4]), np.asarray(0.02), np.asarray(1.004))
    c, M = np.asarray([100, 100]), A.matrix
    turned = scipy.ndimage.affine_transform(x, M, c + A.shift - M @ c, order=5, mode="mirror")
    y = Blur(psf)(turned[None]) + 0.2 * np.pad(noise[:1], ((0, 0), (0, 24), (0, 25)))
    found = workflows.calibrate_pair(x[None], y, size=SIZE, nuisances=("photometry", "rotation"))
    wanted = (12.2, -20.4, 0.02, 1.004)
    for got, want, most in zip(found.motion[0], wanted, (0.04, 0.04, 2e-4, 2e-4), strict=True):
        assert abs(got - want) < most
    assert workflows.psf_error(found.psf, psf) < 0.1


# --- the parts


def sums(seen=None, channels=2):
    rng = np.random.default_rng(0)
    x, blur = rng.random((channels, 12, 14)), Blur(np.full((3, 4), 1 / 12))
    y = rng.random((channels, 10, 11))
    return statistics.Sharp(blur, x, seen), y


def dense(sharp):
    """The patches of each channel, row by row."""
    E = []
    for channel in sharp.x:
        columns = []
        for q in np.ndindex(3, 4):
            h = np.zeros((3, 4))
            h[q] = 1
            columns.append(Blur(h)(channel).ravel())
        E.append(np.stack(columns, axis=1))
    return E


@pytest.mark.parametrize("masked", [False, True])
def test_sums_are_those_of_the_patches(masked):
    seen = np.random.default_rng(1).random((2, 10, 11)) < 0.6 if masked else None
    sharp, y = sums(seen)
    gram, ones, counts = sharp.sums
    for c, E in enumerate(dense(sharp)):
        keep = np.ones(E.shape[0], bool) if seen is None else seen[c].ravel()
        np.testing.assert_allclose(gram[c], E[keep].T @ E[keep], rtol=1e-10)
        np.testing.assert_allclose(ones[c], E[keep].sum(0), rtol=1e-10)
        assert counts[c] == keep.sum()
        rhs = sharp.columns(sharp.counted(y))[c]
        np.testing.assert_allclose(rhs, E[keep].T @ y[c].ravel()[keep], rtol=1e-10)


def test_the_sums_of_a_mask_with_ends_are_those_of_the_patches():
    """A hidden corner, holes, and pixels alone in either."""
    rng = np.random.default_rng(2)
    x, blur = rng.random((24, 27)), Blur(np.full((3, 4), 1 / 12))
    rows, columns = np.ogrid[:22, :24]
    seen = ((rows - 12) ** 2 + (columns - 9) ** 2 > 30) & (rows + columns > 8)
    seen[[3, 12, 20], [15, 9, 20]] ^= True
    G = masked_gram(blur, x, seen)
    columns = [Blur(h.reshape(3, 4))(x)[seen] for h in np.eye(12)]
    np.testing.assert_allclose(G, np.inner(columns, columns), rtol=1e-12)


def test_a_part_settles_before_a_large_picture(blurred, monkeypatch):
    psf, y, noise = blurred
    monkeypatch.setattr(rounds, "CROP", 118)
    differ, most = DIFFERENCES["all"]
    found = workflows.calibrate_pair(picture(), differ(y, noise), size=SIZE)
    assert workflows.psf_error(found.psf, psf) < most
    assert len(found.losses) <= 4  # the whole picture has only to confirm
    x = picture()
    x[:, 13:163, 13:163] = 0.5  # its middle shows nothing
    _, z = workflows.simulate_blur(x, psf=psf, noise=NOISE, seed=0)
    found = workflows.calibrate_pair(x, z, size=SIZE, nuisances=PLAIN)
    assert found.noise == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("free", [False, True])
def test_the_value_is_that_of_the_best_gain_and_offset(free):
    seen = np.random.default_rng(1).random((2, 10, 11)) < 0.6
    sharp, y = sums(seen)
    s = statistics.centred(sharp, y, free=free)
    h = np.random.default_rng(2).random((3, 4))
    want = 0.0
    for c, E in enumerate(dense(sharp)):
        keep = seen[c].ravel()
        p, t = E[keep] @ h.ravel(), y[c].ravel()[keep]
        if free:
            columns = np.stack([p, np.ones_like(p)], axis=1)
            g, o = np.linalg.lstsq(columns, t)[0]
            assert s.gain(h)[c] == pytest.approx(g)
            assert s.offset(h)[c] == pytest.approx(o)
            p = columns @ [g, o]
        want += np.sum((p - t) ** 2) / 2
    value, gradient = s.value_and_grad(h)
    assert value == pytest.approx(want)
    d, e = np.random.default_rng(3).standard_normal((3, 4)), 1e-5
    ends = [s.value_and_grad(h + sign * e * d)[0] for sign in (1, -1)]
    assert np.sum(gradient * d) == pytest.approx((ends[0] - ends[1]) / (2 * e), rel=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_the_active_set_is_that_of_nonnegative_least_squares(seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((90, 60)) @ np.diag(np.geomspace(1, 1e-3, 60))
    b = A @ np.maximum(rng.standard_normal(60), 0) + 1e-3 * rng.standard_normal(90)
    h, free = nonnegative_minimum(A.T @ A, A.T @ b)
    want, _ = scipy.optimize.nnls(A, b, maxiter=2000)
    np.testing.assert_allclose(h, want, atol=1e-7 * want.max())
    assert np.array_equal(free, want > 0)
    again, _ = nonnegative_minimum(A.T @ A, A.T @ b, free)
    np.testing.assert_allclose(again, h)


def test_pictures_between_pixels_are_band_limited():
    n = np.arange(120.0)
    for frequency in (0.05, 0.2, 0.38):
        x = np.cos(2 * np.pi * frequency * n + 0.3)[:, None] * np.ones(120)
        for t in (0.5, -2.3, 7.75):
            value = between.between_pixels(x, (t, 0.25), 30)
            d0, d1 = between.slopes_between(x, (t, 0.25), 30)
            at = 2 * np.pi * frequency * (n[30:-30] + t) + 0.3
            np.testing.assert_allclose(value[:, 0], np.cos(at), atol=5e-3)
            slope = -2 * np.pi * frequency * np.sin(at)
            np.testing.assert_allclose(d0[:, 0], slope, atol=2e-2)
            np.testing.assert_allclose(d1, 0, atol=1e-3)


def test_derivatives_between_pixels_are_exact():
    x, e = np.random.default_rng(0).random((80, 80)), 1e-5
    d0, d1 = between.slopes_between(x, (0.4, -0.7), 24)
    for d, step in ((d0, (e, 0.0)), (d1, (0.0, e))):
        ends = [
            between.between_pixels(x, (0.4 + s * step[0], -0.7 + s * step[1]), 24) for s in (1, -1)
        ]
        np.testing.assert_allclose(d, (ends[0] - ends[1]) / (2 * e), atol=1e-8)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("photometry", [False, True])
def test_the_slope_of_the_motion_is_that_of_the_misfit(photometry, masked, blurred):
    """PSF, gain and offset move along: their part vanishes at their best values."""
    psf, y, noise = blurred
    seen = np.random.default_rng(1).random(y.shape) < 0.9 if masked else np.ones(y.shape, bool)
    pair = Pair(
        Blur(np.full(psf.shape, 1 / psf.size)), picture(), y + noise, seen, (0.3, -0.2, 0.0, 1.0)
    )
    if not photometry:
        pair = replace(pair, filled=pair.y)
    start = fit.Fit([pair], photometry)
    slope, e = fit.information(start, turned=False).slope, 1e-4
    for axis in range(2):
        step = e * np.eye(2)[axis]
        ends = [fit.moved(start, sign * step) for sign in (1, -1)]
        change = (ends[1].misfit - ends[0].misfit) * start.pixels / 2 / (2 * e)
        assert slope[axis] == pytest.approx(change, rel=2e-3)


def test_bad_settings_are_refused():
    x = picture()
    y = x[:, 5:-5, 5:-5]
    with pytest.raises(ValueError, match="nuisances is 'some'; want"):
        workflows.calibrate_pair(x, y, size=SIZE, nuisances="some")
    with pytest.raises(ValueError, match="nuisances is 'blur'; want"):
        workflows.calibrate_pair(x, y, size=SIZE, nuisances=("blur",))
    with pytest.raises(ValueError, match=r"valid part of a blurred picture is 54 x 54; want at le"):
        workflows.calibrate_pair(x[:, :64, :64], x[:, :64, :64], size=SIZE, nuisances=("shift",))
    with pytest.raises(TypeError, match=r"seen is .*; want an array of bool"):
        workflows.calibrate_pair(x, y, size=SIZE, seen=np.ones(y.shape))
    flat = np.where(np.arange(3)[:, None, None] == 1, 0.0, x)
    with pytest.raises(ValueError, match="channel 1 is 0 everywhere; want a picture"):
        workflows.calibrate_pair(flat, y, size=SIZE)
    with pytest.raises(ValueError, match="want a pair that is not inverted"):
        workflows.calibrate_pair(x, 1 - x, size=SIZE, nuisances=PLAIN)
    with pytest.raises(ValueError, match="there are 1 masks and 2 blurred pictures; want as many"):
        workflows.calibrate_pair([x, x], [y, y], size=SIZE, seen=[y > 0])
    with pytest.raises(ValueError, match=r"of a channel 0 pixels count, .*; want at least 121"):
        workflows.calibrate_pair(x, y, size=SIZE, seen=np.zeros(y.shape, bool))


def test_a_picture_without_detail_has_a_minimum_too(blurred):
    """Pivoting fails at a matrix whose rounding makes it indefinite."""
    x = scipy.ndimage.gaussian_filter(picture(), (0, 4, 4))
    _, y = workflows.simulate_blur(x, size=SIZE, noise=NOISE, seed=SEED)
    found = workflows.calibrate_pair(x, y, size=SIZE, nuisances=("photometry",))
    assert found.noise == pytest.approx(NOISE, rel=0.02)


def test_clipping_at_both_ends_of_strong_noise_leaves_enough(blurred):
    psf, y, noise = blurred
    clipped = np.clip(y + 40 * noise, 0, 1)
    found = workflows.calibrate_pair(picture(), clipped, size=SIZE, nuisances=PLAIN)
    assert np.mean(found.seen) > 0.6
    assert workflows.psf_error(found.psf, psf) < 0.4


def test_what_the_sharp_picture_explains_is_no_clipping():
    stars = np.zeros((1, 110, 110))
    at = np.random.default_rng(0).integers(8, 102, size=(2, 40))
    stars[0, at[0], at[1]] = 1
    psf, y = workflows.simulate_blur(stars, size=7, noise=0.0, seed=SEED)
    stored = np.round(y.clip(0) * 65535) / 65535  # black, and of equal maxima
    found = workflows.calibrate_pair(stars, stored, size=7, nuisances=PLAIN)
    assert workflows.psf_error(found.psf, psf) < 1e-3
    assert not any("clipped" in sentence for sentence in found.findings)


def test_masked_pixels_do_not_hide_a_plateau(blurred):
    psf, y, noise = blurred
    seen = np.ones(y.shape, bool)
    seen[:, :, 60:] = False
    stored = np.where(seen, np.minimum(y + noise, 0.6), 1.0)
    found = workflows.calibrate_pair(picture(), stored, size=SIZE, nuisances=PLAIN, seen=seen)
    assert any("clipped at 0.6" in sentence for sentence in found.findings)
    assert workflows.psf_error(found.psf, psf) < 0.06


def test_too_many_outliers_are_told_of(blurred):
    _, y, noise = blurred
    rng = np.random.default_rng(0)
    wild = np.where(rng.random(y.shape) < 0.05, rng.random(y.shape), y + noise)
    found = workflows.calibrate_pair(picture(), wild, size=SIZE, nuisances=PLAIN)
    assert any("too many to be outliers" in sentence for sentence in found.findings)


def test_an_interrupt_after_the_rounds_keeps_the_result(blurred, monkeypatch):
    """The deviations of a large PSF take seconds."""
    _, y, noise = blurred
    want = workflows.calibrate_pair(picture(), y + noise, size=SIZE, nuisances=("photometry",))
    calls = []

    def cut_short(*args):
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return psf_deviations(*args)

    monkeypatch.setattr(calibrate, "psf_deviations", cut_short)
    found = workflows.calibrate_pair(picture(), y + noise, size=SIZE, nuisances=("photometry",))
    assert found.interrupted
    assert found.losses == want.losses
    np.testing.assert_array_equal(found.deviations, want.deviations)


def test_an_interrupt_keeps_the_rounds_that_are_done(blurred):
    _, y, noise = blurred

    def stop(step, loss, psf):
        if step == 1:
            raise KeyboardInterrupt

    found = workflows.calibrate_pair(picture(), encoded(y) + noise, size=SIZE, callback=stop)
    assert found.interrupted
    assert len(found.losses) == 2
    rounds = []
    workflows.calibrate_pair(
        picture(), y + noise, size=SIZE, callback=lambda *at: rounds.append(at) or True
    )
    assert len(rounds) == 1
