"""Headline job 1 on a set of images: minibatches, and held-out images by which to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import optim
from nufftlib.core.arrays import Array, common_namespace, is_complex
from nufftlib.core.kinds import (
    class_of,
    flag,
    instance,
    integer,
    integers,
    is_array,
    not_negative,
    number,
    optional_function,
    out_of_range,
)
from nufftlib.core.notebook import samples
from nufftlib.core.pool import Pool, pool_or_here
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed
from nufftlib.mri.learn.augment import Augmentation
from nufftlib.mri.learn.epochs import Batches, Epochs, Told, mean_losses
from nufftlib.mri.learn.images import ImagesObjective, Shuffled, check_images, taken
from nufftlib.mri.learn.learn import Rate, check_start, control_sizes, rate_schedule
from nufftlib.mri.learn.objective import LossOrName, Maps
from nufftlib.mri.learn.reconstructions import Reconstruction
from nufftlib.mri.learn.scores import ImageScore
from nufftlib.mri.learn.stages import Fixed, certificate_of, stages
from nufftlib.mri.learn.stored import (
    Learning,
    Reader,
    Stored,
    StoredBatches,
    StoredObjective,
    drawn,
    lots,
)
from nufftlib.mri.scanner.curve import receiver
from nufftlib.mri.scanner.projection import Certificate
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.nufft.operator import NUFFT

Pair = tuple[Array, Array]
"""Images, and the maps of the coils that see them."""
Source = Callable[[int], Iterable[Pair]]
"""From an epoch, counted from 0, to its batches."""

SPLIT, ORDER, CHANGES, NOISE, HELD_OUT = range(5)
"""Streams of random numbers that one seed gives."""


@dataclass(frozen=True, eq=False, repr=False)
class LearnedOnImages(Run):
    """The result of `learn_on_images`.

    Parameters
    ----------
    losses : list of float
        The losses by which the best epoch is chosen: `validation`, or without held-out images
        `training`.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    trajectory, trajectory_start : array
        The trajectory of the best epoch, and the one before the first step.
    training : list of float
        The mean loss of each epoch: of its images, each at the trajectory of its step.
    validation : list of float
        The mean loss of the held-out images at the start and after each epoch; empty if there
        are none.
    validation_worst : list of float
        The largest loss of a held-out image at the start and after each epoch.
    best_epoch : int
        The number of epochs that led to `trajectory`.
    stopped_early : bool
        Whether patience ended the loop.
    scores, scores_start : tuple of ImageScore
        How well each held-out image is reconstructed with the two trajectories.
    held_out : ImagesObjective or StoredObjective or None
        The objective of the held-out images, which has them; of stored ones it reads them, while
        their pool is there.
    protocol : Protocol or None
        The limits within which all trajectories of the course lie, if there are any.
    certificate : Certificate or None
        Of the last projection onto them, with the violation of the best trajectory.
    """

    trajectory: Array
    trajectory_start: Array
    training: list[float]
    validation: list[float]
    validation_worst: list[float]
    best_epoch: int
    stopped_early: bool
    scores: tuple[ImageScore, ...]
    scores_start: tuple[ImageScore, ...]
    held_out: ImagesObjective | StoredObjective | None
    protocol: Protocol | None = None
    certificate: Certificate | None = None

    thumbnails = (
        ("trajectory_start", samples),
        ("trajectory", samples),
    )

    @property
    def steps(self) -> int:
        """Number of completed epochs."""
        return len(self.training)

    @property
    def step_best(self) -> int:
        """After how many epochs the lowest loss was found."""
        return self.best_epoch

    def reconstruct(self, trajectory: Array, which: Sequence[int] | None = None) -> Array:
        """Return the reconstructions of the held-out images with a trajectory.

        Parameters
        ----------
        trajectory : array, real
            As `trajectory`, of which the receiver samples what the protocol says.
        which : sequence of int, optional
            The held-out images to reconstruct, by their places from 0; by default all.

        Returns
        -------
        array, shape (n, *shape), real
            Magnitudes, each scaled to the mean of its image; `held_out.images` has the images.

        Raises
        ------
        ValueError
            If no images were held out.
        """
        if self.held_out is None:
            msg = (
                "LearnedOnImages.reconstruct(trajectory): no images were held out; want them, or "
                "ImagesObjective(images, ...).reconstruct(k)"
            )
            raise ValueError(msg)
        return self.held_out.reconstruct(sampled(trajectory, self.protocol), which)


def learn_on_images(
    images: Array | Source | Stored,
    coil_maps: Array | None,
    trajectory: Array,
    *,
    validation: Array | Pair | float | None = None,
    maps: Maps = "estimated",
    reconstruction: str | Reconstruction = "adjoint",
    loss: LossOrName = "mse",
    constants: bool = False,
    epochs: int = 10,
    batch: int = 4,
    seed: int = 0,
    augment: Augmentation | None = None,
    patience: int | None = None,
    learning_rate: Rate = (1e-3, 1e-4),
    noise: float = 0.0,
    eps: float = 1e-4,
    engine: str = "auto",
    protocol: Protocol | None = None,
    fixed: Fixed | None = None,
    control_points: int | tuple[int, ...] | None = None,
    callback: Told | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
    pool: Pool | None = None,
) -> LearnedOnImages:
    """Learn the trajectory at which the images of a set are reconstructed best, in the mean.

    Adam on minibatches, with a rate that falls linearly, unless a schedule is given. The set is
    shuffled in each epoch. After each step the points are clipped to [-1/2, 1/2], or, with a
    protocol, the trajectory is projected onto the limits of the scanner: all trajectories of the
    course can be played.

    Images that are held out take no part in the steps. Their mean loss, at the start and after
    each epoch, chooses the trajectory that is returned, and ends the learning when it falls no
    more. Without them the mean loss of the epoch chooses.

    Parameters
    ----------
    images : array, shape (n, *shape), StoredImages, or callable
        Images, or volumes, to be sampled; real with a positive mean, or complex. A callable gives
        the batches: ``images(epoch)``, from 0, yields pairs ``(images, coil_maps)`` of such
        arrays. Of the epoch 0 the first batch is asked for once more, before the learning. Images
        of `workflows.open_images` stay in their files, and are read where they are evaluated.
    coil_maps : array, shape (coils, *shape) or (n, coils, *shape), complex, or None
        Sensitivities of the coils that see all images, or each its own; None if `images` is
        callable. Of stored images the same for all.
    trajectory : array, shape (..., d), real
        Where to start, as in `learn_trajectory`.
    validation : array, tuple of array, or float, optional
        Images to hold out: images, which the same coils see; a pair of images and coil maps; or a
        part of `images`, between 0 and 1, which the seed draws. Of stored images such a part, or
        numbers of the images: a sequence of integers.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction, see `TrajectoryObjective`.
    reconstruction : str or Reconstruction
        The recipe that makes the images, see `TrajectoryObjective`.
    loss : str or callable
        The loss of an image, see `TrajectoryObjective`.
    constants : bool
        Whether the gradient holds the density weights and the estimated maps constant.
    epochs : int
        How often each image is seen, at most.
    batch : int
        Images of a step; the last step of an epoch has what is left. A callable decides itself.
    seed : int
        Seed of the order, of what is held out, of augmentation and noise.
    augment : Augmentation, optional
        Random changes of the images that are learned from, other ones in each step.
    patience : int, optional
        The learning ends when the validation loss had no new minimum for so many epochs; with
        several numbers of control points, the learning of one of them, whose epochs the next ones
        get.
    learning_rate : tuple of float or callable
        Rate of the first step and after the last one, in cycles per voxel; or a schedule
        ``step -> rate``, where the steps of all epochs count from 0. If `images` is a callable,
        the rate is the same in all steps of an epoch, and the schedule counts epochs.
    noise : float
        Standard deviation of the noise, see `ImagesObjective`: new in each step, and the same in
        each validation.
    eps : float
        Accuracy of the transforms.
    engine : str
        Engine of the transforms, see `NUFFT`.
    protocol, fixed, control_points : optional
        The limits of a scanner, and what is learned within them, see `learn_trajectory`. Several
        numbers of control points have equal parts of the epochs.
    callback : callable, optional
        ``callback(epoch, training, validation, trajectory)`` with the two mean losses, at the
        start, where `epoch` is 0 and `training` None, and after each epoch; without held-out
        images `validation` is None. A true value stops the loop.
    progress : bool
        Whether to show a progress bar with the losses.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, in the middle
        of an epoch as well, see `optim.Checkpoint`.
    pool : Workers, optional
        Who evaluates stored images, such as what `interop.dask.connect` yields; by default this
        process. The result is the same to the last bit.

    Returns
    -------
    LearnedOnImages
        After Ctrl-C, the result of the epochs done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one library and one precision, or a setting is of the wrong kind.
    ValueError
        If the shapes do not fit, an array is not finite, the trajectory starts outside of
        [-1/2, 1/2], or fixed samples cannot be joined within the limits.
    NonFiniteError
        If a loss or a gradient is NaN or infinite. Has the epochs before it as `result`, a
        `Result` of `optim`.
    KeyboardInterrupt
        If Ctrl-C comes before the first validation, or without one before the end of the first
        epoch.

    Notes
    -----
    A step holds its batch, and the arrays of one image's evaluation. A set that does not fit into
    memory stays in its files, or is read by a callable. Of stored images a process holds four.

    Slices of one volume are alike where they are near. Held-out images say little if their
    neighbours were learned from: hold out other subjects, or slices with a gap.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> images = np.stack([image, image[::-1], image.T, image.T[::-1]])
    >>> result = workflows.learn_on_images(
    ...     images,
    ...     nl.mri.birdcage_maps(4, image.shape),
    ...     nl.mri.trajectories.radial(8, 64),
    ...     validation=0.25,
    ...     maps="ones",
    ...     epochs=2,
    ...     batch=2,
    ... )
    >>> len(result.training), len(result.validation), len(result.scores)
    (2, 3, 1)
    >>> result.validation[-1] < result.validation[0]
    True
    """
    call = "learn_on_images"
    epochs = integer(call, "epochs", epochs, least=0)
    seed = integer(call, "seed", seed, least=0)
    noise = not_negative(call, "noise", noise)
    batch = integer(call, "batch", batch, least=1)
    if patience is not None:
        patience = integer(call, "patience", patience, least=1)
        if validation is None:
            msg = f"{call}(patience): patience is {patience} without validation; want both"
            raise ValueError(msg)
    if augment is not None:
        instance(call, "augment", augment, Augmentation, "an Augmentation or None")
    optional_function(call, "callback", callback)
    progress = flag(call, "progress", progress)
    xp = common_namespace(f"{call}(trajectory)", trajectory=trajectory)
    check_start(xp, call, trajectory)
    stored = images if isinstance(images, Stored) and not is_array(images) else None
    there = pool_or_here(call, pool)
    if pool is not None and stored is None:
        msg = f"{call}(pool): a pool is given with {class_of(images)}; want images of open_images"
        raise ValueError(msg)
    if stored is not None:
        parts, shape = numbered_split(call, stored, coil_maps, validation, seed), stored.shape[1:]
    else:
        source, held_out, shape = split(call, images, coil_maps, validation, batch, seed)
    points = control_sizes(call, trajectory, shape, protocol, fixed, control_points)
    samples = trajectory.shape[-2] if protocol is not None else 0
    nufft = NUFFT(sampled(trajectory, protocol), shape, eps=eps, engine=engine)

    def objective_of(pair: Pair, *stream: int) -> ImagesObjective:
        return ImagesObjective(
            *pair,
            nufft,
            maps,
            constants=constants,
            reconstruction=reconstruction,
            loss=loss,
            noise=noise,
            seed=drawn(seed, *stream),
        )

    def batches(epoch: int, done: int) -> Iterator[ImagesObjective]:
        for i, pair in enumerate(checked(call, epoch, source(epoch))):
            if i < done:
                continue
            if augment is not None:
                pair = augment(*pair, seed=drawn(seed, CHANGES, epoch, i))
            yield objective_of(pair, NOISE, epoch, i)

    judged: ImagesObjective | StoredObjective | None
    if stored is not None:
        reader = Reader(
            stored, coil_maps, augment, nufft, maps, constants, reconstruction, loss, noise
        )
        learning = Learning(reader, there)
        streams = ((seed, kind) for kind in (ORDER, NOISE, CHANGES))
        shuffled = StoredBatches(learning, parts[0], batch, *streams)
        reader.objective(lots(parts[0][:1], (seed, NOISE), None)[0])  # rather now than later
        of_epoch: int | None = len(shuffled)
        steps: Batches = shuffled.objectives
        judged = (
            StoredObjective(learning, lots(parts[1], (seed, HELD_OUT), None)) if parts[1] else None
        )
    else:
        if not callable(images):  # rather now than in the middle of an epoch
            objective_of((images, coil_maps), NOISE)
        of_epoch = len(source) if isinstance(source, Shuffled) else None
        steps = batches
        judged = None if held_out is None else objective_of(held_out, HELD_OUT)
    settings = {
        "images": images if stored is None or checkpoint is None else stored.digest,
        "coil_maps": coil_maps,
        "trajectory": trajectory,
        "validation": validation,
        "maps": maps,
        "constants": constants,
        "reconstruction": reconstruction,
        "loss": loss,
        "epochs": epochs,
        "batch": batch,
        "seed": seed,
        "noise": noise,
        "augment": augment,
        "patience": patience,
        "learning_rate": learning_rate,
        "eps": eps,
        "engine": engine,
        "protocol": protocol,
        "fixed": fixed,
        "control_points": points,
    }
    place = begun(call, checkpoint, settings, trajectory)
    loop = Epochs(
        call,
        steps,
        of_epoch,
        judged,
        epochs,
        rate_schedule(call, learning_rate, epochs * (of_epoch or 1)),
        patience,
        callback,
        checkpoint,
        place,
    )
    since = time.perf_counter()
    course = loop.run(stages(samples, protocol, fixed, points), trajectory, progress=progress)
    seconds = elapsed(checkpoint, since)
    return LearnedOnImages(
        trajectory=course.best.trajectory,
        trajectory_start=course.start.trajectory,
        losses=course.losses,
        seconds=seconds,
        interrupted=loop.interrupted,
        training=[*course.training],
        validation=mean_losses(course.validation),
        validation_worst=[
            max(one.loss for one in scores) for scores in course.validation if scores
        ],
        best_epoch=course.best.epoch,
        stopped_early=loop.stopped_early,
        scores=course.best.scores,
        scores_start=course.start.scores,
        held_out=judged,
        protocol=protocol,
        certificate=certificate_of(course.best.trajectory, protocol, loop.state),
    )


def sampled(k: Array, protocol: Protocol | None) -> Array:
    """Return the points of a trajectory that are sampled: with a protocol, by its receiver."""
    return k if protocol is None else receiver(protocol, k.shape[-2]).apply(k)


def split(
    call: str,
    images: Any,
    coil_maps: Array | None,
    validation: Array | Pair | float | None,
    batch: int,
    seed: int,
) -> tuple[Source, Pair | None, tuple[int, ...]]:
    """Return the batches, the images that are held out, and the shape of an image."""
    if not is_array(images) and callable(images):
        if coil_maps is not None:
            msg = (
                f"{call}(images, coil_maps): images is a callable, whose batches have maps, and "
                f"coil_maps are given; want None"
            )
            raise ValueError(msg)
        held_out = held_out_pair(call, coil_maps, validation)
        if isinstance(held_out, float):
            msg = f"{call}(validation): a part, {held_out:g}, of a callable; want images and maps"
            raise ValueError(msg)
        first, _ = next(checked(call, 0, images(0)))
        return images, held_out, tuple(first.shape[1:])
    check_images(f"{call}(images, coil_maps)", images, coil_maps)
    held_out = held_out_pair(call, coil_maps, validation)
    shape = tuple(images.shape[1:])
    if isinstance(held_out, float):
        n = images.shape[0]
        count = held_out_count(call, held_out, n)
        order = np.random.default_rng((seed, SPLIT)).permutation(n)
        held_out, (images, coil_maps) = (
            taken(images, coil_maps, np.sort(part)) for part in (order[:count], order[count:])
        )
    return Shuffled(images, coil_maps, batch, drawn(seed, ORDER)), held_out, shape


def numbered_split(
    call: str, images: Stored, coil_maps: Any, validation: Any, seed: int
) -> tuple[list[int], list[int]]:
    """Return the numbers of stored images to learn from, and of those to hold out."""
    n, shape = images.shape[0], images.shape[1:]
    xp = common_namespace(f"{call}(coil_maps)", coil_maps=coil_maps)
    if not is_complex(xp, coil_maps) or tuple(coil_maps.shape[1:]) != shape:
        msg = (
            f"{call}(coil_maps): coil_maps are {coil_maps.dtype} of shape "
            f"{tuple(coil_maps.shape)}; want complex of shape "
            f"(coils, {', '.join(map(str, shape))}), as stored images are"
        )
        raise ValueError(msg)
    wish = "a part, or numbers of the images, which are stored"
    if validation is None:
        held_out: list[int] = []
    elif isinstance(validation, Sequence) or is_array(validation):
        held_out = [*integers(call, "validation", validation, wish)]
        if not {*held_out} < {*range(n)}:
            raise out_of_range(call, "validation", validation, f"some of {n} numbers from 0")
    else:
        part = number(call, "validation", validation, wish)
        if not 0 < part < 1:
            raise out_of_range(call, "validation", part, "a part between 0 and 1")
        count = held_out_count(call, part, n)
        order = np.random.default_rng((seed, SPLIT)).permutation(n)
        held_out = sorted(order[:count].tolist())
    return sorted({*range(n)} - {*held_out}), held_out


def held_out_count(call: str, part: float, n: int) -> int:
    """Return how many of `n` images a part is, at least one."""
    count = max(1, round(part * n))
    if count >= n:
        msg = (
            f"{call}(validation): {part:g} of {n} images are {count}; want one or more "
            f"to learn from"
        )
        raise ValueError(msg)
    return count


def held_out_pair(call: str, coil_maps: Array | None, validation: Any) -> Pair | float | None:
    """Return the images to hold out with their maps, or the part of those that are learned."""
    if validation is None:
        return None
    if isinstance(validation, tuple | list) and len(validation) == 2:
        held_out = validation[0], validation[1]
    elif is_array(validation) and validation.ndim > 0:
        held_out = validation, coil_maps
    else:
        wish = "images, a pair of images and coil maps, or a part"
        part = number(call, "validation", validation, wish)
        if not 0 < part < 1:
            raise out_of_range(call, "validation", part, "a part between 0 and 1")
        return part
    check_images(f"{call}(validation)", *held_out)
    return held_out


def checked(call: str, epoch: int, batches: Iterable[Pair]) -> Iterator[Pair]:
    """Yield the batches of an epoch; refuse what are none."""
    found = 0
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            msg = (
                f"{call}(images): a batch of epoch {epoch} is {class_of(batch)}; "
                f"want a pair of images and coil maps"
            )
            raise TypeError(msg)
        check_images(f"{call}(images)", *batch)
        found += 1
        yield batch[0], batch[1]
    if not found:
        msg = f"{call}(images): epoch {epoch} has no batch; want one or more"
        raise ValueError(msg)
