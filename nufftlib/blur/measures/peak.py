r"""The peak of a PSF between its pixels, for the Strehl ratio.

.. math:: h(x) = \sum_n h_n \, \mathrm{sinc}(x_0 - n_0) \, \mathrm{sinc}(x_1 - n_1)

is the PSF of this transform within Nyquist's frequencies: its value at the peak is the volume of
the optical transfer function about that point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.blur.measures.known import Known, Measured
from nufftlib.blur.measures.largest import Largest
from nufftlib.blur.measures.widths import FINE, sinc_curvature, sinc_slope

NEWTON = 20
"""Steps to the peak at most."""

STEPS = 2
"""Places per pixel among which noise is searched for its largest value, twice those that
determine it."""


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
        jets = []
        for t, n in zip(x, self.known.h.shape, strict=True):
            u = t - np.arange(n)
            jets.append(np.stack([np.sinc(u), sinc_slope(u), sinc_curvature(u)]))
        return jets[0], jets[1]

    def slope_and_curvature(self, x: Any) -> tuple[Any, Any]:
        """Return first and second derivatives by the place, shapes (2,) and (2, 2)."""
        h, (a, b) = self.known.h, self.taps(x)
        jet = a @ h @ b.T
        curvature = [[jet[2, 0], jet[1, 1]], [jet[1, 1], jet[0, 2]]]
        return np.asarray([jet[1, 0], jet[0, 1]]), np.asarray(curvature)

    # Searched for everywhere: the largest pixel may be of a lower peak than one between pixels.
    @cached_property
    def place(self) -> Any:
        """Row and column, shape (2,)."""
        h = self.known.h
        fine = [np.arange(-FINE, FINE * n + 1) / FINE for n in h.shape]
        a, b = (np.sinc(t[:, None] - np.arange(n)) for t, n in zip(fine, h.shape, strict=True))
        best = np.unravel_index(np.argmax(a @ h @ b.T), (len(a), len(b)))
        x = np.asarray([t[i] for t, i in zip(fine, best, strict=True)])
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

    @property
    def interval(self) -> tuple[float, float]:
        """What the true peak lies between in 95 of 100 cases."""
        H, W = self.known.h.shape
        a, b = (
            np.sinc(np.arange(STEPS * (n - 1) + 1)[:, None] / STEPS - np.arange(n)) for n in (H, W)
        )
        noise = a @ self.known.noise.reshape(-1, H, W) @ b.T
        values = a @ self.known.h @ b.T
        low, high = Largest(values.ravel(), noise.reshape(len(noise), -1)).interval
        between = self.value - float(values.max())  # the places
        return low + between, high + between

    def against(self, ideal: float) -> Measured:
        """Return the ratio to another peak."""
        found = self.known.measured(self.value / ideal, self.weights / ideal)
        if self.known.covariance is None:
            return found
        low, high = self.interval
        return found._replace(low=low / ideal, high=high / ideal)
