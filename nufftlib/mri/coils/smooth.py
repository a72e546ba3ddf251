"""Smoothing by a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, is_single, item_bytes, real_dtype
from nufftlib.core.caching import remembered
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.mri.coils.nodes import Nodes, Spline
from nufftlib.nufft.engines.base import Whole, parts

BLOCK = 2**21
"""Bytes of coils, padded, that are smoothed at once: the cache holds them."""


def gaussian_smooth(xp: Namespace, c: Array, sigma: float, nodes: Nodes) -> Array:
    r"""Smooth all axes of ``c`` but the first by a Gaussian, continued by zeros: symmetric.

    Along each axis :math:`x_n \leftarrow \sum_m g_{n-m} x_m` with
    :math:`g_l = e^{-l^2 / (2 \sigma^2)}`, as products in the Fourier domain, which round relative
    to the largest entries. The second axis has the nodes of `rows`: there :math:`U K U^T` is this
    sum for their spline :math:`U`, and :math:`K` is applied.
    """
    single = is_single(xp, c)
    filters = [
        gaussian_filter(axis.nodes, sigma / axis.step, axis.step, single) for axis in nodes.axes
    ]
    item = math.prod(len(spectrum) for spectrum, _ in filters) * item_bytes(xp, c)
    whole = Whole(xp, c.shape[0])
    for part in parts(c.shape[0], max(1, BLOCK // item)):
        whole.put(part, filter_axes(xp, c[part, ...], filters))
    return whole.result


class Filter(NamedTuple):
    """A filter along an axis: the real spectrum of its kernel, and the bins of `rfft` to keep."""

    spectrum: Any
    kept: int


@remembered(maxsize=16)
def gaussian_filter(size: int, sigma: float, step: int, single: bool) -> Filter:
    """Transform a Gaussian for an axis of `size`, padded so that its ends do not meet."""
    # Beyond these, exp(-l^2 / (2 sigma^2)) and exp(-2 pi^2 sigma^2 f^2) are below eps / 10.
    decay = math.sqrt(-2.0 * math.log(0.1 * float(np.finfo("f4" if single else "f8").eps)))
    lags, band = decay * sigma, decay / (2.0 * math.pi * sigma)
    padded = fast_size(size + math.ceil(min(lags, size - 1)), real=True)
    lag = np.arange(padded, dtype=float)
    kernel = np.exp(-0.5 * (np.minimum(lag, padded - lag) / sigma) ** 2)
    # The spectrum of a Gaussian that the axis cuts off decays slowly: all of it is kept.
    half = padded // 2 + 1
    kept = min(half, math.ceil(band * padded) + 1) if lags < size else half
    unmixed, _ = Spline(size, step).unmixed(np, np.fft.fftfreq(padded))
    return Filter(np.real(np.fft.fft(kernel)) * unmixed**2, kept)


def filter_axes(xp: Namespace, x: Array, filters: Sequence[Filter]) -> Array:
    """Apply a filter to each of the last axes of real `x`; zeros continue it."""
    shape = x.shape[x.ndim - len(filters) :]
    *outer, (spectrum, kept) = filters
    padded = spectrum.shape[0]

    def table(values: Any) -> Array:
        return xp.asarray(values, dtype=real_dtype(xp, x), device=device(x))

    z = fft(xp, x, (padded,), real=True)[..., :kept] * table(spectrum[:kept])
    for axis, (other, _) in enumerate(outer, start=x.ndim - len(filters)):
        rows = xp.moveaxis(z, axis, -1)
        rows = fft(xp, rows, other.shape, real=False) * table(other)
        rows = ifft(xp, rows, other.shape, real=False)
        z = xp.moveaxis(rows[..., : x.shape[axis]], -1, axis)
    return ifft(xp, z, (padded,), real=True)[..., : shape[-1]]
