"""The table of patterns of trajectories: each with its settings, and what makes it what it is.

``tests/mri/trajectories`` checks each by its entry, ``public.py`` and ``test_signatures.py`` take
their calls from here. A public pattern without an entry fails.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from nufftlib import mri
from nufftlib.mri import trajectories

SCANNER = mri.Scanner(gmax=40e-3, smax=180.0, raster=30e-6)
SCAN = mri.Protocol(SCANNER, fov=0.24, shape=(96, 96), dwell=2e-6, rest="start")
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
    shots : tuple of int
        The fewest shots that it takes with the defaults, and some more.
    """

    make: Callable[..., Any]
    ndim: int
    check: Callable[[Callable[..., Any]], None]
    settings: Mapping[str, Any] = field(default_factory=dict)
    starts: str | None = "centre"
    symmetric: bool = True
    shots: tuple[int, int] = (1, SHOTS)

    @property
    def name(self):
        return self.make.__name__

    def double(self, shots=None, samples=SAMPLES, **settings):
        """Make it in double precision."""
        return self.make(shots or self.shots[1], samples, dtype=np.float64, **settings)


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


def steps(k):
    """Return the distances from sample to sample."""
    return np.linalg.norm(np.diff(k, axis=1), axis=-1)


def powers_of_the_angle(make):
    k = make(3, 200, revolutions=7.0, power=0.5)
    radius, turns = np.linalg.norm(k, axis=-1), np.unwrap(angle(k[:, 1:]), axis=1, period=1)
    np.testing.assert_allclose(np.diff(turns, axis=1), 7.0 / 199)
    # The area within a turn of Fermat's spiral grows evenly.
    np.testing.assert_allclose(np.diff(radius**2, axis=1), 0.25 / 199)
    np.testing.assert_array_equal(k, make(3, 200, revolutions=7.0, power="fermat"))

    even = make(3, 200, revolutions=7.0, power=0.5, even_centre=True)
    on_curve = 4 * np.linalg.norm(even, axis=-1)[:, 1:] ** 2 * 7.0
    np.testing.assert_allclose(np.diff(np.unwrap(angle(even[:, 1:]), axis=1, period=1), axis=1),
                               np.diff(on_curve, axis=1), atol=1e-12)  # fmt: skip
    # Steps of one length come first, shorter than their very first was, and then those of before.
    step = steps(even)[0]
    same = np.argmax(step > (1 + 1e-6) * step[0])
    assert 5 <= same < 20
    assert step[:same].min() > (1 - 1e-6) * step[0]
    assert step[0] < 0.6 * steps(k)[0, 0]
    assert (np.diff(step[same - 1 :]) > 0).all()
    np.testing.assert_allclose(even[:, same + 1 :], k[:, same + 1 :], atol=1e-15)
    flat = make(1, 50, revolutions=3.0)
    np.testing.assert_allclose(make(1, 50, revolutions=3.0, even_centre=True), flat, atol=1e-15)


def sunflower(make):
    n = np.arange(8 * 33).reshape(33, 8).T
    k = make(8, 33)
    np.testing.assert_allclose(np.linalg.norm(k, axis=-1) ** 2, n / (8 * 33 - 1) / 4, atol=1e-15)
    golden = (np.sqrt(5) - 1) / 2
    from_there = angle(k) - golden * n
    np.testing.assert_allclose(np.cos(2 * np.pi * from_there.ravel()[1:]), 1)
    # Half as many points, and the same curve between them.
    slow = make(8, 65, reduction=65 / 33)
    np.testing.assert_allclose(slow[:, ::2], k, atol=1e-14)
    between = np.unwrap(angle(slow[:, 1:]), axis=1, period=1)
    np.testing.assert_allclose(np.diff(between, axis=1), (8 * golden - 5) / 2, atol=1e-12)
    even = steps(make(8, 33, even_centre=True))
    assert np.ptp(even[0, :4]) < 1e-6 * even[0, 0]
    assert even[0, 0] < 0.9 * steps(k)[0, 0]


def involutes(make):
    r0 = 0.07
    k = make(6, 4000, straight=r0)
    np.testing.assert_allclose(steps(k), steps(k)[0, 0], rtol=1e-3)
    radius = np.linalg.norm(k[0], axis=-1)
    assert radius[-1] == pytest.approx(0.5)
    assert not k[0, radius < r0, 1].any()
    # Beyond it, the distance from the next arm is what it is there.
    arms = k[0, radius > 1.5 * r0][::50], k[1]
    near = np.linalg.norm(arms[0][:, None] - arms[1], axis=-1).min(axis=1)
    inner = np.linalg.norm(arms[0], axis=-1) < 0.4  # further out the next arm has ended
    np.testing.assert_allclose(near[inner], 2 * np.pi * r0 / 6, rtol=1e-3)


def fields_of_view(make):
    k = make(4, 30000, fov=(64.0, -48.0))
    np.testing.assert_allclose(steps(k), steps(k)[0, 0], rtol=1e-3)
    radius, turns = np.linalg.norm(k[0, 1:], axis=-1), np.unwrap(angle(k[0, 1:]), period=1)
    assert radius[-1] == pytest.approx(0.5)
    # Turns of 4 shots: 1 / (distance from turn to turn), integrated.
    expected = (64 * radius - 48 * radius**2) / 4
    np.testing.assert_allclose(turns - turns[0], expected - expected[0], atol=1e-9)
    # With a protocol: within its limits, at them most of the time, and no faster.
    protocol = replace(SCAN, scanner=replace(SCANNER, raster=1e-5))
    steep = {"fov": (160.0, -150.0), "protocol": protocol}
    k = make(4, fewest_samples(make, 4, **steep), **steep)
    slew = np.linalg.norm(mri.slew_rates(k, protocol)[0], axis=-1) / SCANNER.smax
    assert 0.96 < slew[5:].min() < slew.max() <= 1
    least = fewest_samples(make, 4, protocol=protocol)
    k = make(4, least, protocol=protocol)
    assert mri.check_trajectory(k, protocol).ok
    slew = np.linalg.norm(mri.slew_rates(k, protocol)[0], axis=-1) / SCANNER.smax
    assert np.mean(slew > 0.98) > 0.95
    with pytest.raises(ValueError, match=f"samples is {least - 1}; want at least {least}:"):
        make(4, least - 1, protocol=protocol)
    both = fewest_samples(make, 4, protocol=protocol, in_out=True)
    assert 2 * least - 2 <= both <= 2 * least
    # And by the gradient, or by the samples of the receiver, whichever allows less.
    strong = replace(protocol, scanner=replace(protocol.scanner, smax=5000.0, gmax=0.01))
    for dwell, most in ((1e-6, 0.01), (6e-5, 1 / (24 * 6e-5 * SCANNER.gamma * SCAN.voxel[0]))):
        scan = replace(strong, dwell=dwell)
        k = make(4, fewest_samples(make, 4, fov=24.0, protocol=scan), fov=24.0, protocol=scan)
        full = np.linalg.norm(mri.gradients(k, scan)[0], axis=-1)
        np.testing.assert_allclose(full[20:], min(most, 0.01), rtol=0.02)


def fewest_samples(make, shots, **settings):
    """Return how many samples a protocol wants, by what is said of too few."""
    with pytest.raises(ValueError, match=r"want at least [0-9]+: the protocol") as error:
        make(shots, 2, **settings)
    return int(re.search("at least ([0-9]+)", str(error.value))[1])


def sectors(make):
    k = make(9, 2001, zigzags=4.0, width=0.8)
    x, y = k[0, 1:].T
    assert (y / x).max() == pytest.approx(0.8 * np.pi / 9, rel=1e-5)
    assert np.sum(np.diff(np.sign(y[np.abs(y) > 1e-12])) != 0) == 7  # in the 4 periods
    np.testing.assert_allclose(np.diff(x), 0.5 / 2000)
    through = make(9, 2001, zigzags=4.0, in_out=True)[0]
    assert (through[1001:, 1] / through[1001:, 0]).max() == pytest.approx(np.pi / 18, rel=1e-4)
    x, y = make(2, 2001)[0, 1:].T  # too wide: made smaller
    assert np.hypot(x, y).max() == pytest.approx(0.5)
    assert (y / x).max() == pytest.approx(np.pi / 2, rel=1e-5)


def even_sway(make):
    k = make(9, 4001, zigzags=4.0, width=0.8)
    x, y = k[0].T
    np.testing.assert_allclose(np.diff(x), 0.5 / 4000)
    crests = np.abs(y[:-1].reshape(8, -1)).max(axis=1)  # of each half period
    np.testing.assert_allclose(crests, 0.4 * np.pi / 9, rtol=1e-5)
    x, y = make(2, 4001)[0].T  # too wide: made smaller
    assert np.hypot(x, y).max() == pytest.approx(0.5)
    assert y.max() == pytest.approx(x[-1] * np.pi / 2, rel=1e-4)


def wave_beside_wave(make):
    k = make(6, 1001, zigzags=4.0, width=1.5)
    np.testing.assert_allclose(k[..., 0], np.tile(np.linspace(-0.5, 0.5, 1001), (6, 1)))
    distance = 1 / 7.5
    np.testing.assert_allclose(np.diff(k[..., 1], axis=0), distance)
    np.testing.assert_allclose(np.ptp(k[..., 1], axis=1), 1.5 * distance)
    assert k[..., 1].max() == pytest.approx(-k[..., 1].min()) == pytest.approx(0.5 - distance / 2)
    assert np.sum(np.diff(np.sign(np.diff(k[0, :, 1]))) != 0) == 7  # crests and troughs between


def strips_that_touch(make):
    k = make(12, 9, strips=3).reshape(3, 4, 9, 2)
    for i, strip in enumerate(k):
        across = np.asarray([-np.sin(np.pi * i / 3), np.cos(np.pi * i / 3)])
        heights = strip @ across
        np.testing.assert_allclose(np.ptp(heights, axis=1), 0, atol=1e-15)
        half = np.linalg.norm(strip[0, -1] - strip[0, 0]) / 2
        # At the disc of a line's ends, the strips take all of the circumference.
        np.testing.assert_allclose(heights[:, 0], np.linspace(-1, 1, 4) * half * np.pi / 6)
    np.testing.assert_allclose(np.linalg.norm(k[:, [0, -1]][:, :, [0, -1]], axis=-1), 0.5)
    single = make(4, 9)
    np.testing.assert_allclose(np.abs(single[:, 4]), 0, atol=1e-15)


def back_and_forth(make):
    k = make(3, 8 * 40 + 1, lines=8, ramp=0.2)
    x, y = np.moveaxis(k, -1, 0)
    np.testing.assert_allclose(x[:, 20::80], 0, atol=1e-12)  # middles of the lines
    np.testing.assert_allclose(np.sort(y[:, 20::40].ravel()), np.arange(-11.5, 12) / 24)
    np.testing.assert_allclose(np.diff(y[:, 20::40], axis=1), 3 / 24)
    np.testing.assert_allclose(np.diff(y[:, 20::40], axis=0), 1 / 24)
    np.testing.assert_allclose(x[:, ::40], np.tile([-0.5, 0.5], (3, 5))[:, :9])
    speed = 40 * np.diff(x, axis=1)
    for j in range(8):  # on the flat part: full speed, and no blip
        flat = slice(40 * j + 8, 40 * j + 32)
        np.testing.assert_allclose(speed[:, flat], (-1) ** j / 0.8)
        np.testing.assert_allclose(np.diff(y[:, flat], axis=1), 0, atol=1e-15)
    # All is smooth: the second differences are those of ramps.
    bend = np.abs(np.diff(k, n=2, axis=1)).max(axis=(0, 1)) * 40**2
    np.testing.assert_allclose(bend, [1 / 0.2 / 0.8, 3 / 24 / 0.2**2])


def circles_about_the_centre(make):
    k = make(9, 16, rings=4)
    radius = np.linalg.norm(k, axis=-1)
    np.testing.assert_allclose(radius, np.tile(radius[:, :1], 16))
    found, shots = np.unique(radius[:, 0].round(12), return_counts=True)
    np.testing.assert_allclose(found, (np.arange(4) + 0.5) / 8)
    np.testing.assert_array_equal(shots, [1, 2, 3, 3])
    for r, count in zip(found, shots, strict=True):
        turns = np.sort(angle(k[np.isclose(radius[:, 0], r)]).ravel() % (1 - 1e-12))
        np.testing.assert_allclose(turns, np.arange(16 * count) / (16 * count), atol=1e-12)


def random_circles(make):
    k = make(40, 33, radius=0.15, centre=0.2, distance=0.2, seed=5)
    middle = middles(k)
    np.testing.assert_allclose(np.linalg.norm(k - middle[:, None], axis=-1), 0.15)
    np.testing.assert_allclose(steps(k), 2 * 0.15 * np.sin(np.pi / 33))
    np.testing.assert_allclose(k[:8, 0], 0, atol=1e-15)  # a fifth of them passes the centre
    np.testing.assert_allclose(np.diff(np.unwrap(angle(middle[:8]), period=1)), 1 / 8)
    radius = np.linalg.norm(k, axis=-1)
    assert (radius[:, 0] <= radius.min(axis=1) + 1e-15).all()
    apart = np.linalg.norm(np.diff(middle[8:], axis=0), axis=-1)
    assert 0.2 <= apart.min() < 0.25
    assert (np.linalg.norm(middle, axis=-1) <= 0.35).all()
    twice = make(40, 33, radius=0.15, seed=5, revolutions=2.0)
    np.testing.assert_allclose(steps(twice), 2 * 0.15 * np.sin(2 * np.pi / 33))


def middles(k):
    """Return the middles of circles by three of their points."""
    a, b, c = (k[:, i] @ [1, 1j] for i in (0, 11, 22))
    b, c = b - a, c - a
    z = a + (abs(b) ** 2 * c - abs(c) ** 2 * b) / (b.conj() * c - b * c.conj())
    return np.stack([z.real, z.imag], axis=-1)


def petals(make):
    for shots, winding in ((12, 0), (12, 2), (10, 0), (10, 1), (9, 0), (9, 3)):
        k = make(shots, 33, winding=winding)
        np.testing.assert_allclose(k[:, 0], 0, atol=1e-15)
        np.testing.assert_allclose(np.linalg.norm(k, axis=-1), np.tile(
            np.abs(np.sin(np.linspace(0, np.pi, 33))) / 2, (shots, 1)), atol=1e-15)  # fmt: skip
        tips = np.sort(angle(k[:, 16]).round(12) % 1)
        np.testing.assert_allclose(np.diff(tips), 1 / shots, atol=1e-11)
        through = make(shots, 33, winding=winding, in_out=True)
        np.testing.assert_allclose(through[:, 16], 0, atol=1e-14)
        np.testing.assert_allclose(through[1:, 0], through[:-1, -1], atol=1e-14)
        np.testing.assert_allclose(through[0, 0], through[-1, -1], atol=1e-14)
    # Of the same tips, wider petals are longer.
    lengths = [steps(make(12, 200, winding=w)).sum() for w in range(3)]
    assert lengths == sorted(lengths)


def ellipses(make):
    k = 2 * make(7, 41)
    shift = 2 * np.pi * np.arange(7)[:, None] / 7
    x, y = k[..., 0], k[..., 1]
    conic = x**2 + y**2 - 2 * x * y * np.cos(shift)
    np.testing.assert_allclose(conic, np.tile(np.sin(shift) ** 2, 41), atol=1e-12)
    np.testing.assert_allclose(x[:, [0, -1]], [[-1, 1]] * 7)
    # Extremes of the second oscillation, once in each of its half periods.
    y = make(1, 4001, ratio=6.0)[0, :, 1]
    assert np.sum(np.diff(np.sign(np.diff(y))) != 0) == 6


def petals_in_segments(make):
    k = make(24, 65, segments=3).reshape(6, 4, 65, 2)
    radius = np.abs(np.sin(np.linspace(0, np.pi, 65))) / 2
    np.testing.assert_allclose(np.linalg.norm(k, axis=-1), np.broadcast_to(radius, (6, 4, 65)),
                               atol=1e-15)  # fmt: skip
    # One copy and another: a sixth of a turn.
    z = k @ [1, 1j]
    np.testing.assert_allclose(z[1:], z[:-1] * np.exp(-1j * np.pi / 3), atol=1e-14)
    inside = np.angle(z[0] * np.sign(z[0].real))
    assert np.abs(inside).max() <= np.pi / 6 + 1e-12
    # Of 4 shots, c = 1 and 3 have no common divisor with 4: 3 and 1 half oscillations.
    for winding, zeros in ((0, 3), (1, 1)):
        z = make(8, 64, winding=winding)[:4] @ [1, 1j]
        phase = np.angle(z * np.exp(-1j * np.pi * (np.real(z) < 0)))[:, 1:-1]
        assert np.sum(np.diff(np.sign(phase.ravel())) != 0) == zeros
        assert np.abs(phase).max() == pytest.approx(np.pi / 2, rel=0.05)
    through = make(12, 65, segments=3, in_out=True)
    np.testing.assert_allclose(through[:, 32], 0, atol=1e-15)


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


def seeds_of_a_sunflower(make):
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
    rings, apart = centres(packing="circular", shape="circle")
    radii = np.linalg.norm(rings, axis=-1) / np.linalg.norm(rings[1])
    np.testing.assert_allclose(radii, np.repeat([0, 1, 2, 3, 4], [1, 6, 12, 18, 24]), atol=1e-12)
    np.testing.assert_allclose(apart.min(), 1)
    lattice, _ = centres(packing="fibonacci", shape="circle")
    area = np.sum(lattice**2, axis=-1)
    np.testing.assert_allclose(np.diff(area), np.diff(area)[0])
    np.testing.assert_allclose(np.diff(angle(lattice)) % 1, (5**0.5 - 1) / 2)
    for shape, order in [("diamond", 1), ("circle", 2), ("square", np.inf)]:
        norms = np.linalg.norm(centres(shape=shape)[0], ord=order, axis=-1)
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


def random_circles_in_a_ball(make):
    settings = {"stacks": 5, "radius": 0.12, "distance": 0.2, "seed": 3}
    k = make(60, 40, **settings)
    z, number = np.unique(k[..., 2].round(12), return_counts=True)
    np.testing.assert_allclose(z, [-0.4, -0.2, 0, 0.2, 0.4])
    np.testing.assert_array_equal(number // 40, [9, 14, 15, 13, 9])  # as 3 : 4.6 : 5 : 4.6 : 3
    assert np.linalg.norm(k, axis=-1).max() <= 0.5 + 1e-12
    across = k[..., :2]
    middle = across.mean(axis=1)
    radius = np.linalg.norm(across - middle[:, None], axis=-1)
    np.testing.assert_allclose(radius, 0.12)
    from_axis = np.linalg.norm(across, axis=-1)
    assert np.all(from_axis[:, 0] <= from_axis.min(axis=1) + 1e-12)
    for first, last, disc in [(0, 9, 0.3), (9, 23, 0.21**0.5), (23, 38, 0.5)]:
        apart = np.linalg.norm(np.diff(middle[first:last], axis=0), axis=-1)
        assert apart.min() >= 0.2 * disc / 0.5
    # No disc has the draws of another.
    free = np.linalg.norm(make(60, 40, stacks=5)[..., :2].mean(axis=1), axis=-1)
    assert np.corrcoef(free[9:23], free[23:37])[0, 1] < 0.9
    rosette = make(60, 40, **settings, centre=1.0)
    np.testing.assert_allclose(rosette[:, 0, :2], 0, atol=1e-12)
    # Circles become smaller where the disc has less than twice their radius.
    small = make(60, 40, **settings | {"radius": 0.25, "distance": 0.0})[0, :, :2]
    np.testing.assert_allclose(np.linalg.norm(small - small.mean(axis=0), axis=-1), 0.15)


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
    Pattern(
        trajectories.spiral,
        2,
        powers_of_the_angle,
        {"revolutions": 3.5, "power": 0.5, "even_centre": True},
    ),
    Pattern(
        trajectories.fibonacci_spiral,
        2,
        sunflower,
        {"reduction": 1.5, "even_centre": True},
        starts=None,
        shots=(1, 13),
    ),
    Pattern(trajectories.twirl, 2, involutes, {"straight": 0.2}),
    Pattern(
        trajectories.variable_density_spiral,
        2,
        fields_of_view,
        {"fov": (40.0, 8.0, -20.0), "protocol": SCAN},
    ),
    Pattern(trajectories.cones_2d, 2, sectors, {"zigzags": 3.5, "width": 0.5}),
    Pattern(trajectories.sinusoid, 2, even_sway, {"zigzags": 3.5, "width": 0.5}),
    Pattern(trajectories.waves, 2, wave_beside_wave, {"zigzags": 3.5, "width": 0.5}, starts=None),
    Pattern(
        trajectories.propeller,
        2,
        strips_that_touch,
        {"strips": 3},
        starts=None,
        shots=(4, 12),
    ),
    Pattern(trajectories.epi, 2, back_and_forth, {"lines": 5, "ramp": 0.3}, starts=None),
    Pattern(trajectories.rings, 2, circles_about_the_centre, {"rings": 4}, starts=None),
    Pattern(
        trajectories.eccentric_2d,
        2,
        random_circles,
        {"radius": 0.2, "centre": 0.25, "revolutions": 1.5, "distance": 0.2, "seed": 1},
        starts=None,
    ),
    Pattern(trajectories.rosette, 2, petals, {"winding": 1}, symmetric=False),
    Pattern(trajectories.lissajous, 2, ellipses, {"ratio": 3.5}, starts=None),
    Pattern(
        trajectories.polar_lissajous,
        2,
        petals_in_segments,
        {"segments": 2, "winding": 1},
        symmetric=False,
        shots=(2, 12),
    ),
    Pattern(trajectories.golden_means_radial, 3, golden_means),
    Pattern(trajectories.phyllotaxis_radial, 3, seeds_of_a_sunflower, {"interleaves": 2}),
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
        {
            **{"revolutions": 3.5, "width": 0.5, "packing": "random"},
            **{"shape": "diamond", "spacing": (1.0, 2.0), "seed": 1},
        },
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
    Pattern(
        trajectories.eccentric_3d,
        3,
        random_circles_in_a_ball,
        {
            **{"stacks": 3, "radius": 0.2, "centre": 0.25},
            **{"revolutions": 1.5, "distance": 0.2, "seed": 1},
        },
        None,
    ),
    *(
        Pattern(make, ndim, check, {"density": DENSITY[ndim], **settings}, starts=None)
        for make, ndim, check, settings in (
            (trajectories.random_walk, 2, steps_to_neighbours, WALK),
            (trajectories.random_walk_3d, 3, steps_to_neighbours, WALK),
            (trajectories.travelling_salesman, 2, one_distance_along_a_tour, TOUR),
            (trajectories.travelling_salesman_3d, 3, one_distance_along_a_tour, TOUR),
        )
    ),
]
