r"""The exact sums, separably: the oracle of every test, in any array library.

With the phases :math:`E^a_{jn} = e^{-2\pi i k_{ja} n}` of each axis,

.. math:: y_j = \sum_{n_1} E^1_{jn_1} \cdots \sum_{n_d} E^d_{jn_d}\, x_{n_1 \ldots n_d},

where the last axis is a matrix product and the others are sums beside it:
:math:`O(M N)` operations, without an :math:`M \times N` matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import array_api_compat

from nufftlib.core.arrays import Array, Namespace, complex_dtype, item_bytes
from nufftlib.nufft.engines.base import Engine, Points, Whole, fold, parts, voxel_index


class DirectEngine(Engine):
    """The exact sums."""

    exact = True

    def prepare(self, trajectory: Array) -> Points:
        """Fold into one period."""
        k = fold(self.xp, trajectory)
        return Points(tuple(k[:, a] for a in range(k.shape[-1])))

    def forward(self, points: Points, x: Array) -> Array:
        """``y_j = sum_n x_n exp(-2 pi i k_j n)``."""
        xp = self.xp
        whole = Whole(xp, points.size, axis=1)
        for part in self._point_chunks(points, x):
            *outer, last = self._phases(points, part, x)
            t = xp.matmul(x, last.T)  # (B, N_1, ..., N_{d-1}, m)
            for E in reversed(outer):
                t = xp.sum(t * E.T, axis=-2)
            whole.put(part, t)
        return whole.result

    def adjoint(self, points: Points, y: Array) -> Array:
        """``x_n = sum_j y_j exp(+2 pi i k_j n)``."""
        xp = self.xp
        whole = Whole(xp, y.shape[0])
        # The sum so far, and its next term.
        for rows in parts(y.shape[0], self.stacks(y, 0, count=1, images=2, data=0)[0]):
            z = y[rows, :]
            shape = z.shape[0], *self.shape
            total = xp.zeros(shape, dtype=y.dtype, device=array_api_compat.device(y))
            for part in self._point_chunks(points, z):
                *outer, last = (xp.conj(E) for E in self._phases(points, part, z))
                t = z[:, part]
                for E in outer:
                    t = xp.expand_dims(t, axis=-2) * E.T  # (B, N_1, ..., N_a, m)
                total += xp.matmul(t, last)
            whole.put(rows, total)
        return whole.result

    def spread_interpolate(self, points: Points, w: Array, width: int) -> Array:
        """``C_jl = sum_g phi(k_j - g) phi(k_l - g)`` with separable weights."""
        xp = self.xp
        axes = [es_weights(xp, points.axes[a], n, width) for a, n in enumerate(self.shape)]
        # In the letters of the other sums: matmul for the last axis, products for the rest.
        last = axes[-1]
        outer = xp.ones((1, points.size), dtype=w.dtype, device=array_api_compat.device(w))
        for phi in axes[:-1]:
            outer = xp.reshape(outer[:, None, :] * phi.T[None, :, :], (-1, points.size))
        grid = xp.matmul(outer * w, last)  # (N_1 ... N_{d-1}, N_d)
        return xp.sum(outer * xp.matmul(grid, last.T), axis=0)

    def _phases(self, points: Points, part: slice, like: Array) -> list[Array]:
        """Return ``exp(-2 pi i k_a n)``, shape (m, N_a), for each axis."""
        xp = self.xp
        phases = []
        for k, size in zip(points.axes, self.shape, strict=True):
            phases.append(exp_minus_i(xp, 2.0 * math.pi * turns(xp, k[part], size)))
        return phases

    def _point_chunks(self, points: Points, x: Array) -> Iterator[slice]:
        """Split the points so that two of the largest intermediates fit half of `memory_limit`.

        The other half is for stacks of images, as for other engines' grids.
        """
        each = (x.shape[0] * math.prod(self.shape[:-1]) + sum(self.shape)) * item_bytes(self.xp, x)
        step = max(1, self.memory_limit // (4 * each))
        for start in range(0, points.size, step):
            yield slice(start, min(start + step, points.size))


def turns(xp: Namespace, k: Array, size: int) -> Array:
    r"""Return :math:`k_j n` less whole turns for the voxels of an axis, shape (M, N).

    With :math:`n = s m + r`, :math:`|r| \le s / 2` and a power of two :math:`s` it is
    :math:`(s k)\, m + k r`. Neither the factor :math:`s` nor a whole turn costs a digit, so
    that the products that are rounded are of the size of :math:`\sqrt{N}`, not of :math:`N`.
    """
    s = 2 ** (size.bit_length() // 2)
    n = xp.arange(size, device=array_api_compat.device(k)) - size // 2
    m = (n + s // 2) // s
    r = xp.astype(n - s * m, k.dtype)
    high, low = fold(xp, s * k)[:, None] * xp.astype(m, k.dtype)[None, :], k[:, None] * r[None, :]
    return fold(xp, high + low)


def exp_minus_i(xp: Namespace, phase: Array) -> Array:
    """Return ``exp(-i phase)`` in the complex dtype of the phase's precision."""
    return xp.exp(-1j * xp.astype(phase, complex_dtype(xp, phase)))


def es_weights(xp: Namespace, k: Array, size: int, width: int) -> Array:
    """Return the weights (M, size) of points `k` on the cells of a periodic grid.

    The kernel is ``exp(beta (sqrt(1 - t^2) - 1))`` with ``t`` the distance in half
    widths and ``beta = 2.3 width``: Barnett, Magland and af Klinteberg, SIAM J. Sci.
    Comput. 41 (2019) C479, eq. 1.8.
    """
    cells = voxel_index(xp, size, k.dtype, k)
    distance = k[:, None] * size - cells[None, :]
    distance = distance - size * xp.round(distance / size)
    t = 1.0 - (2.0 * distance / width) ** 2
    inside = t > 0
    root = xp.sqrt(xp.where(inside, t, xp.zeros_like(t)))
    return xp.where(inside, xp.exp(2.3 * width * (root - 1.0)), xp.zeros_like(t))
