"""Structural similarity against its definition, window by window, and against scikit-image."""

import numpy as np
import pytest
from skimage import metrics

import nufftlib as nl
from nufftlib.core.windows import double, halve, spread_means, window_means, window_weights

RNG = np.random.default_rng(7)
SHAPE = (23, 26)
SMOOTH = np.add.outer(np.sin(np.arange(23) / 3), np.cos(np.arange(26) / 4)) + 2
Y = SMOOTH + 0.2 * RNG.standard_normal(SHAPE)
X = 0.9 * SMOOTH + 0.4 * RNG.standard_normal(SHAPE)
BATCH = {"y": np.stack([Y, 3 * X, Y[::-1]]), "x": np.stack([X, Y, Y[:, ::-1]])}
VOLUME = {"y": RNG.random((9, 8, 10)), "x": RNG.random((9, 8, 10))}
MASK = RNG.random(SHAPE) < 0.4

SETTINGS = {
    "default": {},
    "range": {"data_range": 5.0},
    "uniform": {"window": "uniform"},
    "sample": {"window": "uniform", "sample_covariance": True},
    "gaussian sample": {"sample_covariance": True, "sigma": 1.0},
    "small": {"size": 5, "sigma": 0.8, "k1": 0.2, "k2": 0.1},
    "masked": {"mask": MASK},
}


# --- the definitions, written out ---------------------------------------------------------


def kernel(ndim, window="gaussian", size=None, sigma=1.5):
    """Return the weights of a window, on all its axes at once."""
    size = size or (7 if window == "uniform" else 2 * int(3.5 * sigma + 0.5) + 1)
    grids = np.meshgrid(*[np.arange(size) - size // 2] * ndim, indexing="ij")
    squares = sum(grid**2 for grid in grids)
    w = np.ones_like(squares) if window == "uniform" else np.exp(-squares / (2 * sigma**2))
    return w / w.sum()


def factors(x, y, L, k1=0.01, k2=0.03, sample_covariance=False, **window):
    """Return luminance, and contrast with structure, of every window within one image."""
    w = kernel(x.ndim, **window)
    axes = tuple(range(x.ndim, 2 * x.ndim))
    xs, ys = (np.lib.stride_tricks.sliding_window_view(z, w.shape) for z in (x, y))
    mx, my = (np.sum(w * z, axes) for z in (xs, ys))
    dx, dy = (z - np.expand_dims(m, axes) for z, m in ((xs, mx), (ys, my)))
    f = w.size / (w.size - 1) if sample_covariance else 1.0
    vx, vy, vxy = (f * np.sum(w * a, axes) for a in (dx * dx, dy * dy, dx * dy))
    c1, c2 = (k1 * L) ** 2, (k2 * L) ** 2
    return (2 * mx * my + c1) / (mx**2 + my**2 + c1), (2 * vxy + c2) / (vx + vy + c2)


def centred(mask, shape):
    """Return the part of a mask at the centres of windows."""
    return mask[
        tuple(slice((n - m) // 2, (n + m) // 2) for n, m in zip(mask.shape, shape, strict=True))
    ]


def plain_ssim(x, y, data_range=None, mask=None, **settings):
    """Return the similarity of one image."""
    similar = np.multiply(*factors(x, y, data_range or np.ptp(y), **settings))
    return similar.mean() if mask is None else similar[centred(mask, similar.shape)].mean()


def half(x):
    """Return the means of 2 x 2 pixels."""
    shape = [n // 2 for n in x.shape]
    cut = x[tuple(slice(2 * n) for n in shape)]
    return cut.reshape([m for n in shape for m in (n, 2)]).mean(axis=tuple(range(1, 2 * x.ndim, 2)))


def plain_ms_ssim(x, y, weights, data_range=None, mask=None, **settings):
    """Return the similarity of one image over scales."""
    L = data_range or np.ptp(y)
    mask = np.ones(x.shape) if mask is None else mask.astype(float)
    product = 1.0
    for scale, weight in enumerate(weights, 1):
        lum, rest = factors(x, y, L, **settings)
        w = centred(mask, rest.shape)
        of_scale = np.sum(w * (lum * rest if scale == len(weights) else rest)) / np.sum(w)
        product *= max(of_scale, 0.0) ** weight
        x, y, mask = half(x), half(y), half(mask)
    return product


def slope(f, x, t, h=1e-4):
    """Central difference of fourth order along ``t``."""
    return (8 * (f(x + h * t) - f(x - h * t)) - (f(x + 2 * h * t) - f(x - 2 * h * t))) / (12 * h)


def placed(row, settings, dtype="bool"):
    return {k: row.array(v, dtype) if k == "mask" else v for k, v in settings.items()}


def check(row, loss, plain, x):
    """Compare value and gradient with a function of NumPy arrays, and its differences."""
    value, gradient = loss.value_and_grad(row.array(x))
    assert row.owns(value, "float64")
    assert row.owns(gradient, "float64")
    assert float(value) == pytest.approx(1 - plain(x), rel=1e-11)
    assert float(loss(row.array(x))) == float(value)
    for seed in range(3):
        t = np.random.default_rng(seed).standard_normal(x.shape)
        want = slope(lambda z: 1 - plain(z), x, t)
        assert np.vdot(row.numpy(gradient), t) == pytest.approx(want, rel=1e-7, abs=1e-11)


# --- one scale ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_ssim(row, name):
    loss = nl.SSIM(row.array(Y), **placed(row, SETTINGS[name]))
    check(row, loss, lambda x: plain_ssim(x, Y, **SETTINGS[name]), X)


def test_at_every_pixel_the_gradient_is_that_of_finite_differences():
    y, x = Y[:9, :8], X[:9, :8]
    for settings in ({"size": 5}, {"size": 3, "window": "uniform", "sample_covariance": True}):
        _, gradient = nl.SSIM(y, **settings).value_and_grad(x)
        for p in np.ndindex(x.shape):
            e = np.zeros(x.shape)
            e[p] = 1.0
            want = -slope(lambda z: plain_ssim(z, y, **settings), x, e)  # noqa: B023  # called here
            assert gradient[p] == pytest.approx(want, rel=1e-6, abs=1e-10)


def test_each_image_of_a_batch_has_its_own_similarity(row):
    x, y = BATCH["x"], BATCH["y"]
    want = [plain_ssim(a, b) for a, b in zip(x, y, strict=True)]
    found = nl.ssim(row.array(x), row.array(y), ndim=2)
    np.testing.assert_allclose(row.numpy(found), want, rtol=1e-12)
    check(
        row,
        nl.SSIM(row.array(y), ndim=2),
        lambda x: np.mean([plain_ssim(a, b) for a, b in zip(x, y, strict=True)]),
        x,
    )


def test_a_volume(row):
    x, y = VOLUME["x"], VOLUME["y"]
    check(row, nl.SSIM(row.array(y), size=5), lambda x: plain_ssim(x, y, size=5), x)
    images = nl.ssim(row.array(x), row.array(y), size=5, ndim=2)
    want = [plain_ssim(a, b, size=5) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(row.numpy(images), want, rtol=1e-12)


def test_a_mask_broadcasts_to_the_batch(row):
    masks = np.stack([MASK, ~MASK, MASK[::-1]])
    x, y = BATCH["x"], BATCH["y"]
    for mask in (MASK, masks, MASK[:, :1]):
        whole = np.broadcast_to(mask, y.shape)
        found = nl.ssim(row.array(x), row.array(y), mask=row.array(mask, "bool"), ndim=2)
        want = [plain_ssim(a, b, mask=m) for a, b, m in zip(x, y, whole, strict=True)]
        np.testing.assert_allclose(row.numpy(found), want, rtol=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"gaussian_weights": True, "use_sample_covariance": False}),
        ({"sample_covariance": True}, {"gaussian_weights": True}),
        ({"sigma": 0.7}, {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 0.7}),
        ({"window": "uniform", "sample_covariance": True}, {}),
        ({"window": "uniform"}, {"use_sample_covariance": False}),
        ({"window": "uniform", "size": 5, "sample_covariance": True}, {"win_size": 5}),
        ({"window": "uniform", "k1": 0.05}, {"use_sample_covariance": False, "K1": 0.05}),
        ({"window": "uniform", "k2": 0.2}, {"use_sample_covariance": False, "K2": 0.2}),
    ],
)
def test_values_of_scikit_image(ours, theirs, ndim):
    shape = (31, 24) if ndim == 2 else (12, 14, 13)
    y = RNG.random(shape)
    for amount in (1e-4, 0.1, 2.0):
        x = y + amount * RNG.standard_normal(shape)
        want = metrics.structural_similarity(y, x, data_range=1.3, **theirs)
        assert float(nl.ssim(x, y, 1.3, **ours)) == pytest.approx(want, rel=1e-12, abs=1e-12)
        assert float(nl.SSIM(y, 1.3, **ours)(x)) == pytest.approx(1 - want, rel=1e-10, abs=1e-12)


# --- several scales -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 5, "weights": (0.2, 0.3, 0.5)},
        {"window": "uniform", "size": 3, "weights": (0.4, 0.7), "sample_covariance": True},
        {"size": 5, "weights": (0.5, 0.5), "mask": MASK, "data_range": 3.0},
        {"weights": (1.0,)},
    ],
)
def test_multi_scale(row, settings):
    loss = nl.MultiScaleSSIM(row.array(Y), **placed(row, settings))
    check(row, loss, lambda x: plain_ms_ssim(x, Y, **settings), X)


def test_multi_scale_of_a_batch_and_a_volume(row):
    settings = {"size": 3, "weights": (0.3, 0.7)}
    for data in (BATCH, VOLUME):
        x, y = data["x"], data["y"]
        found = nl.ms_ssim(row.array(x), row.array(y), ndim=2, **settings)
        want = [plain_ms_ssim(a, b, **settings) for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(row.numpy(found), want, rtol=1e-12)
        assert float(nl.MultiScaleSSIM(row.array(y), ndim=2, **settings)(row.array(x))) == (
            pytest.approx(1 - np.mean(want), rel=1e-11)
        )
    x, y = VOLUME["x"], VOLUME["y"]
    loss = nl.MultiScaleSSIM(row.array(y), **settings)
    check(row, loss, lambda x: plain_ms_ssim(x, y, **settings), x)


def test_the_five_published_scales():
    y = np.add.outer(np.sin(np.arange(176) / 9), np.cos(np.arange(181) / 13))
    y = y + 0.1 * RNG.standard_normal(y.shape)
    x = y + 0.3 * RNG.standard_normal(y.shape)
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    assert float(nl.ms_ssim(x, y)) == pytest.approx(plain_ms_ssim(x, y, weights), rel=1e-12)
    with pytest.raises(ValueError, match=r"images of 175 x 181; want 176 or more"):
        nl.MultiScaleSSIM(y[1:])


def test_images_that_are_opposed_have_no_similarity_and_no_gradient(row):
    y = np.stack([RNG.standard_normal(SHAPE), Y])
    x = np.stack([-y[0], X])
    settings = {"size": 5, "weights": (0.4, 0.6)}
    loss = nl.MultiScaleSSIM(row.array(y), ndim=2, **settings)
    value, gradient = loss.value_and_grad(row.array(x))
    other, its = nl.MultiScaleSSIM(row.array(Y), **settings).value_and_grad(row.array(X))
    assert float(value) == pytest.approx((1 + float(other)) / 2, rel=1e-13)
    np.testing.assert_array_equal(row.numpy(gradient)[0], 0)
    np.testing.assert_allclose(row.numpy(gradient)[1], row.numpy(its) / 2, rtol=1e-12)


# --- precision ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nl.SSIM, lambda y: nl.MultiScaleSSIM(y, size=5, weights=(1, 2))])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("amount", [1e-3, 0.3])
def test_single_precision_keeps_its_digits(row, make, offset, amount):
    """An offset a thousand times the contrast, and images that are nearly the target."""
    y = (Y + offset).astype("f4")
    x = (y + np.float32(amount) * RNG.standard_normal(SHAPE)).astype("f4")
    want, slopes = make(y.astype("f8")).value_and_grad(x.astype("f8"))
    value, gradient = make(row.array(y, "float32")).value_and_grad(row.array(x, "float32"))
    assert row.owns(value, "float32")
    assert row.owns(gradient, "float32")
    assert float(value) == pytest.approx(float(want), rel=1e-5)
    scale = np.linalg.norm(slopes)
    assert np.linalg.norm(row.numpy(gradient) - slopes) <= 2e-5 * scale


def test_an_image_is_its_own_likeness_exactly(row):
    for loss in (nl.SSIM(row.array(Y)), nl.MultiScaleSSIM(row.array(Y), size=5, weights=(1, 2))):
        value, gradient = loss.value_and_grad(row.array(Y))
        assert float(value) == 0
        assert np.abs(row.numpy(gradient)).max() == 0


@pytest.mark.parametrize("flat", [0.0, 1e-3, 0.7])
def test_flat_images_have_a_similarity(row, flat):
    y, x = np.full((12, 12), flat), np.full((12, 12), 0.5)
    c1 = 1e-4
    want = (2 * flat * 0.5 + c1) / (flat**2 + 0.25 + c1)
    assert float(nl.ssim(row.array(x), row.array(y), 1.0)) == pytest.approx(want, rel=1e-12)


# --- parts, and uses ----------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 7])
def test_window_means_and_halving_have_their_adjoints(row, ndim, size):
    shape = (2, 9, 8, 11)
    x, w = RNG.standard_normal(shape), window_weights("gaussian", size, 1.2)
    m = row.numpy(window_means(row.array(x), w, ndim))
    y = RNG.standard_normal(m.shape)
    back = row.numpy(spread_means(row.xp, row.array(y), w, ndim))
    assert back.shape == shape
    assert np.vdot(y, m) == pytest.approx(np.vdot(back, x), rel=1e-12)
    h = row.numpy(halve(row.array(x), ndim))
    y = RNG.standard_normal(h.shape)
    back = row.numpy(double(row.xp, row.array(y), shape, ndim))
    assert back.shape == shape
    assert np.vdot(y, h) == pytest.approx(np.vdot(back, x), rel=1e-12)


def test_magnitudes_of_complex_images(row):
    z = X * np.exp(1j * RNG.standard_normal(SHAPE))
    loss = nl.SSIM(row.array(Y)) @ nl.Magnitude()
    value, gradient = loss.value_and_grad(row.array(z, "complex128"))
    assert row.owns(gradient, "complex128")
    t = RNG.standard_normal(SHAPE) + 1j * RNG.standard_normal(SHAPE)
    want = slope(lambda z: 1 - plain_ssim(np.abs(z), Y), z, t, h=1e-5)
    assert np.real(np.vdot(row.numpy(gradient), t)) == pytest.approx(want, rel=1e-6)
    assert float(value) == pytest.approx(1 - plain_ssim(np.abs(z), Y), rel=1e-12)


@pytest.mark.parametrize("make", [nl.SSIM, lambda y: nl.MultiScaleSSIM(y, size=5, weights=(1, 2))])
def test_descent_finds_the_target(make):
    loss, z = make(Y), X
    start = float(loss(z))
    for _ in range(200):
        _, g = loss.value_and_grad(z)
        z = z - 20 * g
    assert float(loss(z)) < 0.2 * start


def test_settings_are_kept_as_plain_numbers():
    loss = nl.SSIM(Y, np.float64(2), size=np.int64(5), sigma=np.float32(1.5), ndim=np.int64(2))
    assert (loss.data_range, loss.size, loss.sigma, loss.ndim) == (2, 5, 1.5, 2)
    kinds = [type(v) for v in (loss.data_range, loss.size, loss.sigma, loss.ndim)]
    assert kinds == [float, int, float, int]
    assert (nl.SSIM(Y).size, nl.SSIM(Y, window="uniform").size, nl.SSIM(Y).ndim) == (11, 7, 2)


# --- wrong arguments ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nl.SSIM(Y)(X + 0j), TypeError, r"SSIM\(z\): z is complex128; .*nl.Magnitude"),
        (lambda: nl.SSIM(Y + 0j), TypeError, r"SSIM\(target\): target is complex128"),
        (lambda: nl.SSIM(Y).outline(X + 0j), TypeError, "z is complex128; want real"),
        (lambda: nl.SSIM(Y)(X[1:]), ValueError, "want the target's"),
        (lambda: nl.SSIM(Y)(X.astype("f4")), TypeError, "one precision"),
        (lambda: nl.SSIM(Y[:10]), ValueError, "images of 10 x 26; want 11 or more along each"),
        (lambda: nl.SSIM(BATCH["y"]), ValueError, r"3 x 23 x 26.*ndim=\.\.\. tells"),
        (lambda: nl.SSIM(Y, size=4), ValueError, "size is 4; want an odd number"),
        (lambda: nl.SSIM(Y, size=1), ValueError, "size is 1; want an odd number"),
        (lambda: nl.SSIM(Y, ndim=3), ValueError, "ndim is 3; want 1 to 2"),
        (lambda: nl.SSIM(Y, ndim=0), ValueError, "ndim is 0; want"),
        (lambda: nl.SSIM(Y, 0.0), ValueError, "data_range is 0.0; want a positive"),
        (lambda: nl.SSIM(0 * Y), ValueError, r"SSIM\(data_range\): target has a constant image"),
        (lambda: nl.SSIM(Y, window="hann"), ValueError, "window is 'hann'; want one of 'gauss"),
        (lambda: nl.SSIM(Y, k2=0.0), ValueError, "k2 is 0.0; want a positive"),
        (lambda: nl.SSIM(Y, mask=Y), TypeError, "mask has the dtype float64; want bool"),
        (lambda: nl.SSIM(Y, mask=MASK[1:]), ValueError, r"\(22, 26\); want one that broadcasts"),
        (lambda: nl.SSIM(Y, mask=Y < -99), ValueError, "False everywhere in some image"),
        (
            lambda: nl.SSIM(Y, mask=np.arange(26) < 5),
            ValueError,
            "False in some image at the centres of all windows of 11",
        ),
        (lambda: nl.MultiScaleSSIM(Y, weights=()), ValueError, "want one positive number for each"),
        (lambda: nl.MultiScaleSSIM(Y, weights=(1, 0)), ValueError, "want one positive number"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
