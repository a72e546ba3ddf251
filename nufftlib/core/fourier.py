"""Fast Fourier transforms over the last axes, at fast sizes, by each library's best FFT.

SciPy's transforms use all cores, NumPy's one. Their import takes longer than that of
everything else here, so it waits until the first transform.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, complex_dtype, library


def fast_size(size: int, *, real: bool) -> int:
    """Return the next size with small prime factors."""
    import scipy.fft

    return int(scipy.fft.next_fast_len(size, real=real))


def fft(xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool) -> Array:
    """Transform the last axes of `x`, padded with zeros to `sizes`; half of it if `real`."""
    if real:
        return _transform(xp, "rfftn", x, sizes)
    # The standard wants complex input here, though most libraries take real as well.
    return _transform(xp, "fftn", xp.astype(x, complex_dtype(xp, x), copy=False), sizes)


def ifft(xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool) -> Array:
    """Invert `fft`."""
    return _transform(xp, "irfftn" if real else "ifftn", x, sizes)


def pad_fft(xp: Namespace, x: Array, sizes: tuple[int, ...]) -> Array:
    """Transform the last axes of complex `x`, padded with zeros to `sizes`, one after the other.

    The zeros of an axis are not transformed along those before it: in place of all d
    axes of the padded grid, 3/4 of the work in 2D and 7/12 in 3D, at twice the size.
    """
    for axis, size in enumerate(sizes, start=-len(sizes)):
        x = _transform_axis(xp, "fft", x, size, axis)
    return x


def crop_ifft(xp: Namespace, x: Array, shape: tuple[int, ...]) -> Array:
    """Invert `pad_fft`: transform the last axes of `x` back, and keep the first `shape`."""
    for axis, size in enumerate(reversed(shape), start=1):
        x = _transform_axis(xp, "ifft", x, x.shape[-axis], -axis)
        x = x[(..., slice(0, size), *(slice(None) for _ in range(axis - 1)))]
    return x


def _transform(xp: Namespace, name: str, x: Array, sizes: tuple[int, ...]) -> Array:
    axes = tuple(range(-len(sizes), 0))
    if library(xp) == "numpy":
        import scipy.fft

        transform: Any = getattr(scipy.fft, name)
        return transform(x, s=sizes, axes=axes, workers=-1)
    if 0 in x.shape:  # MKL, which computes for torch, refuses an empty batch
        lead = x.ndim - len(sizes)
        image = xp.zeros(x.shape[lead:], dtype=x.dtype, device=device(x))
        one = _transform(xp, name, image, sizes)
        return xp.zeros((*x.shape[:lead], *one.shape), dtype=one.dtype, device=device(x))
    return getattr(xp.fft, name)(x, s=sizes, axes=axes)


def _transform_axis(xp: Namespace, name: str, x: Array, size: int, axis: int) -> Array:
    if library(xp) == "numpy":
        import scipy.fft

        transform: Any = getattr(scipy.fft, name)
        return transform(x, n=size, axis=axis, workers=-1)
    return getattr(xp.fft, name)(x, n=size, axis=axis)
