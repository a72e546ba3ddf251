r"""The model of a scan, and what of it does not depend on the method.

The samples of coil `c` are :math:`y_c = F\, s_c\, x + n`, with noise of the variance
:math:`\sigma^2 = E |n|^2`, the same in all coils.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import optim
from nufftlib.core.arrays import Array, Namespace, namespace
from nufftlib.core.inner import inner
from nufftlib.core.operator import LinearOperator
from nufftlib.mri.coils import low_frequency_maps
from nufftlib.mri.density import pipe_menon
from nufftlib.mri.off_resonance.operator import OffResonance
from nufftlib.mri.sense import Sense
from nufftlib.nufft.operator import NUFFT

TRIAL = 15
"""Steps of the fit whose residual is taken for noise."""


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
    density : array
        Density weights of the samples.
    y : array, shape (coils, *samples)
        The data.
    """

    A: LinearOperator
    F: NUFFT
    maps: Array
    density: Array
    y: Array

    @property
    def xp(self) -> Namespace:
        """The namespace of all arrays."""
        return namespace(self.y)

    @property
    def mean_diagonal(self) -> float:
        """That of ``F^H F``, which no trajectory changes: samples by voxels."""
        return math.prod(self.F.transform.samples) * self.F.transform.scale**2

    def compensated(self) -> Array:
        """Return ``A^H W y / sum_c |s_c|^2``, the image of the method ``"adjoint"``."""
        xp = self.xp
        power = xp.sum(xp.real(self.maps * xp.conj(self.maps)), axis=0)
        x = self.A.adjoint(self.density * self.y)
        return xp.where(power > 0, x, xp.zeros_like(x)) / xp.where(power > 0, power, 1.0)

    # |y - A x|^2 = sigma^2 (C M - N) for a fit of N voxels to C M samples
    def noise(self) -> float:
        """Return the standard deviation that the residual of a short fit has."""
        count, voxels = math.prod(self.y.shape), math.prod(self.F.shape)
        fit = optim.conjugate_gradient(
            self.A.N.apply, self.A.adjoint(self.y), steps=TRIAL, tolerance=0.0
        )
        if fit.interrupted:
            raise KeyboardInterrupt
        rest = self.y - self.A.apply(fit.params)
        free = max(count - voxels, count // 4)
        return math.sqrt(float(inner(rest, rest)) / free)


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
    density = pipe_menon(F)
    if maps is None:
        maps = low_frequency_maps(F, y, density)
    transform: LinearOperator = F
    if field_map is not None:
        assert times is not None
        transform = OffResonance(F, field_map, times)
    return Model(transform @ Sense(maps), F, maps, density, y)
