"""The MTF of slanted edges against those of known PSFs."""

import numpy as np
import pytest
from scipy.special import j1, ndtr

from nufftlib import workflows

NODES, WEIGHTS = (a / 2 for a in np.polynomial.legendre.leggauss(6))


def gaussian(u, r):
    return ndtr(u / r)


def disk(u, r):
    t = np.clip(u / r, -1, 1)
    return 0.5 + (t * np.sqrt(1 - t**2) + np.arcsin(t)) / np.pi


def true_mtf(kind, r, f, angle):
    """That of PSF and pixel, across the edge."""
    x = np.maximum(2 * np.pi * r * f, 1e-9)
    optics = np.exp(-2 * (np.pi * r * f) ** 2) if kind is gaussian else np.abs(2 * j1(x) / x)
    return optics * np.abs(np.sinc(f * np.cos(angle)) * np.sinc(f * np.sin(angle)))


def edge(kind, r, degrees, noise=0.0, shape=(256, 100), bend=0.0, seed=0):
    """An edge of 0.1 to 0.9, integrated over the pixels by quadrature."""
    angle, (rows, columns) = np.radians(degrees), np.mgrid[: shape[0], : shape[1]].astype(float)
    rows, columns, total = rows - shape[0] / 2, columns - shape[1] / 2 - 0.3, 0.0
    for a, u in zip(NODES, WEIGHTS, strict=True):
        for b, v in zip(NODES, WEIGHTS, strict=True):
            across = (columns + b) * np.cos(angle) - (rows + a) * np.sin(angle)
            total = total + u * v * kind(across - bend * (rows / shape[0]) ** 2, r)
    noisy = noise * np.random.default_rng(seed).standard_normal(shape)
    return 0.1 + 0.8 * total + noisy


PSFS = [(gaussian, 0.5), (gaussian, 0.8), (gaussian, 1.5), (disk, 1.5), (disk, 3.0)]


@pytest.mark.parametrize("degrees", [2.5, 5.0, -5.0, 12.0, 20.0])
@pytest.mark.parametrize(("kind", "r"), PSFS)
def test_without_noise_it_is_exact(kind, r, degrees):
    found = workflows.slanted_edge_mtf(edge(kind, r, degrees, shape=(200, 100)))
    error = found.mtf - true_mtf(kind, r, found.frequencies, np.radians(degrees))
    assert np.abs(error).max() < 1e-3  # up to twice Nyquist's frequency
    assert np.degrees(found.angle) == pytest.approx(degrees, abs=2e-3)


@pytest.mark.parametrize("degrees", [3.0, 5.0, 9.0])
@pytest.mark.parametrize(("kind", "r"), PSFS)
def test_with_noise_it_is_within_a_hundredth_up_to_nyquist(kind, r, degrees):
    found = workflows.slanted_edge_mtf(edge(kind, r, degrees, 0.005, (400, 100)))
    low = found.frequencies <= 0.5
    error = found.mtf - true_mtf(kind, r, found.frequencies, np.radians(degrees))
    assert np.abs(error[low]).max() < 0.01
    assert found.noise == pytest.approx(0.005, rel=0.05)


def test_the_deviations_are_those_of_many_noises():
    runs = [workflows.slanted_edge_mtf(edge(gaussian, 0.7, 5, 0.01, seed=s)) for s in range(40)]
    mtf, said = np.stack([r.mtf for r in runs]), np.stack([r.deviations for r in runs])
    lit = (runs[0].mtf > 0.1) & (runs[0].frequencies > 0.05)
    ratio = mtf.std(axis=0)[lit] / said.mean(axis=0)[lit]
    assert 0.8 < np.sqrt(np.mean(ratio**2)) < 1.2
    ratio = np.std([r.mtf50 for r in runs]) / np.mean([r.mtf50_deviation for r in runs])
    assert 0.7 < ratio < 1.35


def test_mtf50():
    found = workflows.slanted_edge_mtf(edge(gaussian, 0.8, 5))
    f = np.linspace(0, 0.5, 100_001)
    there = f[np.argmin(np.abs(true_mtf(gaussian, 0.8, f, np.radians(5)) - 0.5))]
    assert found.mtf50 == pytest.approx(there, abs=1e-3)


def test_turned_mirrored_and_scaled_edges_have_one_mtf():
    y = edge(disk, 1.5, 6)
    mtf = workflows.slanted_edge_mtf(y).mtf
    for other in (y.T, y[:, ::-1], y[::-1], 3 - 2 * y, y.T[::-1]):
        assert workflows.slanted_edge_mtf(other).mtf == pytest.approx(mtf, abs=1e-3)


def test_a_bent_edge_wants_a_higher_degree():
    y = edge(gaussian, 0.6, 5, bend=6.0)
    straight, bent = (workflows.slanted_edge_mtf(y, degree=d) for d in (1, 2))
    truth = true_mtf(gaussian, 0.6, bent.frequencies, np.radians(5))
    low = bent.frequencies <= 0.5
    assert np.abs(bent.mtf - truth)[low].max() < 0.01
    assert np.abs(straight.mtf - truth)[low].max() > 0.05


NOISE = 0.5 + 0.01 * np.random.default_rng(0).standard_normal((64, 64))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.full((64, 64), 0.5), "no single edge"),
        (NOISE, "no single edge"),
        (edge(gaussian, 0.8, 0, shape=(64, 64)), "empty"),
        (edge(gaussian, 0.8, np.degrees(np.arctan(1 / 2)), shape=(64, 100)), "empty"),
        (edge(gaussian, 0.8, 5, shape=(8, 64)), "at least 16"),
        (edge(disk, 14.0, 5, shape=(64, 64)), "the picture ends"),
        (np.zeros((2, 64, 64)), "want \\(height, width\\)"),
        (np.full((64, 64), np.nan), "not finite"),
    ],
)
def test_what_it_refuses(picture, words):
    with pytest.raises(ValueError, match=words):
        workflows.slanted_edge_mtf(picture)
