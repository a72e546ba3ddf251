r"""Density weights by the volumes of Voronoi cells.

The cell of a point is all that is nearer to it than to any other. Its volume is the sum over its
walls: with the neighbour :math:`p_j` it shares a wall of the area :math:`A_{ij}`, at the distance
:math:`|p_i - p_j| / 2` from both, so that

.. math:: V_i = \frac{1}{2d} \sum_j A_{ij}\, |p_i - p_j| .

K-space is periodic: copies of the points stand around the period. Where the points do not fill it,
cells end at planes, half a distance of neighbours outside of the points' convex hull. A point whose
cell reaches beyond such a plane gets a mirror image behind it. The wall between both is that plane,
and on this side of it nothing is nearer to the image than to the point: all other cells stay as
they are.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, common_namespace
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import instance
from nufftlib.mri.density.scaling import Scaling
from nufftlib.nufft.operator import NUFFT

CALL = "voronoi_weights"

SAME, FINEST = 4.0, 1e-12
"""Distance up to which points are one: in units of rounding, and in cycles per voxel."""

BORDER, AROUND = 0.12, 4.0
"""Of the period, on which copies of the points stand, at least; and in distances of neighbours."""

FILLED = 1.5
"""Distance to the ends of the period, in units of the points' own, up to which they fill it."""

FAR = 8.0
"""Distance of sites that close all cells."""

ROUNDING = 1e-9
"""Of a corner, in cycles per voxel."""

ROUNDS = 8
"""Of mirror images, at most: two are enough but for cells that reach beyond several planes."""

CHUNK = 1024
"""Corners that are compared with all planes at once."""


def voronoi_weights(F: NUFFT) -> Array:
    """Density-compensation weights by the volumes of the samples' Voronoi cells.

    They are in the scale of `pipe_menon`. Samples at one place share its cell. The cells of the
    outermost samples end half a distance of neighbours further out, and where samples fill the
    period, at those of the other side.

    It computes in double precision on the CPU, by `scipy.spatial`: the trajectory is copied there
    and the weights back.

    Parameters
    ----------
    F : NUFFT
        Gives the trajectory, of two or three axes, the image shape and the norm.

    Returns
    -------
    array, shape trajectory.shape[:-1], real
        Weights, of the trajectory's dtype, library and device; positive.

    Raises
    ------
    TypeError
        If `F` is no NUFFT.
    ValueError
        If the trajectory has one axis, or its points do not span the plane or the volume.

    Notes
    -----
    The cell of a sample is where it stands in for its neighbours. So the weights are those of the
    rectangle rule, however large gaps are, and know nothing of the image's size. `pipe_menon` gives
    no sample more than the k-space that an image of `F.shape` makes alike; see the page.

    No derivative is taken: a cell changes its neighbours as points move. `PipeMenon` has one.

    References
    ----------
    V. Rasche, R. Proksa, R. Sinkus, P. Boernert and H. Eggers, "Resampling of data between
    arbitrary grids using convolution interpolation", IEEE Trans. Med. Imaging 18 (1999) 385-392.

    Examples
    --------
    Of spokes the weights grow as the radius does:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(32, 17, dtype=np.float64)
    >>> w = nl.mri.voronoi_weights(nl.NUFFT(k, (16, 16)))
    >>> bool(np.allclose(w[:, 2:-1] / w[:, 1:2], np.arange(2, 16), rtol=0.02))
    True
    """
    instance(CALL, "F", F, NUFFT, "a NUFFT")
    k = F.trajectory
    if k.shape[-1] < 2:
        msg = f"{CALL}(F): the trajectory has the shape {tuple(k.shape)}; want 2 or 3 axes"
        raise ValueError(msg)
    xp = common_namespace(f"{CALL}(F)", trajectory=k)
    volumes = shared_volumes(np.asarray(fetched(k)).reshape(-1, k.shape[-1]))
    w = xp.asarray(volumes, dtype=k.dtype, device=device(k))
    return Scaling(F, w).weights


def shared_volumes(k: Any) -> Any:
    """Return the volumes of the cells of points, shared by points at one place.

    Parameters
    ----------
    k : ndarray, shape (M, d)
        Points in cycles per voxel; they repeat with the period 1.

    Returns
    -------
    ndarray, shape (M,)
        Volumes in double precision. Where points fill the period, their sum is one.
    """
    same = max(SAME * float(np.finfo(k.dtype).eps), FINEST)
    k = np.asarray(k, np.float64)
    number = numbered(k - np.floor(k + 0.5), same)
    _, first, count = np.unique(number, return_index=True, return_counts=True)
    points = k[first] - np.floor(k[first] + 0.5)
    return (cell_volumes(points) / count)[number]


def numbered(k: Any, same: float) -> Any:
    """Return a number for each point of the period, one for points closer than `same`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    # Equal points first: of those pairs there may be many.
    distinct, index = np.unique(k, axis=0, return_inverse=True)
    tree = KDTree((distinct + 0.5) % 1.0, boxsize=np.ones(k.shape[-1]))
    pairs = tree.query_pairs(same, output_type="ndarray")
    n = len(distinct)
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n))
    return connected_components(graph, directed=False)[1][index.reshape(-1)]


def cell_volumes(points: Any) -> Any:
    """Return the volumes of the cells of distinct points in one period."""
    n, d = points.shape
    shifts = [shift for shift in itertools.product((0, -1, 1), repeat=d) if any(shift)]
    border = 0.5 + max(BORDER, AROUND * n ** (-1 / d))
    near = [np.all(np.abs(points + shift) < border, axis=-1) for shift in shifts]
    copies = [points[one] + shift for one, shift in zip(near, shifts, strict=True)]
    far = FAR * np.concatenate([np.eye(d), -np.eye(d)])  # so that no cell of a point is open
    sites = np.concatenate([points, *copies, far])
    closed = sites[np.all(np.abs(sites) <= 0.5, axis=-1)]
    normals, offsets, touching = planes_around(closed, n)
    sites = np.concatenate([sites, images(closed, touching, normals, offsets)])
    volumes = np.zeros(n)
    for _ in range(ROUNDS):
        volumes, cells, corners = diagram(sites, n)
        mirrored = mirror_images(points, cells, corners, normals, offsets)
        if not len(mirrored):
            break
        sites = np.concatenate([sites, mirrored])
    return volumes


def planes_around(closed: Any, n: int) -> tuple[Any, Any, Any]:
    """Return the planes ``normals . x = offsets`` at which cells end; none if the period is full.

    Beside them are the pairs of a point and a plane near which it lies.

    Parameters
    ----------
    closed : ndarray, shape (points, d)
        The points and copies of them in the period, its ends included.
    n : int
        Number of distinct points.
    """
    from scipy.spatial import ConvexHull, KDTree, QhullError

    d = closed.shape[-1]
    try:
        hull = ConvexHull(closed)
    except (QhullError, ValueError) as error:
        msg = f"{CALL}(F): the {n} distinct points do not span all {d} axes; want some that do"
        raise ValueError(msg) from error
    equations, sides = np.unique(np.round(hull.equations, 12), axis=0, return_inverse=True)
    # Half the distance from the corners of a side to their nearest neighbours is left outside.
    nearest = np.zeros(len(closed))
    distance, _ = KDTree(closed).query(closed[hull.vertices], k=2)
    nearest[hull.vertices] = np.asarray(distance)[:, 1]
    room = np.mean(nearest[hull.simplices], axis=-1) / 2
    sides = sides.reshape(-1)
    room = np.bincount(sides, room) / np.bincount(sides)
    normals, offsets = equations[:, :-1], room - equations[:, -1]
    ends = np.asarray(list(itertools.product((-0.5, 0.5), repeat=d)))
    if np.max(ends @ normals.T - offsets) <= FILLED * n ** (-1 / d):
        return normals[:0], offsets[:0], np.zeros((0, 2), np.int64)
    touching = np.column_stack([hull.simplices.reshape(-1), np.repeat(sides, d)])
    return normals, offsets, np.unique(touching, axis=0)


def diagram(sites: Any, n: int) -> tuple[Any, Any, Any]:
    """Return the volumes of the first `n` cells, and their corners beside the cells' numbers."""
    from scipy.spatial import Voronoi

    d = sites.shape[-1]
    found = Voronoi(sites)
    pair, walls = found.ridge_points, found.ridge_vertices
    inner = np.flatnonzero(np.min(pair, axis=-1) < n)
    pair, walls = pair[inner], [walls[i] for i in inner]
    length = np.fromiter(map(len, walls), np.int64, len(walls))
    corner = np.fromiter(itertools.chain.from_iterable(walls), np.int64, int(np.sum(length)))
    distance = np.linalg.norm(sites[pair[:, 0]] - sites[pair[:, 1]], axis=-1)
    part = wall_areas(found.vertices[corner], length) * distance / (2 * d)
    volumes = np.sum([np.bincount(side, part, len(sites)) for side in pair.T], axis=0)[:n]
    cells = np.concatenate([np.repeat(side, length) for side in pair.T])
    corners = np.concatenate([corner, corner])
    own = cells < n
    return volumes, cells[own], found.vertices[corners[own]]


def wall_areas(corners: Any, length: Any) -> Any:
    """Return lengths of the segments, or areas of the polygons, whose corners follow one another.

    Parameters
    ----------
    corners : ndarray, shape (corners, d)
        All corners, in the order around each wall.
    length : ndarray, shape (walls,)
        Number of corners of each.
    """
    first = np.cumsum(length) - length
    after = np.arange(len(corners)) + 1
    after[first + length - 1] = first
    if corners.shape[-1] == 2:
        return np.linalg.norm(corners[first] - corners[first + 1], axis=-1)
    # From a corner of the wall itself, so that products are no larger than the area.
    start = np.repeat(corners[first], length, axis=0)
    turns = np.cross(corners - start, corners[after] - start)
    return np.linalg.norm(np.add.reduceat(turns, first, axis=0), axis=-1) / 2


def mirror_images(points: Any, cells: Any, corners: Any, normals: Any, offsets: Any) -> Any:
    """Return images of the points whose cells cross a plane, behind the plane crossed first.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        The points.
    cells, corners : ndarray, shape (corners,) and (corners, d)
        The corners of their cells, and whose they are.
    normals, offsets : ndarray, shape (planes, d) and (planes,)
        The planes.
    """
    if not len(offsets):
        return points[:0]
    reach = np.linalg.norm(corners, axis=-1) > np.min(offsets)  # others are within all planes
    pairs = np.unique(np.column_stack([cells[reach], corners[reach]]), axis=0)
    cells, corners = pairs[:, 0].astype(np.int64), pairs[:, 1:]
    wanted = []
    for part in range(0, len(cells), CHUNK):
        cell, corner = cells[part : part + CHUNK], corners[part : part + CHUNK]
        slack = np.maximum(offsets - points[cell] @ normals.T, 0.0)
        beyond = corner @ normals.T - offsets
        # On the way from the point to the corner, the part of it up to the plane.
        way = np.where(beyond > ROUNDING, slack / (slack + np.maximum(beyond, ROUNDING)), np.inf)
        plane = np.argmin(way, axis=-1)
        crossed = np.isfinite(np.min(way, axis=-1))
        wanted.append(np.column_stack([cell, plane])[crossed])
    found = np.unique(np.concatenate(wanted), axis=0) if wanted else np.zeros((0, 2), np.int64)
    return images(points, found, normals, offsets)


def images(points: Any, pairs: Any, normals: Any, offsets: Any) -> Any:
    """Return the mirror images of points behind planes, for pairs of both."""
    p, normal = points[pairs[:, 0]], normals[pairs[:, 1]]
    slack = offsets[pairs[:, 1]] - np.sum(p * normal, axis=-1)
    return p + 2 * slack[:, None] * normal
