"""Sets of real and complex arrays: the l1 ball, the l2 ball, and arrays of a given sum."""

import math
from functools import partial
from typing import Any

from optim._settings import complex_number, positive, some_axes
from optim._simplex import nearest
from optim._tree import Array
from optim._vectors import (
    ArrayProjection,
    Axes,
    as_rows,
    floating_namespace,
    from_rows,
    moduli,
    scaled,
    vector_axes,
    wide,
)


def l1_ball(radius: float = 1.0, axes: Axes = None) -> ArrayProjection:
    """Project onto the l1 ball: the moduli of the entries sum to at most the radius.

    A point of ``{p : sum_i |p_i| <= radius}`` stays as it is. For any other `x`, the nearest
    point has the signs or phases of `x`, and the moduli of `x` projected onto the simplex, ::

        p_i = max(|x_i| - theta, 0) x_i / |x_i|

    Parameters
    ----------
    radius : float
        The largest sum, positive.
    axes : int or tuple of int, optional
        The axes that make one vector; all other axes are batch. By default the whole array is
        one vector.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real or complex floating-point array. All entries of a
        vector become NaN if one is not finite.

    Raises
    ------
    ValueError
        If `radius` is not a positive number.

    References
    ----------
    J. Duchi, S. Shalev-Shwartz, Y. Singer and T. Chandra, "Efficient projections onto the
    l1-ball for learning in high dimensions", ICML 2008.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> project = optim.projections.l1_ball()
    >>> project(np.asarray([1.0, -0.5, 0.1]))
    array([ 0.75, -0.25,  0.  ])
    >>> project(np.asarray([0.3, -0.5, 0.1]))
    array([ 0.3, -0.5,  0.1])
    """
    radius = positive("l1_ball", "radius", radius)

    return partial(_into_l1_ball, radius, some_axes("l1_ball", axes))


def _into_l1_ball(radius: float, axes: Axes, x: Array) -> Array:
    xp = floating_namespace("l1_ball", x)
    vector = vector_axes("l1_ball", axes, x)
    modulus, unit = (as_rows(xp, a, vector) for a in moduli(xp, x, vector, radius))
    inside = xp.sum(modulus, axis=-1, keepdims=True) <= radius / unit
    # A row inside is scaled by exactly 1.
    scale = xp.where(inside, 1.0, nearest(xp, modulus, radius / unit) / nonzero(xp, modulus))
    return scaled(xp, x, from_rows(xp, scale, x, vector))


def l2_ball(radius: float = 1.0, axes: Axes = None) -> ArrayProjection:
    """Project onto the l2 ball: the length of a vector is at most the radius.

    ``p = x min(1, radius / |x|)``

    Parameters
    ----------
    radius : float
        The largest length, positive.
    axes : int or tuple of int, optional
        The axes that make one vector; all other axes are batch. By default the whole array is
        one vector.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real or complex floating-point array. A vector of the
        ball stays as it is. All entries of a vector become NaN if one is not finite.

    Raises
    ------
    ValueError
        If `radius` is not a positive number.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.l2_ball(10.0)(np.asarray([12.0, 16.0]))
    array([6., 8.])
    >>> optim.projections.l2_ball(axes=-1)(np.asarray([[3.0, 4.0], [0.1, 0.2]]))
    array([[0.6, 0.8],
           [0.1, 0.2]])
    """
    radius = positive("l2_ball", "radius", radius)

    return partial(_into_l2_ball, radius, some_axes("l2_ball", axes))


def _into_l2_ball(radius: float, axes: Axes, x: Array) -> Array:
    xp = floating_namespace("l2_ball", x)
    vector = vector_axes("l2_ball", axes, x)
    modulus, unit = moduli(xp, x, vector, radius)
    length = xp.sqrt(xp.sum(modulus**2, axis=vector, keepdims=True))
    inside = length <= radius / unit
    return scaled(xp, x, xp.where(inside, 1.0, radius / unit / xp.where(inside, 1.0, length)))


def affine_sum(total: complex = 1.0, axes: Axes = None) -> ArrayProjection:
    """Project onto the arrays with a given sum.

    ``p_i = x_i + (total - sum_j x_j) / n`` for vectors of `n` entries.

    Parameters
    ----------
    total : float or complex
        The sum, finite.
    axes : int or tuple of int, optional
        The axes that make one vector; all other axes are batch. By default the whole array is
        one vector.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real or complex floating-point array. Entries may have
        either sign; with `simplex` none is below zero.

    Raises
    ------
    ValueError
        If `total` is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.affine_sum(1.0)(np.asarray([1.0, 2.0, -0.5]))
    array([ 0.5,  1.5, -1. ])
    """
    total = complex_number("affine_sum", "total", total)
    return partial(_onto_sum, total, some_axes("affine_sum", axes))


def _onto_sum(total: complex, axes: Axes, x: Array) -> Array:
    xp = floating_namespace("affine_sum", x)
    vector = vector_axes("affine_sum", axes, x)
    n = math.prod(x.shape[a] for a in vector)
    if not xp.isdtype(x.dtype, "complex floating") and total.imag != 0:
        msg = f"affine_sum: total is {total} and x is real; want a real total"
        raise ValueError(msg)
    right = total if xp.isdtype(x.dtype, "complex floating") else total.real
    y = wide(xp, x)
    # The mean of the lack; the sum of all entries may overflow.
    lack = right / n - xp.sum(y / n, axis=vector, keepdims=True)
    return xp.astype(y + lack, x.dtype, copy=False)


def nonzero(xp: Any, a: Array) -> Array:
    """Return `a` as a divisor: 1 replaces 0."""
    return xp.where(a == 0, 1.0, a)
