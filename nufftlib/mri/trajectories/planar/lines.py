"""Parallel lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import integer, out_of_range
from nufftlib.mri.trajectories.shots import KMAX, along, counts, echo_train, fitted, turned


def propeller(
    shots: int,
    samples: int,
    *,
    strips: int = 4,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""PROPELLER: strips of parallel lines, turned about the centre.

    The ``n`` strips are :math:`\pi / n` apart and so wide that they touch at the edge of the disc:
    line ``j`` of ``L`` lies at the height :math:`\pi / (4 n) \cdot (2 j / (L - 1) - 1)` beside a
    line from -1/2 to 1/2. All is made smaller by :math:`\sqrt{1 + (\pi / 2 n)^2}`, so that the
    corners are in the disc of the radius 1/2. A strip of one line has it in its middle.

    Parameters
    ----------
    shots : int
        Number of lines, a multiple of `strips`.
    samples : int
        Samples of each, at least 2.
    strips : int
        Number ``n`` of strips.
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
        If the shots are no multiple of the strips, or there are too few samples.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    J. G. Pipe, "Motion correction with PROPELLER MRI: application to head motion and
    free-breathing cardiac imaging", Magn. Reson. Med. 42 (1999) 963-969.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.propeller(64, 256, strips=8).shape
    (64, 256, 2)
    """
    call = "propeller"
    shots, samples = counts(call, shots, samples)
    strips = integer(call, "strips", strips, least=1)
    if shots % strips:
        raise out_of_range(call, "strips", strips, f"a divisor of the {shots} shots")
    lines = shots // strips
    height = np.pi / 2 / strips * (np.linspace(-1, 1, lines) if lines > 1 else np.zeros(1))
    t = along(samples, in_out=True)
    strip = KMAX * np.stack(np.broadcast_arrays(t, height[:, None]), axis=-1)
    turns = np.repeat(np.arange(strips) * np.pi / strips, lines)
    k = turned(np.tile(strip, (strips, 1, 1)), turns)
    return make_array(call, fitted(k), xp=xp, dtype=dtype, device=device)


def epi(
    shots: int,
    samples: int,
    *,
    lines: int = 8,
    ramp: float = 0.1,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Echo-planar trajectory: lines back and forth, with blips from one to the next.

    Shot ``i`` of ``N`` has ``L`` lines along axis 0, at the heights
    :math:`(i + j N + 1/2) / (N L) - 1/2` of axis 1: shots are interleaved. The gradient along a
    line is a trapezoid, whose ramps take the part `ramp` of its time each; the blips are triangles
    during the ramps down and up between two lines. A shot begins and ends at rest.

    Parameters
    ----------
    shots : int
        Number ``N`` of shots: 1 is single-shot echo-planar imaging.
    samples : int
        Samples of each at even times, ramps and blips included. With a multiple of the lines, plus
        1, all lines have the same ones.
    lines : int
        Number ``L`` of lines of a shot.
    ramp : float
        Share of the time of a line that each of its two ramps takes, up to 1/2.
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
        If there are too few shots or samples, no line, or the ramp is out of its range.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    P. Mansfield, "Multi-planar image formation using NMR spin echoes", J. Phys. C 10 (1977)
    L55-L58.
    G. C. McKinnon, "Ultrafast interleaved gradient-echo-planar imaging on a standard scanner",
    Magn. Reson. Med. 30 (1993) 609-616.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.epi(4, 16 * 100 + 1, lines=16).shape
    (4, 1601, 2)
    """
    call = "epi"
    shots, samples = counts(call, shots, samples)
    way, line = echo_train(call, samples, lines, ramp, in_out=True)
    row = np.arange(shots)[:, None] + shots * line
    y = 2 * KMAX * ((row + 0.5) / (shots * lines) - 0.5)
    k = np.stack(np.broadcast_arrays(KMAX * way, y), axis=-1)
    return make_array(call, k, xp=xp, dtype=dtype, device=device)
