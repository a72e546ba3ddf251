"""Petals and other figures of two oscillations."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag, integer, out_of_range, positive
from nufftlib.mri.trajectories.shots import KMAX, coprime, counts, pairs


def rosette(
    shots: int,
    samples: int,
    *,
    winding: int = 0,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Rosette: one closed curve whose petals are the shots.

    With ``t`` from ``i`` to ``i + 1`` along petal ``i`` of ``N``,

    .. math:: r(t) = \pm \tfrac12 \sin \pi t, \qquad \varphi(t) = \frac{\pi c}{N'} \, t,

    turned so that the middle of the curve is along axis 0; :math:`N' = N` if ``N`` is odd, and
    ``N / 2`` if it is even. The whole number ``c`` makes all petals different.

    Parameters
    ----------
    shots : int
        Number ``N`` of petals, at least 1.
    samples : int
        Samples of each at uniform ``t``, at least 2, both ends included: where a petal ends, the
        next one begins.
    winding : int
        Which of the possible numbers ``c`` it is, from 0: the slimmest petals, and ever wider ones.
        They are without a common divisor with :math:`N'`, and odd, but even for odd ``N / 2``.
    in_out : bool
        Whether a shot goes from edge to edge through the centre, or from the centre to the edge
        and back.
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
        If there are too few shots or samples, or the winding is negative.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    D. C. Noll, "Multishot rosette trajectories for spectrally selective MR imaging", IEEE Trans.
    Med. Imaging 16 (1997) 372-377.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.rosette(16, 256, winding=2).shape
    (16, 256, 2)
    """
    call = "rosette"
    shots, samples = counts(call, shots, samples)
    winding = integer(call, "winding", winding, least=0)
    odd, through = shots % 2, flag(call, "in_out", in_out)
    half = shots if odd else shots // 2
    c = coprime(half, winding, start=1 if odd else half % 2 + 1, step=2)
    t = petals(shots, samples)
    radius = KMAX * np.sin(np.pi * t + np.pi / 2 * (odd - through))
    k = pairs(radius * np.exp(1j * np.pi * c / half * t))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def petals(shots: int, samples: int) -> Any:
    """Return the parameters (shots, samples) of a curve, which is 0 in its middle, 1 for a shot."""
    return np.arange(shots)[:, None] + np.linspace(0, 1, samples) - shots / 2


def lissajous(
    shots: int,
    samples: int,
    *,
    ratio: float = 1.0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""A sine along each axis: Lissajous figures.

    .. math:: k_i(t) = \tfrac12 \left(\sin \frac{\pi t}{2},\;
              \sin \left(\frac{\pi q t}{2} + \frac{2 \pi i}{N}\right)\right),

    at uniform ``t`` from -1 to 1. With the ratio 1 they are halves of ellipses in the square.

    Parameters
    ----------
    shots : int
        Number ``N`` of figures, at least 1.
    samples : int
        Samples of each, at least 2.
    ratio : float
        ``q``, the frequency along axis 1 over that along axis 0.
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
        If there are too few shots or samples, or the ratio is not positive.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    H. Feng et al., "Single-shot MR imaging using trapezoidal-gradient-based Lissajous
    trajectories", IEEE Trans. Med. Imaging 22 (2003) 925-932.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.lissajous(16, 256, ratio=10).shape
    (16, 256, 2)
    """
    call = "lissajous"
    shots, samples = counts(call, shots, samples)
    ratio = positive(call, "ratio", ratio)
    phase = np.linspace(-np.pi / 2, np.pi / 2, samples)
    shift = 2 * np.pi * np.arange(shots)[:, None] / shots
    both = np.broadcast_arrays(np.sin(phase), np.sin(ratio * phase + shift))
    return make_array(call, KMAX * np.stack(both, axis=-1), xp=xp, dtype=dtype, device=device)


def polar_lissajous(
    shots: int,
    samples: int,
    *,
    segments: int = 1,
    winding: int = 0,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""A sine of the radius and one of the angle: Lissajous figures in polar coordinates.

    One curve fills a segment of the disc, and turned copies of it the others. With ``t`` from
    ``i`` to ``i + 1`` along shot ``i`` of the ``N`` of a segment, and 0 in the middle of the curve,

    .. math:: r(t) = \pm \tfrac12 \sin \pi t, \qquad
              \varphi(t) = \frac{\pi}{2 S} \sin \frac{\pi (N - c)\, t}{N}.

    Parameters
    ----------
    shots : int
        Number of shots, a multiple of that of the copies.
    samples : int
        Samples of each at uniform ``t``, at least 2, both ends included: where a shot ends, the
        next one begins.
    segments : int
        ``S``: there are as many copies, or twice as many if shots begin at the centre, since they
        sample one side of it.
    winding : int
        Which of the possible numbers ``c`` it is, from 0: those without a common divisor with
        ``N``, from 1 on for even ``N`` and from 2 on for odd ones.
    in_out : bool
        Whether a shot goes from edge to edge through the centre, or from the centre to the edge
        and back.
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
        If the shots are no multiple of the copies, there are too few samples, or a number is out
        of its range.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    Notes
    -----
    It is defined as in mri-nufft.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.polar_lissajous(16, 256, segments=2, in_out=True).shape
    (16, 256, 2)
    """
    call = "polar_lissajous"
    shots, samples = counts(call, shots, samples)
    segments = integer(call, "segments", segments, least=1)
    winding = integer(call, "winding", winding, least=0)
    through = flag(call, "in_out", in_out)
    turns = segments * (2 - through)
    if shots % turns:
        raise out_of_range(call, "shots", shots, f"a multiple of {turns}, the number of copies")
    n = shots // turns
    c = coprime(n, winding, start=n % 2 + 1)
    t = petals(n, samples)
    radius = KMAX * np.sin(np.pi * t + np.pi / 2 * (n % 2 - through))
    angle = np.pi / (2 * segments) * np.sin(np.pi * (n - c) / n * t)
    copies = np.arange(turns)[:, None, None] * np.pi / segments
    k = pairs(radius * np.exp(1j * (angle - copies)))
    return make_array(call, k.reshape(shots, samples, 2), xp=xp, dtype=dtype, device=device)
