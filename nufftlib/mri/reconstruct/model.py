r"""The model of a scan, and what of it does not depend on the method.

The samples of coil `c` are :math:`y_c = F\, s_c\, x + n`, with noise of the variance
:math:`\sigma^2 = E |n|^2`, the same in all coils.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import optim
from nufftlib.core.arrays import Array, Namespace, namespace
from nufftlib.core.inner import inner
from nufftlib.core.kinds import out_of_range
from nufftlib.core.operator import LinearOperator
from nufftlib.mri.coils.calibration import calibration_region
from nufftlib.mri.coils.espirit import espirit_maps
from nufftlib.mri.coils.normalize import root_of_largest
from nufftlib.mri.density.pipe_menon import pipe_menon
from nufftlib.mri.off_resonance.operator import OffResonance
from nufftlib.mri.sense import Sense
from nufftlib.nufft.operator import NUFFT

CALL = "reconstruct"

TRIAL = 15
"""Steps of the fit whose residual is taken for noise, and whose image for the signal's power."""

CROP = 0.5
"""Eigenvalue below which maps are zero. A higher one darkens the background, and cuts into objects
at their rim."""

KERNEL = 6
"""Samples of ESPIRiT's kernels along each axis."""

CENTRE = 24
"""Samples of the calibration region along each axis, or the image where it is smaller."""


@dataclass(frozen=True, eq=False)
class Model:
    """The operators of a scan, and its data.

    Parameters
    ----------
    A : LinearOperator
        From the image to the samples of all coils.
    F : NUFFT
        From the image of a coil to its samples.
    maps : array, shape (coils, *shape)
        Coil sensitivities.
    y : array, shape (coils, *samples)
        The data.
    """

    A: LinearOperator
    F: NUFFT
    maps: Array
    y: Array

    @property
    def xp(self) -> Namespace:
        """The namespace of all arrays."""
        return namespace(self.y)

    @property
    def mean_diagonal(self) -> float:
        """That of ``F^H F``, which no trajectory changes: samples by voxels."""
        return math.prod(self.F.transform.samples) * self.F.transform.scale**2

    @cached_property
    def backward(self) -> Array:
        """``A^H y``."""
        return self.A.adjoint(self.y)

    @cached_property
    def compensated(self) -> Array:
        """``A^H W y / sum_c |s_c|^2`` with density weights: the image of the method "adjoint"."""
        xp = self.xp
        power = xp.sum(xp.real(self.maps * xp.conj(self.maps)), axis=0)
        x = self.A.adjoint(pipe_menon(self.F) * self.y)
        seen = power > 0
        return xp.where(seen, x, xp.zeros_like(x)) / xp.where(seen, power, xp.ones_like(power))

    @cached_property
    def trial(self) -> Array:
        """The image of a short fit without a penalty."""
        fit = optim.conjugate_gradient(self.A.N.apply, self.backward, steps=TRIAL, tolerance=0.0)
        if fit.interrupted:
            raise KeyboardInterrupt
        return fit.params

    # |y - A x|^2 = sigma^2 (C M - N) for a fit of N voxels to C M samples
    def noise(self) -> float:
        """Return the standard deviation that the residual of a short fit has."""
        count, voxels = math.prod(self.y.shape), math.prod(self.F.shape)
        free = max(count - voxels, count / 4)
        return self.residual(self.trial) * math.sqrt(count / free)

    def residual(self, x: Array) -> float:
        """Return the root mean square of ``A x - y``."""
        return root_mean_square(self.A.apply(x) - self.y)


def root_mean_square(x: Array) -> float:
    """Return that of all entries, whose squares may be out of the range of single precision."""
    root = root_of_largest(namespace(x), x, None)
    x = x / root / root
    return float(root) ** 2 * math.sqrt(float(inner(x, x)) / math.prod(x.shape))


def model_of(
    y: Array,
    k: Array,
    shape: tuple[int, ...],
    maps: Array | None,
    field_map: Array | None,
    times: Array | None,
) -> Model:
    """Return the model; maps are estimated where none are given."""
    F = NUFFT(k, shape, norm="ortho")
    if maps is None:
        maps = estimated(F, y)
    transform: LinearOperator = F
    if field_map is not None:
        assert times is not None
        transform = OffResonance(F, field_map, times)
    return Model(transform @ Sense(maps), F, maps, y)


def maps_of(y: Array, k: Array, shape: tuple[int, ...]) -> Array:
    """Return coil maps by ESPIRiT, from the centre of the k-space of all samples."""
    return estimated(NUFFT(k, shape, norm="ortho"), y)


def estimated(F: NUFFT, y: Array) -> Array:
    """Return coil maps by ESPIRiT."""
    if min(F.shape) < KERNEL:
        wish = f"{KERNEL} voxels or more along each axis, or maps"
        raise out_of_range(CALL, "shape", F.shape, wish)
    region = calibration_region(F, y, size=tuple(min(CENTRE, n) for n in F.shape))
    return espirit_maps(region, F.shape, kernel=KERNEL, crop=CROP).maps[0, ...]
