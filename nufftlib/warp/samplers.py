r"""The spline interpolant of images, and its derivatives, at points that an affine map moves.

:math:`S_o x = (\partial^o s)(p(n))` for all pixels :math:`n`, where :math:`o` has an order of
differentiation for each axis, and the transposes. Positions are computed in double precision by
NumPy, from the few numbers of the map, as whole pixels and the rest: single precision loses no
digit to the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import array_api_compat
import numpy as np

from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.core.arrays import Array, flatten_batch, namespace, real_dtype
from nufftlib.nufft.engines.base import Whole
from nufftlib.warp.splines import (
    Banded,
    bspline,
    interpolation,
    period,
    prefilter,
    whole_and_rest,
)

Orders = tuple[int, ...]
"""How often the interpolant is differentiated, along each axis."""

PIXELS = 2**16
"""Pixels that are sampled at once: some arrays of so many fit the caches of a CPU."""


class Sampler(Protocol):
    """The interpolant at the points of one map, for images of one shape."""

    def values(self, x: Array, wanted: Sequence[Orders]) -> list[Array]:
        """Return ``S_o x`` for each of the orders."""

    def transposed(self, y: Array, orders: Orders) -> Array:
        """Return ``S_o^T y``."""


class Separable:
    """A map of each axis by itself: a product of matrices.

    Parameters
    ----------
    shape : tuple of int
        Image shape.
    matrix : ndarray, shape (d, d)
        The matrix ``M`` of the map, diagonal.
    shift : ndarray, shape (d,)
        Its shift ``t`` in pixels.
    boundary : str
        Continuation of the image.
    like : array
        An array of the images' library, device and precision.
    """

    def __init__(
        self, shape: tuple[int, ...], matrix: Any, shift: Any, boundary: str, like: Array
    ) -> None:
        self._points = [positions(n, matrix[a, a], shift[a], boundary) for a, n in enumerate(shape)]
        self._shape, self._boundary, self._like = shape, boundary, like
        self._made: dict[tuple[int, int], Banded] = {}

    def values(self, x: Array, wanted: Sequence[Orders]) -> list[Array]:
        """Multiply by a matrix along each axis."""
        found = []
        for orders in wanted:
            z = x
            for a, order in enumerate(orders):
                z = self._matrix(a, order).apply(z, a - len(orders))
            found.append(z)
        return found

    def transposed(self, y: Array, orders: Orders) -> Array:
        """Multiply by their transposes."""
        for a, order in enumerate(orders):
            y = self._matrix(a, order).transposed(y, a - len(orders))
        return y

    def _matrix(self, axis: int, order: int) -> Banded:
        if (axis, order) not in self._made:
            self._made[axis, order] = interpolation(
                self._points[axis], order, self._shape[axis], self._boundary, self._like
            )
        return self._made[axis, order]


class Planar:
    r"""Any affine map of the plane: sixteen coefficients for each point.

    .. math:: (S x)[n] = \sum_m \beta(p_0(n) - m_0)\, \beta(p_1(n) - m_1)\, c_m

    The transpose, which would scatter each pixel to sixteen coefficients, gathers as well: a
    coefficient takes from all pixels that its B-spline covers. These lie around the point where
    the inverse map takes it, within ``2 |M^-1|`` in each direction.

    Parameters
    ----------
    shape : tuple of int
        Image shape.
    matrix : ndarray, shape (2, 2)
        The matrix ``M`` of the map.
    shift : ndarray, shape (2,)
        Its shift ``t`` in pixels.
    boundary : str
        Continuation of the image.
    like : array
        An array of the images' library, device and precision.
    """

    def __init__(
        self, shape: tuple[int, ...], matrix: Any, shift: Any, boundary: str, like: Array
    ) -> None:
        self._xp, self._shape, self._M = namespace(like), shape, matrix
        self._place = {
            "dtype": real_dtype(self._xp, like),
            "device": array_api_compat.device(like),
        }
        centre = np.asarray([n // 2 for n in shape])
        # p(n) = n M^T + b; the coefficients around these, and one more where rounding carries
        b = centre + reduced(shift, shape, boundary) - matrix @ centre
        low, high = bounds(shape, matrix, b)
        first, last = np.floor(low).astype(int) - 2, np.floor(high).astype(int) + 4
        ends = zip(first, last, shape, strict=True)
        self._prefilters = [prefilter(int(i), int(j), n, boundary, like) for i, j, n in ends]
        self._size = tuple(int(n) for n in last - first)
        self._points = Grid(shape, matrix, b - first, self)
        # n = q(m) = m M^-T + M^-1 (first - b), less the reach of a B-spline
        inverse = np.linalg.inv(matrix)
        self._reach = 2 * np.sum(np.abs(inverse), axis=1)
        start = inverse @ (first - b) - self._reach
        low, high = bounds(self._size, inverse, start)
        self._taps = tuple(int(k) for k in np.ceil(2 * self._reach))
        before = np.maximum(0, -np.floor(low).astype(int))
        after = np.maximum(0, np.floor(high).astype(int) + 2 + self._taps - np.asarray(shape))
        self._margins = [(int(i), int(j)) for i, j in zip(before, after, strict=True)]
        self._sources = Grid(self._size, inverse, start + before, self)

    def array(self, values: Any) -> Array:
        """Return real numbers in the library, device and precision of the images."""
        return self._xp.asarray(values, **self._place)

    def integers(self, values: Any) -> Array:
        """Return integers in the library and on the device of the images."""
        return self._xp.asarray(values, device=self._place["device"])

    def values(self, x: Array, wanted: Sequence[Orders]) -> list[Array]:
        """Gather sixteen coefficients for each pixel, once for all orders."""
        xp, (height, width) = self._xp, self._size
        for a, matrix in enumerate(self._prefilters):
            x = matrix.apply(x, a - 2)
        c = xp.reshape(flatten_batch(xp, x, 2), (-1, height * width))
        found = [Whole(xp, math.prod(self._shape), axis=1) for _ in wanted]
        for part, (i, f), (j, g) in self._points.chunks():
            needed = {order for orders in wanted for order in orders}
            B0 = {o: [bspline(xp, f - k, o) for k in range(-1, 3)] for o in needed}
            B1 = {o: [bspline(xp, g - k, o) for k in range(-1, 3)] for o in needed}
            corner = (i - 1) * width + (j - 1)
            sums: list[Any] = [0.0] * len(wanted)
            for k in range(4):
                taps = [xp.take(c, corner + (k * width + m), axis=1) for m in range(4)]
                for w, (o, p) in enumerate(wanted):
                    row = sum(b * tap for b, tap in zip(B1[p], taps, strict=True))
                    sums[w] = sums[w] + B0[o][k] * row
            for whole, total in zip(found, sums, strict=True):
                whole.put(part, total)
        return [xp.reshape(w.result, (*x.shape[:-2], *self._shape)) for w in found]

    def transposed(self, y: Array, orders: Orders) -> Array:
        """Gather for each coefficient the pixels that its B-spline covers."""
        xp, M, lead = self._xp, self._M, y.shape[:-2]
        for a, (before, after) in enumerate(self._margins):
            y = BOUNDARIES["zero"].extend(xp, y, a - 2, before, after)
        width = y.shape[-1]
        y = xp.reshape(flatten_batch(xp, y, 2), (-1, y.shape[-2] * width))
        whole = Whole(xp, math.prod(self._size), axis=1)
        for part, (i, f), (j, g) in self._sources.chunks():
            # From q(m) to the first pixel, and from m to where that pixel takes its value
            r, s = 1.0 - f - float(self._reach[0]), 1.0 - g - float(self._reach[1])
            u, v = (float(M[a, 0]) * r + float(M[a, 1]) * s for a in range(2))
            corner = (i + 1) * width + (j + 1)
            total: Any = 0.0
            for k, m in np.ndindex(self._taps):
                du, dv = (float(M[a] @ (k, m)) for a in range(2))
                weight = bspline(xp, u + du, orders[0]) * bspline(xp, v + dv, orders[1])
                total = total + weight * xp.take(y, corner + (k * width + m), axis=1)
            whole.put(part, total)
        z = xp.reshape(whole.result, (*lead, *self._size))
        for a, matrix in enumerate(self._prefilters):
            z = matrix.transposed(z, a - 2)
        return z


class Grid:
    """The points ``n M^T + b`` of the pixels of an image, in chunks of its rows.

    Parameters
    ----------
    shape : tuple of int
        Pixels.
    matrix : ndarray, shape (2, 2)
        ``M``.
    b : ndarray, shape (2,)
        Where the first pixel goes.
    arrays : Planar
        Makes arrays of the library and device.
    """

    def __init__(self, shape: tuple[int, ...], matrix: Any, b: Any, arrays: Planar) -> None:
        self._xp, self._shape = namespace(arrays.array(0.0)), shape
        n, m = (np.arange(size) for size in shape)
        self._axes = []
        for a in range(2):
            parts = whole_and_rest(matrix[a, 0] * n + b[a]), whole_and_rest(matrix[a, 1] * m)
            self._axes.append([(arrays.integers(i), arrays.array(f)) for i, f in parts])

    def chunks(self) -> Any:
        """Yield pixels, and along both axes the whole parts and the rests of their points."""
        height, width = self._shape
        step = max(1, PIXELS // width)
        for start in range(0, height, step):
            stop = min(start + step, height)
            points = [self._sum(axis, start, stop) for axis in self._axes]
            yield slice(start * width, stop * width), *points

    def _sum(self, axis: Any, start: int, stop: int) -> tuple[Array, Array]:
        """Add the parts of rows and columns; their rests may add up to more than 1."""
        xp, ((i, f), (j, g)) = self._xp, axis
        rest = f[start:stop, None] + g[None, :]
        carry = rest >= 1
        whole = i[start:stop, None] + j[None, :] + xp.astype(carry, j.dtype)
        rest = rest - xp.astype(carry, rest.dtype)
        return xp.reshape(whole, (-1,)), xp.reshape(rest, (-1,))


def bounds(shape: tuple[int, ...], matrix: Any, b: Any) -> tuple[Any, Any]:
    """Return the least and greatest coordinates of the points ``n M^T + b``."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in shape]), axis=-1).reshape(-1, len(shape))
    points = corners @ matrix.T + b
    return points.min(axis=0), points.max(axis=0)


def positions(size: int, scale: float, shift: float, boundary: str) -> Any:
    """Return the points along one axis."""
    centre = size // 2
    (moved,) = reduced(np.asarray([shift]), (size,), boundary)
    return centre + scale * (np.arange(size) - centre) + moved


def reduced(shift: Any, shape: tuple[int, ...], boundary: str) -> Any:
    """Return a shift less whole periods of the continued image."""
    periods = np.asarray([period(n, boundary) for n in shape])
    return shift - periods * np.round(shift / periods)
