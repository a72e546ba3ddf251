"""The command ``learn-trajectory``."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import BinaryIO, get_args

import click
import numpy as np
from numpy.typing import NDArray

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.cli.devices import open_device
from nufftlib.cli.files import ANIMATION, ARRAYS, FIGURE, MARK, ResultFolder, Writer
from nufftlib.cli.interrupts import CtrlC
from nufftlib.cli.jobs import (
    Job,
    arrays_file,
    ends,
    finish,
    json_file,
    options_of_jobs,
    read,
    report,
    say_what_is_written,
    speed,
    versions,
)
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.mri.learn.objective import Maps

COILS, SPOKES, SAMPLES = 6, 32, 256
LEARNING_RATE = (1e-3, 1e-4)
EPS = 1e-4
FRAMES = 28


@click.command("learn-trajectory", cls=Job)
@options_of_jobs(
    image="a brain",
    values="floats of any range or of uint8 or uint16, of a positive mean; colours become luma",
    steps="Number of steps.  [default: 100]",
    seed="Turn the whole set of spokes by an angle drawn with this seed.  "
    "[default: not turned, spoke 0 points along axis 0]",
    out="out/trajectory",
)
@click.option(
    "--maps",
    type=click.Choice(get_args(Maps)),
    default="estimated",
    show_default=True,
    help="Coil maps of the reconstruction: estimated from the data at each step, all ones "
    "(a plain sum over the coils), or the true ones.",
)
@click.pass_context
def learn_trajectory_command(
    ctx: click.Context,
    image: Path | None,
    steps: int | None,
    seed: int | None,
    device_name: str,
    out: Path,
    no_figures: bool,
    force: bool,
    maps: Maps,
) -> None:
    """Learn the trajectory of a multi-coil MRI scan.

    Starts from 32 centre-out spokes of 256 samples, for an image seen by 6 coils, and makes the
    density-compensated reconstruction as good as it can. Points are in cycles per voxel; their
    axis 0 runs down the rows of the image, axis 1 along its columns. What is written is the best
    trajectory seen, most often the last.

    \b
    Writes
      result.npz    trajectory, trajectory_start, losses, reconstruction,
                    reconstruction_start, image
      figure.png    image, trajectories, reconstructions, loss
      learning.gif  trajectory, reconstruction and loss while learning
      result.json   settings, versions, first and best loss, after how many steps the best
                    was found, steps, seconds; last, when all is there

    Ctrl-C ends the learning early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the pictures out.
    """  # noqa: D301  # click wants the control character: keep the lines
    device = open_device(device_name)
    x = read(workflows.load_gray, image, data.brain)
    if not (x.max() > 0 and x.mean() > 0):
        msg = (
            f"{image}: the largest value is {x.max():g} and the mean {x.mean():g}; "
            f"want both positive"
        )
        raise click.BadParameter(msg, ctx, param_hint="'--image'")
    x = x / x.max()
    if not no_figures:
        from nufftlib.plots import figures
    folder = ResultFolder(out)
    folder.claim(() if no_figures else (FIGURE, ANIMATION), force=force)

    steps = 100 if steps is None else steps
    turn = None if seed is None else float(np.random.default_rng(seed).uniform(0, 2 * math.pi))
    xd, s, k = map(device.xp.asarray, (x, nl.mri.birdcage_maps(COILS, x.shape), spokes(turn)))

    # Only references: the trajectory of a step is never changed afterwards.
    kept: list[tuple[int, Array]] = []
    wanted = {round(i * steps / (FRAMES - 1)) for i in range(FRAMES - 1)} - {steps}

    ctrl_c: CtrlC = ctx.obj

    def keep(step: int, _loss: float, trajectory: Array) -> None:
        if step in wanted:
            kept.append((step, trajectory))
        ctrl_c.step_done(last=step == steps)

    click.echo(f"Learning on the {device.title}: {count(steps)}, maps {maps}", err=True)
    learned = workflows.learn_trajectory(
        xd,
        s,
        k,
        maps=maps,
        steps=steps,
        learning_rate=LEARNING_RATE,
        eps=EPS,
        callback=keep,
        progress=True,
    )
    ctrl_c.hold()
    kept.append((learned.step_best, learned.trajectory))
    learned = device.fetch(learned)

    def animate(file: BinaryIO) -> None:
        objective = workflows.TrajectoryObjective(xd, s, nl.NUFFT(k, x.shape, eps=EPS), maps)
        frames = [
            figures.Frame(step, device.to_host(t), device.to_host(objective.reconstruct(t)))
            for step, t in kept
        ]
        figures.animate_learning(frames, learned.losses, file)

    pictures: dict[str, Writer] = {}
    if not no_figures:
        pictures[FIGURE] = lambda file: figures.draw_learning(x, learned, file)
        pictures[ANIMATION] = animate
    arrays = arrays_file(
        trajectory=learned.trajectory,
        trajectory_start=learned.trajectory_start,
        losses=np.asarray(learned.losses),
        reconstruction=learned.reconstruction,
        reconstruction_start=learned.reconstruction_start,
        image=x,
    )
    record = json_file(
        {
            "job": "learn-trajectory",
            "settings": {
                "image": "brain" if image is None else str(image),
                "shape": x.shape,
                "coils": COILS,
                "spokes": SPOKES,
                "samples": SAMPLES,
                "maps": maps,
                "steps": steps,
                "learning_rate": LEARNING_RATE,
                "eps": EPS,
                "seed": seed,
                "turn_radians": turn,
                "device": device.name,
            },
            "versions": versions(device),
            "loss_start": learned.losses[0],
            "loss_final": learned.loss_final,
            "step_best": learned.step_best,
            "steps": learned.steps,
            "seconds": learned.seconds,
            "interrupted": learned.interrupted,
        }
    )
    say_what_is_written(pictures, interrupted=learned.interrupted)
    start = time.perf_counter()
    written = folder.write({ARRAYS: arrays, MARK: record}, pictures, ctrl_c)
    seconds = time.perf_counter() - start
    report(
        ("maps", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"),
        [(maps, *speed(learned), *ends(learned))],
    )
    where = f"after {learned.steps} of {count(steps)}" if learned.interrupted else ""
    finish(ctx, written, seconds, pictures, where)


def spokes(turn: float | None) -> NDArray[np.float32]:
    """Return the radial start, turned by an angle in radians."""
    if turn is None:
        return np.asarray(nl.mri.radial_trajectory(SPOKES, SAMPLES))
    k = nl.mri.radial_trajectory(SPOKES, SAMPLES, dtype=np.float64)
    c, s = math.cos(turn), math.sin(turn)
    rotated: NDArray[np.float64] = k @ np.asarray([[c, s], [-s, c]])
    return rotated.astype(np.float32)
