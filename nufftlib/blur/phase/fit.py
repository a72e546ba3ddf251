r"""The likelihood of pictures through focus, by the coefficients alone.

.. math:: L(a) = \min_{s, b} \ell(s_m h_m(a) + b_m; y), \qquad m = 1, \dots, P

Amplitudes ``s`` and backgrounds ``b`` of the planes are eliminated: in closed form where the noise
is Gaussian, else by the root of a decreasing function of one number. Derivation:
docs/derivations/throughfocus.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.blur.operator import Blur
from nufftlib.blur.psfs.diffraction import Diffraction
from nufftlib.blur.psfs.through_focus import ThroughFocus, camera, of_planes
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.losses import HalfSquaredError, Loss
from nufftlib.core.poisson import PoissonLikelihood

Shifts = Literal["common", "each"]

HALVINGS = 60
"""Steps of the bisection, after which the background's share has all its digits."""

FLOOR = 1e-12
"""Least information on an unknown, in units of the largest."""


class Planes(NamedTuple):
    """A model of the pictures.

    Attributes
    ----------
    psf : array, shape (P, height, width)
        PSFs ``h`` of the planes, each of sum one.
    amplitude, background : array, shape (P,)
        The best ``s`` and ``b`` with them; ``s`` is the sum of a picture without background.
    mean : array, shape (P, height, width)
        ``s h + b``.
    """

    psf: Array
    amplitude: Array
    background: Array
    mean: Array


class Gaussian(NamedTuple):
    """Noise of a known variance.

    Attributes
    ----------
    data : array, shape (P, height, width)
        The pictures.
    weights : array, shape (P, height, width)
        One over the variance.
    """

    data: Array
    weights: Array

    @property
    def loss(self) -> Loss:
        """Half the weighted squared error."""
        return HalfSquaredError(self.data, self.weights)

    def information(self, mean: Array) -> Array:
        """Return the information of each pixel on its mean, ``1 / variance``."""
        return self.weights

    def scatter(self, mean: Array) -> Array:
        """Return the variance of each pixel's ``(data - mean)^2 / variance``."""
        return 2 * array_namespace(mean).ones_like(mean)

    # The normal equations of s and b:
    # [<h, w h> <h, w>; <h, w> <1, w>] (s, b) = (<h, w y>, <1, w y>)
    def scales(self, h: Array) -> tuple[Array, Array]:
        """Return the best amplitudes and backgrounds."""
        hh, h1, ones = (over(self.weights * a) for a in (h * h, h, h * 0 + 1))
        hy, y1 = over(self.weights * h * self.data), over(self.weights * self.data)
        determinant = hh * ones - h1 * h1
        return (ones * hy - h1 * y1) / determinant, (hh * y1 - h1 * hy) / determinant


class Counts(NamedTuple):
    """Noise of counting.

    Attributes
    ----------
    data : array, shape (P, height, width)
        The pictures, 0 or more.
    gain : float
        The increase of the data by one count.
    """

    data: Array
    gain: float

    @property
    def loss(self) -> Loss:
        """The negative log-likelihood of counts."""
        return PoissonLikelihood(self.data, self.gain)

    def information(self, mean: Array) -> Array:
        """Return the information of each pixel on its mean, ``1 / (gain mean)``."""
        xp = array_namespace(mean)
        lit = mean > 0
        return xp.where(lit, 1 / (self.gain * xp.where(lit, mean, 1.0)), 0.0)

    # of (n - l)^2 / l for Poisson's n of the mean l = mean / gain: 2 + 1 / l
    def scatter(self, mean: Array) -> Array:
        """Return the variance of each pixel's ``(data - mean)^2 / variance``."""
        return 2 + self.gain**2 * self.information(mean)

    # s + n b = sum y at the best of both. With the share f of the background, of n pixels,
    # mean = (sum y) ((1 - f) h + f / n), and the likelihood's slope by f decreases:
    # sum y (1/n - h) / ((1 - f) h + f / n), which has its root in [0, 1] or is negative there.
    def scales(self, h: Array) -> tuple[Array, Array]:
        """Return the best amplitudes and backgrounds, 0 or more."""
        xp = array_namespace(h)
        n = h.shape[-2] * h.shape[-1]
        total = over(self.data)
        low, high = xp.zeros_like(total), xp.ones_like(total)
        for _ in range(HALVINGS):
            f = 0.5 * (low + high)
            mixed = (1 - f)[:, None, None] * h + f[:, None, None] / n
            rises = over(self.data * (1 / n - h) / mixed) > 0
            low, high = xp.where(rises, f, low), xp.where(rises, high, f)
        # A share that only halvings have made is none.
        f = xp.where(low > 0, high, xp.zeros_like(high))
        return total * (1 - f), total * f / n


Noise = Gaussian | Counts


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """The loss of a vector of unknowns, its gradient, and the information on it.

    Parameters
    ----------
    noise : Gaussian or Counts
        The pictures, and their noise.
    optics : ThroughFocus
        Planes and polynomials.
    shifts : {"common", "each"}
        Whether all planes are shifted alike. The unknowns are the tilts, 2 or 2 P, and then the
        coefficients, all in waves.
    """

    noise: Noise
    optics: ThroughFocus
    shifts: Shifts

    @cached_property
    def tilts(self) -> int:
        """Number of the unknowns that are tilts."""
        return 2 if self.shifts == "common" else 2 * len(self.optics.defocus)

    @cached_property
    def lens(self) -> Diffraction:
        """The lens of one plane, with tilts."""
        return replace(self.optics.lens, indices=(2, 3, *self.optics.indices))

    @cached_property
    def camera(self) -> Blur | None:
        """The convolution with bead and pixel."""
        return camera(self.optics, self.noise.data)

    @cached_property
    def selection(self) -> Array:
        """Which coefficient of which plane is which unknown, shape (P, 2 + K, unknowns)."""
        planes, terms = len(self.optics.defocus), len(self.optics.indices)
        L = np.zeros((planes, 2 + terms, self.tilts + terms))
        L[:, 2:, self.tilts :] = np.eye(terms)
        for m in range(planes):
            first = 0 if self.shifts == "common" else 2 * m
            L[m, :2, first : first + 2] = np.eye(2)
        y = self.noise.data
        return array_namespace(y).asarray(L, dtype=y.dtype, device=device(y))

    def coefficients(self, unknowns: Array) -> Array:
        """Return tilts and coefficients of each plane, shape (P, 2 + K)."""
        return array_namespace(unknowns).sum(self.selection * unknowns, axis=-1)

    def planes(self, unknowns: Array) -> Planes:
        """Return the model of the pictures."""
        return self.model(self.photographed(self.lens(self.lens_coefficients(unknowns))))

    def lens_coefficients(self, unknowns: Array) -> Array:
        """Return the lens's coefficients of each plane, the defocus among them."""
        return of_planes(self.optics, self.coefficients(unknowns))

    def photographed(self, h: Array) -> Array:
        """Return PSFs as bead and pixels show them."""
        return h if self.camera is None else self.camera(h)

    def model(self, h: Array) -> Planes:
        """Return the model with these PSFs."""
        s, b = self.noise.scales(h)
        return Planes(h, s, b, s[:, None, None] * h + b[:, None, None])

    # r: the loss's gradient by the mean;  w: the information of a pixel;  D = s dh/da
    # gradient: sum D r, as the loss is stationary in s and b
    # information: F = <D, w D> - <D, w N> <N, w N>^-1 <N, w D>,  N = (h, 1)
    def evaluate(self, unknowns: Array) -> tuple[Array, Array, Array]:
        """Return loss, gradient and information of the unknowns."""
        xp = array_namespace(unknowns)
        h, J = self.lens.linearize(self.lens_coefficients(unknowns))
        planes = self.model(self.photographed(h))
        loss, r = self.noise.loss.value_and_grad(planes.mean)
        D = planes.amplitude[:, None, None] * self.directions(xp, J)
        D = xp.permute_dims(xp.reshape(D, (*D.shape[:2], -1)), (1, 0, 2))  # (P, 2 + K, pixels)
        N = xp.reshape(planes.psf, (D.shape[0], 1, -1))
        N = xp.concat([N, xp.ones_like(N)], axis=1)
        w = xp.reshape(self.noise.information(planes.mean), (D.shape[0], 1, -1))
        DwD, DwN, NwN = (A @ xp.matrix_transpose(w * B) for A, B in ((D, D), (D, N), (N, N)))
        F = DwD - DwN @ xp.linalg.solve(NwN, xp.matrix_transpose(DwN))
        g = D @ xp.reshape(r, (D.shape[0], -1, 1))
        L = self.selection
        gradient = xp.sum(L * g, axis=(0, 1))
        information = xp.sum(xp.matrix_transpose(L) @ F @ L, axis=0)
        # Rounding leaves crumbs where there is no information: no step may be made of them.
        floor = FLOOR * xp.max(xp.linalg.diagonal(information))
        ridge = floor * xp.eye(L.shape[-1], dtype=L.dtype, device=device(L))
        return loss, gradient, 0.5 * (information + information.T) + ridge

    def directions(self, xp: Namespace, J: Any) -> Array:
        """Return the derivatives by all coefficients, shape (2 + K, P, height, width)."""
        planes, terms = self.selection.shape[:2]
        y = self.noise.data
        units = xp.eye(terms, terms + 1, dtype=y.dtype, device=device(y))
        each = (xp.broadcast_to(units[k, :], (planes, terms + 1)) for k in range(terms))
        return xp.stack([self.photographed(J(e)) for e in each])


def over(x: Array) -> Array:
    """Return sums over the pixels of each plane."""
    return array_namespace(x).sum(x, axis=(-2, -1))
