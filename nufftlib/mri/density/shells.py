"""Density weights of shots that are rotations of one another."""

from __future__ import annotations

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import instance
from nufftlib.mri.density.scaling import Scaling
from nufftlib.nufft.operator import NUFFT

CALL = "shell_weights"


def shell_weights(F: NUFFT) -> Array:
    r"""Density-compensation weights of spokes and spirals, by the shells that they cross.

    A sample stands for the way from the middle :math:`k_{j-1/2}` between it and the sample before
    to the middle :math:`k_{j+1/2}` between it and the one after. Turned into all directions, this
    way sweeps

    .. math:: w_j \propto \left|r_j^d - r_{j-1/2}^d\right| + \left|r_{j+1/2}^d - r_j^d\right|,
              \qquad r = |k| .

    It is the ramp :math:`|k|^{d-1}\, \mathrm{d}|k|` of spokes, with the right value at the centre,
    and of a spiral the determinant :math:`k \cdot \mathrm{d}k / \mathrm{d}t`. The scale is that of
    `pipe_menon`.

    Parameters
    ----------
    F : NUFFT
        Gives the trajectory, of the shape (shots, samples, d), the image shape and the norm. The
        shots are taken to be turned evenly about the centre, as those of `trajectories.radial` and
        `trajectories.spiral` are, and in 3D of `trajectories.golden_means_radial`.

    Returns
    -------
    array, shape (shots, samples), real
        Weights, of the trajectory's dtype.

    Raises
    ------
    TypeError
        If `F` is no NUFFT.
    ValueError
        If the trajectory has not three axes, shots have less than two samples, or all samples are
        at the centre.

    References
    ----------
    R. D. Hoge, R. K. S. Kwan and G. B. Pike, "Density compensation functions for spiral MRI",
    Magn. Reson. Med. 38 (1997) 117-128.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(101, 33, dtype=np.float64), (32, 32))
    >>> w = nl.mri.shell_weights(F)
    >>> np.round(w[0, :4] / w[0, 1], 3)
    array([0.125, 1.   , 2.   , 3.   ])
    """
    instance(CALL, "F", F, NUFFT, "a NUFFT")
    k = F.trajectory
    if k.ndim != 3 or k.shape[1] < 2:
        msg = (
            f"{CALL}(F): the trajectory has the shape {tuple(k.shape)}; want (shots, samples, "
            f"{k.shape[-1]}) with two samples or more"
        )
        raise ValueError(msg)
    xp, d = F.transform.xp, k.shape[-1]
    middle = radius(xp, 0.5 * (k[:, 1:, :] + k[:, :-1, :]))
    own = radius(xp, k)
    # Beyond its ends a shot continues as it came, but not through the centre.
    first, last = 2.0 * own[:, :1] - middle[:, :1], 2.0 * own[:, -1:] - middle[:, -1:]
    before = xp.concat([xp.clip(first, 0.0), middle], axis=1)
    after = xp.concat([middle, xp.clip(last, 0.0)], axis=1)
    w = xp.abs(own**d - before**d) + xp.abs(after**d - own**d)
    if float(xp.max(w)) <= 0:
        msg = f"{CALL}(F): all samples are at one radius; want shots that leave the centre"
        raise ValueError(msg)
    return Scaling(F, w).weights


def radius(xp: Namespace, k: Array) -> Array:
    """Return ``|k|``."""
    return xp.sqrt(xp.sum(k * k, axis=-1))
