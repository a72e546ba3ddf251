"""The command ``calibrate-psf``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import optim
from nufftlib import workflows
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.calibrate.objective import PATHS, loss_at
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.cli import psf_field
from nufftlib.cli.calibrated_psf import (
    Calibration,
    Settings,
    describe_interrupt,
    files_of,
    pictures_of,
    print_findings,
    print_table,
    record_of,
)
from nufftlib.cli.checkpoints import options_of_checkpoints
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.diagnosis import (
    psf_uncertainty,
)
from nufftlib.cli.files import FIGURE, REPORT
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Job,
    Real,
    Whole,
    finish,
    options_of_jobs,
    with_page,
    write,
)
from nufftlib.cli.pairs import (
    KINDS,
    AnySize,
    Pairs,
    Size,
    check_psf_format,
    on_axes,
    options_of_files,
    prepare_own_pairs,
    prepare_simulation,
)
from nufftlib.core.arrays import Array
from nufftlib.core.run import count

NOISE = 0.02


@click.command("calibrate-psf", cls=Job)
@options_of_jobs(
    image="an astronaut",
    values="floats from 0 to 1 or of uint8 or uint16, which are divided by their type's largest",
    steps="Number of steps of each method.  "
    f"[default: {', '.join(f'{r.steps} ({name})' for name, r in RECIPES.items())}]",
    seed="Seed of the true PSF and of the noise.  [default: 0]",
    out="out/psf",
)
@click.option(
    "--psf",
    default="motion",
    show_default=True,
    metavar=f"[{'|'.join(KINDS)}|FILE]",
    help="True PSF that the picture is blurred with: a random one of a kind, or a grey picture "
    "or array, which is brought to the sum one. Of a stack motion, gaussian or a cube.",
)
@click.option(
    "--ndim",
    type=Whole(min=2, max=3),
    default=2,
    show_default=True,
    help="Axes of the PSF; 3: of stacks of planes, such as a microscope's, with voxels of any "
    "shape. --image, --sharp and --blurred are then stacks, .npy .npz .mat .tif .fits .dcm .nii, "
    "neither cut nor resized; without them it simulates beads.",
)
@click.option(
    "--sharp",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Sharp picture or stack of a pair of your own, as it is, in place of --image; give it "
    "once for every pair.",
)
@click.option(
    "--blurred",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Blurred picture of the pair, of the sharp one's size or, with --boundary valid, of its "
    "valid part's.",
)
@click.option(
    "--size",
    type=AnySize(),
    help="Pixels of the PSF, of a stack's depth, height and width; one from a file has its own.  "
    "[default: 25x25; with --ndim 3 7x11x11]",
)
@click.option(
    "--grid",
    type=Size("nodes"),
    help="For a pair of your own whose PSF varies: PSFs on a grid over the picture, as 3x3, with "
    "bilinear means between them.",
)
@click.option(
    "--boundary",
    type=click.Choice([*BOUNDARIES]),
    default="valid",
    show_default=True,
    help="What lies beyond the edge of the sharp picture; valid: leave out what depends on it.",
)
@click.option(
    "--method",
    type=click.Choice([*workflows.METHODS, "all"]),
    help="Optimiser and loss.  [default: all; for pictures of your own and stacks spectral]",
)
@click.option(
    "--path",
    type=click.Choice([*PATHS]),
    default="auto",
    show_default=True,
    help="Evaluate the squared error as a quadratic function of the PSF, or by the blur.",
)
@click.option(
    "--tolerance",
    type=Real(min=0),
    default=0.0,
    show_default=True,
    help="End at this norm of the projected gradient; 0: after the last step.",
)
@options_of_files()
@options_of_checkpoints()
@click.pass_context
def calibrate_psf_command(
    ctx: click.Context, /, method: Method | str | None, **options: Any
) -> None:
    """Calibrate the PSF of a blur from a sharp and a blurred picture, or from stacks.

    Without --sharp and --blurred it blurs a picture with a random 25 x 25 PSF, adds noise of
    standard deviation 0.02, and finds the PSF again. Six methods: on the squared error projected
    gradients of a constant step, Adam, projected gradients with backtracking, accelerated ones,
    and the spectral projected gradient method; AdamW on the absolute error. Every PSF is
    nonnegative and sums to one.

    The rates of projected-gradient, adam and adamw are those of the published example, and
    constant: on other pictures and seeds they can be restless. What is written is the best PSF
    seen, that of the lowest loss.

    \b
    Writes
      result.npz    psf_true, psf_start, sharp, blurred, deviations, and of each method
                    psf_METHOD, losses_METHOD, errors_METHOD
      figure.png    pictures, PSFs, residuals, losses and errors
      report.html   the same on a page, with cuts and transfer functions (not of stacks)
      result.json   settings, versions, and under "methods" of each the first and the best
                    loss, after how many steps the best was found, the loss of the true
                    PSF, steps, seconds, relative l2 error; last, when all is there
      psf.npy, psf.tif or psf.fits
                    the PSF of the lowest loss, with --psf-format; the last two have the size of
                    the pixels if the pictures' files say it

    With --ndim 3 pictures are stacks, and the PSF has depth, height and width, each odd or even.
    The figure shows sections along all three axes, to the scale of the voxels. If the files say the
    size of the voxels, result.npz has it as pixel_size, in metres along depth, rows and columns.

    With --grid result.npz has psf, the PSFs by rows and columns of the grid, psf_single, the best
    one for the whole picture, residual and losses; deblur takes it as it is.

    Pictures of your own have to show the same part of the world: registered, equally exposed, and
    linear in the light (a camera's raw values, or its JPEG with --encoding srgb). The command says
    so where what is left is no noise. For pictures as they really are, with another exposure,
    clipped, with hot pixels, encoded or moved, take calibrate-pair.

    Ctrl-C ends the calibration early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the picture out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    picture; the exit code is 128 and the signal's number. checkpoint.npz in the folder is the
    whole state, from which --resume goes on, after a crash as well; it is removed when the result
    is complete.
    """  # noqa: D301  # click wants the control character: keep the lines
    own = options["sharp"] or options["blurred"]
    one = own or options["ndim"] == 3
    settings = Settings(method=method or ("spectral" if one else "all"), **options)
    check_together(ctx, settings)
    check_psf_format(settings.psf_format)
    device = open_device(settings.device_name)
    make_pairs = read_pairs(settings)
    if settings.grid is not None:
        grid = psf_field.Grid(settings.grid, settings.boundary, settings.tolerance)
        psf_field.calibrate(ctx, settings, grid, device, make_pairs)
        return
    with settings.claimed_folder(FIGURE, REPORT, resume=settings.resume) as folder:
        pairs = make_pairs(device)
        checkpoint = settings.checkpoint(ctx, folder, pairs.sharp[0], pairs.contents)
        calibration = calibrate(settings, device, pairs, ctx.obj, checkpoint)
        pictures = {} if settings.no_figures else pictures_of(calibration)
        files, record = files_of(calibration), record_of(calibration)
        if pictures and settings.ndim == 2:
            pictures = with_page(files, record, pictures)
        written = write(
            folder, files, record, pictures, ctx.obj, interrupted=calibration.interrupted
        )
    print_table(calibration)
    print_findings(calibration)
    finish(ctx, written, describe_interrupt(calibration))


def check_together(ctx: click.Context, settings: Settings) -> None:
    """Refuse options that contradict each other."""
    given = {
        name for name in ctx.params if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if given & {"sharp", "blurred"} and (odd := given & {"image", "psf", "seed"}):
        names = " and ".join(f"--{name}" for name in sorted(odd))
        msg = f"--sharp and --blurred are a pair of your own; leave {names} out"
        raise click.UsageError(msg)
    if settings.ndim == 3 and (odd := given & {"grid", "encoding"}):
        msg = f"--ndim 3: --{min(odd)} is for pictures; leave it out"
        raise click.UsageError(msg)
    if settings.grid is not None:
        psf_field.check_grid(max(len(settings.sharp), len(settings.blurred)), given)
    absolute = [name for name, recipe in RECIPES.items() if recipe.loss != "squared"]
    if settings.path == "quadratic" and settings.method in absolute:
        msg = f"--path quadratic: the loss of {settings.method} is the absolute error; want general"
        raise click.UsageError(msg)

    if "encoding" in given and not (given & {"image", "sharp", "blurred"}):
        msg = "--encoding: the bundled picture is used as it is; want --image, or a pair"
        raise click.UsageError(msg)


def read_pairs(settings: Settings) -> Callable[[Device], Pairs]:
    """Read the pictures; return a function that makes the pairs on a device."""
    s, default = settings, settings.default_size
    size = None if s.size is None else on_axes(s.size, s.ndim)
    if s.sharp or s.blurred:
        return prepare_own_pairs(s.sharp, s.blurred, size or default, s.boundary, s.encoding)
    return prepare_simulation(
        s.image, s.psf, size, s.boundary, NOISE, s.seed or 0, default, s.encoding
    )


def calibrate(
    settings: Settings,
    device: Device,
    pairs: Pairs,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
) -> Calibration:
    """Run the methods one after the other, until a signal ends one, and diagnose the PSF."""
    results: dict[Method, workflows.CalibratedPSF] = {}
    rows: dict[Method, dict[str, Any]] = {}
    for name in settings.methods:
        result = run_method(settings, device, pairs, name, interrupts, checkpoint.part(name))
        results[name] = device.fetch(result)
        rows[name] = row_of(device, pairs, name, results[name], settings.boundary)
        if result.interrupted:
            break
    interrupts.hold()
    uncertainty = None
    if not result.interrupted:
        uncertainty = psf_uncertainty(device, pairs, results, settings.boundary)
    return Calibration(settings, device, pairs, results, rows, uncertainty)


def run_method(
    settings: Settings,
    device: Device,
    pairs: Pairs,
    name: Method,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
) -> workflows.CalibratedPSF:
    """Run one method, with a progress bar."""
    steps = settings.methods[name]
    click.echo(f"Calibrating on the {device.title}: {name}, {count(steps)}", err=True)

    def done(step: int, _loss: float, _psf: Array) -> None:
        interrupts.step_done(last=step == steps)

    return workflows.calibrate_psf(
        pairs.sharp,
        pairs.blurred,
        method=name,
        size=pairs.size,
        ndim=settings.ndim,
        steps=steps,
        boundary=settings.boundary,
        path=settings.path if RECIPES[name].loss == "squared" else "general",
        tolerance=settings.tolerance,
        truth=pairs.truth,
        callback=done,
        progress=True,
        checkpoint=checkpoint,
    )


def row_of(
    device: Device, pairs: Pairs, name: Method, result: workflows.CalibratedPSF, boundary: str
) -> dict[str, Any]:
    """Return the entries of a method in the record."""
    floor = error = None
    if pairs.truth is not None:
        floor = loss_at(pairs.truth, pairs.sharp, pairs.blurred, name, boundary)
        error = workflows.psf_error(result.psf, device.to_host(pairs.truth))
    return {
        "loss_start": result.losses[0],
        "loss_final": result.loss_final,
        "step_best": result.step_best,
        "loss_of_true_psf": floor,
        "steps": result.steps,
        "seconds_setup": result.seconds_setup,
        "seconds": result.seconds,
        "path": result.path,
        "converged": result.converged,
        "psf_error": error,
    }
