"""Tours: permutations, shorter than before at every exchange, and near the shortest."""

from itertools import permutations

import numpy as np
import pytest

from nufftlib.mri.trajectories.tour import Tour, along_hilbert, tour

RNG = np.random.default_rng(2)


def length(points, order):
    path = np.asarray(points)[order]
    return np.linalg.norm(path - np.roll(path, -1, axis=0), axis=-1).sum()


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_hilbert_curve_goes_from_cell_to_neighbouring_cell(ndim):
    n = (np.arange(8) - 3.5) / 8
    cells = np.stack(np.meshgrid(*[n] * ndim, indexing="ij"), axis=-1).reshape(-1, ndim)
    path = cells[along_hilbert(cells)]
    np.testing.assert_allclose(np.abs(np.diff(path, axis=0)).sum(axis=1), 1 / 8)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 9, 20, 60])
def test_every_exchange_is_what_it_says(count, monkeypatch):
    """The tour stays one, and gets shorter by each exchange of either kind, and only by these."""
    kinds = set()

    def watched(method):
        def call(self, a):
            before = length(self.points, self.order)
            ends = method(self, a)
            assert [self.place[i] for i in self.order] == list(range(count))
            after = length(self.points, self.order)
            assert after < before - 1e-13 if ends else after == before
            kinds.add((method.__name__, bool(ends)))
            return ends

        return call

    for name in ("exchanged", "moved"):
        monkeypatch.setattr(Tour, name, watched(getattr(Tour, name)))
    for ndim in (2, 3) * 5:
        assert sorted(tour(RNG.uniform(-0.5, 0.5, (count, ndim)))) == list(range(count))
    if count > 6:
        assert kinds == {(name, done) for name in ("exchanged", "moved") for done in (True, False)}


def test_of_few_points_it_is_nearly_the_shortest():
    for _ in range(5):
        points = RNG.uniform(-0.5, 0.5, (7, 2))
        best = min(length(points, [0, *rest]) for rest in permutations(range(1, 7)))
        assert length(points, tour(points)) < 1.1 * best


@pytest.mark.parametrize(("ndim", "constant"), [(2, 0.7124), (3, 0.6979)])
def test_of_many_points_it_is_near_the_shortest(ndim, constant):
    """Whose length is known for random points; the edge of the square adds some."""
    count = 3000
    points = RNG.uniform(-0.5, 0.5, (count, ndim))
    shortest = constant * count ** (1 - 1 / ndim)
    found = length(points, tour(points))
    assert shortest < found < 1.13 * shortest
    assert found < 0.85 * length(points, along_hilbert(points))


def test_points_at_one_place_do_no_harm():
    points = np.zeros((30, 2))
    points[:10] = RNG.uniform(-0.5, 0.5, (10, 2))
    assert sorted(tour(points)) == list(range(30))
