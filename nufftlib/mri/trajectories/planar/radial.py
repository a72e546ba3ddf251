"""Straight lines from or through the centre."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.mri.trajectories.shots import KMAX, along, angles, counts


def radial(
    shots: int,
    samples: int,
    *,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in two dimensions: spokes from the centre, or through it.

    Spoke ``i`` points into the direction :math:`i \alpha`, with the angle :math:`\alpha` of the
    tilt. Its samples lie at the radii :math:`r_j`, ``linspace(0, 1/2, samples)``, or from -1/2 if
    it passes through the centre; both ends are included:

    .. math:: k_{ij} = r_j \left(\cos i \alpha, \sin i \alpha\right).

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    tilt : str or float
        Angle from one spoke to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, or the tilt is unknown.
    TypeError
        If their number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    G. H. Glover and J. M. Pauly, "Projection reconstruction techniques for reduction
    of motion effects in MRI", Magn. Reson. Med. 28 (1992) 275-289.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(4, 3)
    >>> k.shape, float(abs(k).max())
    ((4, 3, 2), 0.5)
    """
    call = "radial"
    shots, samples = counts(call, shots, samples)
    angle = angles(call, shots, tilt, in_out)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    k = KMAX * along(samples, in_out)[:, None] * direction[:, None, :]
    return make_array(call, k, xp=xp, dtype=dtype, device=device)
