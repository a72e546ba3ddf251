r"""The Gram of the NUFFT as a convolution.

With real weights ``w``, one for each sample,

.. math::
    (F^H W F\, x)_n = \sum_m p_{n-m}\, x_m, \qquad
    p_l = s^2 \sum_j w_j \, e^{+2\pi i\, k_j \cdot l},

for the lags :math:`l_a = -(N_a - 1) \ldots N_a - 1`: the matrix is Toeplitz, and `p` is
the adjoint of a NUFFT of images of the size :math:`2 N_a - 1`, whose voxel index is just
that. In a circle of at least as many cells the convolution is a product of spectra, and
the spectrum ``P`` of `p` is real, because :math:`p_{-l} = \bar p_l`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import array_api_compat

from nufftlib.core.arrays import (
    Array,
    check_alike,
    common_namespace,
    complex_dtype,
    item_bytes,
    library,
)
from nufftlib.core.fourier import crop_ifft, fast_size, fft, ifft, pad_fft
from nufftlib.core.operator import Constant, LinearOperator, parameter

if TYPE_CHECKING:
    from nufftlib.nufft.operator import NUFFT

METHODS = ("auto", "toeplitz", "composed")

GRIDS = 3
"""Grids of the convolution that are alive at once, for each image."""

CACHE = 2**21
"""Bytes of such grids that SciPy's FFTs work on best: images whose grids are larger go one by
one, which was measured to be twice as quick as all at once for 256 x 256 in complex64."""

SPREAD = 2.0
"""Kernel width, on each axis, at which a sample costs what a cell of the padded FFTs does."""


@dataclass(frozen=True, eq=False, repr=False)
class ToeplitzGram(LinearOperator):
    """``F^H W F`` by one zero-padded FFT each way; made by ``F.gram(weights)``.

    Parameters
    ----------
    nufft : NUFFT
        ``F``.
    weights : array, shape of the samples, real, optional
        ``W``, by default the identity.

    Notes
    -----
    The spectrum ``P`` is computed at the first use and kept. Its real part alone is
    taken, so the operator is self-adjoint whatever the engine's accuracy.

    With the correlation ``C_l = sum_m conj(x_m) y_(m + l)``, summed over the batch,
    ``Re<y, F^H W F x> = Re<C, p>``, and ``p = s^2 G^H w``. So the parameters' forms are
    those of ``G``, the NUFFT on the lags, once for all images of a batch:
    ``trajectory``, ``s^2 B_G(C, w)``; ``weights``, ``s^2 Re(G C)``.
    """

    nufft: NUFFT
    weights: Array | None = parameter(linear=True, default=None)

    def __post_init__(self) -> None:
        if self.weights is not None:
            check_weights(self.nufft, self.weights)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of; the spectrum is computed again."""
        return ToeplitzGram, (self.nufft, self.weights)

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @property
    def _parameters(self) -> Mapping[str, Array]:
        """``trajectory``, that of ``F``, and ``weights`` if there are any."""
        weights = {} if self.weights is None else {"weights": self.weights}
        return {**self.nufft.parameters, **weights}

    # z_n = sum_m p_(n - m) x_m
    def _apply(self, x: Array) -> Array:
        """Return ``F^H W F x``."""
        return self._convolution.apply(x)

    def _adjoint(self, y: Array) -> Array:
        """Return ``F^H W F y``."""
        return self._convolution.apply(y)

    # dp = s^2 (dG[dk])^H w by the trajectory, s^2 G^H dw by the weights
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the convolution with ``dp``."""
        self.require(name)
        if name == "weights":
            check_alike("NUFFT.gram(...).derivative", "dtheta", dtheta, "weights", self.weights)
            return Constant(replace(self, weights=dtheta), (name,))
        self.nufft._check_direction(dtheta)
        return GramDerivative(self, self._lags.derivative(name, dtheta))

    # B(x, y) = s^2 B_G(C, w) by the trajectory, s^2 Re(G C) by the weights
    def _form(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by a parameter of ``Re<y, F^H W F x>``."""
        self.require(name)
        return GramDerivative(self, self._lags)._form(name, x, y)

    @cached_property
    def _lags(self) -> NUFFT:
        return on_lags(self.nufft)

    @cached_property
    def _convolution(self) -> LagConvolution:
        F = self.nufft
        if self.weights is None:
            return LagConvolution(F, F._gram_spectrum)
        return LagConvolution(F, lag_spectrum(F, self._lags.adjoint(as_data(F, self.weights))))


@dataclass(frozen=True, eq=False, repr=False)
class GramDerivative(LinearOperator):
    """A derivative of `ToeplitzGram` by the trajectory: the convolution with ``s^2 L^H w``.

    That of order zero, with ``G`` for ``L``, is the Gram itself.

    Parameters
    ----------
    gram : ToeplitzGram
        The operator.
    lags : LinearOperator
        ``L``, the derivative of ``G`` of the same order and directions.
    """

    gram: ToeplitzGram
    lags: LinearOperator

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @property
    def _parameters(self) -> Mapping[str, Array]:
        """Those of the Gram."""
        return self.gram.parameters

    def _apply(self, x: Array) -> Array:
        """Return the convolution."""
        return self._convolution.apply(x)

    def _adjoint(self, y: Array) -> Array:
        """Return the convolution."""
        return self._convolution.apply(y)

    # As for the Gram, with L in place of G
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the derivative of the next order, or that of other weights."""
        self.require(name)
        if name == "weights":
            gram = replace(self.gram, weights=dtheta)
            return Constant(GramDerivative(gram, self.lags), (name,))
        return GramDerivative(self.gram, self.lags.derivative(name, dtheta))

    # B(x, y) = s^2 B_L(C, w) by the trajectory, s^2 Re(L C) by the weights
    def _form(self, name: str, x: Array, y: Array) -> Array:
        """Return the gradient by a parameter of ``Re<y, D x>``."""
        self.require(name)
        F = self.gram.nufft
        C = correlation(F, x, y)
        if name == "weights":
            return F._engine.xp.real(self.lags.apply(C))
        return self.lags.vjp(name, C, as_data(F, self.gram.weights))

    @cached_property
    def _convolution(self) -> LagConvolution:
        F = self.gram.nufft
        return LagConvolution(F, lag_spectrum(F, self.lags.adjoint(as_data(F, self.gram.weights))))


@dataclass(frozen=True, eq=False, repr=False)
class LagConvolution(LinearOperator):
    """The convolution of images with ``p``, cropped to the image, by the spectrum of ``p``.

    Parameters
    ----------
    nufft : NUFFT
        Says the images' shape and dtype, and how many are worked off at a time.
    spectrum : array, real
        ``P``, of a grid of at least ``2 N - 1`` cells on each axis.
    """

    nufft: NUFFT
    spectrum: Array

    @property
    def H(self) -> LinearOperator:
        """The operator itself: ``P`` is real."""
        return self

    # z = crop(ifft(P fft(pad x)))
    def _apply(self, x: Array) -> Array:
        """Return the convolution."""
        F, P = self.nufft, self.spectrum
        xp = F._engine.xp
        F._check_image("NUFFT.gram(...).apply(x)", "x", x)
        flat = F._flat(x)
        parts = [
            crop_ifft(xp, pad_fft(xp, flat[part, ...], P.shape) * P, F.shape)
            for part in chunks(F, flat)
        ]
        return xp.reshape(parts[0] if len(parts) == 1 else xp.concat(parts, axis=0), x.shape)

    def _adjoint(self, y: Array) -> Array:
        """Return the convolution."""
        return self.apply(y)


def check_weights(F: NUFFT, weights: Array) -> None:
    """Refuse what is not one real number for each sample."""
    call = "NUFFT.gram(weights)"
    common_namespace(call, weights=weights, trajectory=F.trajectory)
    if weights.dtype != F.trajectory.dtype:
        msg = (
            f"{call}: weights have the dtype {weights.dtype}; want that of the trajectory, "
            f"{F.trajectory.dtype} (real, and nothing is cast silently)"
        )
        raise TypeError(msg)
    if tuple(weights.shape) != F._samples:
        msg = (
            f"{call}: weights have the shape {tuple(weights.shape)}; want one for each sample, "
            f"{F._samples}"
        )
        raise ValueError(msg)


def on_lags(F: NUFFT) -> NUFFT:
    """Return ``G``, the NUFFT whose voxels are the lags."""
    return replace(F, shape=tuple(2 * n - 1 for n in F.shape), norm=None)


def embedding(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of the circular grid."""
    return tuple(fast_size(2 * n - 1, real=False) for n in shape)


# P = Re(fft(s^2 p)), with lag zero at index zero
def lag_spectrum(F: NUFFT, p: Array) -> Array:
    """Return the spectrum of ``s^2 p``; its real part, as that of a Hermitian ``p`` is real."""
    xp, sizes = F._engine.xp, embedding(F.shape)
    p = F._scaled(F._scaled(p))
    for axis, size in enumerate(sizes):
        gap = (*p.shape[:axis], size - p.shape[axis], *p.shape[axis + 1 :])
        zeros = xp.zeros(gap, dtype=p.dtype, device=array_api_compat.device(p))
        p = xp.concat([p, zeros], axis=axis)
    p = xp.roll(p, tuple(1 - n for n in F.shape), axis=tuple(range(len(sizes))))
    return xp.real(fft(xp, p, sizes, real=False))


# C_l = s^2 sum_m conj(x_m) y_(m + l), summed over the batch: ifft(Re(conj(X) Y))
def correlation(F: NUFFT, x: Array, y: Array) -> Array:
    """Return the Hermitian part of ``s^2 C``, the gradient by ``p`` of ``Re<y, F^H W F x>``."""
    caller = "NUFFT.gram(...).vjp(name, x, y)"
    F._check_image(caller, "x", x)
    F._check_image(caller, "y", y)
    if x.shape != y.shape:
        msg = f"{caller}: y has the shape {tuple(y.shape)}; want that of x, {tuple(x.shape)}"
        raise ValueError(msg)
    xp, sizes = F._engine.xp, embedding(F.shape)
    x, y = F._flat(x), F._flat(y)
    terms = []
    for part in chunks(F, x):
        X, Y = pad_fft(xp, x[part, ...], sizes), pad_fft(xp, y[part, ...], sizes)
        terms.append(xp.sum(xp.real(xp.conj(X) * Y), axis=0))
    total = sum(terms[1:], start=terms[0])
    C = ifft(xp, xp.astype(total, complex_dtype(xp, total)), sizes, real=False)
    C = xp.roll(C, tuple(n - 1 for n in F.shape), axis=tuple(range(len(sizes))))
    return F._scaled(F._scaled(C[tuple(slice(0, 2 * n - 1) for n in F.shape)]))


def as_data(F: NUFFT, weights: Array | None) -> Array:
    """Return weights as data of ``F``, ones if there are none."""
    xp, k = F._engine.xp, F.trajectory
    dtype = complex_dtype(xp, k)
    if weights is None:
        return xp.ones(F._samples, dtype=dtype, device=array_api_compat.device(k))
    return xp.astype(weights, dtype)


def chunks(F: NUFFT, x: Array) -> Iterator[slice]:
    """Split a batch so that its padded grids fit the memory limit, and on a CPU the cache."""
    xp = F._engine.xp
    limit = min(F.memory_limit, CACHE) if library(xp) == "numpy" else F.memory_limit
    step = max(1, limit // (GRIDS * math.prod(embedding(F.shape)) * item_bytes(xp, x)))
    for start in range(0, max(x.shape[0], 1), step):  # an empty batch is one empty chunk
        yield slice(start, min(start + step, x.shape[0]))


def toeplitz_pays(F: NUFFT) -> bool:
    """Tell whether 10 applications to one image are quicker as a convolution, set-up included.

    A sample is spread over ``width^d`` cells, twice an application, against two FFTs of a
    grid that is twice the image. `SPREAD` was fitted to measured times (see
    docs/engines.md). The exact sums are left as they are, and so is what would not keep
    the memory limit.
    """
    grid = math.prod(embedding(F.shape))
    item = item_bytes(F._engine.xp, F.trajectory) * 2
    if F.engine == "direct" or GRIDS * grid * item > F.memory_limit:
        return False
    width = 1.0 - math.log10(F.eps)
    return math.prod(F._samples) * (width / SPREAD) ** len(F.shape) > grid
