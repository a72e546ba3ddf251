"""Curves that fill k-space by a density: random walks, and a salesman's tour."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import generator, integer
from nufftlib.mri.sampling.densities import decay_density
from nufftlib.mri.sampling.grid import Cells, cells
from nufftlib.mri.trajectories.shots import Real, counts
from nufftlib.mri.trajectories.tour import tour

CUTOFF, POWER = 0.1, 2.0
"""The density without one of the user's: constant up to this radius, then this power of it."""
PER_CITY = 8
"""Samples for each city of a tour."""


def random_walk(
    shots: int,
    samples: int,
    *,
    density: Array | None = None,
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Random walks from cell to neighbouring cell of a density.

    A step leads to one of the 8 or 26 neighbours, with probabilities in proportion to

    .. math:: \frac{\sqrt{\rho}}{1 + v / \rho},

    where the density :math:`\rho` has the mean 1, and :math:`v` counts the visits by all shots so
    far. A walk with the weights :math:`w` visits a cell in proportion to :math:`w` and the sum of
    its neighbours' weights, thus to about :math:`w^2`: the root makes visits follow the density,
    before visits count and after. The count makes the walks avoid each other, and themselves.

    Parameters
    ----------
    shots : int
        Number of walks, at least 1.
    samples : int
        Samples of each, at least 2; one at the centre of each cell visited.
    density : array, shape (n, n) or (n, n, n), real, optional
        Density on a grid, of any array library; its axes are those of the trajectory. By default
        `sampling.decay_density` in two dimensions, with as many cells as samples of all shots.
    seed : int
        Seed of starts and steps.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, d)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, the density has not two or three axes, is negative
        or zero everywhere, or a walk comes to a cell whose neighbours are all zero.
    TypeError
        If a number is no integer, or the density no array of float32 or float64.

    References
    ----------
    N. Chauffert, P. Ciuciu, J. Kahn and P. Weiss, "Variable density sampling with continuous
    trajectories", SIAM J. Imaging Sci. 7 (2014) 1962-1992, doi:10.1137/130946642.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> density = nl.mri.sampling.polynomial_density((32, 32), 2.0)
    >>> k = nl.mri.trajectories.random_walk(4, 100, density=density)
    >>> step = 32 * np.diff(k, axis=1)  # in cells
    >>> k.shape, float(abs(step).max())
    ((4, 100, 2), 1.0)
    """
    call = "random_walk"
    shots, samples = counts(call, shots, samples)
    found = given_or_default(call, density, 2, shots * samples)
    k = walked(call, found, shots, samples, generator(call, seed))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def random_walk_3d(
    shots: int,
    samples: int,
    *,
    density: Array | None = None,
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """Random walks in three dimensions, see `random_walk`.

    Parameters
    ----------
    shots : int
        Number of walks, at least 1.
    samples : int
        Samples of each, at least 2; one at the centre of each cell visited.
    density : array, shape (n, n, n), real, optional
        Density on a grid, of any array library. By default `sampling.decay_density`, with as many
        cells as samples of all shots.
    seed : int
        Seed of starts and steps.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, the density has not three axes, is negative or zero
        everywhere, or a walk comes to a cell whose neighbours are all zero.
    TypeError
        If a number is no integer, or the density no array of float32 or float64.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.random_walk_3d(4, 100).shape
    (4, 100, 3)
    """
    call = "random_walk_3d"
    shots, samples = counts(call, shots, samples)
    found = in_volume(call, given_or_default(call, density, 3, shots * samples))
    k = walked(call, found, shots, samples, generator(call, seed))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def travelling_salesman(
    shots: int,
    samples: int,
    *,
    density: Array | None = None,
    seed: int = 0,
    cities: int | None = None,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""A short closed tour through random points, cut into shots of one length.

    The points are drawn from the density :math:`\rho^{d/(d-1)}`: a shortest tour through many
    points of a density :math:`q` has a length in proportion to :math:`q^{(d-1)/d}` in a volume, and
    so the curve has the density :math:`\rho`. The samples follow it at one distance, within shots
    and from shot to shot.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    density : array, shape (n, n) or (n, n, n), real, optional
        Density on a grid, of any array library; its axes are those of the trajectory. By default
        `sampling.decay_density` in two dimensions, with as many cells as samples of all shots.
    seed : int
        Seed of the points.
    cities : int, optional
        Number of points, at least 3, by default one for each 8 samples. More points make a longer
        curve, with more corners.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, d)
        Points in cycles per voxel. The curve has corners, which no scanner plays:
        `project_trajectory` rounds them.

    Raises
    ------
    ValueError
        If there are too few shots, samples or cities, or the density has not two or three axes, is
        negative or zero everywhere.
    TypeError
        If a number is no integer, or the density no array of float32 or float64.

    Notes
    -----
    The tour along a Hilbert curve is shortened by exchanges of edges (2-opt and Or-opt) until none
    with a near neighbour helps, to about 8 % above the shortest one.

    References
    ----------
    N. Chauffert, P. Ciuciu, J. Kahn and P. Weiss, "Variable density sampling with continuous
    trajectories", SIAM J. Imaging Sci. 7 (2014) 1962-1992, doi:10.1137/130946642.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.travelling_salesman(8, 128, dtype=np.float64)
    >>> step = np.linalg.norm(np.diff(k, axis=1), axis=-1)
    >>> k.shape, bool(step.max() < 1.001 * np.median(step))  # shorter where a corner is cut
    ((8, 128, 2), True)
    """
    call = "travelling_salesman"
    shots, samples = counts(call, shots, samples)
    found = given_or_default(call, density, 2, shots * samples)
    k = toured(call, found, shots, samples, cities, generator(call, seed))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def travelling_salesman_3d(
    shots: int,
    samples: int,
    *,
    density: Array | None = None,
    seed: int = 0,
    cities: int | None = None,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """A short closed tour through random points in three dimensions, see `travelling_salesman`.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    density : array, shape (n, n, n), real, optional
        Density on a grid, of any array library. By default `sampling.decay_density`, with as many
        cells as samples of all shots.
    seed : int
        Seed of the points.
    cities : int, optional
        Number of points, at least 3, by default one for each 8 samples.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots, samples or cities, or the density has not three axes, is
        negative or zero everywhere.
    TypeError
        If a number is no integer, or the density no array of float32 or float64.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.travelling_salesman_3d(4, 100).shape
    (4, 100, 3)
    """
    call = "travelling_salesman_3d"
    shots, samples = counts(call, shots, samples)
    found = in_volume(call, given_or_default(call, density, 3, shots * samples))
    k = toured(call, found, shots, samples, cities, generator(call, seed))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def given_or_default(call: str, density: Array | None, ndim: int, total: int) -> Cells:
    """Return the user's density, or one with as many cells as there are samples, 8 an axis or more.

    One sample a cell is the grid at which the samples of all shots are as dense as the density can
    ask for.
    """
    if density is None:
        side = max(8, round(total ** (1 / ndim)))
        density = decay_density((side,) * ndim, CUTOFF, POWER, dtype=np.float64)
    return cells(call, density)


def in_volume(call: str, density: Cells) -> Cells:
    """Refuse a density of two axes."""
    if density.ndim != 3:
        msg = f"{call}(density): density has the shape {density.shape}; want cells on three axes"
        raise ValueError(msg)
    return density


def walked(call: str, density: Cells, shots: int, samples: int, rng: np.random.Generator) -> Real:
    """Return walks (shots, samples, d), all of which make their steps at the same time."""
    # A border of zeros around the grid: no step leads there.
    rho = np.pad(density.per_volume, 1)
    flat, visits = rho.reshape(-1), np.zeros(rho.size)
    weight = np.sqrt(flat)
    strides = np.cumprod((1, *rho.shape[:0:-1]))[::-1]
    around = np.asarray([o for o in product((-1, 0, 1), repeat=density.ndim) if any(o)]) @ strides
    total = np.cumsum(flat)
    place = np.searchsorted(total, rng.random(shots) * total[-1], side="right")
    path = np.empty((samples, shots), dtype=int)
    for t in range(samples):
        if t:
            near = place[:, None] + around
            rho_near = flat[near]
            odds = weight[near] * rho_near / np.maximum(rho_near + visits[near], 1e-300)
            if not (odds.sum(axis=1) > 0).all():
                msg = (
                    f"{call}(density): a cell that is not zero has neighbours that all are; want "
                    f"a way on from each"
                )
                raise ValueError(msg)
            place = near[np.arange(shots), drawn(odds, rng.random((shots, 1)))]
        path[t] = place
        np.add.at(visits, place, 1)
    index = np.stack(np.unravel_index(path.T, rho.shape), axis=-1) - 1
    return np.asarray(density.centre_of(index))


def drawn(odds: Any, u: Any) -> Any:
    """Return an index for each row of odds, by numbers (rows, 1) that are even in [0, 1)."""
    total = np.cumsum(odds, axis=-1)
    return np.argmax(total > u * total[:, -1:], axis=-1)


def toured(
    call: str,
    density: Cells,
    shots: int,
    samples: int,
    cities: int | None,
    rng: np.random.Generator,
) -> Real:
    """Return a tour (shots, samples, d) at points of one distance along it."""
    default = max(3, shots * samples // PER_CITY)
    count = integer(call, "cities", default if cities is None else cities, least=3)
    d = density.ndim
    points = density.raised(d / (d - 1)).draw(count, rng)
    points = points[tour(points)]
    closed = np.concatenate([points, points[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=-1))])
    total = shots * samples
    at = (np.arange(total) + 0.5) / total * length[-1]
    return np.stack([np.interp(at, length, x) for x in closed.T], axis=-1).reshape(
        shots, samples, d
    )
