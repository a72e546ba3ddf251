"""Spherical spirals of Seiffert."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag, not_negative, out_of_range, positive
from nufftlib.mri.trajectories.shots import KMAX, Real, along, angles, counts, directions
from nufftlib.mri.trajectories.tilts import TILTS
from nufftlib.mri.trajectories.tools.common import about, from_to


def seiffert_spiral(
    shots: int,
    samples: int,
    *,
    modulus: float = 0.2,
    revolutions: float = 1.0,
    power: float = 0.5,
    in_out: bool = False,
    tilt: str | float = "golden",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Spherical spirals of Seiffert that grow from the centre, in all directions.

    A shot is, at uniform ``t`` from 0 to 1, a power of ``t`` as the radius along a curve on the
    unit sphere on which a point moves at constant speed,

    .. math:: k(t) = \tfrac12 t^p \left(\mathrm{sn}(s) \cos (\kappa s),
                     \mathrm{sn}(s) \sin (\kappa s), \mathrm{cn}(s)\right), \qquad
              s = 4 K(\kappa)\, R\, t,

    by Jacobi's elliptic functions of the modulus :math:`\kappa` and their quarter period ``K``. A
    shot that passes through the centre has ``t`` from -1 to 1; what is before the centre is the
    point reflection of what is after it.

    The directions of the last samples have equal shares of the sphere, from the bottom to the top,
    or of half of it if shots pass through the centre. About its direction, shot ``i`` is turned by
    ``i`` golden angles. It is also known as Yarnball.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    modulus : float
        :math:`\kappa`, from 0, a great circle, to below 1, with ever more turns.
    revolutions : float
        ``R``, how often a shot comes back to its direction.
    power : float
        ``p``. With 1/2 the samples become denser towards the centre, as one over the radius; with
        1/3 all have the same volume.
    in_out : bool
        Whether a shot passes through the centre, or begins there.
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
        If there are too few shots or samples, the modulus, the revolutions or the power are
        out of range, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    T. Speidel, P. Metze and V. Rasche, "Efficient 3D low-discrepancy k-space sampling using highly
    adaptable Seiffert spirals", IEEE Trans. Med. Imaging 38 (2019) 1833-1840.

    R. W. Stobbe and C. Beaulieu, "Three-dimensional Yarnball k-space acquisition for accelerated
    MRI", Magn. Reson. Med. 85 (2021) 1840-1854.

    P. Erdos, "Spiraling the Earth with C. G. J. Jacobi", Am. J. Phys. 68 (2000) 888-895.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.seiffert_spiral(100, 512, revolutions=4, power=1 / 3).shape
    (100, 512, 3)
    """
    call = "seiffert_spiral"
    shots, samples = counts(call, shots, samples)
    modulus = below_one(call, "modulus", modulus)
    revolutions = positive(call, "revolutions", revolutions)
    power = positive(call, "power", power)
    in_out = flag(call, "in_out", in_out)
    azimuth = angles(call, shots, tilt, in_out=False)
    t = along(samples, in_out)
    curve = seiffert_curve(np.abs(t), modulus, revolutions)
    shot = (np.sign(t) * np.abs(t) ** power)[:, None] * curve
    upright = from_to(curve[-1], np.eye(3)[2:])
    turns = about(2, np.arange(shots) * TILTS["golden"](shots))
    directed = from_to(np.eye(3)[2], directions(azimuth, in_out)) @ turns @ upright
    k = KMAX * shot @ directed.swapaxes(-1, -2)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def seiffert_curve(t: Real, modulus: float, revolutions: float) -> Real:
    """Return points of the unit sphere (..., 3), at the upper pole for whole turns ``R t``."""
    from scipy.special import ellipj, ellipk  # takes longer to import than all of this package

    s = 4 * ellipk(modulus**2) * revolutions * t
    sn, cn, _, _ = ellipj(s, modulus**2)
    return np.stack([sn * np.cos(modulus * s), sn * np.sin(modulus * s), cn], axis=-1)


def below_one(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is 0 or more, and less than 1."""
    x = not_negative(call, name, value)
    if x >= 1:
        raise out_of_range(call, name, x, "0 or more, and less than 1")
    return x
