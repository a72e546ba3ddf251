r"""Quadratic functions of nonnegative numbers, minimised exactly by their active set.

.. math:: \min_{h \ge 0} \tfrac12 h^T G h - b^T h

At the minimum ``h`` is zero where the gradient ``G h - b`` is positive, and the gradient is
zero elsewhere. Block principal pivoting guesses the second set, solves for it, and exchanges
the pixels that contradict the guess: some ten times, whatever the condition of ``G``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.convert import fetched

CHANCES = 3
"""Exchanges of all pixels that may follow without fewer contradictions."""

MOST = 40
"""Exchanges at most; matrices whose rounding contradicts itself take another way."""

RIDGE, FIRM = 1e-13, 1e-10
"""Of the largest entry of the diagonal, added to all, as ``G`` may be singular; and where pivoting
fails, since rounding makes it indefinite."""


def nonnegative_minimum(G: Array, b: Array, free: Array | None = None) -> tuple[Array, Array]:
    """Return the minimum and where it is not bound to zero.

    Parameters
    ----------
    G : array, shape (P, P)
        Symmetric and positive definite, in double precision.
    b : array, shape (P,)
        The right-hand side.
    free : array of bool, shape (P,), optional
        A guess of the pixels that are not zero.

    Returns
    -------
    h : array, shape (P,)
        The minimum.
    free : array of bool, shape (P,)
        The pixels that are not bound.

    References
    ----------
    J. J. Judice and F. M. Pires, "A block principal pivoting algorithm for large-scale strictly
    monotone linear complementarity problems", Comput. Oper. Res. 21 (1994) 587-596.

    J. Kim and H. Park, "Fast nonnegative matrix factorization: an active-set-like method and
    comparisons", SIAM J. Sci. Comput. 33 (2011) 3261-3281, algorithm 1.
    """
    xp: Any = namespace(G)
    free = b > 0 if free is None else free
    fewest, chances = b.shape[0] + 1, CHANCES
    h = xp.zeros_like(b)
    for _ in range(MOST):
        h = solution(G, b[:, None], free)[:, 0]
        slope = xp.matmul(G, h) - b
        rounding = 1e-12 * xp.max(xp.abs(b))
        wrong = (free & (h < 0)) | (~free & (slope < -rounding))
        count = int(xp.count_nonzero(wrong))
        if count == 0:
            return xp.maximum(h, xp.zeros_like(h)), free
        if count < fewest:
            fewest, chances = count, CHANCES
        elif chances > 0:
            chances -= 1
        else:  # only the last of them, which ends for certain
            last = int(xp.max(xp.nonzero(wrong)[0]))
            wrong = xp.arange(b.shape[0], device=b.device) == last
        free = free ^ wrong

    h = lawson_hanson(G, b)
    return h, h > 0


def lawson_hanson(G: Array, b: Array) -> Array:
    """Return the minimum by a method that always descends, on the CPU, where pivoting fails."""
    xp: Any = namespace(G)
    matrix: Any = np.asarray(fetched(G))
    L = np.linalg.cholesky(matrix + FIRM * matrix.diagonal().max() * np.eye(len(matrix)))
    rhs = scipy.linalg.solve_triangular(L, np.asarray(fetched(b)), lower=True)
    h, _ = scipy.optimize.nnls(L.T, rhs, maxiter=10 * rhs.size)
    return xp.asarray(h, dtype=b.dtype, device=b.device)


def solution(G: Array, B: Array, free: Array) -> Array:
    """Return the solutions for columns on the free pixels, with rows of zeros elsewhere."""
    xp: Any = namespace(G)
    at = xp.nonzero(free)[0]
    if at.shape[0] == 0:
        return xp.zeros_like(B)
    within = xp.take(xp.take(G, at, axis=0), at, axis=1)
    ridge = RIDGE * xp.max(xp.linalg.diagonal(G))
    within = within + ridge * xp.eye(at.shape[0], dtype=G.dtype, device=G.device)
    found = xp.linalg.solve(within, xp.take(B, at, axis=0))
    place = xp.clip(xp.cumulative_sum(xp.astype(free, at.dtype)) - 1, 0, at.shape[0] - 1)
    spread = xp.take(found, place, axis=0)
    return xp.where(free[:, None], spread, xp.zeros_like(spread))
