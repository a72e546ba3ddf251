"""The table of patterns of trajectories: each with its settings, and what makes it what it is.

``tests/mri/trajectories`` checks each by its entry, ``public.py`` and ``test_signatures.py`` take
their calls from here. A public pattern without an entry fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nufftlib.mri import trajectories

SHOTS, SAMPLES = 12, 65


@dataclass(frozen=True)
class Pattern:
    """An entry.

    Parameters
    ----------
    make : callable
        The public function.
    ndim : int
        Number of axes.
    check : callable
        Given a function with which to make the pattern in double precision, by shots, samples and
        settings, it asserts the property that no other pattern has: angles, radii, areas.
    settings : mapping
        A good value for each argument that not all patterns have; numbers that are no defaults.
    starts : "centre", "edge" or None
        Where each first sample is, with the defaults: at 0, at the radius 1/2, or elsewhere.
    symmetric : bool
        Whether `in_out` gives shots that are point reflections of themselves.
    """

    make: Callable[..., Any]
    ndim: int
    check: Callable[[Callable[..., Any]], None]
    settings: Mapping[str, Any] = field(default_factory=dict)
    starts: str | None = "centre"
    symmetric: bool = True

    @property
    def name(self):
        return self.make.__name__

    def double(self, shots=SHOTS, samples=SAMPLES, **settings):
        """Make it in double precision."""
        return self.make(shots, samples, dtype=np.float64, **settings)


def angle(k):
    """Return the angle of points of the plane, in whole turns from 0 to 1."""
    return np.arctan2(k[..., 1], k[..., 0]) / (2 * np.pi) % 1


def spokes(make):
    k = make(5, 9)
    turns = np.unwrap(angle(k[:, 1:]), axis=0, period=1)
    np.testing.assert_allclose(np.diff(turns, axis=0), 0.2)
    np.testing.assert_allclose(np.linalg.norm(k, axis=-1), np.tile(np.arange(9) / 16, (5, 1)))
    through = make(5, 9, in_out=True)
    turns = np.unwrap(angle(through[:, 5:]), axis=0, period=1)
    np.testing.assert_allclose(np.diff(turns, axis=0), 0.1)


def powers_of_the_angle(make):
    k = make(3, 200, revolutions=7.0, power=0.5)
    radius, turns = np.linalg.norm(k, axis=-1), np.unwrap(angle(k[:, 1:]), axis=1, period=1)
    np.testing.assert_allclose(np.diff(turns, axis=1), 7.0 / 199)
    # The area within a turn of Fermat's spiral grows evenly.
    np.testing.assert_allclose(np.diff(radius**2, axis=1), 0.25 / 199)


def total_variation(k, density):
    """Return how far the points in blocks of cells, two a side, are from a density: 0 to 1.

    The number of cells along each axis is even, and points lie at their centres or anywhere.
    """
    cells, ndim = np.asarray(density.shape), density.ndim
    index = (np.floor(k.reshape(-1, ndim) * cells + 0.5).astype(int) + cells // 2) % cells
    blocks = tuple(cells // 2)
    found = np.zeros(blocks)
    np.add.at(found, tuple((index // 2).T), 1)
    wanted = density.reshape(sum(((n, 2) for n in blocks), ())).sum(
        axis=tuple(range(1, 2 * ndim, 2))
    )
    return np.abs(found / found.sum() - wanted / wanted.sum()).sum() / 2


def steps_to_neighbours(make):
    """And visits follow the density; as often as the others' rule, ``rho / (1 + v)``, misses it."""
    density = DENSITY[make(1, 2).shape[-1]]
    k = make(16, 1000, density=density) * np.asarray(density.shape)
    step = np.abs(np.diff(k, axis=1))
    np.testing.assert_allclose(step, step.round(), atol=1e-12)
    assert step.max(axis=-1).min() > 0.5 < step.max() < 1.5
    assert total_variation(k / np.asarray(density.shape), density) < 0.08
    holes = density.copy()
    holes[: len(holes) // 2] = 0
    assert make(16, 100, density=holes)[..., 0].min() >= 0


def one_distance_along_a_tour(make):
    """Samples are evenly spaced, and their density is that asked for; not that of the cities."""
    density = DENSITY[make(1, 2).shape[-1]]
    k = make(20, 2000, density=density, cities=4000)
    step = np.linalg.norm(np.diff(k.reshape(-1, k.shape[-1]), axis=0), axis=-1)
    assert step.max() < np.median(step) * (1 + 1e-9)
    assert np.mean(step > 0.999 * step.max()) > 0.8
    ndim = density.ndim
    assert total_variation(k, density) < 0.07 < total_variation(k, density ** (ndim / (ndim - 1)))


def on_a_grid(*shape):
    k2 = sum(x**2 for x in np.meshgrid(*(np.arange(n) / n - 0.5 for n in shape), indexing="ij"))
    return np.minimum(1, 0.02 / np.maximum(k2, 0.02))


DENSITY = {2: on_a_grid(16, 14), 3: on_a_grid(8, 10, 6)}
WALK = {"seed": 3}
TOUR = {"seed": 3, "cities": 17}

PATTERNS = [
    Pattern(trajectories.radial, 2, spokes),
    *(
        Pattern(make, ndim, check, {"density": DENSITY[ndim], **settings}, starts=None)
        for make, ndim, check, settings in (
            (trajectories.random_walk, 2, steps_to_neighbours, WALK),
            (trajectories.random_walk_3d, 3, steps_to_neighbours, WALK),
            (trajectories.travelling_salesman, 2, one_distance_along_a_tour, TOUR),
            (trajectories.travelling_salesman_3d, 3, one_distance_along_a_tour, TOUR),
        )
    ),
    Pattern(trajectories.spiral, 2, powers_of_the_angle, {"revolutions": 3.5, "power": 0.5}),
]
