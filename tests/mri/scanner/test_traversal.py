"""Curves in the least time: within the limits, on the curve, and against two other methods."""

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from scans import PROTOCOL, random_protocol, steps_of, violation
from scipy.optimize import linprog
from scipy.sparse import diags_array, vstack
from scipy.spatial import cKDTree

import nufftlib as nl

BAR = 1e-12  # of a limit: the rounding of second differences


def complex_curve(f):
    """Return a function of p in two axes from one that gives complex numbers."""

    def curve(p):
        z = f(p)
        return np.stack([z.real, z.imag], axis=-1)

    return curve


def spiral(turns):
    return complex_curve(lambda p: 0.5 * p * np.exp(2j * np.pi * turns * p))


def in_out(p):
    z = (p - 0.5) * np.exp(12j * np.pi * abs(2 * p - 1))
    return np.stack([z.real, z.imag], axis=-1)


def serpentine(p, lines=6):
    """Lines to and fro, and the corners between them."""
    y = np.repeat(np.linspace(-0.3, 0.3, lines), 2)
    x = 0.4 * np.resize([-1, 1, 1, -1], 2 * lines)
    u = p * (2 * lines - 1)
    return np.stack([np.interp(u, np.arange(2 * lines), a) for a in (x, y)], axis=-1)


def to_and_fro(p):
    return np.stack([0.4 * np.cos(6 * np.pi * p), 0.3 * np.cos(6 * np.pi * p)], axis=-1)


def wave(p):
    """A helix around the first axis, in three axes."""
    return np.stack([0.9 * p - 0.45, 0.1 * np.sin(40 * p), 0.1 * np.cos(40 * p)], axis=-1)


SMOOTH = {
    "spiral": spiral(8),
    "rosette": complex_curve(lambda p: 0.5 * np.sin(7 * np.pi * p) * np.exp(2j * np.pi * p)),
    "Lissajous": lambda p: 0.5 * np.sin(2 * np.pi * p[:, None] * [3, 4] + [0, 0.3]),
    "ring": complex_curve(lambda p: 0.2 * np.exp(2j * np.pi * p)),
}
SHARP = {"in-out": in_out, "serpentine": serpentine, "to and fro": to_and_fro}


SCANNERS = [replace(PROTOCOL.scanner, norm=norm) for norm in ("l2", "max")]
PROTOCOLS = {
    **{
        f"{scanner.norm}-{rest}": replace(PROTOCOL, scanner=scanner, rest=rest)
        for scanner in SCANNERS
        for rest in ("both", "start", "end", None)
    },
    **{
        f"{scanner.norm}-anisotropic": nl.mri.Protocol(scanner, fov=(0.3, 0.2), shape=(128, 256))
        for scanner in SCANNERS
    },
}
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
all_curves = pytest.mark.parametrize("curve", (SMOOTH | SHARP).values(), ids=SMOOTH | SHARP)


def distance_to(curve, k, shape):
    """Return the largest distance of points from a curve, in k-space steps."""
    line, x = (y * shape for y in (curve(np.linspace(0, 1, 440_001)), k))
    near = np.clip(cKDTree(line).query(x)[1], 1, len(line) - 2)
    found = []
    for a, b in ((line[near - 1], line[near]), (line[near], line[near + 1])):
        way = b - a
        t = np.sum((x - a) * way, -1) / np.sum(way**2, -1)
        found.append(np.linalg.norm(a + np.clip(t, 0, 1)[:, None] * way - x, axis=-1))
    return np.max(np.minimum(*found))


def derivatives(curve, protocol, cells):
    """Return p, and the first and second derivatives of a smooth curve in 1/m, at its nodes."""
    h = 1e-4
    p = np.linspace(0, 1, cells + 1)
    x = [curve(p + m * h) / protocol.voxel for m in (-2, -1, 0, 1, 2)]
    first = (x[0] - 8 * x[1] + 8 * x[3] - x[4]) / (12 * h)
    second = (-x[0] + 16 * x[1] - 30 * x[2] + 16 * x[3] - x[4]) / (12 * h * h)
    return p, first, second


def seconds_by_phase_plane(curve, protocol, cells=40_000):
    """Return the least duration, in steps of the raster, after Lustig, Kim and Pauly: norm l2.

    The speed over the arc length is bounded by the curvature, and integrated from both ends.
    """
    alpha, beta = steps_of(protocol)
    p, first, second = derivatives(curve, protocol, cells)
    speed = np.linalg.norm(first, axis=-1)
    area = np.sum(first**2, -1) * np.sum(second**2, -1) - np.sum(first * second, -1) ** 2
    curvature = np.sqrt(np.maximum(area, 0)) / speed**3
    length = np.diff(p) * (speed[1:] + speed[:-1]) / 2
    top = np.minimum(alpha**2, beta / np.maximum(curvature, 1e-12))

    def squares(length, curvature, top, rest):
        w = np.empty_like(top)
        w[0] = 0 if rest else top[0]
        for i, step in enumerate(length):
            along = math.sqrt(max(beta**2 - (w[i] * curvature[i]) ** 2, 0))
            w[i + 1] = min(w[i] + 2 * along * step, top[i + 1])
        return w

    there = squares(length, curvature, top, protocol.rests_at_start)
    back = squares(length[::-1], curvature[::-1], top[::-1], protocol.rests_at_end)[::-1]
    v = np.sqrt(np.minimum(there, back))
    return np.sum(2 * length / (v[1:] + v[:-1]))


def seconds_by_linear_program(curve, protocol, cells=3000):
    """Return the least duration, in steps of the raster: norm max.

    The fastest motion has the greatest w = (dp/dt)^2 at every p, and so the greatest sum of it.
    """
    alpha, beta = steps_of(protocol)
    _, first, second = derivatives(curve, protocol, cells)
    n, h = cells, 1 / cells
    mean = diags_array([np.full(n, 0.5)] * 2, offsets=(0, 1), shape=(n, n + 1))
    slope = diags_array(
        [np.full(n, -0.5 / h), np.full(n, 0.5 / h)], offsets=(0, 1), shape=(n, n + 1)
    )
    middle = [(x[1:] + x[:-1]) / 2 for x in (second, first)]
    rows = [
        diags_array(bend) @ mean + diags_array(way) @ slope
        for bend, way in zip(*(x.T for x in middle), strict=True)
    ]
    top = alpha**2 / np.max(first**2, axis=-1)
    if protocol.rests_at_start:
        top[0] = 0
    if protocol.rests_at_end:
        top[-1] = 0
    A = vstack(rows + [-row for row in rows])
    b = np.full(A.shape[0], beta)
    found = linprog(-np.ones(n + 1), A_ub=A, b_ub=b, bounds=np.stack([0 * top, top], axis=-1))
    assert found.success
    v = np.sqrt(found.x)
    return np.sum(2 * h / (v[1:] + v[:-1]))


@all_curves
@every_protocol
def test_it_keeps_the_limits_on_the_curve_from_end_to_end(protocol, curve):
    k = nl.mri.traverse(curve, protocol)
    assert violation(k, protocol) <= BAR
    np.testing.assert_array_equal(k[[0, -1]], curve(np.asarray([0.0, 1.0])))
    assert nl.mri.check_trajectory(k, protocol).ok


@all_curves
def test_it_stays_on_the_curve(curve):
    k = nl.mri.traverse(curve, PROTOCOL)
    assert distance_to(curve, k, PROTOCOL.shape) < 1e-4


def two_curves_each():
    """Yield every protocol with two of the curves, each curve with protocols of both norms.

    The methods to compare with take long, a linear program above all.
    """
    curves = list(SMOOTH)
    for i, protocol in enumerate(PROTOCOLS):
        for j in (i, i + 1 + i // len(curves)):
            curve = curves[j % len(curves)]
            yield pytest.param(PROTOCOLS[protocol], SMOOTH[curve], id=f"{protocol}-{curve}")


@pytest.mark.parametrize(("protocol", "curve"), list(two_curves_each()))
def test_it_takes_the_least_time(protocol, curve):
    slow = protocol.scanner.norm == "max"
    least = (seconds_by_linear_program if slow else seconds_by_phase_plane)(curve, protocol)
    steps = len(nl.mri.traverse(curve, protocol)) - 1
    assert least * 0.999 <= steps <= least * 1.001 + 1


@pytest.mark.parametrize("length", [1e-4, 0.02, 0.5])
def test_a_straight_line_has_the_time_of_its_trapezoid(length):
    alpha, beta = steps_of(PROTOCOL)
    line = np.asarray([[0.0, 0.0], [0.6, 0.8]]) * length
    way = length * 256 / 0.24
    rise = min(alpha / beta, math.sqrt(way / beta))
    both = rise + way / min(alpha, rise * beta)
    k = nl.mri.traverse(line, PROTOCOL)
    assert len(k) - 1 == math.ceil(both)
    assert np.max(abs(k @ [0.8, -0.6])) < 1e-15
    free = nl.mri.traverse(line, replace(PROTOCOL, rest=None))
    assert len(free) - 1 == math.ceil(way / alpha)


def test_the_speed_falls_at_a_corner_and_nowhere_on_a_line():
    k = nl.mri.traverse(serpentine, PROTOCOL)
    speed = np.linalg.norm(nl.mri.gradients(k, PROTOCOL), axis=-1) / PROTOCOL.scanner.gmax
    corners = serpentine(np.arange(1, 11) / 11)
    near = [np.argmin(np.linalg.norm(k - corner, axis=-1)) for corner in corners]
    rise = PROTOCOL.gradient_step / PROTOCOL.slew_step
    assert np.max(speed[near]) < 1 / rise
    assert np.sum(speed > 0.98) > 100


def test_it_goes_to_a_point_of_return_between_the_first_nodes():
    def curve(p):
        return 0.4 * np.cos(30 * np.pi * p[:, None]) * [0.6, 0.8]

    k = nl.mri.traverse(curve, PROTOCOL) / PROTOCOL.voxel
    middle = len(k) // 2  # of the time, and of the curve
    tip = curve(np.asarray([0.5])) / PROTOCOL.voxel
    near = np.linalg.norm(k[middle - 1 : middle + 2] - tip, axis=-1).min()
    # The curve is at rest there at full slew, half a raster time from a sample at most.
    assert near < 1.01 * steps_of(PROTOCOL)[1] / 8


def test_points_of_a_spiral_are_as_good_as_the_spiral():
    p = np.linspace(0, 1, 800)
    curve = SMOOTH["spiral"]
    k = nl.mri.traverse(curve(p), PROTOCOL)
    assert distance_to(curve, k, PROTOCOL.shape) < 1e-4
    assert abs(len(k) - len(nl.mri.traverse(curve, PROTOCOL))) <= 1
    np.testing.assert_array_equal(k[[0, -1]], curve(p)[[0, -1]])


def test_a_spline_passes_through_its_points():
    points = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 9, 2))
    k = nl.mri.traverse(points, PROTOCOL)
    assert violation(k, PROTOCOL) <= BAR
    near = np.linalg.norm(k[:, None] - points[:, :, None], axis=-1)
    step = np.linalg.norm(np.diff(k, axis=-2), axis=-1).max()
    assert np.all(np.min(near, axis=-1) <= step / 2 + 1e-6)


@pytest.mark.parametrize("case", range(12))
def test_random_splines_keep_random_limits(case):
    rng = np.random.default_rng(case)
    protocol = random_protocol(rng, case)
    points = rng.uniform(-0.1, 0.1, (3, 7, protocol.ndim))
    k = nl.mri.traverse(points, protocol)
    assert violation(k, protocol) <= BAR
    np.testing.assert_array_equal(k[:, [0, -1]], points[:, [0, -1]])


def test_three_axes():
    for norm in ("l2", "max"):
        scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6, norm=norm)
        protocol = nl.mri.Protocol(scanner, fov=(0.24, 0.2, 0.3), shape=(64, 80, 96))
        k = nl.mri.traverse(wave, protocol)
        assert violation(k, protocol) <= BAR
        assert distance_to(wave, k, protocol.shape) < 1e-4
    least = seconds_by_linear_program(wave, protocol)
    assert least * 0.999 <= len(k) - 1 <= least * 1.001 + 1


def test_rotated_shots_are_the_rotated_shot():
    angles = np.arange(5) * 2 * np.pi / 5

    def arms(p):
        z = 0.5 * p * np.exp(8j * np.pi * p + 1j * angles[:, None])
        return np.stack([z.real, z.imag], axis=-1)

    k = nl.mri.traverse(arms, PROTOCOL)
    one = nl.mri.traverse(spiral(4), PROTOCOL)
    z = (one @ [1, 1j]) * np.exp(1j * angles[:, None])
    np.testing.assert_allclose(k @ [1, 1j], z, atol=1e-9)


def test_all_shots_take_the_time_of_the_slowest():
    lines = np.asarray([[[0.0, 0.0], [0.1, 0.0]], [[0.0, 0.0], [0.0, 0.4]]])
    for few in (lines, lines[None]):
        k = nl.mri.traverse(few, PROTOCOL)
        slowest = nl.mri.traverse(lines[1], PROTOCOL)
        assert k.shape == (*few.shape[:-2], *slowest.shape)
        np.testing.assert_allclose(k.reshape(2, -1, 2)[1], slowest, atol=1e-12)
        assert violation(k, PROTOCOL) <= BAR
        alone = nl.mri.traverse(lines[0], PROTOCOL)
        slower = nl.mri.traverse(lines[0], PROTOCOL, samples=len(slowest))
        assert len(alone) < len(slower)
        np.testing.assert_allclose(k.reshape(2, -1, 2)[0], slower, atol=1e-12)


def test_a_number_of_samples_may_be_wanted():
    k = nl.mri.traverse(spiral(4), PROTOCOL, samples=512)
    assert k.shape == (512, 2)
    report = nl.mri.check_trajectory(k, PROTOCOL)
    assert report.ok
    assert report.slew.ratio == pytest.approx((483 / 511) ** 2, rel=2e-3)
    with pytest.raises(ValueError, match="samples is 483; want 484 or more, which the limits take"):
        nl.mri.traverse(spiral(4), PROTOCOL, samples=483)


def test_single_precision_keeps_the_limits():
    p = np.linspace(0, 1, 600)
    k = nl.mri.traverse(spiral(8)(p).astype(np.float32), PROTOCOL)
    assert k.dtype == np.float32
    assert violation(k, PROTOCOL) == 0
    assert abs(len(k) - len(nl.mri.traverse(spiral(8), PROTOCOL))) <= 1


@pytest.mark.parametrize("power", [0.5, 4])
def test_the_parameter_does_not_matter(power):
    k = nl.mri.traverse(lambda p: spiral(4)(p**power), PROTOCOL)
    np.testing.assert_allclose(k, nl.mri.traverse(spiral(4), PROTOCOL), atol=2e-5)


@pytest.mark.parametrize("rest", ["both", None])
@pytest.mark.parametrize("still", [0.0, 0.5])
@pytest.mark.parametrize("bend", [0.0, 1.5 * np.pi])
def test_a_parameter_that_stands_still_is_no_corner(rest, still, bend):
    """Nodes are then so close that rounding turns their chords."""

    def curve(p):
        if not bend:
            return np.stack([0.8 * p - 0.4, 0.3 * p + 0.1], axis=-1)
        return 0.45 * np.stack([np.cos(bend * p), np.sin(bend * p)], axis=-1)

    def stalling(p):
        return curve(p**5 if still == 0 else 0.5 + 16 * (p - 0.5) ** 5)

    protocol = dataclasses.replace(PROTOCOL, rest=rest)
    assert len(nl.mri.traverse(stalling, protocol)) == len(nl.mri.traverse(curve, protocol))


def test_a_ring_at_the_edge_stays_in_the_band():
    p = np.linspace(0, 1, 64)
    ring = complex_curve(lambda p: 0.5 * np.exp(2j * np.pi * p))
    for curve in (ring, ring(p)):
        assert nl.mri.check_trajectory(nl.mri.traverse(curve, PROTOCOL), PROTOCOL).ok


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (np.zeros((1, 2)), "with 2 samples or more"),
        (np.zeros((5, 3)), "want .*, 2"),
        (np.asarray([[0, 0], [0.1, np.nan]]), "not finite"),
        (
            np.asarray([[0, 0], [0.1, 0], [0.1, 0], [0.2, 0]]),
            "points 1 and 2 of shot 0 are the same",
        ),
        (np.asarray([[0, 0], [0.6, 0]]), "curve reaches 0.6 cycles per voxel; want at most 0.5"),
        (np.asarray([[-0.5, 0.4], [0, 0.5], [0.1, -0.4]]), "also between points"),
        (lambda p: np.ones((2, len(p), 2)) / 4, "shot 0 of curve stands still near p = 0;"),
        (lambda p: spiral(4)(np.minimum(2 * p, 1)), "curve stands still near p = 0.50"),
        (lambda p: (p / 9 + np.where(p < 0.3, -0.1, 0.1))[:, None] * [1, 2], "jumps near p = 0.3;"),
        (lambda p: p, "want a function that gives NumPy arrays"),
        (lambda p: np.stack([p, p / 0], axis=-1), "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_it_refuses(curve, message):
    with pytest.raises(ValueError, match=message):
        nl.mri.traverse(curve, PROTOCOL)


def test_rounding_may_be_too_coarse_for_a_raster():
    scanner = nl.mri.Scanner(gmax=40e-3, smax=2.0, raster=0.1e-6)
    protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    line = np.asarray([[0.3, 0.3], [0.301, 0.3]])
    assert violation(nl.mri.traverse(line, protocol), protocol) <= BAR
    with pytest.raises(ValueError, match="float32, whose rounding alone passes the limits"):
        nl.mri.traverse(line.astype(np.float32), protocol)
