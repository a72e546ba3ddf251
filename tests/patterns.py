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


def discrepancy(k):
    """Return by how much a cap's share of the last samples is off its share of the sphere."""
    e = k[:, -1] / np.linalg.norm(k[:, -1], axis=-1, keepdims=True)
    rng = np.random.default_rng(0)
    centre, height = rng.standard_normal((500, 3)), rng.uniform(-1, 1, 500)
    inside = e @ centre.T / np.linalg.norm(centre, axis=-1) > height
    return np.abs(inside.mean(axis=0) - (1 - height) / 2).max()


def golden_means(make):
    through = make(50, 3, in_out=True)
    z, turns = 2 * through[:, -1, 2], angle(through[:, -1])
    steps = np.stack([np.diff(z) % 1, np.diff(turns) % 1], axis=-1)
    np.testing.assert_allclose(steps[1:], np.tile(steps[1], (48, 1)))
    # Chan's eigenvector of three numbers where each is the sum of the two that are before the last.
    m1, m2 = steps[1]
    np.testing.assert_allclose([m1, m2], [0.4656, 0.6823], atol=5e-5)
    np.testing.assert_allclose([m2 / m1, 1 / m2, (1 + m1)], np.full(3, 1 / m2))
    # Spokes at random are off by 0.11.
    assert discrepancy(make(144, 3)) < 0.045
    assert discrepancy(np.concatenate([through, -through])) < 0.06


def sunflower(make):
    through = make(55, 3, in_out=True)
    polar, turns = np.arccos(2 * through[:, -1, 2]), angle(through[1:, -1])
    np.testing.assert_allclose(np.diff(polar**2), np.pi**2 / 4 / 55)
    np.testing.assert_allclose(np.diff(turns) % 1, (3 - 5**0.5) / 2)
    # From the centre: two halves, from the poles.
    z = 2 * make(55, 3)[:, -1, 2]
    np.testing.assert_allclose(z[1:], -z[:0:-1])
    np.testing.assert_allclose(np.diff(np.arccos(z[:28]) ** 2), np.pi**2 / 2 / 55)
    # An interleaf of a Fibonacci number is a smooth curve, and one of another number is not.
    for interleaves, least, most in [(21, 0.8, 1), (20, -1, 0)]:
        first = make(420, 3, interleaves=interleaves, in_out=True)[5 : 420 // interleaves, -1]
        assert least < np.sum(first[1:] * first[:-1], axis=-1).mean() * 4 <= most


def winding_curves(make, interleaves):
    """Check the curves of Wong and Roos, the spokes in the order of their heights."""
    k = make(300, 2, interleaves=interleaves)[:, -1].reshape(interleaves, -1, 3)
    turns = np.unwrap(angle(k), axis=1, period=1)
    per_curve = 300 // interleaves
    np.testing.assert_allclose(np.diff(2 * k[..., 2]), 2 / per_curve)
    np.testing.assert_allclose(k[..., 2], -k[:, ::-1, 2], atol=1e-15)
    np.testing.assert_allclose(np.diff(angle(k), axis=0) % 1, 1 / interleaves)
    # At the equator, a step on the curve is as long as to the next turn.
    step = 0.5 * 2 * np.pi * np.diff(turns[0])[per_curve // 2]
    to_the_next = np.diff(0.5 * np.arcsin(2 * k[0, :, 2]))[per_curve // 2] / (
        np.diff(turns[0])[per_curve // 2] * interleaves
    )
    np.testing.assert_allclose(step, to_the_next, rtol=0.01)


def wong(make):
    winding_curves(make, 1)
    winding_curves(make, 3)
    upper = make(150, 3, in_out=True)[:, -1]
    np.testing.assert_allclose(upper, make(300, 3)[150:, -1])


def park(make):
    winding_curves(make, 1)
    whole, parts = make(300, 3), make(300, 3, interleaves=6).reshape(6, 50, 3, 3)
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(part, whole[i::6])


def koosh(make):
    k = make(200, 3)[:, -1]
    turns = angle(k)
    np.testing.assert_allclose(np.diff(2 * k[:, 2]), -2 / 199)
    ring = 2 * np.linalg.norm(k[:, :2], axis=-1)
    step = 2 * np.pi * (np.diff(turns[:-1]) % 1) * ring[1:-1]
    np.testing.assert_allclose(step[1:], 3.6 / 200**0.5)
    assert discrepancy(make(200, 3)) < 0.03
    np.testing.assert_allclose(make(100, 3, in_out=True)[:, -1], k[:100])


PATTERNS = [
    Pattern(trajectories.radial, 2, spokes),
    Pattern(trajectories.spiral, 2, powers_of_the_angle, {"revolutions": 3.5, "power": 0.5}),
    Pattern(trajectories.golden_means_radial, 3, golden_means),
    Pattern(trajectories.phyllotaxis_radial, 3, sunflower, {"interleaves": 2}),
    Pattern(trajectories.wong_radial, 3, wong, {"interleaves": 2}),
    Pattern(trajectories.park_radial, 3, park, {"interleaves": 2}),
    Pattern(trajectories.koosh_ball, 3, koosh),
]
