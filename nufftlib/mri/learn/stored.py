"""Learning on images that are read where they are evaluated: here, or by workers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.core.arrays import Array, blank
from nufftlib.core.kinds import integers, out_of_range
from nufftlib.core.losses import Functional
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pool import Pool
from nufftlib.mri.learn.augment import Augmentation
from nufftlib.mri.learn.images import ImagesObjective
from nufftlib.mri.learn.objective import LossOrName, Maps
from nufftlib.mri.learn.reconstructions import Reconstruction
from nufftlib.mri.learn.scores import ImageScore
from nufftlib.nufft.operator import NUFFT

MOST = 4
"""Images of a lot: they share the density weights, and one derivative through them."""
LOTS = 16
"""Lots of a batch, at least, if it has as many images."""


@runtime_checkable
class Stored(Protocol):
    """A set of images that are read when they are asked for, as of `open_images`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of images, and the shape of each."""
        ...

    @property
    def digest(self) -> str:
        """What tells the set from another one."""
        ...

    def read(self, which: Sequence[int]) -> Any:
        """Return images by their numbers, as an array of NumPy."""
        ...


class Lot(NamedTuple):
    """Images that are evaluated together, and the random numbers of their changes and noise.

    Attributes
    ----------
    which : tuple of int
        The images, by their numbers.
    share : float
        Their part of all images of the objective.
    noise : int
        Seed of their noise.
    changes : int or None
        Seed of their augmentation, if there is any.
    """

    which: tuple[int, ...]
    share: float
    noise: int
    changes: int | None


def lots(which: Sequence[int], noise: Sequence[int], changes: Sequence[int] | None) -> list[Lot]:
    """Cut images into lots, for which the size of the set alone counts.

    Parameters
    ----------
    which : sequence of int
        The images.
    noise, changes : sequence of int
        Streams of random numbers, see `drawn`.
    """
    size = min(MOST, -(-len(which) // LOTS))
    cut = [tuple(which[i : i + size]) for i in range(0, len(which), size)]
    return [
        Lot(
            part,
            len(part) / len(which),
            drawn(*noise, i),
            None if changes is None else drawn(*changes, i),
        )
        for i, part in enumerate(cut)
    ]


def drawn(*stream: int) -> int:
    """Return the seed of a stream of random numbers."""
    return int(np.random.default_rng(stream).integers(2**63))


@dataclass(frozen=True, eq=False)
class Reader:
    """From a lot to the objective of its images: what workers have of a learning.

    Parameters
    ----------
    stored : Stored
        The images.
    coil_maps : array, shape (coils, *shape), complex
        Sensitivities of the coils that see all images; where they are, images go.
    augment : Augmentation or None
        Random changes of the images.
    nufft, maps, constants, reconstruction, loss, noise : object
        As of `ImagesObjective`.
    """

    stored: Stored
    coil_maps: Array
    augment: Augmentation | None
    nufft: NUFFT
    maps: Maps
    constants: bool
    reconstruction: str | Reconstruction
    loss: LossOrName
    noise: float

    def objective(self, lot: Lot) -> ImagesObjective:
        """Return the objective of a lot, whose images are read now."""
        xp, k = array_namespace(self.coil_maps), self.nufft.trajectory
        images = xp.asarray(
            self.stored.read(lot.which), dtype=k.dtype, device=device(self.coil_maps)
        )
        pair = images, self.coil_maps
        if self.augment is not None and lot.changes is not None:
            pair = self.augment(*pair, seed=lot.changes)
        return ImagesObjective(
            *pair,
            self.nufft,
            self.maps,
            constants=self.constants,
            reconstruction=self.reconstruction,
            loss=self.loss,
            noise=self.noise,
            seed=lot.noise,
        )


def share_of_loss(reader: Reader, lot: Lot, k: Array) -> tuple[Array, Array]:
    """Return the share of a lot in the mean loss, and in its gradient."""
    value, gradient = reader.objective(lot).value_and_grad(k)
    return lot.share * value, lot.share * gradient


def scores_of(reader: Reader, lot: Lot, k: Array) -> tuple[ImageScore, ...]:
    """Return how well each image of a lot is reconstructed."""
    return reader.objective(lot).scores(k)


def reconstructed(reader: Reader, lot: Lot, k: Array) -> Array:
    """Return the reconstructions of the images of a lot."""
    return reader.objective(lot).reconstruct(k)


class Learning:
    """What is asked of the lots, and the pool that answers.

    Parameters
    ----------
    reader : Reader
        The images and the settings; it goes to workers once.
    pool : Pool
        Who evaluates.
    """

    def __init__(self, reader: Reader, pool: Pool) -> None:
        self.reader, self.pool = reader, pool
        self.loss, self.scores, self.images = (
            partial(ask, reader) for ask in (share_of_loss, scores_of, reconstructed)
        )


@dataclass(frozen=True, eq=False, repr=False)
class StoredObjective(Map):
    """The mean loss of a trajectory over images that are read when they are needed.

    Parameters
    ----------
    learning : Learning
        Who evaluates what.
    lots : list of Lot
        The images.
    """

    learning: Learning = field(repr=False)
    lots: list[Lot]

    @property
    def count(self) -> int:
        """The number of images."""
        return sum(len(lot.which) for lot in self.lots)

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the loss and its Jacobian, the functional of its gradient."""
        value, gradient = self.learning.pool.sum(self.learning.loss, self.lots, x)
        return value, Functional(gradient)

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        return blank(x, (), complex=False)

    def scores(self, k: Array) -> tuple[ImageScore, ...]:
        """Return how well each image is reconstructed at ``k``."""
        found = self.learning.pool.map(self.learning.scores, self.lots, k)
        return tuple(score for part in found for score in part)

    def reconstruct(self, k: Array, which: Sequence[int] | None = None) -> Array:
        """Return the reconstructions at ``k``, as `ImagesObjective` does; of each its whole lot."""
        call, wish = "StoredObjective.reconstruct", f"places of its {self.count} images from 0 on"
        places: Sequence[int] = range(self.count)
        if which is not None:
            places = integers(call, "which", which, wish)
            if not places or not set(places) <= set(range(self.count)):
                raise out_of_range(call, "which", which, wish)
        size = len(self.lots[0].which)
        asked = sorted({place // size for place in places})
        found = self.learning.pool.map(self.learning.images, [self.lots[i] for i in asked], k)
        by_lot = dict(zip(asked, found, strict=True))
        each = [by_lot[place // size][place % size, ...] for place in places]
        return array_namespace(each[0]).stack(each)


class StoredBatches:
    """Batches of a stored set, in another order in each epoch.

    Parameters
    ----------
    learning : Learning
        Who evaluates.
    which : ndarray of int
        The images to learn from.
    size : int
        Images of a batch.
    order, noise, changes : tuple of int
        Streams of random numbers.
    """

    def __init__(
        self,
        learning: Learning,
        which: Any,
        size: int,
        order: tuple[int, ...],
        noise: tuple[int, ...],
        changes: tuple[int, ...],
    ) -> None:
        self.learning, self.which, self.size = learning, which, size
        self.order, self.noise, self.changes = order, noise, changes

    def __len__(self) -> int:
        """The batches of an epoch."""
        return math.ceil(len(self.which) / self.size)

    def objectives(self, epoch: int, done: int) -> Iterator[StoredObjective]:
        """Yield the objectives of the batches of an epoch, without the first `done`."""
        order = np.random.default_rng((*self.order, epoch)).permutation(self.which)
        for i in range(done, len(self)):
            part = order[i * self.size : (i + 1) * self.size].tolist()
            cut = lots(part, (*self.noise, epoch, i), (*self.changes, epoch, i))
            yield StoredObjective(self.learning, cut)
