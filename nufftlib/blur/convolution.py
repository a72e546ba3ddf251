r"""The valid convolution, linear in the image and in the PSF, and its two transposes.

.. math:: y[p] = \sum_q h[q]\, e[p + P - 1 - q], \qquad p = 0 \ldots n - P,

of an image ``e`` of ``n`` entries and a PSF ``h`` of ``P`` on each of the last axes; their
leading axes broadcast. It is summed directly or by FFT. Each of ``e``, ``h`` and ``y`` is
prepared first (for the FFT: transformed). A constant array is prepared once.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal, get_args

from nufftlib.blur.boundaries import zeros_like
from nufftlib.core.arrays import Array, Namespace, conjugate, sum_to
from nufftlib.core.fourier import fast_size, fft, ifft

Method = Literal["auto", "direct", "fft"]
METHODS: tuple[Method, ...] = get_args(Method)

DIRECT, DIRECT_SMALL, SMALL = 9, 25, 2**14
"""PSFs of at most `DIRECT` pixels are summed directly; on images of two or three axes and at
most `SMALL` pixels, PSFs of at most `DIRECT_SMALL`. Measured, see docs/derivations/blur.md."""


class Convolution(ABC):
    """A way to compute the valid convolution and its transposes.

    Parameters
    ----------
    xp : module
        The arrays' namespace.
    image, psf : tuple of int
        The last axes of ``e`` and of ``h``.
    real : bool
        Whether all arrays are real.
    """

    def __init__(
        self, xp: Namespace, image: tuple[int, ...], psf: tuple[int, ...], *, real: bool
    ) -> None:
        self.xp = xp
        self.image_shape = image
        self.psf_shape = psf
        self.real = real
        self.shape = tuple(n - p + 1 for n, p in zip(image, psf, strict=True))
        self.axes = tuple(range(-len(psf), 0))

    @abstractmethod
    def prepare(self, array: Array) -> Array:
        """Return the form of ``e``, ``h`` or ``y`` that the three methods below take."""

    @abstractmethod
    def value(self, h: Array, e: Array) -> Array:
        """Return ``y`` for prepared arguments."""

    @abstractmethod
    def to_image(self, h: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Return the transpose by ``e``, summed to leading axes `lead`; `h` is not prepared."""

    @abstractmethod
    def to_psf(self, e: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Return the transpose by ``h`` of prepared arguments, summed to leading axes `lead`."""


class DirectConvolution(Convolution):
    """A loop over the PSF's pixels."""

    def prepare(self, array: Array) -> Array:
        """Return `array`."""
        return array

    # y[p] = sum_q h[q] e[p + P - 1 - q]
    def value(self, h: Array, e: Array) -> Array:
        """Sum shifted images."""
        return sum_all(h[box(q, (1,) * len(q))] * e[self._seen(q)] for q in self._pixels())

    # e*[m] = sum_q conj(h[q]) y[m - (P - 1) + q]: y with margins of P - 1 is read at m + q
    def to_image(self, h: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Sum shifted data."""
        xp = self.xp
        for axis, p in zip(self.axes, self.psf_shape, strict=True):
            zeros = zeros_like(xp, y, axis, p - 1)
            y = xp.concat([zeros, y, zeros], axis=axis)
        h = conjugate(xp, h)
        total = sum_all(
            h[box(q, (1,) * len(q))] * y[box(q, self.image_shape)] for q in self._pixels()
        )
        return sum_to(xp, total, (*lead, *self.image_shape))

    # h*[q] = sum_p conj(e[p + P - 1 - q]) y[p]
    def to_psf(self, e: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Sum products of the data with shifted images."""
        xp = self.xp
        e = conjugate(xp, e)
        sums = [xp.sum(e[self._seen(q)] * y, axis=self.axes) for q in self._pixels()]
        g = sum_to(xp, xp.stack(sums, axis=-1), (*lead, len(sums)))
        return xp.reshape(g, (*lead, *self.psf_shape))

    def _pixels(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*map(range, self.psf_shape))

    def _seen(self, q: tuple[int, ...]) -> tuple[Any, ...]:
        """Return the index of the entries ``e[p + P - 1 - q]``."""
        return box(tuple(p - 1 - i for p, i in zip(self.psf_shape, q, strict=True)), self.shape)


class FFTConvolution(Convolution):
    """Products of transforms of a size ``L >= n``, which keeps wrapped terms out of the result."""

    def __init__(
        self, xp: Namespace, image: tuple[int, ...], psf: tuple[int, ...], *, real: bool
    ) -> None:
        super().__init__(xp, image, psf, real=real)
        self.sizes = tuple(fast_size(n, real=real) for n in image)

    def prepare(self, array: Array) -> Array:
        """Transform `array`, padded with zeros."""
        return fft(self.xp, array, self.sizes, real=self.real)

    # y[p] = ifft(H E)[p + P - 1]
    def value(self, h: Array, e: Array) -> Array:
        """Return the part of the circular convolution without wrapped terms."""
        y = ifft(self.xp, h * e, self.sizes, real=self.real)
        return y[box(tuple(p - 1 for p in self.psf_shape), self.shape)]

    # e*[m] = sum_p conj(h[p + P - 1 - m]) y[p]: the full convolution of y with conj(h[P - 1 - r])
    def to_image(self, h: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Convolve with the flipped PSF; add terms of one image before the inverse transform."""
        xp = self.xp
        product = self.prepare(xp.flip(conjugate(xp, h), axis=self.axes)) * y
        e = ifft(xp, self._sum_to(product, lead), self.sizes, real=self.real)
        return e[box((0,) * len(self.sizes), self.image_shape)]

    # h*[P - 1 - r] = sum_p conj(e[p + r]) y[p] = conj(ifft(E conj(Y))[r])
    def to_psf(self, e: Array, y: Array, lead: tuple[int, ...]) -> Array:
        """Correlate; add terms of one PSF before the inverse transform."""
        xp = self.xp
        g = ifft(xp, self._sum_to(e * xp.conj(y), lead), self.sizes, real=self.real)
        g = g[box((0,) * len(self.sizes), self.psf_shape)]
        return xp.flip(conjugate(xp, g), axis=self.axes)

    def _sum_to(self, product: Array, lead: tuple[int, ...]) -> Array:
        return sum_to(self.xp, product, (*lead, *product.shape[-len(self.sizes) :]))


def convolution(
    xp: Namespace,
    image: tuple[int, ...],
    psf: tuple[int, ...],
    *,
    real: bool,
    method: Method = "auto",
) -> Convolution:
    """Return the convolution of these sizes, by `method` or by the faster one."""
    if method == "auto":
        small = len(image) > 1 and math.prod(image) <= SMALL
        method = "direct" if math.prod(psf) <= (DIRECT_SMALL if small else DIRECT) else "fft"
    make = DirectConvolution if method == "direct" else FFTConvolution
    return make(xp, image, psf, real=real)


def box(first: tuple[int, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of a box of the last axes."""
    return (..., *(slice(f, f + n) for f, n in zip(first, shape, strict=True)))


def sum_all(terms: Iterator[Array]) -> Array:
    """Add arrays up."""
    total = next(terms)
    for term in terms:
        total = total + term
    return total
