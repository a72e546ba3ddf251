"""Density weights by geometry, by count and by formula: their definitions, and their one scale."""

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.special import j1

import nufftlib as nl
from nufftlib import mri
from nufftlib.mri.density.voronoi import shared_volumes

T = mri.trajectories
RNG = np.random.default_rng(0)


def diametral(spokes, n):
    """Spokes through the centre, with ``2 n`` samples each."""
    angle = np.pi * np.arange(spokes) / spokes
    along = (np.arange(2 * n) - n) / (2 * n)
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def cartesian(n, d):
    at = (np.arange(n) - n // 2) / n
    return np.stack(np.meshgrid(*[at] * d, indexing="ij"), axis=-1).reshape(-1, d)


@pytest.mark.parametrize(("n", "d"), [(9, 2), (8, 2), (5, 3)])
def test_cells_of_a_grid_are_equal(n, d):
    k = cartesian(n, d)
    for moved in (k, k + 0.5, k + RNG.uniform(-3, 3, d)):
        np.testing.assert_allclose(shared_volumes(moved), n**-d, rtol=1e-9)


@pytest.mark.parametrize(("points", "d", "fine"), [(40, 2, 500), (150, 3, 70)])
def test_cells_are_what_is_nearest_in_the_period(points, d, fine):
    k = RNG.uniform(-0.5, 0.5, (points, d))
    at = (np.arange(fine) + 0.5) / fine
    grid = np.stack(np.meshgrid(*[at] * d, indexing="ij"), axis=-1).reshape(-1, d)
    nearest = KDTree(k % 1.0, boxsize=1.0).query(grid)[1]
    want = np.bincount(nearest, minlength=points) / fine**d
    got = shared_volumes(k)
    assert got.sum() == pytest.approx(1, rel=1e-9)
    np.testing.assert_allclose(got, want, atol=0.04 * want.mean())


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_samples_at_one_place_share_its_cell(precision):
    once = RNG.uniform(-0.4, 0.4, (30, 2)).astype(precision)
    volumes = shared_volumes(once)
    k = np.concatenate([once, once[:5], once[:5] + 1, once[:1] + np.finfo(precision).eps / 2])
    shared = shared_volumes(k)
    np.testing.assert_allclose(shared[0], volumes[0] / 4, rtol=1e-4)
    np.testing.assert_allclose(shared[[1, 31, 36]], volumes[1] / 3, rtol=1e-4)
    np.testing.assert_allclose(shared[10], volumes[10], rtol=1e-4)


def test_points_on_both_ends_of_the_period_are_one():
    at = np.linspace(-0.5, 0.5, 9)
    k = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    v = 64 * shared_volumes(k).reshape(9, 9)
    np.testing.assert_allclose([v[0, 0], v[0, 3], v[4, 8], v[4, 4]], [0.25, 0.5, 0.5, 1])


def test_cells_of_spokes_are_pieces_of_rings():
    """Half a step further out than the last samples; the centre is shared."""
    k, step = 0.8 * T.radial(40, 21, dtype=np.float64), 0.02
    v = shared_volumes(k.reshape(-1, 2)).reshape(40, 21)
    radius = np.linalg.norm(k[0], axis=-1)
    ring = np.pi * ((radius + step / 2) ** 2 - np.maximum(radius - step / 2, 0) ** 2) / 40
    np.testing.assert_allclose(v, np.broadcast_to(ring, v.shape), rtol=0.07)
    # The outer polygon has corners: it is a little less than the circle.
    assert v.sum() == pytest.approx(np.pi * 0.41**2, rel=0.005)


def test_cells_of_spokes_in_a_volume():
    k, step = 0.8 * T.golden_means_radial(120, 9, dtype=np.float64), 0.05
    v = shared_volumes(k.reshape(-1, 3)).reshape(120, 9)
    radius = np.linalg.norm(k[0], axis=-1)
    assert radius[1] == pytest.approx(step)
    shell = ((radius + step / 2) ** 3 - np.maximum(radius - step / 2, 0) ** 3) * 4 * np.pi / 3
    np.testing.assert_allclose(v.sum(axis=0)[2:-1], shell[2:-1], rtol=0.1)
    assert v.sum() == pytest.approx(4 / 3 * np.pi * (0.4 + step / 2) ** 3, rel=0.1)


def test_shells_are_pieces_of_rings_of_spokes_and_spirals():
    F = nl.NUFFT(diametral(21, 8), (16, 16), engine="direct")
    w, r = mri.shell_weights(F), abs(np.arange(16) - 8.0)
    ring = np.where(r > 0, 2 * r, 0.5)  # (r + 1/2)^2 - (r - 1/2)^2, and at the centre twice 1/4
    np.testing.assert_allclose(w / w[0, 0] * ring[0], np.broadcast_to(ring, w.shape), rtol=1e-9)
    F = nl.NUFFT(0.8 * T.golden_means_radial(30, 9, dtype=np.float64), (6, 6, 6), engine="direct")
    w, r = mri.shell_weights(F)[0], np.arange(9.0)
    shell = (r + 0.5) ** 3 - np.maximum(r - 0.5, 0) ** 3
    np.testing.assert_allclose(w / w[3], shell / shell[3], rtol=1e-9)
    # Of a spiral the determinant of time and turn.
    t = np.linspace(0, 1, 400)
    angle = 2 * np.pi * (2 * t**1.5 + np.arange(6)[:, None] / 6)
    k = 0.5 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    w = mri.shell_weights(nl.NUFFT(k, (16, 16)))
    slope = np.sum(k * np.gradient(k, axis=1), axis=-1)
    np.testing.assert_allclose(
        (w / w[0, 200])[:, 5:-5], (slope / slope[0, 200])[:, 5:-5], rtol=2e-2
    )


def test_cells_are_counted():
    k = RNG.uniform(-1.2, 1.2, (200, 2))
    F = nl.NUFFT(k, (7, 8), engine="direct")
    cell = np.round(k * [7, 8]).astype(int) % [7, 8]
    count = np.sum(np.all(cell[:, None] == cell, axis=-1), axis=-1)
    w = mri.cell_count_weights(F)
    np.testing.assert_allclose(w * count, w[0] * count[0], rtol=1e-9)
    equal = mri.pipe_menon(F, iterations=0)
    np.testing.assert_allclose(mri.cell_count_weights(F, grid=(1, 1)), equal, rtol=1e-9)


WEIGHTS = {
    "voronoi": mri.voronoi_weights,
    "cells": mri.cell_count_weights,
    "shells": mri.shell_weights,
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_weights_have_the_scale_of_pipe_menon(kind, norm):
    F = nl.NUFFT(diametral(26, 16).astype("float32"), (16, 16), norm=norm, eps=1e-5)
    w, other = WEIGHTS[kind](F), mri.pipe_menon(F)
    assert w.dtype == np.float32
    assert w.shape == other.shape
    assert w.min() > 0
    assert w.sum() == pytest.approx(other.sum(), rel=0.12)
    # The area of the disc, divided by the square of the transform's factor.
    assert w.sum() / (256 if norm else 1) == pytest.approx(np.pi / 4, rel=0.15)


def ellipse(k, n):
    """The transform of an ellipse."""
    r = np.maximum(np.hypot(0.4 * n * k[..., 0], 0.3 * n * k[..., 1]), 1e-12)
    return 0.12 * n**2 * j1(2 * np.pi * r) / r + 0j


def test_the_image_of_a_phantom():
    """The error of the adjoint of its own transform: the page has more of them."""
    n = 32
    k = diametral(51, n)
    F = nl.NUFFT(k, (n, n), eps=1e-9)
    at = (np.arange(8 * n) - 4 * n + 0.5) / (8 * n)
    square = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    disc = np.linalg.norm(square, axis=-1) <= 0.5
    truth = nl.NUFFT(square, (n, n), eps=1e-9).H(disc * ellipse(square, n) / (8 * n) ** 2)
    errors = {
        kind: nl.nrmse(F.H(w(F) * ellipse(k, n)), truth)
        for kind, w in (WEIGHTS | {"pipe_menon": mri.pipe_menon}).items()
    }
    assert errors["voronoi"] == pytest.approx(errors["shells"], rel=0.05)
    assert errors["pipe_menon"] < errors["voronoi"] < 0.06 < errors["cells"] < 0.2
    published = mri.pipe_menon(F, width=7, grid=F.shape, iterations=10)
    assert nl.nrmse(F.H(published * ellipse(k, n)), truth) > 5 * errors["voronoi"]


LINE = nl.NUFFT(RNG.uniform(-0.5, 0.5, (9, 1)), (8,), engine="direct")
FLAT = nl.NUFFT(np.stack([np.linspace(-0.4, 0.4, 9)] * 2, axis=-1), (8, 8), engine="direct")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mri.voronoi_weights(LINE), r"\(9, 1\); want 2 or 3 axes"),
        (lambda: mri.voronoi_weights(FLAT), "the 9 distinct points do not span all 2 axes"),
        (lambda: mri.shell_weights(FLAT), r"\(9, 2\); want \(shots, samples, 2\)"),
        (
            lambda: mri.shell_weights(nl.NUFFT(np.zeros((2, 3, 2)), (8, 8), engine="direct")),
            "all samples are at one radius",
        ),
        (lambda: mri.cell_count_weights(FLAT, grid=(8,)), "the cells along each axis of at least"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
