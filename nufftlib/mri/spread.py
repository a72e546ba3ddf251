"""The point-spread function of a trajectory: what it makes of a single bright voxel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.arrays import (
    Array,
    check_alike,
    check_finite,
    check_real,
    common_namespace,
    complex_dtype,
)
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import sizes
from nufftlib.core.notebook import card, picture
from nufftlib.mri.density.pipe_menon import pipe_menon
from nufftlib.nufft.operator import NUFFT

FINE, NEAR, FINER = 2, 8, 16
"""Values in each voxel: of the whole function, near its centre, and along the axes."""

PATCH = 64
"""Values along each axis near the centre."""

MOST = 2**21
"""Values of the whole function: 724 x 724 or 64 x 64 x 64 voxels."""


@dataclass(frozen=True)
class PointSpread:
    """The point-spread function of a trajectory, of the value 1 at its centre.

    Parameters
    ----------
    values : ndarray, shape (n_1, ..., n_d)
        Its magnitude at each half voxel; the centre has the index ``n // 2``.
    sections : tuple of ndarray, shape (2, n)
        For each axis, positions along it in voxels, 16 in each, and the magnitude there.
    widths : tuple of float
        Full width at half maximum along each axis in voxels; infinite if it does not fall so far.
    sidelobe : float
        The largest of its other maxima; 0 if there is none.
    """

    values: Any
    sections: tuple[Any, ...]
    widths: tuple[float, ...]
    sidelobe: float

    def _repr_html_(self) -> str:
        return card(self, values=picture)


def point_spread(k: Array, shape: tuple[int, ...], *, weights: Array | None = None) -> PointSpread:
    r"""Compute the point-spread function of a trajectory with density weights.

    .. math:: P(r) = \frac{\left|\sum_j w_j\, e^{2 \pi i k_j \cdot r}\right|}{\sum_j w_j}

    It computes on the CPU, to which the arrays are copied from a GPU.

    Parameters
    ----------
    k : array, shape (..., d), real
        Trajectory in cycles per voxel.
    shape : tuple of int
        Voxels of the image along each axis. The function is computed in this field of view, or in
        the middle of it: of at most :math:`2^{21}` values, as of 724 x 724 or 64 x 64 x 64 voxels.
    weights : array, shape k.shape[:-1], real, optional
        Density weights of the samples; by default those of `pipe_menon`.

    Returns
    -------
    PointSpread
        Values, sections along the axes, widths, and the largest sidelobe.

    Raises
    ------
    TypeError
        If the arrays are not real of one precision.
    ValueError
        If a shape does not fit, a point is not finite, or the sum of the weights is not positive.

    Notes
    -----
    The half maximum is that of the magnitude, -6 dB. All of the square k-space sampled evenly has
    the width 1.207 voxels along the axes and the sidelobe 0.217 (-13.3 dB); a disc in it 1.410
    voxels and 0.132 (-17.6 dB). Sidelobes are looked for at each half voxel, and at each eighth
    within four voxels of the centre.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(101, 64)
    >>> found = nl.mri.point_spread(k, (64, 64))
    >>> found.values.shape, round(float(found.values[64, 64]), 5)
    ((128, 128), 1.0)
    >>> [round(width, 1) for width in found.widths]
    [1.5, 1.5]
    """
    call = "point_spread(k, shape, weights)"
    arrays = {"k": k} if weights is None else {"k": k, "weights": weights}
    xp = common_namespace(call, **arrays)
    for name, array in arrays.items():
        check_real(xp, call, name, array)
        check_finite(xp, call, name, array)
    shape = sizes("point_spread", "shape", shape, "the voxels along each axis", counts=(1, 2, 3))
    if k.ndim < 2 or k.shape[-1] != len(shape):
        msg = f"{call}: k has the shape {tuple(k.shape)}; want (..., {len(shape)}) for {shape}"
        raise ValueError(msg)
    if weights is not None:
        check_alike("point_spread(weights)", "weights", weights, "k[..., 0]", k[..., 0])
    F = NUFFT(np.asarray(fetched(k)), shape)
    w = pipe_menon(F) if weights is None else np.asarray(fetched(weights))
    total = float(np.sum(w))
    if not 0 < total < math.inf:
        msg = f"{call}: the sum of the weights is {total:g}; want a positive, finite one"
        raise ValueError(msg)
    w = (w / total).astype(complex_dtype(np, F.trajectory))
    most = math.floor(MOST ** (1 / len(shape)) * (1 + 1e-9))
    window = tuple(min(FINE * n, most) for n in shape)

    def magnitude(k: Any, fine: int, values: tuple[int, ...]) -> Any:
        return np.abs(NUFFT(k / fine, values).adjoint(w))

    values = magnitude(F.trajectory, FINE, window)
    near = magnitude(F.trajectory, NEAR, (PATCH,) * len(shape))
    sections = []
    for a, n in enumerate(FINER // FINE * m for m in window):
        along = magnitude(F.trajectory[..., a : a + 1], FINER, (n,))
        sections.append(np.stack([(np.arange(n) - n // 2) / FINER, along]))
    return PointSpread(
        values,
        tuple(sections),
        tuple(map(width, sections)),
        max(sidelobe(values), sidelobe(near)),
    )


def width(line: Any) -> float:
    """Return the full width at half maximum of a section."""
    position, values = line
    middle = len(values) // 2
    ends = []
    for step in (-1, 1):
        at, value = position[middle::step], values[middle::step]
        below = np.flatnonzero(value < 0.5)
        if not len(below):
            return math.inf
        i = below[0]
        part = (value[i - 1] - 0.5) / (value[i - 1] - value[i])
        ends.append(at[i - 1] + part * (at[i] - at[i - 1]))
    return float(ends[1] - ends[0])


def sidelobe(values: Any) -> float:
    """Return the largest local maximum apart from the centre, and from the edge of the window."""
    from scipy.ndimage import maximum_filter

    peaks = values == maximum_filter(values, 3)
    peaks[tuple(n // 2 for n in values.shape)] = False
    inner = (slice(1, -1),) * values.ndim
    return float(np.max(values[inner], where=peaks[inner], initial=0.0))
