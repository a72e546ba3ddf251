"""The simplex, with and without weights."""

from functools import partial
from typing import Any

from array_api_compat import device

from optim._settings import positive, some_axes
from optim._tree import Array
from optim._vectors import (
    ArrayProjection,
    Axes,
    as_rows,
    check_like,
    first_index,
    from_rows,
    real_namespace,
    vector_axes,
)

SLACK = 1e-8  # more than the rounding of a sum
LIGHTEST = 1e-100  # of the weights, in units of the largest
NEWTON_STEPS = 3  # each gains all digits, unless an entry vanishes


def simplex(
    radius: float = 1.0,
    axes: Axes = None,
    weights: Array | None = None,
) -> ArrayProjection:
    """Project onto the simplex: nonnegative entries with a given sum.

    The point of ``{p : p_i >= 0, sum_i w_i p_i = radius}`` nearest to `x` is
    ``p_i = max(x_i - theta w_i, 0)``; one `theta` makes the sum right. The entry `i` vanishes
    at ``theta = x_i / w_i``. With the entries in the order ``x_1 / w_1 >= x_2 / w_2 >= ...``, ::

        theta = max_j (w_1 x_1 + ... + w_j x_j - radius) / (w_1^2 + ... + w_j^2)

    Parameters
    ----------
    radius : float
        The sum, positive.
    axes : int or tuple of int, optional
        The axes that make one vector; all other axes are batch. Each vector is projected by
        itself. By default the whole array is one vector.
    weights : array, optional
        The weights `w`, positive. They broadcast against `x` and must have the namespace,
        dtype and device of `x`. By default all weights are 1.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. No entry of `p` is below
        zero, exactly. The sum is `radius` up to rounding at every scale of `x` (with weights,
        if the weights are within six orders of magnitude). All entries of a vector become NaN
        if one is NaN or ``+inf``, or if all are ``-inf``.

    Raises
    ------
    ValueError
        If `radius` or a weight is not a positive number.
    TypeError
        If `weights` is not a real floating-point array.

    Notes
    -----
    Textbooks take the quotient of the last `j` at which ``x_j / w_j`` is above the quotient.
    This is the largest quotient: the next one is larger if and only if the next entry
    vanishes at a larger `theta` than this quotient. The maximum needs no index that depends
    on the data.

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

    Each row by itself:

    >>> optim.projections.simplex(2.0, axes=-1)(np.asarray([[3.0, 0.0], [5.0, 5.0]]))
    array([[2., 0.], [1., 1.]])

    A mean with quadrature weights:

    >>> w = np.asarray([0.25, 0.5, 0.25])
    >>> p = optim.projections.simplex(weights=w)(np.asarray([1.0, 1.0, -1.0]))
    >>> p, float(np.sum(w * p))
    (array([1.2, 1.4, 0. ]), 1.0)
    """
    radius = positive("simplex", "radius", radius)
    if weights is not None:
        xp = real_namespace("simplex", weights, "weights")
        good = (weights > 0) & xp.isfinite(weights)
        if not bool(xp.all(good)):
            index = first_index(xp, xp.logical_not(good))
            msg = (
                f"simplex: weights, an array of shape {tuple(weights.shape)}, is "
                f"{float(weights[index])} at the index {index}; want positive numbers"
            )
            raise ValueError(msg)

    return partial(_onto_simplex, radius, some_axes("simplex", axes), weights)


def _onto_simplex(radius: float, axes: Axes, weights: Array | None, x: Array) -> Array:
    xp = real_namespace("simplex", x)
    vector = vector_axes("simplex", axes, x)
    y = as_rows(xp, x, vector)
    if weights is None:
        p = nearest(xp, y, radius)
    else:
        check_like("simplex", "weights", weights, x)
        w = as_rows(xp, xp.broadcast_to(weights, x.shape), vector)
        # In units of the largest weight, squares do not overflow; a weight that is nothing
        # beside it has one that does not vanish.
        unit = xp.max(w, axis=-1, keepdims=True)
        p = nearest_weighted(xp, y, xp.maximum(w / unit, LIGHTEST), radius / unit)
    return xp.astype(from_rows(xp, p, x, vector), x.dtype, copy=False)


def nearest(xp: Any, y: Array, radius: float | Array) -> Array:
    """Project each row of `y`, in double precision: ``p_i = max(tau - v_i, 0)``.

    `theta` moves with `y`. With the largest entry as the origin, ``v_i = top - y_i``, and, the
    smallest `v` first, ``tau = top - theta = min_j (radius + v_1 + ... + v_j) / j``: a row far
    from zero keeps its digits. Sums are in double precision, since the sum of `p` has the
    rounding error of `theta` times the number of entries.
    """
    # The largest entry alone makes tau <= radius. A larger v cannot matter, and would cost
    # the sums their digits. A whole difference may overflow.
    v = 2 * xp.minimum(largest(xp, y) / 2 - y / 2, radius / 2)
    j = xp.arange(1, y.shape[-1] + 1, dtype=y.dtype, device=device(y))
    total = xp.cumulative_sum(xp.sort(v, axis=-1, stable=False), axis=-1)
    d = xp.min((total + radius) / j, axis=-1, keepdims=True) - v
    # The long running sum has lost the last digits of tau. One Newton step finds them; it acts
    # on the small differences d, which keep their digits.
    excess = xp.sum(xp.maximum(d, 0.0), axis=-1, keepdims=True) - radius
    support = xp.sum(xp.astype(d > 0, y.dtype), axis=-1, keepdims=True)
    return xp.maximum(d - excess / support, 0.0)


def nearest_weighted(xp: Any, y: Array, w: Array, radius: Array) -> Array:
    """Project each row of `y`, with weights: ``p_i = max(y_i - theta w_i, 0)``.

    Here ``v_i = top - y_i / w_i`` and, the smallest `v` first, ::

        tau = top - theta = min_j (radius + w_1^2 v_1 + ... + w_j^2 v_j) / (w_1^2 + ... + w_j^2)
    """
    w2 = w * w
    top = largest(xp, y / w)
    v = top - y / w
    # Each entry alone bounds tau, as the largest does without weights; so the sums stay finite.
    # v is cut at twice the bound: tau may equal the bound, and rounding would then count the
    # entries that are cut there.
    v = xp.minimum(v, 2 * xp.min(v + radius / w2, axis=-1, keepdims=True))
    order = xp.argsort(v, axis=-1, stable=False)
    c = xp.take_along_axis(w2, order, axis=-1)
    total = xp.cumulative_sum(c * xp.take_along_axis(v, order, axis=-1), axis=-1)
    tau = xp.min((total + radius) / xp.cumulative_sum(c, axis=-1), axis=-1, keepdims=True)
    # Far from zero p_i = w_i (tau - v_i), since y_i - theta w_i would lose all digits of tau.
    # But if theta is nearer to zero than to `top`, v_i has the rounding of the whole `top`, and
    # a large weight would magnify it.
    far = 2 * tau < xp.abs(top)
    d = xp.where(far, w * (tau - v), y - w * xp.where(far, 0.0, top - tau))
    d = xp.maximum(d, -w * tau)  # far from the support, if not on it
    # Some digits are lost by now. The same formula on d, which is as small as p, finds them.
    # The sum is piecewise linear and convex in theta; a slightly larger radius puts theta on the
    # side from which Newton's method does not overshoot, even if an entry of a large weight is
    # about to vanish.
    total = xp.cumulative_sum(xp.take_along_axis(w * d, order, axis=-1), axis=-1)
    quotients = (total - (1 + SLACK) * radius) / xp.cumulative_sum(c, axis=-1)
    d = d - w * xp.max(quotients, axis=-1, keepdims=True)
    for _ in range(NEWTON_STEPS):
        excess = xp.sum(w * xp.maximum(d, 0.0), axis=-1, keepdims=True) - radius
        support = xp.sum(xp.where(d > 0, w2, 0.0), axis=-1, keepdims=True)
        d = d - w * (excess / support)
    return xp.maximum(d, 0.0)


def largest(xp: Any, y: Array) -> Array:
    """Return the largest entry of each row, or NaN if it is infinite."""
    top = xp.max(y, axis=-1, keepdims=True)
    # inf - inf would warn; nan - inf is NaN without a warning.
    return xp.where(xp.isfinite(top), top, xp.nan)
