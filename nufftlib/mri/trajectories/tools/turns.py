"""Copies of a trajectory in other directions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import (
    as_integer,
    choice,
    flag,
    integer,
    integers,
    out_of_range,
    positive,
    real_values,
)
from nufftlib.mri.trajectories.shots import angles
from nufftlib.mri.trajectories.tools.common import (
    Real,
    about,
    checked,
    copies,
    from_to,
    in_space,
    like,
)

PARTITIONS = ("axial", "polar")
ORDERS = ([2, 1, 0], [0, 2, 1], [0, 1, 2])
"""The coordinates of what was made along axis 2, along axis 0, 1 or 2."""


def rotate(k: Array, rotations: int, *, tilt: str | float = "uniform", axis: int = 2) -> Array:
    r"""Return copies of a trajectory, each turned a little more about an axis.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel. Those of the plane lie at 0 of axis 2.
    rotations : int
        Number of copies; the first is the trajectory itself.
    tilt : str or float
        Angle from one copy to the next: radians, or a name of `tilt_angle`.
    axis : int
        The axis to turn about, 0 to 2, by the right-hand rule.

    Returns
    -------
    array, shape (rotations * shots, samples, 3)
        The copies, one after the other.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, a number is out of its range, or the tilt is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> line = nl.mri.trajectories.radial(1, 8, in_out=True)
    >>> nl.mri.trajectories.tools.rotate(line, 5, tilt="golden", axis=1).shape
    (5, 8, 3)
    """
    call = "rotate"
    xp = checked(call, k)
    rotations = integer(call, "rotations", rotations, least=1)
    axis = integer(call, "axis", axis, least=0, most=2)
    turns = about(axis, angles(call, rotations, tilt, in_out=False))
    return copies(xp, in_space(xp, k), turns)


def precess(
    k: Array,
    rotations: int,
    *,
    tilt: str | float = "golden",
    half: bool = False,
    partition: str = "axial",
    axis: Any = None,
) -> Array:
    r"""Return copies of a trajectory that point to all sides of a sphere.

    Copy ``i`` of ``N`` is turned, the shortest way, from the direction `axis` to

    .. math:: \left(\sqrt{1 - z_i^2} \cos i \alpha, \sqrt{1 - z_i^2} \sin i \alpha, z_i\right),

    where :math:`z_i` goes from -1 to 1 and :math:`\alpha` is the angle of the tilt. With the golden
    angle the directions are spread almost evenly.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel. Those of the plane lie at 0 of axis 2.
    rotations : int
        Number of copies.
    tilt : str or float
        Angle about axis 2 from one copy to the next: radians, or a name of `tilt_angle`.
    half : bool
        Whether :math:`z_i` begins at 0: half a sphere has all directions of shots that pass
        through the centre, and of planes.
    partition : {"axial", "polar"}
        What has even steps: :math:`z_i`, so that areas are equal, or its angle.
    axis : int or array-like of 3 numbers, optional
        The direction of the trajectory, as an axis 0 to 2 or as a vector; by default that of the
        last sample of the first shot.

    Returns
    -------
    array, shape (rotations * shots, samples, 3)
        The copies, one after the other.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, a number is out of its range, a name is unknown, or
        the direction has no length.

    Examples
    --------
    >>> import nufftlib as nl
    >>> line = nl.mri.trajectories.radial(1, 8)
    >>> nl.mri.trajectories.tools.precess(line, 100).shape
    (100, 8, 3)
    """
    call = "precess"
    xp = checked(call, k)
    rotations = integer(call, "rotations", rotations, least=1)
    azimuth = angles(call, rotations, tilt, in_out=False)
    z = np.linspace(-1.0 + flag(call, "half", half), 1.0, rotations)
    if choice(call, "partition", partition, PARTITIONS) == "polar":
        z = np.sin(np.pi / 2 * z)
    k = in_space(xp, k)
    across = np.sqrt(1 - z**2)
    target = np.stack([across * np.cos(azimuth), across * np.sin(azimuth), z], axis=-1)
    return copies(xp, k, from_to(direction(call, axis, k), target))


def direction(call: str, axis: Any, k: Array) -> Real:
    """Return the direction of a trajectory as a vector of the length 1."""
    wish = "an axis 0 to 2, or a vector of 3 numbers and some length"
    if axis is None:
        vector = np.asarray([float(k[0, -1, i]) for i in range(3)])
        wish = "one for this trajectory, whose first shot ends at the centre"
    elif as_integer(axis) is not None:
        vector = np.eye(3)[integer(call, "axis", axis, least=0, most=2)]
    else:
        vector = real_values(call, "axis", axis)
    length = np.linalg.norm(vector)
    if vector.shape != (3,) or not 0 < length < math.inf:
        raise out_of_range(call, "axis", axis, wish)
    unit: Real = vector / length
    return unit


def conify(
    k: Array,
    cones: int,
    *,
    tilt: str | float = "none",
    in_out: bool = False,
    max_angle: float = math.pi / 2,
    borders: bool = False,
) -> Array:
    r"""Return copies of a trajectory that are bent from the plane onto cones about axis 2.

    The angle of each point from axis 2 grows by :math:`\alpha_i`. With the height ``z`` and the
    distance :math:`\rho` from the axis,

    .. math:: \rho' = \rho \cos \alpha_i + z \sin \alpha_i, \qquad
              z' = z \cos \alpha_i - \rho \sin \alpha_i.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel. Those of the plane lie at 0 of axis 2; a point on the axis
        leaves it along axis 0.
    cones : int
        Number of copies.
    tilt : str or float
        Angle about axis 2 from one copy to the next, counted from the middle one: radians, or a
        name of `tilt_angle`.
    in_out : bool
        Whether shots pass through the centre at the middle sample: their second half goes on to
        the opposite side in place of turning back.
    max_angle : float
        :math:`\alpha_i` goes from minus this to this, in radians: at most half of pi.
    borders : bool
        Whether the outermost copies have the angle `max_angle`, or end one step before it. At half
        of pi they would be lines.

    Returns
    -------
    array, shape (cones * shots, samples, 3)
        The copies, one after the other.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, a number is out of its range, or the tilt is unknown.

    References
    ----------
    P. Irarrazabal and D. G. Nishimura, "Fast three dimensional magnetic resonance imaging", Magn.
    Reson. Med. 33 (1995) 656-662.

    Examples
    --------
    >>> import nufftlib as nl
    >>> spiral = nl.mri.trajectories.spiral(1, 64, revolutions=4)
    >>> nl.mri.trajectories.tools.conify(spiral, 9).shape
    (9, 64, 3)
    """
    call = "conify"
    xp = checked(call, k)
    cones = integer(call, "cones", cones, least=1)
    step = angles(call, cones, tilt, in_out=False)
    passing, closed = flag(call, "in_out", in_out), flag(call, "borders", borders)
    most = positive(call, "max_angle", max_angle)
    if most > math.pi / 2:
        raise out_of_range(call, "max_angle", most, "at most pi / 2")
    alpha = np.linspace(-most, most, cones + 2 * (not closed))
    if not closed:
        alpha = alpha[1:-1]
    middle = about(2, step[np.abs(np.arange(cones) - cones // 2)])
    turned = xp.reshape(copies(xp, in_space(xp, k), middle), (cones, *k.shape[:2], 3))
    bent = xp.reshape(bend(xp, turned, alpha[:, None, None]), (-1, k.shape[1], 3))
    if passing:
        sign = np.ones((k.shape[1], 3))
        sign[k.shape[1] // 2 :, 2] = -1.0
        bent = bent * like(xp, k, sign)
    return bent


def bend(xp: Namespace, k: Array, alpha: Real) -> Array:
    """Return points whose angles from axis 2 are larger by alpha."""
    c, s = like(xp, k, np.cos(alpha)), like(xp, k, np.sin(alpha))
    x, y, z = k[..., 0], k[..., 1], k[..., 2]
    rho = xp.hypot(x, y)
    on_axis = rho == 0
    safe = xp.where(on_axis, xp.ones_like(rho), rho)
    along = rho * c + z * s
    cosine = xp.where(on_axis, xp.ones_like(rho), x / safe)
    return xp.stack([along * cosine, along * (y / safe), z * c - rho * s], axis=-1)


def duplicate_along_axes(k: Array, axes: Any = (0, 1, 2)) -> Array:
    r"""Return copies of a trajectory along several axes, for one that was made along axis 2.

    Coordinates change places: 0 and 2 for the copy along axis 0, 1 and 2 for that along axis 1.

    Parameters
    ----------
    k : array, shape (shots, samples, 3)
        Points in cycles per voxel.
    axes : sequence of int
        The axes, 0 to 2, each at most once.

    Returns
    -------
    array, shape (len(axes) * shots, samples, 3)
        The copies, in the order of the axes given.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, or the axes are not some of 0, 1, 2.

    References
    ----------
    J. G. Pipe et al., "A new design and rationale for 3D orthogonally oversampled k-space
    trajectories", Magn. Reson. Med. 66 (2011) 1303-1311.

    Examples
    --------
    >>> import nufftlib as nl
    >>> tools = nl.mri.trajectories.tools
    >>> k = tools.conify(nl.mri.trajectories.spiral(1, 8), 3)
    >>> tools.duplicate_along_axes(k, (0, 2)).shape
    (6, 8, 3)
    """
    call = "duplicate_along_axes"
    xp = checked(call, k, (3,))
    chosen = some_axes(call, axes)
    found = [xp.stack([k[..., i] for i in ORDERS[axis]], axis=-1) for axis in chosen]
    return xp.concat(found, axis=0)


def some_axes(call: str, axes: Any) -> tuple[int, ...]:
    """Return some of the axes 0 to 2, each at most once."""
    chosen = integers(call, "axes", axes, "axes, integers from 0 to 2")
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= {0, 1, 2}:
        raise out_of_range(call, "axes", axes, "some of the axes 0, 1, 2, each once")
    return chosen
