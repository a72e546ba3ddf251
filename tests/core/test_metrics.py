"""Metrics against their definitions and scikit-image."""

import numpy as np
import pytest
from skimage import metrics

import nufftlib as nl

RNG = np.random.default_rng(3)
Y = RNG.random((3, 14, 12)) + 0.5
X = Y + 0.2 * RNG.standard_normal(Y.shape)
Z = X + 1j * RNG.standard_normal(Y.shape)
MASK = RNG.random(Y.shape) < 0.5
NOT_LAST = np.asarray([True, True, False])[:, None, None]


def plain_psnr(x, y, mask, data_range=None):
    L = np.ptp(y) if data_range is None else data_range
    return 10 * np.log10(L**2 / np.mean((x - y)[mask] ** 2))


def plain_nrmse(x, y, mask):
    return np.linalg.norm((x - y)[mask]) / np.linalg.norm(y[mask])


def whole(mask):
    return np.broadcast_to(True if mask is None else mask, Y.shape)


MASKS = [None, MASK, MASK[0], MASK[:, :1, :1] | True, np.arange(12) < 4]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("ndim", [None, 2, 1])
def test_of_each_image_in_a_mask(row, mask, ndim):
    if ndim == 1 and mask is not None and mask.ndim > 1:
        mask = mask | (np.arange(12) == 5)  # something in every row
    x, y = row.array(X), row.array(Y)
    settings = {"mask": None if mask is None else row.array(mask, "bool"), "ndim": ndim}
    lead = Y.shape[: 3 - (ndim or 3)]
    found = nl.psnr(x, y, **settings), nl.psnr(x, y, 2.5, **settings), nl.nrmse(x, y, **settings)
    for values in found:
        assert row.owns(values, "float64")
        assert tuple(values.shape) == lead
    for i in np.ndindex(lead):
        a = X[i], Y[i], whole(mask)[i]
        want = plain_psnr(*a), plain_psnr(*a, 2.5), plain_nrmse(*a)
        for values, w in zip(found, want, strict=True):
            assert row.numpy(values)[i] == pytest.approx(w, rel=1e-12)


def test_values_of_scikit_image():
    x, y = X[0], Y[0]
    want = metrics.peak_signal_noise_ratio(y, x, data_range=1.7)
    assert float(nl.psnr(x, y, 1.7)) == pytest.approx(want, rel=1e-13)
    want = metrics.normalized_root_mse(y, x)
    assert float(nl.nrmse(x, y)) == pytest.approx(want, rel=1e-13)
    want = metrics.structural_similarity(
        y, x, data_range=np.ptp(y), gaussian_weights=True, use_sample_covariance=False
    )
    assert float(nl.ssim(x, y)) == pytest.approx(want, rel=1e-12)


def test_complex_images_have_a_relative_error(row):
    found = nl.nrmse(row.array(Z, "complex128"), row.array(Y + 0j, "complex128"))
    assert row.owns(found, "float64")
    assert float(found) == pytest.approx(plain_nrmse(Z, Y, whole(None)), rel=1e-13)
    one = nl.nrmse(row.array(Z, "complex128"), row.array(Y))
    assert float(one) == pytest.approx(float(found), rel=1e-13)


def test_equal_images(row):
    y = row.array(Y)
    np.testing.assert_array_equal(row.numpy(nl.psnr(y, y, ndim=2)), np.inf)
    np.testing.assert_array_equal(row.numpy(nl.nrmse(y, y, ndim=2)), 0)
    np.testing.assert_array_equal(row.numpy(nl.ssim(y, y, ndim=2)), 1)


def test_similarities_are_what_the_losses_lack(row):
    x, y = row.array(X), row.array(Y)
    settings = {"size": 3, "window": "uniform", "sample_covariance": True, "k1": 0.1, "k2": 0.2}
    settings |= {"mask": row.array(MASK, "bool"), "ndim": 2}
    for metric, loss, more in (
        (nl.ssim, nl.SSIM, {}),
        (nl.ms_ssim, nl.MultiScaleSSIM, {"weights": (0.4, 0.6)}),
    ):
        found = row.numpy(metric(x, y, 2.0, **settings, **more))
        assert found.shape == (3,)
        lack = float(loss(y, 2.0, **settings, **more)(x))
        assert lack == pytest.approx(1 - found.mean(), rel=1e-12)
        assert float(metric(x, y, sigma=0.9, size=3, ndim=2, **more)[0]) != pytest.approx(
            float(metric(x, y, size=3, ndim=2, **more)[0]), rel=1e-3
        )


@pytest.mark.parametrize("metric", [nl.psnr, nl.ssim, nl.nrmse])
def test_single_precision_stays_single(row, metric):
    found = metric(row.array(X, "float32"), row.array(Y, "float32"), ndim=2)
    assert row.owns(found, "float32")
    np.testing.assert_allclose(row.numpy(found), metric(X, Y, ndim=2), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nl.psnr(Z, Y),
            TypeError,
            r"psnr\(image, reference\): image is complex128; want",
        ),
        (lambda: nl.ssim(X, Y + 0j), TypeError, "reference is complex128; want real"),
        (
            lambda: nl.psnr(X[1:], Y),
            ValueError,
            r"\(2, 14, 12\); want the ref.*\(3, 14, 12\)",
        ),
        (lambda: nl.nrmse(X.astype("f4"), Y), TypeError, "one precision"),
        (lambda: nl.nrmse(X, 0 * Y), ValueError, "reference has an image that is zero"),
        (lambda: nl.psnr(X, 0 * Y), ValueError, r"psnr\(data_range\): reference has a constant"),
        (lambda: nl.psnr(X, Y, 0), ValueError, "data_range is 0.0; want a positive"),
        (lambda: nl.psnr(X, Y, ndim=4), ValueError, "ndim is 4; want 1 to 3"),
        (
            lambda: nl.psnr(X, Y, mask=NOT_LAST, ndim=2),
            ValueError,
            "False everywhere in some image",
        ),
        (lambda: nl.nrmse(X, Y, mask=Y), TypeError, "want bool"),
        (lambda: nl.ms_ssim(X, Y, ndim=2), ValueError, "images of 14 x 12; want 176 or more"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("scale", [1e-24, 1e20])
@pytest.mark.parametrize("metric", [nl.psnr, nl.ssim, nl.nrmse])
def test_metrics_in_single_precision_do_not_depend_on_units(metric, scale):
    y = np.random.default_rng(0).random((32, 32)).astype("f4")
    scaled, unit = y * np.float32(scale), float(metric(1.1 * y, y))
    assert float(metric(1.1 * scaled, scaled)) == pytest.approx(unit, rel=1e-4)
