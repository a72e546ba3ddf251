"""Circles at random places of a ball."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import generator, not_negative, positive
from nufftlib.mri.trajectories.planar.circles import at_most, eccentric
from nufftlib.mri.trajectories.shots import KMAX, counts, pairs, places
from nufftlib.mri.trajectories.tools.stacks import shared


def eccentric_3d(
    shots: int,
    samples: int,
    *,
    stacks: int | None = None,
    radius: float = 0.125,
    centre: float = 0.0,
    revolutions: float = 1.0,
    distance: float = 0.0,
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""ECCENTRIC: circles at random places, in discs that fill a ball.

    Disc ``i`` of ``S`` lies at the height :math:`z_i = (i + 1/2) / S - 1/2` of axis 2 and has the
    radius :math:`\rho_i = \sqrt{1/4 - z_i^2}`, and shots about in proportion to that. In each,
    circles are drawn as by `eccentric_2d`, with middles at distances from the axis that are uniform
    from 0 to :math:`\rho_i - r_i`, where :math:`r_i` is the given radius, but at most
    :math:`\rho_i / 2`. Each shot begins at its point that is next to the axis.

    Parameters
    ----------
    shots : int
        Number of circles, at least 1.
    samples : int
        Samples of each, at least 2; the first one is not repeated.
    stacks : int, optional
        Number ``S`` of discs, at most as many as shots; by default the cube root of these.
    radius : float
        Radius of the circles in cycles per voxel, up to 1/4.
    centre : float
        Share of the shots of a disc, from 0 to 1, that pass through its centre instead, evenly
        turned, as in a rosette. They are the first ones.
    revolutions : float
        Turns of each shot.
    distance : float
        Least distance of the middles of consecutive circles in cycles per voxel, up to 1/4; in
        discs that are smaller by a factor, it is so, too.
    seed : int
        Seed of the random places.
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
        If there are too few shots or samples, more discs than shots, or a number is out of its
        range.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    A. Klauser et al., "ECCENTRIC: A fast and unrestrained approach for high-resolution in vivo
    metabolic imaging at ultra-high field MR", Imaging Neurosci. 2 (2024) 1-20.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.eccentric_3d(512, 128, stacks=16, centre=0.25, distance=0.1).shape
    (512, 128, 3)
    """
    call = "eccentric_3d"
    shots, samples = counts(call, shots, samples)
    discs = places(call, "stacks", stacks, shots)
    radius = at_most(call, "radius", positive(call, "radius", radius), KMAX / 2)
    centre = at_most(call, "centre", not_negative(call, "centre", centre), 1.0)
    revolutions = positive(call, "revolutions", revolutions)
    distance = at_most(call, "distance", not_negative(call, "distance", distance), KMAX / 2)
    rng = generator(call, seed)
    turn = np.linspace(0, 2 * np.pi * revolutions, samples, endpoint=False)
    z = (np.arange(discs) + 0.5) / discs - KMAX
    rho = np.sqrt(KMAX**2 - z**2)
    number = shared(shots, rho)
    disc = [
        eccentric(rng, n, turn, min(radius, r / 2), r, centre, distance * r / KMAX)
        for n, r in zip(number, rho, strict=True)
    ]
    across = pairs(np.concatenate(disc))
    height = np.broadcast_to(np.repeat(z, number)[:, None, None], (shots, samples, 1))
    k = np.concatenate([across, height], axis=-1)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)
