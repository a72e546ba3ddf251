"""Coil sensitivity maps: simulated, and estimated from data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import device as device_of

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    check_real,
    common_namespace,
    is_complex,
    make_array,
    real_dtype,
)
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.core.kinds import finite, instance, integer, positive, sizes
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT


def birdcage_maps(
    coils: int,
    shape: tuple[int, ...],
    *,
    radius: float = 1.5,
    rings: int = 2,
    angle: float = 0.0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Simulate the sensitivities of coils around the image, on a ring or on several.

    Write the pixel at :math:`(p_0, p_1) \in [-1, 1)^2` as :math:`p = p_1 + i p_0`, and
    put coil :math:`c` at :math:`r e^{i\varphi_c}`, :math:`\varphi_c = \alpha + 2\pi c / C`. The
    transverse field of a wire, in the frame that turns with the coil, is

    .. math:: s_c(p) \propto i \,/\, \overline{w}, \qquad
              w = (p - r e^{i\varphi_c})\, e^{-i\varphi_c}.

    It falls off with the distance, and all coils are in phase at the centre. The maps
    are divided by their root sum of squares. On a pixel where a coil's wire is, they are
    one for this coil and zero for the others.

    In an image the wires are infinitely long. In a volume they are as long as a ring is, and
    parallel to the last axis: this is the bore, z. Ring :math:`q` of :math:`Q` holds the coils
    :math:`c \equiv q` modulo :math:`Q`, from :math:`b_q = -1 + 2q/Q` to :math:`b_{q+1}` along the
    bore, where the volume spans [-1, 1). By the law of Biot and Savart the field of such a wire is
    that of an infinite one, multiplied by

    .. math:: \tfrac12 \left( \frac{b_{q+1} - p_2}{\sqrt{|w|^2 + (b_{q+1} - p_2)^2}}
              - \frac{b_q - p_2}{\sqrt{|w|^2 + (b_q - p_2)^2}} \right).

    So coils differ along the bore, and each sees most in its own ring. Seen along the bore they
    stand as in an image. The currents of the end rings are left out.

    Parameters
    ----------
    coils : int
        Number of coils, at least 1.
    shape : tuple of int
        Shape of the image, (height, width), or of the volume, (height, width, depth).
    radius : float
        Radius of the rings in units where the image spans [-1, 1); above sqrt(2) all
        coils are outside of the image.
    rings : int
        Number of rings along the bore of a volume; an image has one, whatever is given.
    angle : float
        The angle :math:`\alpha` of the first coil, in radians, from axis 1 to axis 0.
    xp, dtype, device : module, dtype, device
        Array-API namespace, complex dtype and device of the result; by default NumPy,
        complex64 and the library's own.

    Returns
    -------
    array, shape (coils, *shape), complex
        Sensitivities, with ``sum_c |s_c|^2 = 1`` everywhere.

    Raises
    ------
    TypeError
        If the dtype is neither complex64 nor complex128, or an argument of the wrong kind.
    ValueError
        If an argument is out of range.

    References
    ----------
    C. E. Hayes et al., "An efficient, highly homogeneous radiofrequency coil for
    whole-body NMR imaging at 1.5 T", J. Magn. Reson. 63 (1985) 622-628.

    D. J. Griffiths, "Introduction to Electrodynamics", 4th ed., Pearson 2013, example 5.5: the
    field of a straight wire of finite length.

    Examples
    --------
    >>> import numpy as np
    >>> s = birdcage_maps(6, (8, 8))
    >>> s.shape, bool(np.allclose((abs(s) ** 2).sum(axis=0), 1))
    ((6, 8, 8), True)
    >>> birdcage_maps(8, (8, 8, 12)).shape
    (8, 8, 8, 12)
    """
    coils = integer("birdcage_maps", "coils", coils, least=1)
    wish = "(height, width) or (height, width, depth)"
    pixels = sizes("birdcage_maps", "shape", shape, wish, counts=(2, 3))
    radius = positive("birdcage_maps", "radius", radius)
    rings = integer("birdcage_maps", "rings", rings, least=1)
    angle = finite("birdcage_maps", "angle", angle)
    turn = np.exp(1j * (angle + 2 * np.pi * np.arange(coils) / coils))[:, None, None]
    p0, p1, *bore = ((np.arange(n) - n // 2) / (n / 2) for n in pixels)
    w = (p1[None, None, :] + 1j * p0[None, :, None] - radius * turn) * np.conj(turn)
    # i / conj(w) = i (w / |w|) / |w|, where w / |w| is taken as one at the wire itself.
    distance, phase = np.abs(w), np.ones_like(w)
    np.divide(w, distance, out=phase, where=distance > 0)
    if not bore:
        s = combined(1j * phase, distance)
    else:
        ring = (np.arange(coils) % rings)[:, None, None]
        slices = (combined(1j * phase, apparent(distance, p2, ring, rings)) for p2 in bore[0])
        s = np.stack(list(slices), axis=-1)
    return make_array("birdcage_maps", s, xp=xp, dtype=dtype, device=device)


def combined(phase: Any, distance: Any) -> Any:
    """Return maps of a root sum of squares of one, of magnitudes that fall off by distance."""
    # Times the distance of the nearest coil a magnitude is at most one.
    nearest = np.min(distance, axis=0)
    near = np.where(distance > nearest, 0.0, 1.0)
    np.divide(nearest, distance, out=near, where=(distance > 0) & np.isfinite(distance))
    return normalize_coils(np, phase * near)


def apparent(distance: Any, p2: float, ring: Any, rings: int) -> Any:
    """Return the distance at which an infinitely long wire has the field of the wire of a ring.

    It is a multiple of it, the same for all coils.
    """

    def sine(end: Any) -> Any:  # of the angle at which the end is seen; at the end itself zero
        r = np.hypot(distance, end)
        return np.divide(end, r, out=np.zeros_like(r), where=r > 0)

    high, low = (-1 + 2 * (ring + i) / rings - p2 for i in (1, 0))
    part = np.maximum(sine(high) - sine(low), 0.0)
    most = np.max(part, axis=0)
    part = part / np.where(most > 0, most, 1.0)
    return np.divide(distance, part, out=np.full_like(distance, np.inf), where=part > 0)


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


class Normalized:
    """Arrays divided by their root sum of squares over the first axis; where it is zero, zero.

    Each voxel is first brought near one, so that no square leaves the range of its precision.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    s : array, shape (coils, ...), complex
        What is divided.
    """

    def __init__(self, xp: Namespace, s: Array) -> None:
        self.xp = xp
        self.root = root_of_largest(xp, s, 0)
        s = s / self.root / self.root
        self.rss = xp.sqrt(xp.sum(xp.real(s) ** 2 + xp.imag(s) ** 2, axis=0))
        self.value = s / xp.where(self.rss > 0, self.rss, xp.ones_like(self.rss))

    # du = (ds - u sum_c Re(conj(u_c) ds_c)) / |s|: it is its own adjoint
    def derivative(self, ds: Array) -> Array:
        """Return the change of the value, or the gradient by what was divided."""
        xp, u = self.xp, self.value
        part = xp.sum(xp.real(u) * xp.real(ds) + xp.imag(u) * xp.imag(ds), axis=0)
        heard = self.rss > 0
        rate = xp.astype(heard, part.dtype) / xp.where(heard, self.rss, xp.ones_like(part))
        return (ds - u * part) * (rate / self.root / self.root)


def normalize_coils(xp: Namespace, s: Array) -> Array:
    """Divide by the root sum of squares over the first axis; where it is zero, return zero."""
    return Normalized(xp, s).value


def root_of_largest(xp: Namespace, x: Array, axis: int | None) -> Array:
    """Return the root of the largest real or imaginary part along an axis, of zeros one.

    Divide by it twice: the reciprocal of the largest numbers has not all its digits.
    """
    parts = (xp.real(x), xp.imag(x)) if is_complex(xp, x) else (x,)
    found, *rest = (xp.max(xp.abs(part), axis=axis) for part in parts)
    found = xp.maximum(found, rest[0]) if rest else found
    return xp.sqrt(xp.where(found > 0, found, xp.ones_like(found)))


def gaussian_smooth(
    xp: Namespace, x: Array, sigma: float, ndim: int, *, adjoint: bool = False
) -> Array:
    r"""Smooth the last `ndim` axes by a Gaussian, renormalised near the edges of the image.

    Along each axis :math:`x_n \leftarrow \sum_m g_{n-m} x_m / \sum_m g_{n-m}` with
    :math:`g_l = e^{-l^2 / (2 \sigma^2)}`. Both sums are products in the Fourier domain, which
    round relative to the largest entries of `x`. The adjoint divides first: :math:`g` is even.
    """
    real = {"dtype": real_dtype(xp, x), "device": device_of(x)}
    filters = [gaussian_filter(xp, n, sigma, **real) for n in x.shape[x.ndim - ndim :]]
    if not adjoint:
        x = filter_axes(xp, x, filters)
    for axis, each in enumerate(filters, start=x.ndim - ndim):
        mass = filter_axes(xp, xp.ones(x.shape[axis], **real), [each])
        x = x / xp.reshape(mass, (-1, *(1 for _ in range(axis + 1, x.ndim))))
    return filter_axes(xp, x, filters) if adjoint else x


class Filter(NamedTuple):
    """A filter along an axis: the real spectrum of its kernel, and the bins of `rfft` to keep."""

    spectrum: Array
    kept: int


def gaussian_filter(xp: Namespace, size: int, sigma: float, *, dtype: Any, device: Any) -> Filter:
    """Transform a Gaussian for an axis of `size`, padded so that its ends do not meet."""
    # Beyond these, exp(-l^2 / (2 sigma^2)) and exp(-2 pi^2 sigma^2 f^2) are below eps / 10.
    decay = math.sqrt(-2.0 * math.log(0.1 * float(xp.finfo(dtype).eps)))
    lags, band = decay * sigma, decay / (2.0 * math.pi * sigma)
    padded = fast_size(size + math.ceil(min(lags, size - 1)), real=True)
    lag = xp.arange(padded, dtype=dtype, device=device)
    kernel = xp.exp(-0.5 * (xp.minimum(lag, padded - lag) / sigma) ** 2)
    # The spectrum of a Gaussian that the axis cuts off decays slowly: all of it is kept.
    half = padded // 2 + 1
    kept = min(half, math.ceil(band * padded) + 1) if lags < size else half
    return Filter(xp.real(fft(xp, kernel, (padded,), real=False)), kept)


def filter_axes(xp: Namespace, x: Array, filters: Sequence[Filter]) -> Array:
    """Apply a filter to each of the last axes of real `x`; zeros continue it."""
    shape = x.shape[x.ndim - len(filters) :]
    *outer, (spectrum, kept) = filters
    padded = spectrum.shape[0]
    z = fft(xp, x, (padded,), real=True)[..., :kept] * spectrum[:kept]
    for axis, (other, _) in enumerate(outer, start=x.ndim - len(filters)):
        rows = xp.moveaxis(z, axis, -1)
        rows = ifft(xp, fft(xp, rows, other.shape, real=False) * other, other.shape, real=False)
        z = xp.moveaxis(rows[..., : x.shape[axis]], -1, axis)
    return ifft(xp, z, (padded,), real=True)[..., : shape[-1]]
