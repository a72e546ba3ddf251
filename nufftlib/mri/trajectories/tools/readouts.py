"""Shots that are joined, resampled, or straight near the centre."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, common_namespace, is_floating
from nufftlib.core.kinds import choice, flag, integer, out_of_range
from nufftlib.mri.trajectories.tools.common import Real, checked, like

DEGREES = {"linear": 1, "quadratic": 2, "cubic": 3}
PARTNERS = ("mirror", "opposite")
REACH = 40
"""Samples on each side of a gap that its spline sees; those beyond weigh less than 1e-22."""


def in_out(k: Array, *, partner: str = "mirror") -> Array:
    r"""Return shots through the centre, made of shots that begin there.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel; the first sample of each shot is 0.
    partner : {"mirror", "opposite"}
        What comes before a shot, in reverse: its own point reflection, or another shot of those
        given. Then each of the first half goes out, and comes in along the one that is half the
        number of shots further.

    Returns
    -------
    array, shape (shots or shots / 2, 2 * samples - 1, 2 or 3)
        The shots; the centre is sampled once.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a shot begins elsewhere, the trajectory has another shape, the name is unknown, or
        there is an odd number of shots to be paired.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(8, 16)
    >>> nl.mri.trajectories.tools.in_out(k, partner="opposite").shape
    (4, 31, 2)
    """
    call = "in_out"
    xp = checked(call, k)
    partner = choice(call, "partner", partner, PARTNERS)
    if bool(xp.any(k[:, 0, :] != 0)):
        msg = f"{call}(k): a shot of k begins beside the centre; want 0 as first sample of each"
        raise ValueError(msg)
    if partner == "mirror":
        before = -k
    else:
        half = k.shape[0] // 2
        if k.shape[0] % 2:
            msg = f"{call}(k): k has {k.shape[0]} shots; want an even number of them, for pairs"
            raise ValueError(msg)
        before, k = k[half:, ...], k[:half, ...]
    return xp.concat([xp.flip(before[:, 1:, :], axis=1), k], axis=1)


def oversample(k: Array, samples: int, *, kind: str = "cubic") -> Array:
    r"""Return a trajectory with another number of samples, by a spline through the given ones.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel.
    samples : int
        The new number of samples, at even distances from the first to the last.
    kind : {"linear", "quadratic", "cubic"}
        The degree of the spline. A curved one may pass a little beyond the given points, and so
        leave k-space. The given shots need a sample more than its degree.

    Returns
    -------
    array, shape (shots, samples, 2 or 3)
        The points.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape or too few samples, or the name is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> spiral = nl.mri.trajectories.spiral(8, 64, revolutions=2)
    >>> nl.mri.trajectories.tools.oversample(spiral, 256).shape
    (8, 256, 2)
    """
    call = "oversample"
    xp = checked(call, k)
    new = integer(call, "samples", samples, least=1)
    degree = DEGREES[choice(call, "kind", kind, DEGREES)]
    old = k.shape[1]
    if old <= degree:
        raise out_of_range(call, "kind", kind, f"a degree below the {old} samples of k")
    weights = interpolation(np.linspace(0, 1, old), np.linspace(0, 1, new), degree)
    return like(xp, k, weights) @ k


def interpolation(given: Real, wanted: Real, degree: int) -> Real:
    """Return the matrix from values at some times to those of their spline at others."""
    from scipy.interpolate import make_interp_spline

    # Rows are few unless one oversamples much, and the same for all shots.
    weights: Real = make_interp_spline(given, np.eye(len(given)), k=degree)(wanted)
    return weights


def epify(k: Array, trains: int, transition: int, *, alternate: bool = False) -> Array:
    r"""Return fewer and longer shots: consecutive ones joined by transitions, as in an EPI train.

    A transition is a cubic spline through the samples of the two shots that it joins, so that the
    gradient changes smoothly.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel, at least 2 samples of each shot.
    trains : int
        Number of the new shots, a divisor of that of the old ones.
    transition : int
        Samples of each transition.
    alternate : bool
        Whether every second shot of a train goes backwards.

    Returns
    -------
    array, shape (trains, joined * samples + (joined - 1) * transition, 2 or 3)
        The trains, of ``joined = shots / trains`` shots each.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, or a number is out of its range.

    Examples
    --------
    >>> import nufftlib as nl
    >>> tools = nl.mri.trajectories.tools
    >>> lines = nl.mri.trajectories.waves(16, 64)
    >>> k = tools.epify(lines, 2, 20, alternate=True)
    >>> k.shape, bool((tools.unepify(k, 64, 20, alternate=True) == lines).all())
    ((2, 652, 2), True)
    """
    call = "epify"
    xp = checked(call, k)
    trains = integer(call, "trains", trains, least=1)
    transition = integer(call, "transition", transition, least=1)
    back = flag(call, "alternate", alternate)
    shots, samples, ndim = k.shape
    if samples < 2:
        msg = f"{call}(k): k has 1 sample a shot; want at least 2, which have a direction"
        raise ValueError(msg)
    if shots % trains:
        raise out_of_range(call, "trains", trains, f"a divisor of the {shots} shots")
    joined = xp.reshape(k, (trains, shots // trains, samples, ndim))
    parts = [joined[:, i, :, :] for i in range(shots // trains)]
    if back:
        parts = [xp.flip(p, axis=1) if i % 2 else p for i, p in enumerate(parts)]
    n = min(samples, REACH)
    given = np.concatenate([np.arange(n), np.arange(n) + n + transition])
    weights = like(xp, k, interpolation(given, n + np.arange(transition), 3))
    found = parts[:1]
    for one, following in pairwise(parts):
        around = xp.concat([one[:, samples - n :, :], following[:, :n, :]], axis=1)
        found += [weights @ around, following]
    return xp.concat(found, axis=1)


def unepify(x: Array, samples: int, transition: int, *, alternate: bool = False) -> Array:
    r"""Return the shots of trains, without the transitions: the inverse of `epify`.

    Parameters
    ----------
    x : array, shape (trains, length, ...)
        A trajectory, or data that were sampled along it.
    samples : int
        Samples of each shot.
    transition : int
        Samples of each transition.
    alternate : bool
        Whether every second shot of a train goes backwards.

    Returns
    -------
    array, shape (shots, samples, ...)
        The shots.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the length is not that of whole shots with transitions between.

    Examples
    --------
    >>> import nufftlib as nl
    >>> tools = nl.mri.trajectories.tools
    >>> k = tools.epify(nl.mri.trajectories.radial(8, 64), 2, 20)
    >>> tools.unepify(k, 64, 20).shape
    (8, 64, 2)
    """
    call = "unepify"
    xp = common_namespace(f"{call}(x)", x=x)
    if not is_floating(xp, x):
        msg = f"{call}(x): x has the dtype {x.dtype}; want real or complex floating point"
        raise TypeError(msg)
    samples = integer(call, "samples", samples, least=1)
    transition = integer(call, "transition", transition, least=1)
    back = flag(call, "alternate", alternate)
    step = samples + transition
    if x.ndim < 2 or x.shape[1] % step != samples:
        wish = f"(trains, length, ...), the length {samples} more than a multiple of {step}"
        msg = f"{call}(x): x has the shape {tuple(x.shape)}; want {wish}"
        raise ValueError(msg)
    starts = range(0, x.shape[1], step)
    parts = [x[:, start : start + samples, ...] for start in starts]
    if back:
        parts = [xp.flip(p, axis=1) if i % 2 else p for i, p in enumerate(parts)]
    return xp.reshape(xp.stack(parts, axis=1), (-1, samples, *x.shape[2:]))


def radialize_centre(k: Array, samples: int, *, in_out: bool = False) -> Array:
    r"""Return a trajectory whose shots are straight near the centre, and unchanged elsewhere.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel.
    samples : int
        How many samples lie evenly on a line: from the centre to the next sample after them; of
        shots through the centre, half of them on one side of it and half on the other.
    in_out : bool
        Whether shots pass through the centre in the middle, or begin there.

    Returns
    -------
    array, shape (shots, samples, 2 or 3)
        The points.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, or not more samples than are to be straight.

    Examples
    --------
    >>> import nufftlib as nl
    >>> spiral = nl.mri.trajectories.spiral(8, 64, revolutions=2)
    >>> k = nl.mri.trajectories.tools.radialize_centre(spiral, 8)
    """
    call = "radialize_centre"
    xp = checked(call, k)
    through = flag(call, "in_out", in_out)
    length = k.shape[1]
    straight = integer(call, "samples", samples, least=1, most=length - 1 - through)
    last = (length + straight) // 2 if through else straight
    first = length - 1 - last if through else 0
    # Each sample is a multiple of the one at the end of its line.
    end = np.arange(length)
    factor = np.ones(length)
    middle = (length - 1) / 2 if through else 0.0
    for i in range(first + through, last):
        end[i] = first if i < middle else last
        factor[i] = (i - middle) / (end[i] - middle)
    chosen = xp.take(k, xp.asarray(end, device=device(k)), axis=1)
    return chosen * like(xp, k, factor[:, None])
