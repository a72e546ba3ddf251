"""The objective of trajectory learning: the loss of the image reconstructed at a trajectory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from array_api_compat import array_namespace

from nufftlib.core.arrays import (
    Array,
    blank,
    check_alike,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
    is_complex,
)
from nufftlib.core.kinds import choice, instance
from nufftlib.core.losses import MeanSquaredError
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import Magnitude, MeanNormalize
from nufftlib.mri.coils import low_frequency_maps
from nufftlib.mri.density import pipe_menon
from nufftlib.mri.sense import Sense
from nufftlib.nufft.derivatives import SampledJacobian
from nufftlib.nufft.operator import NUFFT

Maps = Literal["estimated", "ones", "true"]


@dataclass(frozen=True, eq=False)
class TrajectoryObjective:
    """The loss of a trajectory, and its gradient.

    Parameters
    ----------
    image : array, shape (height, width) or (height, width, depth)
        The image or the volume to be sampled: real with a positive mean, or complex. The
        reference of the loss is a complex image's magnitude.
    coil_maps : array, shape (coils, *image.shape), complex
        Sensitivities of the coils that sample it.
    nufft : NUFFT
        Any operator of the image's shape; its settings are kept, its trajectory replaced.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction: from the low-frequency samples, all ones (a
        plain sum over the coils), or `coil_maps`.
    noise : array, shape (coils, *trajectory.shape[:-1]), complex, optional
        Added to the data.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> k = nl.mri.trajectories.radial(8, 64)
    >>> objective = workflows.TrajectoryObjective(
    ...     image, nl.mri.birdcage_maps(4, image.shape), nl.NUFFT(k, image.shape)
    ... )
    >>> value, gradient = objective.value_and_grad(k)
    >>> gradient.shape == k.shape
    True
    """

    image: Array
    coil_maps: Array
    nufft: NUFFT
    maps: Maps = "estimated"
    noise: Array | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        call = "TrajectoryObjective"
        instance(call, "nufft", self.nufft, NUFFT, "a NUFFT")
        arrays = {
            "image": self.image,
            "coil_maps": self.coil_maps,
            "trajectory": self.nufft.trajectory,
        }
        caller = f"{call}(image, coil_maps, nufft)"
        xp = common_namespace(caller, **arrays)
        check_precision(xp, caller, **arrays)
        if not is_complex(xp, self.coil_maps):
            msg = f"{call}(coil_maps): coil_maps are {self.coil_maps.dtype}; want complex"
            raise TypeError(msg)
        if self.image.shape != self.nufft.shape:
            msg = (
                f"{call}(image): the image has the shape {tuple(self.image.shape)}; "
                f"want {self.nufft.shape}"
            )
            raise ValueError(msg)
        for name in ("image", "coil_maps"):
            check_finite(xp, f"{call}({name})", name, arrays[name])
        mean, size = float(xp.mean(self.reference)), float(xp.mean(xp.abs(self.image)))
        # Below this, half of the mean's digits are rounding, and L begins at 1 / eps.
        if not mean > math.sqrt(xp.finfo(self.image.dtype).eps) * size:
            msg = (
                f"{call}(image): the mean is {mean:g} and the mean magnitude {size:g}; "
                f"want it positive, by more than rounding"
            )
            raise ValueError(msg)
        coils = tuple(self.coil_maps.shape)
        if coils[1:] != tuple(self.image.shape) or coils[0] < 1:
            msg = (
                f"{call}(coil_maps): coil_maps have the shape {coils}; "
                f"want (coils, {', '.join(map(str, self.image.shape))}), at least one coil"
            )
            raise ValueError(msg)
        choice(call, "maps", self.maps, get_args(Maps))
        if self.noise is not None:
            like = blank(self.image, (coils[0], *self.nufft.trajectory.shape[:-1]), complex=True)
            check_alike(f"{call}(noise)", "noise", self.noise, "the data", like)

    @property
    def reference(self) -> Array:
        """The image that a reconstruction is compared with: real, of the image's shape."""
        xp = array_namespace(self.image)
        return xp.abs(self.image) if is_complex(xp, self.image) else self.image

    def value_and_grad(self, k: Array) -> tuple[Array, Array]:
        """Return ``L(k)`` and its gradient; density and maps are found at ``k``.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        value : array
            ``L(k)``, of zero dimensions.
        gradient : array
            Of the shape and dtype of ``k``.
        """
        F, y, J = self._sample("value_and_grad", k)
        d, S = self._calibrate(F, y)
        return self._value_and_grad(F, y, J, d, S)

    def constants(self, k: Array) -> tuple[Array, Sense]:
        """Return the density weights and the coil maps of the reconstruction at ``k``.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        density : array, shape (...)
            Weights.
        maps : Sense
            Coil combination.
        """
        F, y, _ = self._sample("constants", k)
        return self._calibrate(F, y)

    def value_and_grad_at(self, k: Array, density: Array, maps: Sense) -> tuple[Array, Array]:
        """Return the loss and its gradient with given density weights and maps.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.
        density : array, shape (...)
            Weights.
        maps : Sense
            Coil combination.

        Returns
        -------
        value : array
            The loss, of zero dimensions.
        gradient : array
            Its exact gradient, density and maps being constants.
        """
        F, y, J = self._sample("value_and_grad_at", k)
        call = "TrajectoryObjective.value_and_grad_at"
        check_alike(f"{call}(density)", "density", density, "the points", k[..., 0])
        instance(call, "maps", maps, Sense, "a Sense, such as constants(k)[1]")
        return self._value_and_grad(F, y, J, density, maps)

    def reconstruct(self, k: Array) -> Array:
        """Return the reconstruction at ``k``, scaled to the mean of the image.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        array, of the image's shape, real
            ``|a| mean(x) / mean|a|``, `x` being the `reference`.
        """
        F, y, _ = self._sample("reconstruct", k)
        d, S = self._calibrate(F, y)
        z = MeanNormalize()(Magnitude()(S.adjoint(F.adjoint(d * y))))
        return z * array_namespace(z).mean(self.reference)

    @cached_property
    def _spectrum(self) -> Map:
        """The map ``k -> F(k) u``; the coil images never change."""
        return self.nufft.as_map("trajectory", self.coil_maps * self.image)

    @cached_property
    def _loss(self) -> Map:
        target = MeanNormalize()(self.reference)
        return MeanSquaredError(target) @ MeanNormalize() @ Magnitude()

    def _sample(self, method: str, k: Array) -> tuple[NUFFT, Array, LinearOperator]:
        call = f"TrajectoryObjective.{method}(k)"
        xp = common_namespace(call, k=k, image=self.image)
        check_real(xp, call, "k", k)
        check_precision(xp, call, k=k, image=self.image)
        y, J = self._spectrum.linearize(k)
        assert isinstance(J, SampledJacobian)
        assert isinstance(J.nufft, NUFFT)
        if self.noise is not None:
            y = y + self.noise
        return J.nufft, y, J  # the operator at k that it was computed with

    def _calibrate(self, F: NUFFT, y: Array) -> tuple[Array, Sense]:
        # The density of the published example: its kernel, on the image's grid.
        d = pipe_menon(F, width=7, grid=F.shape, iterations=10)
        if self.maps == "estimated":
            return d, Sense(low_frequency_maps(F, y, d))
        if self.maps == "true":
            return d, Sense(self.coil_maps)
        return d, Sense(array_namespace(y).ones_like(self.coil_maps))

    def _value_and_grad(
        self, F: NUFFT, y: Array, J: LinearOperator, d: Array, S: Sense
    ) -> tuple[Array, Array]:
        dy = d * y
        value, a_bar = self._loss.value_and_grad(S.adjoint(F.adjoint(dy)))
        Fv, K = F.linearize(S.apply(a_bar), wrt="trajectory")
        return value, K.adjoint(dy) + J.adjoint(d * Fv)
