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


def unit(k):
    """Return the directions of points."""
    return k / np.linalg.norm(k, axis=-1, keepdims=True)


def shells_by_area(make, **settings):
    """Check radii and shots of 3 shells; their areas are as 1, 9 and 25."""
    radius = np.linalg.norm(make(35, 8, shells=3, **settings), axis=-1)
    np.testing.assert_allclose(radius, np.repeat([1, 3, 5], [1, 9, 25])[:, None] / 12 * np.ones(8))


def helices(make):
    shells_by_area(make)
    k = make(3, 300, shells=1, tilt="none")
    turns = np.unwrap(angle(k), axis=1, period=1)
    np.testing.assert_allclose(np.diff(k[..., 2]), 0.25 * 2 / 300)
    np.testing.assert_allclose(np.diff(angle(k), axis=0) % 1, 1 / 3)
    to_the_next_turn = np.diff(np.arcsin(4 * k[0, :, 2]))[149] / np.diff(turns[0])[149] / 3
    np.testing.assert_allclose(2 * np.pi * np.diff(turns[0])[149], to_the_next_turn, rtol=1e-3)
    fewer = np.unwrap(angle(make(3, 300, shells=1, reduction=4.0)[0]), period=1)
    np.testing.assert_allclose(np.ptp(fewer), np.ptp(turns[0]) / 2)
    # Shells are turned against each other.
    one, two = make(2, 9, shells=2), make(2, 9, shells=2, tilt="none")
    turned = (angle(one) - angle(two))[:, 3]
    np.testing.assert_allclose(turned % 1, [0, (3 - 5**0.5) / 2], atol=1e-12)


def rope_on_spheres(make):
    shells_by_area(make)
    rings, samples = 7, 400
    k = make(rings, samples, shells=1, turn=3 * np.pi / rings, tilt="none")
    # One closed curve: no step is longer than a step on the longest ring.
    path = k.reshape(-1, 3)
    steps = np.linalg.norm(path - np.roll(path, 1, axis=0), axis=-1)
    assert steps.max() <= 0.25 * 2 * np.pi / samples * 1.0001
    # One half of the sphere has rings about axis 2, the other about an axis that is turned.
    latitudes = np.pi * (2 * np.arange(rings) + 1 - rings) / (2 * rings)
    turned = 3 * np.pi / rings
    heights = k[..., 2] * np.cos(turned) - k[..., 0] * np.sin(turned)
    for half, height in [(k[..., 1] < -1e-9, k[..., 2]), (k[..., 1] > 1e-9, heights)]:
        found = np.unique(np.arcsin(4 * height[half]).round(9), return_counts=True)
        np.testing.assert_allclose(found[0], latitudes, atol=1e-9)
        assert np.ptp(found[1]) <= 1


def quarter_period(modulus):
    """Return K by the arithmetic-geometric mean."""
    a, b = 1.0, (1 - modulus**2) ** 0.5
    for _ in range(9):
        a, b = (a + b) / 2, (a * b) ** 0.5
    return np.pi / (2 * a)


def seiffert_curves(k, modulus, length):
    """Check that directions move at constant speed, and about axis 2 in proportion to that."""
    e = unit(k)
    steps = 2 * np.arcsin(np.linalg.norm(np.diff(e, axis=1), axis=-1) / 2)
    step = length / (e.shape[1] - 1)
    np.testing.assert_allclose(steps, step, rtol=1e-4)
    half_turns = 2 * np.unwrap(angle(e[:, 5:-5]), axis=1, period=0.5)
    np.testing.assert_allclose(np.diff(half_turns), modulus * step / np.pi, atol=1e-9)


def seiffert_on_shells(make):
    shells_by_area(make)
    k = make(4, 2001, shells=1, modulus=0.8, revolutions=3.0, tilt="none")
    seiffert_curves(k, 0.8, 3.0 * 4 * quarter_period(0.8) * 2000 / 2001)
    np.testing.assert_allclose(np.diff(angle(k[:, 99])) % 1, 0.25)
    assert np.sum((k[0, 1:-1, 2] > k[0, 2:, 2]) & (k[0, 1:-1, 2] >= k[0, :-2, 2])) == 2


def seiffert_in_all_directions(make):
    k = make(30, 998, modulus=0.8, revolutions=2.0, power=1 / 3)
    volume = 8 * np.linalg.norm(k, axis=-1) ** 3
    np.testing.assert_allclose(volume, np.tile(np.arange(998) / 997, (30, 1)))
    last = unit(k[:, -1])
    np.testing.assert_allclose(np.diff(last[:, 2]), 2 / 30)
    np.testing.assert_allclose(last[0, 2], -29 / 30)
    np.testing.assert_allclose(np.diff(angle(last)) % 1, (3 - 5**0.5) / 2)
    # Turned back the shortest way, by half turns to the axis between and about axis 2.
    between = unit(last + np.eye(3)[2])[:, None]
    back = 2 * np.sum(k * between, axis=-1, keepdims=True) * between - k
    back = back * [-1, -1, 1]
    np.testing.assert_allclose(np.diff(angle(back[:, 700])) % 1, (3 - 5**0.5) / 2)
    seiffert_curves(back[:, 1:], 0.8, 2.0 * 4 * quarter_period(0.8) * 996 / 997)
    half = unit(make(30, 9, in_out=True)[:, -1])
    np.testing.assert_allclose(half[:, 2], (np.arange(30) + 0.5) / 30)


def cone(shot):
    """Return the axis and the half angle of a cone on which points lie."""
    axis, *_ = np.linalg.lstsq(unit(shot), np.ones(len(shot)))
    np.testing.assert_allclose(unit(shot) @ axis, 1)
    return unit(axis), np.arccos(1 / np.linalg.norm(axis))


def cones_of_packed_caps(make):
    for in_out in (False, True):
        k = make(40, 301, in_out=in_out, revolutions=3.0, power=0.5)[:, 151 * in_out :]
        axes, half_angles = map(np.asarray, zip(*[cone(shot[1:]) for shot in k], strict=True))
        # Caps of all cones cover 0.9069 of the sphere.
        caps = (1 + in_out) * np.sum(2 * np.pi * (1 - np.cos(half_angles)))
        np.testing.assert_allclose(caps, 4 * np.pi * np.pi / 12**0.5)
        np.testing.assert_allclose(np.diff(axes[:, 2]), (2 - in_out) / 40)
        np.testing.assert_allclose(np.diff(angle(axes)) % 1, (3 - 5**0.5) / 2)
        np.testing.assert_allclose(np.diff(np.sum(k**2, axis=-1)), 0.25 / (300 - 150 * in_out))
        # Turns about the axis, by steps on the circle where the cone cuts the unit sphere.
        chords = np.linalg.norm(np.diff(unit(k[:, 1:]), axis=1), axis=-1)
        turns = np.arcsin(chords / 2 / np.sin(half_angles)[:, None]) / np.pi
        np.testing.assert_allclose(turns, 3.0 / (300 - 150 * in_out))


def fans_of_cones(make):
    k = make(15, 101, axes=(1, 2, 0), max_angle=0.6, revolutions=2.0)
    np.testing.assert_allclose(np.diff(np.sum(k**2, axis=-1)), 0.25 / 100)
    for fan, axis in zip(k.reshape(3, 5, 101, 3), (1, 2, 0), strict=True):
        elevation = np.arcsin(unit(fan[:, 1:])[..., axis])
        np.testing.assert_allclose(elevation, np.tile([[0.4], [0.2], [0], [-0.2], [-0.4]], 100))
        plane = np.delete(fan, axis, axis=-1)
        turns = np.unwrap(angle(plane[:, 1:]), axis=1, period=1)
        np.testing.assert_allclose(np.abs(np.diff(turns, axis=1)), 0.02)
        sense = np.sign(turns[0, 1] - turns[0, 0])
        first = sense * (angle(plane[:, 50]) - angle(plane[2, 50])) % 1
        golden = (3 - 5**0.5) / 2
        np.testing.assert_allclose(first, [2 * golden, golden, 0, golden, 2 * golden], atol=1e-12)


def packed_helices(make):
    def centres(**settings):
        k = make(61, 81, revolutions=4.0, width=0.5, **settings)
        middle = k[:, :80, :2].mean(axis=1)
        radius = np.linalg.norm(k[..., :2] - middle[:, None], axis=-1)
        np.testing.assert_allclose(radius, radius[0, 0])
        np.testing.assert_allclose(np.diff(angle(k[..., :2] - middle[:, None])) % 1, 4.0 / 80)
        np.testing.assert_allclose(k[..., 2], np.tile(np.arange(81) / 80 - 0.5, (61, 1)))
        np.testing.assert_allclose(np.abs(k[..., :2]).max(), 0.5)
        apart = np.linalg.norm(middle[:, None] - middle, axis=-1) + 9 * np.eye(61)
        return middle, apart / (4 * radius[0, 0])  # in the distance of neighbours

    for packing, neighbours in [("triangular", 6), ("square", 4)]:
        _, apart = centres(packing=packing)
        np.testing.assert_allclose(apart.min(), 1)
        assert np.max(np.sum(apart < 1.001, axis=1)) == neighbours
    rings, apart = centres(packing="circular", outline="circle")
    radii = np.linalg.norm(rings, axis=-1) / np.linalg.norm(rings[1])
    np.testing.assert_allclose(radii, np.repeat([0, 1, 2, 3, 4], [1, 6, 12, 18, 24]), atol=1e-12)
    np.testing.assert_allclose(apart.min(), 1)
    lattice, _ = centres(packing="fibonacci", outline="circle")
    area = np.sum(lattice**2, axis=-1)
    np.testing.assert_allclose(np.diff(area), np.diff(area)[0])
    np.testing.assert_allclose(np.diff(angle(lattice)) % 1, (5**0.5 - 1) / 2)
    for outline, order in [("diamond", 1), ("circle", 2), ("square", np.inf)]:
        norms = np.linalg.norm(centres(outline=outline)[0], ord=order, axis=-1)
        assert np.all(np.diff(norms) > -1e-9)


def lines_of_trains(make, **settings):
    """Return the lines of 6 shots on 3 blades; check the blips between them."""
    k = make(6, 4 * 20 + 1, lines=4, blades=3, ramp=0.25, **settings)
    lines = k[:, :-1].reshape(3, 8, 20, 3)  # two shots of four lines on each blade
    np.testing.assert_allclose(np.ptp(lines[:, :, 5:16, 2], axis=2), 0, atol=1e-15)
    # It stays in the cylinder, and blips are triangles.
    assert np.hypot(k[..., 0], k[..., 1]).max() <= 0.5 + 1e-15
    blip = np.diff(k[0, 15:26, 2]) / (k[0, 25, 2] - k[0, 15, 2])
    np.testing.assert_allclose(blip, np.asarray([1, 3, 5, 7, 9, 9, 7, 5, 3, 1]) / 50)
    return lines


def planes_about_an_axis(make):
    lines = lines_of_trains(make, skip=2)
    heights = np.arange(16) / 16 - 15 / 32
    for blade, first in enumerate([0, 1, 0]):
        np.testing.assert_allclose(lines[blade, :, 10, 2], heights[first::2])
    turns = angle(lines[:, :, 6:10]) * 2 % 1  # of lines, in half turns
    turns[turns > 1 - 1e-9] -= 1
    expected = np.broadcast_to(np.arange(3)[:, None, None] / 3, turns.shape)
    np.testing.assert_allclose(turns, expected, atol=1e-9)
    # Back and forth, with a trapezoid as the speed: the ramps have a quarter of the time each.
    x = lines[0, :, :, 0] * np.tile([[1], [-1]], (4, 1))
    np.testing.assert_allclose(np.diff(x[:, 5:16], axis=1), 1 / 20 / 0.75)
    np.testing.assert_allclose(x[:, 1:6] + 0.5, np.tile(np.arange(1, 6) ** 2 / 150, (8, 1)))
    out = make(6, 81, lines=4, blades=3, in_out=False)[:, ::20]
    radius = np.hypot(out[..., 0], out[..., 1])
    np.testing.assert_allclose(radius, np.tile([0, 0.5, 0, 0.5, 0], (6, 1)), atol=1e-12)


def stacks_that_interlock(make):
    lines = lines_of_trains(make, revolutions=0.5, power=0.5, twist=0.25)
    for blade in range(3):
        rows = blade + 3 * np.arange(8)
        np.testing.assert_allclose(lines[blade, :, 10, 2], (rows + 0.5) / 24 - 0.5)
        for line, row in zip(lines[blade], rows, strict=True):
            later = line[11:16] if row // 3 % 2 == 0 else line[9:4:-1]
            radius = np.hypot(later[:, 0], later[:, 1])
            spiralling = blade / 6 + 0.25 * row / 24 + 0.5 * (2 * radius) ** 2
            np.testing.assert_allclose(angle(later), spiralling % 1)
            np.testing.assert_allclose(radius**2, np.arange(1, 6) / 20 / 0.75 / 2)


PATTERNS = [
    Pattern(trajectories.radial, 2, spokes),
    Pattern(trajectories.spiral, 2, powers_of_the_angle, {"revolutions": 3.5, "power": 0.5}),
    Pattern(trajectories.golden_means_radial, 3, golden_means),
    Pattern(trajectories.phyllotaxis_radial, 3, sunflower, {"interleaves": 2}),
    Pattern(trajectories.wong_radial, 3, wong, {"interleaves": 2}),
    Pattern(trajectories.park_radial, 3, park, {"interleaves": 2}),
    Pattern(trajectories.koosh_ball, 3, koosh),
    Pattern(trajectories.helical_shells, 3, helices, {"shells": 3, "reduction": 2.0}, None),
    Pattern(trajectories.annular_shells, 3, rope_on_spheres, {"shells": 3, "turn": 0.7}, None),
    Pattern(
        trajectories.seiffert_shells,
        3,
        seiffert_on_shells,
        {"shells": 3, "modulus": 0.7, "revolutions": 2.5},
        None,
    ),
    Pattern(
        trajectories.seiffert_spiral,
        3,
        seiffert_in_all_directions,
        {"modulus": 0.7, "revolutions": 2.5, "power": 0.4},
    ),
    Pattern(
        trajectories.cones_3d,
        3,
        cones_of_packed_caps,
        {"revolutions": 3.5, "power": 0.5, "width": 0.5},
    ),
    Pattern(
        trajectories.floret,
        3,
        fans_of_cones,
        {"revolutions": 3.5, "power": 1.0, "max_angle": 0.7, "axes": (0, 2)},
    ),
    Pattern(
        trajectories.wave_caipi,
        3,
        packed_helices,
        {"revolutions": 3.5, "width": 0.5, "packing": "circular", "outline": "diamond"},
        None,
    ),
    Pattern(
        trajectories.turbine,
        3,
        planes_about_an_axis,
        {"lines": 5, "ramp": 0.2, "blades": 2, "skip": 2},
        None,
        symmetric=False,
    ),
    Pattern(
        trajectories.radial_echo_planar,
        3,
        stacks_that_interlock,
        {
            **{"lines": 5, "ramp": 0.2, "blades": 2},
            **{"revolutions": 0.5, "power": 0.5, "twist": 0.5},
        },
        None,
        symmetric=False,
    ),
]
