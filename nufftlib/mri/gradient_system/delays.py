"""Delays of the gradients, and of each by the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    blank,
    check_alike,
    check_finite,
    check_real,
    common_namespace,
    namespace,
)
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.mri.gradient_system.columns import Columns


@dataclass(frozen=True, eq=False, repr=False)
class GradientDelays(Map):
    r"""The map from delays of the gradients to the trajectory that they play.

    .. math:: k_j(S) = k_j - S\, v_j,

    with the velocity :math:`v_j` of the planned trajectory, in cycles per voxel per sample, and a
    symmetric matrix :math:`S` in samples. A delay :math:`S_{aa}` of axis ``a`` moves its k-space
    to :math:`k_a(t - S_{aa})`: of straight spokes exactly, of curved shots to first order. The
    other entries are those of physical axes that the image's axes are turned against.

    Parameters
    ----------
    trajectory : array, shape (..., samples, d), real
        The planned trajectory in cycles per voxel, of 1 to 3 axes.

    Raises
    ------
    TypeError
        If the trajectory is not real floating point.
    ValueError
        If it has other axes, less than two samples, or points that are not finite.

    Notes
    -----
    The argument has the shape ``(d (d + 1) / 2,)``: the diagonal of :math:`S`, then its entries
    01, 02, 12. Velocities are half the difference of both neighbours, at the ends of a shot the
    difference of the last two samples.

    References
    ----------
    S. Rosenzweig, H. C. M. Holme and M. Uecker, "Simple auto-calibrated gradient delay estimation
    from few spokes using radial intersections (RING)", Magn. Reson. Med. 81 (2019) 1898-1906,
    doi:10.1002/mrm.27506: delays of spokes as a symmetric matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = np.asarray([[[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]], [[0.0, 0.0], [0.0, 0.1], [0.0, 0.2]]])
    >>> played = nl.mri.GradientDelays(k)(np.asarray([0.5, -1.0, 0.0]))
    >>> np.round(played[0, :, 0], 3), np.round(played[1, :, 1], 3)
    (array([-0.05,  0.05,  0.15]), array([0.1, 0.2, 0.3]))
    """

    trajectory: Array

    def __post_init__(self) -> None:
        """Refuse what is no trajectory."""
        check_shots("GradientDelays", self.trajectory)

    @property
    def start(self) -> Array:
        """No delays, shape (d (d + 1) / 2,)."""
        k = self.trajectory
        d = k.shape[-1]
        return namespace(k).zeros(d * (d + 1) // 2, dtype=k.dtype, device=device(k))

    @cached_property
    def columns(self) -> Array:
        """The trajectory's changes by each delay."""
        k = self.trajectory
        xp, d, v = namespace(k), k.shape[-1], velocity(k)
        none = xp.zeros_like(v[..., 0])

        def along(entries: dict[int, int]) -> Array:  # for axis: the velocity that it loses
            parts = [-v[..., entries[a]] if a in entries else none for a in range(d)]
            return xp.stack(parts, axis=-1)

        own = [along({a: a}) for a in range(d)]
        return xp.stack([*own, *(along({a: b, b: a}) for a, b in combinations(range(d), 2))])

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the trajectory and its Jacobian, which is the same everywhere.

        Parameters
        ----------
        x : array, shape (d (d + 1) / 2,), real
            Delays in samples.

        Returns
        -------
        trajectory : array
            The trajectory that is played.
        jacobian : LinearOperator
            From changes of the delays to those of the trajectory.
        """
        check_alike("GradientDelays(x)", "x", x, "the delays", self.start)
        J = Columns(self.columns, 1)
        return self.trajectory + J.apply(x), J

    def outline(self, x: Array) -> Array:
        """Like the trajectory."""
        check_alike("GradientDelays(x)", "x", x, "the delays", self.start)
        return blank(self.trajectory, tuple(self.trajectory.shape), complex=False)


def velocity(k: Array) -> Array:
    """Return the change of a trajectory per sample, in the middle of both neighbours."""
    xp = namespace(k)
    step = k[..., 1:, :] - k[..., :-1, :]
    inner = 0.5 * (step[..., 1:, :] + step[..., :-1, :])
    return xp.concat([step[..., :1, :], inner, step[..., -1:, :]], axis=-2)


def check_shots(call: str, k: Array) -> None:
    """Refuse a trajectory that has no shots of several samples."""
    xp = common_namespace(f"{call}(trajectory)", trajectory=k)
    check_real(xp, f"{call}(trajectory)", "trajectory", k)
    if k.ndim < 2 or k.shape[-1] not in (1, 2, 3) or k.shape[-2] < 2 or 0 in k.shape:
        msg = (
            f"{call}(trajectory): trajectory has the shape {tuple(k.shape)}; want "
            f"(..., samples, d) with 2 samples or more and 1 to 3 axes"
        )
        raise ValueError(msg)
    check_finite(xp, f"{call}(trajectory)", "trajectory", k)
