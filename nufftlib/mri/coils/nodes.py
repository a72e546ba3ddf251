"""Every other voxel of an image along an axis, and the spline between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.windows import zeros_along

BAND = 0.1
"""Cycles per voxel up to which every other voxel of an image carries it."""

LEAST = 32
"""Voxels of an axis below which all are kept: the nodes beyond the ends would be too many."""

QUINTIC = (
    (1 / 120, 26 / 120, 66 / 120, 26 / 120, 1 / 120, 0.0),
    (1 / 3840, 237 / 3840, 1682 / 3840, 1682 / 3840, 237 / 3840, 1 / 3840),
)
"""Quintic B-spline at the six nodes around a voxel: of voxels at a node, and half-way on."""

TAPS: dict[int, tuple[tuple[float, ...], ...]] = {1: ((1.0,),), 2: QUINTIC}
"""Of the voxels of a group, by the voxels from a node to the next."""


@dataclass(frozen=True)
class Spline:
    r"""The voxels of an axis as a spline :math:`x_n = \sum_i \beta(n/h - i)\, c_i` of fewer nodes.

    Of the voxels ``n = -(N // 2), ...`` every other one is a node, ``h = 2``, and a few beyond the
    ends are, with the quintic B-spline :math:`\beta`; or all voxels are nodes, and nothing else.
    Voxels ``h q, ..., h q + h - 1`` are a group: the spline reads the same nodes for all of them.

    Parameters
    ----------
    size : int
        Voxels of the axis.
    step : {1, 2}
        Voxels from a node to the next.
    """

    size: int
    step: int

    @cached_property
    def nodes(self) -> int:
        """Number of nodes ``i = -(nodes // 2), ...``."""
        first = self._first
        return self.size if self.step == 1 else 2 * max(2 - first, first + self.groups + 3)

    @cached_property
    def _first(self) -> int:
        """The first group ``q`` with a voxel in the image."""
        return -(self.size // 2) // self.step

    @cached_property
    def groups(self) -> int:
        """How many groups have a voxel in the image."""
        return (self.size - self.size // 2 - 1) // self.step - self._first + 1

    @cached_property
    def skipped(self) -> int:
        """Voxels of the first group that lie before the image."""
        return -(self.size // 2) - self.step * self._first

    @cached_property
    def start(self) -> int:
        """The first of the nodes of the first group; those of the next begin with the next."""
        return self._first + self.nodes // 2 - (0 if self.step == 1 else 2)

    @cached_property
    def taps(self) -> Any:
        """The spline at the nodes of the voxels of a group, shape (step, taps)."""
        return np.asarray(TAPS[self.step])

    # x_(h q + p) = sum_t b_p[t] c[start + q + t]
    def up(self, xp: Namespace, c: Array, axis: int) -> Array:
        """Return the voxels of the nodes' values along an axis, counted from the front."""
        if self.step == 1:
            return c
        before = (slice(None),) * axis
        parts = [
            sum(
                w * c[(*before, slice(self.start + t, self.start + t + self.groups), ...)]
                for t, w in enumerate(taps)
                if w
            )
            for taps in TAPS[self.step]
        ]
        shape = *c.shape[:axis], self.step * self.groups, *c.shape[axis + 1 :]
        x = xp.reshape(xp.stack(parts, axis=axis + 1), shape)
        return x[(*before, slice(self.skipped, self.skipped + self.size), ...)]

    # c_bar[start + q + t] = sum_p b_p[t] x_bar_(h q + p)
    def down(self, xp: Namespace, x: Array, axis: int) -> Array:
        """Apply the transpose of `up`."""
        if self.step == 1:
            return x
        from_behind = axis - x.ndim
        after = self.step * self.groups - self.skipped - self.size
        ends = [zeros_along(xp, x, from_behind, n) for n in (self.skipped, after)]
        x = xp.concat([ends[0], x, ends[1]], axis=axis)
        x = xp.reshape(x, (*x.shape[:axis], self.groups, self.step, *x.shape[axis + 1 :]))
        voxels = [x[(*(slice(None),) * (axis + 1), p, ...)] for p in range(self.step)]
        total: Array = 0.0
        for t, weights in enumerate(zip(*TAPS[self.step], strict=True)):
            part = sum(w * voxel for w, voxel in zip(weights, voxels, strict=True))
            lead = zeros_along(xp, part, from_behind, self.start + t)
            rest = zeros_along(xp, part, from_behind, self.nodes - self.groups - self.start - t)
            total = total + xp.concat([lead, part, rest], axis=axis)
        return total

    # b(f) = sum_i beta(i) exp(-2 pi i f i), and d(1 / b) = -b' / b^2
    def unmixed(self, xp: Namespace, f: Array) -> tuple[Array, Array]:
        """Return ``1 / b`` at frequencies ``f`` in cycles per node, and its derivative.

        Nodes whose values are those of a wave of the frequency ``f``, times this, give a spline
        that is the wave in the nodes.
        """
        if self.step == 1:
            return xp.ones_like(f), xp.zeros_like(f)
        x = 2.0 * math.pi * f
        b = (66.0 + 52.0 * xp.cos(x) + 2.0 * xp.cos(2.0 * x)) / 120.0
        slope = -2.0 * math.pi * (52.0 * xp.sin(x) + 4.0 * xp.sin(2.0 * x)) / 120.0
        return 1.0 / b, -slope / b**2


@dataclass(frozen=True)
class Nodes:
    """An image as a spline along its first axis and its last; arrays are (coils, ...).

    Parameters
    ----------
    axes : tuple of Spline
        The spline of each axis.
    """

    axes: tuple[Spline, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes along each axis."""
        return tuple(axis.nodes for axis in self.axes)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return tuple(axis.size for axis in self.axes)

    def up(self, xp: Namespace, c: Array) -> Array:
        """Return the voxels of the nodes' values."""
        for a, axis in enumerate(self.axes, start=1):
            c = axis.up(xp, c, a)
        return c

    def down(self, xp: Namespace, x: Array) -> Array:
        """Apply the transpose of `up`."""
        for a, axis in enumerate(self.axes, start=1):
            x = axis.down(xp, x, a)
        return x

    # d_a prod_b u_b(h_b k_b) = h_a u_a' prod_(b != a) u_b
    def unmixed(self, xp: Namespace, k: Array) -> tuple[Array, Array]:
        """Return the product of the axes' at points (M, d) in cycles per voxel, and its gradient.

        See `Spline.unmixed`.
        """
        total = xp.ones_like(k[:, 0])
        slopes: list[Array] = []
        for a, axis in enumerate(self.axes):
            value, slope = axis.unmixed(xp, k[:, a] * axis.step)
            slopes = [*(value * other for other in slopes), total * slope * axis.step]
            total = total * value
        return total, xp.stack(slopes, axis=-1)


def nodes_of(shape: tuple[int, ...], radius: float, sigma: float) -> Nodes:
    """Return the nodes of images of frequencies below `radius`, to be smoothed by a Gaussian."""
    carried = radius <= BAND and sigma >= 6.0
    ends = {0, len(shape) - 1}
    coarse = [carried and a in ends and size >= LEAST for a, size in enumerate(shape)]
    return Nodes(tuple(Spline(n, 2 if few else 1) for n, few in zip(shape, coarse, strict=True)))
