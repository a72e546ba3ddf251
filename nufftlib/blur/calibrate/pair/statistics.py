r"""What a fit needs to know of a pair of pictures: sums over the pixels, channel by channel.

The blurred picture is modelled as ``g_c E_c h + o_c`` with the patches ``E_c`` of the sharp one
as rows, a gain and an offset. With their means taken away, the offset is gone; and
``g = <b, h> / <h, G h>`` is the best gain, so that half the squared error is

.. math:: f(h) = \tfrac12 \sum_c \left( y_c^2 - \frac{(b_c^T h)^2}{h^T G_c h} \right), \qquad
          \nabla f = \sum_c g_c (g_c G_c h - b_c) .
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nufftlib.blur.calibrate.pair.active_set import on_host
from nufftlib.blur.calibrate.pair.masked import masked_gram
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, Namespace, namespace


@dataclass(frozen=True)
class Sharp:
    """Sums over the pixels of a sharp picture, shape (channels, height, width).

    Parameters
    ----------
    blur : Blur
        With the PSF's shape and the boundary "valid", in double precision.
    x : array, shape (channels, height, width)
        The sharp picture.
    seen : array of bool, or None
        The pixels of the blurred picture that count; all, if None.
    """

    blur: Blur
    x: Array
    seen: Array | None

    @cached_property
    def sums(self) -> tuple[Array, Array, Array]:
        """``E^T E`` (C, P, P), ``E^T 1`` (C, P) and the number of pixels (C,)."""
        xp: Any = namespace(self.x)
        sides = (n - p + 1 for n, p in zip(self.x.shape[1:], self.blur.psf.shape, strict=True))
        one = xp.ones((self.x.shape[0], *sides), dtype=self.x.dtype, device=self.x.device)
        counted = self.counted(one)
        seen = on_host(counted) > 0
        grams = [masked_gram(self.blur, self.x[c, ...], seen[c]) for c in range(seen.shape[0])]
        return xp.stack(grams), self.columns(counted), xp.sum(counted, axis=(-2, -1))

    @cached_property
    def maps(self) -> list[Any]:
        """The maps of all channels, whose pictures are transformed once."""
        return [self.blur.as_map("psf", self.x[c, ...]) for c in range(self.x.shape[0])]

    def blurred(self, h: Array) -> Array:
        """Return ``A(h) x``, shape (channels, ...)."""
        xp = namespace(self.x)
        return xp.stack([each.apply(h) for each in self.maps])

    def columns(self, y: Array) -> Array:
        """Return ``E^T y`` (C, P) of pixels that are zero where they do not count."""
        xp = namespace(self.x)
        found = [xp.reshape(m.adjoint(y[c, ...]), (-1,)) for c, m in enumerate(self.maps)]
        return xp.stack(found)

    def counted(self, y: Array) -> Array:
        """Return `y` with zeros where it does not count."""
        xp = namespace(y)
        return y if self.seen is None else xp.where(self.seen, y, xp.zeros_like(y))


@dataclass(frozen=True)
class Centred:
    """Sums of a pair, with the means over the pixels taken away if gain and offset are free.

    Parameters
    ----------
    gram : array, shape (channels, P, P)
        ``G``.
    rhs : array, shape (channels, P)
        ``b``.
    square : array, shape (channels,)
        ``y^2``.
    means : tuple of array
        The means of the patches (channels, P), and of `y` (channels,).
    pixels : float
        How many pixels count.
    free : bool
        Whether gain and offset are free.
    """

    gram: Array
    rhs: Array
    square: Array
    means: tuple[Array, Array]
    pixels: float
    free: bool

    def gain(self, h: Array) -> Array:
        """Return the best gains (channels,)."""
        xp = namespace(h)
        if not self.free:
            return xp.ones_like(self.square)
        v = xp.reshape(h, (-1,))
        return xp.matmul(self.rhs, v) / xp.sum(xp.matmul(self.gram, v) * v, axis=-1)

    def offset(self, h: Array) -> Array:
        """Return the best offsets (channels,)."""
        xp = namespace(h)
        if not self.free:
            return xp.zeros_like(self.square)
        return self.means[1] - self.gain(h) * xp.matmul(self.means[0], xp.reshape(h, (-1,)))

    def value_and_grad(self, h: Array) -> tuple[Array, Array]:
        """Return half the squared error, and its gradient."""
        xp = namespace(h)
        v, g = xp.reshape(h, (-1,)), self.gain(h)
        Gh = xp.matmul(self.gram, v)
        square = self.square - 2 * g * xp.matmul(self.rhs, v) + g**2 * xp.sum(Gh * v, axis=-1)
        slope = xp.matmul(g, g[:, None] * Gh - self.rhs)
        return xp.sum(square) / 2, xp.reshape(slope, h.shape)


def centred(sharp: Sharp, y: Array, *, free: bool) -> Centred:
    """Return the sums of a pair."""
    xp: Namespace = namespace(y)
    y = sharp.counted(y)
    gram, ones, counts = sharp.sums
    rhs, total = sharp.columns(y), xp.sum(y, axis=(-2, -1))
    square = xp.sum(y * y, axis=(-2, -1))
    means = ones / counts[:, None], total / counts
    if free:
        gram = gram - ones[:, :, None] * means[0][:, None, :]
        rhs = rhs - ones * means[1][:, None]
        square = square - total * means[1]
    return Centred(gram, rhs, square, means, float(xp.sum(counts)), free)
