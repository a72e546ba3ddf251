"""Concentric spheres."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import finite, positive
from nufftlib.mri.trajectories.shots import KMAX, Real, angles, counts, places
from nufftlib.mri.trajectories.tools.common import about
from nufftlib.mri.trajectories.tools.stacks import shared
from nufftlib.mri.trajectories.volume.seiffert import below_one, seiffert_curve
from nufftlib.mri.trajectories.volume.spokes import winding


def helical_shells(
    shots: int,
    samples: int,
    *,
    shells: int | None = None,
    reduction: float = 1.0,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Concentric spherical shells of interleaved helices.

    Shell ``i`` of ``S`` has the radius :math:`(i + 1/2) / (2 S)`, and shots about in proportion to
    its area. Sample ``n`` of ``N`` of interleaf ``m`` of ``M``, both counted from 1, lies at the
    height and the azimuth

    .. math:: z_n = \frac{2 n - N - 1}{N}, \qquad
              \varphi_{mn} = \sqrt{\frac{\pi N}{M R}} \arcsin z_n + \frac{2 \pi m}{M}

    on the unit sphere. All samples of a shell have the same area; without reduction, the turns at
    the equator are as far from each other as the samples on a turn.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    shells : int, optional
        Number ``S`` of shells, at most as many as shots; by default the cube root of these.
    reduction : float
        ``R``, with which the turns are fewer by its root, and samples nearer to each other.
    tilt : str or float
        Angle about axis 2 from one shell to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, or more shells than shots, a number is not
        positive, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    Y. Shu, S. J. Riederer and M. A. Bernstein, "Three-dimensional MRI with an undersampled
    spherical shells trajectory", Magn. Reson. Med. 56 (2006) 553-562.

    S. T. S. Wong and M. S. Roos, "A strategy for sampling on a sphere applied to 3D selective RF
    pulse design", Magn. Reson. Med. 32 (1994) 778-784.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.helical_shells(35, 512, shells=3)
    >>> sorted({round(float((shot[0] ** 2).sum() ** 0.5), 4) for shot in k})
    [0.0833, 0.25, 0.4167]
    """
    call = "helical_shells"
    shots, samples = counts(call, shots, samples)
    reduction = positive(call, "reduction", reduction)
    unit = [
        winding(samples, count, False, reduction).reshape(count, samples, 3)
        for count in shots_of_shells(call, shells, shots)
    ]
    k = concentric(call, unit, tilt)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def annular_shells(
    shots: int,
    samples: int,
    *,
    shells: int | None = None,
    turn: float = np.pi / 2,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Concentric spherical shells of rings that are cut into halves, turned and joined again.

    Shell ``i`` of ``S`` has the radius :math:`(i + 1/2) / (2 S)`, and shots about in proportion to
    its area. ``M`` rings, at the latitudes :math:`\pi (2 j + 1 - M) / (2 M)`, are cut by the
    plane of axes 0 and 2. One half of the sphere is turned about axis 1 by :math:`p \pi / M`, so
    that its half rings meet the ends of others. A shot is a half ring and the one that it meets:
    long and short ones are joined, and the next shot goes on where it ends. With ``p`` and ``M``
    that have no common divisor, all shots of a shell are one closed curve.

    Either half ring has half of the samples, at even distances.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    shells : int, optional
        Number ``S`` of shells, at most as many as shots; by default the cube root of these.
    turn : float
        Angle of one half against the other, in radians; the nearest :math:`p \pi / M` is taken.
    tilt : str or float
        Angle about axis 2 from one shell to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, or more shells than shots, the angle is not
        finite, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    H. Gerlach and H. von der Mosel, "On sphere-filling ropes", Am. Math. Mon. 118 (2011) 863-876.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.annular_shells(35, 64, shells=3).shape
    (35, 64, 3)
    """
    call = "annular_shells"
    shots, samples = counts(call, shots, samples)
    turn = finite(call, "turn", turn)
    unit = [rope(count, samples, turn) for count in shots_of_shells(call, shells, shots)]
    k = concentric(call, unit, tilt)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def seiffert_shells(
    shots: int,
    samples: int,
    *,
    shells: int | None = None,
    modulus: float = 0.5,
    revolutions: float = 1.0,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Concentric spherical shells of Seiffert's spirals, on which a point moves at constant speed.

    Shell ``i`` of ``S`` has the radius :math:`(i + 1/2) / (2 S)`, and shots about in proportion to
    its area. Shot ``m`` of ``M`` is the curve

    .. math:: \left(\mathrm{sn}(s) \cos (\kappa s), \mathrm{sn}(s) \sin (\kappa s),
                    \mathrm{cn}(s)\right),
              \qquad s = 4 K(\kappa)\, R\, t, \quad 0 \le t < 1,

    by Jacobi's elliptic functions of the modulus :math:`\kappa` and their quarter period ``K``,
    turned about axis 2 by :math:`2 \pi m / M`.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    shells : int, optional
        Number ``S`` of shells, at most as many as shots; by default the cube root of these.
    modulus : float
        :math:`\kappa`, from 0, a great circle, to below 1, with ever more turns about axis 2.
    revolutions : float
        ``R``, how often a shot comes back to the upper pole.
    tilt : str or float
        Angle about axis 2 from one shell to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, or more shells than shots, the modulus or the
        revolutions are out of range, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    P. Erdos, "Spiraling the Earth with C. G. J. Jacobi", Am. J. Phys. 68 (2000) 888-895.

    A. J. Brizard, "A primer on elliptic functions with applications in classical mechanics", Eur.
    J. Phys. 30 (2009) 729-750.

    P. Irarrazabal and D. G. Nishimura, "Fast three dimensional magnetic resonance imaging", Magn.
    Reson. Med. 33 (1995) 656-662.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.seiffert_shells(35, 512, shells=3, revolutions=2).shape
    (35, 512, 3)
    """
    call = "seiffert_shells"
    shots, samples = counts(call, shots, samples)
    modulus = below_one(call, "modulus", modulus)
    revolutions = positive(call, "revolutions", revolutions)
    curve = seiffert_curve(np.arange(samples) / samples, modulus, revolutions)
    unit = [
        curve @ about(2, 2 * np.pi * np.arange(count) / count).swapaxes(-1, -2)
        for count in shots_of_shells(call, shells, shots)
    ]
    k = concentric(call, unit, tilt)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def shots_of_shells(call: str, shells: int | None, shots: int) -> list[int]:
    """Return the numbers of shots of the shells, about in proportion to their areas."""
    radius = np.arange(places(call, "shells", shells, shots)) + 0.5
    return shared(shots, radius**2)


def concentric(call: str, unit: list[Real], tilt: str | float) -> Real:
    """Return shots on unit spheres on shells in place, each turned about axis 2."""
    shells = len(unit)
    placed = about(2, angles(call, shells, tilt, in_out=False)).swapaxes(-1, -2)
    placed *= KMAX * (np.arange(shells) + 0.5)[:, None, None] / shells
    return np.concatenate([unit[i] @ placed[i] for i in range(shells)])


def rope(rings: int, samples: int, turn: float) -> Real:
    """Return the shots (rings, samples, 3) of the unit sphere for `annular_shells`.

    Half rings begin and end on the great circle of axes 0 and 2, at ``2 M`` places ``a`` with the
    angles ``(a + 1/2) pi / M - pi / 2`` from axis 0: the one half of the sphere joins ``a`` to
    ``2 M - 1 - a``, and the other, turned by ``p`` places, this to ``a + 2 p``. So each half ring
    of the first kind has one end at an even place, where its shot begins, and shots that follow
    each other are ``2 p`` places apart.
    """
    p = round(turn % (2 * np.pi) / np.pi * rings)
    curves = np.gcd(p, rings)
    follow = np.arange(rings // curves)
    first = 2 * (np.arange(curves)[:, None] + p * follow).reshape(-1) % (2 * rings)
    second = 2 * rings - 1 - first - p
    t = 2 * np.arange(samples) / samples
    k = np.where(
        (t < 1)[:, None], half_ring(first, t, rings, -1), half_ring(second, t - 1, rings, 1)
    )
    angle = np.where(t < 1, 0.0, p * np.pi / rings)
    # From axis 0 to axis 2, which is backwards about axis 1.
    result: Real = (about(1, -angle) @ k[..., None])[..., 0]
    return result


def half_ring(place: Real, t: Real, rings: int, side: int) -> Real:
    """Return half rings from their places, on the side of axis 1, at ``t`` from 0 to 1."""
    latitude = ((place + 0.5) / rings - 0.5)[:, None] * np.pi
    x = np.cos(latitude) * np.cos(np.pi * t)
    y = side * np.abs(np.cos(latitude)) * np.sin(np.pi * t)
    return np.stack(np.broadcast_arrays(x, y, np.sin(latitude)), -1)
