"""Sets of images: the objective over all of them, and the batches to learn from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.core.arrays import (
    Array,
    blank,
    check_precision,
    check_real,
    common_namespace,
    is_complex,
)
from nufftlib.core.kinds import instance, integer, integers, not_negative, out_of_range
from nufftlib.core.losses import Functional
from nufftlib.core.noise import add_gaussian
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.mri.learn.objective import (
    LossOrName,
    Maps,
    ObjectiveJacobian,
    Shared,
    TrajectoryObjective,
    plus,
    scaled,
)
from nufftlib.mri.learn.reconstructions import Reconstruction
from nufftlib.mri.learn.scores import ImageScore, score
from nufftlib.nufft.operator import NUFFT


@dataclass(frozen=True, eq=False, repr=False)
class ImagesObjective(Map):
    r"""The mean loss of a trajectory over several images, and its gradient.

    .. math:: L(k) = \frac1n \sum_{i=1}^{n} L_i(k),

    with the objective :math:`L_i` of each image, see `TrajectoryObjective`. The operator at `k` and
    the density weights do not depend on the image. They are computed once, and so is the
    derivative through the weights.

    Parameters
    ----------
    images : array, shape (n, *shape)
        Images or volumes, as `TrajectoryObjective` takes them.
    coil_maps : array, shape (coils, *shape) or (n, coils, *shape), complex
        Sensitivities of the coils that sample all images, or each its own.
    nufft : NUFFT
        Any operator of the images' shape; its settings are kept, its trajectory replaced.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction, see `TrajectoryObjective`.
    constants : bool
        Whether the derivative holds density weights and maps constant.
    reconstruction : str or Reconstruction
        The recipe that makes the images, see `TrajectoryObjective`.
    loss : str or callable
        The loss of an image, see `TrajectoryObjective`.
    noise : float
        Standard deviation :math:`\sigma` of the noise in an image, relative to its mean magnitude,
        if one coil of sensitivity one had sampled it on a full Cartesian grid.
    seed : int
        Seed of the noise, which is the same at each evaluation.

    Notes
    -----
    The noise of the data is white and complex: with `N` voxels,

    .. math:: \mathrm{E} |n|^2 = \sigma^2 \, N \, (\operatorname{mean} |x|)^2,

    divided by `N` for a NUFFT of norm "ortho". It does not depend on the trajectory. Noise
    relative to the data would: a trajectory could gain by samples where the data are small.

    One image after the other is evaluated, and nothing is kept: the memory is that of one.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> k = nl.mri.trajectories.radial(8, 64)
    >>> objective = workflows.ImagesObjective(
    ...     np.stack([image, image.T]),
    ...     nl.mri.birdcage_maps(4, image.shape),
    ...     nl.NUFFT(k, image.shape),
    ...     noise=0.05,
    ... )
    >>> value, gradient = objective.value_and_grad(k)
    >>> gradient.shape == k.shape, objective.reconstruct(k).shape
    (True, (2, 64, 64))
    """

    images: Array
    coil_maps: Array
    nufft: NUFFT
    maps: Maps = "estimated"
    constants: bool = field(default=False, kw_only=True)
    reconstruction: str | Reconstruction = field(default="adjoint", kw_only=True)
    loss: LossOrName = field(default="mse", kw_only=True)
    noise: float = field(default=0.0, kw_only=True)
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        call = "ImagesObjective"
        instance(call, "nufft", self.nufft, NUFFT, "a NUFFT")
        check_images(f"{call}(images, coil_maps)", self.images, self.coil_maps)
        object.__setattr__(self, "noise", not_negative(call, "noise", self.noise))
        object.__setattr__(self, "seed", integer(call, "seed", self.seed, least=0))
        for x, s in pairs(self.images, self.coil_maps):  # rather now than at an evaluation
            self._objective(x, s, self.nufft, None)

    @property
    def count(self) -> int:
        """The number of images."""
        return int(self.images.shape[0])

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the loss and its Jacobian, the functional of its gradient.

        Parameters
        ----------
        x : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        value : array
            ``L(x)``, of zero dimensions.
        jacobian : LinearOperator
            ``dk -> <g, dk>`` with the gradient ``g``.
        """
        n = self.images.shape[0]
        value = k_bar = d_bar = density = None
        for J in self._jacobians("ImagesObjective(k)", x):
            density, value = J.acquired.density, plus(value, J.value)
            k_more, d_more = J.cotangents(1.0)
            k_bar, d_bar = plus(k_bar, k_more), plus(d_bar, d_more)
        if density is not None and d_bar is not None:
            k_bar = k_bar + density.adjoint(d_bar)
        return value / n, Functional(k_bar / n)

    def __call__(self, x: Array) -> Array:
        """Return ``L(x)``."""
        values = [J.value for J in self._jacobians("ImagesObjective(k)", x)]
        return sum(values[1:], start=values[0]) / len(values)

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        self._check("ImagesObjective(k)", x)
        return blank(x, (), complex=False)

    def reconstruct(self, k: Array, which: Sequence[int] | None = None) -> Array:
        """Return the reconstructions at ``k``, each scaled to the mean of its image.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.
        which : sequence of int, optional
            The images to reconstruct, by their places from 0; by default all.

        Returns
        -------
        array, shape (n, *shape), real
            Magnitudes, of the noisy data if there is noise.

        Raises
        ------
        ValueError
            If `which` is empty, or there is no such image.
        TypeError
            If `which` has no integers.
        """
        call, n = "ImagesObjective.reconstruct", self.images.shape[0]
        places: Sequence[int] = range(n)
        if which is not None:
            wish = f"places of its {n} images, which count from 0"
            places = integers(call, "which", which, wish)
            if not places or not set(places) <= set(range(n)):
                raise out_of_range(call, "which", which, wish)
        found = self._jacobians("ImagesObjective.reconstruct(k)", k, places)
        each = [scaled(J.acquired.image, J.objective.reference) for J in found]
        return array_namespace(self.images).stack(each)

    def scores(self, k: Array) -> tuple[ImageScore, ...]:
        """Return how well each image is reconstructed at ``k``.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        tuple of ImageScore
            Loss, PSNR and SSIM of each image.
        """
        found = self._jacobians("ImagesObjective.scores(k)", k)
        return tuple(score(J.objective, J.acquired.image) for J in found)

    def _jacobians(
        self, call: str, k: Array, which: Sequence[int] | None = None
    ) -> Iterator[ObjectiveJacobian]:
        """Yield the Jacobian of each image, of which the next one takes no more memory."""
        self._check(call, k)
        F = replace(self.nufft, trajectory=k)
        shared = Shared(F, self.constants)
        for i in range(self.images.shape[0]) if which is None else which:
            x, s = pair(self.images, self.coil_maps, i)
            objective = self._objective(x, s, F, self._noise_of(i, x) if self.noise else None)
            yield ObjectiveJacobian(objective, F.trajectory, shared)  # its own copy of k

    def _objective(self, x: Array, s: Array, F: NUFFT, noise: Array | None) -> TrajectoryObjective:
        return TrajectoryObjective(
            x,
            s,
            F,
            self.maps,
            constants=self.constants,
            reconstruction=self.reconstruction,
            loss=self.loss,
            noise=noise,
        )

    def _check(self, call: str, k: Array) -> None:
        xp = common_namespace(call, k=k, images=self.images)
        check_real(xp, call, "k", k)
        check_precision(xp, call, k=k, images=self.images)

    def _noise_of(self, i: int, x: Array) -> Array:
        """Return the noise in the data of one image."""
        xp = array_namespace(x)
        coils = self.coil_maps.shape[-x.ndim - 1]
        data = blank(x, (coils, *self.nufft.trajectory.shape[:-1]), complex=True)
        voxels = math.prod(self.nufft.shape) if self.nufft.norm is None else 1
        std = self.noise * float(xp.mean(xp.abs(x))) * math.sqrt(voxels / 2)  # of each part
        return add_gaussian(xp, data, std, np.random.default_rng((self.seed, i)))


class Shuffled:
    """Batches of a set of images, in another order in each epoch.

    Parameters
    ----------
    images, coil_maps : array
        The set.
    size : int
        Images of a batch; the last batch of an epoch has what is left.
    seed : int
        Seed of the orders.
    """

    def __init__(self, images: Array, coil_maps: Array, size: int, seed: int) -> None:
        self.images, self.coil_maps, self.size, self.seed = images, coil_maps, size, seed

    def __len__(self) -> int:
        """The batches of an epoch."""
        return -(-int(self.images.shape[0]) // self.size)

    def __call__(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of an epoch."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.images.shape[0])
        for i in range(len(self)):
            yield taken(self.images, self.coil_maps, order[i * self.size : (i + 1) * self.size])


def pair(images: Array, coil_maps: Array, i: int) -> tuple[Array, Array]:
    """Return an image with the maps of the coils that see it."""
    own = coil_maps.ndim > images.ndim
    return images[i, ...], coil_maps[i, ...] if own else coil_maps


def pairs(images: Array, coil_maps: Array) -> Iterator[tuple[Array, Array]]:
    """Yield each image with the maps of the coils that see it."""
    for i in range(images.shape[0]):
        yield pair(images, coil_maps, i)


def taken(images: Array, coil_maps: Array, which: Any) -> tuple[Array, Array]:
    """Return some of the images, with their maps."""
    xp = array_namespace(images)
    index = xp.asarray(np.asarray(which, np.int64), device=device(images))
    own = coil_maps.ndim > images.ndim
    return xp.take(images, index, axis=0), xp.take(coil_maps, index, axis=0) if own else coil_maps


def check_images(caller: str, images: Array, coil_maps: Array) -> None:
    """Refuse what is not a set of images with maps, of each or for all."""
    xp = common_namespace(caller, images=images, coil_maps=coil_maps)
    check_precision(xp, caller, images=images, coil_maps=coil_maps)
    shape, coils = tuple(images.shape), tuple(coil_maps.shape)
    if images.ndim not in (3, 4) or shape[0] < 1:
        msg = (
            f"{caller}: images have the shape {shape}; want (n, height, width), or of volumes "
            f"(n, height, width, depth), at least one"
        )
        raise ValueError(msg)
    if not is_complex(xp, coil_maps):
        msg = f"{caller}: coil_maps are {coil_maps.dtype}; want complex"
        raise TypeError(msg)
    fits = coils[1:] == shape[1:] or (coils[:1] == shape[:1] and coils[2:] == shape[1:])
    if not fits or coils[-images.ndim] < 1:
        inner = ", ".join(map(str, shape[1:]))
        msg = (
            f"{caller}: coil_maps have the shape {coils}; want (coils, {inner}) or "
            f"({shape[0]}, coils, {inner}), at least one coil"
        )
        raise ValueError(msg)
