"""Fast Fourier transforms over the last axes, at fast sizes, by each library's best FFT.

SciPy's transforms use several threads, NumPy's one. Their import takes longer than that of
everything else here, so it waits until the first transform.
"""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, complex_dtype, library
from nufftlib.core.threads import threads

NORMS = (None, "ortho")


def scale(norm: str | None, shape: tuple[int, ...]) -> float:
    """Return the factor of a transform: ``1 / sqrt(prod(shape))`` with ``norm="ortho"``, else 1."""
    return 1.0 if norm is None else 1.0 / math.sqrt(math.prod(shape))


def fast_size(size: int, *, real: bool) -> int:
    """Return the next size with small prime factors."""
    import scipy.fft

    return int(scipy.fft.next_fast_len(size, real=real))


def fft(
    xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool, overwrite: bool = False
) -> Array:
    """Transform the last axes of `x`, padded with zeros to `sizes`; half of it if `real`.

    If `overwrite`, nobody needs the values of `x` any more.
    """
    if real:
        return _transform(xp, "rfftn", x, sizes, overwrite)
    # The standard wants complex input here, though most libraries take real as well.
    z = xp.astype(x, complex_dtype(xp, x), copy=False)
    return _transform(xp, "fftn", z, sizes, overwrite)


def ifft(
    xp: Namespace, x: Array, sizes: tuple[int, ...], *, real: bool, overwrite: bool = False
) -> Array:
    """Invert `fft`."""
    return _transform(xp, "irfftn" if real else "ifftn", x, sizes, overwrite)


def pad_fft(xp: Namespace, x: Array, size: int, axis: int) -> Array:
    """Transform one axis of complex `x`, padded with zeros to `size`.

    Axis by axis, the zeros of one are not transformed along those before it: in place of all d
    axes of the padded grid, 3/4 of the work in 2D and 7/12 in 3D, at twice the size.
    """
    return _transform_axis(xp, "fft", x, size, axis)


def crop_ifft(xp: Namespace, x: Array, size: int, axis: int) -> Array:
    """Invert `pad_fft`, and keep the first `size`; nobody needs the values of `x` any more."""
    x = _transform_axis(xp, "ifft", x, x.shape[axis], axis, overwrite=True)
    return x[(..., slice(0, size), *(slice(None) for _ in range(-axis - 1)))]


def _transform(
    xp: Namespace, name: str, x: Array, sizes: tuple[int, ...], overwrite: bool
) -> Array:
    axes = tuple(range(-len(sizes), 0))
    if library(xp) == "numpy":
        import scipy.fft

        transform: Any = getattr(scipy.fft, name)
        return transform(x, s=sizes, axes=axes, overwrite_x=overwrite, workers=threads())
    if 0 in x.shape:  # MKL, which computes for torch, refuses an empty batch
        lead = x.ndim - len(sizes)
        image = xp.zeros(x.shape[lead:], dtype=x.dtype, device=device(x))
        one = _transform(xp, name, image, sizes, overwrite)
        return xp.zeros((*x.shape[:lead], *one.shape), dtype=one.dtype, device=device(x))
    return getattr(xp.fft, name)(x, s=sizes, axes=axes)


def _transform_axis(
    xp: Namespace, name: str, x: Array, size: int, axis: int, *, overwrite: bool = False
) -> Array:
    if library(xp) == "numpy":
        import scipy.fft

        transform: Any = getattr(scipy.fft, name)
        return transform(x, n=size, axis=axis, overwrite_x=overwrite, workers=threads())
    if 0 in x.shape:
        shape = [*x.shape]
        shape[axis] = size
        return xp.zeros(tuple(shape), dtype=x.dtype, device=device(x))
    return getattr(xp.fft, name)(x, n=size, axis=axis)
