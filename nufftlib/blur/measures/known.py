"""A PSF with its covariance, and what this says of numbers that are made of the PSF."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nufftlib.core.arrays import Array

SIDE = 1.96
"""Standard deviations on either side of an interval of 95 %."""


SURE = 0.05
"""Probability below which noise alone is not believed."""

FLOOR = 1e-8
"""Part of the largest eigenvalue of a covariance below which it is rounding."""

DRAWS = 1000
"""How many times noise is drawn for a distribution that has no formula."""


class Measured(NamedTuple):
    """A number, its standard deviation and its interval.

    Attributes
    ----------
    value : float
        The number; NaN if the PSF has none.
    deviation : float
        Its standard deviation to first order; NaN without a covariance.
    low, high : float
        The interval that has the true value in 95 of 100 cases: 1.96 deviations on both sides
        where first order is enough. NaN without a covariance.
    """

    value: float
    deviation: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.deviation):
            return f"{self.value:.4g}"
        side = SIDE * self.deviation
        if max(abs(self.high - self.value - side), abs(self.value - self.low - side)) > side / 4:
            return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"
        return f"{self.value:.4g} +- {self.deviation:.2g}"


def within(value: float, deviation: float) -> Measured:
    """Return a number whose interval is that of its deviation."""
    side = SIDE * deviation
    return Measured(value, deviation, value - side, value + side)


NOWHERE = within(math.nan, math.nan)
"""What a PSF has not."""


class Curve(NamedTuple):
    """A curve with a band that has the true value at each place in 95 of 100 cases.

    Attributes
    ----------
    at : array, shape (places,)
        Radii or frequencies.
    values, deviations : array, shape (places,)
        The curve, and its standard deviations to first order; NaN without a covariance.
    low, high : array, shape (places,)
        The band; NaN without a covariance.
    """

    at: Array
    values: Array
    deviations: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Known:
    """A PSF of sum one on the host, and what is known of it.

    Parameters
    ----------
    h : ndarray, shape (height, width)
        The PSF.
    covariance : ndarray, shape (P, P), or None
        Of its pixels. As the sum is one, its rows have the sum zero.
    """

    h: Any
    covariance: Any

    @classmethod
    def of(cls, psf: Any, covariance: Any) -> Known:
        """Return a PSF of any sum as one of sum one.

        ``d(h / S) = (dh - (h / S) sum dh) / S``
        """
        total = psf.sum()
        h = psf / total
        if covariance is not None:
            v, rows = h.ravel(), covariance.sum(axis=1)
            across = np.outer(v, rows)
            covariance = (covariance - across - across.T + np.outer(v, v) * rows.sum()) / total**2
            d = let_through(v, covariance)
            covariance = covariance + np.outer(d, d)
        return cls(h, covariance)

    @cached_property
    def places(self) -> tuple[Any, Any]:
        """Row and column of each pixel, shape (P,)."""
        rows, columns = np.indices(self.h.shape, dtype=float)
        return rows.ravel(), columns.ravel()

    @cached_property
    def centroid(self) -> tuple[float, float]:
        """The centre of mass; its gradient is `places`."""
        v = self.h.ravel()
        return float(self.places[0] @ v), float(self.places[1] @ v)

    def deviations(self, gradients: Any) -> Any:
        """Return standard deviations of numbers, shape (numbers,), by gradients (numbers, P)."""
        if self.covariance is None:
            return np.full(len(gradients), np.nan)
        variances = np.sum((gradients @ self.covariance) * gradients, axis=1)
        return np.sqrt(np.maximum(variances, 0.0))

    def measured(self, value: float, gradient: Any) -> Measured:
        """Return a number by its value and its gradient by the pixels."""
        return within(float(value), float(self.deviations(np.reshape(gradient, (1, -1)))[0]))

    @cached_property
    def noise(self) -> Any:
        """Noise of this covariance, shape (DRAWS, P), always the same.

        By the symmetric root of the covariance, of which there is one: that of Cholesky has an
        order of its pivots, which rounding changes, and other noise with it.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        draws = np.random.default_rng(0).standard_normal((DRAWS, len(values)))
        return (draws @ vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T

    def summed(self, axis: int) -> Known:
        """Return the line spread function: the sums along the other axis, shape (n, 1)."""
        line, covariance = self.h.sum(axis=1 - axis), self.covariance
        if covariance is not None:
            whole = covariance.reshape(self.h.shape * 2)
            covariance = whole.sum(axis=(1 - axis, 3 - axis))
        return Known(line[:, None], covariance)


def let_through(v: Any, covariance: Any) -> Any:
    """Return how a PSF (P,) changes without light that is there since no pixel may be negative.

    Of dark pixels noise brings as many below zero, where they are bound, as above. So the light of
    as many of the others, those with the least light for their noise, may be noise: of the most
    whose light together, ``h_d^T (C_dd)^-1 h_d``, noise of so many pixels can have. If these are
    bound as well, the others follow by their correlations: ``- C_d (C_dd)^-1 h_d``.
    """
    import scipy.linalg  # on use: it takes longer than most of the rest
    import scipy.special

    deviations = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    bound = np.count_nonzero((v == 0) & (deviations == 0))
    dim = np.flatnonzero((v > 0) & (v < SIDE * deviations))
    dim = dim[np.argsort(v[dim] / deviations[dim])[:bound]]
    if not dim.size:
        return np.zeros_like(v)
    values, vectors = np.linalg.eigh(covariance[np.ix_(dim, dim)])
    L = np.linalg.cholesky((vectors * np.maximum(values, FLOOR * values[-1])) @ vectors.T)
    squares = np.cumsum(scipy.linalg.solve_triangular(L, v[dim], lower=True) ** 2)
    counts = 1 + np.arange(dim.size)
    noise = counts[scipy.special.chdtrc(counts, squares) > SURE]
    count = noise[-1] if noise.size else 0
    dim, L = dim[:count], L[:count, :count]
    return -covariance[:, dim] @ scipy.linalg.cho_solve((L, True), v[dim])


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function is zero, between places at which its signs differ."""
    import scipy.optimize

    return float(scipy.optimize.brentq(function, low, high, xtol=1e-13))
