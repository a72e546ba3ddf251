r"""The model of a blurred picture, :math:`y = A x + \text{noise}`, with unknown margins.

A PSF of ``P`` pixels sees ``P - 1`` pixels more than the picture has. With the boundary
``"valid"`` these are unknowns like the others, so that nothing is assumed of them: an assumption
would make rings along the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.operator import AXES, Blur, extended
from nufftlib.blur.psf_grid import grid_blur
from nufftlib.blur.psfs.gaussian import gaussian_psf
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.arrays import (
    Array,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
    summary,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import choice, is_array
from nufftlib.core.noise import on_cpu
from nufftlib.core.operator import LinearOperator

FAR = 1e-3
"""Part of the pixels around one that have to count for their mean to be taken."""

Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A blurred picture and its blur.

    Parameters
    ----------
    blur : Blur or SpaceVaryingBlur
        ``A``.
    blurred : array, shape (..., height, width), or of stacks (..., depth, height, width)
        ``y``.
    seen : array, of the picture's shape, or None
        1 at pixels that count and 0 at the others, of the picture's dtype; None: all count.
    """

    blur: Blur | SpaceVaryingBlur
    blurred: Array
    seen: Array | None = None

    @cached_property
    def map(self) -> LinearOperator:
        """``A``, without the pixels that do not count."""
        if self.seen is None:
            return self.blur
        return Diagonal(self.seen).rename(weights="seen") @ self.blur

    @property
    def data(self) -> Array:
        """``y``, without the pixels that do not count."""
        return self.blurred if self.seen is None else self.seen * self.blurred

    # (K (m y) + e mean) / (K m + e): where no pixel near counts it is the mean of all that do
    def filled_by_means(self) -> Model:
        """Return the model with means of near pixels where one does not count."""
        m, y, d = self.seen, self.blurred, self.ndim
        if m is None:
            return self
        like = {"xp": array_namespace(y), "dtype": y.dtype, "device": device(y)}
        K = Blur(gaussian_psf((9,) * d, 2.0, **like), "replicate", d)
        return self.filled((K.apply(self.data) + FAR * self.mean(y)) / (K.apply(m) + FAR))

    def filled(self, values: Array) -> Model:
        """Return the model with other values where a pixel does not count."""
        assert self.seen is not None
        return replace(self, blurred=self.data + (1 - self.seen) * values)

    def mean(self, values: Array) -> float:
        """Return the mean over the pixels that count."""
        xp = array_namespace(values)
        if self.seen is None:
            return float(xp.mean(values))
        return float(xp.sum(self.seen * values) / xp.sum(self.seen))

    @property
    def ndim(self) -> int:
        """The number of axes of a picture, 2, or of a stack, 3."""
        return self.blur.ndim

    @property
    def pixels(self) -> tuple[int, ...]:
        """The size of the sharp picture, with the margins that the blurred one sees."""
        d, valid = self.ndim, self.blur.boundary == "valid"
        sizes = zip(self.blurred.shape[-d:], self.blur.psf.shape[-d:], strict=True)
        return tuple(n + (p - 1) * valid for n, p in sizes)

    def start(self) -> Array:
        """Return the blurred picture with margins that repeat its outermost pixels."""
        if self.blur.boundary != "valid":
            return self.blurred
        psf = self.blur.psf
        one = psf[(*(0,) * (psf.ndim - self.ndim), ...)]
        return extended(array_namespace(psf), Blur(one, "replicate", self.ndim), self.blurred)

    def cropped(self, x: Array) -> Array:
        """Return a sharp picture without its margins."""
        if self.blur.boundary != "valid":
            return x
        d = self.ndim
        sizes = zip(self.blurred.shape[-d:], self.blur.psf.shape[-d:], strict=True)
        return x[(..., *(slice(p - 1 - p // 2, p - 1 - p // 2 + n) for n, p in sizes))]

    def power(self, shape: tuple[int, ...]) -> Values:
        """Return the mean of ``|h^|^2`` over the picture's PSFs, at the frequencies of a size."""
        return mean_power(*self._modes, shape)

    # |sum_k w_k[p] h_k^|^2, of which the mean over the pixels p is sum_kl <w_k w_l> h_k^ conj(h_l^)
    @cached_property
    def _modes(self) -> tuple[Values, Values]:
        psf = np.asarray(on_cpu(self.blur.psf), np.float64)
        if isinstance(self.blur, Blur):
            return psf[None], np.ones((1, 1))
        w = np.asarray(on_cpu(self.blur.weights), np.float64).reshape(len(psf), -1)
        return psf, w @ w.T / w.shape[1]


def mean_power(psfs: Values, products: Values, shape: tuple[int, ...]) -> Values:
    """Return ``sum_kl products_kl h_k^ conj(h_l^)`` at the frequencies of the FFT of a size."""
    transfer: Any = psfs
    for axis, (n, p) in enumerate(zip(shape, psfs.shape[1:], strict=True), 1):
        waves = np.exp(-2j * np.pi * np.outer(np.fft.fftfreq(n), np.arange(p)))
        transfer = np.moveaxis(np.tensordot(waves, transfer, (1, axis)), 0, axis)
    power: Values = np.einsum("kl,k...,l...->...", products, transfer, transfer.conj()).real
    return power.clip(0.0)


def laplacian_power(shape: tuple[int, ...]) -> Values:
    """Return ``|d^|^2``, of the differences along all axes, at the frequencies of the FFT."""
    power: Values = np.zeros(shape)
    for axis in np.ix_(*(4 * np.sin(np.pi * np.fft.fftfreq(n)) ** 2 for n in shape)):
        power = power + axis
    return power


def check_picture(call: str, name: str, picture: Array, ndim: int = 2) -> Any:
    """Return the namespace of a picture: real, finite, of `ndim` axes or more, with pixels."""
    caller = f"{call}({name})"
    xp = common_namespace(caller, **{name: picture})
    check_real(xp, caller, name, picture)
    if picture.ndim < ndim or 0 in picture.shape:
        msg = (
            f"{caller}: {name} has the shape {tuple(picture.shape)}; want (..., {AXES[ndim]}), "
            f"not empty"
        )
        raise ValueError(msg)
    check_finite(xp, caller, name, picture)
    return xp


def model_of(
    call: str,
    blurred: Array,
    psf: Array | SpaceVaryingBlur,
    boundary: str,
    ndim: int,
    seen: Array | None,
) -> Model:
    """Return the model of a picture and a PSF, a grid of PSFs, or a blur; refuse what is none."""
    check_picture(call, "blurred", blurred, ndim)
    choice(call, "boundary", boundary, BOUNDARIES)
    h = psf.psf if isinstance(psf, SpaceVaryingBlur) else psf
    both = f"{call}(blurred, psf)"
    xp = common_namespace(both, blurred=blurred, psf=h)
    check_precision(xp, both, blurred=blurred, psf=h)
    check_real(xp, both, "psf", h)
    check_finite(xp, both, "psf", h)
    seen = checked_mask(call, seen, blurred)
    if isinstance(psf, SpaceVaryingBlur):
        shapes = tuple(psf.weights.shape[-2:]), tuple(blurred.shape[-2:])
        if (
            (psf.ndim, ndim) != (2, 2)
            or psf.psf.ndim != 3
            or psf.weights.ndim != 3
            or shapes[0] != shapes[1]
        ):
            msg = (
                f"{call}(psf): psf and weights of the blur have the shapes "
                f"{tuple(psf.psf.shape)} and {tuple(psf.weights.shape)}; want (modes, height, "
                f"width), of the weights (modes, {shapes[1][0]}, {shapes[1][1]})"
            )
            raise ValueError(msg)
        check_real(xp, both, "the blur's weights", psf.weights)
        return Model(psf, blurred, seen)
    if h.ndim not in ((2, 4) if ndim == 2 else (3,)) or 0 in h.shape:
        grid = ", or of a grid (rows, columns, height, width)" if ndim == 2 else ""
        msg = (
            f"{call}(psf): psf has the shape {tuple(h.shape)}; want ({AXES[ndim]}){grid}, not empty"
        )
        raise ValueError(msg)
    blur = (
        Blur(h, boundary, ndim)
        if h.ndim == ndim
        else grid_blur(h, tuple(blurred.shape[-2:]), boundary)
    )
    return Model(blur, blurred, seen)


def checked_mask(call: str, seen: Array | None, blurred: Array) -> Array | None:
    """Return a mask of bool as 1 and 0 of the picture's dtype; refuse another one."""
    if seen is None:
        return None
    call, xp = f"{call}(seen)", array_namespace(blurred)
    good = is_array(seen) and array_namespace(seen) is xp and xp.isdtype(seen.dtype, "bool")
    if not good:
        msg = f"{call}: seen is {summary(seen)}; want an array of bool"
        raise TypeError(msg)
    common_namespace(call, seen=seen, blurred=blurred)
    if seen.shape != blurred.shape:
        msg = (
            f"{call}: seen has the shape {tuple(seen.shape)}; want that of the picture, "
            f"{tuple(blurred.shape)}"
        )
        raise ValueError(msg)
    if not bool(xp.any(seen)):
        msg = f"{call}: seen is False everywhere; want pixels that count"
        raise ValueError(msg)
    return xp.astype(seen, blurred.dtype)
