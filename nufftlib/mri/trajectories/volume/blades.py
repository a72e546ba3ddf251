"""Stacks of lines in planes about an axis, played as echo trains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import finite, flag, integer, not_negative
from nufftlib.mri.trajectories.shots import (
    KMAX,
    Real,
    angles,
    counts,
    divisor,
    echo_train,
    spiral_power,
)


def turbine(
    shots: int,
    samples: int,
    *,
    lines: int = 8,
    ramp: float = 0.1,
    blades: int | None = None,
    skip: int = 1,
    in_out: bool = True,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""TURBINE: echo-planar planes that are turned about axis 2.

    A blade is a plane through axis 2, at the angle of the tilt from the one before, and its ``n``
    lines across the axis are dealt to its shots from the bottom to the top. There are
    :math:`n S` heights, :math:`(h + 1/2) / (n S) - 1/2`; blade ``b`` has every ``S``-th of them,
    those with :math:`h + b` a multiple of ``S``: neighbouring blades fill each other's gaps.

    A shot goes back and forth as that of echo-planar imaging does: the gradient along a line is a
    trapezoid, and blips lead to the next line during its ramps.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each at even times, ramps and blips included. With a multiple of the lines, plus
        1, all lines have the same ones.
    lines : int
        Number ``L`` of lines of a shot.
    ramp : float
        Share of the time of a line that each of its two ramps takes, up to 1/2.
    blades : int, optional
        Number ``B`` of blades, of which that of shots is a multiple; by default each shot is one.
    skip : int
        ``S``, 1 or more.
    in_out : bool
        Whether a line passes through the axis, or begins and ends there in turn.
    tilt : str or float
        Angle from one blade to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, a number is out of its range, or the tilt is
        unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    J. A. McNab, D. Gallichan and K. L. Miller, "3D steady-state diffusion-weighted imaging with
    trajectory using radially batched internal navigator echoes (TURBINE)", Magn. Reson. Med. 63
    (2010) 235-242.

    N. N. Graedel, K. L. Miller and M. Chiew, "Ultrahigh resolution fMRI at 7T using
    radial-Cartesian TURBINE sampling", Magn. Reson. Med. 88 (2022) 2058-2073, skips lines.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.turbine(16, 32 * 64 + 1, lines=32, tilt="golden").shape
    (16, 2049, 3)
    """
    call = "turbine"
    shots, samples = counts(call, shots, samples)
    parts = shots_of_blades(call, blades, shots)
    skip = integer(call, "skip", skip, least=1)
    angle = angles(call, shots // parts, tilt, in_out)
    first = -np.arange(shots // parts) % skip
    way, line = echo_train(call, samples, lines, ramp, flag(call, "in_out", in_out))
    row, heights = rows(line, lines, parts, first, skip)
    k = at_heights(way * np.exp(1j * np.repeat(angle, parts)[:, None]), row, heights)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def radial_echo_planar(
    shots: int,
    samples: int,
    *,
    lines: int = 8,
    ramp: float = 0.1,
    blades: int | None = None,
    revolutions: float = 0.0,
    power: str | float = 1.0,
    twist: float = 0.0,
    in_out: bool = True,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""REPI: stacks of lines, or spirals, that are turned about axis 2 and shifted along it.

    Each of ``B`` blades is a stack at the angle of the tilt from the one before. Of the
    :math:`H = N L` heights :math:`(h + 1/2) / H - 1/2` of ``N`` shots, blade ``b`` has those with
    :math:`h - b` a multiple of ``B``, and its shots share them from the bottom to the top: no
    height is measured twice. A line at ``h`` is, at ``t`` from -1 to 1, or from 0,

    .. math:: \tfrac12 \operatorname{sign}(t)\, |t|^p \left(\cos \varphi, \sin \varphi\right),
              \qquad \varphi = 2 \pi R\, |t| + 2 \pi T h / H,

    turned by the angle of its blade. A shot goes back and forth: the speed of ``t`` is a trapezoid,
    and blips lead to the next line during its ramps.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each at even times, ramps and blips included. With a multiple of the lines, plus
        1, all lines have the same ones.
    lines : int
        Number ``L`` of lines of a shot.
    ramp : float
        Share of the time of a line that each of its two ramps takes, up to 1/2.
    blades : int, optional
        Number ``B`` of blades, of which that of shots is a multiple; by default each shot is one.
    revolutions : float
        Turns ``R`` of a spiral from the axis to the edge; with 0 it is a line.
    power : float or str
        ``p``: 1 or "archimedes", 1/2 or "fermat", 2 or "galileo".
    twist : float
        Turns ``T`` of a blade from the bottom to the top.
    in_out : bool
        Whether a line passes through the axis, or begins and ends there in turn.
    tilt : str or float
        Angle from one blade to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, a number is out of its range, or the tilt is
        unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    C. A. Rettenmeier, D. Maziero and V. A. Stenger, "Three dimensional radial echo planar imaging
    for functional MRI", Magn. Reson. Med. 87 (2022) 193-206.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.radial_echo_planar(16, 32 * 64 + 1, lines=32, revolutions=0.5).shape
    (16, 2049, 3)
    """
    call = "radial_echo_planar"
    shots, samples = counts(call, shots, samples)
    parts = shots_of_blades(call, blades, shots)
    revolutions = not_negative(call, "revolutions", revolutions)
    p = spiral_power(call, power)
    twist = finite(call, "twist", twist)
    angle = angles(call, shots // parts, tilt, in_out)
    number = len(angle)
    way, line = echo_train(call, samples, lines, ramp, flag(call, "in_out", in_out))
    row, heights = rows(line, lines, parts, np.arange(number), number)
    turns = revolutions * np.abs(way) + twist * row / heights
    phase = 2 * np.pi * turns + np.repeat(angle, parts)[:, None]
    k = at_heights(np.sign(way) * np.abs(way) ** p * np.exp(1j * phase), row, heights)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def shots_of_blades(call: str, blades: int | None, shots: int) -> int:
    """Return how many shots a blade has."""
    return shots // (shots if blades is None else divisor(call, "blades", blades, shots))


def rows(line: Real, lines: int, parts: int, first: Real, step: int) -> tuple[Real, int]:
    """Return the row of each sample (shots, samples), and the number of rows.

    Blades have every so manyth row from their first on, and as many shots as parts.
    """
    start = (first[:, None] + step * lines * np.arange(parts)).reshape(-1, 1)
    return start + step * line, step * lines * parts


def at_heights(across: NDArray[Any], row: Real, heights: int) -> Real:
    """Return points by complex numbers for axes 0 and 1, up to 1, and the rows along axis 2."""
    z = 2 * (row + 0.5) / heights - 1
    return KMAX * np.stack(np.broadcast_arrays(across.real, across.imag, z), axis=-1)
