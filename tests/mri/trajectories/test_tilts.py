"""Angles from shot to shot."""

import math

import numpy as np
import pytest

from nufftlib.mri.trajectories import radial, tilt_angle, tiny_golden_angle

DEGREES = {
    "none": 0.0,
    "uniform": 18.0,
    "intergaps": 4.5,
    "inverted": 189.0,
    "golden": 137.50776405,
    "mri-golden": 111.24611797,
}


@pytest.mark.parametrize("tilt", DEGREES)
def test_named_tilts(tilt):
    assert math.degrees(tilt_angle(tilt, 20)) == pytest.approx(DEGREES[tilt])
    half = math.degrees(tilt_angle(tilt, 20, in_out=True))
    assert half == pytest.approx(DEGREES[tilt] / 2)


@pytest.mark.parametrize("in_out", [False, True])
def test_an_angle_is_itself(in_out):
    assert tilt_angle(0.3, 20, in_out=in_out) == 0.3


def test_tiny_golden_angles_of_wundrak():
    found = [round(math.degrees(tiny_golden_angle(n)), 2) for n in range(1, 11)]
    assert found == [111.25, 68.75, 49.75, 38.98, 32.04, 27.2, 23.63, 20.89, 18.71, 16.95]


@pytest.mark.parametrize("order", [1, 2, 7])
def test_spokes_of_a_golden_angle_leave_three_gaps(order):
    """The gaps between any number of spokes have two or three sizes (the three-gap theorem)."""
    for spokes in (5, 13, 34, 50):
        k = radial(spokes, 3, in_out=True, tilt=tiny_golden_angle(order), dtype=np.float64)
        turns = np.sort(np.arctan2(k[:, 2, 1], k[:, 2, 0]) % math.pi)
        gaps = np.diff(turns, append=turns[0] + math.pi)
        assert len(set(gaps.round(9))) <= 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tilt_angle("gold", 3), r"tilt is 'gold'; want .*'golden'"),
        (lambda: tilt_angle(math.nan, 3), r"tilt is nan; want a finite number"),
        (lambda: tilt_angle("golden", 0), r"shots is 0; want at least 1"),
        (lambda: tiny_golden_angle(0), r"order is 0; want at least 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
