"""Densities as arrays on a grid of k-space: how they are checked, and where their cells lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import sizes

AXES = (2, 3)
"""Numbers of axes that k-space has here."""


def shape_of_grid(call: str, shape: Any) -> tuple[int, ...]:
    """Return the cells along each axis; refuse all but two or three axes."""
    return sizes(call, "shape", shape, "the cells along each of two or three axes", counts=AXES)


def centres(shape: tuple[int, ...]) -> list[Any]:
    """Return the coordinates of the cells' centres, one array for each axis, which broadcast."""
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def radius(shape: tuple[int, ...]) -> Any:
    """Return ``|k|`` at the cells' centres, in cycles per voxel."""
    return np.sqrt(sum(k**2 for k in centres(shape)))


def normalised(density: Any) -> Any:
    """Return a density whose sum is 1; first by its largest value, so that no sum overflows."""
    density = density / density.max()
    return density / density.sum()


@dataclass(frozen=True, eq=False)
class Cells:
    """A density on the CPU, in double precision and of sum 1, with its cells.

    Parameters
    ----------
    mass : ndarray, shape (n, n) or (n, n, n)
        The part of the density in each cell.
    """

    mass: Any

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(int(n) for n in self.mass.shape)

    @cached_property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @cached_property
    def size(self) -> Any:
        """Size of a cell along each axis, in cycles per voxel."""
        return 1 / np.asarray(self.shape, dtype=float)

    @cached_property
    def per_volume(self) -> Any:
        """The density of points in each cell, whose integral over k-space is 1."""
        return self.mass * self.mass.size

    def raised(self, power: float) -> Cells:
        """Return the density to a power, of sum 1."""
        return Cells(normalised((self.mass / self.mass.max()) ** power))

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Return points (count, d), uniform in each cell, and folded into [-1/2, 1/2)."""
        total = np.cumsum(self.mass.reshape(-1))
        # The last sum is 1 to rounding alone; a cell that is found has a mass, since sums that
        # do not grow are passed over.
        found = np.searchsorted(total, rng.random(count) * total[-1], side="right")
        index = np.stack(np.unravel_index(found, self.shape), axis=-1)
        k = self.centre_of(index) + (rng.random((count, self.ndim)) - 0.5) * self.size
        return folded(k)

    def centre_of(self, index: Any) -> Any:
        """Return the centres (..., d) of cells of the indices (..., d)."""
        shape = np.asarray(self.shape)
        return (index - shape // 2) / shape

    def at(self, k: Any) -> Any:
        """Return the density of points in the cells of the points (..., d)."""
        shape = np.asarray(self.shape)
        index = (np.floor(k * shape + 0.5).astype(int) + shape // 2) % shape
        return self.per_volume[tuple(np.moveaxis(index, -1, 0))]


def folded(k: Any) -> Any:
    """Return points in [-1/2, 1/2): a cell at -1/2 lies on both sides of the band's edge."""
    k = k - np.floor(k + 0.5)
    return np.where(k >= 0.5, -0.5, k)  # what rounds to 1/2


def cells(call: str, density: Array) -> Cells:
    """Return a density given by the user as `Cells`, or refuse it.

    Its sum does not matter.
    """
    caller = f"{call}(density)"
    xp = common_namespace(caller, density=density)
    check_real(xp, caller, "density", density)
    if density.ndim not in AXES or 0 in density.shape:
        msg = f"{caller}: density has the shape {tuple(density.shape)}; want cells on 2 or 3 axes"
        raise ValueError(msg)
    values = fetched(density).astype(np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and values.max() > 0):
        msg = f"{caller}: it is negative or not finite, or has no sum; want 0 or more"
        raise ValueError(msg)
    return Cells(normalised(values))


def like(density: Array, k: Any) -> Array:
    """Return points in the library, dtype and device of the density."""
    xp = common_namespace("density", density=density)
    return xp.asarray(k, dtype=density.dtype, device=device(density))
