r"""The largest eigenvectors of one large Hermitian matrix, without a call of threaded BLAS.

LAPACK goes through the matrix once for each column. OpenBLAS cuts each of these passes among its
threads, which spin while they wait for each other: beside busy processes some five times the time
of one thread. Here one thread reduces the matrix in one pass a column, LAPACK finds the
eigenvectors of what is left, which takes no BLAS, and as many as are wanted are turned back.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array

LARGE = 512
"""Rows from which it is taken: smaller matrices take LAPACK a part of a second."""

TILE = 40
"""Of a product of matrices: OpenBLAS computes up to 65,536 complex products by one thread."""

GROUP = 8
"""Eigenvectors that are turned back at once, each in the first cache."""


def gram(X: Any) -> Any:
    """Return the lower triangle of ``X X^H``, of the tiles on the diagonal all."""
    from nufftlib.nufft.engines.grid.cpu.parallel import run

    n, length = X.shape
    out = np.zeros((n, n), X.dtype)
    XH = X.conj().T

    def rows(begin: int, end: int) -> None:
        for i in range(begin * TILE, end * TILE, TILE):
            for j in range(0, i + 1, TILE):
                for k in range(0, length, TILE):
                    out[i : i + TILE, j : j + TILE] += np.matmul(
                        X[i : i + TILE, k : k + TILE], XH[k : k + TILE, j : j + TILE]
                    )

    run(rows, [(i, i + 1) for i in range(-(-n // TILE))])
    return out


class Tridiagonal:
    r"""A Hermitian matrix ``A = Q T Q^H`` with ``Q`` of reflections and ``T`` tridiagonal.

    In column ``k`` the reflection :math:`I - \tau v v^H` takes what is below the diagonal to one
    entry, :math:`\alpha`. With :math:`p = \tau A v` and :math:`w = p - \tfrac{\tau}{2} (p^H v) v`
    the rest becomes :math:`A - v w^H - w v^H`.

    Parameters
    ----------
    A : ndarray, shape (n, n), complex128
        The matrix, of which the lower triangle is read.
    """

    def __init__(self, A: Any) -> None:
        from nufftlib.mri.coils.reflections import reduce

        self.re, self.im = A.real.copy(), A.imag.copy()
        n = A.shape[0]
        self.diagonal, self.scale = np.empty(n), np.zeros(n)
        below = np.zeros((2, n))
        reduce(self.re, self.im, self.diagonal, below, self.scale)
        alpha = below[0, : n - 1] + 1j * below[1, : n - 1]
        self.below = np.abs(alpha)
        turn = np.where(self.below > 0, alpha, 1.0) / np.where(self.below > 0, self.below, 1.0)
        self.phase = np.concatenate([np.ones(1), np.cumprod(turn)])
        self.phase /= np.abs(self.phase)

    @cached_property
    def values(self) -> Any:
        """All eigenvalues, in ascending order."""
        import scipy.linalg

        return scipy.linalg.eigvalsh_tridiagonal(self.diagonal, self.below, lapack_driver="sterf")

    def vectors(self, count: int) -> Array:
        """Return the eigenvectors of the largest eigenvalues, (n, count), in ascending order."""
        import scipy.linalg

        from nufftlib.mri.coils.reflections import turn_back
        from nufftlib.nufft.engines.grid.cpu.parallel import run

        n = len(self.diagonal)
        _, z = scipy.linalg.eigh_tridiagonal(
            self.diagonal,
            self.below,
            select="i",
            select_range=(n - count, n - 1),
            lapack_driver="stemr",
        )
        found = z.T * self.phase
        re, im = np.ascontiguousarray(found.real), np.ascontiguousarray(found.imag)
        groups = [(i, min(i + GROUP, count)) for i in range(0, count, GROUP)]
        run(turn_back, groups, self.re, self.im, self.scale, re, im)
        return (re + 1j * im).T
