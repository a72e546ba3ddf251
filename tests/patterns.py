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
