r"""Curves of any kind, as splines by their arc length.

A curve comes as points, or as a function of a parameter p in [0, 1] that says nothing of the time.
Nodes are laid on it, close where it bends; the cubic spline through them, by the length of the
chords, is the path x(s), with :math:`|x'(s)| \approx 1`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.kinds import is_array, shown, wrong_kind

TURN = 0.02
"""Largest angle between neighbouring chords, in radians, but at a corner."""
CHORDS = 1000
"""Least number of chords."""
FINEST = 1e-7
"""Chords at a corner are halved down to this length, in slew steps."""
GRADED = 20
"""Nodes at each side of a corner, where chords become shorter and shorter, which all stay."""
MOST_NODES = 2**20

FIRST = 1031
"""First intervals of a function; a prime, so that they fall together with no periods of it."""
BETWEEN = 4
"""First intervals from one given point to the next."""

Function = Callable[[Any], Any]
"""Parameters in [0, 1], shape (n,) -> points, shape (..., n, d)."""


@dataclass(frozen=True)
class Path:
    """A curve by its arc length: the knots, shape (cells + 1,), and SciPy's spline."""

    s: Any
    spline: Any

    @property
    def middles(self) -> Any:
        """Arc lengths half way between the knots."""
        return (self.s[1:] + self.s[:-1]) / 2


def paths(
    call: str, function: Function, p: Any, scale: Any, longest: float, finest: float, clear: float
) -> list[Path]:
    """Return the path of each shot of a curve.

    Parameters
    ----------
    call : str
        The user's call, for errors.
    function : callable
        The curve.
    p : ndarray, shape (n,)
        Parameters of the first nodes.
    scale : ndarray, shape (d,)
        What to divide points by, for lengths in 1/m.
    longest, finest : float
        No chord is longer than the one, and none that is shorter than the other is halved.
    clear : float
        Between chords of this length rounding is no bend that matters.
    """

    def curve(p: Any) -> Any:
        return function(p) / scale

    x = curve(p)
    check_motion(call, p, x)
    total = np.sum(lengths(np.diff(x, axis=-2)), axis=-1)
    longest = min(longest, np.max(total) / CHORDS)
    finest = min(finest, np.min(total) / CHORDS**2)
    clear = min(clear, longest / 8)
    x = nodes(call, curve, p, x, longest, finest)
    return [path(x[shot], finest, clear) for shot in np.ndindex(x.shape[:-2])]


def check_motion(call: str, p: Any, x: Any) -> None:
    """Refuse a curve with two neighbouring chords of no length; one may be about a return."""
    length = lengths(np.diff(x, axis=-2))
    still = (length[..., 1:] == 0) & (length[..., :-1] == 0)
    if np.any(still):
        *shot, at = np.argwhere(still)[0]
        where = f"shot {shot[0]} of curve" if shot else "curve"
        msg = f"{call}: {where} stands still near p = {p[at]:.6g}; want points that differ"
        raise ValueError(msg)


def nodes(call: str, curve: Function, p: Any, x: Any, longest: float, finest: float) -> Any:
    """Return points between which the curves are nearly straight; all shots have the same p."""
    while True:
        chords = np.diff(x, axis=-2)
        length = lengths(chords)
        # A chord about a point of return is short: its neighbours say how far the curve goes.
        greatest = np.maximum(length, beside(np.maximum(length[..., 1:], length[..., :-1])))
        bent = (beside(turns(chords, length)) > TURN) & (greatest > finest)
        split = np.flatnonzero(np.any((bent | (length > longest)).reshape(-1, len(p) - 1), axis=0))
        if not split.size:
            return x
        new = (p[split] + p[split + 1]) / 2
        if len(p) + len(new) > MOST_NODES or np.any((new == p[split]) | (new == p[split + 1])):
            msg = f"{call}: curve jumps near p = {p[split[0]]:.6g}; want a continuous curve"
            raise ValueError(msg)
        p = np.insert(p, split + 1, new)
        x = np.insert(x, split + 1, curve(new), axis=-2)


def path(x: Any, finest: float, clear: float) -> Path:
    """Return the spline through the nodes, without those that are too close.

    They are closer than the finest chord; or, but at corners, than is clear of rounding, which
    would look like a bend.
    """
    apart = np.flatnonzero(lengths(np.diff(x, axis=0)) > finest / 4)
    x = thinned(x[np.concatenate([[0], apart[:-1] + 1, [len(x) - 1]])], clear)
    s = np.concatenate([[0.0], np.cumsum(lengths(np.diff(x, axis=0)))])
    return Path(s, cubic_spline(s, x))


def thinned(x: Any, clear: float) -> Any:
    """Return the nodes at least so far apart, and all of those about a corner."""
    chords = np.diff(x, axis=0)
    length = lengths(chords)
    bent = np.concatenate([[False], turns(chords, length) > TURN, [False]])
    corner = np.convolve(bent, np.ones(2 * GRADED + 1))[GRADED : GRADED + len(x)] > 0.5
    kept, since, last = [0], 0.0, len(length)
    for i, step in enumerate(length, start=1):
        since += step
        if since >= clear or corner[i]:
            kept.append(i)
            since = 0.0
    if kept[-1] != last:  # the end takes the place of a node just before it
        kept[-1 if len(kept) > 1 and not corner[kept[-1]] else len(kept) :] = [last]
    return x[kept]


def cubic_spline(s: Any, x: Any) -> Any:
    """Return the cubic spline through points x at s, by SciPy, which is imported on use."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(s, x)


def turns(chords: Any, length: Any) -> Any:
    """Return the angles between neighbouring chords, nearly: the changes of the direction."""
    direction = chords / np.maximum(length, np.finfo(float).tiny)[..., None]
    return lengths(np.diff(direction, axis=-2))


def beside(values: Any) -> Any:
    """Return the greater of the values at both ends of each chord, 0 at the ends of the curve."""
    edge = np.zeros_like(values[..., :1])
    padded = np.concatenate([edge, values, edge], axis=-1)
    return np.maximum(padded[..., 1:], padded[..., :-1])


def lengths(v: Any) -> Any:
    """Return the Euclidean lengths of vectors."""
    return np.sqrt(np.sum(v * v, axis=-1))


def through(call: str, points: Any, scale: Any) -> tuple[Function, Any]:
    """Return the cubic spline through points by the length of their chords, and its first p.

    The points, shape (..., n, d), have evenly spaced parameters.
    """
    count = points.shape[-2] - 1
    physical = (points / scale).reshape(-1, *points.shape[-2:])
    length = lengths(np.diff(physical, axis=-2))
    if np.any(length == 0):
        shot, at = np.argwhere(length == 0)[0]
        msg = (
            f"{call}: points {at} and {at + 1} of shot {shot} are the same; want neighbours apart "
            "(where the curve stands still, it has no direction)"
        )
        raise ValueError(msg)
    s = np.concatenate([np.zeros_like(length[:, :1]), np.cumsum(length, axis=-1)], axis=-1)
    splines = [cubic_spline(a, x) for a, x in zip(s, points.reshape(physical.shape), strict=True)]

    def function(p: Any) -> Any:
        along = (np.interp(p * count, np.arange(count + 1), a) for a in s)
        found = [spline(a) for spline, a in zip(splines, along, strict=True)]
        return np.stack(found).reshape(*points.shape[:-2], len(p), points.shape[-1])

    return function, np.linspace(0, 1, BETWEEN * count + 1)


def called(call: str, curve: Function, ndim: int) -> tuple[Function, Any]:
    """Return a user's function with a check of what it gives, and its first p."""

    def function(p: Any) -> Any:
        x = curve(p)
        wish = (
            f"a function that gives NumPy arrays (..., {len(p)}, {ndim}) of points for {len(p)} p"
        )
        if not (is_array(x) and isinstance(x, np.ndarray) and x.dtype.kind == "f"):
            raise wrong_kind(call, "curve", x, wish)
        if x.ndim < 2 or x.shape[-2:] != (len(p), ndim):
            msg = f"{call}: curve(p) is {shown(x)}; want {wish}"
            raise ValueError(msg)
        return x.astype(np.float64)

    return function, np.linspace(0, 1, FIRST + 1)


def within_band(call: str, function: Function, near: Any) -> Function:
    """Return the function with a check that its points are finite and in the band, or near it."""

    def checked(p: Any) -> Any:
        x = function(p)
        if not np.all(np.isfinite(x)):
            msg = f"{call}: some points of curve are not finite; want finite points"
            raise ValueError(msg)
        if np.any(np.abs(x) > 0.5 + near):
            msg = (
                f"{call}: curve reaches {np.max(np.abs(x)):.6g} cycles per voxel; want "
                "at most 0.5, also between points"
            )
            raise ValueError(msg)
        return x

    return checked
