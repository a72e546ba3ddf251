r"""The interval of a length on which a curve is more than half its peak, by its likelihood.

Of the true curves :math:`p + e` that a curve `p` with noise of the covariance :math:`\Sigma` may
come from, those with :math:`e^T \Sigma^{-1} e \le 1.96^2`, the shortest and the longest length are
the ends of the interval. Of a linear number :math:`a^T p` they are at
:math:`e = \pm 1.96 \, \Sigma a / \sqrt{a^T \Sigma a}`, which are 1.96 deviations. A length jumps
where another peak comes to count: so at each place the least move is tried that lifts or lowers
the curve by 1.96 deviations against half its peak, and the best ones follow the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.blur.measures.known import SIDE

BEST, ROUNDS = 8, 5
"""Moves that follow the gradient, and how often."""


def extremes(curve: Any, covariance: Any, lift: Any) -> tuple[float, float]:
    """Return by how much the length may be shorter and longer, in steps.

    Parameters
    ----------
    curve : ndarray, shape (T,)
        The curve at places one step apart.
    covariance : ndarray, shape (T, T)
        Of these values.
    lift : ndarray, shape (T,)
        By how much its values may be too large as the peak, in half of all cases.
    """
    own = float(lengths(curve[None], 0.0)[0])
    shorter = own - farthest(curve, covariance, 0.0, -1)
    return shorter, farthest(curve, covariance, lift, 1) - own


def farthest(curve: Any, covariance: Any, lift: Any, sign: int) -> float:
    """Return the shortest length (sign -1) or the longest (1)."""
    against = np.eye(curve.size)
    against[:, np.argmax(curve - lift)] -= 0.5
    moves = least(against, covariance)
    curves = curve + np.concatenate([moves, -moves, np.zeros((1, curve.size))])
    found = sign * lengths(curves, lift)
    best = found.max()
    curves = curves[np.argsort(-found)[:BEST]]
    for _ in range(ROUNDS):
        curves = curve + sign * least(slopes(curves, lift), covariance)
        best = max(best, (sign * lengths(curves, lift)).max())
    return sign * float(best)


def least(a: Any, covariance: Any) -> Any:
    """Return the moves (M, T) along which numbers with gradients (M, T) change most."""
    moves = a @ covariance
    variances = np.sum(moves * a, axis=1, keepdims=True)
    return SIDE * moves / np.sqrt(np.where(variances > 0, variances, np.inf))


def above(curves: Any, lift: Any) -> Any:
    """Return curves (M, T) less half their peaks."""
    return curves - np.max(curves - lift, axis=1, keepdims=True) / 2


def lengths(curves: Any, lift: Any) -> Any:
    """Return the lengths (M,) on which curves (M, T) are more than half their peaks, in steps."""
    g = above(curves, lift)
    a, b = g[:, :-1], g[:, 1:]
    top, apart = np.maximum(a, b), np.abs(a - b)
    crossed = (a > 0) != (b > 0)
    return np.sum(np.where(crossed, top / np.where(crossed, apart, 1), a > 0), axis=1)


# Between a > 0 and b < 0 the length is a / (a - b): its derivatives are -b / (a - b)^2 and
# a / (a - b)^2.
def slopes(curves: Any, lift: Any) -> Any:
    """Return the gradients of the lengths by the curves, shape (M, T)."""
    g = above(curves, lift)
    a, b = g[:, :-1], g[:, 1:]
    crossed = (a > 0) != (b > 0)
    per = np.where(crossed, np.sign(a - b) / np.where(crossed, a - b, 1) ** 2, 0.0)
    found = np.zeros_like(g)
    found[:, :-1] -= b * per
    found[:, 1:] += a * per
    tops = np.argmax(curves - lift, axis=1)
    found[np.arange(len(found)), tops] -= np.sum(found, axis=1) / 2
    return found
