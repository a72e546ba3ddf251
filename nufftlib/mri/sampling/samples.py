"""Points that are drawn from a density: at random, apart from each other, or evenly."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import generator, integer
from nufftlib.core.threads import threads
from nufftlib.mri.sampling.grid import Cells, cells, folded, like

JAMMED = {2: 0.547, 3: 0.384}
"""Part of the volume that discs hold which are laid at random until none finds a place."""

SHRINK, TRIALS = 0.97, 4
"""Discs get smaller by this factor after so many rounds that placed less than 1 % of the rest."""


def random_samples(density: Array, count: int, *, seed: int) -> Array:
    """Draw independent points from a density.

    Parameters
    ----------
    density : array, shape (n, n) or (n, n, n), real
        Density on a grid, 0 or more; its scale does not matter. It is constant in each cell.
    count : int
        Number of points, at least 1.
    seed : int
        Seed; one seed gives the same points in every library and on every device.

    Returns
    -------
    array, shape (count, d)
        Points in cycles per voxel, in [-1/2, 1/2), of the dtype, library and device of the density.

    Raises
    ------
    ValueError
        If the density has not two or three axes, is negative or zero everywhere, or `count` is
        not positive.
    TypeError
        If the density is no array of float32 or float64, or a setting no integer.

    Examples
    --------
    >>> import nufftlib as nl
    >>> density = nl.mri.sampling.decay_density((64, 64), 0.1, 2.0)
    >>> k = random_samples(density, 1000, seed=0)
    >>> k.shape, bool((abs(k) <= 0.5).all())
    ((1000, 2), True)
    """
    call = "random_samples"
    found = cells(call, density)
    count = integer(call, "count", count, least=1)
    return like(density, found.draw(count, generator(call, seed)))


def poisson_disc_samples(density: Array, count: int, *, seed: int) -> Array:
    r"""Draw points that keep a distance which the density sets.

    Two points are no nearer than

    .. math:: r(k) = c\,(m\,\rho(k))^{-1/d}

    with the density at the one of them that was drawn later, :math:`\int \rho = 1`, and ``m``
    points. At first ``c`` is so large that hardly as many discs have room (0.83 in two dimensions,
    0.9 in three). It falls by 3 % whenever trials find no more room, until all points have some: to
    about 0.75 for even densities, and 0.5 for steep ones.

    Parameters
    ----------
    density : array, shape (n, n) or (n, n, n), real
        Density on a grid, 0 or more; its scale does not matter. It is constant in each cell.
    count : int
        Number of points, at least 1.
    seed : int
        Seed; one seed gives the same points in every library and on every device.

    Returns
    -------
    array, shape (count, d)
        Points in cycles per voxel, in [-1/2, 1/2), of the dtype, library and device of the density.

    Raises
    ------
    ValueError
        If the density has not two or three axes, is negative or zero everywhere, or `count` is
        not positive.
    TypeError
        If the density is no array of float32 or float64, or a setting no integer.

    Notes
    -----
    Throwing darts: candidates are drawn from the density, many at once, and one that is too near
    to a point, or to a candidate before it, is thrown away.

    References
    ----------
    R. Bridson, "Fast Poisson disk sampling in arbitrary dimensions", ACM SIGGRAPH Sketches (2007).

    R. L. Cook, "Stochastic sampling in computer graphics", ACM Trans. Graph. 5 (1986) 51-72.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from scipy.spatial import cKDTree
    >>> density = nl.mri.sampling.polynomial_density((64, 64), 0.0)  # uniform
    >>> k = poisson_disc_samples(density, 400, seed=0)
    >>> nearest = cKDTree(k).query(k, k=2)[0][:, 1]
    >>> bool(nearest.min() > 0.7 * 400**-0.5)
    True
    """
    call = "poisson_disc_samples"
    found = cells(call, density)
    count = integer(call, "count", count, least=1)
    return like(density, thrown(found, count, generator(call, seed)))


def thrown(density: Cells, count: int, rng: np.random.Generator) -> Any:
    """Return points (count, d) that keep their distances."""
    from scipy.spatial import cKDTree

    d = density.ndim
    ball = {2: np.pi / 4, 3: np.pi / 6}[d]  # of diameter 1
    scale = (JAMMED[d] / ball) ** (1 / d)
    points = np.empty((0, d))
    poor = 0
    while len(points) < count:
        missing = count - len(points)
        k = density.draw(max(256, 2 * missing), rng)
        r = scale * (count * density.at(k)) ** (-1 / d)
        if len(points):
            far = cKDTree(points).query(k)[0] >= r
            k, r = k[far], r[far]
        kept = k[first_of_near(k, r)][:missing]
        points = np.concatenate([points, kept])
        poor = poor + 1 if len(kept) < 0.01 * missing else 0
        if poor == TRIALS:
            scale, poor = SHRINK * scale, 0
    return points


def first_of_near(k: Any, r: Any) -> Any:
    """Tell which points have no earlier one within their radius."""
    from scipy.spatial import cKDTree

    if not len(k):
        return np.zeros(0, dtype=bool)
    near = cKDTree(k).query_ball_point(k, r)
    return np.asarray([min(found) == i for i, found in enumerate(near)])


def lloyd_samples(
    density: Array, count: int, *, seed: int, steps: int = 30, cloud: int = 64
) -> Array:
    r"""Spread points evenly in a density, by Lloyd's algorithm.

    Each point goes to the centre of mass of its Voronoi cell, again and again. The masses are
    those of the density :math:`\rho^{(d+2)/d}`: the points at which the moment of inertia

    .. math:: E(K) = \int \rho(x)^{(d+2)/d} \min_i |x - k_i|^2 \, dx

    is least have the density :math:`\rho`, since optimal quantisers of a density :math:`q` have
    one in proportion to :math:`q^{d/(d+2)}`.

    Parameters
    ----------
    density : array, shape (n, n) or (n, n, n), real
        Density on a grid, 0 or more; its scale does not matter. It is constant in each cell.
    count : int
        Number of points, at least 1.
    seed : int
        Seed of the start and of the cloud; one seed gives the same points in every library and
        on every device.
    steps : int
        Number of steps; each makes ``E`` smaller.
    cloud : int
        Number of random points for each point by which integrals are computed.

    Returns
    -------
    array, shape (count, d)
        Points in cycles per voxel, in [-1/2, 1/2), of the dtype, library and device of the density.

    Raises
    ------
    ValueError
        If the density has not two or three axes, is negative or zero everywhere, or a number is
        out of range.
    TypeError
        If the density is no array of float32 or float64, or a setting no integer.

    References
    ----------
    S. P. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982) 129-137.

    P. L. Zador, "Asymptotic quantization error of continuous signals and the quantization
    dimension", IEEE Trans. Inf. Theory 28 (1982) 139-149 (the exponent).

    Examples
    --------
    >>> import nufftlib as nl
    >>> density = nl.mri.sampling.decay_density((64, 64), 0.1, 2.0)
    >>> lloyd_samples(density, 200, seed=0).shape
    (200, 2)
    """
    call = "lloyd_samples"
    found = cells(call, density)
    count = integer(call, "count", count, least=1)
    steps = integer(call, "steps", steps, least=0)
    cloud = integer(call, "cloud", cloud, least=2)
    rng = generator(call, seed)
    return like(density, folded(Quantiser(found, count, cloud, rng).run(steps)))


class Quantiser:
    """Points, and the cloud by which their cells are measured.

    The cloud is drawn from the density itself, so that a cell of the final points has about as
    much of it as any other, and weighted by the rest of the masses, ``density^(2/d)``.

    Parameters
    ----------
    density : Cells
        The target.
    count, cloud : int
        Number of points, and of the cloud's for each.
    rng : Generator
        Draws both.
    """

    def __init__(self, density: Cells, count: int, cloud: int, rng: np.random.Generator) -> None:
        self.points = density.draw(count, rng)
        self.cloud = density.draw(count * cloud, rng)
        self.weights = density.at(self.cloud) ** (2 / density.ndim)
        self.energies: list[float] = []
        """Moment of inertia about the points before each step."""

    def run(self, steps: int) -> Any:
        """Return the points after so many steps."""
        for _ in range(steps):
            self.step()
        return self.points

    def step(self) -> None:
        """Move each point to the centre of mass of its cell; one without cloud stays."""
        from scipy.spatial import cKDTree

        distance, owner = cKDTree(self.points).query(self.cloud, workers=threads())
        self.energies.append(float(np.mean(self.weights * distance**2)))
        size = len(self.points)
        mass = np.bincount(owner, self.weights, size)
        moment = [np.bincount(owner, self.weights * x, size) for x in self.cloud.T]
        some = mass > 0
        self.points = self.points.copy()
        self.points[some] = np.stack(moment, axis=-1)[some] / mass[some, None]
