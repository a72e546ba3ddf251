"""Circles."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import generator, integer, not_negative, out_of_range, positive
from nufftlib.mri.trajectories.shots import KMAX, Real, counts, pairs


def rings(
    shots: int,
    samples: int,
    *,
    rings: int | None = None,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Concentric rings at even distances, the outer ones in several shots.

    Ring ``i`` of ``n`` has the radius :math:`(i + 1/2) / (2 n)`. Each has one shot, and the next
    is always for the ring whose shots are the longest. Its samples are evenly around it, the first
    one at the angle 0; none is there twice.

    Parameters
    ----------
    shots : int
        Number of shots, at least that of the rings.
    samples : int
        Samples of each, at least 2.
    rings : int, optional
        Number ``n`` of rings; by default one for each shot.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 2)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are more rings than shots, or too few samples.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    H. H. Wu, J. H. Lee and D. G. Nishimura, "MRI using a concentric rings trajectory", Magn.
    Reson. Med. 59 (2008) 102-112.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.rings(16, 256, rings=8).shape
    (16, 256, 2)
    """
    call = "rings"
    shots, samples = counts(call, shots, samples)
    n = shots if rings is None else integer(call, "rings", rings, least=1, most=shots)
    radius = KMAX * (np.arange(n) + 0.5) / n
    parts = np.ones(n, dtype=int)
    for _ in range(shots - n):
        parts[np.argmax(radius / parts)] += 1
    k = []
    for r, count in zip(radius, parts, strict=True):
        turn = np.linspace(0, 2 * np.pi, count * samples, endpoint=False)
        k.append(np.reshape(pairs(r * np.exp(1j * turn)), (count, samples, 2)))
    return make_array(call, np.concatenate(k), xp=xp, dtype=dtype, device=device)


def eccentric_2d(
    shots: int,
    samples: int,
    *,
    radius: float = 0.125,
    centre: float = 0.0,
    revolutions: float = 1.0,
    distance: float = 0.0,
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""ECCENTRIC: circles of one radius at random places.

    A circle's middle is at a random angle and a random distance from the centre of k-space, uniform
    from 0 to :math:`1/2 - r`. Each shot begins at its point that is next to that centre, so that
    low frequencies are all sampled early. Samples are evenly around the circle, and the first one
    is not repeated.

    Parameters
    ----------
    shots : int
        Number of circles, at least 1.
    samples : int
        Samples of each, at least 2.
    radius : float
        Radius ``r`` of the circles in cycles per voxel, up to 1/4.
    centre : float
        Share of the shots, from 0 to 1, that pass through the centre instead, evenly turned, as in
        a rosette. They are the first ones.
    revolutions : float
        Turns of each shot.
    distance : float
        Least distance of the middles of consecutive circles in cycles per voxel, up to 1/4. Those
        that are nearer are drawn again.
    seed : int
        Seed of the random places.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 2)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, or a number is out of its range.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    A. Klauser et al., "ECCENTRIC: A fast and unrestrained approach for high-resolution in vivo
    metabolic imaging at ultra-high field MR", Imaging Neurosci. 2 (2024) 1-20.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.eccentric_2d(64, 128, centre=0.25, distance=0.1).shape
    (64, 128, 2)
    """
    call = "eccentric_2d"
    shots, samples = counts(call, shots, samples)
    radius = at_most(call, "radius", positive(call, "radius", radius), KMAX / 2)
    centre = at_most(call, "centre", not_negative(call, "centre", centre), 1.0)
    revolutions = positive(call, "revolutions", revolutions)
    distance = at_most(call, "distance", not_negative(call, "distance", distance), KMAX / 2)
    turn = np.linspace(0, 2 * np.pi * revolutions, samples, endpoint=False)
    k = eccentric(generator(call, seed), shots, turn, radius, KMAX, centre, distance)
    return make_array(call, pairs(k), xp=xp, dtype=dtype, device=device)


def at_most(call: str, name: str, value: float, most: float) -> float:
    """Return the number; raise if it is above `most`."""
    if value > most:
        raise out_of_range(call, name, value, f"at most {most:g}")
    return value


def eccentric(
    rng: np.random.Generator,
    number: int,
    turn: Real,
    radius: float,
    disc: float,
    centre: float,
    distance: float,
) -> Any:
    """Return circles of a radius in a disc as complex numbers, each from its innermost point."""
    middle = middles(rng, number, disc - radius, distance)
    early = round(number * centre)
    middle[:early] = radius * np.exp(2j * np.pi * np.arange(early) / max(early, 1))
    direction = np.exp(1j * np.angle(middle))[:, None]
    return middle[:, None] - radius * direction * np.exp(1j * turn)


def middles(rng: np.random.Generator, number: int, reach: float, distance: float) -> Any:
    """Return random points as complex numbers, neighbours at least `distance` apart."""
    radius, turn = np.zeros(number), np.zeros(number)
    near = np.ones(number, dtype=bool)
    while near.any():
        radius[near] = rng.random(near.sum()) * reach
        turn[near] = rng.random(near.sum()) * 2 * np.pi
        middle = radius * np.exp(1j * turn)
        near[1:] = np.abs(np.diff(middle)) < distance
        near[0] = False
    return middle
