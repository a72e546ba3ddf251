"""Conversions of a trajectory between cycles per voxel and other units, both ways."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import device

from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import lengths, sizes


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
    return checked("from_radians", k) / (2.0 * math.pi)


def to_radians(k: Array) -> Array:
    """Convert a trajectory from cycles per voxel to radians per voxel.

    Parameters
    ----------
    k : array, real
        Points in cycles per voxel.

    Returns
    -------
    array
        Points in radians per voxel, as finufft and torchkbnufft have them.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> to_radians(np.asarray([0.5])).round(4)
    array([3.1416])
    """
    return checked("to_radians", k) * (2.0 * math.pi)


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
    return k / voxels("from_cycles_per_fov", k, shape)


def to_cycles_per_fov(k: Array, shape: tuple[int, ...]) -> Array:
    """Convert a trajectory from cycles per voxel to cycles per field of view.

    Parameters
    ----------
    k : array, shape (..., d), real
        Points in cycles per voxel.
    shape : tuple of int
        Voxels along each of the ``d`` axes of the field of view.

    Returns
    -------
    array
        Points in units of 1/FOV, as BART and sigpy have them.

    Raises
    ------
    ValueError
        If the last axis of the trajectory is not ``len(shape)``, or a size is not positive.
    TypeError
        If the trajectory is no array of float32 or float64, or a size no integer.

    Examples
    --------
    >>> import numpy as np
    >>> to_cycles_per_fov(np.asarray([[0.25, 0.25]]), (256, 128))
    array([[64., 32.]])
    """
    return k * voxels("to_cycles_per_fov", k, shape)


def from_cycles_per_metre(k: Array, shape: tuple[int, ...], fov: Any) -> Array:
    """Convert a trajectory from cycles per metre to cycles per voxel.

    Parameters
    ----------
    k : array, shape (..., d), real
        Points in 1/m, as of a Pulseq sequence.
    shape : tuple of int
        Voxels along each of the ``d`` axes of the field of view.
    fov : float or tuple of float
        Field of view in metres, along all axes or along each.

    Returns
    -------
    array
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If the last axis of the trajectory is not ``len(shape)``, a size is not positive, or a
        length missing or not positive.
    TypeError
        If the trajectory is no array of float32 or float64, or a size or a length no number.

    Examples
    --------
    >>> import numpy as np
    >>> from_cycles_per_metre(np.asarray([[500.0, 250.0]]), (256, 128), 0.256)
    array([[0.5, 0.5]])
    """
    call = "from_cycles_per_metre"
    return k * field_of_view(call, k, shape, fov) / voxels(call, k, shape)


def to_cycles_per_metre(k: Array, shape: tuple[int, ...], fov: Any) -> Array:
    """Convert a trajectory from cycles per voxel to cycles per metre.

    Parameters
    ----------
    k : array, shape (..., d), real
        Points in cycles per voxel.
    shape : tuple of int
        Voxels along each of the ``d`` axes of the field of view.
    fov : float or tuple of float
        Field of view in metres, along all axes or along each.

    Returns
    -------
    array
        Points in 1/m.

    Raises
    ------
    ValueError
        If the last axis of the trajectory is not ``len(shape)``, a size is not positive, or a
        length missing or not positive.
    TypeError
        If the trajectory is no array of float32 or float64, or a size or a length no number.

    Examples
    --------
    >>> import numpy as np
    >>> to_cycles_per_metre(np.asarray([[0.5, 0.5]]), (256, 128), 0.256)
    array([[500., 250.]])
    """
    call = "to_cycles_per_metre"
    return k * voxels(call, k, shape) / field_of_view(call, k, shape, fov)


def checked(call: str, k: Array) -> Array:
    """Return the trajectory, or refuse it."""
    check_real(common_namespace(f"{call}(k)", k=k), f"{call}(k)", "k", k)
    return k


def voxels(call: str, k: Array, shape: tuple[int, ...]) -> Array:
    """Return the voxels along each axis, like the trajectory."""
    xp = common_namespace(f"{call}(k)", k=k)
    check_real(xp, f"{call}(k)", "k", k)
    shape = sizes(call, "shape", shape, "the voxels along each axis")
    if k.ndim < 1 or k.shape[-1] != len(shape):
        msg = (
            f"{call}(k, shape): k has the shape {tuple(k.shape)}; "
            f"want (..., {len(shape)}) for the shape {shape}"
        )
        raise ValueError(msg)
    return xp.asarray(shape, dtype=k.dtype, device=device(k))


def field_of_view(call: str, k: Array, shape: tuple[int, ...], fov: Any) -> Array:
    """Return the length along each axis in metres, like the trajectory."""
    like = voxels(call, k, shape)
    xp = common_namespace(call, k=k)
    return xp.asarray(lengths(call, "fov", fov, len(shape)), dtype=k.dtype, device=device(like))
