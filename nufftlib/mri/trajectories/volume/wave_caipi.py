"""Helices side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import positive
from nufftlib.mri.trajectories.shots import KMAX, counts
from nufftlib.mri.trajectories.tools.offsets import packing_offsets


def wave_caipi(
    shots: int,
    samples: int,
    *,
    revolutions: float = 5.0,
    width: float = 1.0,
    packing: str = "triangular",
    shape: str | float = "square",
    spacing: Any = (1.0, 1.0),
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Wave-CAIPI: helices along axis 2, whose centres are packed in the plane across it.

    Helix ``i`` with the centre :math:`c_i` has, at uniform ``t`` from 0 to 1,

    .. math:: k_i(t) = \left(c_{i0} + \tfrac{w s}{2} \cos 2 \pi R t,\;
                             c_{i1} + \tfrac{w s}{2} \sin 2 \pi R t,\; t - \tfrac12\right),

    where ``s`` is the distance of neighbours in a dense packing. It is such that the outermost
    coordinate is 1/2.

    Parameters
    ----------
    shots : int
        Number of helices, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` of a helix.
    width : float
        ``w``, diameter of the helices in the distance of neighbours: with 1 they touch each other,
        unless spacings of more than 1 move them apart.
    packing, shape, spacing, seed : str, str or float, float or tuple of 2 numbers, int
        Where the centres are, as of `tools.packing_offsets`: the triangular packing is as dense as
        circles can be, and shifts every second row as CAIPIRINHA does.
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
        If there are too few shots or samples, a number is out of its range, or a name is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    B. Bilgic et al., "Wave-CAIPI for highly accelerated 3D imaging", Magn. Reson. Med. 73 (2015)
    2152-2162.

    F. A. Breuer et al., "Controlled aliasing in volumetric parallel imaging (2D CAIPIRINHA)", Magn.
    Reson. Med. 55 (2006) 549-556.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.wave_caipi(64, 512, revolutions=8, packing="square")
    >>> k.shape, float(abs(k).max())
    ((64, 512, 3), 0.5)
    """
    call = "wave_caipi"
    shots, samples = counts(call, shots, samples)
    revolutions = positive(call, "revolutions", revolutions)
    width = positive(call, "width", width)
    t = np.linspace(0.0, 1.0, samples)
    phase = 2 * np.pi * revolutions * t
    centre = packing_offsets(
        shots, packing=packing, shape=shape, spacing=spacing, seed=seed, dtype=np.float64
    )
    across = centre[:, None] + width * np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    across *= KMAX / np.abs(across).max()
    z = np.broadcast_to(t - KMAX, (shots, samples))
    k = np.concatenate([across, z[..., None]], axis=-1)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)
