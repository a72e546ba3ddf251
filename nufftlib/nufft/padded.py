"""Zero-padded images, filtered and correlated, whose padded grid is never whole.

Once the first axis is padded and transformed, each of its frequencies is a problem of the other
axes alone. Slabs of frequencies are worked off one after the other. So there is an array that is
padded on one axis, and a slab, which stays in the cache, that is padded on all.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator

from nufftlib.core.arrays import Array, Namespace, item_bytes
from nufftlib.core.fourier import crop_ifft, pad_fft
from nufftlib.nufft.engines.base import Whole, parts


# z = crop(ifft(P fft(pad x)))
def filtered(
    xp: Namespace,
    x: Array,
    P: Array,
    shape: tuple[int, ...],
    slab_bytes: int,
    times: Callable[[Array, Array], Array] = operator.imul,
) -> Array:
    """Return images filtered by a spectrum of their padded grid.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    x : array, shape (..., *shape), complex
        Images.
    P : array, shape (..., *sizes)
        Spectrum, real where `times` is the product.
    shape : tuple of int
        The axes that are padded, and cropped again.
    slab_bytes : int
        Bytes of a slab, padded on all axes, unless one frequency takes more.
    times : callable
        From the images' spectrum and `P`, at some frequencies, to the new spectrum.
    """
    d = len(shape)
    sizes = P.shape[-d:]
    X = pad_fft(xp, x, sizes[0], -d)
    if d == 1:
        X = times(X, P)
    else:
        whole = Whole(xp, sizes[0], X.ndim - d, into=X)
        for part in slabs(xp, X, sizes, slab_bytes):
            at = (..., part, *(slice(None) for _ in shape[1:]))
            whole.put(part, filtered(xp, X[at], P[at], shape[1:], slab_bytes, times))
        X = whole.result
    return crop_ifft(xp, X, shape[0], -d)


# sum_b Re(conj(X_b) Y_b)
def correlated(xp: Namespace, x: Array, y: Array, sizes: tuple[int, ...], slab_bytes: int) -> Array:
    """Return the real part of the spectrum of the correlation, summed over the first axis.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    x, y : array, shape (batch, ..., *shape), complex
        Images.
    sizes : tuple of int
        Sizes to which their last axes are padded.
    slab_bytes : int
        As for `filtered`.
    """
    d = len(sizes)
    X, Y = pad_fft(xp, x, sizes[0], -d), pad_fft(xp, y, sizes[0], -d)
    if d == 1:
        product = xp.real(X) * xp.real(Y)
        product += xp.imag(X) * xp.imag(Y)
        return xp.sum(product, axis=0)
    whole = Whole(xp, sizes[0], X.ndim - d - 1)
    for part in slabs(xp, X, sizes, slab_bytes):
        at = (..., part, *(slice(None) for _ in sizes[1:]))
        whole.put(part, correlated(xp, X[at], Y[at], sizes[1:], slab_bytes))
    return whole.result


def slabs(xp: Namespace, X: Array, sizes: tuple[int, ...], slab_bytes: int) -> Iterator[slice]:
    """Cut the first of the axes that are padded to `sizes`."""
    batch = math.prod(X.shape[: X.ndim - len(sizes)])
    row = batch * math.prod(sizes[1:]) * item_bytes(xp, X)
    return parts(sizes[0], max(1, slab_bytes // max(row, 1)))  # an empty batch has no bytes
