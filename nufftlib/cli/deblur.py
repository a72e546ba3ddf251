"""The command ``deblur``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import workflows
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.deblur.job import STEPS, Method
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ARRAYS, FIGURE, PICTURE, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Job,
    Options,
    Real,
    Whole,
    arrays_file,
    finish,
    format_losses,
    format_speed,
    json_file,
    options_of_result,
    outcome,
    read,
    report,
    root_mean_square,
    versions,
    write,
)
from nufftlib.cli.pairs import check_fits, encoding_option
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io.formats.srgb import encoded_light
from nufftlib.io.formats.values import as_single
from nufftlib.io.pictures import Encoding

Values = NDArray[np.float32]

TOO_LARGE = 1.3
"""A residual of so many times the noise is no noise alone."""
CLIPPED = 0.005
"""A part of the pixels at the largest value that looks clipped."""
SLACK = 0.1
"""How far beyond 0 and 1 noise may bring the values of a picture that runs from 0 to 1."""


@dataclass(frozen=True)
class Settings(Options):
    """The options of the command.

    Parameters
    ----------
    psf : Path
        File of the PSF.
    method : str
        The method's name.
    noise, weight : float or None
        Noise and weight, where they are given.
    boundary : str
        Boundary of the blur.
    background : float
        Light of the detector.
    encoding : {"linear", "srgb"}
        How the picture encodes light.
    """

    psf: Path
    method: Method
    noise: float | None
    weight: float | None
    boundary: str
    background: float
    encoding: Encoding


@dataclass(frozen=True)
class Deblurred:
    """The result on the host, and its origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where the method ran.
    blurred, psf : ndarray
        The picture and its PSF, or a grid of them.
    result : DeblurredPicture
        The result.
    """

    settings: Settings
    device: Device
    blurred: Values
    psf: Values
    result: workflows.DeblurredPicture

    @property
    def residual(self) -> float:
        """The root mean square of the residual."""
        return root_mean_square(self.result.residual)


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
    "--steps",
    type=Whole(min=1),
    help=f"Steps at most.  [default: {', '.join(f'{n} ({name})' for name, n in STEPS.items())}]",
)
@encoding_option()
@options_of_result("out/deblur")
@click.pass_context
def deblur_command(ctx: click.Context, /, picture: Path, **options: Any) -> None:
    """Deblur a picture with a PSF that is known, such as calibrate-pair finds it.

    PICTURE is a file as for --sharp of calibrate-pair: NumPy, PNG, JPEG, TIFF, FITS, DICOM, NIfTI
    or MATLAB, linear in the light or, as a camera's, with --encoding srgb. Noise and weight are
    found from it where they are not given.

    \b
    Writes
      deblurred.png  the picture, from 0 to 1 or, of other units, from its blackest to its
                     whitest pixel; encoded as PICTURE is
      result.npz     picture, with_margins, residual, blurred, psf, losses
      figure.png     blurred picture, PSF, deblurred picture, residual and its correlation
      result.json    settings, versions, noise, weight, residual, steps, seconds; last, when
                     all is there

    Ctrl-C ends the steps early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the figure out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    figure; the exit code is 128 and the signal's number.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(image=picture, seed=None, **options)
    check_together(settings)
    device = open_device(settings.device_name)
    coding = settings.encoding
    blurred = read(
        lambda path, _: workflows.load_picture(path, encoding=coding), picture, None, "PICTURE"
    )
    psf = read(lambda path, _: load_psfs(path), settings.psf, None, "--psf")
    check_fits(psf.shape[-2:], blurred.shape[-2:], "valid", "--psf")
    with settings.claimed_folder(FIGURE) as folder:
        done = run(settings, device, blurred, psf, ctx.obj)
        result = done.result
        files: dict[str, Writer] = {
            PICTURE: lambda file: save_picture(result.picture, blurred, coding, file),
            ARRAYS: arrays_file(
                picture=result.picture,
                with_margins=result.with_margins,
                residual=result.residual,
                blurred=blurred,
                psf=psf,
                losses=np.asarray(result.losses),
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


def steps_of(settings: Settings) -> int:
    """Return the steps at most."""
    return settings.steps or STEPS[settings.method]


def run(
    settings: Settings, device: Device, blurred: Values, psf: Values, interrupts: Interrupts
) -> Deblurred:
    """Run the method, with a progress bar."""
    steps = steps_of(settings)
    title = f"{settings.method}, at most {count(steps)}"
    click.echo(f"Deblurring on the {device.title}: {title}", err=True)

    def done(step: int, _loss: float, _picture: Array) -> None:
        interrupts.step_done(last=step == steps)

    result = workflows.deblur(
        device.xp.asarray(blurred),
        device.xp.asarray(psf),
        method=settings.method,
        noise=settings.noise,
        weight=settings.weight,
        boundary=settings.boundary,
        background=settings.background,
        steps=steps,
        callback=done,
        progress=True,
    )
    interrupts.hold()
    return Deblurred(settings, device, blurred, psf, device.fetch(result))


# --- the PSF's file -------------------------------------------------------------------------


def load_psfs(path: Path) -> Values:
    """Read a PSF, or a grid of PSFs, each nonnegative and brought to the sum one."""
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz") or not path.is_file():
        return workflows.load_psf(path)
    array = stored(path, suffix)
    if suffix == ".npy" and array.ndim < 4:
        return workflows.load_psf(path)
    if array.ndim not in (2, 4) or array.size == 0:
        msg = (
            f"{path}: the array has the shape {array.shape}; want (height, width) or (rows, "
            f"columns, height, width), none of them 0"
        )
        raise ValueError(msg)
    psf = as_single(path, array).astype(np.float64)
    sums = psf.sum(axis=(-2, -1), keepdims=True)
    if psf.min() < 0 or not sums.all():
        msg = (
            f"{path}: the values run from {psf.min():g} to {psf.max():g}; want PSFs, nonnegative "
            f"and none all zero"
        )
        raise ValueError(msg)
    whole: Values = (psf / sums).astype(np.float32)
    return whole


def stored(path: Path, suffix: str) -> NDArray[Any]:
    """Return the array of a file, of an archive the one that is a PSF."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if suffix == ".npy":
                array: NDArray[Any] = np.asarray(loaded)
                return array
            names = [*loaded.files]
            found = [n for n in names if n == "psf"] or [
                n for n in names if n.startswith("psf_") and n not in ("psf_true", "psf_start")
            ]
            if len(found) == 1:
                return np.asarray(loaded[found[0]])
    except Exception as error:  # a damaged file may raise anything
        msg = f"{path}: cannot be read: {str(error) or type(error).__name__}"
        raise ValueError(msg) from error
    held = ", ".join(found or names) or "nothing"
    msg = f"{path}: it holds {held}; want one PSF, by the name psf or psf_METHOD"
    raise ValueError(msg)


# --- what is written ------------------------------------------------------------------------


def save_picture(picture: Values, blurred: Values, coding: Encoding, file: BinaryIO) -> None:
    """Write a PNG of 8 bits, encoded as the blurred picture was."""
    from PIL import Image

    low, high = float(blurred.min()), float(blurred.max())
    if low >= -SLACK and high <= 1 + SLACK:
        low, high = 0.0, 1.0
    shown = ((picture - low) / (high - low)).clip(0, 1)
    shown = encoded_light(shown) if coding == "srgb" else shown
    pixels = np.round(255 * shown).astype(np.uint8)
    Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)).save(file, "PNG")


def figure_of(done: Deblurred) -> Writer:
    """Return a writer of the figure."""
    from nufftlib.plots.deblurring import draw_deblurring

    return lambda file: draw_deblurring(done.blurred, done.psf, done.result, file)


def record_of(done: Deblurred) -> Writer:
    """Return a writer of the record."""
    s, r = done.settings, done.result
    return json_file(
        {
            "job": "deblur",
            "settings": {
                "picture": str(s.image),
                "shape": done.blurred.shape,
                "psf": str(s.psf),
                "psf_shape": done.psf.shape,
                "method": s.method,
                "noise": s.noise,
                "weight": s.weight,
                "boundary": s.boundary,
                "background": s.background,
                "encoding": s.encoding,
                "steps": steps_of(s),
                "device": done.device.name,
            },
            "versions": versions(done.device),
            "noise": r.noise,
            "weight": r.weight,
            "residual": done.residual,
            **outcome(r),
        }
    )


def print_result(done: Deblurred) -> None:
    """Print the table, noise and weight, and a warning if the residual is no noise."""
    r = done.result
    head = ["method", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"]
    known = "given" if done.settings.noise is not None else "estimated"
    chosen = "given" if done.settings.weight is not None else "chosen"
    below = [
        "",
        f"Noise: {r.noise:.4g} ({known}); residual: {done.residual:.4g}",
        f"Weight: {r.weight:.4g} ({chosen})",
    ]
    report(head, [[done.settings.method, *format_speed(r), *format_losses(r)]], *below)
    if done.residual > TOO_LARGE * r.noise and not r.interrupted:
        said = (
            f"\nCareful: the residual is {done.residual / r.noise:.1f} times the noise. The PSF "
            "may be wrong, or the picture not linear in the light."
        )
        click.echo(said, err=True)
    top = float(done.blurred.max())
    clipped = float(np.mean(done.blurred == top))
    if clipped > CLIPPED:
        said = (
            f"\nCareful: {clipped:.1%} of the picture has its largest value, {top:.4g}. If it is "
            "clipped there, the light was more than the model is told, and rings surround it."
        )
        click.echo(said, err=True)
