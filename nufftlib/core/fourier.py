"""Fast Fourier transforms over the last axes, at fast sizes, by each library's best FFT."""

from __future__ import annotations

from typing import Any

import scipy.fft

from nufftlib.core.arrays import Array, Namespace, library


def fast_size(size: int, *, real: bool) -> int:
    """Return the next size with small prime factors."""
    return int(scipy.fft.next_fast_len(size, real=real))


def fft(xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool) -> Array:
    """Transform the last axes of `x`, padded with zeros to `sizes`; half of it if `real`."""
    axes = tuple(range(-len(sizes), 0))
    if library(xp) == "numpy":
        transform: Any = scipy.fft.rfftn if real else scipy.fft.fftn
        return transform(x, s=sizes, axes=axes, workers=-1)
    return (xp.fft.rfftn if real else xp.fft.fftn)(x, s=sizes, axes=axes)


def ifft(xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool) -> Array:
    """Invert `fft`."""
    axes = tuple(range(-len(sizes), 0))
    if library(xp) == "numpy":
        transform: Any = scipy.fft.irfftn if real else scipy.fft.ifftn
        return transform(x, s=sizes, axes=axes, workers=-1, overwrite_x=True)
    return (xp.fft.irfftn if real else xp.fft.ifftn)(x, s=sizes, axes=axes)
