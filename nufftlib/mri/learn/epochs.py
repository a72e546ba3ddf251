"""The loop over epochs: steps on batches, validation, the best trajectory, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, NamedTuple

from array_api_compat import array_namespace

import optim
from nufftlib.core.arrays import Array
from nufftlib.mri.learn.images import ImagesObjective
from nufftlib.mri.learn.scores import ImageScore
from nufftlib.mri.learn.stages import Stage

Show = Callable[[str], None]
"""Counts a step of the progress bar, and says how far the learning is."""
Told = Callable[[int, float | None, float | None, Array], object]
"""A user's ``callback(epoch, training, validation, trajectory)``."""


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


class Epochs:
    """The loop over epochs.

    Parameters
    ----------
    call : str
        The user's call, with which messages begin.
    batches : callable
        From an epoch to the objectives of its steps.
    steps : int or None
        Steps of an epoch; None if only the batches know.
    held_out : ImagesObjective or None
        The objective of the held-out images.
    epochs : int
        Number of epochs at most.
    schedule : callable
        From a step to its learning rate.
    patience : int or None
        Epochs without a new minimum after which a stage ends.
    callback : callable or None
        The user's.
    """

    def __init__(
        self,
        call: str,
        batches: Callable[[int], Iterator[ImagesObjective]],
        steps: int | None,
        held_out: ImagesObjective | None,
        epochs: int,
        schedule: Callable[[int], float],
        patience: int | None,
        callback: Told | None,
    ) -> None:
        self.call, self.batches, self.steps, self.held_out = call, batches, steps, held_out
        self.epochs, self.patience, self.callback = epochs, patience, callback
        self.schedule = schedule
        self.course: Course | None = None
        self.state: Any = None  # of the optimiser, at the last step
        self.at = 0  # of the schedule
        self.asked = self.interrupted = self.stopped_early = False

    def run(self, parts: list[Stage], trajectory: Array, *, progress: bool) -> Course:
        """Go through the stages; raise a KeyboardInterrupt if there is no loss yet."""
        total = None if self.steps is None else self.epochs * self.steps
        with progress_bar(self.call, total) if progress else nullcontext() as show:
            try:
                for i, stage in enumerate(parts):
                    p = trajectory if self.course is None else self.course.best_of_stage.params
                    self._run_stage(stage, p, self.epochs * (i + 1) // len(parts), show)
                    if self.asked:
                        break
            except KeyboardInterrupt:
                if self.course is None or not self.course.losses:
                    raise
                self.interrupted = True
        assert self.course is not None
        return self.course

    def _run_stage(self, stage: Stage, p: Array, last: int, show: Show | None) -> None:
        """Go through the epochs of a stage, until `last` of all are completed."""
        p = stage.begin(p)
        optimizer = stage.optimizer(lambda _: self.schedule(self.at))
        self.state, self.stopped_early = optimizer.init(p), False
        begun = self._reached(stage, p, math.inf)
        if self.course is None:
            self.course = Course(begun, begun, begun, (), (begun.scores,))
            self._tell(None, begun)
        else:
            self.course = replace(self.course, best_of_stage=begun)
        while not self.asked and self.course.epochs < last:
            training, p = self._run_epoch(stage, optimizer, p, show)
            reached = self._reached(stage, p, training, after=1)
            self.course = self.course.after(training, reached)
            self._tell(training, reached)
            waited = reached.epoch - self.course.best_of_stage.epoch
            if self.patience is not None and waited >= self.patience:
                self.stopped_early = reached.epoch < last
                break

    def _run_epoch(
        self, stage: Stage, optimizer: optim.Optimizer, p: Array, show: Show | None
    ) -> tuple[float, Array]:
        """Return the mean loss of an epoch's images, and the parameters at its end."""
        assert self.course is not None
        epoch, steps = self.course.epochs, self.steps or 1
        known = f", validation {self.course.losses[-1]:.6g}" if self.held_out is not None else ""
        total, images = 0.0, 0
        for i, objective in enumerate(self.batches(epoch)):
            self.at = epoch * steps + min(i, steps - 1)
            value, gradient = stage.value_and_grad(objective, p)
            loss, xp = float(value), array_namespace(gradient)
            at = f"at step {i} of epoch {epoch + 1}"
            if not math.isfinite(loss):
                raise self._error(stage, p, f"{at} the loss is {loss}")
            if not bool(xp.all(xp.isfinite(gradient))):
                raise self._error(stage, p, f"{at} the gradient is not finite")
            p, self.state = optimizer.update(gradient, self.state, p)
            if stage.project is not None:
                p = stage.project(p)
            n = objective.images.shape[0]
            total, images = total + n * loss, images + n
            if show is not None:
                show(f"epoch {epoch + 1}, loss {total / images:.6g}{known}")
        return total / images, p

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
def progress_bar(call: str, total: int | None) -> Iterator[Show]:
    """Show a progress bar of steps; the function yielded counts one and says how far they are."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        msg = f'{call}: progress=True needs tqdm, which comes with: pip install "nufftlib[app]"'
        raise ImportError(msg) from error

    with tqdm(total=total) as bar:

        def show(text: str) -> None:
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield show
