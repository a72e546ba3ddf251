"""Splines: the curve that they are, and the limits that it keeps."""

import dataclasses

import numpy as np
import pytest
from scans import PROTOCOL, SCANNER, random_protocol, violation, wandering
from scipy.interpolate import BSpline

import nufftlib as nl
from nufftlib.mri.learn.stages import refined


def spline_of(c, rest):
    """Return the curve of control points in SciPy: quadratic, with knots between the points."""
    head = c[:1] if rest in ("both", "start") else 2 * c[:1] - c[1:2]
    tail = c[-1:] if rest in ("both", "end") else 2 * c[-1:] - c[-2:-1]
    c = np.concatenate([head, c, tail])  # at the times -1, 0, ..., points
    return BSpline(np.arange(len(c) + 3) - 2.5, c, 2)


@pytest.mark.parametrize("rest", ["both", "start", "end", None])
@pytest.mark.parametrize("points", [2, 3, 4, 9])
def test_samples_are_those_of_scipys_spline(rest, points):
    rng = np.random.default_rng(points)
    c = rng.standard_normal((points, 2))
    B = nl.mri.BSpline(points, 57, points / 56 * (1 - 1e-14), -0.5, rest)
    times = -0.5 + np.arange(57) * points / 56
    want = spline_of(c, rest)(np.clip(times, -0.5, points - 0.5 - 1e-12))
    np.testing.assert_allclose(B(c), want, atol=1e-10)


@pytest.mark.parametrize("rest", ["both", "start", "end", None])
def test_a_straight_line_stays_one_where_there_is_no_rest(rest):
    c = np.arange(5.0)[:, None] * [[1.0, -2.0]]
    B = nl.mri.BSpline(5, 11, 0.5, -0.5, rest)
    times = -0.5 + 0.5 * np.arange(11)
    away = np.abs(B(c)[:, 0] - times) > 1e-12
    assert away[0] == (rest in ("both", "start"))
    assert away[-1] == (rest in ("both", "end"))
    assert not np.any(away[2:-2])


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("samples", [64, 101])
def test_a_curve_keeps_the_limits_that_its_control_points_keep(number, samples):
    """Control points are a trajectory at their own distance in time, here on its limits."""
    rng = np.random.default_rng(number)
    protocol = random_protocol(rng, number)
    points = int(rng.integers(2, 30))
    spacing = points / (samples - 1)
    coarse = dataclasses.replace(
        protocol,
        scanner=dataclasses.replace(protocol.scanner, raster=protocol.scanner.raster / spacing),
    )
    c = wandering(rng, coarse, 2, points, 3.0)
    c = nl.mri.project_trajectory(c, coarse).trajectory
    ends = protocol.rests_at_start, protocol.rests_at_end  # without rest: not beyond the points
    spacing = (points - 1 + 0.5 * sum(ends)) / (samples - 1)
    B = nl.mri.BSpline(points, samples, spacing, -0.5 * ends[0], protocol.rest, protocol.ndim)
    k = B(c)
    assert violation(k, protocol) <= 1e-12
    # And where it is fast, not by wasting them.
    if number % 4 == 0:
        assert violation(1.5 * k, protocol) > 0


@pytest.mark.parametrize("rest", ["both", "start", "end", None])
@pytest.mark.parametrize("points", [2, 3, 8])
def test_refined_control_points_make_the_same_curve(row, points, rest):
    protocol = dataclasses.replace(PROTOCOL, rest=rest)
    more = sum(end not in ("both", rest) for end in ("start", "end")) if rest != "both" else 0
    c = np.random.default_rng(points).standard_normal((3, points + more, 2))
    fine = refined(row.array(c), protocol)
    assert row.owns(fine, "float64")
    assert fine.shape == (3, 2 * points + more, 2)
    first = -0.5 if rest in ("both", "start") else 0.5
    curves = [
        nl.mri.BSpline(n + more, 41, n / 40 * (1 - 1e-14), first, rest)(p)
        for n, p in ((points, c), (2 * points, row.numpy(fine)))
    ]
    np.testing.assert_allclose(curves[1], curves[0], atol=1e-12)


@pytest.mark.parametrize(
    ("dwell", "samples", "count"),
    [
        (None, 16, 15),
        (10e-6, 16, 15),
        (4e-6, 16, 37),
        (20e-6, 16, 7),
        (150e-6, 16, 1),
        (3e-6, 2, 3),
    ],
)
def test_the_receiver_samples_in_the_middle_of_its_dwell_times(dwell, samples, count):
    protocol = dataclasses.replace(PROTOCOL, dwell=dwell, rest=None)
    R = nl.mri.receiver(protocol, samples)
    assert R.samples == count
    line = np.arange(float(samples))[:, None] * [[1.0, 2.0]]
    spacing = (dwell or 10e-6) / 10e-6
    times = (np.arange(count) + 0.5) * spacing
    assert times[-1] + spacing / 2 <= samples - 1 + 1e-9
    np.testing.assert_allclose(R(line), times[:, None] * [[1.0, 2.0]], atol=1e-12)


def test_the_receiver_sees_the_rest():
    k = np.ones((4, 2))
    k[0] = 0
    at_rest, free = (
        nl.mri.receiver(dataclasses.replace(PROTOCOL, dwell=1e-6, rest=rest), 4)(k)[0, 0]
        for rest in ("both", None)
    )
    # At f = 0.05: of the point itself and the one before it, which is 0 or -1; and of the next.
    weights = 0.45**2 / 2, 0.75 - 0.05**2, 0.55**2 / 2
    assert at_rest == pytest.approx(weights[2])
    assert free == pytest.approx(weights[2] - weights[0])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"points": 1}, ValueError, "points"),
        ({"points": 2.5}, TypeError, "points"),
        ({"samples": 0}, ValueError, "samples"),
        ({"spacing": 0.0}, ValueError, "spacing"),
        ({"spacing": "1"}, TypeError, "spacing"),
        ({"ndim": 0}, ValueError, "ndim"),
        ({"rest": "middle"}, ValueError, "rest"),
        ({"first": -0.6}, ValueError, "the samples are at times from -0.6"),
        ({"spacing": 1.2}, ValueError, "half a distance around the control points"),
        ({"first": float("nan")}, ValueError, "want a finite number"),
    ],
)
def test_a_spline_refuses_what_does_not_fit(settings, error, message):
    good = {"points": 4, "samples": 4, "spacing": 1.0}
    with pytest.raises(error, match=message):
        nl.mri.BSpline(**{**good, **settings})


def test_a_receiver_refuses_what_does_not_fit():
    with pytest.raises(TypeError, match="want a Protocol"):
        nl.mri.receiver(SCANNER, 4)
    with pytest.raises(ValueError, match="samples"):
        nl.mri.receiver(PROTOCOL, 1)
    slow = dataclasses.replace(PROTOCOL, dwell=1e-3)
    with pytest.raises(ValueError, match=r"16 samples last 0.00015 s; want a dwell time of"):
        nl.mri.receiver(slow, 16)
