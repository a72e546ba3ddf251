"""What the laws do not say of the blur: refusals, the fixed image, PSFs, noise."""

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal

import nufftlib as nl
from nufftlib.blur import gaussian_noise, motion_psf

rng = np.random.default_rng(4)
h = rng.standard_normal((4, 5))
x = rng.standard_normal((3, 11, 12))


def test_valid_is_scipys_convolution():
    want = scipy.signal.convolve(x, h[None], mode="valid")
    np.testing.assert_allclose(nl.Blur(h)(x), want, atol=1e-12)


def test_the_centre_is_size_over_2():
    for size in (1, 2, 3, 4, 5):
        delta = np.zeros((size, size))
        delta[size // 2, size // 2] = 1
        np.testing.assert_allclose(nl.Blur(delta, "circular")(x), x, atol=1e-12)


@pytest.mark.parametrize("boundary", ["valid", "circular"])
def test_a_psf_whose_spectrum_has_zeros(boundary):
    """A 2 x 2 box on 16 x 16 pixels, where a polar form of the spectrum has no derivative."""
    box, image = np.full((2, 2), 0.25), rng.standard_normal((16, 16))
    assert np.min(np.abs(scipy.fft.fft2(box, (16, 16)))) < 1e-16
    report = nl.check_operator(nl.Blur(box, boundary), image, dot_tolerance=1e-12)
    assert report.ok, str(report)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_axes_of_size_one_under_circular(shape):
    for image in (rng.standard_normal((1, 7)), rng.standard_normal((7, 1))):
        A = nl.Blur(rng.standard_normal(shape), "circular")
        report = nl.check_operator(A, image, dot_tolerance=1e-12)
        assert report.ok, str(report)


def test_a_fixed_image_is_transformed_once(monkeypatch):
    shapes = []
    true_fft = scipy.fft.rfftn

    def rfftn(a, *args, **kwargs):
        shapes.append(a.shape)
        return true_fft(a, *args, **kwargs)

    monkeypatch.setattr(scipy.fft, "rfftn", rfftn)
    C = nl.Blur(h).as_map("psf", x)
    for scale in (1.0, 2.0, 3.0):
        C.adjoint(C(scale * h))
    assert shapes == [x.shape, *([h.shape, (3, 8, 8)] * 3)]


def test_transforms_are_of_fast_sizes(monkeypatch):
    sizes = []
    true_fft = scipy.fft.rfftn
    monkeypatch.setattr(
        scipy.fft, "rfftn", lambda a, s, **kw: sizes.append(s) or true_fft(a, s=s, **kw)
    )
    nl.Blur(np.ones((25, 25)))(np.ones((257, 256)))
    assert sizes[0] == (scipy.fft.next_fast_len(257, real=True), 256)
    assert 257 <= sizes[0][0] <= 270


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nl.Blur(np.ones(3)), ValueError, r"\(3,\); want \(..., height, width\)"),
        (lambda: nl.Blur(np.ones((0, 3))), ValueError, "not empty"),
        (lambda: nl.Blur(np.ones((3, 3), int)), TypeError, "int64; want real or complex"),
        (lambda: nl.Blur(h, "mirror"), ValueError, "'mirror'; want one of 'valid', 'circular'"),
        (lambda: nl.Blur(h)(x[:, :3]), ValueError, "wants an image at least as large"),
        (
            lambda: nl.Blur(h)(x.astype("f4")),
            TypeError,
            "x is float32 and psf is float64; want floating point of one",
        ),
        (lambda: nl.Blur(np.ones((2, 3, 3)))(x), ValueError, r"\(3, 11, 12\); want"),
        (lambda: nl.Blur(np.ones((2, 3, 3)))(x[0]), ValueError, "leading axes to which"),
        (lambda: nl.Blur(h).H(x[0, 0]), ValueError, r"\(12,\); want"),
        (lambda: nl.Blur(h).vjp("psf", x, x), ValueError, r"\(3, 11, 12\); want \(3, 8, 8\)"),
        (
            lambda: nl.Blur(h).as_map("psf", x)(1j * h),
            TypeError,
            "want real, as image and PSF are",
        ),
        (
            lambda: nl.Blur(h).derivative("psf", h[:2]),
            ValueError,
            r"\(2, 5\) .* want those of psf, \(4, 5\)",
        ),
        (lambda: nl.Blur(h).as_map("psf", x)(h[:2]), ValueError, r"\(2, 5\); want \(4, 5\)"),
        (lambda: motion_psf(0, seed=0), ValueError, "want at least one pixel"),
        (lambda: motion_psf(5, seed=0, length=0.0), ValueError, "a positive length"),
        (lambda: motion_psf(5, seed=0, std=-1.0), ValueError, "a std of 0 or more"),
        (lambda: motion_psf(9, seed=0, std=50.0), ValueError, "the path leaves the PSF"),
        (lambda: gaussian_noise(x, -1.0, seed=0), ValueError, "std is -1.0; want 0 or more"),
        (lambda: gaussian_noise(np.arange(3), 1.0, seed=0), TypeError, "want floating point"),
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


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
    from nufftlib.blur.psf import KNOTS, matern_path

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


def test_psf_and_noise_are_equal_on_every_row(row):
    psf = motion_psf(9, seed=1, xp=row.xp, dtype=row.xp.float64, device=row.device)
    assert row.owns(psf, "float64")
    np.testing.assert_array_equal(row.numpy(psf), motion_psf(9, seed=1, dtype=np.float64))
    for values, dtype in ((x, "float64"), (x + 1j * x, "complex128")):
        noisy = gaussian_noise(row.array(values, dtype), 0.1, seed=2)
        assert row.owns(noisy, dtype)
        np.testing.assert_array_equal(row.numpy(noisy), gaussian_noise(values, 0.1, seed=2))


def test_complex_noise_has_the_std_in_either_part():
    noise = gaussian_noise(np.zeros(200_000, complex), 0.3, seed=0)
    assert noise.real.std() == pytest.approx(0.3, rel=0.01)
    assert noise.imag.std() == pytest.approx(0.3, rel=0.01)
    assert abs(np.mean(noise.real * noise.imag)) < 1e-3
