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

from nufftlib.blur.measures.known import NOWHERE, SIDE, Curve, Known, Measured, root, within

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
    def distances(self) -> Any:
        """How far pixels are apart at each shift of the PSF against itself, that of zero first."""
        shifts = (np.fft.ifftshift(np.arange(1 - n, n)) for n in self.known.h.shape)
        return np.hypot(*np.meshgrid(*shifts, indexing="ij"))

    @cached_property
    def spectrum(self) -> Any:
        """The PSF's transform with zeros beside it, so that no shift meets the other end."""
        return np.fft.fft2(self.known.h, self.distances.shape)

    @cached_property
    def products(self) -> Any:
        """Sums of ``h_n h_k`` over the pixels that are one another's at each shift."""
        return np.fft.ifft2(np.abs(self.spectrum) ** 2).real

    @cached_property
    def covariances(self) -> Any:
        """The same sums of the pixels' covariance."""
        (H, W), sums = self.known.h.shape, np.zeros(self.distances.shape)
        for n, row in enumerate(self.known.covariance):
            i, j = divmod(n, W)
            sums[H - 1 - i : 2 * H - 1 - i, W - 1 - j : 2 * W - 1 - j] += row.reshape(H, W)
        return np.fft.ifftshift(sums)

    def value(self, frequency: float) -> float:
        """Return the transfer function at a frequency."""
        square = np.sum(self.wave(2 * np.pi * frequency * self.distances) * self.products)
        return math.sqrt(max(float(square), 0.0))

    def falling(self, frequency: float) -> float:
        """Return its derivative by the frequency."""
        turns = 2 * np.pi * self.distances
        change = np.sum(turns * self.slope(frequency * turns) * self.products)
        return float(change) / (2 * self.value(frequency))

    # With B = b(2 pi nu d): m^2 = h^T B h and dm = (B h)^T dh / m. Noise adds trace(B C) to m^2.
    # B h is a convolution, and m^2 and the trace are sums over the shifts: no B is made.
    def known_at(self, frequency: float) -> tuple[float, float, float]:
        """Return value, standard deviation and the mean of what noise adds to the square."""
        m = self.value(frequency)
        if self.known.covariance is None:
            return m, math.nan, math.nan
        H, W = self.known.h.shape
        wave = self.wave(2 * np.pi * frequency * self.distances)
        column = np.fft.ifft2(np.fft.fft2(wave) * self.spectrum).real[:H, :W].reshape(1, -1)
        std = float(self.known.deviations(column)[0]) / m if m > 0 else 0.0
        return m, std, float(np.sum(wave * self.covariances))

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
        return within(at, self.known_at(at)[1] / abs(self.falling(at)))


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
