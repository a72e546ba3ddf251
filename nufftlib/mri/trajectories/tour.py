"""Short closed tours through points."""

from __future__ import annotations

from itertools import product
from math import dist
from typing import Any

import numpy as np

from nufftlib.mri.trajectories.shots import Real

BITS = 16
"""Bits of each coordinate that the Hilbert curve sees."""
NEIGHBOURS = 8
"""How many of a point's nearest ones may become its neighbours on the tour."""
LEAST_GAIN = 1e-12
"""An exchange shortens the tour by more than rounding: then there is a last one."""


def tour(points: Real) -> Any:
    """Return the order of a short closed tour through points (count, d)."""
    from scipy.spatial import cKDTree

    order = along_hilbert(points)
    points = points[order]
    # A point's nearest one is itself, unless another is at its place.
    found = np.asarray(cKDTree(points).query(points, k=min(NEIGHBOURS + 1, len(points)))[1])
    near = [[c for c in row if c != a] for a, row in enumerate(found.tolist())]
    return order[Tour(points.tolist(), near).shorten()]


def along_hilbert(points: Real) -> Any:
    """Return the order of points (count, d) of [-1/2, 1/2) along a Hilbert curve.

    References
    ----------
    J. Skilling, "Programming the Hilbert curve", AIP Conf. Proc. 707 (2004) 381-387.
    """
    x = np.clip(((points.T + 0.5) * 2**BITS).astype(np.int64), 0, 2**BITS - 1)
    d = len(x)
    bit = 1 << (BITS - 1)
    while bit > 1:  # turns of the smaller cubes
        low = bit - 1
        for a in range(d):
            swapped = np.where(x[a] & bit, 0, (x[0] ^ x[a]) & low)
            x[0] = np.where(x[a] & bit, x[0] ^ low, x[0] ^ swapped)
            x[a] = x[a] ^ swapped if a else x[a]
        bit >>= 1
    for a in range(1, d):  # the Gray code
        x[a] ^= x[a - 1]
    mask = np.zeros_like(x[0])
    for shift in range(BITS - 1, 0, -1):
        mask ^= np.where(x[d - 1] >> shift & 1, (1 << shift) - 1, 0)
    x ^= mask
    code = np.zeros_like(x[0])
    for shift in range(BITS - 1, -1, -1):
        for a in range(d):
            code = code << 1 | (x[a] >> shift & 1)
    return np.argsort(code, kind="stable")


class Tour:
    """A closed tour that gets shorter until no exchange with a near neighbour helps.

    There are two kinds. Two edges ``a b`` and ``c e`` become ``a c`` and ``b e`` (2-opt). Or a way
    of up to three points from ``a`` on goes between ``c`` and its neighbour (Or-opt), which is two
    or three exchanges of the first kind. A new edge of an exchange that helps is shorter than an
    old one, so that the near neighbours of ``a`` are enough to try.

    Parameters
    ----------
    points : list of point
        In the order of the first tour.
    near : list of list of int
        Neighbours of each point, the nearest first.

    References
    ----------
    J. L. Bentley, "Fast algorithms for geometric traveling salesman problems", ORSA J. Comput. 4
    (1992) 387-411.
    """

    def __init__(self, points: list[Any], near: list[list[int]]) -> None:
        self.points, self.near, self.size = points, near, len(points)
        self.order, self.place = list(range(self.size)), list(range(self.size))

    def shorten(self) -> list[int]:
        """Return the order of the tour after all exchanges that help."""
        waiting, queued = self.order[::-1], [True] * self.size
        while waiting:
            a = waiting.pop()
            queued[a] = False
            while ends := self.exchanged(a) or self.moved(a):
                for end in ends:
                    if not queued[end]:
                        queued[end] = True
                        waiting.append(end)
        return self.order

    def beside(self, a: int, step: int) -> int:
        """Return the point so many steps after `a`."""
        return self.order[(self.place[a] + step) % self.size]

    def between(self, a: int, b: int) -> float:
        """Return the distance of two points."""
        return dist(self.points[a], self.points[b])

    def exchanged(self, a: int) -> tuple[int, ...]:
        """Make the first exchange of two edges at `a` that helps, and return its points."""
        for step in (1, -1):
            b = self.beside(a, step)
            old = self.between(a, b)
            for c in self.near[a]:
                new = self.between(a, c)
                if new >= old:
                    break
                e = self.beside(c, step)
                if old + self.between(c, e) - new - self.between(b, e) > LEAST_GAIN:
                    self.exchange(a, b, c, e)
                    return a, b, c, e
        return ()

    def moved(self, a: int) -> tuple[int, ...]:
        """Move the first way from `a` on that is better elsewhere, and return its neighbours."""
        for step, length in product((1, -1), range(min(3, self.size - 3))):
            z, p = self.beside(a, step * length), self.beside(a, -step)
            q = self.beside(z, step)
            saved = self.between(p, a) + self.between(z, q) - self.between(p, q)
            for c in self.near[a]:
                new = self.between(a, c)
                if new >= saved:
                    break
                if (self.place[c] - self.place[a]) * step % self.size <= length:
                    continue  # it is on the way itself
                for side in (1, -1):
                    e = self.beside(c, side)
                    if (e, c) in ((a, p), (z, q)):
                        continue
                    if saved + self.between(c, e) - new - self.between(z, e) > LEAST_GAIN:
                        self.move(p, a, z, q, c, e)
                        return a, z, p, q, c, e
        return ()

    # p a..z q..x y  ->  p x..q z..a y  ->  p q..x z..a y  ->  p q..x a..z y
    def move(self, p: int, a: int, z: int, q: int, c: int, e: int) -> None:
        """Take the way from `a` to `z` from between `p` and `q` to between `c` and `e`."""
        step = 1 if self.beside(p, 1) == a else -1
        x, y = (c, e) if self.beside(c, step) == e else (e, c)
        self.exchange(p, a, x, y)
        self.exchange(p, x, q, z)
        if x == c:
            self.exchange(x, z, a, y)

    def exchange(self, a: int, b: int, c: int, e: int) -> None:
        """Replace the edges ``a b`` and ``c e`` by ``a c`` and ``b e``: none, if they meet."""
        if a in (c, e) or b in (c, e):
            return
        if self.beside(a, 1) == b:
            self.reverse(self.place[b], self.place[c])
        else:
            self.reverse(self.place[a], self.place[e])

    def reverse(self, i: int, j: int) -> None:
        """Reverse the places from `i` on to `j`, or, if these are fewer, all others."""
        order, place, n = self.order, self.place, self.size
        inside = (j - i) % n + 1
        if 2 * inside > n:
            i, j, inside = (j + 1) % n, (i - 1) % n, n - inside
        for _ in range(inside // 2):
            a, b = order[i], order[j]
            order[i], order[j], place[a], place[b] = b, a, j, i
            i, j = (i + 1) % n, (j - 1) % n
