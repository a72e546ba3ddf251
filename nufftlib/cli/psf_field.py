"""``calibrate-psf --grid``: PSFs that vary over the field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np

import optim
from nufftlib import workflows
from nufftlib.cli.checkpoints import LongOptions
from nufftlib.cli.devices import Device
from nufftlib.cli.files import ARRAYS, FIGURE, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Options,
    arrays_file,
    finish,
    format_losses,
    format_speed,
    json_file,
    outcome,
    report,
    root_mean_square,
    versions,
    write,
)
from nufftlib.cli.pairs import Pairs
from nufftlib.core.arrays import Array
from nufftlib.core.run import count

STEPS = 300
"""Steps by default."""
TOO_COARSE = 1.08
"""A residual of so many times the noise is no noise alone."""


@dataclass(frozen=True)
class Grid:
    """The options of a grid.

    Parameters
    ----------
    nodes : tuple of int
        Rows and columns.
    boundary : str
        Boundary of the blur.
    tolerance : float
        The norm of the projected gradient that ends the steps.
    """

    nodes: tuple[int, int]
    boundary: str
    tolerance: float


@dataclass(frozen=True)
class Field:
    """The result on the host, and its origin.

    Parameters
    ----------
    settings : Options
        The options of all jobs.
    grid : Grid
        Those of the grid.
    device : Device
        Where it was computed.
    pairs : Pairs
        The pair, on the device.
    result : CalibratedField
        The result.
    """

    settings: Options
    grid: Grid
    device: Device
    pairs: Pairs
    result: workflows.CalibratedField

    @property
    def residual(self) -> float:
        """The root mean square of the residual."""
        return root_mean_square(self.result.residual)


def check_grid(pairs: int, given: set[str]) -> None:
    """Refuse options that have no meaning with a grid."""
    if pairs != 1:
        msg = "--grid: want one pair of your own, by --sharp and --blurred"
        raise click.UsageError(msg)
    if odd := given & {"method", "path", "psf_format"}:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in sorted(odd))
        msg = f"--grid has one method and one kind of file; leave {names} out"
        raise click.UsageError(msg)


def run(
    settings: Options,
    grid: Grid,
    device: Device,
    pairs: Pairs,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
) -> Field:
    """Run the steps, with a progress bar."""
    steps = settings.steps or STEPS
    rows, columns = grid.nodes
    title = f"{rows} x {columns} PSFs of {pairs.size[0]} x {pairs.size[1]} pixels"
    click.echo(f"Calibrating on the {device.title}: {title}, {count(steps)}", err=True)

    def done(step: int, _loss: float, _psfs: Array) -> None:
        interrupts.step_done(last=step == steps)

    result = workflows.calibrate_field(
        pairs.sharp[0],
        pairs.blurred[0],
        grid=grid.nodes,
        size=(pairs.size[0], pairs.size[1]),
        boundary=grid.boundary,
        steps=steps,
        tolerance=grid.tolerance,
        callback=done,
        progress=True,
        checkpoint=checkpoint.part("field"),
    )
    interrupts.hold()
    return Field(settings, grid, device, pairs, device.fetch(result))


def files_of(done: Field) -> dict[str, Writer]:
    """Return writers of the files by name."""
    r = done.result
    return {
        ARRAYS: arrays_file(
            psf=r.psfs,
            psf_single=r.single,
            **done.pairs.named(done.device),
            residual=r.residual,
            losses=np.asarray(r.losses),
        )
    }


def pictures_of(done: Field) -> dict[str, Writer]:
    """Return writers of the pictures by name."""
    from nufftlib.plots import draw_field

    r = done.result
    shape = (int(r.residual.shape[-2]), int(r.residual.shape[-1]))
    return {FIGURE: lambda file: draw_field(r.psfs, shape, file, residual=r.residual)}


def record_of(done: Field) -> Writer:
    """Return a writer of the record."""
    s, r = done.settings, done.result
    return json_file(
        {
            "job": "calibrate-psf",
            "settings": {
                **done.pairs.settings,
                "psf_size": done.pairs.size,
                "grid": done.grid.nodes,
                "boundary": done.grid.boundary,
                "tolerance": done.grid.tolerance,
                "steps": s.steps or STEPS,
                "device": done.device.name,
            },
            "versions": versions(done.device),
            "noise": r.noise,
            "weight": r.weight,
            "residual": done.residual,
            **outcome(r),
        }
    )


def print_result(done: Field) -> None:
    """Print the table, and a warning if the residual is no noise."""
    s, r = done.settings, done.result
    rows, columns = done.grid.nodes
    head = ["grid", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"]
    below = [
        "",
        f"Noise: {r.noise:.4g} (estimated); residual: {done.residual:.4g}",
        f"The PSFs are psf in {s.out / ARRAYS}, which deblur takes as --psf.",
    ]
    report(head, [[f"{rows}x{columns}", *format_speed(r), *format_losses(r)]], *below)
    if done.residual > TOO_COARSE * r.noise and not r.interrupted:
        said = (
            f"\nCareful: the residual is {done.residual / r.noise:.2f} times the noise. The PSF "
            "may vary more than the grid tells: try a finer one."
        )
        click.echo(said, err=True)


def calibrate(
    ctx: click.Context,
    settings: LongOptions,
    grid: Grid,
    device: Device,
    make_pairs: Callable[[Device], Pairs],
) -> None:
    """Find the PSFs at the nodes, write them into the folder, and print what was found."""
    with settings.claimed_folder(FIGURE, resume=settings.resume) as folder:
        pairs = make_pairs(device)
        checkpoint = settings.checkpoint(ctx, folder, pairs.sharp[0], pairs.contents)
        done = run(settings, grid, device, pairs, ctx.obj, checkpoint)
        written = write(
            folder,
            files_of(done),
            record_of(done),
            {} if settings.no_figures else pictures_of(done),
            ctx.obj,
            interrupted=done.result.interrupted,
        )
    print_result(done)
    r = done.result
    steps = count(settings.steps or STEPS)
    finish(ctx, written, f"after {r.steps} of {steps}" if r.interrupted else "")
