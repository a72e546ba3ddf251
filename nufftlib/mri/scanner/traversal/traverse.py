"""A curve played in the least time that the limits of a protocol allow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, check_finite
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import instance, integer, out_of_range
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.report import check_trajectory
from nufftlib.mri.scanner.traversal.path import FINEST, called, paths, through, within_band
from nufftlib.mri.scanner.traversal.speed import Motion, motions
from nufftlib.mri.scanner.waveforms import checked

CALL = "traverse"
NEAR = 1e-3
"""How far a result may be from its curve, in k-space steps: 1/FOV."""
SLOWEST = 2
"""At so many times the least duration, it is rounding that breaks a limit."""


def traverse(
    curve: Array | Callable[[Any], Any], protocol: Protocol, *, samples: int | None = None
) -> Array:
    r"""Return a curve as a trajectory that the scanner plays in the least time.

    Gradient and slew rate (from and to rest, too) are limited. The curve is given without a time:
    by points in the order in which it passes them, or by a function. All shots have the same
    number of samples, the one that the slowest needs; the others are slowed down evenly.

    Parameters
    ----------
    curve : array, shape (..., points, d), or callable
        Points in cycles per voxel, which are joined by a cubic spline; or a function of a
        parameter from 0 to 1, which is given a NumPy array of n of them, and returns one of
        points, shape (..., n, d).
    protocol : Protocol
        The limits, and where a shot is at rest. Without rest the speed at that end is free.
    samples : int, optional
        Number of samples: a curve that needs fewer is played slower. By default the fewest.

    Returns
    -------
    array, shape (..., samples, d)
        Points in cycles per voxel, one in each raster time, from the start of the curve to its
        end; of the dtype and device of `curve`, and for a function NumPy's float64.

    Raises
    ------
    TypeError
        If the curve is neither an array of float32 or float64 nor a function that gives such
        arrays of NumPy, or `protocol` is no `Protocol`.
    ValueError
        If shapes do not fit, a point is not finite or out of the band, neighbouring points are
        the same, a function jumps, or `samples` are too few; the error says how many are needed.

    Notes
    -----
    The time is the least for motions in continuous time (Lustig, Kim and Pauly), rounded up to the
    raster; the samples of such a motion keep the limits. The result stays within 1e-3 of a k-space
    step from the curve (in tests within 1e-4). The computation is in double precision on the CPU.

    The spline passes through the points. It rounds a corner within the distance of two of them,
    and swings beside it. Give a function for sharp corners, at which the speed falls to zero.

    References
    ----------
    M. Lustig, S.-J. Kim and J. M. Pauly, "A fast method for designing time-optimal gradient
    waveforms for arbitrary k-space trajectories", IEEE Trans. Med. Imaging 27 (2008) 866-873.

    H. Pham and Q.-C. Pham, "A new approach to time-optimal path parameterization based on
    reachability analysis", IEEE Trans. Robot. 34 (2018) 645-659.

    Examples
    --------
    A spiral of 16 turns in 18.6 ms:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> def spiral(p):
    ...     angle = 2 * np.pi * 16 * p
    ...     return 0.5 * p[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    >>> k = nl.mri.traverse(spiral, protocol)
    >>> k.shape
    (1858, 2)
    >>> report = nl.mri.check_trajectory(k, protocol)
    >>> report.ok, round(report.gradient.ratio, 2), round(report.slew.ratio, 2)
    (True, 1.0, 1.0)
    """
    call = f"{CALL}(curve, protocol)"
    instance(CALL, "protocol", protocol, Protocol, "a Protocol")
    if samples is not None:
        samples = integer(CALL, "samples", samples, least=2)
    voxel = np.asarray(protocol.voxel)
    near = NEAR / np.asarray(protocol.shape)
    if callable(curve):
        function, p = called(CALL, curve, protocol.ndim)
        function = within_band(call, function, near)
        ends = function(np.asarray([0.0, 1.0]))
    else:
        xp = checked(call, curve, protocol, "curve")
        check_finite(xp, call, "curve", curve)
        points = fetched(curve)
        function, p = through(call, points.astype(np.float64), voxel)
        function = within_band(call, function, near)
        ends = points[..., [0, -1], :]
    ends = np.clip(ends, -0.5, 0.5)
    fast, slew = protocol.gradient_step, protocol.slew_step
    # Rounding by u |x| in chords h is a curvature of up to 4 u |x| / h^2, of which the largest
    # gradient shall make no more than a hundredth of the slew limit.
    rounding = np.finfo(float).eps / 2 * np.max(0.5 / voxel)
    clear = fast * math.sqrt(400 * rounding / slew)
    found = paths(call, function, p, voxel, fast, FINEST * slew, clear)
    k = played(motions(found, protocol), ends, protocol, samples)
    return k if callable(curve) else xp.asarray(k, device=device(curve))


def played(found: list[Motion], ends: Any, protocol: Protocol, samples: int | None) -> Any:
    """Return the samples of motions in the fewest steps, or in as many as are wanted."""
    steps = math.ceil(max(motion.duration for motion in found))
    if samples is None:
        return settled(found, ends, protocol, steps)
    k = settled(found, ends, protocol, max(steps, samples - 1))
    if k.shape[-2] > samples:
        wish = f"{k.shape[-2]} or more, which the limits take"
        raise out_of_range(CALL, "samples", samples, wish)
    return k


def settled(found: list[Motion], ends: Any, protocol: Protocol, steps: int) -> Any:
    """Return the samples of motions within the limits, in so many steps or some more.

    In exact numbers, the samples of a motion within the limits are within them. Slowing down makes
    up for what cells have above the limit beside their middle, and for rounding to the dtype.
    """
    n = steps
    while n <= SLOWEST * steps:
        points = np.stack([motion.sampled(n) for motion in found]) * protocol.voxel
        k = points.reshape(*ends.shape[:-2], n + 1, -1).clip(-0.5, 0.5).astype(ends.dtype)
        k[..., [0, -1], :] = ends
        report = check_trajectory(k, protocol)
        excess = max(report.gradient.ratio, math.sqrt(report.slew.ratio))
        if excess <= 1:
            return k
        n = max(n + 1, math.floor(n * excess))
    msg = (
        f"{CALL}(curve): curve is {ends.dtype}, whose rounding alone passes the limits in steps of "
        f"{protocol.scanner.raster:g} s; want float64"
    )
    raise ValueError(msg)
