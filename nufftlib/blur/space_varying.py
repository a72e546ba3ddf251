"""Blur that changes from place to place, as a sum of weighted convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.blur.convolution import Method
from nufftlib.blur.operator import AXES, Blur, FixedImage, broadcast, check_blur, transposed
from nufftlib.core.arrays import Array, conj, is_complex, namespace, project_like
from nufftlib.core.kinds import integer
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Exchanged, Fixed


@dataclass(frozen=True, eq=False, repr=False)
class SpaceVaryingBlur(LinearOperator):
    r"""Product-convolution: a sum over modes of weights times convolutions.

    .. math:: (A(h, w)\,x)[p] = \sum_k w_k[p] \sum_q h_k[q]\, x[p - (q - c)],

    so that the PSF at the pixel ``p`` of the result is ``sum_k w_k[p] h_k``.

    Parameters
    ----------
    psf : array, shape (..., modes, height, width), real or complex
        The modes' PSFs, as for `Blur`. Axes before the modes broadcast against the image's
        leading axes and must not enlarge them.
    weights : array, shape (..., modes, height, width), real or complex
        The modes' weights on the pixels of the result. For an image of ``N`` pixels and a
        PSF of ``P``, these are ``N - P + 1`` with the boundary ``"valid"``, else ``N``.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        As for `Blur`.
    ndim : {2, 1, 3}
        How many of the last axes are blurred.
    method : {"auto", "direct", "fft"}
        As for `Blur`.

    Raises
    ------
    TypeError
        If an array is not a floating-point array.
    ValueError
        If shapes do not fit, or a name is unknown.

    Notes
    -----
    Image and sum over modes cost one FFT each way for any number of modes. Each mode costs
    one FFT of its PSF and one of its result. With ``z_k`` the mode's convolution:

    Parameter ``psf``: ``B(x, y)_k[q] = sum_p conj(w_k[p] x[p - (q - c)]) y[p]``.
    Parameter ``weights``: ``B(x, y)_k[p] = conj(z_k[p]) y[p]``. Each is summed over axes
    along which it is shared; the real part where it is real.

    References
    ----------
    P. Escande and P. Weiss, "Approximation of integral operators using
    product-convolution expansions", J. Math. Imaging Vis. 58 (2017) 333-348, eq. 2.

    Examples
    --------
    Sharp on the left, shifted by one pixel on the right:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> psf = np.asarray([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])
    >>> left = np.asarray([[1.0, 1.0, 0.0, 0.0]])
    >>> A = nl.SpaceVaryingBlur(psf, np.stack([left, 1 - left]), boundary="circular")
    >>> A(np.asarray([[1.0, 2.0, 3.0, 4.0]]))
    array([[1., 2., 2., 3.]])
    """

    psf: Array = parameter(linear=True)
    weights: Array = parameter(linear=True)
    boundary: str = "valid"
    ndim: int = 2
    method: Method = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        d = integer("SpaceVaryingBlur", "ndim", self.ndim, least=1, most=3)
        object.__setattr__(self, "ndim", d)
        check_blur("SpaceVaryingBlur", self.psf, self.boundary, d, self.method)
        modes = self.psf.shape[-d - 1 : -d], self.weights.shape[-d - 1 : -d]
        if () in modes or modes[0] != modes[1]:
            msg = (
                f"SpaceVaryingBlur(psf, weights): the shapes are {tuple(self.psf.shape)} and "
                f"{tuple(self.weights.shape)}; want (..., modes, {AXES[d]}) with as many modes"
            )
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image to the weights' pixels."""
        d, blurred = self.ndim, tuple(self.weights.shape[-self.ndim :])
        image = tuple(n - b for n, b in zip(blurred, self._blur.shapes.by, strict=True))
        lead = broadcast(tuple(self.psf.shape[: -d - 1]), tuple(self.weights.shape[: -d - 1]))
        return Exchanged(image, blurred, lead)

    # y = sum_k w_k z_k, z_k = h_k * x
    def _apply(self, x: Array) -> Array:
        return self._sum.apply(self._modes(x).apply(self.psf))

    # x = sum_k H_k^H (conj(w_k) y); the modes are added before the inverse transform
    def _adjoint(self, y: Array) -> Array:
        d = self.ndim
        x = transposed(self._blur, self._sum.adjoint(y), (*y.shape[:-d], 1))
        return namespace(y).squeeze(x, axis=x.ndim - d - 1)

    # B_h(x, y)_k = B_blur(x, conj(w_k) y), B_w(x, y)_k = conj(z_k) y
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self._as_map(name, x).adjoint(y)

    # The map of PSFs, or of weights; the image is transformed once
    def _as_map(self, name: str, x: Array) -> LinearOperator:
        modes = self._modes(x)
        if name == "psf":
            return self._sum @ modes
        return ModeSum(modes.apply(self.psf), self.ndim, self.weights)

    @cached_property
    def _blur(self) -> Blur:
        return Blur(self.psf, self.boundary, self.ndim, self.method)

    @cached_property
    def _sum(self) -> ModeSum:
        return ModeSum(self.weights, self.ndim)

    def _modes(self, x: Array) -> FixedImage:
        """Return the map from PSFs to the modes' convolutions with the image."""
        image = namespace(x).expand_dims(x, axis=x.ndim - self.ndim)
        return FixedImage(self._blur, image)


@dataclass(frozen=True, eq=False, repr=False)
class ModeSum(LinearOperator):
    """The sum over modes ``u -> sum_k f_k u_k`` with fixed factors.

    Parameters
    ----------
    factors : array, shape (..., modes, *axes)
        The factors ``f``.
    ndim : int
        How many axes follow the axis of the modes.
    like : array, optional
        An array with the input's shape and dtype, if the input is broadcast against the
        factors, or real where they are complex.
    """

    factors: Array
    ndim: int
    like: Array | None = None

    @cached_property
    def shapes(self) -> Exchanged | Fixed:
        """The axis of the modes is summed."""
        core = tuple(self.factors.shape[-self.ndim :])
        if self.like is not None:
            return Fixed(tuple(self.like.shape), (*self.factors.shape[: -self.ndim - 1], *core))
        lead = tuple(self.factors.shape[: -self.ndim - 1])
        return Exchanged((self.factors.shape[-self.ndim - 1], *core), core, lead)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """The adjoint gives an array like the input, where that is known."""
        if label == "x" or self.like is None:
            return super()._gives_complex(label, x)
        return is_complex(namespace(self.like), self.like)

    # y = sum_k f_k u_k
    def _apply(self, x: Array) -> Array:
        return namespace(x).sum(self.factors * x, axis=-self.ndim - 1)

    # u_k = conj(f_k) y, summed to the input's shape
    def _adjoint(self, y: Array) -> Array:
        xp = namespace(y)
        u = conj(self.factors) * xp.expand_dims(y, axis=y.ndim - self.ndim)
        return u if self.like is None else project_like(xp, u, self.like)
