"""Blind calibration: what it finds, on which arrays, and what it refuses."""

import math
from functools import cache

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.blur.calibrate.blind import image, job, kernel, levels, shifts

SHARP = np.full((70, 70), 0.4)
SHARP[8:30, 10:40], SHARP[20:52, 30:60], SHARP[44:64, 6:24] = 0.9, 0.1, 0.7
SHARP[np.hypot(*(np.mgrid[:70, :70] - np.asarray([40, 22])[:, None, None])) < 9] = 0.0
PSFS = {
    "motion": nl.blur.motion_psf(7, seed=3, dtype=np.float64),
    "gaussian": nl.blur.gaussian_psf(7, (1.4, 0.7), 0.6, dtype=np.float64),
}
DELTA = np.zeros((7, 7))
DELTA[3, 3] = 1.0


def data_of(kind, sharp=SHARP, noise=0.002):
    return nl.blur.gaussian_noise(nl.Blur(PSFS[kind])(sharp), noise, seed=1)


@pytest.fixture
def no_image(monkeypatch):
    """Leave out the restoration, the slowest part, which `deblur`'s tests are for."""
    monkeypatch.setattr(job, "restored", lambda last, _: (last.image, False))


def psnr(image, sharp):
    """The best of all shifts by up to 3 pixels, without the margin."""
    shifts = [(a, b) for a in range(-3, 4) for b in range(-3, 4)]
    errors = [np.roll(image, s, axis=(-2, -1)) - sharp for s in shifts]
    return -10 * math.log10(min(np.mean(e[..., 6:-6, 6:-6] ** 2) for e in errors))


# Measured: 0.06 and 0.17, of a box's 0.90 and 0.85; images 20 and 8 dB better than blurred.
@pytest.mark.parametrize(("kind", "bar"), [("motion", 0.15), ("gaussian", 0.25)])
def test_it_finds_psf_and_image(kind, bar):
    truth, blurred = PSFS[kind], data_of(kind)
    result = workflows.calibrate_blind(blurred, size=7)
    assert workflows.shift_aligned_error(result.psf, truth) < bar
    for start in (DELTA, np.full((7, 7), 1 / 49)):
        assert workflows.shift_aligned_error(start, truth) > 3 * bar
    assert result.psf.min() >= 0
    assert result.psf.sum() == pytest.approx(1)
    seen = SHARP[3:-3, 3:-3]
    assert result.image.shape == SHARP.shape
    assert psnr(result.image[3:-3, 3:-3], seen) > psnr(blurred, seen) + 6
    left = nl.Blur(result.psf)(result.image) - blurred
    assert np.sqrt(np.mean(left**2)) < 3 * 0.002
    assert len(result.losses) == 9
    assert result.weight == 5e-4


# Measured: 0.31. A penalty of the logarithm of the differences, the method before, has 1.00.
def test_it_finds_the_psf_of_a_photograph(no_image):
    sharp = data.astronaut()[1, 60:190, 40:170].astype(np.float64)
    psf = nl.blur.motion_psf(11, seed=3, dtype=np.float64)
    blurred = nl.blur.gaussian_noise(nl.Blur(psf)(sharp), 0.01, seed=1)
    found = workflows.calibrate_blind(blurred, size=11).psf
    assert workflows.shift_aligned_error(found, psf) < 0.45


def test_the_same_data_give_the_same():
    first, again = (
        workflows.calibrate_blind(data_of("motion")[:30, :31], size=5, rounds=3) for _ in range(2)
    )
    assert np.array_equal(again.psf, first.psf)
    assert np.array_equal(again.image, first.image)
    assert again.losses == first.losses


def test_the_weight_grows_with_the_noise(no_image):
    for noise in (0.002, 0.05):
        blurred = data_of("motion", noise=noise)
        want = max(5e-4, 5 * nl.blur.estimate_noise(blurred) ** 2)
        found = workflows.calibrate_blind(blurred, size=3, rounds=1)
        assert found.weight == pytest.approx(want)
    assert want == pytest.approx(5 * 0.05**2, rel=0.3)


def test_channels_share_the_psf(no_image):
    sharp = np.stack([SHARP, 1 - SHARP[::-1], SHARP.T])
    result = workflows.calibrate_blind(data_of("gaussian", sharp), size=7)
    assert result.psf.shape == (7, 7)
    assert result.image.shape == sharp.shape
    assert workflows.shift_aligned_error(result.psf, PSFS["gaussian"]) < 0.25


def test_a_psf_of_any_shape_comes_back_centred(no_image):
    psf = np.zeros((1, 8))
    psf[0, 2:7] = 0.2
    blurred = nl.blur.gaussian_noise(nl.Blur(psf)(SHARP), 0.002, seed=1)
    result = workflows.calibrate_blind(blurred, size=(1, 8))
    assert result.psf.shape == (1, 8)
    assert abs(np.sum(result.psf * np.arange(8)) - 4) <= 0.5
    assert workflows.shift_aligned_error(result.psf, psf) < 0.1


def test_a_picture_of_one_grey_leaves_the_box():
    result = workflows.calibrate_blind(np.full((12, 12), 0.5), size=3, rounds=2)
    np.testing.assert_allclose(result.psf, 1 / 9)


@cache
def two_pictures():
    """Return what is calibrated, how, and the result in NumPy."""
    values = np.stack([data_of("motion")[:16, :17], data_of("motion")[20:36, 30:47]])
    settings = {"size": (5, 4), "rounds": 3}
    return values, settings, workflows.calibrate_blind(values, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_row_gives_the_same(row, dtype, no_image):
    values, settings, want = two_pictures()
    result = workflows.calibrate_blind(row.array(values, dtype), **settings)
    assert row.owns(result.psf, dtype)
    assert row.owns(result.image, dtype)
    assert result.image.shape == (2, 20, 20)
    tolerance = 1e-8 if dtype == "float64" else 5e-3
    np.testing.assert_allclose(row.numpy(result.psf), want.psf, rtol=0, atol=tolerance)
    np.testing.assert_allclose(row.numpy(result.image), want.image, rtol=0, atol=tolerance)
    np.testing.assert_allclose(result.losses, want.losses, rtol=3 * tolerance)
    error = workflows.shift_aligned_error(result.psf, row.array(want.psf, dtype))
    assert isinstance(error, float)
    assert error < 5 * tolerance


@pytest.mark.parametrize(("last", "steps"), [(0, 0), (3, 0), (6, 0), (8, 2)])
def test_ctrl_c_returns_what_there_is(last, steps):
    """Five estimates on the coarse pixels, of 4 rounds and the start; then the fine ones."""

    def stop(step, loss, psf):
        if step == last + 1:
            raise KeyboardInterrupt

    result = workflows.calibrate_blind(data_of("motion"), size=5, rounds=4, callback=stop)
    assert result.interrupted
    assert result.steps == max(steps, last + 1 - 5, 0)
    assert result.psf.shape == (5, 5)
    assert result.psf.sum() == pytest.approx(1)
    assert result.image.shape == (68, 68)


def test_ctrl_c_within_a_solver_goes_on(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(nl.Quadratic, "linearize", interrupted)
    result = workflows.calibrate_blind(data_of("motion"), size=5, rounds=4)
    assert result.interrupted
    assert result.steps == 0


def test_ctrl_c_in_the_last_restoration_is_told(monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "deblur", interrupted)
    result = workflows.calibrate_blind(data_of("motion"), size=5, rounds=2)
    assert result.interrupted
    assert result.steps == 2
    assert result.image.shape == (68, 68)


def test_a_callback_sees_all_levels_and_stops_the_rounds():
    shapes = []

    def follow(step, loss, psf):
        shapes.append(psf.shape)
        return step == 4

    result = workflows.calibrate_blind(data_of("motion"), size=5, rounds=2, callback=follow)
    assert shapes == [(3, 3)] * 3 + [(5, 5)] * 2
    assert not result.interrupted
    assert result.steps == 1


def test_the_weight_falls_on_each_level(monkeypatch, no_image):
    weights = []

    def spy(psf, y, weight):
        weights.append(weight)
        return image.sharp_image(psf, y, weight)

    monkeypatch.setattr(job, "sharp_image", spy)
    workflows.calibrate_blind(data_of("motion"), size=5, weight=0.1, rounds=3)
    np.testing.assert_allclose(weights, [0.8, 0.1 * math.sqrt(8), 0.1] * 2)


def test_an_image_of_few_edges_is_found_through_its_blur():
    """Also in the margin of three pixels, of which the picture sees a part of the light."""
    found = image.sharp_image(PSFS["motion"], data_of("motion"), 5e-4)
    assert found.shape == SHARP.shape
    assert np.sqrt(np.mean((found - SHARP)[3:-3, 3:-3] ** 2)) < 0.03
    edges, truth = (np.abs(np.diff(x[3:-3, 3:-3], axis=0)) > 0.02 for x in (found, SHARP))
    assert edges.sum() < 1.3 * truth.sum()


def test_a_heavy_edge_is_left_out_and_a_cheap_one_kept():
    y = np.full((20, 20), 0.2)
    y[:, 10:] = 0.6
    one = np.ones((1, 1))
    # The edge of 20 pixels lowers the squared error by 400 times 0.2^2 = 16: 0.8 for each.
    cheap, heavy = (image.sharp_image(one, y, weight) for weight in (1e-4, 4.0))
    np.testing.assert_allclose(cheap, y, atol=1e-6)
    assert np.ptp(heavy) < 0.3


@pytest.mark.parametrize("contrast", [1.0, 0.5])
def test_the_psf_of_a_known_image_is_the_true_one(contrast):
    """Whatever the sum of the differences: an image of half the contrast has the same PSF."""
    psf = np.full((7, 7), 1 / 49)
    for _ in range(4):
        psf = kernel.next_psf(psf, contrast * SHARP, data_of("motion"))
    assert psf.sum() == pytest.approx(1)
    assert workflows.shift_aligned_error(psf, PSFS["motion"]) < 0.1


def test_the_penalty_is_that_of_the_psfs_differences():
    h = PSFS["gaussian"][:, :6]
    wide = np.pad(h, 1)
    want = np.sum(np.diff(wide, axis=0) ** 2) + np.sum(np.diff(wide, axis=1) ** 2)
    assert h.ravel() @ kernel.laplacian(h.shape) @ h.ravel() == pytest.approx(want)


def test_differences_are_those_of_numpy():
    D = kernel.differences(SHARP)(SHARP)
    np.testing.assert_allclose(D.real, np.diff(SHARP, axis=0)[:, :-1], atol=1e-15)
    np.testing.assert_allclose(D.imag, np.diff(SHARP, axis=1)[:-1, :], atol=1e-15)


def test_levels_go_down_by_the_root_of_two():
    found = levels.pyramid(data_of("motion"), (27, 8))
    shapes = [shape for _, shape in found]
    assert shapes == [(27, 8), (19, 5), (13, 5), (9, 3), (7, 3), (5, 3), (3, 3)]
    assert [y.shape[0] for y, _ in found] == [64, 45, 32, 23, 16, 11, 8]


def test_coarser_pixels_see_the_same_picture():
    rows, columns = np.mgrid[:40, :50]
    ramp = 0.1 + 0.01 * rows + 0.02 * columns
    coarse = levels.averaged(ramp, (20, 25))
    rows, columns = np.mgrid[:20, :25] * 2 + 0.5
    inner = (slice(1, -1), slice(1, -1))
    want = 0.1 + 0.01 * rows + 0.02 * columns
    np.testing.assert_allclose(coarse[inner], want[inner])
    np.testing.assert_allclose(levels.averaged(np.ones((7, 9)), (5, 6)), 1.0)


def test_a_finer_psf_is_centred_where_the_coarse_one_is():
    coarse = np.zeros((5, 5))
    coarse[2, 1:4] = 1 / 3
    fine = levels.upsampled(coarse, (9, 8))
    assert fine.shape == (9, 8)
    assert fine.sum() == pytest.approx(1)
    # At 4 + j the place is j / sqrt(2), of a trapezium that falls from 1 at one to 0 at two.
    want = np.clip(2 - np.abs(np.arange(8) - 4) * math.sqrt(0.5), 0, 1)
    np.testing.assert_allclose(fine[4] / fine[4].max(), want)


def test_the_centre_of_gravity_moves_to_the_middle():
    psf = np.zeros((5, 6))
    psf[0, 5], psf[1, 5] = 0.75, 0.25
    moved = shifts.centred(psf)
    assert moved[2, 3] == pytest.approx(0.75)
    assert moved[3, 3] == pytest.approx(0.25)


def test_the_error_does_not_see_shifts_but_all_else():
    h = PSFS["motion"]
    wide = np.zeros((11, 12))
    wide[4:, 5:] = h
    for a, b in ((h, wide), (wide, h)):
        assert workflows.shift_aligned_error(a, b) < 1e-12
    other = h[::-1, ::-1].copy()
    shifts = [(a, b) for a in range(-6, 7) for b in range(-6, 7)]
    frame = np.zeros((19, 19))
    frame[6:13, 6:13] = h
    by_hand = []
    for s in shifts:
        moved = np.zeros((19, 19))
        moved[6 + s[0] : 13 + s[0], 6 + s[1] : 13 + s[1]] = other
        by_hand.append(np.linalg.norm(moved - frame) / np.linalg.norm(h))
    assert workflows.shift_aligned_error(other, h) == pytest.approx(min(by_hand))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blurred": SHARP.tolist()}, "want an array"),
        ({"blurred": SHARP.astype(int)}, "blurred is int64; want float32 or float64"),
        ({"blurred": SHARP + 0j}, "blurred is complex128; want float32 or float64"),
        ({"blurred": SHARP[0]}, r"shape \(70,\); want \(..., height"),
        (
            {"blurred": np.where(SHARP > 0.8, np.nan, SHARP)},
            r"blurred is not finite in [0-9]+ of 4900",
        ),
        ({"size": 36}, r"\(70, 70\) and the PSF is 36 x 36; .* at least twice the PSF's"),
        ({"size": 0}, r"size is 0; want .* of at least 1"),
        ({"weight": 0.0}, "weight is 0.0; want a positive, finite number"),
        ({"weight": math.nan}, "weight is nan; want a positive, finite number"),
        ({"rounds": 0}, "rounds is 0; want at least 1"),
    ],
)
def test_it_refuses_what_does_not_fit(change, message):
    arguments = {"blurred": SHARP, "size": 15} | change
    with pytest.raises((TypeError, ValueError), match=message):
        workflows.calibrate_blind(**arguments)


def test_the_error_refuses_a_batch():
    with pytest.raises(ValueError, match=r"\(2, 3, 3\) and \(3, 3\); want both \(height, width\)"):
        workflows.shift_aligned_error(np.ones((2, 3, 3)), np.ones((3, 3)))
