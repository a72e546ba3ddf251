"""k-space trajectories, and conversions from other units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_real,
    common_namespace,
    make_array,
)
from nufftlib.core.kinds import integer, sizes


def radial_trajectory(
    shots: int, samples: int, *, xp: Namespace = np, dtype: Any = None, device: Any = None
) -> Array:
    r"""Centre-out radial trajectory in two dimensions.

    Spoke ``i`` points into the direction ``2 pi i / shots``; its samples lie at the
    radii ``linspace(0, 1/2, samples)``, both ends included:

    .. math:: k_{ij} = \tfrac{1}{2}\,\tfrac{j}{\mathrm{samples}-1}
              \left(\cos \tfrac{2\pi i}{\mathrm{shots}},
              \sin \tfrac{2\pi i}{\mathrm{shots}}\right).

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2.
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
        If there are too few shots or samples.
    TypeError
        If their number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    G. H. Glover and J. M. Pauly, "Projection reconstruction techniques for reduction
    of motion effects in MRI", Magn. Reson. Med. 28 (1992) 275-289.

    Examples
    --------
    >>> k = radial_trajectory(4, 3)
    >>> k.shape, float(abs(k).max())
    ((4, 3, 2), 0.5)
    """
    shots = integer("radial_trajectory", "shots", shots, least=1)
    samples = integer("radial_trajectory", "samples", samples, least=2)
    angle = 2 * np.pi * np.arange(shots) / shots
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    radius = np.linspace(0, 0.5, samples)
    k = radius[None, :, None] * direction[:, None, :]
    return make_array("radial_trajectory", k, xp=xp, dtype=dtype, device=device)


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
