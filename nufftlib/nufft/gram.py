r"""The Gram of the NUFFT as a convolution.

With real weights ``w``, one for each sample,

.. math::
    (F^H W F\, x)_n = \sum_m p_{n-m}\, x_m, \qquad
    p_l = s^2 \sum_j w_j \, e^{+2\pi i\, k_j \cdot l},

for the lags :math:`l_a = -(N_a - 1) \ldots N_a - 1`: the matrix is Toeplitz, and `p` is
the adjoint of a NUFFT of images of the size :math:`2 N_a - 1`, whose voxel index is the
lag. In a circle of at least as many cells the convolution is a product of spectra. The
spectrum ``P`` of `p` is real, because :math:`p_{-l} = \bar p_l`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import array_api_compat

from nufftlib.core.arrays import Array, common_namespace, complex_dtype, item_bytes, library
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.core.operator import Constant, LinearOperator, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.nufft.engines.base import DOUBLE_BITS, Whole, parts, phase_rounding
from nufftlib.nufft.padded import correlated, filtered
from nufftlib.nufft.transform import TrajectoryOperator

METHODS = ("auto", "toeplitz", "composed")

FILTERED, CORRELATED = 3, 6
"""Grids that are alive at once when images are filtered, and when two are correlated."""

SETUP = 3
"""Grids that are alive when the spectrum is made of the lags; while these are computed, they
themselves and what the engine takes."""

CACHE = 12 * 2**20
"""Bytes of such grids at which SciPy's FFTs are fastest. Images with larger grids are computed one
by one, in slabs of a grid: whole grids took 1.1 to 2.7 times as long, 64^2 to 128^3 in complex64.
"""

SPREAD = 2.0
"""Kernel width, on each axis, at which a sample costs as much as a cell of the padded FFTs."""


class ImageConvolution(LinearOperator):
    """A self-adjoint operator that maps a NUFFT's images to such images."""

    nufft: TrajectoryOperator

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @cached_property
    def shapes(self) -> Exchanged:
        """The image's axes, unchanged."""
        return Exchanged(self.nufft.shape, self.nufft.shape)

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        self.nufft.transform.check_complex(call, label, x)

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)


@dataclass(frozen=True, eq=False, repr=False)
class ToeplitzGram(ImageConvolution):
    """``F^H W F`` by one zero-padded FFT each way; made by ``F.gram(weights)``.

    Parameters
    ----------
    nufft : NUFFT
        ``F``.
    weights : array, shape of the samples, real, optional
        ``W``, by default the identity.

    Notes
    -----
    The spectrum ``P`` is computed at the first use and kept. Only its real part is used,
    so that the operator is self-adjoint for every accuracy of the engine.

    With the correlation ``C_l = sum_m conj(x_m) y_(m + l)``, summed over the batch,
    ``Re<y, F^H W F x> = Re<C, p>``, and ``p = s^2 G^H w`` with ``G``, the NUFFT on the
    lags. The parameters' forms are therefore forms of ``G``, once for all images of a
    batch: ``trajectory``, ``s^2 B_G(C, w)``; ``weights``, ``s^2 Re(G C)``.
    """

    nufft: TrajectoryOperator
    weights: Array | None = parameter(linear=True, default=None)

    def __post_init__(self) -> None:
        if self.weights is not None:
            check_weights(self.nufft, self.weights)

    # z_n = sum_m p_(n - m) x_m
    def _apply(self, x: Array) -> Array:
        return self.convolution.apply(x)

    # dp = s^2 (dG[dk])^H w by the trajectory, s^2 G^H dw by the weights
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if name == "weights":
            return super()._derivative(name, dtheta)
        return GramDerivative(self, self.lags.derivative(name, dtheta))

    # B(x, y) = s^2 B_G(C, w) by the trajectory, s^2 Re(G C) by the weights
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return form(self.nufft, self.weights, self.lags, name, x, y)

    @cached_property
    def lags(self) -> TrajectoryOperator:
        """``G``, the NUFFT on the lags."""
        return on_lags(self.nufft)

    @cached_property
    def convolution(self) -> LagConvolution:
        """The operator by its spectrum, which is computed at the first use and kept."""
        F = self.nufft
        if self.weights is None:
            return LagConvolution(F, F.gram_spectrum)
        return LagConvolution(F, lag_spectrum(F, self.lags.adjoint(as_data(F, self.weights))))


@dataclass(frozen=True, eq=False, repr=False)
class GramDerivative(ImageConvolution):
    """A derivative of `ToeplitzGram` by the trajectory: the convolution with ``s^2 L^H w``.

    The derivative of order zero, with ``G`` for ``L``, is the Gram itself.

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
    def nufft(self) -> TrajectoryOperator:  # type: ignore[override]  # the Gram has it
        """``F``."""
        return self.gram.nufft

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return dict(self.gram.parameters)  # the lags have a copy of the trajectory

    def _apply(self, x: Array) -> Array:
        return self.convolution.apply(x)

    # As for the Gram, with L in place of G
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if name == "weights":
            gram = replace(self.gram, weights=dtheta)
            return Constant(GramDerivative(gram, self.lags), (name,))
        return GramDerivative(self.gram, self.lags.derivative(name, dtheta))

    # B(x, y) = s^2 B_L(C, w) by the trajectory, s^2 Re(L C) by the weights
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return form(self.nufft, self.gram.weights, self.lags, name, x, y)

    @cached_property
    def convolution(self) -> LagConvolution:
        """The operator by its spectrum."""
        F = self.nufft
        return LagConvolution(F, lag_spectrum(F, self.lags.adjoint(as_data(F, self.gram.weights))))


@dataclass(frozen=True, eq=False, repr=False)
class LagConvolution(ImageConvolution):
    """The convolution of images with ``p``, cropped to the image, by the spectrum of ``p``.

    Parameters
    ----------
    nufft : NUFFT
        Gives the images' shape and dtype, and how many are computed at a time.
    spectrum : array, real
        ``P``, of a grid of at least ``2 N - 1`` cells on each axis.
    """

    nufft: TrajectoryOperator
    spectrum: Array

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}  # the spectrum is constant

    # z = crop(ifft(P fft(pad x)))
    def _apply(self, x: Array) -> Array:
        F, P = self.nufft, self.spectrum
        xp, flat = F.transform.xp, F.transform.flat_images(x)
        whole, room = Whole(xp, flat.shape[0]), grid_bytes(F, FILTERED)
        for part in chunks(F, flat, room):
            # Copied, as what is cropped holds the memory of what was padded.
            whole.put(part, xp.asarray(filtered(xp, flat[part, ...], P, F.shape, room), copy=True))
        return xp.reshape(whole.result, x.shape)


def form(
    F: TrajectoryOperator,
    weights: Array | None,
    lags: LinearOperator,
    name: str,
    x: Array,
    y: Array,
) -> Array:
    """Return ``B(x, y)`` of the Gram, or of its derivative if `lags` is a derivative of ``G``."""
    C = correlation(F, x, y)
    if name == "weights":
        return F.transform.xp.real(lags.apply(C))
    return lags.vjp(name, C, as_data(F, weights))


def check_weights(F: TrajectoryOperator, weights: Array) -> None:
    """Refuse weights that are not one real number for each sample."""
    call = "NUFFT.gram(weights)"
    common_namespace(call, weights=weights, trajectory=F.trajectory)
    if weights.dtype != F.trajectory.dtype:
        msg = (
            f"{call}: weights have the dtype {weights.dtype}; want that of the trajectory, "
            f"{F.trajectory.dtype} (real, and nothing is cast silently)"
        )
        raise TypeError(msg)
    if tuple(weights.shape) != F.transform.samples:
        msg = (
            f"{call}: weights have the shape {tuple(weights.shape)}; want one for each sample, "
            f"{F.transform.samples}"
        )
        raise ValueError(msg)


def on_lags(F: TrajectoryOperator) -> TrajectoryOperator:
    """Return ``G``, the NUFFT whose voxels are the lags."""
    lags: Any = F  # a dataclass
    G: TrajectoryOperator = replace(lags, shape=lag_sizes(F), norm=None)
    return G


def lag_sizes(F: TrajectoryOperator) -> tuple[int, ...]:
    """Return how many lags an image has on each axis."""
    return tuple(2 * n - 1 for n in F.shape)


def embedding(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of the circular grid."""
    return tuple(fast_size(2 * n - 1, real=False) for n in shape)


# P = Re(fft(s^2 p)), with lag zero at index zero
def lag_spectrum(F: TrajectoryOperator, p: Array) -> Array:
    """Return the real part of the spectrum of ``s^2 p``: a Hermitian ``p`` has a real spectrum."""
    xp, sizes = F.transform.xp, embedding(F.shape)
    p = F.transform.scaled(F.transform.scaled(p))
    for axis, (n, size) in enumerate(zip(F.shape, sizes, strict=True)):
        gap = (*p.shape[:axis], size - p.shape[axis], *p.shape[axis + 1 :])
        zeros = xp.zeros(gap, dtype=p.dtype, device=array_api_compat.device(p))
        ahead, behind = (along(axis, part) for part in (slice(n - 1, None), slice(n - 1)))
        p = xp.concat([p[ahead], zeros, p[behind]], axis=axis)
    # Copied, as the real part of a view holds the memory of both.
    return xp.asarray(xp.real(fft(xp, p, sizes, real=False, overwrite=True)), copy=True)


# C_l = s^2 sum_m conj(x_m) y_(m + l), summed over the batch: ifft(Re(conj(X) Y))
def correlation(F: TrajectoryOperator, x: Array, y: Array) -> Array:
    """Return the Hermitian part of ``s^2 C``, the gradient by ``p`` of ``Re<y, F^H W F x>``."""
    xp, sizes = F.transform.xp, embedding(F.shape)
    x, y = F.transform.flat_images(x), F.transform.flat_images(y)
    room = grid_bytes(F, CORRELATED)
    C = reduce(
        operator.iadd,
        (correlated(xp, x[b, ...], y[b, ...], sizes, room) for b in chunks(F, x, room)),
    )
    C = xp.astype(C, complex_dtype(xp, C))
    C = ifft(xp, C, sizes, real=False, overwrite=True)
    for axis, (n, size) in enumerate(zip(F.shape, sizes, strict=True)):
        behind, ahead = (along(axis, part) for part in (slice(size - n + 1, None), slice(n)))
        C = xp.concat([C[behind], C[ahead]], axis=axis)
    return F.transform.scaled(F.transform.scaled(C))


def along(axis: int, part: slice) -> tuple[Any, ...]:
    """Return the index of a part of an axis."""
    return (*(slice(None) for _ in range(axis)), part, ...)


def as_data(F: TrajectoryOperator, weights: Array | None) -> Array:
    """Return weights as data of ``F``, ones if there are none."""
    xp, k = F.transform.xp, F.trajectory
    dtype = complex_dtype(xp, k)
    if weights is None:
        return xp.ones(F.transform.samples, dtype=dtype, device=array_api_compat.device(k))
    return xp.astype(weights, dtype)


def grid_bytes(F: TrajectoryOperator, grids: int) -> int:
    """Return the bytes of each of so many grids that fit the memory limit, on a CPU the cache."""
    on_cpu = library(F.transform.xp) == "numpy"
    return (min(F.memory_limit, CACHE) if on_cpu else F.memory_limit) // grids


def chunks(F: TrajectoryOperator, x: Array, room: int) -> Iterator[slice]:
    """Split a batch so that its padded grids fit so many bytes, or to single images."""
    return parts(x.shape[0], max(1, room // padded_bytes(F, x)))


def padded_bytes(F: TrajectoryOperator, x: Array) -> int:
    """Return the bytes of the padded grid of one of the images."""
    return math.prod(embedding(F.shape)) * item_bytes(F.transform.xp, x)


def setup_bytes(F: TrajectoryOperator) -> int:
    """Return the bytes that computing the spectrum takes."""
    grid = math.prod(embedding(F.shape)) * item_bytes(F.transform.xp, F.trajectory) * 2
    on_lags = F.transform.engine.with_shape(lag_sizes(F))
    return max(SETUP * grid, grid + on_lags.transform_bytes())


def toeplitz_pays(F: TrajectoryOperator) -> bool:
    """Return whether 10 applications to one image are quicker as a convolution, with set-up.

    Each application spreads a sample over ``width^d`` cells twice; the convolution takes two
    FFTs of a grid twice as large as the image. `SPREAD` was fitted to measured times (see
    docs/engines.md). Exact sums stay composed, and so do grids that would not keep the memory
    limit, or `eps` on the lags.
    """
    if F.transform.engine.exact or setup_bytes(F) > F.memory_limit:
        return False
    if phase_rounding(lag_sizes(F), DOUBLE_BITS) > F.eps:
        return False
    width = 1.0 - math.log10(F.eps)
    return math.prod(F.transform.samples) * (width / SPREAD) ** len(F.shape) > math.prod(
        embedding(F.shape)
    )
