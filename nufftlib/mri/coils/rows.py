"""Every other row of an image, and the spline between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.windows import zeros_along

BAND = 0.1
"""Cycles per voxel up to which every other row of an image carries it."""

LEAST = 32
"""Rows below which all are kept: the nodes beyond the ends would be too large a part."""

TAPS = {0: (1 / 120, 26 / 120, 66 / 120, 26 / 120, 1 / 120, 0.0)}
TAPS[1] = (1 / 3840, 237 / 3840, 1682 / 3840, 1682 / 3840, 237 / 3840, 1 / 3840)
"""Quintic B-spline at the six nodes around a row: of rows at a node, and half-way to the next."""


@dataclass(frozen=True)
class Rows:
    r"""The rows of an image as a spline :math:`x_n = \sum_i \beta(n/h - i)\, c_i` of fewer nodes.

    Of the rows ``n = -(N // 2), ...`` every other one is a node, ``h = 2``, and a few beyond the
    ends are, with the quintic B-spline :math:`\beta`; or all rows are nodes, and nothing else.
    Axes of the arrays are (coils, rows, ...).

    Parameters
    ----------
    size : int
        Rows of the image.
    step : {1, 2}
        Rows from a node to the next.
    """

    size: int
    step: int

    @cached_property
    def nodes(self) -> int:
        """Number of nodes ``i = -(nodes // 2), ...``."""
        first, pairs = self._pairs
        return self.size if self.step == 1 else 2 * max(2 - first, first + pairs + 3)

    @cached_property
    def _pairs(self) -> tuple[int, int]:
        """Pairs of rows (2 q, 2 q + 1): the first ``q``, and how many have a row in the image."""
        first = -(self.size // 2)
        return first // 2, (first + self.size - 1) // 2 - first // 2 + 1

    @cached_property
    def starts(self) -> Any:
        """The first of the nodes of each row, shape (size,)."""
        n = np.arange(self.size) - self.size // 2
        return n - n[0] if self.step == 1 else n // 2 - 2 + self.nodes // 2

    @cached_property
    def weights(self) -> Any:
        """The spline at the nodes of each row, shape (size, taps)."""
        if self.step == 1:
            return np.ones((self.size, 1))
        odd = (np.arange(self.size) - self.size // 2) % 2
        return np.asarray([TAPS[0], TAPS[1]])[odd]

    # x_(2q + p) = sum_t b_p[t] c[q - 2 + t]
    def up(self, xp: Namespace, c: Array) -> Array:
        """Return the rows of the nodes' values."""
        if self.step == 1:
            return c
        first, pairs = self._pairs
        start = first - 2 + self.nodes // 2
        parts = [
            sum(w * c[:, start + t : start + t + pairs, ...] for t, w in enumerate(TAPS[p]) if w)
            for p in (0, 1)
        ]
        x = xp.reshape(xp.stack(parts, axis=2), (c.shape[0], 2 * pairs, *c.shape[2:]))
        skipped = -(self.size // 2) - 2 * first
        return x[:, skipped : skipped + self.size, ...]

    # c_bar[q - 2 + t] = sum_p b_p[t] x_bar_(2q + p)
    def down(self, xp: Namespace, x: Array) -> Array:
        """Apply the transpose of `up`."""
        if self.step == 1:
            return x
        first, pairs = self._pairs
        axis, skipped = 1 - x.ndim, -(self.size // 2) - 2 * first
        ends = (zeros_along(xp, x, axis, n) for n in (skipped, 2 * pairs - skipped - self.size))
        before, after = ends
        x = xp.reshape(xp.concat([before, x, after], axis=1), (x.shape[0], pairs, 2, *x.shape[2:]))
        start = first - 2 + self.nodes // 2
        total: Array = 0.0
        for t, (even, odd) in enumerate(zip(TAPS[0], TAPS[1], strict=True)):
            part = even * x[:, :, 0, ...] + odd * x[:, :, 1, ...]
            lead = zeros_along(xp, part, axis, start + t)
            rest = zeros_along(xp, part, axis, self.nodes - pairs - start - t)
            total = total + xp.concat([lead, part, rest], axis=1)
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


def rows_of(size: int, radius: float, sigma: float) -> Rows:
    """Return the rows of images of frequencies below `radius`, to be smoothed by a Gaussian."""
    return Rows(size, 2 if size >= LEAST and radius <= BAND and sigma >= 6.0 else 1)
