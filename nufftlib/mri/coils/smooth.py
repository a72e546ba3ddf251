"""Smoothing by a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from array_api_compat import device as device_of

from nufftlib.core.arrays import Array, Namespace, real_dtype
from nufftlib.core.fourier import fast_size, fft, ifft


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
