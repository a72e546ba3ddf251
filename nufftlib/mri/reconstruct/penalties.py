"""The penalties of an image: a linear map, and a penalty of it whose proximal map is a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

import optim
from nufftlib.core.arrays import Array, namespace
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.kinds import out_of_range
from nufftlib.core.wavelets import Wavelet

CALL = "reconstruct"

LEVELS, LEAST = 4, 8
"""How many times an image is halved, and the least size of its coarsest approximation."""

WAVELET = "db2"
"""Short: edges are what images have."""

SHIFTS = (0, 0, 0), (5, 10, 15), (10, 5, 10), (15, 15, 5)
"""By how many voxels the copies of an image are shifted: in a plane by all parities."""


@dataclass(frozen=True)
class Variation:
    """The total variation, ``sum_n |(D x)_n|``.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image.
    """

    shape: tuple[int, ...]

    def apply(self, x: Array) -> Array:
        """Return ``D x``, its components along a first axis."""
        return FiniteDifferences(self.shape).apply(x)

    def adjoint(self, u: Array) -> Array:
        """Return ``D^H u``."""
        return FiniteDifferences(self.shape).adjoint(u)

    def penalty(self, weight: float) -> optim.proximal.Penalty:
        """Return the weighted sum of the lengths."""
        return optim.proximal.group_soft_threshold(weight, axes=0)


@dataclass(frozen=True)
class Wavelets:
    r"""The mean of the l1 norms of the wavelet coefficients of shifted copies.

    The wavelets of one place alone would leave their blocks in the image. ``K x`` has the
    coefficients of :math:`S` copies, divided by :math:`\sqrt S`, so that ``K^H K`` is the identity;
    its l1 norm divided by :math:`\sqrt S` is the mean.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image.
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a shape that cannot be halved."""
        if not self.levels:
            wish = f"even sizes of {2 * LEAST} or more"
            raise out_of_range(CALL, "shape", self.shape, wish, "method is 'wavelet'")

    @property
    def levels(self) -> int:
        """How many times the image can be halved."""
        parts = (2**i for i in range(LEVELS, 0, -1))
        fit = (p for p in parts if all(n % p == 0 and n // p >= LEAST for n in self.shape))
        return next(fit, 1).bit_length() - 1

    def apply(self, x: Array) -> Array:
        """Return the coefficients of the copies, along a first axis."""
        xp = namespace(x)
        moved = xp.stack([self._shifted(x, s, 1) for s in SHIFTS])
        return self._wavelet.apply(moved) / math.sqrt(len(SHIFTS))

    def adjoint(self, u: Array) -> Array:
        """Return the sum of the images, shifted back."""
        xp, images = namespace(u), self._wavelet.adjoint(u)
        back = [self._shifted(images[i, ...], s, -1) for i, s in enumerate(SHIFTS)]
        return xp.sum(xp.stack(back), axis=0) / math.sqrt(len(SHIFTS))

    def penalty(self, weight: float) -> optim.proximal.Penalty:
        """Return the weighted mean of the l1 norms."""
        return optim.proximal.soft_threshold(weight / math.sqrt(len(SHIFTS)))

    @property
    def _wavelet(self) -> Wavelet:
        return Wavelet(self.shape, WAVELET, self.levels)

    def _shifted(self, x: Array, by: tuple[int, ...], sign: int) -> Array:
        axes = tuple(range(len(self.shape)))
        return namespace(x).roll(x, tuple(sign * by[a] for a in axes), axis=axes)
