"""Points drawn from a density: how many where, how far apart, how even."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import chi2

from nufftlib.mri import sampling
from nufftlib.mri.sampling.grid import cells
from nufftlib.mri.sampling.samples import Quantiser

DENSITIES = {
    "decay": sampling.decay_density((32, 30), 0.1, 2.0, dtype=np.float64),
    "wavelet": sampling.wavelet_density((32, 32), moments=1, dtype=np.float64),
    "uniform": sampling.polynomial_density((8, 9), 0.0, dtype=np.float64),
    "volume": sampling.decay_density((12, 13, 14), 0.1, 2.0, dtype=np.float64),
}
DRAW = {
    "random": sampling.random_samples,
    "poisson": sampling.poisson_disc_samples,
    "lloyd": lambda density, count, seed: sampling.lloyd_samples(
        density, count, seed=seed, steps=5, cloud=16
    ),
}
each_density = pytest.mark.parametrize("name", DENSITIES)


def counted(k, shape):
    """Return the number of points in each cell, by the distance to its centre."""
    centres = [(np.arange(n) - n // 2) / n for n in shape]
    away = [np.abs((x[:, None] - c + 0.5) % 1 - 0.5) for x, c in zip(k.T, centres, strict=True)]
    count = np.zeros(shape)
    np.add.at(count, tuple(a.argmin(axis=1) for a in away), 1)
    return count


@each_density
@pytest.mark.parametrize("draw", DRAW)
def test_what_all_have(draw, name, row):
    density = DENSITIES[name]
    k = DRAW[draw](row.array(density), 40, seed=1)
    assert row.owns(k, "float64")
    k = row.numpy(k)
    assert k.shape == (40, density.ndim)
    assert -0.5 <= k.min() < k.max() < 0.5
    np.testing.assert_array_equal(k, DRAW[draw](density, 40, seed=1))
    np.testing.assert_array_equal(k, DRAW[draw](density / 8, 40, seed=1))  # scales do not matter
    assert not np.array_equal(k, DRAW[draw](density, 40, seed=2))


@pytest.mark.parametrize("draw", DRAW)
def test_none_are_drawn_where_the_density_is_zero(draw):
    density = DENSITIES["decay"].copy()
    density[:16] = 0  # all of k_0 below -1/64
    k = DRAW[draw](density, 300, seed=0)
    assert k[:, 0].min() >= -1 / 64
    one = np.zeros((4, 4))
    one[0, 1] = 3.0  # at (-1/2, -1/4), on both sides of the band's edge
    k = sampling.random_samples(one, 500, seed=0)
    assert (np.abs(np.abs(k[:, 0]) - 0.5) <= 0.125).all()
    assert (k[:, 0] > 0).any()
    assert (k[:, 0] < 0).any()
    assert (np.abs(k[:, 1] + 0.25) <= 0.125).all()


@each_density
def test_random_samples_have_the_density(name):
    """By Pearson's statistic, which is chi-squared if they do."""
    density, count = DENSITIES[name], 200_000
    k = sampling.random_samples(density, count, seed=3)
    found, wanted = counted(k, density.shape), count * density
    statistic = np.sum((found - wanted) ** 2 / wanted)
    freedom = density.size - 1
    assert 1e-4 < chi2.cdf(statistic, freedom) < 1 - 1e-4
    # Within cells they are uniform: as many in each quarter.
    inside = (k * density.shape + 0.5) % 1
    quarters = np.histogram(inside, 4, (0, 1))[0] / inside.size
    np.testing.assert_allclose(quarters, 0.25, atol=0.005)


# Of random points the least is below 0.02.
@pytest.mark.parametrize(
    ("name", "least"), [("decay", 0.55), ("wavelet", 0.45), ("uniform", 0.74), ("volume", 0.55)]
)
def test_poisson_discs_keep_their_distance(name, least):
    density, count = DENSITIES[name], 1500
    k = sampling.poisson_disc_samples(density, count, seed=0)
    radius = (count * cells("", density).at(k)) ** (-1 / density.ndim)
    distance, other = cKDTree(k).query(k, k=2)
    smaller = np.minimum(radius, radius[other[:, 1]])
    assert (distance[:, 1] / smaller).min() > least
    random = sampling.random_samples(density, count, seed=0)
    assert cKDTree(random).query(random, k=2)[0][:, 1].min() < 0.2 * distance[:, 1].min()


@each_density
def test_poisson_discs_have_the_density(name):
    """To 5 % of the points: discs reach beyond the edge of k-space, and some crowd there."""
    density, count = DENSITIES[name], 1500

    def within(k):
        return np.stack([np.abs(k).max(axis=-1) < edge for edge in (0.1, 0.2, 0.3, 0.4)]).mean(1)

    want = within(sampling.random_samples(density, 400_000, seed=9))
    found = within(sampling.poisson_disc_samples(density, count, seed=0))
    assert np.abs(found - want).max() < 0.05


@each_density
def test_lloyds_energy_falls_and_cells_become_alike(name):
    density, count = cells("", DENSITIES[name]), 300
    quantiser = Quantiser(density, count, 64, np.random.default_rng(0))
    first = quantiser.points
    quantiser.run(40)
    energies = quantiser.energies
    assert (np.diff(energies) <= 0).all()
    assert energies[-1] < 0.75 * energies[0]
    fresh = density.draw(count * 300, np.random.default_rng(1))

    def spread(points):
        """Return the standard deviation of the cells' masses, relative to their mean."""
        owner = cKDTree(points).query(fresh)[1]
        return np.std(np.bincount(owner, minlength=count)) * count / len(fresh)

    assert spread(quantiser.points) < 0.3 < 0.4 < spread(first)


def test_lloyds_exponent_is_that_of_the_density():
    """Without it the points have the density ``rho^(d/(d+2))``: too few near the centre."""
    density = sampling.decay_density((64, 64), 0.1, 2.0, dtype=np.float64)
    inside = np.hypot(*np.meshgrid(*[np.arange(64) / 64 - 0.5] * 2)) < 0.15
    k = sampling.lloyd_samples(density, 600, seed=0, steps=60)
    found = np.mean(np.hypot(*k.T) < 0.15)
    without = density**0.5 / np.sum(density**0.5)
    assert without[inside].sum() < 0.3 < 0.4 < density[inside].sum()
    assert found == pytest.approx(density[inside].sum(), rel=0.05)


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    ("density", "message"),
    [
        (np.ones(8), r"density has the shape \(8,\); want cells on 2 or 3 axes"),
        (np.ones((4, 0)), r"density has the shape \(4, 0\); want cells"),
        (-np.ones((4, 4)), r"negative or not finite, or has no sum; want 0 or more"),
        (np.zeros((4, 4)), r"negative or not finite, or has no sum; want 0 or more"),
        (np.full((4, 4), np.inf), r"negative or not finite, or has no sum; want 0 or more"),
    ],
)
def test_errors_of_densities(draw, density, message):
    with pytest.raises(ValueError, match=rf"_samples\(density\): .*{message}"):
        DRAW[draw](density, 5, seed=0)


def test_huge_and_tiny_densities_are_densities():
    density = DENSITIES["decay"]
    want = sampling.random_samples(density, 5, seed=0)
    for scale in (2.0**1000, 2.0**-1000):
        np.testing.assert_allclose(sampling.random_samples(scale * density, 5, seed=0), want)
