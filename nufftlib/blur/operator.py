"""Blur of an image as an operator whose PSF can be calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nufftlib.blur.boundaries import BOUNDARIES, Boundary
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_precision,
    common_namespace,
    conjugate,
    is_complex,
    is_floating,
    project_like,
    sum_to,
)
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.core.operator import Constant, LinearOperator

NDIM = 2
"""How many of the last axes are blurred."""


@dataclass(frozen=True, eq=False, repr=False)
class Blur(LinearOperator):
    r"""True convolution of images with a point-spread function (PSF).

    .. math:: (A(h)\,x)[p] = \sum_q h[q]\, x[p - (q - c)], \qquad c = \lfloor P / 2 \rfloor,

    on the last two axes: the PSF is flipped against the image, and its centre is the
    index ``size // 2`` on each axis, for odd and even sizes.

    Parameters
    ----------
    psf : array, shape (..., height, width), real or complex
        Leading axes broadcast against those of the image, which they must not
        enlarge: none for a PSF shared by all channels, ``(channels, height, width)``
        for one each.
    boundary : {"valid", "circular"}
        ``"valid"`` keeps the pixels that see image alone: ``N - P + 1`` of ``N`` on
        each axis, the first at ``P - 1 - c``. ``"circular"`` continues the image
        periodically and keeps its size.

    Raises
    ------
    TypeError
        If the PSF is no floating-point array.
    ValueError
        If the PSF has fewer than two axes or an empty one, or the boundary is
        unknown.

    Notes
    -----
    Images, data and PSF share one precision. Transforms are of a fast size, at least
    that of the extended image, which suffices to keep wrapped terms out of the result.

    Parameter ``psf``: ``B(x, y)[q] = sum_p conj(x[p - (q - c)]) y[p]``, summed over the
    axes along which the PSF is shared; the real part when it is real.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> shift = nl.Blur(np.asarray([[0.0, 0.0, 1.0]]), boundary="circular")
    >>> shift(np.asarray([[1.0, 2.0, 3.0, 4.0]]))
    array([[4., 1., 2., 3.]])
    """

    psf: Array
    boundary: str = "valid"

    def __post_init__(self) -> None:
        xp = common_namespace("Blur(psf)", psf=self.psf)
        if not is_floating(xp, self.psf):
            msg = f"Blur(psf): the dtype is {self.psf.dtype}; want real or complex floating point"
            raise TypeError(msg)
        if self.psf.ndim < NDIM or 0 in self.psf.shape:
            msg = (
                f"Blur(psf): the shape is {tuple(self.psf.shape)}; want (..., height, width), "
                f"not empty"
            )
            raise ValueError(msg)
        if self.boundary not in BOUNDARIES:
            names = ", ".join(map(repr, BOUNDARIES))
            msg = f"Blur(boundary): boundary is {self.boundary!r}; want one of {names}"
            raise ValueError(msg)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``psf``."""
        return {"psf": self.psf}

    # y[p] = sum_q h[q] x[p - (q - c)]
    def apply(self, x: Array) -> Array:
        """Return the blurred image."""
        self._check_image("Blur.apply(x)", x)
        return FixedImage(self, x).apply(self.psf)

    # x[n] = sum_p conj(h[p - n + c]) y[p]: convolution with the flipped conjugate PSF
    def adjoint(self, y: Array) -> Array:
        """Return the image ``A^H y``."""
        xp = self._check("Blur.adjoint(y)", "y", y)
        P = self.psf.shape[-NDIM:]
        extended = tuple(n + p - 1 for n, p in zip(y.shape[-NDIM:], P, strict=True))
        real = not (is_complex(xp, y) or is_complex(xp, self.psf))
        sizes = tuple(fast_size(n, real=real) for n in extended)
        h = xp.flip(conjugate(xp, self.psf), axis=(-2, -1))
        product = fft(xp, h, sizes, real=real) * fft(xp, y, sizes, real=real)
        e = ifft(xp, product, sizes, real=real)[..., : extended[0], : extended[1]]
        for axis, before, after in self._margins():
            e = self._boundary.fold(xp, e, axis, before, after)
        return e

    # dA[dh] x = A(dh) x
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the blur with ``dh``."""
        self._require(name)
        check_alike("Blur.derivative", "dtheta", dtheta, "psf", self.psf)
        return Constant(replace(self, psf=dtheta))

    # B(x, y)[q] = sum_p conj(x[p - (q - c)]) y[p], summed over shared axes
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by the PSF of ``Re<y, A x>``."""
        self._require(name)
        self._check_image("Blur.vjp(name, x, y)", x)
        return FixedImage(self, x).adjoint(y)

    def as_map(self, name: str, x: Array) -> FixedImage:
        """Return the linear map ``h -> A(h) x``; the image is transformed once."""
        self._require(name)
        self._check_image("Blur.as_map(name, x)", x)
        return FixedImage(self, x)

    @property
    def _boundary(self) -> Boundary:
        return BOUNDARIES[self.boundary]

    def _margins(self) -> list[tuple[int, int, int]]:
        """Return (axis, before, after): what the PSF reaches beyond either end."""
        return [
            (axis, self.psf.shape[axis] - 1 - self.psf.shape[axis] // 2, self.psf.shape[axis] // 2)
            for axis in range(-NDIM, 0)
        ]

    def _check(self, caller: str, label: str, x: Array) -> Namespace:
        xp = common_namespace(caller, **{label: x}, psf=self.psf)
        check_precision(xp, caller, **{label: x}, psf=self.psf)
        lead, have = self.psf.shape[:-NDIM], x.shape[:-NDIM]
        fits = len(lead) <= len(have) and all(
            n in (1, m) for n, m in zip(lead, have[len(have) - len(lead) :], strict=True)
        )
        if x.ndim < NDIM or 0 in x.shape or not fits:
            msg = (
                f"{caller}: {label} has the shape {tuple(x.shape)}; want (..., height, width) "
                f"with leading axes to which the PSF of shape {tuple(self.psf.shape)} broadcasts"
            )
            raise ValueError(msg)
        return xp

    def _check_image(self, caller: str, x: Array) -> None:
        self._check(caller, "x", x)
        P, N = self.psf.shape[-NDIM:], x.shape[-NDIM:]
        if not self._boundary.keeps_size and any(n < p for n, p in zip(N, P, strict=True)):
            msg = (
                f"{caller}: the image is {tuple(N)} and the PSF {tuple(P)} pixels; "
                f"boundary 'valid' wants an image at least as large as the PSF"
            )
            raise ValueError(msg)


class FixedImage(LinearOperator):
    """The linear map ``h -> A(h) x`` of an image that stays fixed, transformed once.

    Parameters
    ----------
    blur : Blur
        Says the PSF's shape and dtype, and the boundary.
    x : array
        The image, checked.
    """

    def __init__(self, blur: Blur, x: Array) -> None:
        xp = common_namespace("Blur", x=x, psf=blur.psf)
        e = x
        for axis, before, after in blur._margins():
            e = blur._boundary.extend(xp, e, axis, before, after)
        self._xp = xp
        self._psf = blur.psf
        self._real = not (is_complex(xp, x) or is_complex(xp, blur.psf))
        self._extended = e.shape
        self._sizes = tuple(fast_size(n, real=self._real) for n in e.shape[-NDIM:])
        self._spectrum = fft(xp, e, self._sizes, real=self._real)

    # y[p] = sum_q h[q] e[p + P - 1 - q] of the extended image e
    def apply(self, x: Array) -> Array:
        """Return ``A(h) x`` for the PSF ``h``."""
        self._check("h -> A(h) x: h", x, self._psf.shape)
        if self._real and is_complex(self._xp, x):
            msg = f"h -> A(h) x: h has the dtype {x.dtype}; want real, as image and PSF are"
            raise TypeError(msg)
        (n0, n1), (p0, p1) = self._extended[-NDIM:], self._psf.shape[-NDIM:]
        product = self._fft(x) * self._spectrum
        return self._ifft(product)[..., p0 - 1 : n0, p1 - 1 : n1]

    # B(x, y)[P - 1 - r] = sum_p conj(e[p + r]) y[p] = conj(ifft(E conj(Y))[r])
    def adjoint(self, y: Array) -> Array:
        """Return the gradient by the PSF at the cotangent ``y``."""
        xp, (n0, n1), (p0, p1) = self._xp, self._extended[-NDIM:], self._psf.shape[-NDIM:]
        self._check("Blur.vjp: y", y, (*self._extended[:-NDIM], n0 - p0 + 1, n1 - p1 + 1))
        if self._real and is_complex(xp, y):
            y = xp.real(y)  # <y, A x> of a real A x
        product = self._spectrum * xp.conj(self._fft(y))
        # Channels that share the PSF are added up before the inverse transform.
        product = sum_to(xp, product, (*self._psf.shape[:-NDIM], *product.shape[-NDIM:]))
        g = self._ifft(product)[..., :p0, :p1]
        return project_like(xp, xp.flip(conjugate(xp, g), axis=(-2, -1)), self._psf)

    def _fft(self, x: Array) -> Array:
        return fft(self._xp, x, self._sizes, real=self._real)

    def _ifft(self, x: Array) -> Array:
        return ifft(self._xp, x, self._sizes, real=self._real)

    def _check(self, caller: str, x: Array, want: tuple[int, ...]) -> None:
        xp = common_namespace(caller, array=x, psf=self._psf)
        if tuple(x.shape) != tuple(want):
            msg = f"{caller} has the shape {tuple(x.shape)}; want {tuple(want)}"
            raise ValueError(msg)
        check_precision(xp, caller, array=x, psf=self._psf)
