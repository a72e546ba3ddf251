"""PSFs that vary over the field: the quadratic function, what it finds, and what it refuses."""

from functools import cache

import numpy as np
import pytest

import nufftlib as nl
from nufftlib import blur, data, workflows
from nufftlib.blur.calibrate.field.calibrate import roughness
from nufftlib.blur.calibrate.field.equations import field_equations
from nufftlib.blur.psf_grid import hats

SHARP = data.astronaut()[:, 64:192, 64:192].astype(np.float64)
GRID, SIZE, NOISE = (2, 3), 7, 0.005


def gaussians():
    """PSFs that are wider and turn from node to node."""
    place = np.mgrid[:2, :3].reshape(2, -1).T
    made = [
        blur.gaussian_psf(SIZE, (0.8 + 0.3 * r, 0.8 + 0.3 * c), 0.4 * c, dtype=np.float64)
        for r, c in place
    ]
    return np.stack(made)


@cache
def pair(boundary="valid"):
    shape = tuple(n - SIZE + 1 for n in SHARP.shape[1:]) if boundary == "valid" else SHARP.shape[1:]
    weights = blur.grid_weights(GRID, shape, dtype=np.float64)
    A = nl.SpaceVaryingBlur(gaussians(), weights, boundary)
    return A, blur.gaussian_noise(A(SHARP), NOISE, seed=1)


@cache
def calibrated():
    return workflows.calibrate_field(SHARP, pair()[1], grid=GRID, size=SIZE, steps=100)


# --- the weights ----------------------------------------------------------------------------


def test_the_weights_sum_to_one_and_a_node_has_its_own_psf():
    w = blur.grid_weights((3, 4), (11, 13), dtype=np.float64)
    assert w.shape == (12, 11, 13)
    np.testing.assert_allclose(w.sum(axis=0), 1, rtol=1e-14)
    assert w.min() == 0
    at_nodes = w[:, ::5, ::4].reshape(12, 12)
    np.testing.assert_allclose(at_nodes, np.eye(12), atol=1e-14)
    np.testing.assert_array_equal(blur.grid_weights(1, (3, 2)), np.ones((1, 3, 2)))
    assert blur.grid_weights(2, 5).dtype == np.float32


# --- the quadratic function -----------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["valid", "circular", "replicate", "reflect", "zero"])
def test_the_matrices_are_those_of_the_squared_error(boundary):
    """Against the operator, with PSFs of even and odd size and a batch of pictures."""
    rng = np.random.default_rng(0)
    x, size = rng.standard_normal((2, 20, 23)), (4, 3)
    shape = (17, 21) if boundary == "valid" else (20, 23)
    rows, columns = hats(3, shape[0]), hats(2, shape[1])
    weights = blur.grid_weights((3, 2), shape, dtype=np.float64)
    A = nl.SpaceVaryingBlur(rng.standard_normal((6, *size)), weights, boundary)
    y = rng.standard_normal((2, *shape))
    f = field_equations(A, (rows, columns), x, y)
    r = A(x) - y
    value, gradient = f.value_and_grad(A.psf.reshape(3, 2, *size))
    assert value == pytest.approx(0.5 * np.sum(r * r), rel=1e-12)
    want = A.as_map("psf", x).H(r).reshape(3, 2, *size)
    np.testing.assert_allclose(gradient, want, rtol=0, atol=1e-11)

    # One PSF at all nodes is a plain blur.
    h = rng.standard_normal(size)
    B = nl.Blur(h, boundary)
    value, gradient = f.single().value_and_grad(h)
    assert value == pytest.approx(0.5 * np.sum((B(x) - y) ** 2), rel=1e-12)
    np.testing.assert_allclose(gradient, B.vjp("psf", x, B(x) - y), rtol=0, atol=1e-10)


def test_the_penalty_counts_each_pair_of_neighbours_once():
    h = np.random.default_rng(0).standard_normal((2, 3, 2, 2))
    near = [(a, b) for a in np.ndindex(2, 3) for b in np.ndindex(2, 3) if b > a]
    near = [(a, b) for a, b in near if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1]
    assert len(near) == 7
    value, slope = roughness(h)
    assert value == pytest.approx(0.5 * sum(np.sum((h[a] - h[b]) ** 2) for a, b in near))
    step = 1e-6 * np.random.default_rng(1).standard_normal(h.shape)
    change = roughness(h + step)[0] - roughness(h - step)[0]
    assert change == pytest.approx(2 * np.sum(slope * step), rel=1e-8)


# --- what it finds --------------------------------------------------------------------------


def test_it_finds_the_psf_of_every_node():
    found, truth = calibrated(), gaussians().reshape(*GRID, SIZE, SIZE)
    errors = [workflows.psf_error(found.psfs[n], truth[n]) for n in np.ndindex(*GRID)]
    alone = [workflows.psf_error(found.single, truth[n]) for n in np.ndindex(*GRID)]
    assert max(errors) < 0.1
    assert np.mean(errors) < 0.05 < 0.2 < np.mean(alone)
    assert found.psfs.min() >= 0
    np.testing.assert_allclose(found.psfs.sum(axis=(-2, -1)), 1, rtol=1e-12)
    assert found.residual.std() == pytest.approx(NOISE, rel=0.05)
    assert found.noise == pytest.approx(NOISE, rel=0.1)
    assert found.losses[0] > 1.5 * found.loss_final
    A, y = pair()
    np.testing.assert_allclose(found.residual, y - found.operator(SHARP), atol=1e-12)
    np.testing.assert_allclose(found.operator.weights, A.weights, atol=1e-14)
    np.testing.assert_array_equal(found.operator.psf, found.psfs.reshape(-1, SIZE, SIZE))


def test_the_loss_is_that_of_the_residual_and_the_penalty():
    found = calibrated()
    want = 0.5 * np.mean(found.residual**2) + found.weight * roughness(found.psfs)[0]
    assert found.loss_final == pytest.approx(want, rel=1e-9)
    one = np.sum(found.single**2)
    scale = found.noise**2 * SIZE**2 / (found.residual.size * one)
    assert found.weight == pytest.approx(scale, rel=1e-9)


def test_the_grid_spans_the_blurred_picture_as_it_is_given():
    """Of the sharp one's size, its valid part is used, with the weights of the whole one."""
    _, y = pair("reflect")
    found = workflows.calibrate_field(SHARP, y, grid=GRID, size=SIZE, steps=60)
    inner = (slice(None), slice(3, -3), slice(3, -3))
    want = blur.grid_weights(GRID, SHARP.shape[1:], dtype=np.float64)[inner]
    np.testing.assert_allclose(found.operator.weights, want, atol=1e-14)
    truth = gaussians().reshape(found.psfs.shape)
    assert workflows.psf_error(found.psfs, truth) < 0.08


def test_one_node_is_the_calibration_of_one_psf():
    psf, y = workflows.simulate_blur(SHARP, size=SIZE, noise=NOISE, seed=0)
    found = workflows.calibrate_field(SHARP, y, grid=1, size=SIZE, steps=0)
    want = workflows.calibrate_psf(SHARP, y, size=SIZE)
    np.testing.assert_allclose(found.psfs[0, 0], want.psf, atol=1e-5)
    assert workflows.psf_error(found.psfs[0, 0], psf) < 0.03


def test_a_node_over_a_flat_part_is_like_its_neighbours():
    sharp = SHARP.copy()
    sharp[:, :, 57:] = 0.5  # the last column of nodes sees nothing
    y = blur.gaussian_noise(pair()[0](sharp), NOISE, seed=1)

    def apart(smoothness):
        settings = {"grid": GRID, "size": SIZE, "smoothness": smoothness, "steps": 100}
        psfs = workflows.calibrate_field(sharp, y, **settings).psfs
        return [workflows.psf_error(psfs[:, c + 1], psfs[:, c]) for c in (0, 1)]

    free, smooth, one = (apart(s) for s in (0.0, 1.0, 1e7))
    assert smooth[1] < 0.5 * free[1]
    assert smooth[0] > 0.9 * free[0]
    assert max(one) < 1e-3


def test_deblurring_takes_the_field():
    """With the PSFs found, it is as good as with the true ones, and better than with one."""
    A, y = pair()

    def decibels(psf):
        picture = workflows.deblur(y[:1], psf, method="wiener", noise=NOISE, steps=60).picture
        return float(nl.psnr(picture, SHARP[:1, 3:-3, 3:-3], 1.0))

    found, one, best = (decibels(h) for h in (calibrated().psfs, calibrated().single, A))
    assert best - 0.1 < found
    assert one < found - 0.3


# --- the course, and what it refuses --------------------------------------------------------


def test_single_precision_stays_and_a_callback_stops():
    x, y = SHARP.astype(np.float32), pair()[1].astype(np.float32)
    seen = []

    def callback(step, loss, psfs):
        seen.append((step, loss, psfs.shape, psfs.dtype))
        return step == 2

    found = workflows.calibrate_field(x, y, grid=GRID, size=SIZE, callback=callback)
    assert {a.dtype.name for a in (found.psfs, found.single, found.residual)} == {"float32"}
    assert [s[0] for s in seen] == [0, 1, 2]
    assert seen[0][2:] == ((*GRID, SIZE, SIZE), np.float32)
    assert found.steps == 2
    assert not found.interrupted


def test_ctrl_c_returns_the_steps_so_far():
    def interrupt(step, *_):
        if step == 1:
            raise KeyboardInterrupt

    found = workflows.calibrate_field(SHARP, pair()[1], grid=GRID, size=SIZE, callback=interrupt)
    assert found.interrupted
    assert found.psfs.shape == (*GRID, SIZE, SIZE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"grid": (2, 200)}, r"grid is \(2, 200\); want at most the blurred picture's pixels"),
        ({"grid": 20, "size": 35}, r"20 x 20 PSFs of 35 x 35 pixels need matrices of 17.0 GiB"),
        ({"grid": 0}, r"calibrate_field\(grid\): grid is 0; want a number of nodes, or"),
        ({"smoothness": -1.0}, r"calibrate_field\(smoothness\): smoothness is -1.0; want"),
        ({"blurred": SHARP[:, 1:]}, r"calibrate_field\(sharp, blurred\): blurred has the shape"),
        ({"sharp": SHARP * np.nan}, "finite"),
    ],
)
def test_what_it_refuses(changed, message):
    given = {"sharp": SHARP, "blurred": SHARP, "grid": GRID, "size": SIZE} | changed
    with pytest.raises(ValueError, match=message):
        workflows.calibrate_field(**given)
