"""Blur of an image as an operator whose PSF can be calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nufftlib.blur.boundaries import BOUNDARIES, Boundary
from nufftlib.blur.convolution import METHODS, Method, convolution
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_precision,
    common_namespace,
    is_complex,
    is_floating,
    project_like,
)
from nufftlib.core.operator import Constant, LinearOperator

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}
"""Names of the axes that are blurred, by their number."""


@dataclass(frozen=True, eq=False, repr=False)
class Blur(LinearOperator):
    r"""True convolution of images with a point-spread function (PSF).

    .. math:: (A(h)\,x)[p] = \sum_q h[q]\, x[p - (q - c)], \qquad c = \lfloor P / 2 \rfloor,

    on the last axes: the PSF is flipped against the image, and its centre is the
    index ``size // 2`` on each axis, for odd and even sizes.

    Parameters
    ----------
    psf : array, shape (..., height, width), real or complex
        Leading axes broadcast against those of the image, which they must not
        enlarge: none for a PSF shared by all channels, ``(channels, height, width)``
        for one each, ``(batch, 1, height, width)`` for one for each item of a batch.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        ``"valid"`` keeps the pixels that see image alone: ``N - P + 1`` of ``N`` on
        each axis, the first at ``P - 1 - c``. The others keep the image's size and
        continue it periodically, by its outermost pixels, mirrored at those, or by
        zeros (``numpy.pad``'s wrap, edge, reflect and constant).
    ndim : {2, 1, 3}
        How many of the last axes are blurred.
    method : {"auto", "direct", "fft"}
        Sum over the PSF's pixels, or multiply transforms; ``"auto"`` takes what
        was measured to be faster: the sum for PSFs of at most 9 pixels, on small images 25.

    Raises
    ------
    TypeError
        If the PSF is no floating-point array.
    ValueError
        If the PSF has too few axes or an empty one, or a name is unknown.

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
    ndim: int = 2
    method: Method = "auto"

    def __post_init__(self) -> None:
        check_blur("Blur", self.psf, self.boundary, self.ndim, self.method)

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
        self._check("Blur.adjoint(y)", "y", y)
        return transposed(self, y, y.shape[: -self.ndim])

    # dA[dh] x = A(dh) x
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the blur with ``dh``."""
        self._require(name)
        check_alike("Blur.derivative", "dtheta", dtheta, "psf", self.psf)
        return Constant(replace(self, psf=dtheta))

    # B(x, y)[q] = sum_p conj(x[p - (q - c)]) y[p], summed over shared axes
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by the PSF of ``Re<y, A x>``."""
        return self.as_map(name, x).adjoint(y)

    def as_map(self, name: str, x: Array) -> FixedImage:
        """Return the linear map ``h -> A(h) x``; the image is transformed once."""
        self._require(name)
        self._check_image("Blur.as_map(name, x)", x)
        return FixedImage(self, x)

    def _check(self, caller: str, label: str, x: Array) -> Namespace:
        xp = common_namespace(caller, **{label: x}, psf=self.psf)
        check_precision(xp, caller, **{label: x}, psf=self.psf)
        lead, have = self.psf.shape[: -self.ndim], x.shape[: -self.ndim]
        fits = len(lead) <= len(have) and all(
            n in (1, m) for n, m in zip(lead, have[len(have) - len(lead) :], strict=True)
        )
        if x.ndim < self.ndim or 0 in x.shape or not fits:
            msg = (
                f"{caller}: {label} has the shape {tuple(x.shape)}; want (..., {AXES[self.ndim]}) "
                f"with leading axes to which the PSF of shape {tuple(self.psf.shape)} broadcasts"
            )
            raise ValueError(msg)
        return xp

    def _check_image(self, caller: str, x: Array) -> None:
        self._check(caller, "x", x)
        check_size(self, caller, x)


class FixedImage(LinearOperator):
    """The linear map ``h -> A(h) x`` of an image that stays fixed, transformed once.

    Parameters
    ----------
    blur : Blur
        Says the PSF's shape and dtype, and the boundary.
    x : array
        The image, checked. Its leading axes broadcast against those of the PSF, either way.

    Attributes
    ----------
    shape : tuple of int
        Of the result.
    """

    def __init__(self, blur: Blur, x: Array) -> None:
        xp = common_namespace("Blur", x=x, psf=blur.psf)
        d = blur.ndim
        e = extended(xp, blur, x)
        self._xp = xp
        self._psf = blur.psf
        self._real = not (is_complex(xp, x) or is_complex(xp, blur.psf))
        self._convolution = convolution(
            xp, e.shape[-d:], blur.psf.shape[-d:], real=self._real, method=blur.method
        )
        self._image = self._convolution.prepare(e)
        self.shape = (*broadcast(x.shape[:-d], blur.psf.shape[:-d]), *self._convolution.shape)

    # y[p] = sum_q h[q] e[p + P - 1 - q] of the extended image e
    def apply(self, x: Array) -> Array:
        """Return ``A(h) x`` for the PSF ``h``."""
        self._check("h -> A(h) x: h", x, self._psf.shape)
        if self._real and is_complex(self._xp, x):
            msg = f"h -> A(h) x: h has the dtype {x.dtype}; want real, as image and PSF are"
            raise TypeError(msg)
        return self._convolution.value(self._convolution.prepare(x), self._image)

    # B(x, y)[q] = sum_p conj(e[p + P - 1 - q]) y[p]
    def adjoint(self, y: Array) -> Array:
        """Return the gradient by the PSF at the cotangent ``y``."""
        xp, conv = self._xp, self._convolution
        self._check("Blur.vjp: y", y, self.shape)
        if self._real and is_complex(xp, y):
            y = xp.real(y)  # <y, A x> of a real A x
        lead = self._psf.shape[: -len(conv.shape)]
        return project_like(xp, conv.to_psf(self._image, conv.prepare(y), lead), self._psf)

    def _check(self, caller: str, x: Array, want: tuple[int, ...]) -> None:
        xp = common_namespace(caller, array=x, psf=self._psf)
        if tuple(x.shape) != tuple(want):
            msg = f"{caller} has the shape {tuple(x.shape)}; want {tuple(want)}"
            raise ValueError(msg)
        check_precision(xp, caller, array=x, psf=self._psf)


def extended(xp: Namespace, blur: Blur, x: Array) -> Array:
    """Return the image with what the boundary puts around it."""
    for axis, before, after in margins(blur):
        x = boundary_of(blur).extend(xp, x, axis, before, after)
    return x


# A^H = X^H V^H: the extension's adjoint after the valid convolution's
def transposed(blur: Blur, y: Array, lead: tuple[int, ...]) -> Array:
    """Return ``A^H y``, summed to leading axes `lead`."""
    xp, d = common_namespace("Blur", y=y, psf=blur.psf), blur.ndim
    P = blur.psf.shape[-d:]
    image = tuple(n + p - 1 for n, p in zip(y.shape[-d:], P, strict=True))
    real = not (is_complex(xp, y) or is_complex(xp, blur.psf))
    conv = convolution(xp, image, P, real=real, method=blur.method)
    e = conv.to_image(blur.psf, conv.prepare(y), lead)
    for axis, before, after in margins(blur):
        e = boundary_of(blur).fold(xp, e, axis, before, after)
    return e


def margins(blur: Blur) -> list[tuple[int, int, int]]:
    """Return (axis, before, after): what the PSF reaches beyond either end, where it does."""
    sizes = [(axis, blur.psf.shape[axis]) for axis in range(-blur.ndim, 0)]
    return [(axis, p - 1 - p // 2, p // 2) for axis, p in sizes if p > 1]


def boundary_of(blur: Blur) -> Boundary:
    """Return the boundary."""
    return BOUNDARIES[blur.boundary]


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which two broadcast."""
    length = max(len(a), len(b))
    a, b = (1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b
    return tuple(n if m == 1 else m for n, m in zip(a, b, strict=True))


def check_blur(name: str, psf: Array, boundary: str, ndim: int, method: str) -> None:
    """Refuse what makes no blur; `name` is the operator's."""
    xp = common_namespace(f"{name}(psf)", psf=psf)
    if not is_floating(xp, psf):
        msg = f"{name}(psf): the dtype is {psf.dtype}; want real or complex floating point"
        raise TypeError(msg)
    if not isinstance(ndim, int) or ndim not in AXES:
        msg = f"{name}(ndim): ndim is {ndim!r}; want 1, 2 or 3"
        raise ValueError(msg)
    if psf.ndim < ndim or 0 in psf.shape:
        msg = f"{name}(psf): the shape is {tuple(psf.shape)}; want (..., {AXES[ndim]}), not empty"
        raise ValueError(msg)
    for what, value, known in (("boundary", boundary, BOUNDARIES), ("method", method, METHODS)):
        if not isinstance(value, str) or value not in known:
            names = ", ".join(map(repr, known))
            msg = f"{name}({what}): {what} is {value!r}; want one of {names}"
            raise ValueError(msg)


def check_size(blur: Blur, caller: str, x: Array) -> None:
    """Refuse an image that has no valid part."""
    P, N = blur.psf.shape[-blur.ndim :], x.shape[-blur.ndim :]
    if not boundary_of(blur).keeps_size and any(n < p for n, p in zip(N, P, strict=True)):
        msg = (
            f"{caller}: the image is {tuple(N)} and the PSF {tuple(P)} pixels; "
            f"boundary {blur.boundary!r} wants an image at least as large as the PSF"
        )
        raise ValueError(msg)
