"""Euclidean projections: factories of functions that give the nearest feasible array."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device

from optim._tree import Array, describe, is_array

__all__ = ["box", "nonnegative", "simplex"]

ArrayProjection: TypeAlias = Callable[[Array], Array]


def simplex(radius: float = 1.0, axes: int | tuple[int, ...] | None = None) -> ArrayProjection:
    """Project onto the simplex: entries that are not negative and have a given sum.

    The point of ``{p : p_i >= 0, sum_i p_i = radius}`` nearest to `x` is
    ``p_i = max(x_i - theta, 0)`` with the one `theta` that makes the sum right. With the
    entries sorted, ``u_1 >= u_2 >= ...``, it is ::

        theta = max_j (u_1 + ... + u_j - radius) / j

    Parameters
    ----------
    radius : float
        The sum, positive.
    axes : int or tuple of int, optional
        The axes that make one vector; all others are batch, each vector projected by
        itself. By default the whole array is one vector.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. Entries of `p` are exactly
        not negative; they sum to `radius` up to rounding, whatever the scale of `x`. A
        vector with a NaN or ``+inf``, or with ``-inf`` alone, becomes NaN throughout.

    Raises
    ------
    ValueError
        If `radius` is not a positive number.

    Notes
    -----
    The usual statement takes, of those means, the last ``j`` at which
    ``u_j > (u_1 + ... + u_j - radius) / j``. That is where they are largest: the next mean
    is larger if and only if the next entry is larger than this mean. Taking the maximum
    needs no index that depends on the data.

    References
    ----------
    M. Held, P. Wolfe and H. P. Crowder, "Validation of subgradient optimization",
    Mathematical Programming 6, 1974.

    J. Duchi, S. Shalev-Shwartz, Y. Singer and T. Chandra, "Efficient projections onto the
    l1-ball for learning in high dimensions", ICML 2008.

    L. Condat, "Fast projection onto the simplex and the l1 ball", Mathematical Programming
    158, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> project = optim.projections.simplex()
    >>> project(np.asarray([1.0, 0.5, -2.0]))
    array([0.75, 0.25, 0.  ])

    Every row by itself:

    >>> optim.projections.simplex(2.0, axes=-1)(np.asarray([[3.0, 0.0], [5.0, 5.0]]))
    array([[2., 0.], [1., 1.]])
    """
    radius = float(radius)
    if not 0 < radius < math.inf:
        msg = f"simplex: radius is {radius}; wanted a positive number"
        raise ValueError(msg)

    def project(x: Array) -> Array:
        xp = _real_namespace("simplex", x)
        vector = _axes(axes, x.ndim)
        n = math.prod(x.shape[a] for a in vector)
        if not vector or n == 0:
            msg = (
                f"simplex: axes is {axes} and x is {describe(x)}; wanted vectors that have entries"
            )
            raise ValueError(msg)

        # theta moves with x. With the largest entry as the origin, a vector far from zero
        # keeps its digits. (inf - inf would warn; inf - nan is NaN as well, and quiet.) Sums
        # are in double precision: rounding in theta alone, times n entries, is off radius.
        y = xp.astype(x, xp.float64, copy=False)
        top = xp.max(y, axis=vector, keepdims=True)
        z = y - xp.where(xp.isfinite(top), top, math.nan)
        # The largest entry alone makes theta >= -radius: what lies below that cannot matter,
        # and would cost the sums their digits.
        z = xp.maximum(z, -radius)

        batch = tuple(a for a in range(x.ndim) if a not in vector)
        rows = xp.reshape(xp.permute_dims(z, batch + vector), (*(x.shape[a] for a in batch), n))
        u = xp.sort(rows, axis=-1, descending=True)
        j = xp.arange(1, n + 1, dtype=y.dtype, device=device(x))
        theta = xp.max((xp.cumulative_sum(u, axis=-1) - radius) / j, axis=-1)
        d = z - xp.reshape(theta, top.shape)

        # One Newton step for the last digits of theta, which a long running sum has lost;
        # taken on the small differences d, so that it is not lost in turn.
        excess = xp.sum(xp.maximum(d, 0.0), axis=vector, keepdims=True) - radius
        positive = xp.sum(xp.astype(d > 0, y.dtype), axis=vector, keepdims=True)
        return xp.astype(xp.maximum(d - excess / positive, 0.0), x.dtype, copy=False)

    return project


def box(low: float | Array, high: float | Array) -> ArrayProjection:
    """Project onto a box: entries between two bounds.

    ``p_i = min(max(x_i, low_i), high_i)``

    Parameters
    ----------
    low, high : float or array
        The bounds, ``low <= high``. A number, or an array of no dimensions, bounds all
        entries (as rounded to the dtype of `x`); an array broadcasts against `x`, whose
        namespace, dtype and device it must have.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. NaN stays NaN.

    Raises
    ------
    ValueError
        If `low` is above `high` anywhere, or one of them is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.box(-0.5, 0.5)(np.asarray([-2.0, 0.1, 0.7]))
    array([-0.5,  0.1,  0.5])
    """
    low, high = _bound(low), _bound(high)
    ordered = low <= high
    if not (ordered if isinstance(ordered, bool) else bool(array_namespace(ordered).all(ordered))):
        msg = f"box: low is {low} and high is {high}; wanted low <= high"
        raise ValueError(msg)

    def project(x: Array) -> Array:
        xp = _real_namespace("box", x)
        for name, bound in (("low", low), ("high", high)):
            if not isinstance(bound, float):
                _check_bound(name, bound, x)
        return xp.minimum(xp.maximum(x, low), high)

    return project


def nonnegative() -> ArrayProjection:
    """Project onto the arrays without negative entries.

    ``p_i = max(x_i, 0)``

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.nonnegative()(np.asarray([-2.0, 0.1]))
    array([0. , 0.1])
    """

    def project(x: Array) -> Array:
        return _real_namespace("nonnegative", x).maximum(x, 0.0)

    return project


def _real_namespace(call: str, x: Array) -> Any:
    """Give the namespace of `x`, a real floating-point array."""
    if is_array(x):
        xp = array_namespace(x)
        if xp.isdtype(x.dtype, "real floating"):
            return xp
    msg = f"{call}: x is {describe(x)}; wanted a real floating-point array"
    raise TypeError(msg)


def _axes(axes: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Give the axes of one vector, counted from the front."""
    if axes is None:
        return tuple(range(ndim))
    given = (axes,) if isinstance(axes, int) else axes
    vector = tuple(a + ndim if a < 0 else a for a in given)
    if len(set(vector)) < len(vector) or not set(vector) <= set(range(ndim)):
        msg = f"simplex: axes is {axes} and x has {ndim} dimensions; wanted different axes of x"
        raise ValueError(msg)
    return vector


def _bound(bound: Any) -> Any:
    """Give a bound as the number or the array that it is."""
    is_number = not is_array(bound) or bound.ndim == 0
    return float(bound) if is_number else bound


def _check_bound(name: str, bound: Array, x: Array) -> None:
    like = (
        array_namespace(bound) is array_namespace(x)
        and bound.dtype == x.dtype
        and device(bound) == device(x)
    )
    # x as it is must hold the result: a bound may be stretched, not x.
    n = bound.ndim
    fits = n <= x.ndim and all(
        b in (1, s) for b, s in zip(bound.shape, x.shape[x.ndim - n :], strict=True)
    )
    if not (like and fits):
        msg = f"box: {name} is {describe(bound)}; wanted one like x, which is {describe(x)}"
        raise ValueError(msg)
