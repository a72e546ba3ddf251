"""Checkpoints of the commands that run long: their options, and which run a checkpoint is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

import optim
from nufftlib.cli.files import CHECKPOINT, ResultFolder
from nufftlib.cli.jobs import Command, Options, Real, together
from nufftlib.core.arrays import Array

EVERY = 60.0
OF_NO_RUN = {"out", "no_figures", "force", "checkpoint_every", "resume", "cluster", "workers"}
"""Options that change nothing of the arrays of a result."""


def options_of_checkpoints() -> Callable[[Command], Command]:
    """Add the options of `LongOptions`."""
    return together(
        [
            click.option(
                "--checkpoint-every",
                type=Real(min=0),
                default=EVERY,
                show_default=True,
                metavar="SECONDS",
                help=f"Save the whole state as {CHECKPOINT} in the folder of the result, so often "
                "and when a signal ends the steps; 0: after each step.",
            ),
            click.option(
                "--resume",
                is_flag=True,
                help="Go on from the checkpoint in the folder of the result, with the options of "
                "then; the result is the same to the last bit as of a run that was never ended.",
            ),
        ]
    )


@dataclass(frozen=True)
class LongOptions(Options):
    """The options of a command that runs long.

    Parameters
    ----------
    checkpoint_every : float
        Seconds between two checkpoints.
    resume : bool
        Whether to go on from a checkpoint.
    """

    checkpoint_every: float
    resume: bool

    def checkpoint(
        self,
        ctx: click.Context,
        folder: ResultFolder,
        like: Array,
        contents: Mapping[str, Any],
        kept: dict[str, Any] | None = None,
    ) -> optim.Checkpoint:
        """Return the checkpoint of the job, which has begun.

        Parameters
        ----------
        ctx : click.Context
            Context of the command, whose options the checkpoint is compared with.
        folder : ResultFolder
            The folder of the result, claimed.
        like : array
            Of the library and on the device of the arrays of the run.
        contents : mapping of str to arrays
            What was read from files, by its name in messages.
        kept : dict, optional
            What the job's callback keeps.
        """
        given = {
            param.opts[0]: ctx.params[param.name]
            for param in ctx.command.params
            if param.name in ctx.params
            and param.name not in OF_NO_RUN
            and not isinstance(param.type, click.Path)  # what is in the file counts
            and ctx.params[param.name] is not None
        }
        with said_of_resume():
            checkpoint = optim.Checkpoint(
                folder.path / CHECKPOINT, self.checkpoint_every, resume=self.resume, kept=kept
            )
            checkpoint.begin(str(ctx.command.name), {**given, **contents}, like)
        return checkpoint


@contextmanager
def said_of_resume() -> Iterator[None]:
    """Say what is wrong with a checkpoint in the words of the command."""
    try:
        yield
    except optim.CheckpointError as error:
        _, _, said = str(error).partition(": ")
        msg = f"--resume: {said}"
        raise click.ClickException(msg) from error
