r"""The squared error of a blur that varies over the field, as a quadratic function of its PSFs.

.. math:: y[p] = \sum_k w_k[p] \sum_q h_k[q]\, e[p + P - 1 - q], \qquad
          G_{kl}[q, q'] = \sum_p w_k[p]\, w_l[p]\, e[p + P - 1 - q]\, e[p + P - 1 - q'],

with the extended image ``e``. The weights of a node are a hat along the rows times one along the
columns, ``w_k[p] = a_r[p_0] b_c[p_1]``. So ``w_k w_l`` is zero but for neighbours, and is a
product of one of ``2 R - 1`` functions of the row, ``a_r^2`` and ``a_r a_{r+1}``, with one of the
column. With
``u = P - 1 - q`` and the lag ``d = q - q'``, each lag is a product of three matrices,

.. math:: G_{ij}[u, d] = \sum_{m_0} A_i[m_0 - u_0] \sum_{m_1} e[m]\, e[m + d]\, B_j[m_1 - u_1] .

Two nodes that differ in row and column share their product of weights with the other diagonal of
the cell. So ``(2 R - 1)(2 C - 1)`` symmetric matrices are all that is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.blur.operator import Blur, extended
from nufftlib.blur.psf_grid import Values
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.inner import inner
from nufftlib.core.quadratic import Quadratic


@dataclass(frozen=True)
class FieldEquations:
    """A quadratic function of the PSFs at the nodes of a grid, shape (rows, columns, P, Q).

    Parameters
    ----------
    blocks : array, shape (2 rows - 1, 2 columns - 1, P Q, P Q)
        The matrices ``G_ij``, in double precision: of even ``i`` of the row ``i / 2`` with
        itself, of odd ``i`` of the rows beside ``i / 2``; columns alike.
    rhs : array, shape (rows, columns, P, Q)
        ``b = A^H y``.
    constant : float
        ``|y|^2 / 2``.
    """

    blocks: Array
    rhs: Array
    constant: float

    # f(h) = 1/2 <h, G h> - <b, h> + c
    def value_and_grad(self, h: Array) -> tuple[float, Array]:
        """Return half the squared error, and its gradient."""
        Gh = self.product(h)
        return float(inner(h, 0.5 * Gh - self.rhs)) + self.constant, Gh - self.rhs

    def product(self, h: Array) -> Array:
        """Return ``G h``."""
        xp = array_namespace(h)
        rows, columns, P, Q = h.shape
        size = P * Q
        read, write = self._tables
        flat = xp.reshape(h, (rows * columns, size))
        # Each matrix has at most four vectors: those of a cell's corners.
        sources = xp.reshape(read @ flat, (-1, 4, size))
        B = xp.reshape(self.blocks, (-1, size, size))
        made = xp.matmul(sources, B)  # symmetric
        return xp.reshape(write @ xp.reshape(made, (-1, size)), h.shape)

    # Of equal PSFs each matrix counts once for each pair of nodes that has it.
    def single(self) -> Quadratic:
        """Return the function of one PSF that all nodes have, shape (P, Q)."""
        xp = array_namespace(self.rhs)
        times = [[float(len(ends(i))) for i in range(n)] for n in self.blocks.shape[:2]]
        m, n = (xp.asarray(t, dtype=self.rhs.dtype, device=device(self.rhs)) for t in times)
        gram = xp.sum(m[:, None, None, None] * n[:, None, None] * self.blocks, axis=(0, 1))
        return Quadratic(gram, xp.sum(self.rhs, axis=(0, 1)), self.constant)

    # tr(G_kk (1 - 1 1^T / P)) / P: along 1, the brightness, PSFs of sum one do not differ
    def curvatures(self) -> Array:
        """Return the mean curvature by the PSF of each node, shape (rows, columns, 1, 1)."""
        xp = array_namespace(self.rhs)
        own = self.blocks[::2, ::2, ...]
        size = own.shape[-1]
        trace = xp.sum(xp.linalg.diagonal(own), axis=-1)
        varying = trace - xp.sum(own, axis=(-2, -1)) / size
        return xp.clip(varying, 0.0, None)[..., None, None] / size

    @cached_property
    def _tables(self) -> tuple[Array, Array]:
        """The nodes that the matrices read, and those that they write, as 0 and 1."""
        xp = array_namespace(self.rhs)
        rows, columns = self.rhs.shape[:2]
        read = np.zeros((self.blocks.shape[0], self.blocks.shape[1], 4, rows, columns))
        write = np.zeros_like(read)
        for i, j in itertools.product(*map(range, read.shape[:2])):
            pairs = itertools.product(ends(i), ends(j))
            for n, ((r, s), (c, d)) in enumerate(pairs):
                read[i, j, n, r, c] = write[i, j, n, s, d] = 1
        flat = (read.reshape(-1, rows * columns), write.reshape(-1, rows * columns).T)
        like: dict[str, Any] = {"dtype": self.rhs.dtype, "device": device(self.rhs)}
        return xp.asarray(flat[0], **like), xp.asarray(flat[1], **like)


def ends(i: int) -> list[tuple[int, int]]:
    """Return the pairs of nodes along an axis whose weights make the product `i`, each way."""
    n = i // 2
    return [(n, n)] if i % 2 == 0 else [(n, n + 1), (n + 1, n)]


def field_equations(
    A: SpaceVaryingBlur, weights: tuple[Values, Values], x: Array, y: Array
) -> FieldEquations:
    """Return half the squared error of a blur by a grid of PSFs, in double precision.

    Parameters
    ----------
    A : SpaceVaryingBlur
        The blur; its PSFs give the size alone.
    weights : tuple of ndarray, shape (nodes, pixels)
        The hats along rows and columns, of which the blur's weights are the products.
    x : array, shape (..., height, width), float64
        The sharp picture.
    y : array, shape (..., height, width), float64
        The blurred one, of the size that the boundary gives.
    """
    xp, P = array_namespace(x), A.psf.shape[-2:]
    fixed: Any = A.as_map("psf", x)
    rhs = xp.reshape(fixed.adjoint(y), (*(len(a) for a in weights), *P))
    e = extended(xp, Blur(A.psf[0, ...], A.boundary), x)
    e = xp.reshape(e, (-1, *e.shape[-2:]))
    products = [products_of_hats(a) for a in weights]
    return FieldEquations(gram_blocks(xp, e, products, P), rhs, 0.5 * float(inner(y, y)))


# a_0^2, a_0 a_1, a_1^2, a_1 a_2, ...
def products_of_hats(a: Values) -> Values:
    """Return the products of hats along an axis, shape (2 nodes - 1, pixels)."""
    return np.stack([a[i // 2] * a[(i + 1) // 2] for i in range(2 * len(a) - 1)])


def gram_blocks(xp: Namespace, e: Array, products: list[Values], P: tuple[int, int]) -> Array:
    """Return the matrices ``G_ij`` of an extended image, shape (batch, *n)."""
    like: dict[str, Any] = {"dtype": e.dtype, "device": device(e)}
    A, B = (xp.asarray(shifted(a, p), **like) for a, p in zip(products, P, strict=True))
    n, found = e.shape[1:], []
    for d0, d1 in lags(P):
        first = max(-d1, 0), n[1] - max(d1, 0)
        rows, columns = slice(0, n[0] - d0), slice(*first)
        partner = e[:, d0:, first[0] + d1 : first[1] + d1]
        z = xp.sum(e[:, rows, columns] * partner, axis=0)
        left = A[:, : P[0] - d0, rows]
        right = B[:, max(-d1, 0) : P[1] - max(d1, 0), columns]
        (i, u, _), (j, v, _) = left.shape, right.shape
        left = xp.reshape(left, (i * u, left.shape[-1]))
        right = xp.reshape(right, (j * v, right.shape[-1]))
        S = xp.reshape(left @ z @ xp.matrix_transpose(right), (i, u, j, v))
        found.append(xp.reshape(xp.permute_dims(S, (0, 2, 1, 3)), (i, j, u * v)))
    half = xp.concat(found, axis=-1)
    at = xp.asarray(places(P), device=device(e))
    size = P[0] * P[1]
    blocks = xp.take(xp.reshape(half, (-1, half.shape[-1])), at, axis=-1)
    return xp.reshape(blocks, (*half.shape[:2], size, size))


# A[i, u, m] = a_i[m - u]
def shifted(a: Values, p: int) -> Values:
    """Return functions of the blurred pixels on those of the extended image, at all shifts."""
    return np.stack([np.pad(a, ((0, 0), (u, p - 1 - u))) for u in range(p)], axis=1)


def lags(P: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield one lag of each pair of opposite ones."""
    for d0 in range(P[0]):
        for d1 in range(1 - P[1] if d0 else 0, P[1]):
            yield d0, d1


def places(P: tuple[int, int]) -> Any:
    """Return where the entries ``[q, q']`` are among those of all lags, shape (P^4,)."""
    at, start = np.empty((*P, *P), np.int64), 0
    for d0, d1 in lags(P):
        u = np.arange(P[0] - d0), np.arange(max(-d1, 0), P[1] - max(d1, 0))
        rows, columns = (w.ravel() for w in np.meshgrid(*u, indexing="ij"))
        entries = start + np.arange(rows.size)
        q = P[0] - 1 - rows, P[1] - 1 - columns
        at[q[0], q[1], q[0] - d0, q[1] - d1] = entries
        at[q[0] - d0, q[1] - d1, q[0], q[1]] = entries
        start += rows.size
    return at.ravel()
