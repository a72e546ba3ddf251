"""Coil sensitivity maps from the samples near the centre of k-space, with derivatives."""

from __future__ import annotations

import math

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    check_real,
    common_namespace,
)
from nufftlib.core.kinds import instance, positive
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.mri.coils.normalize import Normalized, root_of_largest
from nufftlib.mri.coils.smooth import gaussian_smooth
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT

RADIUS, SMOOTHING = 0.1, 20.0
"""Of the centre of k-space, in cycles per voxel, and of the maps, in voxels."""


def low_frequency_maps(
    F: NUFFT, data: Array, weights: Array, *, radius: float = RADIUS, smoothing: float = SMOOTHING
) -> Array:
    r"""Estimate coil maps from the samples near the centre of k-space.

    1. Image of each coil: :math:`s_c = F^H (w\, m\, y_c)`, with the window of Hann
       :math:`m = \cos^2(\pi |k| / (2 \rho))`, zero from the radius :math:`\rho` on.
    2. Divide by the root sum of squares over the coils.
    3. Smooth the magnitude by a Gaussian and keep the phase.
    4. Divide by the root sum of squares again.

    Parameters
    ----------
    F : NUFFT
        Operator of the acquisition.
    data : array, shape (coils, *trajectory.shape[:-1]), complex
        Data of all coils in k-space.
    weights : array, shape trajectory.shape[:-1], real
        Density-compensation weights.
    radius : float
        Radius of the centre, in cycles per voxel, where the window has come to zero.
    smoothing : float
        Standard deviation of the Gaussian, in voxels.

    Returns
    -------
    array, shape (coils, *image shape), complex
        Maps with ``sum_c |s_c|^2 = 1`` wherever there is signal.

    Raises
    ------
    ValueError
        If no sample lies within the radius, or an argument is out of range.
    TypeError
        If the arrays are not of one precision, or an argument is of the wrong kind.

    References
    ----------
    C. A. McKenzie et al., "Self-calibrating parallel imaging with automatic coil
    sensitivity extraction", Magn. Reson. Med. 47 (2002) 529-538.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(16, 32), (32, 32))
    >>> s = nl.mri.birdcage_maps(4, (32, 32))
    >>> w = nl.mri.pipe_menon(F)
    >>> nl.mri.low_frequency_maps(F, F(s), w, smoothing=4.0).shape
    (4, 32, 32)
    """
    return CoilEstimate(F, data, weights, radius=radius, smoothing=smoothing).maps


class CoilEstimate:
    r"""The maps of `low_frequency_maps`, and their derivatives by trajectory, data and weights.

    .. math::
        s = F^H (w\, m\, y), \quad u = s / \|s\|, \quad
        t = \frac{u}{|u|}\, P |u|, \quad S = t / \|t\|,

    with the root sum of squares over the coils :math:`\|\cdot\|`, the window :math:`m` and the
    smoothing :math:`P`. Where a root or a magnitude is zero, zero is used.

    Parameters
    ----------
    F, data, weights, radius, smoothing
        As of `low_frequency_maps`.
    """

    def __init__(
        self,
        F: NUFFT,
        data: Array,
        weights: Array,
        *,
        radius: float = RADIUS,
        smoothing: float = SMOOTHING,
    ) -> None:
        instance("low_frequency_maps", "F", F, NUFFT, "a NUFFT")
        xp = common_namespace(
            "low_frequency_maps(F, data, weights)",
            data=data,
            weights=weights,
            trajectory=F.trajectory,
        )
        call = "low_frequency_maps(data, weights)"
        check_precision(xp, call, data=data, weights=weights, trajectory=F.trajectory)
        check_real(xp, "low_frequency_maps(weights)", "weights", weights)
        radius = positive("low_frequency_maps", "radius", radius)
        smoothing = positive("low_frequency_maps", "smoothing", smoothing)
        samples = tuple(F.trajectory.shape[:-1])
        if data.shape[1:] != samples or weights.shape != samples:
            msg = (
                f"{call}: the shapes are {tuple(data.shape)} and {tuple(weights.shape)}; "
                f"want {('coils', *samples)} and {samples}"
            )
            raise ValueError(msg)
        k = fold(xp, F.trajectory)
        self.window, self.slope = hann_window(xp, k, radius)
        kept = self.window > 0
        if not bool(xp.any(kept)):
            msg = (
                f"low_frequency_maps(radius): no sample has |k| < {radius} cycles per voxel; "
                f"want a radius that holds some"
            )
            raise ValueError(msg)
        self.F, self.xp, self.kept, self.smoothing = F, xp, kept, smoothing
        # No scale changes the maps. With numbers of at most about one the sums stay finite.
        y, d = self._kept(data), self._kept(weights)
        self.y_root, self.d_root = root_of_largest(xp, y, None), root_of_largest(xp, d, None)
        self.y, self.d = y / self.y_root / self.y_root, d / self.d_root / self.d_root
        self.w = self.window * self.d
        self.images = Normalized(xp, F.adjoint(self.w * self.y))
        self.magnitude, self.phase = magnitude_and_phase(
            "low_frequency_maps(data)", self.images.value
        )
        self.smooth = gaussian_smooth(xp, self.magnitude, smoothing, len(F.shape))
        self.smoothed = Normalized(xp, self.smooth * self.phase)

    @property
    def maps(self) -> Array:
        """The maps, shape (coils, *image shape)."""
        return self.smoothed.value

    # ds = dF^H (m d y) + F^H (dm d y + m dd y + m d dy),  dt = (P d|u|) p + (P |u|) dp
    def tangent(self, dk: Array | None, dy: Array | None, dd: Array | None) -> Array:
        """Return the change of the maps; None stands for no change.

        Parameters
        ----------
        dk : array, shape of the trajectory, real, or None
            Direction of the trajectory.
        dy : array, of the shape of the data, complex, or None
            Direction of the data.
        dd : array, of the shape of the weights, real, or None
            Direction of the weights.

        Returns
        -------
        array, shape (coils, *image shape), complex
            The directional derivative.
        """
        xp, F = self.xp, self.F
        ds = xp.zeros_like(self.maps)
        if dk is not None:
            ds = ds + F.derivative("trajectory", dk).adjoint(self.w * self.y)
            dm = xp.sum(self.slope * dk, axis=-1)
            ds = ds + F.adjoint(dm * self.d * self.y)
        if dy is not None:
            ds = ds + F.adjoint(self.w * (dy / self.y_root / self.y_root))
        if dd is not None:
            ds = ds + F.adjoint(self.window * (dd / self.d_root / self.d_root) * self.y)
        du, p = self.images.derivative(ds), self.phase
        turned = xp.conj(p) * du
        magnitude, dp = xp.real(turned), 1j * p * (xp.imag(turned) * self._inverse_magnitude())
        smooth = gaussian_smooth(xp, magnitude, self.smoothing, len(F.shape))
        return self.smoothed.derivative(smooth * p + self.smooth * dp)

    def cotangents(self, maps_bar: Array) -> tuple[Array, Array, Array]:
        """Return the gradients by trajectory, data and weights.

        Parameters
        ----------
        maps_bar : array, shape (coils, *image shape), complex
            Gradient by the maps.

        Returns
        -------
        k_bar, y_bar, d_bar : array
            Of the shapes and dtypes of trajectory, data and weights.
        """
        xp, F, p = self.xp, self.F, self.phase
        t_bar = self.smoothed.derivative(maps_bar)
        turned = xp.conj(p) * t_bar
        ndim, along = len(F.shape), xp.real(turned)
        magnitude = gaussian_smooth(xp, along, self.smoothing, ndim, adjoint=True)
        turn = self.smooth * xp.imag(turned) * self._inverse_magnitude()
        s_bar = self.images.derivative(p * magnitude + 1j * p * turn)
        Fs, J = F.linearize(s_bar, wrt="trajectory")
        y_bar = self.w * Fs / self.y_root / self.y_root
        w_bar = xp.sum(xp.real(self.y) * xp.real(Fs) + xp.imag(self.y) * xp.imag(Fs), axis=0)
        k_bar = J.adjoint(self.w * self.y) + self.slope * (w_bar * self.d)[..., None]
        return k_bar, y_bar, self.window * w_bar / self.d_root / self.d_root

    def _kept(self, x: Array) -> Array:
        return self.xp.where(self.kept, x, self.xp.zeros_like(x))

    def _inverse_magnitude(self) -> Array:
        """``1 / |u|``, zero where the phase is."""
        xp, m = self.xp, self.magnitude
        usable = m >= xp.finfo(m.dtype).smallest_normal
        return xp.where(usable, 1.0 / xp.where(usable, m, xp.ones_like(m)), xp.zeros_like(m))


def hann_window(xp: Namespace, k: Array, radius: float) -> tuple[Array, Array]:
    """Return ``cos^2(pi |k| / (2 radius))``, zero from the radius on, and its gradient by ``k``."""
    t = xp.minimum(xp.sqrt(xp.sum(k * k, axis=-1)) / radius, xp.ones_like(k[..., 0]))
    # d/dt cos^2(pi t / 2) = -pi/2 sin(pi t), and dt = <k, dk> / (t radius^2)
    rate = -0.5 * math.pi * xp.sin(math.pi * t) / xp.where(t > 0, t, xp.ones_like(t)) / radius**2
    inside = t < 1
    zero = xp.zeros_like(t)
    window = xp.where(inside, xp.cos(0.5 * math.pi * t) ** 2, zero)
    return window, xp.where(inside, rate, zero)[..., None] * k
