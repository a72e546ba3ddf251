"""Lines that sway to both sides."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import positive
from nufftlib.mri.trajectories.shots import KMAX, along, angles, counts, fitted, turned


def cones_2d(
    shots: int,
    samples: int,
    *,
    zigzags: float = 5.0,
    width: float = 1.0,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Swaying spokes, ever wider outwards: each fills a sector of the disc.

    .. math:: k(t) = \tfrac12 t \left(1,\; \frac{\pi w}{D} \sin 2 \pi z |t|\right),

    turned by the tilt, at uniform ``t`` from 0 to 1, or from -1 through the centre. ``D`` is the
    number of directions: that of shots, or twice as many through the centre. A pattern that would
    leave the disc of the radius 1/2, since it is wide and has few shots, is made smaller to fit.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    zigzags : float
        Periods ``z`` from the centre to the edge.
    width : float
        ``w``: at 1 neighbours touch.
    in_out : bool
        Whether a shot passes through the centre, or begins there.
    tilt : str or float
        Angle from one shot to the next: radians, or a name of `tilt_angle`.
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

    Notes
    -----
    It is named and defined as in mri-nufft, after the cones in three dimensions.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.cones_2d(16, 512, zigzags=8).shape
    (16, 512, 2)
    """
    call = "cones_2d"
    shots, samples = counts(call, shots, samples)
    zigzags = positive(call, "zigzags", zigzags)
    width = positive(call, "width", width)
    angle = angles(call, shots, tilt, in_out)
    t = along(samples, in_out)
    sway = np.sin(2 * np.pi * zigzags * np.abs(t)) * width * np.pi / (shots * (1 + in_out))
    shot = KMAX * np.stack([t, t * sway], axis=-1)
    return make_array(call, turned(fitted(shot), angle), xp=xp, dtype=dtype, device=device)


def sinusoid(
    shots: int,
    samples: int,
    *,
    zigzags: float = 5.0,
    width: float = 1.0,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Evenly swaying spokes.

    .. math:: k(t) = \tfrac12 \left(t,\; \frac{\pi w}{D} \sin 2 \pi z t\right),

    turned by the tilt, at uniform ``t`` from 0 to 1, or from -1 through the centre. ``D`` is the
    number of directions: that of shots, or twice as many through the centre. A pattern that would
    leave the disc of the radius 1/2, since it is wide and has few shots, is made smaller to fit.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    zigzags : float
        Periods ``z`` from the centre to the edge.
    width : float
        ``w``: at 1 neighbours touch at the edge.
    in_out : bool
        Whether a shot passes through the centre, or begins there.
    tilt : str or float
        Angle from one shot to the next: radians, or a name of `tilt_angle`.
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

    Notes
    -----
    It is defined as in mri-nufft.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.sinusoid(16, 512, zigzags=3, in_out=True).shape
    (16, 512, 2)
    """
    call = "sinusoid"
    shots, samples = counts(call, shots, samples)
    zigzags = positive(call, "zigzags", zigzags)
    width = positive(call, "width", width)
    angle = angles(call, shots, tilt, in_out)
    t = along(samples, in_out)
    sway = np.sin(2 * np.pi * zigzags * t) * width * np.pi / (shots * (1 + in_out))
    shot = KMAX * np.stack([t, sway], axis=-1)
    return make_array(call, turned(fitted(shot), angle), xp=xp, dtype=dtype, device=device)


def waves(
    shots: int,
    samples: int,
    *,
    zigzags: float = 5.0,
    width: float = 1.0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Parallel waves, one beside the other, that fill the square.

    With the distance :math:`\delta = 1 / (N + w)` between neighbours,

    .. math:: k_i(t) = \left(\tfrac12 t,\;
              \delta \left(i + \tfrac{1 - N}{2}\right) + \tfrac{\delta w}{2} \cos \pi z t\right),

    at uniform ``t`` from -1 to 1.

    Parameters
    ----------
    shots : int
        Number ``N`` of waves, at least 1.
    samples : int
        Samples of each, at least 2.
    zigzags : float
        Periods ``z`` of a wave.
    width : float
        ``w``, from crest to trough in distances of neighbours.
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
        If there are too few shots or samples, or a number is not positive.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    Notes
    -----
    It is named as in mri-nufft, whose waves are not centred: they are
    :math:`w^2 / (2 N (N + w))` higher, with a width of ``1 / N`` in place of :math:`\delta`.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.waves(16, 512, zigzags=8).shape
    (16, 512, 2)
    """
    call = "waves"
    shots, samples = counts(call, shots, samples)
    zigzags = positive(call, "zigzags", zigzags)
    width = positive(call, "width", width)
    t = along(samples, in_out=True)
    distance = 2 * KMAX / (shots + width)
    line = distance * (np.arange(shots)[:, None] + (1 - shots) / 2)
    height = line + distance * width / 2 * np.cos(np.pi * zigzags * t)
    k = np.stack([np.broadcast_to(KMAX * t, height.shape), height], axis=-1)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)
