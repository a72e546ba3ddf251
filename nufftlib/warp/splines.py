r"""Cubic B-splines, and interpolation along one axis as a matrix of a few diagonals.

The interpolant of samples :math:`x` is :math:`s(p) = \sum_m c_m \beta(p - m)`, with the
coefficients :math:`c` for which :math:`s(n) = x_n`. On an image that is continued without end,

.. math:: c_m = \sum_k g_{m-k} x_k, \quad g_k = \sqrt 3\, z^{|k|}, \quad z = \sqrt 3 - 2, \qquad
    s(p) = \sum_k \eta(p - k)\, x_k, \quad \eta(t) = \sum_l g_l\, \beta(t - l).

Both :math:`g` and the cardinal spline :math:`\eta` fall by 0.27 from one sample to the next:
beyond `REACH` samples they are below double precision's rounding.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import numpy as np

from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.core.arrays import Array, Namespace, namespace, real_dtype

REACH = 32
"""Samples to either side of a point that its value depends on; ``|z|^32 = 5e-19``."""

ROWS = 128
"""Rows of a matrix in one dense block."""

POLE = math.sqrt(3.0) - 2.0


# b(t) = ((2 - |t|)_+^3 - 4 (1 - |t|)_+^3) / 6, differentiated so often
def bspline(xp: Namespace, t: Array, order: int) -> Array:
    """Return the cubic B-spline, its slope or its second derivative (`order` 0, 1 or 2)."""
    distance = xp.abs(t)
    far, near = xp.maximum(2.0 - distance, 0.0), xp.maximum(1.0 - distance, 0.0)
    if order == 0:
        return far * far * far / 6 - near * near * near * (2 / 3)
    if order == 1:
        return xp.sign(t) * (2.0 * near * near - 0.5 * far * far)
    return far - 4.0 * near


def whole_and_rest(p: Any) -> tuple[Any, Any]:
    """Return the whole parts of positions, as integers, and the rests in [0, 1)."""
    whole = np.floor(p)
    return whole.astype(np.int32), p - whole


class Banded:
    """A sparse matrix along one axis, in dense blocks of its rows, and its transpose.

    Parameters
    ----------
    columns : ndarray of int, shape (rows, terms)
        The columns of the entries; entries of one place add up.
    values : ndarray, shape (rows, terms)
        The entries.
    size : int
        How many columns there are.
    like : array
        An array of the library, device and precision that the matrix is for.
    """

    def __init__(self, columns: Any, values: Any, size: int, like: Array) -> None:
        from scipy.sparse import csr_array  # on use: it takes longer than most of the rest

        starts = values.shape[1] * np.arange(len(values) + 1)
        given = values.reshape(-1), columns.reshape(-1), starts
        matrix = csr_array(given, shape=(len(values), size))
        self._forward = blocks(matrix, like)
        self._transposed = blocks(matrix.T.tocsr(), like)

    def apply(self, x: Array, axis: int) -> Array:
        """Return the products with the vectors along a negative `axis`."""
        return multiplied(self._forward, x, axis)

    def transposed(self, y: Array, axis: int) -> Array:
        """Return the products of the transpose."""
        return multiplied(self._transposed, y, axis)


def blocks(matrix: Any, like: Array) -> list[tuple[int, int, Array]]:
    """Return groups of rows, each with the first and last column that it needs."""
    xp, found = namespace(like), []
    place = {"dtype": real_dtype(xp, like), "device": array_api_compat.device(like)}
    for start in range(0, matrix.shape[0], ROWS):
        rows = matrix[start : start + ROWS]
        first, last = int(rows.indices.min()), int(rows.indices.max()) + 1
        found.append((first, last, xp.asarray(rows[:, first:last].toarray(), **place)))
    return found


def multiplied(matrix: list[tuple[int, int, Array]], x: Array, axis: int) -> Array:
    """Multiply the vectors along an axis by a matrix in blocks."""
    xp = namespace(x)
    if axis == -1:
        parts = [
            xp.matmul(x[..., first:last], xp.astype(block, x.dtype, copy=False).T)
            for first, last, block in matrix
        ]
        return xp.concat(parts, axis=-1)
    x = xp.moveaxis(x, axis, -2)
    parts = [
        xp.matmul(xp.astype(block, x.dtype, copy=False), x[..., first:last, :])
        for first, last, block in matrix
    ]
    return xp.moveaxis(xp.concat(parts, axis=-2), -2, axis)


# s^(o)(p) = sum_k eta^(o)(p - k) x_k
def interpolation(p: Any, order: int, size: int, boundary: str, like: Array) -> Banded:
    """Return the matrix that takes samples to the interpolant or its derivative at points `p`."""
    whole, rest = whole_and_rest(p)
    near = np.arange(-1, 3)
    B = bspline(np, rest[:, None] - near, order)
    taps = np.arange(1 - REACH, REACH + 1)
    values = B @ prefilter_weights(taps - near[:, None])
    return Banded(place(whole[:, None] + taps, size, boundary), values, size, like)


# c_m = sum_k g_{m - k} x_k
def prefilter(first: int, last: int, size: int, boundary: str, like: Array) -> Banded:
    """Return the matrix that takes samples to the coefficients ``first`` to ``last - 1``."""
    taps = np.arange(-REACH, REACH + 1)
    m = np.arange(first, last)[:, None]
    values = np.broadcast_to(prefilter_weights(taps), (last - first, len(taps)))
    return Banded(place(m + taps, size, boundary), values, size, like)


def prefilter_weights(k: Any) -> Any:
    """Return ``g_k``."""
    return math.sqrt(3.0) * POLE ** np.abs(k)


def place(index: Any, size: int, boundary: str) -> Any:
    """Return which sample stands at each index of the continued axis."""
    before, after = max(0, -int(index.min())), max(0, int(index.max()) - size + 1)
    samples = np.arange(size)
    continued = BOUNDARIES[boundary].extend(namespace(samples), samples, -1, before, after)
    return continued[index + before]


def period(size: int, boundary: str) -> int:
    """Return after how many samples the continued axis repeats."""
    return size if boundary == "circular" else max(2 * size - 2, 1)
