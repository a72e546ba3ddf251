"""What the patterns share: numbers of shots and samples, the path along a shot, turns."""

from __future__ import annotations

import math
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nufftlib.core.kinds import choice, integer, out_of_range, positive
from nufftlib.mri.trajectories.tilts import angle_between

Real = NDArray[Any]

KMAX = 0.5
"""The edge of k-space in cycles per voxel."""

DENSEST = np.pi / (2 * np.sqrt(3))
"""The share of the plane in the densest packing of equal circles."""

POWERS = {"archimedes": 1.0, "fermat": 0.5, "galileo": 2.0}
"""Of spirals: radii are powers of angles."""


def counts(call: str, shots: int, samples: int) -> tuple[int, int]:
    """Return the numbers of shots and samples; raise unless there are 1 and 2 or more."""
    return (
        integer(call, "shots", shots, least=1),
        integer(call, "samples", samples, least=2),
    )


def divisor(call: str, name: str, value: int, shots: int) -> int:
    """Return an integer of which the number of shots is a multiple; raise if it is none."""
    parts = integer(call, name, value, least=1)
    if shots % parts:
        raise out_of_range(call, name, parts, f"a divisor of shots, which is {shots}")
    return parts


def places(call: str, name: str, value: int | None, shots: int) -> int:
    """Return a number of shells or discs: by default the cube root of that of shots."""
    return integer(
        call, name, round(shots ** (1 / 3)) if value is None else value, least=1, most=shots
    )


def dealt(shots: Real, hands: int) -> Real:
    """Return shots in another order: every so manyth from the first, then from the second, ..."""
    return np.concatenate([shots[hand::hands] for hand in range(hands)])


def along(samples: int, in_out: bool) -> Real:
    """Return where the samples are on a shot: from 0, or -1 if it passes the centre, to 1."""
    return np.linspace(-1.0 if in_out else 0.0, 1.0, samples)


def spiral_power(call: str, power: str | float) -> float:
    """Return the power of a spiral, which may have its name."""
    if isinstance(power, str):
        return POWERS[choice(call, "power", power, POWERS)]
    return positive(call, "power", power)


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


def on_sphere(z: ArrayLike, azimuth: ArrayLike) -> Real:
    """Return the points (..., 3) of the unit sphere at heights from -1 to 1 and at azimuths."""
    radius = np.sqrt(1.0 - np.square(z))
    return np.stack(np.broadcast_arrays(radius * np.cos(azimuth), radius * np.sin(azimuth), z), -1)


def directions(azimuth: Real, half: bool) -> Real:
    """Return a direction of each azimuth, from the bottom of the unit sphere, or half, to the top.

    All have the same share of the area, since heights are spread as areas are. With golden angles
    they are the lattice of Fibonacci.
    """
    share = (np.arange(len(azimuth)) + 0.5) / len(azimuth)
    return on_sphere(share if half else 2 * share - 1, azimuth)


def echo_train(call: str, samples: int, lines: int, ramp: float, in_out: bool) -> tuple[Real, Real]:
    """Return where an echo train is at even times: on a line, as `along`, and at which one, from 0.

    Lines are passed back and forth. The speed on a line is a trapezoid whose ramps have a share of
    its time, and the blip from one line to the next is a triangle during its ramps.
    """
    lines = integer(call, "lines", lines, least=1)
    ramp = positive(call, "ramp", ramp)
    if ramp > 0.5:
        raise out_of_range(call, "ramp", ramp, "at most 1/2")
    time = np.linspace(0, lines, samples)
    line = np.minimum(np.floor(time), lines - 1)
    u = time - line
    # From 0 to 1 along a line: both ramps, and what is between them.
    ends = np.minimum(u, 1 - u)
    way = np.where(ends < ramp, ends**2 / (2 * ramp), ends - ramp / 2) / (1 - ramp)
    way = np.where((u < 0.5) == (line % 2 == 0), way, 1 - way)
    # Half a blip at each end of a line, but for the first and the last.
    blip = 0.5 * (np.maximum(ramp - ends, 0) / ramp) ** 2
    blip = np.where(u < 0.5, np.where(line > 0, -blip, 0), np.where(line < lines - 1, blip, 0))
    return (2 * way - 1 if in_out else way), line + blip
