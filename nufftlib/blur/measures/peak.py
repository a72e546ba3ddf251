r"""The peak of a PSF between its pixels, for the Strehl ratio.

.. math:: h(x) = \sum_n h_n \, \mathrm{sinc}(x_0 - n_0) \, \mathrm{sinc}(x_1 - n_1)

is the PSF of this transform within Nyquist's frequencies: its value at the peak is the volume of
the optical transfer function about that point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.blur.measures.known import Known, Measured
from nufftlib.blur.measures.widths import FINE, sinc

NEWTON = 20
"""Steps to the peak at most."""


@dataclass(frozen=True)
class Peak:
    """The largest value of a PSF between its pixels.

    Parameters
    ----------
    known : Known
        The PSF.
    """

    known: Known

    def taps(self, x: Any) -> tuple[Any, Any]:
        """Return the interpolation's weights along both axes, and their derivatives (3, n)."""
        a, b = (
            np.stack(sinc(t - np.arange(n))) for t, n in zip(x, self.known.h.shape, strict=True)
        )
        return a, b

    def slope_and_curvature(self, x: Any) -> tuple[Any, Any]:
        """Return first and second derivatives by the place, shapes (2,) and (2, 2)."""
        h, (a, b) = self.known.h, self.taps(x)
        jet = a @ h @ b.T
        curvature = [[jet[2, 0], jet[1, 1]], [jet[1, 1], jet[0, 2]]]
        return np.asarray([jet[1, 0], jet[0, 1]]), np.asarray(curvature)

    @cached_property
    def place(self) -> Any:
        """Row and column, shape (2,)."""
        h = self.known.h
        start = np.asarray(np.unravel_index(np.argmax(h), h.shape), dtype=float)
        near = np.arange(-FINE, FINE + 1) / FINE
        a, b = (
            np.sinc(t + near[:, None] - np.arange(n)) for t, n in zip(start, h.shape, strict=True)
        )
        best = np.unravel_index(np.argmax(a @ h @ b.T), (near.size, near.size))
        x = start + near[np.asarray(best)]
        for _ in range(NEWTON):
            slope, curvature = self.slope_and_curvature(x)
            step = np.linalg.solve(curvature, slope)
            x = x - np.clip(step, -0.5 / FINE, 0.5 / FINE)
            if np.abs(step).max() < 1e-12:
                break
        return x

    @cached_property
    def weights(self) -> Any:
        """The gradient of the value by the pixels, shape (P,): at the peak the place is still."""
        a, b = self.taps(self.place)
        return np.outer(a[0], b[0]).ravel()

    @cached_property
    def value(self) -> float:
        """The value."""
        return float(self.weights @ self.known.h.ravel())

    # 0 = grad h(x): dx = - hessian^-1 grad s. To second order the value at the moved peak is
    # higher by - dx^T hessian dx / 2.
    @cached_property
    def raised(self) -> float:
        """How much noise raises the largest value on average, to second order."""
        if self.known.covariance is None:
            return math.nan
        a, b = self.taps(self.place)
        slopes = np.stack([np.outer(a[1], b[0]).ravel(), np.outer(a[0], b[1]).ravel()])
        curvature = self.slope_and_curvature(self.place)[1]
        noise = slopes @ self.known.covariance @ slopes.T
        return -float(np.trace(np.linalg.solve(curvature, noise))) / 2

    def against(self, ideal: float) -> Measured:
        """Return the ratio to another peak; what noise raises it by is in its deviation."""
        value, deviation = self.known.measured(self.value / ideal, self.weights / ideal)
        return Measured(value, math.hypot(deviation, self.raised / ideal))
