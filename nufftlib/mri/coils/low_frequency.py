"""Coil sensitivity maps from the samples near the centre of k-space, with derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    check_real,
    common_namespace,
)
from nufftlib.core.kinds import instance, positive
from nufftlib.mri.coils.nodes import nodes_of
from nufftlib.mri.coils.normalize import root_of_largest
from nufftlib.mri.coils.passes import ArrayPasses, FusedPasses, Passes
from nufftlib.mri.coils.smooth import gaussian_smooth
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT
from nufftlib.nufft.settings import DEVICE_CPU

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
    return CoilEstimate(Centre(F, radius=radius, smoothing=smoothing), data, weights).maps


class Centre:
    """What estimates of coil maps at one trajectory share: the samples in the window, and nodes.

    Parameters
    ----------
    F, radius, smoothing
        As of `low_frequency_maps`.
    """

    def __init__(self, F: NUFFT, *, radius: float = RADIUS, smoothing: float = SMOOTHING) -> None:
        call = "low_frequency_maps"
        instance(call, "F", F, NUFFT, "a NUFFT")
        radius = positive(call, "radius", radius)
        self.smoothing = positive(call, "smoothing", smoothing)
        self.whole, self.xp = F, F.transform.xp
        xp, k = self.xp, fold(self.xp, F.trajectory)
        window, slope = hann_window(xp, k, radius)
        kept = window > 0
        if not bool(xp.any(kept)):
            msg = (
                f"{call}(radius): no sample has |k| < {radius} cycles per voxel; "
                f"want a radius that holds some"
            )
            raise ValueError(msg)
        self.near = Near(xp, kept)
        self.nodes = nodes = nodes_of(F.shape, radius, self.smoothing)
        steps = [float(axis.step) for axis in nodes.axes]
        self.stretch = xp.asarray(steps, dtype=k.dtype, device=device(k))
        window, slope, k = (self.near.take(x) for x in (window, slope, k))
        self.F = replace(F, trajectory=k * self.stretch, shape=nodes.shape, norm=None)
        # Samples are divided by b, a function of k: their waves then are those of the nodes.
        unmixed, change = nodes.unmixed(xp, k)
        self.window = window * unmixed
        self.slope = slope * unmixed[:, None] + window[:, None] * change

    def smoothed(self, a: Array) -> Array:
        """Return ``K a`` of the nodes of magnitudes."""
        return gaussian_smooth(self.xp, a, self.smoothing, self.nodes)


class CoilEstimate:
    r"""The maps of `low_frequency_maps`, and their derivatives by trajectory, data and weights.

    .. math::
        s = F^H (w\, m\, y), \quad u = s / \|s\|, \quad
        t = \frac{u}{|u|}\, P |u|, \quad S = t / \|t\|,

    with the root sum of squares over the coils :math:`\|\cdot\|`, the window :math:`m` and the
    smoothing :math:`P`. Where a root or a magnitude is zero, zero is used.

    Both :math:`s` and :math:`P |u|` are splines of every other voxel, where these carry them (see
    `Nodes`): :math:`F` computes the nodes of :math:`s` from the samples in the window alone, and
    :math:`P` is :math:`U K U^T`. :math:`P` needs no mass: factors of a voxel cancel.

    Parameters
    ----------
    centre : Centre
        The samples in the window.
    data, weights
        As of `low_frequency_maps`.
    """

    def __init__(self, centre: Centre, data: Array, weights: Array) -> None:
        F = centre.whole
        xp = common_namespace(
            "low_frequency_maps(F, data, weights)",
            data=data,
            weights=weights,
            trajectory=F.trajectory,
        )
        call = "low_frequency_maps(data, weights)"
        check_precision(xp, call, data=data, weights=weights, trajectory=F.trajectory)
        check_real(xp, "low_frequency_maps(weights)", "weights", weights)
        samples = tuple(F.trajectory.shape[:-1])
        if data.shape[1:] != samples or weights.shape != samples:
            msg = (
                f"{call}: the shapes are {tuple(data.shape)} and {tuple(weights.shape)}; "
                f"want {('coils', *samples)} and {samples}"
            )
            raise ValueError(msg)
        self.xp, self.centre = xp, centre
        # No scale changes the maps. With numbers of at most about one the sums stay finite.
        y, d = centre.near.take(data, axis=1), centre.near.take(weights)
        self.y_root, self.d_root = root_of_largest(xp, y, None), root_of_largest(xp, d, None)
        self.y, self.d = y / self.y_root / self.y_root, d / self.d_root / self.d_root
        self.w = centre.window * self.d
        self.images = centre.F.adjoint(self.w * self.y)
        fused = F.engine != "direct" and data.__dlpack_device__()[0] == DEVICE_CPU
        make: Callable[..., Passes] = FusedPasses if fused else ArrayPasses
        self.passes = make(xp, centre.nodes, self.images)
        self.smooth = centre.smoothed(self.passes.magnitudes())

    @cached_property
    def maps(self) -> Array:
        """The maps, shape (coils, *image shape)."""
        return self.passes.maps(self.smooth)

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
        xp, at, F, near = self.xp, self.centre, self.centre.F, self.centre.near
        ds, dq = xp.zeros_like(self.images), xp.zeros_like(self.y)
        if dk is not None:
            dk = near.take(dk)
            ds = F.derivative("trajectory", dk * at.stretch).adjoint(self.w * self.y)
            dq = dq + xp.sum(at.slope * dk, axis=-1) * self.d * self.y
        if dy is not None:
            dq = dq + self.w * (near.take(dy, axis=1) / self.y_root / self.y_root)
        if dd is not None:
            dq = dq + at.window * (near.take(dd) / self.d_root / self.d_root) * self.y
        ds = ds + F.adjoint(dq)
        passes = ArrayPasses(xp, at.nodes, self.images)
        return passes.maps_tangent(self.smooth, at.smoothed(passes.magnitudes_tangent(ds)), ds)

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
        xp, at, near = self.xp, self.centre, self.centre.near
        a_bar = at.smoothed(self.passes.magnitudes_bar(self.smooth, maps_bar))
        s_bar = self.passes.images_bar(self.smooth, a_bar, maps_bar)
        Fs, J = at.F.linearize(s_bar, wrt="trajectory")
        y_bar = self.w * Fs / self.y_root / self.y_root
        w_bar = xp.sum(xp.real(self.y) * xp.real(Fs) + xp.imag(self.y) * xp.imag(Fs), axis=0)
        k_bar = J.adjoint(self.w * self.y) * at.stretch + at.slope * (w_bar * self.d)[:, None]
        d_bar = at.window * w_bar / self.d_root / self.d_root
        return near.put(k_bar), near.put(y_bar, axis=1), near.put(d_bar)


class Near:
    """The samples near the centre, out of all.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    kept : array of bool, of the shape of the samples
        Which they are.
    """

    def __init__(self, xp: Namespace, kept: Array) -> None:
        self.xp, self.samples = xp, tuple(kept.shape)
        near = xp.astype(xp.reshape(kept, (-1,)), xp.int32)
        count = int(xp.sum(near))
        self.at = xp.argsort(1 - near, stable=True)[:count]  # no shape depends on data
        place = xp.cumulative_sum(near) - 1
        self.place = xp.where(near == 1, place, xp.full_like(place, count))

    def take(self, x: Array, axis: int = 0) -> Array:
        """Return the samples, along one axis, of an array that has theirs from `axis` on."""
        rest = x.shape[axis + len(self.samples) :]
        flat = self.xp.reshape(x, (*x.shape[:axis], -1, *rest))
        return self.xp.take(flat, self.at, axis=axis)

    def put(self, x: Array, axis: int = 0) -> Array:
        """Apply the transpose of `take`: zeros elsewhere."""
        xp = self.xp
        nothing = xp.zeros_like(x[:1, ...] if axis == 0 else x[:, :1, ...])
        flat = xp.take(xp.concat([x, nothing], axis=axis), self.place, axis=axis)
        return xp.reshape(flat, (*x.shape[:axis], *self.samples, *x.shape[axis + 1 :]))


def hann_window(xp: Namespace, k: Array, radius: float) -> tuple[Array, Array]:
    """Return ``cos^2(pi |k| / (2 radius))``, zero from the radius on, and its gradient by ``k``."""
    t = xp.minimum(xp.sqrt(xp.sum(k * k, axis=-1)) / radius, xp.ones_like(k[..., 0]))
    # d/dt cos^2(pi t / 2) = -pi/2 sin(pi t), and dt = <k, dk> / (t radius^2)
    rate = -0.5 * math.pi * xp.sin(math.pi * t) / xp.where(t > 0, t, xp.ones_like(t)) / radius**2
    inside = t < 1
    zero = xp.zeros_like(t)
    window = xp.where(inside, xp.cos(0.5 * math.pi * t) ** 2, zero)
    return window, xp.where(inside, rate, zero)[..., None] * k
