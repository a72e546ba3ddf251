"""What walks and tours refuse; their properties are in ``patterns.py``."""

import numpy as np
import pytest

from nufftlib.mri import trajectories

HOLES = np.zeros((8, 8))
HOLES[::2, ::2] = 1  # no cell has a neighbour


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: trajectories.random_walk(2, 9, density=HOLES),
            r"random_walk\(density\): a cell that is not zero has neighbours that all are; want",
        ),
        (
            lambda: trajectories.random_walk_3d(2, 9, density=np.ones((4, 4))),
            r"random_walk_3d\(density\): density has the shape \(4, 4\); want cells on three axes",
        ),
        (
            lambda: trajectories.travelling_salesman_3d(2, 9, density=np.ones((4, 4))),
            r"travelling_salesman_3d\(density\): density has the shape \(4, 4\); want cells on",
        ),
        (
            lambda: trajectories.travelling_salesman(2, 9, cities=2),
            r"travelling_salesman\(cities\): cities is 2; want at least 3",
        ),
        (
            lambda: trajectories.random_walk(2, 9, density=-HOLES),
            r"random_walk\(density\): it is negative or not finite, or has no sum; want 0 or more",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_axes_are_those_of_the_density():
    volume = np.ones((4, 5, 6), np.float32)
    for make in (trajectories.random_walk, trajectories.travelling_salesman):
        assert make(2, 9, density=volume).shape == (2, 9, 3)
        three = getattr(trajectories, f"{make.__name__}_3d")
        np.testing.assert_array_equal(make(2, 9, density=volume), three(2, 9, density=volume))
