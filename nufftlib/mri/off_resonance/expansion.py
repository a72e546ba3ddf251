r"""Sums of few products for :math:`e^{-z t}`, of rates and times in given intervals.

The singular functions of the kernel, with the smallest number of terms for an accuracy, by
quadrature (Nyström's method): with nodes :math:`z_b, t_j` of Gauss and Legendre and their weights,

.. math:: \sqrt{w_b}\, e^{-z_b t_j} \sqrt{w_j} = \sum_l u_{bl}\, s_l\, \bar v_{jl},

the kernel at any rate and time within the intervals is nearly :math:`\sum_l C_l(z) B_l(t)`,

.. math::
    C_l(z) = \sum_j \sqrt{w_j}\, v_{jl}\, e^{-z t_j}, \qquad
    B_l(t) = \frac{1}{s_l} \sum_b \sqrt{w_b}\, \bar u_{bl}\, e^{-z_b t} .
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, namespace

SMOOTH = 16
"""Nodes beside those that the number of periods asks for: rounding is reached with fewer."""

ROWS = 2**16
"""Rates, or times, that are expanded at once."""

MOST = 2**20
"""Pairs of nodes at most; more are of rates and times that were not meant."""

GROWTH = 600.0
"""Of the logarithm of the kernel's modulus at most, between the corners of a box: double precision
holds no more."""

ROUNDING = 1e-15
"""Singular values below this part of the first are rounding."""


@dataclass(frozen=True)
class Box:
    """Intervals of decay rates (1/s), frequencies (Hz) and times (s), each ``(low, high)``."""

    decay: tuple[float, float]
    frequency: tuple[float, float]
    time: tuple[float, float]

    @property
    def largest(self) -> float:
        """The largest modulus of the kernel."""
        return math.exp(-min(r * t for r in self.decay for t in self.time))

    @property
    def growth(self) -> float:
        """How much the logarithm of the modulus differs between the corners."""
        corners = [r * t for r in self.decay for t in self.time]
        return max(corners) - min(corners)

    @property
    def axes(self) -> list[tuple[tuple[float, float], int]]:
        """Each interval and the number of nodes on it; one where it has no length."""
        T = self.time[1] - self.time[0]
        turns = math.pi / 2 * (self.frequency[1] - self.frequency[0]) * T
        decays = (self.decay[1] - self.decay[0]) * T / 4
        sides = ((self.decay, decays), (self.frequency, turns), (self.time, turns + decays))
        return [
            (ends, math.ceil(width) + SMOOTH if ends[1] > ends[0] else 1) for ends, width in sides
        ]


@dataclass(frozen=True)
class Expansion:
    """The expansion of a box to an accuracy.

    Parameters
    ----------
    rates, times : ndarray
        The nodes.
    of_times, of_rates : ndarray, shape (times, terms) and (rates, terms)
        What makes ``C`` of the exponentials at the nodes of the times, and ``B`` at those of
        the rates.
    error : float
        The largest error that was found within the box, relative to the kernel's largest
        modulus.
    """

    rates: Any
    times: Any
    of_times: Any
    of_rates: Any
    error: float

    def by_rate(self, z: Array) -> Array:
        """Return ``C_l`` at rates (N,), shape (terms, N)."""
        return expanded(z, self.times, self.of_times)

    def by_time(self, t: Array) -> Array:
        """Return ``B_l`` at times (M,), shape (terms, M)."""
        return expanded(t, self.rates, self.of_rates)


def expand(box: Box, eps: float) -> Expansion | None:
    """Return the shortest expansion whose error within a box is at most `eps`, or None.

    The error is looked for between the nodes, at twice as many places as there are nodes.
    """
    if box.growth > GROWTH or math.prod(n for _, n in box.axes) > MOST:
        return None
    (r, wr), (f, wf), (t, wt) = (nodes(*ends, n) for ends, n in box.axes)
    z, w = pairs(r, f), np.outer(wr, wf).ravel()
    u, s, vh = np.linalg.svd(np.sqrt(w)[:, None] * np.exp(-np.outer(z, t)) * np.sqrt(wt))
    kept = int(np.count_nonzero(s > s[0] * ROUNDING))
    of_times = (vh.conj().T * np.sqrt(wt)[:, None])[:, :kept]
    of_rates = (u.conj() * np.sqrt(w)[:, None])[:, :kept] / s[:kept]

    def factors(decays: Any, frequencies: Any, times: Any) -> tuple[Any, Any, Any]:
        """Return the kernel of all of these, and both functions of each term."""
        a, b = pairs(decays, frequencies), times
        C, B = np.exp(-np.outer(a, t)) @ of_times, np.exp(-np.outer(b, z)) @ of_rates
        return np.exp(-np.outer(a, b)), C, B

    # No number of terms is enough that is not so at the corners, where most are needed.
    K, C, B = factors(*map(np.asarray, (box.decay, box.frequency, box.time)))
    left = np.abs(K[..., None] - np.cumsum(C[:, None, :] * B, axis=-1)).max(axis=(0, 1))
    K, C, B = factors(
        *(np.linspace(*e, 2 * n + 1) if n > 1 else np.asarray(e[:1]) for e, n in box.axes)
    )
    for terms in np.flatnonzero(left <= eps * box.largest) + 1:
        error = float(np.abs(K - C[:, :terms] @ B[:, :terms].T).max()) / box.largest
        if error <= eps:
            return Expansion(z, t, of_times[:, :terms], of_rates[:, :terms], error)
    return None


def nodes(low: float, high: float, count: int) -> tuple[Any, Any]:
    """Return the nodes of Gauss and Legendre on an interval, and weights of sum one."""
    x, w = np.polynomial.legendre.leggauss(count)
    return (low + high) / 2 + (high - low) / 2 * x, w / 2


def pairs(decays: Any, frequencies: Any) -> Any:
    """Return the rates ``r + 2 pi i f`` of all pairs."""
    return (decays[:, None] + 2j * np.pi * frequencies).ravel()


def expanded(a: Array, nodes: Any, matrix: Any) -> Array:
    """Return ``sum_j matrix[j, l] exp(-a nodes[j])`` of complex `a`, shape (terms, size of `a`)."""
    xp: Any = namespace(a)
    like, size = {"dtype": a.dtype, "device": a.device}, a.shape[0]
    nodes, matrix = (xp.asarray(v.astype(complex), **like) for v in (nodes, matrix))
    parts = [
        xp.matmul(xp.exp(-a[i : min(i + ROWS, size), None] * nodes[None, :]), matrix)
        for i in range(0, size, ROWS)
    ]
    return xp.matrix_transpose(xp.concat(parts))
