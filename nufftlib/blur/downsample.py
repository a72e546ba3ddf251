"""Blur and decimation: a camera with coarser pixels than the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.blur.boundaries import part
from nufftlib.blur.convolution import Method
from nufftlib.blur.operator import Blur, FixedImage, check_blur
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.kinds import sizes
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Exchanged, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Downsample(LinearOperator):
    r"""Blur, then keep one pixel of every ``factor`` on each axis, from the first on.

    .. math:: (D(h)\,x)[p] = (A(h)\,x)[s\,p], \qquad p = 0 \ldots \lceil M / s \rceil - 1,

    with the `Blur` ``A``, whose result has ``M`` pixels, and the factor ``s`` on each axis.

    Parameters
    ----------
    psf : array, shape (..., height, width), real or complex
        As for `Blur`, on the image's fine pixels.
    factor : int or tuple of int
        One pixel of every `factor` is kept, on all axes or with a factor for each.
    shape : tuple of int
        The last axes of the image, one to three, on which it is blurred.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        As for `Blur`.
    method : {"auto", "direct", "fft"}
        As for `Blur`.

    Raises
    ------
    TypeError
        If the PSF is not a floating-point array.
    ValueError
        If shapes, factor or names do not fit.

    Notes
    -----
    Parameter ``psf``: the `Blur`'s form at data with zeros in place of the dropped pixels.
    The dropped pixels are computed too: the cost is the blur's.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> x = np.asarray([[1.0, 2.0, 3.0, 4.0]])
    >>> nl.Downsample(np.asarray([[0.5, 0.5]]), (1, 2), x.shape, boundary="circular")(x)
    array([[1.5, 3.5]])
    """

    psf: Array = parameter(linear=True)
    factor: int | tuple[int, ...]  # type: ignore[misc]  # a parameter has no default
    shape: tuple[int, ...]  # type: ignore[misc]
    boundary: str = "valid"
    method: Method = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        call, wish = "Downsample", "one to three sizes, the image's last axes"
        shape = sizes(call, "shape", self.shape, wish, counts=(1, 2, 3))
        check_blur(call, self.psf, self.boundary, len(shape), self.method)
        d, wish = len(shape), f"one number, or one for each axis of the shape {shape}"
        factor = sizes(call, "factor", self.factor, wish, counts=(d,), alone=d)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "factor", factor)
        if min(self._blurred) < 1:
            least = tuple(1 - b for b in self._blur.shapes.by)
            msg = (
                f"Downsample(shape): shape is {shape}; want at least {least} for a PSF of shape "
                f"{tuple(self.psf.shape)} with boundary {self.boundary!r}"
            )
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's shape to the kept pixels'."""
        return Exchanged(self.shape, self._decimate.kept, tuple(self.psf.shape[: -len(self.shape)]))

    # y[p] = (A(h) x)[s p]
    def _apply(self, x: Array) -> Array:
        return self._decimate.apply(self._blur.apply(x))

    # x = A(h)^H of y with zeros between its pixels
    def _adjoint(self, y: Array) -> Array:
        return self._blur.adjoint(self._decimate.adjoint(y))

    # B_D(x, y) = B_A(x, y with zeros between its pixels)
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self._blur.vjp(name, x, self._decimate.adjoint(y))

    # h -> D(h) x; the image is transformed once
    def _as_map(self, name: str, x: Array) -> LinearOperator:
        return self._decimate @ FixedImage(self._blur, x)

    @cached_property
    def _blur(self) -> Blur:
        return Blur(self.psf, self.boundary, len(self.shape), self.method)

    @cached_property
    def _blurred(self) -> Shape:
        d, by = len(self.shape), self._blur.shapes.by
        return tuple(n + b for n, b in zip(self.shape[-d:], by, strict=True))

    @cached_property
    def _decimate(self) -> Decimate:
        assert isinstance(self.factor, tuple)  # since __post_init__
        return Decimate(self.factor, self._blurred)


@dataclass(frozen=True, eq=False, repr=False)
class Decimate(LinearOperator):
    """One entry of every ``factor`` on the last axes; the adjoint puts zeros between them.

    Parameters
    ----------
    factor : tuple of int
        One for each axis.
    shape : tuple of int
        The last axes of the input.
    """

    factor: tuple[int, ...]
    shape: tuple[int, ...]

    @cached_property
    def kept(self) -> Shape:
        """The last axes of the result."""
        return tuple(math.ceil(n / s) for n, s in zip(self.shape, self.factor, strict=True))

    @cached_property
    def shapes(self) -> Exchanged:
        """From all entries to the kept ones."""
        return Exchanged(self.shape, self.kept)

    # y[p] = x[s p]
    def _apply(self, x: Array) -> Array:
        return x[(..., *(slice(None, None, s) for s in self.factor))]

    # x[s p] = y[p], x = 0 elsewhere
    def _adjoint(self, y: Array) -> Array:
        xp = namespace(y)
        axes = range(-len(self.shape), 0)
        for axis, s, n in zip(axes, self.factor, self.shape, strict=True):
            behind = y.ndim + axis + 1  # an axis for each entry and the zeros after it
            spread = xp.expand_dims(y, axis=behind)
            zeros = xp.zeros(
                (*y.shape[:behind], s - 1, *y.shape[behind:]), dtype=y.dtype, device=device(y)
            )
            merged = (*y.shape[: behind - 1], y.shape[axis] * s, *y.shape[behind:])
            y = part(xp.reshape(xp.concat([spread, zeros], axis=behind), merged), axis, 0, n)
        return y
