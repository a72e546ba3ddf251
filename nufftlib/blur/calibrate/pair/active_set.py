r"""Quadratic functions of nonnegative numbers, minimised exactly by their active set.

.. math:: \min_{h \ge 0} \tfrac12 h^T G h - b^T h

At the minimum ``h`` is zero where the gradient ``G h - b`` is positive, and the gradient is
zero elsewhere. Block principal pivoting guesses the second set, solves for it, and exchanges
the pixels that contradict the guess: some ten times, whatever the condition of ``G``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.convert import fetched

CHANCES = 3
"""Exchanges of all pixels that may follow without fewer contradictions."""

MOST = 40
"""Exchanges at most; matrices whose rounding contradicts itself take another way."""

RIDGE, FIRM = 1e-13, 1e-10
"""Of the largest entry of the diagonal, added to all, as ``G`` may be singular; and where pivoting
fails, since rounding makes it indefinite."""


def nonnegative_minimum(G: Any, b: Any, free: Any = None) -> tuple[Any, Any]:
    """Return the minimum and where it is not bound to zero.

    Parameters
    ----------
    G : ndarray, shape (P, P)
        Symmetric and positive definite, in double precision, of NumPy.
    b : ndarray, shape (P,)
        The right-hand side.
    free : ndarray of bool, shape (P,), optional
        A guess of the pixels that are not zero.

    Returns
    -------
    h : ndarray, shape (P,)
        The minimum.
    free : ndarray of bool, shape (P,)
        The pixels that are not bound.

    References
    ----------
    J. J. Judice and F. M. Pires, "A block principal pivoting algorithm for large-scale strictly
    monotone linear complementarity problems", Comput. Oper. Res. 21 (1994) 587-596.

    J. Kim and H. Park, "Fast nonnegative matrix factorization: an active-set-like method and
    comparisons", SIAM J. Sci. Comput. 33 (2011) 3261-3281, algorithm 1.
    """
    free = b > 0 if free is None else free
    fewest, chances = len(b) + 1, CHANCES
    for _ in range(MOST):
        h = solved(G, b[:, None], free)[:, 0]
        slope = G @ h - b
        wrong = (free & (h < 0)) | (~free & (slope < -1e-12 * np.abs(b).max()))
        count = int(np.count_nonzero(wrong))
        if count == 0:
            return np.maximum(h, 0.0), free
        if count < fewest:
            fewest, chances = count, CHANCES
        elif chances > 0:
            chances -= 1
        else:  # only the last of them, which ends for certain
            wrong = np.arange(len(b)) == np.nonzero(wrong)[0].max()
        free = free ^ wrong
    h = lawson_hanson(G, b)
    return h, h > 0


def lawson_hanson(G: Any, b: Any) -> Any:
    """Return the minimum by a method that always descends, where pivoting fails."""
    import scipy.linalg  # on use: it takes longer than most of the rest
    import scipy.optimize

    L = np.linalg.cholesky(G + FIRM * G.diagonal().max() * np.eye(len(G)))
    rhs = scipy.linalg.solve_triangular(L, b, lower=True)
    h, _ = scipy.optimize.nnls(L.T, rhs, maxiter=10 * rhs.size)
    return h


def solved(G: Any, B: Any, free: Any) -> Any:
    """Return the solutions for columns on the free pixels, with rows of zeros elsewhere."""
    found = np.zeros_like(B)
    within = G[np.ix_(free, free)]
    if within.size:
        ridge = RIDGE * G.diagonal().max() * np.eye(len(within))
        found[free] = np.linalg.solve(within + ridge, B[free])
    return found


def solution(G: Array, B: Array, free: Any) -> Array:
    """Return the solutions in the library of the arrays."""
    return like(B, solved(on_host(G), on_host(B), free))


def on_host(a: Array) -> Any:
    """Return an array in NumPy; of no pictures here, but of matrices like the PSF."""
    return np.asarray(fetched(a))


def like(a: Array, values: Any) -> Array:
    """Return NumPy's values in the library and on the device of an array."""
    found: Array = namespace(a).asarray(values, device=a.device)
    return found
