"""The way to a shot and back, which needs no pypulseq."""

import numpy as np
import pytest

import nufftlib as nl
from nufftlib.io.repetition import approach, repetitions
from nufftlib.mri.scanner.report import lengths

RNG = np.random.default_rng(0)


def scanner(norm="l2", gmax=40e-3):
    return nl.mri.Scanner(gmax=gmax, smax=180.0, raster=10e-6, norm=norm)


@pytest.mark.parametrize("norm", ["l2", "max"])
@pytest.mark.parametrize("far", [0.0, 1e-3, 0.1, 3.0, 40.0])
@pytest.mark.parametrize("fast", [0.0, 1e-4, 0.99])
def test_the_approach_arrives_and_keeps_the_limits(norm, far, fast):
    limits = scanner(norm)
    way, final = RNG.uniform(-1, 1, (2, 6, 3))
    way *= far
    final *= fast * limits.gmax / np.max(lengths(final, norm))
    rows = approach(way, final, limits)
    np.testing.assert_array_equal(rows[:, 0], 0)
    np.testing.assert_array_equal(rows[:, -1], final)
    np.testing.assert_allclose(np.sum(rows, axis=1), way, atol=1e-13 * max(far, 1))
    assert np.max(lengths(rows, norm)) <= limits.gmax * (1 + 1e-12)
    steps = np.max(lengths(np.diff(rows, axis=1), norm)) / limits.raster
    assert steps <= limits.smax * (1 + 1e-12)


@pytest.mark.parametrize("gmax", [1e-3, 9e-3, 40e-3])
def test_no_straight_line_is_shorter(gmax):
    limits = scanner(gmax=gmax)
    for far in RNG.uniform(0, 20 * gmax, 50):
        rows = approach(np.asarray([[far, 0, 0]]), np.zeros((1, 3)), limits)[0, :, 0]
        fewer = len(rows) - 3  # and one less, between the zeros at the ends
        rising = np.minimum(limits.gmax, limits.smax * limits.raster * np.arange(1, fewer + 1))
        assert np.sum(np.minimum(rising, rising[::-1])) < far


@pytest.mark.parametrize("rest", ["both", "start", "end", None])
def test_a_repetition_plays_the_shots_and_ends_at_the_spoiler(rest):
    protocol = nl.mri.Protocol(scanner(), (0.24, 0.2), (64, 48), rest=rest)
    k = 0.1 + np.cumsum(RNG.uniform(-1e-4, 1e-4, (5, 30, 2)), axis=1)
    rows, first = repetitions(k, protocol, before=50.0, after=800.0)
    unit = protocol.scanner.gamma * protocol.scanner.raster
    place = np.cumsum(rows, axis=1) * unit + np.asarray([0, 0, 50.0])
    want = k / np.asarray(protocol.voxel)
    np.testing.assert_allclose(place[:, first - 1 : first + 29, :2], want, rtol=1e-12)
    np.testing.assert_allclose(place[:, first - 1 : first + 29, 2], 0, atol=1e-11)
    np.testing.assert_allclose(place[:, -1], np.tile([0, 0, 800.0], (5, 1)), atol=1e-9)
    # Where there is no rest, the gradient of the end goes on for one raster time.
    for row, at_rest, end in (
        (first - 1, rest in ("both", "start"), 0),
        (first + 29, rest in ("both", "end"), -1),
    ):
        ghost = np.zeros((5, 2)) if at_rest else np.diff(want, axis=1)[:, end] / unit
        np.testing.assert_allclose(rows[:, row, :2], ghost, atol=1e-15)
