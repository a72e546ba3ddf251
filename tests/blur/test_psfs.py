"""Point-spread functions: nonnegative, of sum one, centred, and what each formula says."""

import numpy as np
import pytest
import scipy.ndimage

from nufftlib.blur import motion_psf


@pytest.mark.parametrize("size", [1, 2, 25, 64, (9, 200)])
@pytest.mark.parametrize("seed", range(5))
def test_a_motion_psf_is_a_connected_path(size, seed):
    psf = motion_psf(size, seed=seed)
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1.0, abs=1e-5)
    _, count = scipy.ndimage.label(psf > 0, structure=np.ones((3, 3)))
    assert count == 1  # no holes: every pixel is reached from every other


def test_a_motion_psf_has_the_covariance_it_claims():
    """Steps of the centred path: E|u(t) - u(s)|^2 = 2 (kappa(0) - kappa(t - s))."""
    from nufftlib.blur.motion import KNOTS, matern_path

    paths = np.concatenate([matern_path(np.random.default_rng(s), 0.3, 0.25) for s in range(3000)])
    for lag in (KNOTS // 20, KNOTS // 4, KNOTS - 1):
        t = lag / (KNOTS - 1)
        a = np.sqrt(5) * t / 0.3
        want = 2 * 0.25**2 * (1 - (1 + a + a * a / 3) * np.exp(-a))
        assert np.mean((paths[:, lag] - paths[:, 0]) ** 2) == pytest.approx(want, rel=0.08)
    np.testing.assert_allclose(paths.mean(axis=1), 0, atol=1e-12)


def test_one_seed_is_one_path_at_every_size():
    small, large = motion_psf(25, seed=3), motion_psf(75, seed=3)
    grid = np.stack(np.meshgrid(*[np.arange(75) - 37] * 2, indexing="ij"))
    coarse = np.stack(np.meshgrid(*[np.arange(25) - 12] * 2, indexing="ij")) * 3
    for axis in (0, 1):
        assert np.sum(large * grid[axis]) == pytest.approx(np.sum(small * coarse[axis]), abs=0.1)
    assert not np.array_equal(small, motion_psf(25, seed=4))


def second_moments(psf):
    centre = [n // 2 for n in psf.shape]
    i, j = (np.arange(n) - c for n, c in zip(psf.shape, centre, strict=True))
    return np.sqrt([np.sum(psf * i[:, None] ** 2), np.sum(psf * j**2)])


def test_either_axis_of_a_motion_psf_scales_with_its_own_size():
    square, wide = (motion_psf(s, seed=3, std=0.2, dtype=float) for s in (75, (75, 225)))
    ratio = second_moments(wide) / second_moments(square)
    np.testing.assert_allclose(ratio, [1, 3], rtol=0.02)


def test_a_motion_psf_spreads_by_its_std():
    point = motion_psf((5, 8), seed=0, std=0.0)
    assert point[2, 4] == point.sum() == 1
    wide, narrow = (second_moments(motion_psf(201, seed=3, std=s)) for s in (0.2, 0.1))
    np.testing.assert_allclose(wide / narrow, 2, rtol=0.02)


def test_a_fast_motion_leaves_no_holes():
    for seed in range(3):
        for size in (63, 127):
            psf = motion_psf(size, seed=seed, length=0.02)
            _, count = scipy.ndimage.label(psf > 0, structure=np.ones((3, 3)))
            assert count == 1


def test_a_size_may_be_an_integer_of_numpy():
    np.testing.assert_array_equal(motion_psf(np.int64(9), seed=0), motion_psf((9, 9), seed=0))


def test_a_motion_psf_is_equal_on_every_row(row):
    psf = motion_psf(9, seed=1, xp=row.xp, dtype=row.xp.float64, device=row.device)
    assert row.owns(psf, "float64")
    np.testing.assert_array_equal(row.numpy(psf), motion_psf(9, seed=1, dtype=np.float64))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: motion_psf(0, seed=0), ValueError, "want at least one pixel"),
        (lambda: motion_psf(5, seed=0, length=0.0), ValueError, "a positive length"),
        (lambda: motion_psf(5, seed=0, std=-1.0), ValueError, "a std of 0 or more"),
        (lambda: motion_psf(9, seed=0, std=50.0), ValueError, "the path leaves the PSF"),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
