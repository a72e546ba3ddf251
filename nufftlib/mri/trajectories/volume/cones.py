"""Spirals on cones."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag, out_of_range, positive
from nufftlib.mri.trajectories.shots import (
    DENSEST,
    KMAX,
    Real,
    along,
    angles,
    counts,
    directions,
    on_sphere,
    spiral_power,
)
from nufftlib.mri.trajectories.tools.common import from_to
from nufftlib.mri.trajectories.tools.turns import ORDERS, some_axes


def cones_3d(
    shots: int,
    samples: int,
    *,
    revolutions: float = 5.0,
    power: str | float = 1.0,
    width: float = 1.0,
    in_out: bool = False,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Trajectory of spirals on narrow cones that point in all directions.

    A shot winds about its direction ``e``, on the cone of the half angle :math:`\gamma`:

    .. math:: |k(t)| = \tfrac12 |t|^p, \qquad \angle(k, e) = \gamma, \qquad
              \varphi(t) = 2 \pi R\, |t|,

    at uniform ``t`` from 0 to 1. The cones of ``N`` shots, of the width 1, have the solid angles of
    the caps that pack the sphere as densely as circles do the plane,

    .. math:: \gamma = w \arccos \left(1 - \frac{2}{N} \frac{\pi}{2 \sqrt 3}\right).

    A shot that passes through the centre has ``t`` from -1 to 1, and two such caps; what is before
    the centre is the point reflection of what is after it. The directions have equal shares of the
    sphere, from the bottom to the top, or of half of it if shots pass through the centre.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` of a spiral from the centre to the edge.
    power : float or str
        ``p``: 1 or "archimedes", 1/2 or "fermat", 2 or "galileo".
    width : float
        ``w``; less than 1 makes the cones narrower.
    in_out : bool
        Whether a shot passes through the centre to the opposite cone, or begins there.
    tilt : str or float
        Angle of the directions about axis 2 from one to the next: radians, or a name of
        `tilt_angle`.
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
        If there are too few shots or samples, a number is not positive, or the tilt is
        unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    P. Irarrazabal and D. G. Nishimura, "Fast three dimensional magnetic resonance imaging", Magn.
    Reson. Med. 33 (1995) 656-662.

    B. W. Clare and D. L. Kepert, "The optimal packing of circles on a sphere", J. Math. Chem. 6
    (1991) 325-349.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.cones_3d(300, 256, revolutions=4).shape
    (300, 256, 3)
    """
    call = "cones_3d"
    shots, samples = counts(call, shots, samples)
    revolutions = positive(call, "revolutions", revolutions)
    p = spiral_power(call, power)
    width = positive(call, "width", width)
    in_out = flag(call, "in_out", in_out)
    azimuth = angles(call, shots, tilt, in_out=False)
    half_angle = width * np.arccos(1 - 2 * DENSEST / (shots * (1 + in_out)))
    shot = looped(along(samples, in_out), revolutions, p, np.cos(half_angle))
    k = shot @ from_to(np.eye(3)[2], directions(azimuth, in_out)).swapaxes(-1, -2)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def floret(
    shots: int,
    samples: int,
    *,
    revolutions: float = 1.0,
    power: str | float = 0.5,
    max_angle: float = np.pi / 2,
    axes: tuple[int, ...] = (2,),
    in_out: bool = False,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""FLORET: spirals of Fermat on a fan of cones about one axis, or several.

    Each of ``A`` axes has ``n = shots / A`` cones, whose angles from the plane across the axis are

    .. math:: \alpha_i = \alpha_{\max} \left(1 - \frac{2 (i + 1)}{n + 1}\right), \quad
              i = 0, \ldots, n - 1.

    A spiral on a cone has, at uniform ``t`` from 0 to 1, the radius and the azimuth

    .. math:: |k(t)| = \tfrac12 |t|^p, \qquad
              \varphi_i(t) = 2 \pi R\, |t| + |i - \lfloor n / 2 \rfloor|\, \beta

    with the angle :math:`\beta` of the tilt. One that passes through the centre has ``t`` from -1
    to 1; what is before the centre is the point reflection of what is after it. Two or three
    axes with an angle of a quarter of pi cover the ball more than once, and more evenly than one
    with half of pi, whose poles are dense.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` of a spiral from the centre to the edge.
    power : float or str
        ``p``: 1 or "archimedes", 1/2 or "fermat", 2 or "galileo".
    max_angle : float
        :math:`\alpha_{\max}` in radians, at most half of pi; no cone reaches it.
    axes : sequence of int
        Axes of the cones, 0 to 2, each at most once. Their shots follow one axis after the other;
        the number of shots is a multiple of theirs.
    in_out : bool
        Whether a shot passes through the centre to the opposite cone, or begins there.
    tilt : str or float
        Angle about the axis from one cone to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, or no multiple of the axes, a number is out of
        its range, the axes are not some of 0, 1, 2, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    J. G. Pipe et al., "A new design and rationale for 3D orthogonally oversampled k-space
    trajectories", Magn. Reson. Med. 66 (2011) 1303-1311.

    Examples
    --------
    >>> import math
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.floret(33, 256, max_angle=math.pi / 4, axes=(0, 1, 2))
    >>> k.shape
    (33, 256, 3)
    """
    call = "floret"
    shots, samples = counts(call, shots, samples)
    revolutions = positive(call, "revolutions", revolutions)
    p = spiral_power(call, power)
    in_out = flag(call, "in_out", in_out)
    max_angle = positive(call, "max_angle", max_angle)
    if max_angle > np.pi / 2:
        raise out_of_range(call, "max_angle", max_angle, "at most pi / 2")
    chosen = some_axes(call, axes)
    if shots % len(chosen):
        raise out_of_range(call, "shots", shots, f"a multiple of the number of axes, {len(chosen)}")
    cones = shots // len(chosen)
    i = np.arange(cones)
    beta = angles(call, cones, tilt, in_out=False)[np.abs(i - cones // 2)]
    height = np.sin(max_angle * (1 - 2 * (i + 1) / (cones + 1)))
    fan = looped(along(samples, in_out), revolutions, p, height[:, None], beta[:, None])
    k = np.concatenate([fan[..., ORDERS[axis]] for axis in chosen])
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def looped(t: Real, revolutions: float, power: float, height: Any, turn: Any = 0.0) -> Real:
    """Return spirals on cones about axis 2, which cut the unit sphere at heights."""
    radius, phase = KMAX * np.sign(t) * np.abs(t) ** power, 2 * np.pi * revolutions * np.abs(t)
    return radius[:, None] * on_sphere(height, phase + turn)
