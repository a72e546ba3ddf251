"""Spirals."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import positive
from nufftlib.mri.trajectories.shots import KMAX, along, angles, counts, turned


def spiral(
    shots: int,
    samples: int,
    *,
    revolutions: float = 1.0,
    power: float = 1.0,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Spiral trajectory whose radius is a power of the angle.

    .. math:: r(t) = \tfrac12 |t|^p, \qquad \varphi(t) = 2 \pi R\, |t|,

    at uniform ``t`` from 0 to 1. A shot that passes through the centre has ``t`` from -1 to 1; what
    is before the centre is the point reflection of what is after it.

    Parameters
    ----------
    shots : int
        Number of spirals, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` from the centre to the edge.
    power : float
        ``p``: 1 is the spiral of Archimedes, whose turns have equal distances; 1/2 that of Fermat,
        whose turns have equal areas.
    in_out : bool
        Whether a spiral passes through the centre, or begins there.
    tilt : str or float
        Angle from one spiral to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, a number is not positive, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    C. B. Ahn, J. H. Kim and Z. H. Cho, "High-speed spiral-scan echo planar NMR imaging", IEEE
    Trans. Med. Imaging 5 (1986) 2-7.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.spiral(16, 512, revolutions=4).shape
    (16, 512, 2)
    """
    call = "spiral"
    shots, samples = counts(call, shots, samples)
    revolutions = positive(call, "revolutions", revolutions)
    power = positive(call, "power", power)
    angle = angles(call, shots, tilt, in_out)
    t = along(samples, in_out)
    radius, phase = KMAX * np.sign(t) * np.abs(t) ** power, 2 * np.pi * revolutions * np.abs(t)
    shot = radius[:, None] * np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    return make_array(call, turned(shot, angle), xp=xp, dtype=dtype, device=device)
