r"""The greatest speed along a path, within limits of gradient and slew rate.

With :math:`w = \dot s^2`, which is linear in each cell from :math:`w_0` to :math:`w_1`,

.. math:: \dot\kappa = x' \sqrt w, \qquad
          \ddot\kappa = x'' w + x' \tfrac12 w', \qquad w' = \frac{w_1 - w_0}{h}.

In the middle of a cell of length h the slew limit is one on two numbers,

.. math:: |A w_0 + B w_1| \le S, \qquad
          A = \tfrac12 x'' - \tfrac1{2h} x', \quad B = \tfrac12 x'' + \tfrac1{2h} x',

a convex set with :math:`(0, 0)` within. Backwards from the end, :math:`K_i` is the greatest
:math:`w_i` from which there is a way that keeps the limits; forwards from the start,
:math:`w_{i+1}` is the greatest that `w_i` leads to, and at most :math:`K_{i+1}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any
from typing import Protocol as Interface

import numpy as np

from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.report import lengths
from nufftlib.mri.scanner.traversal.path import Path

TINY = np.finfo(float).tiny ** 0.5


class Slew(Interface):
    """The slew limit of all cells, shape (cells, shots, d)."""

    widest: tuple[Any, Any]
    """The greatest w0 of each cell, and the w1 to which it leads."""

    def forward(self, cell: int, w: Any) -> Any:
        """Return the greatest w1 for w0 = w."""
        ...

    def backward(self, cell: int, w: Any) -> Any:
        """Return the greatest w0 for w1 = w."""
        ...


class Ball:
    r"""The limit of the vector's length: an ellipse of :math:`(w_0, w_1)`.

    .. math:: |A|^2 w_0^2 + 2 A \cdot B\, w_0 w_1 + |B|^2 w_1^2 \le S^2
    """

    def __init__(self, bend: Any, way: Any, h: Any, limit: float) -> None:
        a, b = (bend - way / h) / 2, (bend + way / h) / 2
        self.aa, self.bb, self.ab = (np.sum(u * v, axis=-1) for u, v in ((a, a), (b, b), (a, b)))
        # |A|^2 |B|^2 - (A . B)^2, without the cancellation
        across = np.sum(bend * bend, -1) * np.sum(way * way, -1) - np.sum(bend * way, -1) ** 2
        self.area = np.maximum(across, 0) / (2 * h[..., 0]) ** 2
        self.square = limit**2
        w0 = limit * np.sqrt(self.bb / np.maximum(self.area, TINY))
        w1 = -self.ab / self.bb * w0
        self.widest = np.where(w1 < 0, limit / np.sqrt(self.aa), w0), np.maximum(w1, 0)

    def forward(self, cell: int, w: Any) -> Any:
        """Return the greatest w1 for w0 = w."""
        return self._root(cell, w, self.bb[cell])

    def backward(self, cell: int, w: Any) -> Any:
        """Return the greatest w0 for w1 = w."""
        return self._root(cell, w, self.aa[cell])

    def _root(self, cell: int, w: Any, square: Any) -> Any:
        rest = np.maximum(square * self.square - self.area[cell] * w * w, 0)
        return (np.sqrt(rest) - self.ab[cell] * w) / square


class Box:
    r"""The limit of each axis by itself: a polygon of :math:`(w_0, w_1)`.

    .. math:: |A_a w_0 + B_a w_1| \le S \quad\text{for all axes}\ a
    """

    def __init__(self, bend: Any, way: Any, h: Any, limit: float, top: Any) -> None:
        a, b = (bend - way / h) / 2, (bend + way / h) / 2
        self.a, self.b, self.limit = a, b, limit
        self.from_a, self.ratio_a = limit / np.abs(apart(a)), b / apart(a)
        self.from_b, self.ratio_b = limit / np.abs(apart(b)), a / apart(b)
        self.widest = self._widest(top)

    def forward(self, cell: int, w: Any) -> Any:
        """Return the greatest w1 for w0 = w."""
        return np.min(self.from_b[cell] - self.ratio_b[cell] * w[:, None], axis=-1)

    def backward(self, cell: int, w: Any) -> Any:
        """Return the greatest w0 for w1 = w."""
        return np.min(self.from_a[cell] - self.ratio_a[cell] * w[:, None], axis=-1)

    def _widest(self, top: Any) -> tuple[Any, Any]:
        """Return the corner of the polygon with the greatest w0, for w1 from 0 to `top`."""
        corners = [
            (np.min(self.from_a - self.ratio_a * w[..., None], axis=-1), w) for w in (0 * top, top)
        ]
        for i, j in combinations(range(self.a.shape[-1]), 2):
            area = apart(self.a[..., i] * self.b[..., j] - self.a[..., j] * self.b[..., i])
            for sign in (1, -1):
                w0 = self.limit * (self.b[..., j] - sign * self.b[..., i]) / area
                w1 = self.limit * (sign * self.a[..., i] - self.a[..., j]) / area
                corners += [(w0, w1), (-w0, -w1)]
        w0, w1 = (np.stack(w) for w in zip(*corners, strict=True))
        terms = self.a * w0[..., None], self.b * w1[..., None]
        rounding = 1e-9 * (np.abs(terms[0]) + np.abs(terms[1]))
        inside = np.all(np.abs(terms[0] + terms[1]) <= self.limit + rounding, axis=-1)
        w0 = np.where(inside & (w1 >= 0) & (w1 <= top), w0, 0)
        best = np.argmax(w0, axis=0)[None]
        return tuple(np.take_along_axis(w, best, axis=0)[0] for w in (w0, w1))


def apart(x: Any) -> Any:
    """Return x, a zero of it as a number that can be divided by."""
    return np.where(np.abs(x) < TINY, TINY, x)


@dataclass(frozen=True)
class Motion:
    """A path that is played: speeds at its knots, and constant acceleration between them.

    The unit of time is the raster.
    """

    path: Path
    times: Any
    speeds: Any

    @property
    def duration(self) -> float:
        """When the end is reached."""
        return float(self.times[-1])

    def sampled(self, steps: int) -> Any:
        """Return points at so many equal steps of the time, the start included."""
        t = np.linspace(0, self.duration, steps + 1)
        i = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, len(self.times) - 2)
        v0, v1, t0, t1 = self.speeds[i], self.speeds[i + 1], self.times[i], self.times[i + 1]
        s = self.path.s[i] + (t - t0) * (v0 + (v1 - v0) * (t - t0) / (2 * (t1 - t0)))
        return self.path.spline(s)


def motions(found: list[Path], protocol: Protocol) -> list[Motion]:
    """Return the fastest motion along each path."""
    made = []
    for path, w in zip(found, squares(found, protocol), strict=True):
        v = np.sqrt(w)
        times = np.cumsum(2 * np.diff(path.s) / (v[1:] + v[:-1]))
        made.append(Motion(path, np.concatenate([[0.0], times]), v))
    return made


def squares(found: list[Path], protocol: Protocol) -> list[Any]:
    """Return the squares w of the greatest speeds at the knots of each path.

    All paths are followed at once; the arrays of a shorter one are filled up with a straight line.
    """
    last = np.asarray([len(path.s) - 1 for path in found])
    shape = (max(last), len(found), protocol.ndim)
    h, bend, way = np.ones((*shape[:2], 1)), np.zeros(shape), np.ones(shape)
    top = np.ones((shape[0] + 1, shape[1]))
    for i, (path, n) in enumerate(zip(found, last, strict=True)):
        h[:n, i, 0] = np.diff(path.s)
        way[:n, i], bend[:n, i] = (path.spline(path.middles, nu) for nu in (1, 2))
        fast = lengths(path.spline(path.s, 1), protocol.scanner.norm)
        top[: n + 1, i] = (protocol.gradient_step / fast) ** 2
        if protocol.rests_at_end:
            top[n:, i] = 0
    if protocol.scanner.norm == "l2":
        slew: Slew = Ball(bend, way, h, protocol.slew_step)
    else:
        slew = Box(bend, way, h, protocol.slew_step, top[1:])
    w = backwards(slew, top, last)
    if protocol.rests_at_start:
        w[0] = 0
    for i in range(shape[0]):
        w[i + 1] = np.minimum(np.maximum(slew.forward(i, w[i]), 0), w[i + 1])
    return [w[: n + 1, i] for i, n in enumerate(last)]


def backwards(slew: Slew, top: Any, last: Any) -> Any:
    """Return the greatest w from which a path can be ended within the limits."""
    w = top.copy()
    for i in reversed(range(len(top) - 1)):
        w0, w1 = (x[i] for x in slew.widest)
        reached = np.where(w[i + 1] >= w1, w0, slew.backward(i, w[i + 1]))
        w[i] = np.where(i < last, np.minimum(reached, top[i]), top[i])
    return w
