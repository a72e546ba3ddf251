"""Helices side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import choice, not_negative, positive
from nufftlib.mri.trajectories.shots import DENSEST, KMAX, Real, counts
from nufftlib.mri.trajectories.tilts import GOLDEN_RATIO

OUTLINES = {"square": np.inf, "circle": 2.0, "diamond": 1.0}
"""By name, the norm of the points of a shape."""


def wave_caipi(
    shots: int,
    samples: int,
    *,
    revolutions: float = 5.0,
    width: float = 1.0,
    packing: str = "triangular",
    outline: str = "square",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Wave-CAIPI: helices along axis 2, whose centres are packed in the plane across it.

    Helix ``i`` with the centre :math:`c_i` has, at uniform ``t`` from 0 to 1,

    .. math:: k_i(t) = \left(c_{i0} + \tfrac{w s}{2} \cos 2 \pi R t,\;
                             c_{i1} + \tfrac{w s}{2} \sin 2 \pi R t,\; t - \tfrac12\right),

    where ``s`` is the distance of neighbours. It is such that the outermost sample lies at 1/2.

    Parameters
    ----------
    shots : int
        Number of helices, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` of a helix.
    width : float
        ``w``, diameter of the helices in the distance of neighbours: with 1 they touch each other;
        with 0 they are lines.
    packing : {"triangular", "square", "circular", "fibonacci"}
        Where the centres may be: six neighbours around each, as densely as circles can be, which is
        how CAIPIRINHA shifts every second row; four; rings with a centre; or a Fibonacci lattice,
        in which ``s`` is the diameter of densely packed circles of the same number on its area.
    outline : {"square", "circle", "diamond"}
        The shape that the centres fill, from the inside to the outside.
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
    width = not_negative(call, "width", width)
    pack = PACKINGS[choice(call, "packing", packing, PACKINGS)]
    order = OUTLINES[choice(call, "outline", outline, OUTLINES)]
    t = np.linspace(0.0, 1.0, samples)
    phase = 2 * np.pi * revolutions * t
    centre = innermost(pack(shots), shots, order)
    across = centre[:, None] + width * np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    across *= KMAX / np.abs(across).max()
    z = np.broadcast_to(t - KMAX, (shots, samples))
    k = np.concatenate([across, z[..., None]], axis=-1)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def innermost(points: Real, number: int, order: float) -> Real:
    """Return the points of the least norms; of equal ones, the nearest ones, or in a square."""
    norms = [np.linalg.norm(points, ord=p, axis=-1) for p in (order, np.inf if order == 2 else 2)]
    return points[np.lexsort([norms[1].round(9), norms[0].round(9)])[:number]]


def square(number: int) -> Real:
    """Return points whose four neighbours have the distance 2: more than enough for any outline."""
    side = 2 * int(np.ceil(np.sqrt(number))) + 2
    x, y = np.meshgrid(np.arange(1 - side, side, 2.0), np.arange(1 - side, side, 2.0))
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def triangular(number: int) -> Real:
    """Return points whose six neighbours have the distance 2."""
    points = square(number)
    points[::2, 1] += 0.5
    points[1::2, 1] -= 0.5
    points[:, 0] *= np.sqrt(0.75)
    return points


def circular(number: int) -> Real:
    """Return a centre and rings, as many points on each as have at least the distance 2."""
    rings = [np.zeros((1, 2))]
    for ring in range(1, int(np.ceil(np.sqrt(number))) + 2):
        places = int(2 * np.pi * ring)
        angle = 2 * np.pi * np.arange(places) / places
        rings.append(2 * ring * np.stack([np.cos(angle), np.sin(angle)], axis=-1))
    return np.concatenate(rings)


def fibonacci(number: int) -> Real:
    """Return a lattice on a disc, with the area for each point that a dense packing would have."""
    i = np.arange(4 * number)
    radius, angle = np.sqrt((i + 0.5) / DENSEST), 2 * np.pi * i / GOLDEN_RATIO
    points: Real = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return points


PACKINGS = {
    "triangular": triangular,
    "square": square,
    "circular": circular,
    "fibonacci": fibonacci,
}
