"""Conversions of a trajectory from other units to cycles per voxel."""

from __future__ import annotations

import math

from array_api_compat import device

from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import sizes


def from_radians(k: Array) -> Array:
    """Convert a trajectory from radians per voxel to cycles per voxel.

    Parameters
    ----------
    k : array, real
        Points in radians per voxel, one period being [-pi, pi).

    Returns
    -------
    array
        Points in cycles per voxel, one period being [-1/2, 1/2).

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from_radians(np.asarray([np.pi]))
    array([0.5])
    """
    check_real(common_namespace("from_radians(k)", k=k), "from_radians(k)", "k", k)
    return k / (2.0 * math.pi)


def from_cycles_per_fov(k: Array, shape: tuple[int, ...]) -> Array:
    """Convert a trajectory from cycles per field of view to cycles per voxel.

    Parameters
    ----------
    k : array, shape (..., d), real
        Points in units of 1/FOV; integers are the Cartesian grid.
    shape : tuple of int
        Voxels along each of the ``d`` axes of the field of view.

    Returns
    -------
    array
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If the last axis of the trajectory is not ``len(shape)``, or a size is not positive.
    TypeError
        If the trajectory is no array of float32 or float64, or a size no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from_cycles_per_fov(np.asarray([[64.0, 32.0]]), (256, 128))
    array([[0.25, 0.25]])
    """
    call = "from_cycles_per_fov"
    xp = common_namespace(f"{call}(k, shape)", k=k)
    check_real(xp, f"{call}(k, shape)", "k", k)
    shape = sizes(call, "shape", shape, "the voxels along each axis")
    if k.ndim < 1 or k.shape[-1] != len(shape):
        msg = (
            f"from_cycles_per_fov(k, shape): k has the shape {tuple(k.shape)}; "
            f"want (..., {len(shape)}) for the shape {shape}"
        )
        raise ValueError(msg)
    return k / xp.asarray(shape, dtype=k.dtype, device=device(k))
