r"""Encircled energy: the light of a PSF within circles around its centroid.

.. math:: E(r) = \sum_n h_n a_n(r)

with the part :math:`a_n` of a square pixel that lies in the circle, exactly. By a place of its
edge the area changes by the length of that edge in the circle, which has all derivatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nufftlib.blur.measures.known import SIDE, Curve, Known, Measured, root

STEP = 0.25
"""Pixels from one radius of the curve to the next."""


@dataclass(frozen=True)
class Energy:
    """Encircled energy.

    Parameters
    ----------
    known : Known
        The PSF.
    """

    known: Known

    def parts(self, r: Any) -> tuple[Any, Any, Any]:
        """Return parts of pixels in circles, and their derivatives by radius and centre.

        Shapes (R, P), (R, P) and (2, R, P), of radii (R,).
        """
        rows, columns = (p - c for p, c in zip(self.known.places, self.known.centroid, strict=True))
        r = r[:, None]
        ends = rows - 0.5, rows + 0.5, columns - 0.5, columns + 0.5
        top, bottom, left, right = ends
        area = overlap(r, top, bottom, left, right)
        across = [chord(r, y, left, right) for y in (top, bottom)]
        down = [chord(r, x, top, bottom) for x in (left, right)]
        centre = np.stack([across[0] - across[1], down[0] - down[1]])
        # The area is homogeneous of degree two in all lengths.
        edges = bottom * across[1] - top * across[0] + right * down[1] - left * down[0]
        return area, (2 * area - edges) / r, centre

    def at(self, r: Any) -> tuple[Any, Any, Any]:
        """Return the energy (R,), its slope by the radius (R,), and its gradient (R, P)."""
        v = self.known.h.ravel()
        area, slope, centre = self.parts(r)
        moved = np.einsum("krp,p->kr", centre, v)
        return area @ v, slope @ v, area + moved.T @ np.stack(self.known.places)

    def curve(self) -> Curve:
        """Return the curve up to the radius that encircles every pixel."""
        n = math.ceil(self.farthest / STEP)
        r = STEP * np.arange(n + 1)
        values, _, gradients = self.at(r[1:])
        values, gradients = np.pad(values, (1, 0)), np.pad(gradients, ((1, 0), (0, 0)))
        deviations = self.known.deviations(gradients)
        low, high = values - SIDE * deviations, values + SIDE * deviations
        return Curve(r, values, deviations, np.clip(low, 0, 1), np.clip(high, 0, 1))

    @property
    def farthest(self) -> float:
        """How far the farthest corner of a pixel is from the centroid."""
        sides = [
            max(c + 0.5, n - 0.5 - c)
            for c, n in zip(self.known.centroid, self.known.h.shape, strict=True)
        ]
        return math.hypot(*sides)

    def radius(self, part: float) -> Measured:
        """Return the radius of the circle with a part of the light."""

        def lacking(r: float) -> float:
            return float(self.at(np.asarray([r]))[0][0]) - part

        r = root(lacking, 1e-9, self.farthest)
        _, slope, gradient = self.at(np.asarray([r]))
        return self.known.measured(r, -gradient / slope)


def overlap(r: Any, x0: Any, x1: Any, y0: Any, y1: Any) -> Any:
    """Return the area of rectangles within a circle around zero."""
    # The chord at x is clip(y1, -g, g) - clip(y0, -g, g), with g = sqrt(r^2 - x^2).
    return (below(r, x1, y1) - below(r, x0, y1)) - (below(r, x1, y0) - below(r, x0, y0))


def below(r: Any, x: Any, y: Any) -> Any:
    """Return the integral of ``clip(y, -g, g)`` from 0 to x, with ``g = sqrt(r^2 - x^2)``."""
    height = np.minimum(np.abs(y), r)
    flat = np.sqrt(r**2 - height**2)  # from there on g is the smaller one
    far = np.minimum(np.abs(x), r)
    beyond = np.maximum(far, flat)
    area = height * np.minimum(far, flat) + segment(r, beyond) - segment(r, flat)
    return np.sign(x) * np.sign(y) * area


def segment(r: Any, x: Any) -> Any:
    """Return the integral of ``sqrt(r^2 - x^2)`` from 0 to x."""
    return (x * np.sqrt(np.maximum(r**2 - x**2, 0)) + r**2 * np.arcsin(np.minimum(x / r, 1))) / 2


def chord(r: Any, x: Any, y0: Any, y1: Any) -> Any:
    """Return the length in a circle of the line at `x` from `y0` to `y1`."""
    g = np.sqrt(np.maximum(r**2 - x**2, 0))
    return np.clip(y1, -g, g) - np.clip(y0, -g, g)
