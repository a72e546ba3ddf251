r"""The distance as a kernel of fast sums: a smooth periodic part, and what it lacks nearby.

The distance is a mixture of Gaussians' potentials. With a width :math:`\sigma`,

.. math::
    r = S(r) + N(r), \qquad
    S(r) = r \operatorname{erf} \frac r\sigma + \frac{\sigma}{\sqrt\pi} e^{-r^2/\sigma^2}, \qquad
    N(r) = -\frac{1}{\sqrt\pi} \int_0^\sigma e^{-r^2/t^2}\,dt ,

where ``S`` is an entire function of :math:`r^2`, and ``N`` is gone after a few :math:`\sigma`.
Their derivatives are ``erf(r / sigma)`` and ``erfc(r / sigma)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.core.threads import threads

DECAY = 2.33
r"""The reach in units of :math:`\sigma`: ``erfc(DECAY)`` is 1e-3.

So much of a unit force is cut off at the reach; and as the smooth coefficients end where a Gaussian
has fallen as far, they lack about as much. Their errors have all signs: a sum over all pairs has a
hundredth of it.
"""
LEAST = 32
"""Least number of coefficients along an axis: the square then bends within a half of the period."""
BLOCK = 512
"""Points whose near pairs are in memory at a time."""
NODES = 24
"""Gauss-Legendre nodes of the integral over the widths of ``N``."""


@dataclass(frozen=True, eq=False)
class PeriodicDistance:
    r"""Fourier coefficients of functions that are the distance in a box, and periodic.

    A coordinate enters the distance by its square. :func:`bent` is that square up to `edge`, and
    level at half the period: ``S`` of the root of their sum is smooth and periodic.

    Parameters
    ----------
    size : int
        Number of coefficients along each axis.
    ndim : int
        Number of axes.
    edge : float
        Largest difference of a coordinate.
    """

    size: int
    ndim: int
    edge: float

    # The square bends from the edge to half the period, within 2 c sigma.
    @property
    def period(self) -> float:
        """The period of the functions along each axis."""
        return self.edge / (0.5 - 4 * DECAY**2 / (math.pi * self.size))

    # The coefficients fall as exp(-(sigma omega)^2 / 4): to exp(-c^2) at omega = pi size / period.
    @property
    def sigma(self) -> float:
        """The width that divides smooth from near."""
        return 2 * DECAY * self.period / (math.pi * self.size)

    @property
    def reach(self) -> float:
        """The distance beyond which ``N`` is left out."""
        return DECAY * self.sigma

    def smooth(self) -> Any:
        """Return the coefficients of ``S``, (size, ...), of the indices of a centred FFT."""
        import scipy.fft

        x = self.period * (np.arange(self.size) - self.size // 2) / self.size
        u = self.bent(np.fft.ifftshift(x))
        squares: Any = u
        for _ in range(self.ndim - 1):
            squares = squares[..., None] + u
        values = smooth_part(np.sqrt(squares), self.sigma)
        spectrum = scipy.fft.fftn(values, workers=threads()).real / values.size
        return np.fft.fftshift(spectrum)

    # N^(omega) = -pi^((d-1)/2) int_0^sigma t^d exp(-(t omega)^2 / 4) dt
    def near(self) -> Any:
        """Return the coefficients of ``N``, whose period is far beyond its reach."""
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        t, w = self.sigma * (nodes + 1) / 2, self.sigma * weights / 2
        omega = 2 * np.pi * (np.arange(self.size) - self.size // 2) / self.period
        total = np.zeros((self.size,) * self.ndim)
        for width, weight in zip(t, w, strict=True):
            line = width * np.exp(-((width * omega) ** 2) / 4)
            term: Any = weight * line
            for _ in range(self.ndim - 1):
                term = term[..., None] * line
            total -= term
        return math.pi ** ((self.ndim - 1) / 2) * total / self.period**self.ndim

    # u(x) = int_0^|x| s erfc((s - m) / tau) ds: x^2 up to the edge
    def bent(self, x: Any) -> Any:
        """Return the square of a coordinate, bent to be level at half the period."""
        from scipy.special import erf, erfc

        middle, tau = (self.edge + self.period / 2) / 2, self.sigma

        def integral(s: Any) -> Any:
            v = (s - middle) / tau
            bell = np.exp(-(v**2)) / math.sqrt(math.pi)
            first = v * erfc(v) - bell
            second = (v**2 * erfc(v) - v * bell + erf(v) / 2) / 2
            return tau * (middle * first + tau * second)

        return np.maximum(integral(np.abs(x)) - integral(0.0), 0)


def smooth_part(r: Any, sigma: float) -> Any:
    """Return ``S(r)``."""
    from scipy.special import erf

    return r * erf(r / sigma) + sigma / math.sqrt(math.pi) * np.exp(-((r / sigma) ** 2))


def near_sums(k: Any, sigma: float, reach: float) -> tuple[float, Any]:
    r"""Return the sum of ``N`` over all pairs of points, and its gradient.

    .. math:: \sum_{ij} N(|k_i - k_j|), \qquad
              2 \sum_j \operatorname{erfc} \frac{r_{ij}}{\sigma}\, \frac{k_i - k_j}{r_{ij}}

    A point and itself are a pair; points at one place do not push each other.

    Parameters
    ----------
    k : ndarray, shape (m, d)
        Points.
    sigma, reach : float
        The width, and the distance up to which pairs count.

    Returns
    -------
    value : float
        The sum.
    gradient : ndarray, shape (m, d)
        Of the sum by the points.
    """
    from scipy.spatial import cKDTree
    from scipy.special import erfc

    value, gradient, tree = 0.0, np.zeros_like(k), cKDTree(k)
    for start in range(0, len(k), BLOCK):
        some = k[start : start + BLOCK]
        near = cKDTree(some).sparse_distance_matrix(tree, reach, output_type="ndarray")
        i, j, r = near["i"], near["j"], near["v"]
        slope = erfc(r / sigma)
        value += float(np.sum(r * slope - sigma / math.sqrt(math.pi) * np.exp(-((r / sigma) ** 2))))
        weight = 2 * slope / np.where(r > 0, r, 1)
        for a, x in enumerate(k.T):
            pull = weight * (some[i, a] - x[j])
            gradient[start : start + BLOCK, a] = np.bincount(i, pull, len(some))
    return value, gradient
