"""What the patterns share: numbers of shots and samples, the path along a shot, turns."""

from __future__ import annotations

import math
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nufftlib.core.kinds import integer
from nufftlib.mri.trajectories.tilts import angle_between

Real = NDArray[Any]

KMAX = 0.5
"""The edge of k-space in cycles per voxel."""


def counts(call: str, shots: int, samples: int) -> tuple[int, int]:
    """Return the numbers of shots and samples; raise unless there are 1 and 2 or more."""
    return (
        integer(call, "shots", shots, least=1),
        integer(call, "samples", samples, least=2),
    )


def along(samples: int, in_out: bool) -> Real:
    """Return where the samples are on a shot: from 0, or -1 if it passes the centre, to 1."""
    return np.linspace(-1.0 if in_out else 0.0, 1.0, samples)


def angles(call: str, shots: int, tilt: str | float, in_out: bool) -> Real:
    """Return the angle of each shot in radians."""
    return np.arange(shots) * angle_between(call, tilt, shots, in_out)


def rotation(angle: ArrayLike) -> Real:
    """Return the matrices (..., 2, 2) of turns from axis 0 to axis 1."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def turned(shot: Real, angle: Real) -> Real:
    """Return a shot (samples, 2), or as many as there are angles, turned by each of them."""
    result: Real = shot @ rotation(angle).swapaxes(-1, -2)
    return result


def fitted(k: Real) -> Real:
    """Return a trajectory as it is, or made smaller if it leaves the disc of the radius 1/2."""
    largest = np.linalg.norm(k, axis=-1).max()
    return k if largest <= KMAX else k * (KMAX / largest)


def pairs(z: NDArray[Any]) -> Real:
    """Return complex numbers as points of the plane."""
    return np.stack([z.real, z.imag], axis=-1)


def coprime(number: int, index: int, start: int, step: int = 1) -> int:
    """Return the index-th of start, start + step, ... that has no common divisor with `number`."""
    return next(islice((c for c in count(start, step) if math.gcd(c, number) == 1), index, None))
