"""What the laws do not say of the blur: refusals, and the fixed image."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal

import nufftlib as nl

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
    ],
)
def test_a_wrong_argument_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
