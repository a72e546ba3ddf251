"""Spirals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag, out_of_range, positive
from nufftlib.mri.trajectories.shots import (
    KMAX,
    Real,
    along,
    angles,
    counts,
    pairs,
    spiral_power,
    turned,
)
from nufftlib.mri.trajectories.tilts import GOLDEN_RATIO

ROUNDS = 100
"""Rounds of moving samples along a spiral; 30 were enough for steps that agree in 9 digits."""


def spiral(
    shots: int,
    samples: int,
    *,
    revolutions: float = 1.0,
    power: str | float = 1.0,
    even_centre: bool = False,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Spiral trajectory whose radius is a power of the angle.

    .. math:: r(t) = \tfrac12 |t|^p, \qquad \varphi(t) = 2 \pi R\, |t|,

    at uniform ``t`` from 0 to 1. A shot that passes through the centre has ``t`` from -1 to 1; what
    is before the centre is the point reflection of what is after it.

    Parameters
    ----------
    shots : int
        Number of spirals, at least 1.
    samples : int
        Samples of each, at least 2.
    revolutions : float
        Turns ``R`` from the centre to the edge.
    power : float or str
        ``p``: 1 or "archimedes" is the spiral whose turns have equal distances; 1/2 or "fermat"
        that whose turns have equal areas; 2 or "galileo" a third one.
    even_centre : bool
        Whether the first steps have one length, up to where their mean is least. With powers
        below 1 the very first is long otherwise.
    in_out : bool
        Whether a spiral passes through the centre, or begins there.
    tilt : str or float
        Angle from one spiral to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, a number is not positive, or a name is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    C. B. Ahn, J. H. Kim and Z. H. Cho, "High-speed spiral-scan echo planar NMR imaging", IEEE
    Trans. Med. Imaging 5 (1986) 2-7.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.spiral(16, 512, revolutions=4, power="fermat").shape
    (16, 512, 2)
    """
    call = "spiral"
    shots, samples = counts(call, shots, samples)
    revolutions = positive(call, "revolutions", revolutions)
    p = spiral_power(call, power)
    angle = angles(call, shots, tilt, in_out)

    def curve(t: Real) -> NDArray[Any]:
        spiralling: NDArray[Any] = KMAX * t**p * np.exp(2j * np.pi * revolutions * t)
        return spiralling

    t = along(samples, in_out)
    even = flag(call, "even_centre", even_centre)
    shot = pairs(np.sign(t) * curve(spread(curve, t) if even else np.abs(t)))
    return make_array(call, turned(shot, angle), xp=xp, dtype=dtype, device=device)


def spread(curve: Callable[[Real], NDArray[Any]], t: Real) -> Real:
    """Return parameters of a curve from the centre, given where they are even, with even steps.

    Steps are even up to the sample where their mean length is least: there the next one is as
    long. In each round the parameters move along the polygon of the samples so far.
    """
    grid = np.concatenate([[0.0], t[t > 1e-9]])
    moved, end = grid.copy(), 1
    for _ in range(ROUNDS):
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(curve(moved))))])
        end = max(end, 1 + int(np.argmin(length[1:] / grid[1:])))
        even = length[end] * grid[:end] / grid[end]
        moved[:end] = np.interp(even, length[: end + 1], moved[: end + 1])
    spread: Real = np.interp(np.abs(t), grid, moved)
    return spread


def fibonacci_spiral(
    shots: int,
    samples: int,
    *,
    reduction: float = 1.0,
    even_centre: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Interleaved spirals through the points of a sunflower, which cover the disc evenly.

    With the ratio :math:`\tau = (1 + \sqrt 5) / 2`, point ``n`` of a sunflower has a radius like
    :math:`\sqrt n` and the angle :math:`2 \pi n / \tau`. Shot ``s`` of ``N`` has every ``N``-th of
    them from ``s`` on. As ``N`` is a Fibonacci number :math:`F_m`, these turn slowly:

    .. math:: r_s(u) = \tfrac12 \sqrt{\frac{u + s/N}{M - 1/N}}, \qquad
              \varphi_s(u) = 2 \pi \left[\left(\frac{N}{\tau} - F_{m-1}\right) u
              + \frac{s}{\tau}\right],

    at ``samples`` uniform ``u`` from 0 to ``M - 1``.

    Parameters
    ----------
    shots : int
        Number ``N`` of spirals, a Fibonacci number: 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, ...
    samples : int
        Samples of each, at least 2.
    reduction : float
        ``M`` is the number of samples, divided by this and rounded: shorter spirals, which turn
        less. At 1 the samples are the points of the sunflower.
    even_centre : bool
        Whether the first steps have one length, up to where their mean is least.
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
        If the shots are no Fibonacci number, there are too few samples, or the reduction leaves
        less than 2.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    H. E. Cline and T. R. Anthony, "Uniform k-space sampling with an interleaved Fibonacci spiral
    acquisition", Proc. ISMRM 7 (1999) 1657.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.fibonacci_spiral(21, 256).shape
    (21, 256, 2)
    """
    call = "fibonacci_spiral"
    shots, samples = counts(call, shots, samples)
    before, last = 0, 1
    while last < shots:
        before, last = last, before + last
    if last != shots:
        wish = f"a Fibonacci number, such as {before} or {last}"
        raise out_of_range(call, "shots", shots, wish)
    reduction = positive(call, "reduction", reduction)
    points = round(min(samples / reduction, 2.0**53))
    if points < 2:
        raise out_of_range(
            call, "reduction", reduction, f"at most {samples / 1.5:.6g}, for 2 points"
        )
    even = flag(call, "even_centre", even_centre)
    turning = shots / GOLDEN_RATIO - before
    k = []
    for start in np.arange(shots) / shots:

        def curve(t: Real, start: float = start) -> NDArray[Any]:
            u = t * (points - 1)
            radius = KMAX * np.sqrt((u + start) / (points - 1 / shots))
            angle = 2 * np.pi * (turning * u + shots * start / GOLDEN_RATIO)
            whirling: NDArray[Any] = radius * np.exp(1j * angle)
            return whirling

        t = along(samples, in_out=False)
        k.append(pairs(curve(spread(curve, t) if even else t)))
    return make_array(call, np.stack(k), xp=xp, dtype=dtype, device=device)


def twirl(
    shots: int,
    samples: int,
    *,
    straight: float = 0.1,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial lines that twist into spirals: TWIRL, with the curve of WHIRL.

    A shot is straight up to the radius :math:`r_0`, and then the involute of that circle. From
    there on all neighbours are as far from each other as at :math:`r_0`, which is
    :math:`2 \pi r_0 / N` for ``N`` shots:

    .. math:: r(\psi) = r_0 \sqrt{1 + \psi^2}, \qquad \varphi(\psi) = \psi - \arctan \psi.

    All steps have one length, as with a constant gradient.

    Parameters
    ----------
    shots : int
        Number of shots, at least 1.
    samples : int
        Samples of each, at least 2.
    straight : float
        The radius :math:`r_0` in cycles per voxel, up to 1/2. To support a field of view of
        ``L`` voxels it is ``shots / (2 * pi * L)``.
    in_out : bool
        Whether a shot passes through the centre, or begins there.
    tilt : str or float
        Angle from one shot to the next: radians, or a name of `tilt_angle`.
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
        If there are too few shots or samples, the radius is out of its range, or the tilt is
        unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    J. I. Jackson, D. G. Nishimura and A. Macovski, "Twisting radial lines with application to
    robust magnetic resonance imaging of irregular flow", Magn. Reson. Med. 25 (1992) 128-139.
    J. G. Pipe, "An optimized center-out k-space trajectory for multishot MRI: comparison with
    spiral and projection reconstruction", Magn. Reson. Med. 42 (1999) 714-720.

    Examples
    --------
    >>> import math
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.twirl(16, 512, straight=16 / (2 * math.pi * 128))
    """
    call = "twirl"
    shots, samples = counts(call, shots, samples)
    r0 = positive(call, "straight", straight)
    if r0 > KMAX:
        raise out_of_range(call, "straight", r0, "at most 1/2, in cycles per voxel")
    angle = angles(call, shots, tilt, in_out)
    t = along(samples, in_out)
    # The involute of length r0 psi^2 / 2 ends at the radius 1/2.
    length = np.abs(t) * (r0 + (KMAX**2 - r0**2) / (2 * r0))
    psi = np.sqrt(2 * np.maximum(length - r0, 0) / r0)
    radius = np.where(length < r0, length, r0 * np.sqrt(1 + psi**2))
    radius = np.minimum(radius, KMAX)  # rounding
    shot = pairs(np.sign(t) * radius * np.exp(1j * (psi - np.arctan(psi))))
    return make_array(call, turned(shot, angle), xp=xp, dtype=dtype, device=device)
