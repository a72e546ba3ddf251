"""The oversampled grid of an image: its sizes, and the places of the voxels on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.core.caching import remembered
from nufftlib.core.fourier import fast_size
from nufftlib.nufft.engines.grid.kernel import Kernel, choose_kernel, demand, density_kernel

SMALL = 64
"""Most voxels of an axis for which larger grids are tried."""


@dataclass(frozen=True, eq=False)
class Layout:
    """A periodic grid that holds an image, and the kernel to read it with.

    The voxels ``-(N // 2) ... N - N // 2 - 1`` lie in the order of the FFT: first the
    nonnegative ones, at the end the negative ones.

    Parameters
    ----------
    shape : tuple of int
        Image shape.
    sizes : tuple of int
        Cells of the grid along each axis.
    kernel : Kernel
        Kernel of all axes.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    kernel: Kernel

    def deconvolution(self, axis: int) -> Any:
        r"""Return :math:`1/\hat\varphi` along an axis, of the voxels ``0 ... N // 2``.

        That of the negative ones is the same. It is not kept: tables of one dtype are.
        """
        N, n = self.shape[axis], self.sizes[axis]
        return np.ones(1) if N == 1 else self.kernel.deconvolution(N, n)

    @cached_property
    def polynomials(self) -> Any:
        """The kernel's polynomials, shape (d, 3, degree + 1, width).

        Derivatives are by the trajectory: derivatives by the position on the grid, in cells,
        times the size of the grid. Along an axis of one voxel nothing varies: its one cell is
        covered ``width`` times, in equal parts.
        """
        scale = np.asarray(self.sizes)[:, None] ** np.arange(3.0)
        polynomials = scale[:, :, None, None] * self.kernel.coefficients
        constant = np.zeros_like(self.kernel.coefficients)
        constant[0, 0, :] = 1.0 / self.kernel.width
        polynomials[np.asarray(self.shape) == 1] = constant
        return polynomials

    @property
    def cells(self) -> int:
        """Number of cells of the grid."""
        return math.prod(self.sizes)

    def filled(self, axis: int) -> list[slice]:
        """Return the slices of an axis that hold voxels."""
        N, n = self.shape[axis], self.sizes[axis]
        return [
            part for part in (slice(0, N - N // 2), slice(n - N // 2, n)) if part != slice(n, n)
        ]


@remembered(maxsize=256)
def layout(shape: tuple[int, ...], eps: float, single: bool) -> Layout:
    """Return the grid for an image shape and an accuracy."""
    kernel = choose_kernel(eps, len(shape), single)
    return Layout(shape, tuple(cells(N, kernel) for N in shape), kernel)


@remembered(maxsize=16)
def density_layout(shape: tuple[int, ...], width: int) -> Layout:
    """Return the grid for density weights: the image's own size, not oversampled."""
    return Layout(shape, shape, density_kernel(width))


def cells(voxels: int, kernel: Kernel) -> int:
    """Return the cells of the grid along an axis of so many voxels.

    A small image has a larger share of its voxels at the edge of the band, where the error
    is largest. Its grid is enlarged until its error is at most the error of the kernel's
    band, or as near to it as possible.
    """
    if voxels == 1:
        return 1
    size = fast_size(math.ceil(kernel.oversampling * voxels), real=False)
    if voxels > SMALL:
        return size
    sizes = sorted({fast_size(size + more, real=False) for more in range(voxels + 3)})
    errors = [max(demand(kernel.errors(voxels, n)), demand(kernel.errors())) for n in sizes]
    return sizes[errors.index(min(errors))]  # the smallest good one
