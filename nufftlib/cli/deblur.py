"""The command ``deblur``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

import optim
from nufftlib import workflows
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.deblur.job import STEPS
from nufftlib.cli.checkpoints import options_of_checkpoints
from nufftlib.cli.deblurred import (
    Deblurred,
    Settings,
    Values,
    figure_of,
    picture_file,
    print_result,
    record_of,
    steps_of,
)
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ARRAYS, FIGURE, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Job,
    Real,
    Whole,
    arrays_file,
    finish,
    options_of_result,
    read,
    write,
)
from nufftlib.cli.pairs import agreed_size, check_fits, check_psf_format, encoding_option
from nufftlib.cli.psf_files import load_psfs
from nufftlib.cli.stacks import load_planes, told_of_stacks
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io.pictures import Picture, load_sized


@click.command("deblur", cls=Job)
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "--psf",
    type=click.Path(path_type=Path),
    required=True,
    help="PSF: a grey picture or an array, or the result.npz of calibrate-pair or calibrate-psf. "
    "An array of shape (rows, columns, height, width) has PSFs on a grid, the outermost on the "
    "picture's outermost pixels, as calibrate-psf --grid finds them. Each is brought to the sum "
    "one.",
)
@click.option(
    "--method",
    type=click.Choice(workflows.DEBLURRING),
    default="tv",
    show_default=True,
    help="Least squares with the total variation or with squared differences, or the likelihood "
    "of counts.",
)
@click.option(
    "--noise",
    type=Real(min=0),
    help="Standard deviation of the noise, in units of the picture.  [default: estimated]",
)
@click.option(
    "--weight",
    type=Real(min=0),
    help="Weight of the penalty.  [default: chosen from the noise; richardson-lucy: 0]",
)
@click.option(
    "--boundary",
    type=click.Choice([*BOUNDARIES]),
    default="valid",
    show_default=True,
    help="What the PSF sees beyond the frame; valid: unknown pixels, which are found as well.",
)
@click.option(
    "--background",
    type=Real(min=0),
    default=0.0,
    show_default=True,
    help="With richardson-lucy: light of the detector in the blurred picture.",
)
@click.option(
    "--saturation",
    type=Real(min=0),
    help="Value from which on pixels are clipped, in units of the picture as it is read: these do "
    "not count.  [default: all count]",
)
@click.option(
    "--steps",
    type=Whole(min=1),
    help=f"Steps at most.  [default: {', '.join(f'{n} ({name})' for name, n in STEPS.items())}]",
)
@click.option(
    "--ndim",
    type=Whole(min=2, max=3),
    default=2,
    show_default=True,
    help="Axes of the PSF; 3: PICTURE is a stack of planes, and the PSF a cube.",
)
@encoding_option()
@options_of_checkpoints()
@options_of_result("out/deblur")
@click.pass_context
def deblur_command(ctx: click.Context, /, picture: Path, **options: Any) -> None:
    """Deblur a picture with a PSF that is known, such as calibrate-pair finds it.

    PICTURE is a file as for --sharp of calibrate-pair: NumPy, PNG, JPEG, TIFF, FITS, DICOM, NIfTI
    or MATLAB, linear in the light or, as a camera's, with --encoding srgb. Noise and weight are
    found from it where they are not given. With --ndim 3 it is a stack, of kinds as for
    calibrate-psf.

    \b
    Writes
      deblurred.png  the picture, from 0 to 1 or, of other units, from its blackest to its
                     whitest pixel; encoded as PICTURE is
      deblurred.tif  with --ndim 3 in place of it: the stack, with the size of its voxels
      result.npz     picture, with_margins, residual, blurred, psf, losses
      figure.png     blurred picture, PSF, deblurred picture, residual and its correlation
      result.json    settings, versions, noise, weight, residual, steps, seconds; last, when
                     all is there

    Ctrl-C ends the steps early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the figure out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    figure; the exit code is 128 and the signal's number. checkpoint.npz in the folder is the
    whole state, from which --resume goes on, after a crash as well; it is removed when the result
    is complete.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(image=picture, seed=None, **options)
    check_together(settings)
    device = open_device(settings.device_name)
    coding, d = settings.encoding, settings.ndim

    def load(path: Path, _: int) -> Picture:
        if d == 3:
            return load_planes(path)
        return told_of_stacks(lambda file: load_sized(file, coding), path)

    given = read(load, picture, None, "PICTURE")
    cube = read(lambda path, _: load_psfs(path, d), settings.psf, None, "--psf")
    size = agreed_size([given, cube], "--psf") if d == 3 else None
    blurred, psf = given.values, cube.values
    check_fits(psf.shape[-d:], blurred.shape[-d:], "valid", "--psf")
    check_saturation(settings.saturation, blurred)
    with settings.claimed_folder(FIGURE, resume=settings.resume) as folder:
        read_from = {"the picture": blurred, "the PSF": psf}
        checkpoint = settings.checkpoint(ctx, folder, device.xp.asarray(psf), read_from)
        done = run(settings, device, blurred, psf, size, ctx.obj, checkpoint)
        result = done.result
        files: dict[str, Writer] = {
            **picture_file(done),
            ARRAYS: arrays_file(
                picture=result.picture,
                with_margins=result.with_margins,
                residual=result.residual,
                blurred=blurred,
                psf=psf,
                losses=np.asarray(result.losses),
                **({} if size is None else {"pixel_size": np.asarray(size)}),
                **({} if done.seen is None else {"seen": done.seen}),
            ),
        }
        pictures = {} if settings.no_figures else {FIGURE: figure_of(done)}
        written = write(
            folder, files, record_of(done), pictures, ctx.obj, interrupted=result.interrupted
        )
    print_result(done)
    where = f"after {result.steps} of {count(steps_of(settings))}" if result.interrupted else ""
    finish(ctx, written, where)


def check_together(settings: Settings) -> None:
    """Refuse options that contradict each other."""
    if settings.background and settings.method != "richardson-lucy":
        msg = f"--background is of richardson-lucy; leave it out with --method {settings.method}"
        raise click.UsageError(msg)
    if settings.method == "wiener" and settings.weight == 0:
        msg = "--weight 0: want a positive weight with --method wiener"
        raise click.UsageError(msg)
    if settings.ndim == 3:
        check_psf_format("tiff")
        if settings.encoding != "linear":
            msg = "--encoding is for pictures; leave it out with --ndim 3"
            raise click.UsageError(msg)


def check_saturation(level: float | None, blurred: Values) -> None:
    """Refuse a level that no pixel is below."""
    if level is not None and not float(blurred.min()) < level:
        msg = f"{level:g}, and the values begin at {blurred.min():g}; want pixels below"
        raise click.BadParameter(msg, param_hint="'--saturation'")


def run(
    settings: Settings,
    device: Device,
    blurred: Values,
    psf: Values,
    pixel_size: tuple[float, ...] | None,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
) -> Deblurred:
    """Run the method, with a progress bar."""
    steps = steps_of(settings)
    title = f"{settings.method}, at most {count(steps)}"
    click.echo(f"Deblurring on the {device.title}: {title}", err=True)

    def done(step: int, _loss: float, _picture: Array) -> None:
        interrupts.step_done(last=step == steps)

    level = settings.saturation
    result = workflows.deblur(
        device.xp.asarray(blurred),
        device.xp.asarray(psf),
        ndim=settings.ndim,
        method=settings.method,
        noise=settings.noise,
        weight=settings.weight,
        boundary=settings.boundary,
        background=settings.background,
        seen=None if level is None else device.xp.asarray(blurred < level),
        steps=steps,
        callback=done,
        progress=True,
        checkpoint=checkpoint.part("deblur"),
    )
    interrupts.hold()
    return Deblurred(settings, device, blurred, psf, pixel_size, device.fetch(result))
