"""Dominant directions of small Hermitian matrices, one of coils x coils in each voxel."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nufftlib.core.arrays import Array, Namespace, is_single

BYTES = 2**27
"""Of the matrices that are there at once."""

DECOMPOSED = 2**23
"""Bytes of those that one call decomposes, which Ctrl-C does not end: a part of a second's work."""


def rows_at_once(xp: Namespace, like: Array, row: tuple[int, ...], coils: int) -> int:
    """Return how many rows of voxels have matrices of no more than `BYTES`."""
    return max(1, BYTES // (matrix_bytes(xp, like, coils) * math.prod(row)))


def matrix_bytes(xp: Namespace, like: Array, coils: int) -> int:
    """Return the bytes of a complex matrix of the precision of an array."""
    return (8 if is_single(xp, like) else 16) * coils**2


def slabs(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield first row and end of slabs of an image."""
    for first in range(0, rows, most):
        yield first, min(first + most, rows)


def dominant(xp: Namespace, matrices: Array, count: int, along: Array) -> tuple[Array, Array]:
    r"""Return the largest eigenvalues of Hermitian matrices, and their eigenvectors.

    The phase of an eigenvector :math:`s` is that which makes :math:`v^H s` real and positive.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    matrices : array, shape (..., coils, coils), complex
        The matrices.
    count : int
        Number of eigenvectors, at most the number of coils.
    along : array, shape (coils,), complex
        The direction ``v``.

    Returns
    -------
    values : array, shape (count, ...), real
        Eigenvalues, the largest first.
    vectors : array, shape (count, coils, ...), complex
        Of the norm one.
    """
    *image, coils, _ = matrices.shape
    matrices = xp.reshape(matrices, (-1, coils, coils))
    most = max(1, DECOMPOSED // matrix_bytes(xp, matrices, coils))
    found = []
    for first, end in slabs(matrices.shape[0], most):
        values, vectors = xp.linalg.eigh(matrices[first:end, ...])
        found.append((values[:, -count:], vectors[..., -count:]))
    values, vectors = (xp.flip(xp.concat(a), axis=-1) for a in zip(*found, strict=True))
    values = xp.reshape(values, (*image, count))
    vectors = xp.reshape(vectors, (*image, coils, count))
    part = xp.sum(xp.conj(along)[:, None] * vectors, axis=-2)
    size = xp.abs(part)
    seen = size >= xp.finfo(size.dtype).smallest_normal
    one = xp.ones_like(part)
    turn = xp.where(seen, xp.conj(part) / xp.where(seen, size, xp.ones_like(size)), one)
    vectors = vectors * turn[..., None, :]
    return xp.moveaxis(values, -1, 0), xp.moveaxis(vectors, (-1, -2), (0, 1))


def principal(xp: Namespace, samples: Array) -> Array:
    """Return the direction of most energy among the coils.

    The first of its entries of at least half the largest magnitude is real and positive.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    samples : array, shape (coils, n), complex
        Samples of all coils.

    Returns
    -------
    array, shape (coils,), complex
        Of the norm one.
    """
    _, vectors = xp.linalg.eigh(samples @ xp.conj(samples).T)
    return real_first(xp, vectors[:, -1:])[:, 0]


def real_first(xp: Namespace, v: Array) -> Array:
    """Turn columns so that the first large entry of each is real and positive.

    Large is at least half of the largest: of several that are alike, rounding does not choose.
    """
    size = xp.abs(v)
    large = xp.astype(size >= 0.5 * xp.max(size, axis=0), xp.int32)
    first = xp.astype(xp.cumulative_sum(large, axis=0) * large == 1, v.dtype)
    pivot = xp.sum(first * v, axis=0)
    return v * (xp.conj(pivot) / xp.abs(pivot))
