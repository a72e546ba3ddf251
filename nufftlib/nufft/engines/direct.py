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
from nufftlib.nufft.engines.base import (
    Engine,
    Points,
    Whole,
    fold,
    parts,
    voxel_index,
)
from nufftlib.nufft.engines.gridding import Gridding


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

    def gridding(self, trajectory: Array, shape: tuple[int, ...], width: int) -> Gridding:
        """Matrices of the kernel, one for each axis."""
        return DirectGridding(self.xp, self.prepare(trajectory), shape, width)

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


class DirectGridding(Gridding):
    """``C_jl = sum_g phi(k_j - g) phi(k_l - g)``, a product over the axes, as matrices.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    points : Points
        The points, in cycles per voxel.
    shape : tuple of int
        Cells of the grid.
    width : int
        Cells that the kernel covers.
    """

    def __init__(self, xp: Namespace, points: Points, shape: tuple[int, ...], width: int) -> None:
        self.xp = xp
        both = [kernel_matrices(xp, k, n, width) for k, n in zip(points.axes, shape, strict=True)]
        self.values, self.derivatives = zip(*both, strict=True)

    def apply(self, w: Array) -> Array:
        """``G G^T w``."""
        return self._read(self.values, self._spread(self.values, w))

    def slopes(self, w: Array) -> tuple[Array, Array]:
        """``G G^T w``, and ``G_a G^T w`` with the derivatives by each coordinate."""
        grid = self._spread(self.values, w)
        slopes = [self._read(self._derived(a), grid) for a in range(len(self.values))]
        return self._read(self.values, grid), self.xp.stack(slopes, axis=-1)

    def along(self, dk: Array, w: Array) -> Array:
        """``sum_a G G_a^T (dk_a w)``."""
        axes = range(len(self.values))
        grid = sum(self._spread(self._derived(a), dk[:, a] * w) for a in axes)
        return self._read(self.values, grid)

    def _derived(self, axis: int) -> tuple[Array, ...]:
        """Return the matrices of the derivative by one coordinate."""
        return (*self.values[:axis], self.derivatives[axis], *self.values[axis + 1 :])

    # In the letters of the other sums: matmul for the last axis, products for the rest.
    def _spread(self, axes: tuple[Array, ...], w: Array) -> Array:
        return self.xp.matmul(self._outer(axes) * w, axes[-1])  # (N_1 ... N_{d-1}, N_d)

    def _read(self, axes: tuple[Array, ...], grid: Array) -> Array:
        return self.xp.sum(self._outer(axes) * self.xp.matmul(grid, axes[-1].T), axis=0)

    def _outer(self, axes: tuple[Array, ...]) -> Array:
        samples = axes[-1].shape[0]
        outer = self.xp.ones_like(axes[-1][None, :, 0])
        for phi in axes[:-1]:
            outer = self.xp.reshape(outer[:, None, :] * phi.T[None, :, :], (-1, samples))
        return outer


def kernel_matrices(xp: Namespace, k: Array, size: int, width: int) -> tuple[Array, Array]:
    """Return the weights (M, size) of points `k` on a periodic axis, and their derivatives by `k`.

    Cell ``g`` is the ``l``-th of those that a point at ``c`` covers, with ``l`` the whole part
    of ``width / 2 - (c - g)``; the rest is where the point lies in its cell.
    """
    # On use: this imports SciPy's optimisers.
    from nufftlib.nufft.engines.grid.kernel import density_kernel

    distance = k[:, None] * size - voxel_index(xp, size, k.dtype, k)[None, :]
    left = 0.5 * width - (distance - size * xp.round(distance / size))
    covered = (left >= 0) & (left < width)
    whole = xp.floor(xp.where(covered, left, xp.zeros_like(left)))
    x = 2.0 * (left - whole) - 1.0
    number = xp.reshape(xp.astype(whole, xp.int32), (-1,))
    matrices = []
    for order in (0, 1):
        polynomials = density_kernel(width).coefficients[order] * size**order
        device = array_api_compat.device(k)
        value = xp.zeros_like(x)
        for power in reversed(polynomials):
            factors = xp.take(xp.asarray(power, dtype=k.dtype, device=device), number)
            value = value * x + xp.reshape(factors, x.shape)
        matrices.append(xp.where(covered, value, xp.zeros_like(value)))
    return matrices[0], matrices[1]
