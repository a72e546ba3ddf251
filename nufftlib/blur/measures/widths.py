r"""Widths of the line spread function, and the ellipse of second moments.

The line spread function across a line is the PSF's sum along it. Band-limited up to Nyquist's
frequency it is, along a direction `u` of unit length,

.. math:: p(t) = \sum_n h_n \, \mathrm{sinc}(t - u \cdot n) .

Its peak and its crossings of half the peak are zeros of functions of `t` and the pixels; the
implicit function theorem has their gradients by the pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special

from nufftlib.blur.measures.known import NOWHERE, Known, Measured, root, within
from nufftlib.blur.measures.largest import Largest
from nufftlib.blur.measures.lengths import extremes

FINE = 8
"""Steps per pixel of the searches for peaks and crossings."""

UNSURE, ANY = 1 / 6, math.pi / math.sqrt(12)
"""The standard deviation of an axis from which on it may have any direction, where both sigmas'
squares differ by less than three deviations, and that of any direction, in radians."""

ROUND = 1e-12
"""Part of the larger second moment by which it is larger for rounding alone."""


def sinc_slope(u: Any) -> Any:
    """Return the derivative of ``sin(pi u) / (pi u)``."""
    return -np.pi * np.sign(u) * scipy.special.spherical_jn(1, np.pi * np.abs(u))


def sinc_curvature(u: Any) -> Any:
    """Return its second derivative."""
    return -(np.pi**2) * scipy.special.spherical_jn(1, np.pi * np.abs(u), derivative=True)


@dataclass(frozen=True)
class Line:
    """The line spread function along a direction.

    Parameters
    ----------
    known : Known
        The PSF.
    u : ndarray, shape (2,)
        The direction, of unit length.
    turn : ndarray, shape (P,)
        The gradient by the pixels of the angle that turns `u` to ``(-u_1, u_0)``.
    """

    known: Known
    u: Any
    turn: Any

    @cached_property
    def places(self) -> Any:
        """Where the pixels are along the direction, shape (P,)."""
        return self.u @ np.stack(self.known.places)

    @cached_property
    def aside(self) -> Any:
        """How fast they move along it as it turns around the centroid.

        Around another point they move together besides, which changes no width.
        """
        away = np.stack(self.known.places) - np.asarray(self.known.centroid)[:, None]
        return np.asarray([-self.u[1], self.u[0]]) @ away

    def at(self, t: Any) -> tuple[Any, Any, Any]:
        """Return values and slopes (...,), and gradients of the values by the pixels (..., P)."""
        away, v = np.asarray(t)[..., None] - self.places, self.known.h.ravel()
        s, ds = np.sinc(away), sinc_slope(away)
        return s @ v, ds @ v, s - (ds @ (v * self.aside))[..., None] * self.turn

    def value(self, t: Any) -> Any:
        """Return the values."""
        return np.sinc(np.asarray(t)[..., None] - self.places) @ self.known.h.ravel()

    @cached_property
    def searched(self) -> tuple[Any, Any]:
        """Fine places along the direction, and the values there."""
        first, last = self.places.min() - 2, self.places.max() + 2
        t = np.arange(math.floor(first * FINE), math.ceil(last * FINE) + 1) / FINE
        return t, self.value(t)

    @cached_property
    def peak(self) -> int:
        """Index of the largest value among the fine places."""
        return int(np.argmax(self.searched[1]))

    # p'(t) = 0 at the peak, whose value changes by the pixels alone.
    @cached_property
    def highest(self) -> tuple[float, Any]:
        """The value of the peak, and its gradient."""
        middle = float(self.searched[0][self.peak])
        ends = middle - 1 / FINE, middle + 1 / FINE
        slopes = [self.at(t)[1] for t in ends]
        if slopes[0] * slopes[1] < 0:
            middle = root(lambda t: float(self.at(t)[1]), *ends)
        value, _, gradient = self.at(middle)
        return value, gradient

    # p(t) = p(peak) / 2:  p'(t) dt = dp(peak) / 2 - dp(t)
    def width(self) -> Measured:
        """Return the length on which it is more than half its peak."""
        (t, values), (highest, change) = self.searched, self.highest
        above = values > highest / 2
        if above[0] or above[-1]:
            return NOWHERE
        width, slopes = 0.0, np.zeros_like(change)
        for i in np.flatnonzero(above[1:] != above[:-1]):
            at = root(lambda x: float(self.value(x)) - highest / 2, t[i], t[i + 1])
            _, slope, gradient = self.at(at)
            side = 1 if above[i] else -1
            width += side * at
            slopes += side * (change / 2 - gradient) / slope
        found = self.known.measured(width, slopes)
        if self.known.covariance is None:
            return found
        shorter, longer = self.uncertain
        return found._replace(low=width - shorter, high=width + longer)

    @property
    def uncertain(self) -> tuple[float, float]:
        """By how much the width may be less and more."""
        t, values = self.searched
        gradients = self.at(t)[2]
        lift = Largest(values, self.known.noise @ gradients.T).lift(0.5)
        shorter, longer = extremes(values, gradients @ self.known.covariance @ gradients.T, lift)
        return shorter / FINE, longer / FINE


def summed(known: Known, axis: int) -> Line:
    """Return the line spread function along an axis."""
    line = known.summed(axis)
    return Line(line, np.asarray([1.0, 0.0]), np.zeros(line.h.size))


@dataclass(frozen=True)
class Moments:
    r"""The ellipse of second moments, :math:`M = \sum_n h_n (n - c)(n - c)^T`.

    Its eigenvalues are the squared sigmas, ``d(lambda) = v^T dM v``, and the angle changes by
    ``v_1^T dM v_2 / (lambda_1 - lambda_2)``. The centroid's change does not matter: about it the
    first moments are zero.

    Parameters
    ----------
    known : Known
        The PSF.
    """

    known: Known

    @cached_property
    def away(self) -> Any:
        """Places of the pixels from the centroid, shape (2, P)."""
        return np.stack(self.known.places) - np.asarray(self.known.centroid)[:, None]

    @cached_property
    def axes(self) -> tuple[Any, Any]:
        """Squared sigmas, the larger first, and unit vectors along them as rows.

        The first runs to the right; the second is the first, turned towards the rows.
        """
        values, vectors = np.linalg.eigh((self.away * self.known.h.ravel()) @ self.away.T)
        down, right = vectors[:, 1] * (1 if tuple(vectors[::-1, 1]) > (0, 0) else -1)
        return np.maximum(values[::-1], 0.0), np.asarray([[down, right], [right, -down]])

    @cached_property
    def along(self) -> Any:
        """Places from the centroid along both axes of the ellipse, shape (2, P)."""
        return self.axes[1] @ self.away

    @cached_property
    def turning(self) -> Any:
        """The gradient of the angle by the pixels, shape (P,); a circle has none."""
        return self.along[0] * self.along[1] / (self.axes[0][0] - self.axes[0][1])

    @cached_property
    def is_round(self) -> bool:
        """Whether the ellipse is a circle, up to rounding or to noise."""
        if not self.axes[0][0] - self.axes[0][1] > ROUND * self.axes[0][0]:
            return True
        return bool(self.known.deviations(self.turning[None])[0] > UNSURE)

    def width(self, axis: int) -> Measured:
        """Return the full width at half maximum along an axis of the ellipse."""
        u = self.axes[1][axis]
        if self.is_round:
            return Line(Known(self.known.h, None), u, np.zeros(self.known.h.size)).width()
        # A larger angle turns the axis (d, r) to (r, -d), against the sense of `Line`.
        return Line(self.known, u, -self.turning).width()

    # Noise makes an ellipse of a circle: the larger of two equal moments is found too large, the
    # smaller too small, and what is known is their mean.
    def sigma(self, axis: int) -> Measured:
        """Return the sigma along an axis of the ellipse."""
        square, mean = self.axes[0][axis], np.mean(self.axes[0])
        if not square > 0:
            return within(0.0, math.nan)
        found = self.root(square, self.along[axis] ** 2)
        if not self.is_round:
            return found
        round_one = self.root(mean, np.sum(self.along**2, axis=0) / 2)
        return found._replace(
            low=min(found.low, round_one.low), high=max(found.high, round_one.high)
        )

    def root(self, square: float, gradient: Any) -> Measured:
        """Return the root of a number with a gradient by the pixels."""
        value = math.sqrt(square)
        return self.known.measured(value, gradient / (2 * value))

    @property
    def angle(self) -> Measured:
        """The angle of the major axis, from axis 1 towards axis 0, in radians."""
        down, right = self.axes[1][0]
        angle = math.atan2(down, right)
        return within(angle, ANY) if self.is_round else self.known.measured(angle, self.turning)
