"""What the laws do not say of the blur: refusals, and the fixed image."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from rows import ROWS, open_row

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


BOUNDARIES = ("valid", "circular", "replicate", "reflect", "zero")
PAD = {"circular": "wrap", "replicate": "edge", "reflect": "reflect", "zero": "constant"}


@pytest.mark.parametrize("boundary", BOUNDARIES[1:])
@pytest.mark.parametrize("image", [(9,), (5, 1, 6)])
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_a_boundary_is_numpys_padding(boundary, image, method):
    psf, image = rng.standard_normal((4, 3, 2)[: len(image)]), rng.standard_normal(image)
    margins = [(p - 1 - p // 2, p // 2) for p in psf.shape]
    want = scipy.signal.convolve(np.pad(image, margins, mode=PAD[boundary]), psf, mode="valid")
    A = nl.Blur(psf, boundary, ndim=image.ndim, method=method)
    np.testing.assert_allclose(A(image), want, atol=1e-12)


def test_auto_sums_small_psfs_directly(monkeypatch):
    """Whichever was measured to be faster; both give the same."""
    calls = []
    true_fft = scipy.fft.rfftn
    monkeypatch.setattr(
        scipy.fft, "rfftn", lambda a, **kw: calls.append(a.shape) or true_fft(a, **kw)
    )
    large, small = rng.standard_normal((256, 256)), rng.standard_normal((64, 64))
    for image, psf, by_fft in [
        (large, (3, 3), False),
        (large, (5, 5), True),
        (small, (5, 5), False),
        (small, (6, 6), True),
        (small[0], (9,), False),
        (small[0], (10,), True),
    ]:
        calls.clear()
        psf = rng.standard_normal(psf)
        y = nl.Blur(psf, ndim=psf.ndim)(image)
        assert bool(calls) == by_fft
        other = nl.Blur(psf, ndim=psf.ndim, method="direct" if by_fft else "fft")
        np.testing.assert_allclose(y, other(image), atol=1e-12)


def test_a_fixed_image_is_transformed_once(monkeypatch):
    shapes = []
    true_fft = scipy.fft.rfftn

    def rfftn(a, *args, **kwargs):
        shapes.append(a.shape)
        return true_fft(a, *args, **kwargs)

    monkeypatch.setattr(scipy.fft, "rfftn", rfftn)
    C = nl.Blur(h, method="fft").as_map("psf", x)
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
        (lambda: nl.Blur(h, method="sum"), ValueError, "'sum'; want one of 'auto', 'direct'"),
        (lambda: nl.Blur(h, ndim=4), ValueError, "ndim is 4; want 1 to 3"),
        (lambda: nl.Blur(h, ndim=2.0), TypeError, "ndim is 2.0; want an integer"),
        (lambda: nl.Blur(h, ["valid"]), ValueError, r"\['valid'\]; want one of 'valid'"),
        (lambda: nl.Blur(h, ndim=3), ValueError, r"want \(..., depth, height, width\)"),
        (lambda: nl.Downsample(h, 0, (9, 9)), ValueError, "factor is 0; want one .* of at least 1"),
        (lambda: nl.Downsample(h, (2,), (9, 9)), ValueError, "or one for each axis"),
        (
            lambda: nl.Downsample(h, 2, (3, 9)),
            ValueError,
            r"Downsample\(shape\): shape is .*; want at least \(",
        ),
        (lambda: nl.Downsample(h, 1.5, (9, 9)), TypeError, "factor is 1.5; want one number"),
        (lambda: nl.Downsample(h, 2, 9), TypeError, "shape is 9; want one to three sizes"),
        (
            lambda: nl.Downsample(h, 2, (9, 9))(x),
            ValueError,
            r"\(3, 11, 12\); want \(\.\.\., 9, 9\)",
        ),
        (lambda: nl.Downsample(h, 2, (9, 9)).H(x), ValueError, r"y .* want \(\.\.\., 3, 3\)"),
        (lambda: nl.SpaceVaryingBlur(h, h), ValueError, "with as many modes"),
        (lambda: nl.SpaceVaryingBlur(h[None], x), ValueError, "with as many modes"),
        (
            lambda: nl.SpaceVaryingBlur(h[None], x[:1])(x),
            ValueError,
            r"\(3, 11, 12\); want \(\.\.\., 14, 16\)",
        ),
        (
            lambda: nl.SpaceVaryingBlur(h[None], x[:1, 3:, 4:]).H(x),
            ValueError,
            r"y .* \(3, 11, 12\); want \(\.\.\., 8, 8\)",
        ),
        (
            lambda: nl.SpaceVaryingBlur(h[None, None], x[:2, None, 3:, 4:])(x),
            ValueError,
            "with leading axes to which",
        ),
        (lambda: nl.Blur(h)(x[:, :3]), ValueError, "want 2 last axes of at least 4 x 5"),
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


@pytest.mark.parametrize("boundary", ["valid", "reflect"])
def test_one_mode_of_weight_one_is_the_blur(boundary):
    A = nl.Blur(h, boundary)
    modes = nl.SpaceVaryingBlur(h[None], np.ones_like(A(x))[:1], boundary)
    np.testing.assert_allclose(modes(x), A(x), atol=1e-13)


def test_modes_cost_one_transform_of_the_image_each_way(monkeypatch):
    shapes = []
    for name in ("rfftn", "irfftn"):
        true = getattr(scipy.fft, name)
        monkeypatch.setattr(
            scipy.fft, name, lambda a, true=true, **kw: shapes.append(a.shape) or true(a, **kw)
        )
    psf, weights = rng.standard_normal((5, 4, 5)), rng.standard_normal((5, 8, 8))
    A = nl.SpaceVaryingBlur(psf, weights, method="fft")
    y = A(x)
    assert shapes == [(3, 1, 11, 12), (5, 4, 5), (3, 5, 12, 7)]
    shapes.clear()
    A.H(y)
    assert shapes == [(3, 5, 8, 8), (5, 4, 5), (3, 1, 12, 7)]


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_a_complex_cotangent_of_a_real_blur_counts_by_its_real_part(method):
    A = nl.Blur(h, method=method)
    y = rng.standard_normal(A(x).shape)
    np.testing.assert_array_equal(A.vjp("psf", x, y + 2j * y), A.vjp("psf", x, y))


def test_a_factor_may_be_a_list_and_an_integer_of_numpy():
    want = nl.Downsample(h, (2, 3), (11, 12))(x)
    np.testing.assert_array_equal(nl.Downsample(h, [np.int64(2), 3], [11, 12])(x), want)
    every = nl.Downsample(h, np.int64(2), (11, 12))
    np.testing.assert_array_equal(every(x), nl.Downsample(h, 2, (11, 12))(x))


def test_downsampling_keeps_the_first_pixel_of_every_factor():
    A = nl.Downsample(h, (2, 3), (11, 12))
    np.testing.assert_allclose(A(x), nl.Blur(h)(x)[:, ::2, ::3], atol=1e-13)


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("boundary", ["valid", "circular", "replicate", "reflect", "zero"])
@pytest.mark.parametrize("row", ROWS)
def test_a_batch_may_be_empty(row, boundary, method):
    with open_row(row) as row:
        A = nl.Blur(row.array(np.ones((3, 3))), boundary, method=method)
        x = row.xp.zeros((0, 6, 6), dtype=row.xp.float64, device=row.device)
        y = A(x)
        assert y.shape == A.outline(x).shape
        assert A.H(y).shape == (0, 6, 6)
        assert np.array_equal(row.numpy(A.vjp("psf", x, y)), np.zeros((3, 3)))


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize("complex_image", [False, True])
@pytest.mark.parametrize("complex_psf", [False, True])
def test_a_map_of_complex_psfs_makes_of_a_real_one_what_it_says(
    row, method, complex_image, complex_psf
):
    kinds = {False: "float64", True: "complex128"}
    image = row.array(x + 1j * x if complex_image else x, kinds[complex_image])
    psf = row.array(h + 2j * h if complex_psf else h, kinds[complex_psf])
    f = nl.Blur(row.array(h + 1j * h, "complex128"), method=method).as_map("psf", image)
    y = f(psf)
    assert y.dtype == f.outline(psf).dtype
    assert row.owns(y, kinds[complex_image or complex_psf])
    np.testing.assert_allclose(row.numpy(y), row.numpy(nl.Blur(psf)(image)), atol=1e-12)
