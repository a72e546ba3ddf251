r"""The modulation transfer function, along an axis and over all directions.

.. math:: m^2(\nu) = \sum_{n,k} h_n h_k \, b(2 \pi \nu d_{nk})

Along an axis :math:`d` is the distance of two pixels along it, and :math:`b` the cosine: this is
:math:`|H|^2`. Over all directions :math:`d` is their distance and :math:`b` the Bessel function
:math:`J_0`: this is the mean of :math:`|H|^2`, by Debye's formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special

from nufftlib.blur.measures.known import NOWHERE, SIDE, Curve, Known, Measured, root

NYQUIST = 0.5
"""The last frequency, in cycles per pixel."""

TAIL = 0.025
"""What lies beyond either end of an interval of 95 %."""

CLEAR = 15.0
"""Standard deviations of a modulus from which on its distribution is taken for normal."""


@dataclass(frozen=True)
class Transfer:
    """A modulation transfer function.

    Parameters
    ----------
    known : Known
        The PSF, or its line spread function.
    wave, slope : callable
        ``b`` and its derivative.
    steps : int
        Frequencies of the curve per pixel of the longer side. The finest detail of the transform
        has a period of four at two to a pixel.
    """

    known: Known
    wave: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    steps: int

    @cached_property
    def lit(self) -> Any:
        """The pixels with light; those that are bound to zero have neither light nor variance."""
        v = self.known.h.ravel() != 0
        return v if self.known.covariance is None else v | (self.known.covariance.diagonal() > 0)

    @cached_property
    def distances(self) -> tuple[Any, Any]:
        """The different distances, and which of them two pixels have."""
        rows, columns = (p[self.lit] for p in self.known.places)
        squares = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
        values, which = np.unique(squares, return_inverse=True)
        return np.sqrt(values), which.reshape(squares.shape)

    def matrix(self, frequency: float) -> Any:
        """Return ``b`` for all pairs of pixels."""
        d, which = self.distances
        return self.wave(2 * np.pi * frequency * d)[which]

    def value(self, frequency: float) -> float:
        """Return the transfer function at a frequency."""
        v = self.known.h.ravel()[self.lit]
        return math.sqrt(max(float(v @ self.matrix(frequency) @ v), 0.0))

    def falling(self, frequency: float) -> float:
        """Return its derivative by the frequency."""
        v, (d, which) = self.known.h.ravel()[self.lit], self.distances
        change = (2 * np.pi * d * self.slope(2 * np.pi * frequency * d))[which]
        return float(v @ change @ v) / (2 * self.value(frequency))

    # With B = b(2 pi nu d): m^2 = h^T B h and dm = (B h)^T dh / m. Noise adds trace(B C) to m^2.
    def known_at(self, frequency: float) -> tuple[float, float, float]:
        """Return value, standard deviation and the mean of what noise adds to the square."""
        v, B = self.known.h.ravel()[self.lit], self.matrix(frequency)
        column = B @ v
        m = math.sqrt(max(float(v @ column), 0.0))
        if self.known.covariance is None:
            return m, math.nan, math.nan
        C = self.covariance
        std = math.sqrt(max(float(column @ C @ column), 0.0)) / m if m > 0 else 0.0
        return m, std, float(np.sum(B * C))

    @cached_property
    def covariance(self) -> Any:
        """The covariance of the pixels with light."""
        return self.known.covariance[np.ix_(self.lit, self.lit)]

    @cached_property
    def frequencies(self) -> Any:
        """The frequencies of the curve, up to Nyquist's."""
        return np.linspace(0, NYQUIST, self.steps * max(self.known.h.shape) + 1)

    def curve(self) -> Curve:
        """Return the curve and its band."""
        m, std, added = np.asarray([self.known_at(f) for f in self.frequencies]).T
        return Curve(self.frequencies, m, std, *band(m, std, added))

    def half(self) -> Measured:
        """Return the lowest frequency at which it is 1/2."""
        values = np.asarray([self.value(f) for f in self.frequencies])
        below = np.flatnonzero(values < 0.5)
        if not below.size:
            return NOWHERE
        f = self.frequencies[below[0] - 1 : below[0] + 1]
        at = root(lambda x: self.value(x) - 0.5, f[0], f[1])
        return Measured(at, self.known_at(at)[1] / abs(self.falling(at)))


def along(known: Known, axis: int) -> Transfer:
    """Return the transfer function along an axis."""
    return Transfer(known.summed(axis), np.cos, lambda x: -np.sin(x), 8)


def over_directions(known: Known) -> Transfer:
    """Return the root of the mean square over all directions."""
    return Transfer(known, scipy.special.j0, lambda x: -scipy.special.j1(x), 2)


def band(m: Any, std: Any, added: Any) -> tuple[Any, Any]:
    r"""Return the ends of intervals of 95 %.

    :math:`m^2 / s^2` is taken for a noncentral chi-square of :math:`k = t / s^2` degrees of freedom
    and the noncentrality :math:`\mu^2 / s^2`, with the deviation `s` of the modulus to first
    order and the mean `t` of what noise adds: of equal and independent noise in both parts of a
    transform this is Rice's distribution.
    """
    s = np.where(std > 0, std, 1.0)
    x, k = (m / s) ** 2, added / s**2
    # Far from zero: sqrt(x - k) is normal, of deviation one.
    middle = np.sqrt(np.maximum(m**2 - added, 0.0))
    low, high = np.maximum(middle - SIDE * std, 0.0), middle + SIDE * std
    for i in np.flatnonzero((std > 0) & (middle < CLEAR * std)):
        ends = [s[i] * math.sqrt(noncentrality(x[i], k[i], part)) for part in (1 - TAIL, TAIL)]
        # Less noise than there has to be leaves no noncentrality at all: not narrower than `s`.
        low[i], high[i] = ends[0], max(ends[1], s[i])
    return low, high


def noncentrality(x: float, k: float, part: float) -> float:
    """Return that of which a chi-square is less than `x` so often; zero if it is so less often."""
    if scipy.special.chndtr(x, k, 0.0) <= part:
        return 0.0
    return float(scipy.special.chndtrinc(x, k, part))
