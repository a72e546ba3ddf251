"""The command ``learn-trajectory``: its options, and which of its jobs they ask for."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from nufftlib.cli.checkpoints import options_of_checkpoints
from nufftlib.cli.jobs import Each, Job, Real, Whole, options_of_jobs
from nufftlib.cli.learn_image import ImageSettings, learn_on_image
from nufftlib.cli.learn_images import OF_SETS, SetSettings, learn_on_images, options_of_sets
from nufftlib.cli.learning import FOV, LEAST, RASTER, Settings
from nufftlib.cli.scans import COILS, DEFAULT, NAMES, SAMPLES, SHOTS
from nufftlib.io.stored import UNITS
from nufftlib.mri.learn.objective import LOSSES, Maps
from nufftlib.mri.learn.reconstructions import RECONSTRUCTIONS
from nufftlib.mri.scanner.protocol import Norm

LIMIT = Real(min=0, min_open=True)

OF_ONE = {"image": "one of them", "volume": "one of them", "steps": "--epochs"}
"""Options of the learning on one image, and what to give for them on a set."""

Made = TypeVar("Made", bound=Settings)


@click.command("learn-trajectory", cls=Job)
@options_of_jobs(
    image="a brain",
    values="floats of any range or of uint8 or uint16, of a positive mean; colours become luma",
    steps="Number of steps, on one image.  [default: 100]",
    seed="Turn the whole start about the last axis of a volume, or within the plane, by an angle "
    "drawn with this seed.  [default: not turned] With --images, the seed of their order, of "
    "noise and augmentation; the start is not turned.  [default: 0]",
    out="out/trajectory",
)
@click.option(
    "--volume",
    type=click.Path(path_type=Path),
    help="Volume in place of a picture, .npy .nii or .nii.gz: an array of shape (rows, columns, "
    "slices). Its last axis is the bore.",
)
@click.option(
    "--size",
    type=Whole(min=LEAST),
    help="Resize the volume to that many voxels along its longest axis, or the central square of "
    "each of --images to that many rows and columns.  [default: as they are]",
)
@options_of_checkpoints()
@options_of_sets
@click.option(
    "--coils",
    type=Whole(min=1),
    help="Number of simulated coils around the image: on a ring, around a volume on two.  "
    f"[default: {COILS[2]}, of a volume {COILS[3]}]",
)
@click.option(
    "--coil-maps",
    type=click.Path(path_type=Path),
    help="Sensitivities of your own coils, .npy or .npz: complex, of shape (coils, ...), then the "
    "shape of the image as it is sampled.",
)
@click.option(
    "--maps",
    type=click.Choice(get_args(Maps)),
    default="estimated",
    show_default=True,
    help="Coil maps of the reconstruction: estimated from the data at each step, all ones "
    "(a plain sum over the coils), or the true ones.",
)
@click.option(
    "--reconstruction",
    type=click.Choice(list(RECONSTRUCTIONS)),
    default="adjoint",
    show_default=True,
    help="Reconstruction to learn for; the adjoint is the density-compensated one.",
)
@click.option(
    "--loss",
    type=click.Choice(list(LOSSES)),
    default="mse",
    show_default=True,
    help="Loss of the reconstruction, when it and the image are divided by their means.",
)
@click.option(
    "--start",
    metavar="NAME|FILE",
    help="The trajectory to start with: a pattern by name, or one of your own in a file: .npz of "
    "this command, .cfl of BART, .h5 of ISMRMRD, .seq of Pulseq, or .npy of shape (shots, samples, "
    "axes). "
    f"Patterns of an image: {NAMES[2]}; of a volume: {NAMES[3]}.  "
    f"[default: {DEFAULT[2]}, of a volume {DEFAULT[3]}]",
)
@click.option(
    "--shots",
    type=Whole(min=1),
    help=f"Shots of the pattern.  [default: {SHOTS[2]}, of a volume {SHOTS[3]}]",
)
@click.option(
    "--samples",
    type=Whole(min=2),
    help="Samples of each shot of the pattern; with a scanner's limits, one in each raster time.  "
    f"[default: {SAMPLES}]",
)
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    help="Unit of the points of such a file; asked for where neither the format nor the file says "
    "it.",
)
@click.option(
    "--gmax",
    type=LIMIT,
    help="Largest gradient of the scanner in mT/m. With --smax, every trajectory of the course can "
    "be played: shots start and end at rest, and where they all pass through the centre of "
    "k-space at one time, they go on to do so.",
)
@click.option("--smax", type=LIMIT, help="Largest slew rate of the scanner in T/m/s.")
@click.option(
    "--raster",
    type=LIMIT,
    help=f"Time between two samples of the gradients in us.  [default: {RASTER:g}]",
)
@click.option(
    "--norm",
    type=click.Choice(get_args(Norm)),
    help="What both limits hold for: the length of the vector of all axes, however the scan is "
    "rotated, or each axis by itself.  [default: l2]",
)
@click.option(
    "--fov",
    type=Each("number", LIMIT),
    help="Field of view in metres, of all axes or of each.  [default: that of a NIfTI volume; "
    f"{FOV:g}]",
)
@click.option(
    "--control-points",
    type=Each("integer", Whole(min=1)),
    help="Learn that many control points of smooth curves in place of the samples; several "
    "numbers, as 16,32,64, from coarse to fine.",
)
@click.option(
    "--pulseq",
    is_flag=True,
    help="Write a gradient-echo scan with these shots as a Pulseq sequence; needs pypulseq.",
)
@click.pass_context
def learn_trajectory_command(ctx: click.Context, /, **options: Any) -> None:
    """Learn the trajectory of a multi-coil MRI scan.

    Starts from 32 centre-out spokes, for an image seen by 6 coils, and makes the
    density-compensated reconstruction as good as it can. Points are in cycles per voxel; their
    axis 0 runs down the rows of the image, axis 1 along its columns. What is written is the best
    trajectory seen, most often the last. With the limits of a scanner (--gmax, --smax), the
    spokes and all that comes from them are projected onto what it can play. With --volume, all
    this has three axes: axis 2 runs along the bore.

    With --images a set of images is learned from, and others are held out, by which the best
    trajectory is chosen; figure.png shows them, and there is no learning.gif
    and no learning.npz.

    \b
    Writes
      result.npz    trajectory, trajectory_start, losses, reconstruction,
                    reconstruction_start, image; of a set the curves training, validation
                    and validation_worst, and the worst and the best held-out image
      figure.png    image, trajectories, reconstructions, loss
      waveforms.png gradients and slew rates with their limits (with limits alone)
      trajectory.npz the trajectory with its protocol (with limits alone)
      trajectory.seq a Pulseq sequence (with --pulseq alone)
      learning.gif  trajectory, reconstruction and loss while learning
      learning.npz  up to 15 moments of the learning: steps, trajectories, reconstructions
      report.html   a page with a slider over them, and shots to be picked
      result.json   settings, versions, first and best loss, after how many steps the best
                    was found, steps, seconds, the certificate of the projection; of a set
                    the curves, and the scores of each held-out image; last, when all is
                    there

    Ctrl-C ends the learning early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the pictures out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    pictures; the exit code is 128 and the signal's number. checkpoint.npz in the folder is the
    whole state, from which --resume goes on, after a crash as well; it is removed when the result
    is complete.
    """  # noqa: D301  # click wants the control character: keep the lines
    on_set = options["images"] is not None
    for name in OF_ONE if on_set else OF_SETS:
        if options[name] is not None:
            wish = OF_ONE[name] if on_set else "--images with it"
            beside = " with --images" if on_set else ""
            msg = f"--{name} is given{beside}; want {wish}"
            raise click.UsageError(msg)
    if on_set:
        learn_on_images(ctx, made(SetSettings, options))
    else:
        learn_on_image(ctx, made(ImageSettings, options))


def made(kind: type[Made], options: dict[str, Any]) -> Made:
    """Return those of the options that a job has."""
    return kind(**{field.name: options[field.name] for field in fields(kind)})
