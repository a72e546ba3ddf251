"""The point-spread function of trajectories, against the sum and where it is known."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.mri import spread as module
from nufftlib.mri.spread import point_spread


def grid(n, d=2):
    """Return evenly spaced points of all the band."""
    each = (np.arange(n) + 0.5) / n - 0.5
    return np.stack(np.meshgrid(*[each] * d, indexing="ij"), -1).reshape(-1, d)


def even(k, shape):
    return point_spread(k, shape, weights=np.ones(k.shape[:-1]))


@pytest.mark.parametrize("shape", [(9,), (8, 7), (5, 4, 6)])
def test_it_is_the_sum_of_waves(shape):
    rng, d = np.random.default_rng(0), len(shape)
    k, w = rng.uniform(-0.5, 0.5, (3, 10, d)), rng.random((3, 10))
    found = point_spread(k, shape, weights=w)
    assert found.values.shape == tuple(2 * n for n in shape)
    each = [(np.arange(2 * n) - n) / 2 for n in shape]
    r = np.stack(np.meshgrid(*each, indexing="ij"), -1)
    waves = np.exp(2j * np.pi * np.einsum("...a,sja->...sj", r, k))
    want = abs(np.sum(waves * w, axis=(-2, -1))) / w.sum()
    np.testing.assert_allclose(found.values, want, atol=1e-5)
    for axis, (x, values) in enumerate(found.sections):
        assert (x[0], np.diff(x).max(), len(x)) == (-shape[axis] / 2, 1 / 16, 16 * shape[axis])
        waves = np.exp(2j * np.pi * x[:, None, None] * k[..., axis])
        want = abs(np.sum(waves * w, axis=(-2, -1))) / w.sum()
        np.testing.assert_allclose(values, want, atol=1e-5)


def test_the_square_and_the_disc_have_their_widths_and_sidelobes():
    square = even(grid(128), (64, 64))
    np.testing.assert_allclose(square.widths, 1.2067, rtol=1e-3)
    assert square.sidelobe == pytest.approx(0.2172, rel=0.02)
    points = grid(256)
    disc = even(points[np.linalg.norm(points, axis=-1) < 0.5], (64, 64))
    np.testing.assert_allclose(disc.widths, 1.4097, rtol=2e-3)
    assert disc.sidelobe == pytest.approx(0.1323, rel=0.02)
    cube = even(grid(24, 3), (12, 12, 12))
    np.testing.assert_allclose(cube.widths, 1.2067, rtol=2e-3)
    half = even(grid(128) * [0.5, 1], (64, 64))
    np.testing.assert_allclose(half.widths, [2 * 1.2067, 1.2067], rtol=1e-3)


def test_aliases_are_sidelobes():
    k = grid(64)
    lines = k[np.isin(np.arange(len(k)) // 64, np.arange(0, 64, 4))]  # each fourth row
    found = even(lines, (64, 64))
    assert found.sidelobe == pytest.approx(1, rel=1e-3)
    peaks = np.flatnonzero(found.values[:, 64] > 0.99)
    np.testing.assert_array_equal((peaks - 64) / 2, [-32, -16, 0, 16])


def test_few_samples_in_the_middle_are_wide_and_have_no_sidelobe():
    found = even(1e-3 * grid(8), (16, 16))
    assert found.widths == (np.inf, np.inf)
    assert found.sidelobe == 0


def test_the_weights_are_those_of_pipe_and_menon_by_default():
    k = nl.mri.trajectories.radial(50, 40, dtype=np.float64)
    w = nl.mri.pipe_menon(nl.NUFFT(k, (32, 32)))
    found, want = point_spread(k, (32, 32)), point_spread(k, (32, 32), weights=w)
    np.testing.assert_array_equal(found.values, want.values)
    assert found.widths == want.widths
    assert max(found.widths) < min(even(k, (32, 32)).widths)


def test_of_a_large_image_the_middle_is_computed(monkeypatch):
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 2))
    whole = even(k, (20, 16))
    monkeypatch.setattr(module, "MOST", 24**2)
    middle = even(k, (20, 8))
    assert middle.values.shape == (24, 16)
    np.testing.assert_allclose(middle.values, whole.values[8:32, 8:24], atol=1e-5)
    assert middle.sections[0].shape == (2, 24 * 8)


def test_the_largest_pictures_are_those_of_the_docstring():
    k = np.zeros((1, 2))
    assert even(k, (800, 4)).values.shape == (1448, 8)
    assert even(np.zeros((1, 3)), (80, 4, 4)).values.shape == (128, 8, 8)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.zeros(4), "the sum of the weights is 0; want a positive, finite one"),
        (-np.ones(4), "the sum of the weights is -4; want a positive"),
        (np.ones(3), r"weights has the shape \(3,\) and dtype float64; want those of k"),
        (np.ones(4, np.float32), "and dtype float32; want those of k"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, said):
    with pytest.raises(ValueError, match=said):
        point_spread(np.zeros((4, 2)), (8, 8), weights=weights)
