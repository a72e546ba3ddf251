"""Sets of real and complex arrays: the l1 ball, the l2 ball, and arrays of a given sum."""

import math
from typing import Any

from optim._numbers import positive
from optim._simplex import nearest
from optim._tree import Array
from optim._vectors import (
    ArrayProjection,
    Axes,
    as_rows,
    floating_namespace,
    from_rows,
    scaled,
    vector_axes,
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

    def project(x: Array) -> Array:
        xp = floating_namespace("l1_ball", x)
        vector = vector_axes("l1_ball", axes, x)
        modulus = as_rows(xp, xp.abs(x), vector)
        inside = xp.sum(modulus, axis=-1, keepdims=True) <= radius
        # A row inside is scaled by exactly 1.
        scale = xp.where(inside, 1.0, nearest(xp, modulus, radius) / nonzero(xp, modulus))
        return scaled(xp, x, from_rows(xp, scale, x, vector))

    return project


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

    def project(x: Array) -> Array:
        xp = floating_namespace("l2_ball", x)
        vector = vector_axes("l2_ball", axes, x)
        modulus = xp.astype(xp.abs(x), xp.float64, copy=False)
        # In units of the largest entry, squares neither overflow nor vanish.
        top = xp.max(modulus, axis=vector, keepdims=True)
        unit = nonzero(xp, xp.where(xp.isfinite(top), top, math.nan))
        length = xp.sqrt(xp.sum((modulus / unit) ** 2, axis=vector, keepdims=True))
        # 1 / top may overflow while top / length does not.
        inside = length <= radius / unit
        return scaled(xp, x, xp.where(inside, 1.0, radius / unit / xp.where(inside, 1.0, length)))

    return project


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
    total = complex(total)
    if not (math.isfinite(total.real) and math.isfinite(total.imag)):
        msg = f"affine_sum: total is {total}; want a finite number"
        raise ValueError(msg)

    def project(x: Array) -> Array:
        xp = floating_namespace("affine_sum", x)
        vector = vector_axes("affine_sum", axes, x)
        n = math.prod(x.shape[a] for a in vector)
        if xp.isdtype(x.dtype, "complex floating"):
            wide, right = xp.complex128, total
        elif total.imag == 0:
            wide, right = xp.float64, total.real
        else:
            msg = f"affine_sum: total is {total} and x is real; want a real total"
            raise ValueError(msg)
        y = xp.astype(x, wide, copy=False)
        lack = right - xp.sum(y, axis=vector, keepdims=True)
        return xp.astype(y + lack / n, x.dtype, copy=False)

    return project


def nonzero(xp: Any, a: Array) -> Array:
    """Return `a` as a divisor: 1 replaces 0."""
    return xp.where(a == 0, 1.0, a)
