"""Calibrating the PSF of stacks: three axes, with voxels of any shape."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import workflows

STACK = np.random.default_rng(5).random((16, 32, 32)).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(6)


@pytest.mark.parametrize(("kind", "most"), [("motion", 0.03), ("gaussian", 0.003)])
@pytest.mark.parametrize("path", ["quadratic", "general"])
def test_the_psf_of_a_stack_is_found(kind, most, path):
    psf, blurred = workflows.simulate_blur(
        STACK, psf=kind, size=(5, 7, 7), ndim=3, noise=0.005, seed=0
    )
    assert psf.shape == (5, 7, 7)
    assert blurred.shape == (12, 26, 26)
    found = workflows.calibrate_psf(
        STACK, blurred, size=(5, 7, 7), ndim=3, path=path, truth=psf, steps=100
    )
    assert found.path == path
    assert found.errors[found.step_best] == pytest.approx(
        workflows.psf_error(found.psf, psf), rel=1e-4
    )
    assert workflows.psf_error(found.psf, psf) < most
    assert found.psf.min() >= 0
    assert found.loss_final == pytest.approx(0.5 * 0.005**2, rel=0.1)


@pytest.mark.parametrize("boundary", ["valid", "circular", "replicate", "reflect", "zero"])
def test_even_and_odd_sizes_at_every_boundary(boundary, rng):
    x, h = rng.random((2, 9, 11, 10)), rng.random((4, 3, 2))
    h /= h.sum()
    y = nl.Blur(h, boundary, ndim=3)(x)
    job = {"size": (4, 3, 2), "ndim": 3, "boundary": boundary}
    found = workflows.calibrate_psf(x, y, **job)
    assert workflows.psf_error(found.psf, h) < 1e-5
    known = workflows.identifiability(x, 0.1, **job)
    assert known.components.shape == (24, 4, 3, 2)
    # The norm of a component's blurred stacks is the noise over its deviation.
    blurred = nl.Blur(known.components[5], boundary, ndim=3)(x)
    assert np.linalg.norm(blurred) == pytest.approx(0.1 / known.deviations[5])


@pytest.mark.parametrize("method", workflows.METHODS)
def test_a_plane_is_a_picture(method):
    psf, blurred = workflows.simulate_blur(STACK[0], size=(5, 4), noise=0.01)
    flat = workflows.calibrate_psf(STACK[0], blurred, method=method, size=(5, 4), steps=5)
    deep = workflows.calibrate_psf(
        STACK[:1], blurred[None], method=method, size=(1, 5, 4), ndim=3, steps=5
    )
    np.testing.assert_allclose(deep.psf[0], flat.psf, atol=1e-6)
    np.testing.assert_allclose(deep.losses, flat.losses, rtol=1e-5)
    assert workflows.shift_aligned_error(deep.psf, psf[None]) == pytest.approx(
        workflows.shift_aligned_error(flat.psf, psf), rel=1e-5
    )


def test_blurred_stacks_of_the_sharp_ones_size_and_several_pairs(rng):
    h = nl.blur.gaussian_psf((4, 3, 5), (1.0, 0.7, 1.1), dtype=np.float64)
    stacks = [rng.random(n) for n in [(8, 12, 11), (2, 9, 10, 13)]]
    whole = [nl.Blur(h, "zero", ndim=3)(x) for x in stacks]
    valid = [nl.Blur(h, ndim=3)(x) for x in stacks]
    found = [
        workflows.calibrate_psf(stacks, data, size=(4, 3, 5), ndim=3) for data in (whole, valid)
    ]
    assert workflows.psf_error(found[0].psf, h) < 1e-5
    np.testing.assert_allclose(found[0].psf, found[1].psf, atol=1e-7)


def test_the_error_at_the_best_shift(rng):
    h = np.zeros((5, 6, 7))
    h[1:4, 2:4, 3:6] = rng.random((3, 2, 3))
    for shift in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 2, -3)]:
        moved = np.roll(h, shift, axis=(0, 1, 2))
        assert workflows.shift_aligned_error(moved, h) == 0
        assert workflows.psf_error(moved, h) > 0.5
    assert workflows.shift_aligned_error(h[1:4, 2:4, 3:6], h) == 0


def test_a_single_size_is_that_of_all_axes():
    psf, blurred = workflows.simulate_blur(STACK, size=3, ndim=3)
    assert psf.shape == (3, 3, 3)
    assert workflows.calibrate_psf(STACK, blurred, size=3, ndim=3, steps=1).psf.shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: workflows.calibrate_psf(STACK[0], STACK[0], size=3, ndim=3),
            r"sharp has the shape \(32, 32\); want \(..., depth, height, width\)",
        ),
        (
            lambda: workflows.calibrate_psf(STACK, STACK, size=(3, 3, 3)),
            r"size is \(3, 3, 3\); want a number of pixels, or \(height, width\)",
        ),
        (
            lambda: workflows.calibrate_psf(STACK, STACK, size=(3, 3), ndim=3),
            r"size is \(3, 3\); want a number of voxels, or \(depth, height, width\)",
        ),
        (
            lambda: workflows.calibrate_psf(STACK, STACK, size=(17, 3, 3), ndim=3),
            "want at least 17 x 3 x 3 pixels, the size of the PSF",
        ),
        (
            lambda: workflows.calibrate_psf(STACK, STACK[:, :-1], size=(5, 3, 3), ndim=3),
            r"blurred has the shape \(16, 31, 32\); want \(12, 30, 30\), which a PSF of 5 x 3 x 3",
        ),
        (
            lambda: workflows.calibrate_psf(
                STACK, STACK, size=3, ndim=3, truth=np.eye(3, dtype="f4")
            ),
            r"truth has the shape \(3, 3\); want that of `size`, \(3, 3, 3\)",
        ),
        (lambda: workflows.calibrate_psf(STACK, STACK, size=3, ndim=4), "ndim is 4; want 2 to 3"),
        (lambda: workflows.identifiability(STACK, 0.1, size=3, ndim=1), "ndim is 1; want 2 to 3"),
        (
            lambda: workflows.simulate_blur(STACK, psf="defocus", size=3, ndim=3),
            "psf is 'defocus'; want one of 'motion', 'gaussian'",
        ),
        (
            lambda: nl.blur.random_psf((3, 3, 3), kind={"diffraction": 1.0}, seed=0),
            "kind is 'diffraction'; want one of 'motion', 'gaussian'",
        ),
        (
            lambda: workflows.shift_aligned_error(STACK, STACK[0]),
            r"the shapes are \(16, 32, 32\) and \(32, 32\); want both",
        ),
        (
            lambda: workflows.measure_psf(np.ones((3, 3, 3))),
            r"\(3, 3, 3\); want \(height, width\), of a stack's PSF its sum along an axis",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- random PSFs of three axes


def test_random_psfs_of_stacks():
    for kind in ("motion", "gaussian"):
        h = nl.blur.random_psf((5, 8, 7), kind=kind, seed=1, batch=20, dtype=np.float64)
        assert h.shape == (20, 5, 8, 7)
        np.testing.assert_allclose(h.sum(axis=(1, 2, 3)), 1)
        np.testing.assert_array_equal(
            h[0], nl.blur.random_psf((5, 8, 7), kind=kind, seed=1, dtype=np.float64)
        )
        for axis, n in enumerate(h.shape[1:]):
            places = np.indices(h.shape[1:])[axis]
            mean = np.sum(places * h, axis=(1, 2, 3), keepdims=True)
            spread = np.sqrt(np.sum((places - mean) ** 2 * h, axis=(1, 2, 3)))
            # Standard deviations of up to a sixth of the size, and a voxel's own is 0.29.
            assert 0.05 * n < spread.mean() < spread.max() < n / 4
            assert spread.std() > 0.02 * n


def test_the_path_of_a_drift_is_centred_and_without_holes():
    from scipy import ndimage

    h = nl.blur.motion_psf((9, 11, 12), seed=4, std=0.15, dtype=np.float64)
    assert ndimage.label(h > 0, np.ones((3, 3, 3)))[1] == 1
    # Its middle is the centre: the path is centred, and linear weights keep centres of mass.
    middle = [float(np.sum(np.indices(h.shape)[a] * h)) for a in range(3)]
    np.testing.assert_allclose(middle, [n // 2 for n in h.shape], atol=0.05)


# --- deblurring


@pytest.mark.parametrize("boundary", ["valid", "circular", "reflect"])
def test_a_stack_is_deblurred(boundary, rng):
    sharp = np.zeros((12, 16, 14))
    for z, y, x in rng.integers(1, 10, (12, 3)):
        sharp[z : z + 3, y : y + 4, x : x + 3] = rng.uniform(0.2, 1.0)
    h = nl.blur.gaussian_psf((3, 5, 4), (0.7, 1.0, 0.8), dtype=np.float64)
    blurred = nl.blur.gaussian_noise(nl.Blur(h, boundary, ndim=3)(sharp), 0.005, seed=0)
    inner = sharp[1:-1, 2:-2, 1:-2] if boundary == "valid" else sharp
    assert blurred.shape == inner.shape
    before = nl.nrmse(blurred, inner)
    limits = {"wiener": 0.8, "richardson-lucy": 0.8, "tv": 0.45}
    for method, part in limits.items() if boundary == "valid" else [("wiener", 0.92)]:
        found = workflows.deblur(blurred, h, ndim=3, method=method, boundary=boundary)
        assert nl.nrmse(found.picture, inner) < part * before, method
        assert found.noise == pytest.approx(0.005, rel=0.3)
        residual = blurred - nl.Blur(h, boundary, ndim=3)(found.with_margins)
        np.testing.assert_allclose(found.residual, residual, atol=1e-12)


@pytest.mark.parametrize("boundary", ["valid", "circular"])
def test_wieners_stack_solves_its_linear_system(boundary, rng):
    h, y = rng.random((3, 2, 4)), rng.random((2, 6, 7, 8))
    h /= h.sum()
    found = workflows.deblur(
        y, h, ndim=3, method="wiener", noise=0.1, weight=0.03, boundary=boundary, steps=400
    )
    A, x = nl.Blur(h, boundary, ndim=3), found.with_margins
    if boundary == "circular":
        penalty = sum(2 * x - np.roll(x, 1, a) - np.roll(x, -1, a) for a in (-3, -2, -1))
    else:
        D = nl.FiniteDifferences(x.shape[-3:])
        penalty = D.H(D(x))
    b = A.H(y)
    assert np.linalg.norm(A.N(x) + 0.03 * penalty - b) < 2e-5 * np.linalg.norm(b)


@pytest.mark.parametrize("method", workflows.DEBLURRING)
def test_equal_planes_are_deblurred_as_a_picture(method):
    psf, blurred = workflows.simulate_blur(STACK[0], size=(5, 4), noise=0.01)
    job = {"method": method, "noise": 0.01, "weight": 0.01}
    flat = workflows.deblur(blurred, psf, **job)
    deep = workflows.deblur(np.stack([blurred] * 3), psf[None], ndim=3, **job)
    # The steps of total variation depend on the number of axes, and where those of Richardson
    # and Lucy end depends on the spectrum.
    atol = 1e-3 if method == "wiener" else 0.02
    for plane in deep.picture:
        np.testing.assert_allclose(plane, flat.picture, atol=atol)
    chosen = [
        workflows.deblur(y, h, ndim=h.ndim, method=method, steps=1)
        for y, h in ((blurred, psf), (blurred[None], psf[None]))
    ]
    assert chosen[0].weight == pytest.approx(chosen[1].weight, rel=1e-3)
    assert chosen[0].noise == pytest.approx(chosen[1].noise, rel=1e-5)


def test_power_and_weight_are_those_of_all_axes(monkeypatch, rng):
    from nufftlib.blur.deblur import model, spectrum

    h = rng.random((2, 3, 4))
    want = np.abs(np.fft.fftn(h, (5, 6, 7), axes=(0, 1, 2))) ** 2
    np.testing.assert_allclose(model.mean_power(h[None], np.ones((1, 1)), (5, 6, 7)), want)
    d = np.zeros((5, 6, 7))
    d[0, 0, 0], d[-1, 0, 0] = -1, 1
    along = np.abs(np.fft.fftn(d)[:, :1, :1]) ** 2
    np.testing.assert_allclose(model.laplacian_power((5, 6, 7))[:, :1, :1], along, atol=1e-12)
    y = STACK + nl.Blur(h / h.sum(), "circular", ndim=3)(STACK.astype(float))
    made = model.Model(nl.Blur(h / h.sum(), "circular", ndim=3), y)
    whole = spectrum.wiener_weight(made, 0.1)
    monkeypatch.setattr(spectrum, "MANY", 2000)  # of 16 384 frequencies
    some = spectrum.wiener_weight(made, 0.1)
    assert some.weight == pytest.approx(whole.weight, rel=0.2)
    assert some.residual == pytest.approx(whole.residual, rel=0.1)
    assert some != whole


@pytest.mark.parametrize(
    ("psf", "ndim", "message"),
    [
        (np.ones((3, 3, 3)), 2, r"\(3, 3, 3\); want \(height, width\), or of a grid"),
        (np.ones((3, 3)), 3, r"\(3, 3\); want \(depth, height, width\), not empty"),
        (np.ones((2, 2, 3, 3)), 3, r"\(2, 2, 3, 3\); want \(depth, height, width\), not empty"),
        (nl.SpaceVaryingBlur(np.ones((1, 3, 3)), np.ones((1, 32, 32)), "reflect"), 3, "have the"),
    ],
)
def test_other_psfs_than_of_the_axes_are_refused(psf, ndim, message):
    with pytest.raises(ValueError, match=message):
        workflows.deblur(STACK.astype(float), psf, ndim=ndim)
    with pytest.raises(ValueError, match=r"\(32, 32\); want \(..., depth, height, width\), not"):
        workflows.deblur(STACK[0], STACK[:3, :3, :3], ndim=3)


def test_every_row(row, rng):
    x, h = rng.random((5, 7, 6)), nl.blur.gaussian_psf((2, 3, 2), 0.6, dtype=np.float64)
    y = nl.Blur(h, ndim=3)(x)
    images = {"sharp": row.array(x), "blurred": row.array(y)}
    found = workflows.calibrate_psf(**images, size=(2, 3, 2), ndim=3, steps=2, path="general")
    want = workflows.calibrate_psf(x, y, size=(2, 3, 2), ndim=3, steps=2, path="general")
    assert row.owns(found.psf, "float64")
    np.testing.assert_allclose(row.numpy(found.psf), want.psf, atol=1e-9)
    shifted = workflows.shift_aligned_error(found.psf, row.array(h))
    assert shifted == pytest.approx(workflows.shift_aligned_error(want.psf, h), rel=1e-6)
    job = {"ndim": 3, "method": "wiener", "steps": 2}
    sharper = workflows.deblur(row.array(y), row.array(h), **job)
    assert row.owns(sharper.picture, "float64")
    picture = workflows.deblur(y, h, **job).picture
    np.testing.assert_allclose(row.numpy(sharper.picture), picture, atol=1e-6)
