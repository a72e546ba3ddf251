r"""The largest ball in which a trajectory has no sample.

The distance :math:`f` of a point :math:`x` to the nearest sample :math:`p_i` has

.. math:: f(x)^2 = |x|^2 + \min_i \left(|p_i|^2 - 2\,p_i \cdot x\right).

The points :math:`(x, t)` with :math:`t \le |p_i|^2 - 2\,p_i \cdot x` for all samples, and with
:math:`x` in their convex hull, are a polyhedron. On it :math:`|x|^2 + t` is convex, so that its
largest value is at a vertex: at one of the Voronoi diagram, or where the diagram meets the hull.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nufftlib.core.arrays import Array, check_finite, check_real, common_namespace
from nufftlib.core.convert import fetched

CALL = "largest_hole(k)"
AT_FIRST = 1000
"""Samples of which the first diagram is made, besides those of the hull."""

ROUNDING = 1e-10
"""Part of a radius up to which two are equal."""

FLAT = 1e-12
"""Part of the largest variance up to which points have none: a millionth of the extent."""


class Hole(NamedTuple):
    """An empty ball.

    Attributes
    ----------
    centre : ndarray, shape (d,)
        Its centre, in the unit of the trajectory.
    radius : float
        Its radius.
    """

    centre: Any
    radius: float


def largest_hole(k: Array) -> Hole:
    """Find the largest ball without a sample, its centre in the convex hull of all samples.

    It computes in double precision on the CPU, to which the trajectory is copied from a GPU.

    Parameters
    ----------
    k : array, shape (..., d), real
        Points of up to three axes, in any unit: in cycles per voxel, or times the image's
        shape in steps of 1/FOV.

    Returns
    -------
    Hole
        Centre and radius. Of several largest holes, as symmetry makes them, it is one.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64.
    ValueError
        If it has more than three axes, or a point is not finite.

    Notes
    -----
    The result is exact up to rounding. The centre is a vertex of the samples' Voronoi diagram, or
    lies where the diagram meets the hull. The diagram is made of some samples first. Those that lie
    in one of its balls, larger than the largest that is known to be empty, are added until there is
    none: few of the samples matter.

    Points in a plane or on a line have their largest hole there. A sampling of the Cartesian grid
    has holes of half the diagonal of its step.

    Examples
    --------
    Between the ends of eight spokes is most room:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(8, 100, dtype=np.float64)
    >>> hole = nl.mri.largest_hole(k)
    >>> round(hole.radius, 3), round(float(np.linalg.norm(hole.centre)), 2)
    (0.177, 0.46)
    """
    xp = common_namespace(CALL, k=k)
    check_real(xp, CALL, "k", k)
    check_finite(xp, CALL, "k", k)
    if k.ndim < 2 or k.shape[-1] not in (1, 2, 3) or 0 in k.shape:
        msg = f"{CALL}: k has the shape {tuple(k.shape)}; want (..., d), of 1 to 3 axes"
        raise ValueError(msg)
    points = np.unique(np.asarray(fetched(k), np.float64).reshape(-1, k.shape[-1]), axis=0)
    # In coordinates about the middle and of the size one, so that rounding is that of the result.
    middle = np.mean(points, axis=0)
    size = float(np.abs(points - middle).max()) or 1.0
    points = (points - middle) / size
    axes = plane_of(points)
    centre, radius = (largest_gap if len(axes) < 2 else largest_ball)(points @ axes.T)
    return Hole(middle + size * (centre @ axes), size * radius)


def plane_of(points: Any) -> Any:
    """Return orthonormal axes of the points' own line, plane or space."""
    d = points.shape[-1]
    _, lengths, axes = np.linalg.svd(np.cov(points.T, ddof=0).reshape(d, d))
    rank = int(np.sum(lengths > FLAT * lengths[0]))
    return np.eye(d) if rank == d else axes[:rank]


def largest_gap(points: Any) -> tuple[Any, float]:
    """Return middle and half of the largest gap between points of a line."""
    x = np.sort(np.sum(points, axis=-1))  # of one coordinate, or of none
    gaps = np.diff(x)
    if not len(gaps):
        return points[0], 0.0
    i = int(np.argmax(gaps))
    return np.asarray([(x[i] + x[i + 1]) / 2]), float(gaps[i]) / 2


def largest_ball(points: Any) -> tuple[Any, float]:
    """Return centre and radius of the largest empty ball in a plane or in space."""
    from scipy.spatial import ConvexHull, KDTree

    tree, hull = KDTree(points), ConvexHull(points)
    used = np.union1d(hull.vertices, np.arange(0, len(points), len(points) // AT_FIRST + 1))
    centre, radius = points[0], 0.0
    while True:
        centres, radii = vertices(points[used], hull.equations)
        larger = centres[radii > radius * (1 + ROUNDING)]
        if not len(larger):
            break
        distances, nearest = map(np.asarray, tree.query(larger))
        best = int(np.argmax(distances))
        if distances[best] > radius:
            centre, radius = larger[best], float(distances[best])
        more = np.union1d(used, nearest)
        if len(more) == len(used):  # they are empty, but for rounding
            break
        used = more
    return centre, radius


def vertices(points: Any, sides: Any) -> tuple[Any, Any]:
    """Return the vertices of the Voronoi diagram within the hull, and how far the points are.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        The points.
    sides : ndarray, shape (sides, d + 1)
        Normal and offset of each side of the hull, negative within.
    """
    from scipy.spatial import HalfspaceIntersection

    squares = np.sum(points**2, axis=-1)
    below = np.column_stack([2 * points, np.ones(len(points)), -squares])
    within = np.insert(np.unique(sides, axis=0), points.shape[-1], 0.0, axis=1)
    inside = np.mean(points, axis=0)
    bottom = np.min(squares - 2 * points @ inside) - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):  # downwards the polyhedron has no end
        found = HalfspaceIntersection(
            np.concatenate([below, within]), np.append(inside, bottom)
        ).intersections
    found = found[np.all(np.isfinite(found), axis=-1)]
    squared = np.sum(found[:, :-1] ** 2, axis=-1) + found[:, -1]
    return found[:, :-1], np.sqrt(np.maximum(squared, 0.0))
