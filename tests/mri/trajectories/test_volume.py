"""What patterns in three dimensions refuse, and what the table of patterns cannot hold."""

import re

import numpy as np
import pytest

from nufftlib.mri import trajectories

REFUSED = {
    "phyllotaxis_radial": (
        {"interleaves": 5},
        "interleaves is 5; want a divisor of shots, which is 12",
    ),
    "wong_radial": ({"interleaves": 8}, "interleaves is 8; want a divisor of shots, which is 12"),
    "park_radial": ({"interleaves": 0}, "interleaves is 0; want at least 1"),
    "helical_shells": ({"shells": 13}, "shells is 13; want 1 to 12"),
    "annular_shells": ({"turn": np.inf}, "turn is inf; want a finite number"),
    "seiffert_shells": ({"modulus": 1.0}, "modulus is 1.0; want 0 or more, and less than 1"),
    "seiffert_spiral": ({"modulus": -0.1}, "modulus is -0.1; want a finite number, 0 or more"),
    "cones_3d": ({"width": 0.0}, "width is 0.0; want a positive, finite number"),
    "floret": ({"axes": (0, 0)}, "axes is (0, 0); want some of the axes 0, 1, 2, each once"),
    "turbine": ({"blades": 5}, "blades is 5; want a divisor of shots, which is 12"),
    "radial_echo_planar": ({"ramp": 0.6}, "ramp is 0.6; want at most 1/2"),
    "eccentric_3d": ({"stacks": 13}, "stacks is 13; want 1 to 12"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors(name):
    settings, message = REFUSED[name]
    with pytest.raises(ValueError, match=rf"{name}\(.*\): {re.escape(message)}"):
        getattr(trajectories, name)(12, 16, **settings)


def test_floret_wants_as_many_shots_for_each_axis():
    with pytest.raises(
        ValueError, match=r"floret\(shots\): shots is 13; want a multiple of the num"
    ):
        trajectories.floret(13, 16, axes=(0, 1))


def test_a_whole_turn_of_half_a_sphere_is_none():
    once = trajectories.annular_shells(12, 16, turn=0.9, dtype=np.float64)
    again = trajectories.annular_shells(12, 16, turn=0.9 - 2 * np.pi, dtype=np.float64)
    np.testing.assert_allclose(again, once, atol=1e-15)


def test_one_spoke_of_a_koosh_ball_points_up():
    """The formula divides by the number of spokes less 1."""
    np.testing.assert_array_equal(
        trajectories.koosh_ball(1, 3), [[[0, 0, 0], [0, 0, 0.25], [0, 0, 0.5]]]
    )


@pytest.mark.parametrize("power", ["fermat", 0.5])
def test_spirals_have_names(power):
    k = trajectories.cones_3d(3, 9, power=power, dtype=np.float64)
    np.testing.assert_allclose(4 * np.sum(k**2, axis=-1), np.tile(np.arange(9) / 8, (3, 1)))
