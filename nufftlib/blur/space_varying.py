"""Blur that changes from place to place, as a sum of weighted convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from array_api_compat import array_namespace

from nufftlib.blur.convolution import Method
from nufftlib.blur.operator import (
    AXES,
    Blur,
    FixedImage,
    broadcast,
    check_blur,
    check_size,
    transposed,
)
from nufftlib.core.arrays import (
    Array,
    check_alike,
    check_precision,
    common_namespace,
    conjugate,
    is_floating,
    project_like,
)
from nufftlib.core.operator import Constant, LinearOperator


@dataclass(frozen=True, eq=False, repr=False)
class SpaceVaryingBlur(LinearOperator):
    r"""Product-convolution: a sum over modes of weights times convolutions.

    .. math:: (A(h, w)\,x)[p] = \sum_k w_k[p] \sum_q h_k[q]\, x[p - (q - c)],

    so that the PSF at the pixel ``p`` of the result is ``sum_k w_k[p] h_k``.

    Parameters
    ----------
    psf : array, shape (..., modes, height, width), real or complex
        The modes' PSFs, as for `Blur`; axes before the modes broadcast against the leading
        axes of the image, which they must not enlarge.
    weights : array, shape (..., modes, height, width), real or complex
        The modes' weights on the pixels of the result: on an image of ``N`` pixels and a
        PSF of ``P``, of ``N - P + 1`` with the boundary ``"valid"``, else of ``N``.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        As for `Blur`.
    ndim : {2, 1, 3}
        How many of the last axes are blurred.
    method : {"auto", "direct", "fft"}
        As for `Blur`.

    Raises
    ------
    TypeError
        If an array is not of floating point.
    ValueError
        If shapes do not fit, or a name is unknown.

    Notes
    -----
    Image and sum over modes cost one FFT each way, whatever the number of modes; each
    mode costs one of its PSF and one of its result. With ``z_k`` the mode's convolution:

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

    psf: Array
    weights: Array
    boundary: str = "valid"
    ndim: int = 2
    method: Method = "auto"

    def __post_init__(self) -> None:
        check_blur("SpaceVaryingBlur", self.psf, self.boundary, self.ndim, self.method)
        call, d = "SpaceVaryingBlur(psf, weights)", self.ndim
        xp = common_namespace(call, psf=self.psf, weights=self.weights)
        check_precision(xp, call, psf=self.psf, weights=self.weights)
        modes = self.psf.shape[-d - 1 : -d], self.weights.shape[-d - 1 : -d]
        if not is_floating(xp, self.weights) or () in modes or modes[0] != modes[1]:
            msg = (
                f"{call}: the shapes are {tuple(self.psf.shape)} and "
                f"{tuple(self.weights.shape)}; want (..., modes, {AXES[d]}) with as many modes"
            )
            raise ValueError(msg)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``psf`` and ``weights``."""
        return {"psf": self.psf, "weights": self.weights}

    # y = sum_k w_k z_k, z_k = h_k * x
    def apply(self, x: Array) -> Array:
        """Return the blurred image."""
        return self._sum.apply(self._modes(x).apply(self.psf))

    # x = sum_k H_k^H (conj(w_k) y)
    def adjoint(self, y: Array) -> Array:
        """Return the image ``A^H y``; the modes are added before the inverse transform."""
        caller, d = "SpaceVaryingBlur.adjoint(y)", self.ndim
        self._check_lead(caller, "y", y)
        if y.shape[-d:] != self.weights.shape[-d:]:
            msg = (
                f"{caller}: y has the shape {tuple(y.shape)}; want last axes of the weights', "
                f"{tuple(self.weights.shape[-d:])}"
            )
            raise ValueError(msg)
        x = transposed(self._blur, self._sum.adjoint(y), (*y.shape[:-d], 1))
        return array_namespace(y).squeeze(x, axis=x.ndim - d - 1)

    # dA[dh] x = A(dh, w) x, dA[dw] x = A(h, dw) x
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the operator with ``dh``, or with ``dw``."""
        self._require(name)
        check_alike("SpaceVaryingBlur.derivative", "dtheta", dtheta, name, self.parameters[name])
        return Constant(replace(self, **{name: dtheta}), (name,))

    # B_h(x, y)_k = B_blur(x, conj(w_k) y), B_w(x, y)_k = conj(z_k) y
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by PSFs or weights of ``Re<y, A x>``."""
        return self.as_map(name, x).adjoint(y)

    def as_map(self, name: str, x: Array) -> LinearOperator:
        """Return the linear map of PSFs, or of weights; the image is transformed once."""
        self._require(name)
        modes = self._modes(x)
        if name == "psf":
            return self._sum @ modes
        return ModeSum(modes.apply(self.psf), self.ndim, self.weights)

    @property
    def _blur(self) -> Blur:
        return Blur(self.psf, self.boundary, self.ndim, self.method)

    @property
    def _sum(self) -> ModeSum:
        return ModeSum(self.weights, self.ndim)

    def _modes(self, x: Array) -> FixedImage:
        """Return the map from PSFs to the modes' convolutions with the image."""
        caller, d = "SpaceVaryingBlur(x)", self.ndim
        self._check_lead(caller, "x", x)
        check_size(self._blur, caller, x)
        modes = FixedImage(self._blur, array_namespace(x).expand_dims(x, axis=x.ndim - d))
        if modes.shape[-d:] != self.weights.shape[-d:]:
            msg = (
                f"{caller}: x has the shape {tuple(x.shape)}, which makes a result of "
                f"{modes.shape[-d:]}; want that of the weights, {self.weights.shape[-d:]}"
            )
            raise ValueError(msg)
        return modes

    def _check_lead(self, caller: str, label: str, x: Array) -> None:
        d, arrays = self.ndim, {label: x, "psf": self.psf, "weights": self.weights}
        check_precision(common_namespace(caller, **arrays), caller, **arrays)
        lead = x.shape[:-d]
        parameters = [p.shape[: -d - 1] for p in self.parameters.values()]
        if x.ndim < d or 0 in x.shape or any(broadcast(lead, p) != lead for p in parameters):
            msg = (
                f"{caller}: {label} has the shape {tuple(x.shape)}; want (..., {AXES[d]}) with "
                f"leading axes to which those of psf {tuple(self.psf.shape)} and weights "
                f"{tuple(self.weights.shape)} broadcast, their modes left out"
            )
            raise ValueError(msg)


class ModeSum(LinearOperator):
    """The sum over modes ``u -> sum_k f_k u_k`` with fixed factors.

    Parameters
    ----------
    factors : array, shape (..., modes, *axes)
        The factors ``f``.
    ndim : int
        How many axes follow that of the modes.
    like : array, optional
        What the input is like, if it is broadcast against the factors, or real where they
        are complex.
    """

    def __init__(self, factors: Array, ndim: int, like: Array | None = None) -> None:
        self._factors = factors
        self._ndim = ndim
        self._like = like

    # y = sum_k f_k u_k
    def apply(self, x: Array) -> Array:
        """Return the sum."""
        xp = common_namespace("ModeSum.apply(u)", u=x, factors=self._factors)
        return xp.sum(self._factors * x, axis=-self._ndim - 1)

    # u_k = conj(f_k) y
    def adjoint(self, y: Array) -> Array:
        """Return the products, summed to what the input is like."""
        xp = common_namespace("ModeSum.adjoint(y)", y=y, factors=self._factors)
        u = conjugate(xp, self._factors) * xp.expand_dims(y, axis=y.ndim - self._ndim)
        return u if self._like is None else project_like(xp, u, self._like)
