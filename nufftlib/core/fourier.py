"""Fast Fourier transforms over the last axes, at fast sizes, by each library's best FFT.

SciPy's transforms use all cores, NumPy's one. Their import takes longer than that of
everything else here, so it waits until the first transform.
"""

from __future__ import annotations

from typing import Any

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


def _transform(xp: Namespace, name: str, x: Array, sizes: tuple[int, ...]) -> Array:
    axes = tuple(range(-len(sizes), 0))
    if library(xp) == "numpy":
        import scipy.fft

        transform: Any = getattr(scipy.fft, name)
        return transform(x, s=sizes, axes=axes, workers=-1)
    return getattr(xp.fft, name)(x, s=sizes, axes=axes)
