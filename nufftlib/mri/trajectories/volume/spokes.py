"""Straight lines from or through the centre, by the directions in which they point."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag
from nufftlib.mri.trajectories.shots import KMAX, Real, along, counts, on_sphere

ROOT = 1.4655712318767680
"""The real root of ``x**3 = x**2 + 1``: for three numbers what the golden ratio is for two."""


def golden_means_radial(
    shots: int,
    samples: int,
    *,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions whose directions follow two golden means.

    Any number of consecutive spokes is spread almost evenly over the sphere. With

    .. math:: m_1 = \rho^{-2} = 0.46557, \quad m_2 = \rho^{-1} = 0.68233, \quad \rho^3 = \rho^2 + 1

    and :math:`\{x\} = x - \lfloor x \rfloor`, spoke ``i`` from the centre points to the height
    and the azimuth

    .. math:: z_i = 2 \{i m_1\} - 1, \qquad \varphi_i = 2 \pi \{i m_2\}.

    A spoke through the centre has :math:`z_i = \{i m_1\}`, on half a sphere.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
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
        If there are too few shots or samples.
    TypeError
        If their number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    R. W. Chan, E. A. Ramsay, C. H. Cunningham and D. B. Plewes, "Temporal stability of adaptive
    3D radial MRI using multidimensional golden means", Magn. Reson. Med. 61 (2009) 354-363.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.golden_means_radial(300, 64, in_out=True)
    >>> k.shape, [round(float(z), 4) for z in 2 * k[:4, -1, 2]]
    ((300, 64, 3), [0.0, 0.4656, 0.9311, 0.3967])
    """
    call = "golden_means_radial"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    i = np.arange(shots)
    height = i / ROOT**2 % 1
    direction = on_sphere(height if in_out else 2 * height - 1, 2 * np.pi * i / ROOT)
    k = lines(direction, along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def lines(direction: Real, path: Real) -> Real:
    """Return a spoke of each direction (shots, 3), with its samples along the path."""
    return KMAX * path[:, None] * direction[:, None, :]
