"""The simplex, plain and weighted."""

from typing import Any

from array_api_compat import device

from optim._numbers import positive
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
NEWTON_STEPS = 3  # each gains all digits, unless an entry vanishes


def simplex(
    radius: float = 1.0,
    axes: Axes = None,
    weights: Array | None = None,
) -> ArrayProjection:
    """Project onto the simplex: entries that are not negative and have a given sum.

    The point of ``{p : p_i >= 0, sum_i w_i p_i = radius}`` nearest to `x` is
    ``p_i = max(x_i - theta w_i, 0)`` with the one `theta` that makes the sum right. With
    the entries sorted by the `theta` at which they vanish, ``x_1 / w_1 >= x_2 / w_2 >= ...``,
    it is ::

        theta = max_j (w_1 x_1 + ... + w_j x_j - radius) / (w_1^2 + ... + w_j^2)

    Parameters
    ----------
    radius : float
        The sum, positive.
    axes : int or tuple of int, optional
        The axes that make one vector; all others are batch, each vector projected by
        itself. By default the whole array is one vector.
    weights : array, optional
        The weights `w`, positive; they broadcast against `x`, whose namespace, dtype and
        device they must have. By default all are 1.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. Entries of `p` are exactly
        not negative; they sum to `radius` up to rounding, whatever the scale of `x` (with
        weights, if these are within six orders of magnitude). A vector with a NaN or
        ``+inf``, or with ``-inf`` alone, becomes NaN throughout.

    Raises
    ------
    ValueError
        If `radius` is not a positive number, or a weight is not.
    TypeError
        If `weights` is no real floating-point array.

    Notes
    -----
    The usual statement takes, of those quotients, the last `j` at which `x_j / w_j` is above
    it. That is where they are largest: the next quotient is larger if and only if the next
    entry vanishes later than this quotient. Taking the maximum needs no index that depends
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

    Every row by itself:

    >>> optim.projections.simplex(2.0, axes=-1)(np.asarray([[3.0, 0.0], [5.0, 5.0]]))
    array([[2., 0.], [1., 1.]])

    A mean with the weights of a quadrature:

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

    def project(x: Array) -> Array:
        xp = real_namespace("simplex", x)
        vector = vector_axes("simplex", axes, x)
        y = as_rows(xp, x, vector)
        if weights is None:
            p = nearest(xp, y, radius)
        else:
            check_like("simplex", "weights", weights, x)
            w = as_rows(xp, xp.broadcast_to(weights, x.shape), vector)
            p = nearest_weighted(xp, y, w, radius)
        return xp.astype(from_rows(xp, p, x, vector), x.dtype, copy=False)

    return project


def nearest(xp: Any, y: Array, radius: float) -> Array:
    """Project each row of `y`, in double precision: ``p_i = max(tau - v_i, 0)``.

    `theta` moves with `y`. With the largest entry as the origin, ``v_i = top - y_i`` and
    ``tau = top - theta = min_j (radius + v_1 + ... + v_j) / j``, the smallest `v` first, a
    row far from zero keeps its digits. Sums are in double precision, since rounding in
    `theta` alone, times the number of entries, is off the radius.
    """
    v = largest(xp, y) - y
    # The largest entry alone makes tau <= radius: what lies beyond that cannot matter, and
    # would cost the sums their digits.
    v = xp.minimum(v, radius)
    j = xp.arange(1, y.shape[-1] + 1, dtype=y.dtype, device=device(y))
    total = xp.cumulative_sum(xp.sort(v, axis=-1, stable=False), axis=-1)
    d = xp.min((total + radius) / j, axis=-1, keepdims=True) - v
    # One Newton step for the last digits of tau, which a long running sum has lost; taken on
    # the small differences d, so that it is not lost in turn.
    excess = xp.sum(xp.maximum(d, 0.0), axis=-1, keepdims=True) - radius
    support = xp.sum(xp.astype(d > 0, y.dtype), axis=-1, keepdims=True)
    return xp.maximum(d - excess / support, 0.0)


def nearest_weighted(xp: Any, y: Array, w: Array, radius: float) -> Array:
    """Project each row of `y`, the same with weights: ``p_i = max(y_i - theta w_i, 0)``.

    Here ``v_i = top - y_i / w_i`` and, the smallest `v` first, ::

        tau = top - theta = min_j (radius + w_1^2 v_1 + ... + w_j^2 v_j) / (w_1^2 + ... + w_j^2)
    """
    w2 = w * w
    top = largest(xp, y / w)
    v = top - y / w
    # Each entry alone bounds tau, as the largest does without weights; the sums stay finite.
    # Not at the bound itself, which tau may be: rounding would bring in what is far out.
    v = xp.minimum(v, 2 * xp.min(v + radius / w2, axis=-1, keepdims=True))
    order = xp.argsort(v, axis=-1, stable=False)
    c = xp.take_along_axis(w2, order, axis=-1)
    total = xp.cumulative_sum(c * xp.take_along_axis(v, order, axis=-1), axis=-1)
    tau = xp.min((total + radius) / xp.cumulative_sum(c, axis=-1), axis=-1, keepdims=True)
    # p_i = w_i (tau - v_i) far from zero, where y_i - theta w_i would have lost all digits of
    # tau. But where theta is nearer to zero than to `top`, v_i has the rounding of all of
    # `top`, which a large weight would magnify.
    far = 2 * tau < xp.abs(top)
    d = xp.where(far, w * (tau - v), y - w * xp.where(far, 0.0, top - tau))
    d = xp.maximum(d, -w * tau)  # far from the support, if not on it
    # Once more for the digits that this has lost, on d, which is as small as p. With a slightly
    # larger radius, theta is on the side from which Newton's method on the sum, piecewise linear
    # and convex, does not overshoot, though an entry of a large weight be about to vanish.
    total = xp.cumulative_sum(xp.take_along_axis(w * d, order, axis=-1), axis=-1)
    quotients = (total - (1 + SLACK) * radius) / xp.cumulative_sum(c, axis=-1)
    d = d - w * xp.max(quotients, axis=-1, keepdims=True)
    for _ in range(NEWTON_STEPS):
        excess = xp.sum(w * xp.maximum(d, 0.0), axis=-1, keepdims=True) - radius
        support = xp.sum(xp.where(d > 0, w2, 0.0), axis=-1, keepdims=True)
        d = d - w * (excess / support)
    return xp.maximum(d, 0.0)


def largest(xp: Any, y: Array) -> Array:
    """Return the largest entry of each row; NaN where that is infinite."""
    top = xp.max(y, axis=-1, keepdims=True)
    # inf - inf would warn; nan - inf is NaN as well, and quiet.
    return xp.where(xp.isfinite(top), top, xp.nan)
