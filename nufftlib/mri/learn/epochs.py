"""The loop over epochs: steps on batches, validation, the best trajectory, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, NamedTuple, Protocol

from array_api_compat import array_namespace

import optim
from nufftlib.core.arrays import Array
from nufftlib.core.extras import install
from nufftlib.mri.learn.scores import ImageScore
from nufftlib.mri.learn.stages import Stage

Show = Callable[[str, int], None]
"""Says how far the learning is, and counts so many steps of the progress bar."""
Told = Callable[[int, float | None, float | None, Array], object]
"""A user's ``callback(epoch, training, validation, trajectory)``."""


class Objective(Protocol):
    """A mean loss of images, as `ImagesObjective` and `StoredObjective` are."""

    @property
    def count(self) -> int:
        """The number of images."""
        ...

    def scores(self, k: Array) -> tuple[ImageScore, ...]:
        """Return how well each image is reconstructed."""
        ...


Batches = Callable[[int, int], Iterator[Any]]
"""From an epoch, and how many of its batches are left out, to the objectives of its steps."""


class Reached(NamedTuple):
    """A trajectory at the start, or at the end of an epoch."""

    epoch: int
    params: Array
    trajectory: Array
    scores: tuple[ImageScore, ...]
    """Of the held-out images."""
    loss: float
    """By which the best is chosen; infinite at the start without held-out images."""


@dataclass(frozen=True)
class Course:
    """What the epochs have come to. An interrupt finds the one before an epoch or that after it.

    Parameters
    ----------
    start, best : Reached
        The first trajectory, and the one of the lowest loss.
    best_of_stage : Reached
        The one of the lowest loss since the stage began.
    training : tuple of float
        Mean loss of each epoch.
    validation : tuple of tuple of ImageScore
        Scores of the held-out images at the start and after each epoch.
    """

    start: Reached
    best: Reached
    best_of_stage: Reached
    training: tuple[float, ...]
    validation: tuple[tuple[ImageScore, ...], ...]

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.training)

    @property
    def losses(self) -> list[float]:
        """The losses by which the best is chosen."""
        return mean_losses(self.validation) if self.start.scores else [*self.training]

    def after(self, training: float, reached: Reached) -> Course:
        """Return the course with one epoch more."""
        return Course(
            self.start,
            min(self.best, reached, key=loss_of),
            min(self.best_of_stage, reached, key=loss_of),
            (*self.training, training),
            (*self.validation, reached.scores),
        )


def loss_of(reached: Reached) -> float:
    """Return the loss by which the best is chosen; of equal ones `min` takes the first."""
    return reached.loss


def mean_losses(validation: Iterable[tuple[ImageScore, ...]]) -> list[float]:
    """Return the mean loss of the held-out images at each time."""
    return [fmean(score.loss for score in scores) for scores in validation if scores]


class Place(NamedTuple):
    """Where the loop is: all that the next step needs, and what a checkpoint saves."""

    stage: int
    params: Array
    state: Any
    """Of the optimiser."""
    batch: int
    """How many of the epoch are done."""
    total: float
    """Sum of the losses of their images."""
    images: int
    course: Course


class Epochs:
    """The loop over epochs.

    Parameters
    ----------
    call : str
        The user's call, with which messages begin.
    batches : callable
        From an epoch, and how many of its batches are left out, to the objectives of its steps.
    steps : int or None
        Steps of an epoch; None if only the batches know.
    held_out : Objective or None
        The objective of the held-out images.
    epochs : int
        Number of epochs at most.
    schedule : callable
        From a step to its learning rate.
    patience : int or None
        Epochs without a new minimum after which a stage ends.
    callback : callable or None
        The user's.
    checkpoint : Checkpoint or None
        What saves the place.
    place : Place or None
        Where to go on; None: at the start.
    """

    def __init__(
        self,
        call: str,
        batches: Batches,
        steps: int | None,
        held_out: Objective | None,
        epochs: int,
        schedule: Callable[[int], float],
        patience: int | None,
        callback: Told | None,
        checkpoint: optim.Checkpoint | None,
        place: Place | None,
    ) -> None:
        self.call, self.batches, self.steps, self.held_out = call, batches, steps, held_out
        self.epochs, self.patience, self.callback = epochs, patience, callback
        self.schedule = schedule
        self.checkpoint, self.place = checkpoint, place
        self.at = 0  # of the schedule
        self.asked = self.interrupted = self.stopped_early = False

    @property
    def course(self) -> Course | None:
        """What the epochs have come to, if there is anything yet."""
        return None if self.place is None else self.place.course

    @property
    def state(self) -> Any:
        """The optimiser's state at the last step."""
        return None if self.place is None else self.place.state

    def run(self, parts: list[Stage], trajectory: Array, *, progress: bool) -> Course:
        """Go through the stages; raise a KeyboardInterrupt if there is no loss yet."""
        with self._progress_bar() if progress else nullcontext() as show:
            try:
                resumed = None if self.place is None else self.place.stage
                for i, stage in enumerate(parts):
                    if resumed is None or i > resumed:
                        self._begin(i, stage, trajectory)
                    if resumed is None or i >= resumed:
                        self._run_stage(stage, self.epochs * (i + 1) // len(parts), show)
                    if self.asked:
                        break
            except KeyboardInterrupt:
                if self.course is None or not self.course.losses:
                    raise
                self.interrupted = True
            finally:
                if self.checkpoint is not None:
                    self.checkpoint.flush()
        assert self.course is not None
        return self.course

    def _begin(self, number: int, stage: Stage, trajectory: Array) -> None:
        """Begin a stage, from the best of the one before."""
        p = stage.begin(trajectory if self.course is None else self.course.best_of_stage.params)
        begun = self._reached(stage, p, math.inf)
        course = Course(begun, begun, begun, (), (begun.scores,))
        if self.course is not None:
            course = replace(self.course, best_of_stage=begun)
        first = self.place is None
        self.place = Place(number, p, self._optimizer(stage).init(p), 0, 0.0, 0, course)
        if first:
            self._tell(None, begun)
        self._save()

    def _run_stage(self, stage: Stage, last: int, show: Show | None) -> None:
        """Go through the epochs of a stage, until `last` of all are completed."""
        self.stopped_early = False
        while not self.asked and not self._over(last):
            training = self._run_epoch(stage, show)
            assert self.place is not None
            reached = self._reached(stage, self.place.params, training, after=1)
            course = self.place.course.after(training, reached)
            self.place = self.place._replace(batch=0, total=0.0, images=0, course=course)
            if show is not None:
                show(self._said(course.epochs, training), 0)
            self._tell(training, reached)
            self._save()
        self.stopped_early = self._waited() and not self._complete(last)

    def _over(self, last: int) -> bool:
        """Tell whether a stage is over."""
        return self._complete(last) or self._waited()

    def _complete(self, last: int) -> bool:
        """Tell whether `last` epochs are completed."""
        assert self.course is not None
        return self.course.epochs >= last

    def _waited(self) -> bool:
        """Tell whether patience is at an end."""
        assert self.course is not None
        waited = self.course.epochs - self.course.best_of_stage.epoch
        return self.patience is not None and waited >= self.patience

    def _optimizer(self, stage: Stage) -> optim.Optimizer:
        """Return the optimiser of a stage, of which `at` says the rate."""
        return stage.optimizer(lambda _: self.schedule(self.at))

    def _run_epoch(self, stage: Stage, show: Show | None) -> float:
        """Go through the batches that are left of an epoch; return its images' mean loss."""
        assert self.place is not None
        epoch, steps = self.place.course.epochs, self.steps or 1
        optimizer = self._optimizer(stage)
        done = self.place.batch
        for i, objective in enumerate(self.batches(epoch, done), done):
            self.at = epoch * steps + min(i, steps - 1)
            p = self.place.params
            value, gradient = stage.value_and_grad(objective, p)
            loss, xp = float(value), array_namespace(gradient)
            at = f"at step {i} of epoch {epoch + 1}"
            if not math.isfinite(loss):
                raise self._error(stage, p, f"{at} the loss is {loss}")
            if not bool(xp.all(xp.isfinite(gradient))):
                raise self._error(stage, p, f"{at} the gradient is not finite")
            p, state = optimizer.update(gradient, self.place.state, p)
            if stage.project is not None:
                p = stage.project(p)
            n = objective.count
            total, images = self.place.total + n * loss, self.place.images + n
            self.place = self.place._replace(
                params=p, state=state, batch=i + 1, total=total, images=images
            )
            self._save()
            if show is not None:
                show(self._said(epoch + 1, total / images), 1)
        return self.place.total / self.place.images

    def _said(self, epoch: int, training: float) -> str:
        """Say how far the learning is, with the loss of the held-out images known last."""
        assert self.course is not None
        known = "" if self.held_out is None else f", validation {self.course.losses[-1]:.6g}"
        return f"epoch {epoch}, loss {training:.6g}{known}"

    def _save(self) -> None:
        """Let the checkpoint have the place."""
        if self.checkpoint is not None:
            self.checkpoint.save(self.place)

    def _reached(self, stage: Stage, p: Array, training: float, after: int = 0) -> Reached:
        """Return where an epoch has ended, or a stage begins, and validate it."""
        epoch = after + (self.course.epochs if self.course else 0)
        if self.held_out is None:
            return Reached(epoch, p, stage.trajectory(p), (), training)
        scores = self.held_out.scores(stage.sampled(p))
        loss = fmean(score.loss for score in scores)
        if not math.isfinite(loss):
            raise self._error(stage, p, f"after epoch {epoch} the validation loss is {loss}")
        return Reached(epoch, p, stage.trajectory(p), scores, loss)

    def _tell(self, training: float | None, reached: Reached) -> None:
        """Tell the callback, which may ask for the end."""
        if self.callback is not None:
            validation = reached.loss if reached.scores else None
            self.asked = bool(
                self.callback(reached.epoch, training, validation, reached.trajectory)
            )

    def _error(self, stage: Stage, p: Array, fault: str) -> optim.NonFiniteError:
        """Return the error of a loss or gradient, with the trajectories so far."""
        best = self.course.best if self.course else Reached(0, p, stage.trajectory(p), (), math.inf)
        result = optim.Result(
            params=stage.trajectory(p),
            history=self.course.losses if self.course else [],
            state=self.state,
            best_params=best.trajectory,
            best_value=best.loss,
            steps=self.course.epochs if self.course else 0,
            interrupted=False,
            converged=False,
        )
        return optim.NonFiniteError(f"{self.call}: {fault}; want finite values", result)

    @contextmanager
    def _progress_bar(self) -> Iterator[Show]:
        """Show a progress bar of steps; what is yielded counts some and says how far they are."""
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            msg = (
                f"{self.call}: progress=True needs tqdm, which in a clone of nufftlib "
                f"comes with: {install('app')}"
            )
            raise ImportError(msg) from error

        steps, place = self.steps or 0, self.place
        done = 0 if place is None else place.course.epochs * steps + place.batch
        with tqdm(total=self.epochs * steps or None, initial=done) as bar:

            def show(text: str, steps: int) -> None:
                bar.set_postfix_str(text, refresh=not steps)
                bar.update(steps)

            yield show
