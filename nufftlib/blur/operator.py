"""Blur of an image as an operator whose PSF can be calibrated."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nufftlib.blur.boundaries import BOUNDARIES, Boundary
from nufftlib.blur.convolution import METHODS, Convolution, Method, convolution
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_precision,
    common_namespace,
    is_complex,
    namespace,
    project_like,
    real_part,
)
from nufftlib.core.kinds import choice, integer
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Fixed, Resized

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
        Leading axes broadcast against the image's leading axes and must not enlarge
        them: none for a PSF shared by all channels, ``(channels, height, width)``
        for one PSF each, ``(batch, 1, height, width)`` for one for each item of a batch.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        ``"valid"`` keeps the pixels for which the PSF lies within the image:
        ``N - P + 1`` of ``N`` on each axis, the first at ``P - 1 - c``. The others keep
        the image's size. They continue the image periodically, by its outermost pixels,
        mirrored at those pixels, or by zeros (``numpy.pad``'s wrap, edge, reflect and
        constant).
    ndim : {2, 1, 3}
        How many of the last axes are blurred.
    method : {"auto", "direct", "fft"}
        Sum over the PSF's pixels, or multiply transforms. ``"auto"`` takes the one that
        was measured to be faster: the sum for PSFs of at most 9 pixels, on small images 25.

    Raises
    ------
    TypeError
        If the PSF is not a floating-point array.
    ValueError
        If the PSF has too few axes or an empty axis, or a name is unknown.

    Notes
    -----
    Images, data and PSF share one precision. Transforms have a fast size, at least the
    extended image's. This suffices to keep wrapped terms out of the result.

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

    psf: Array = parameter(linear=True)
    boundary: str = "valid"
    ndim: int = 2
    method: Method = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        ndim = integer("Blur", "ndim", self.ndim, least=1, most=3)
        object.__setattr__(self, "ndim", ndim)
        check_blur("Blur", self.psf, self.boundary, ndim, self.method)

    @cached_property
    def shapes(self) -> Resized:
        """Smaller by ``P - 1`` with boundary ``"valid"``, else unchanged."""
        lead, P = tuple(self.psf.shape[: -self.ndim]), self.psf.shape[-self.ndim :]
        return Resized(tuple(0 if boundary_of(self).keeps_size else 1 - p for p in P), lead)

    # y[p] = sum_q h[q] x[p - (q - c)]
    def _apply(self, x: Array) -> Array:
        return FixedImage(self, x).apply(self.psf)

    # x[n] = sum_p conj(h[p - n + c]) y[p]: convolution with the flipped conjugate PSF
    def _adjoint(self, y: Array) -> Array:
        return transposed(self, y, y.shape[: -self.ndim])

    # B(x, y)[q] = sum_p conj(x[p - (q - c)]) y[p]
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return FixedImage(self, x).adjoint(y)

    def _as_map(self, name: str, x: Array) -> FixedImage:
        return FixedImage(self, x)


@dataclass(frozen=True, eq=False, repr=False)
class FixedImage(LinearOperator):
    """The linear map ``h -> A(h) x`` for a fixed image, which is transformed once.

    Parameters
    ----------
    blur : Blur
        Gives the PSF's shape and dtype, and the boundary.
    x : array
        The image, checked. Its leading axes and the PSF's broadcast against each other.
    """

    blur: Blur
    x: Array
    convolution: Convolution = field(init=False, repr=False)
    image: Any = field(init=False, repr=False)
    real: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Extend and transform the image."""
        psf, d = self.blur.psf, self.blur.ndim
        xp = common_namespace("Blur", x=self.x, psf=psf)
        e = extended(xp, self.blur, self.x)
        real = not (is_complex(xp, self.x) or is_complex(xp, psf))
        made = convolution(xp, e.shape[-d:], psf.shape[-d:], real=real, method=self.blur.method)
        for name, value in (("convolution", made), ("image", made.prepare(e)), ("real", real)):
            object.__setattr__(self, name, value)

    @cached_property
    def shapes(self) -> Fixed:
        """From the PSF's shape to the blurred image's."""
        psf, d = self.blur.psf, self.blur.ndim
        lead = broadcast(tuple(self.x.shape[:-d]), tuple(psf.shape[:-d]))
        return Fixed(tuple(psf.shape), (*lead, *self.convolution.shape))

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}  # the PSF is the argument

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        arrays = {label: x, "psf": self.blur.psf}
        xp = common_namespace(call, **arrays)
        check_precision(xp, call, **arrays)
        if label == "x" and self.real and is_complex(xp, x):
            msg = f"h -> A(h) x: h has the dtype {x.dtype}; want real, as image and PSF are"
            raise TypeError(msg)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """What image and argument are; the adjoint gives what the PSF is."""
        arrays = (x, self.x) if label == "x" else (self.blur.psf,)
        return any(is_complex(namespace(a), a) for a in arrays)

    # y[p] = sum_q h[q] e[p + P - 1 - q] of the extended image e
    def _apply(self, x: Array) -> Array:
        y = self.convolution.value(self.convolution.prepare(x), self.image)
        # Where complex PSFs are allowed, a transform makes complex numbers of real ones too.
        return y if self.real or self._gives_complex("x", x) else real_part(namespace(y), y)

    # B(x, y)[q] = sum_p conj(e[p + P - 1 - q]) y[p]
    def _adjoint(self, y: Array) -> Array:
        psf, conv, xp = self.blur.psf, self.convolution, namespace(y)
        if self.real and is_complex(xp, y):
            y = xp.real(y)  # <y, A x> of a real A x
        lead = psf.shape[: -self.blur.ndim]
        return project_like(xp, conv.to_psf(self.image, conv.prepare(y), lead), psf)


def extended(xp: Namespace, blur: Blur, x: Array) -> Array:
    """Return the image with its margins, extended by the boundary."""
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
    """Return (axis, before, after): how far the PSF reaches beyond either end, where it does."""
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
    """Refuse fields that make no blur; `name` is the operator's."""
    if psf.ndim < ndim or 0 in psf.shape:
        msg = f"{name}(psf): the shape is {tuple(psf.shape)}; want (..., {AXES[ndim]}), not empty"
        raise ValueError(msg)
    choice(name, "boundary", boundary, BOUNDARIES)
    choice(name, "method", method, METHODS)
