"""The command ``calibrate-pair``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from numpy.typing import NDArray

import optim
from nufftlib import workflows
from nufftlib.blur.calibrate.pair.rounds import Nuisance
from nufftlib.cli.calibrated_psf import PSF_SIZE
from nufftlib.cli.checkpoints import LongOptions, options_of_checkpoints
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ARRAYS, FIGURE, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Each,
    Job,
    Real,
    arrays_file,
    finish,
    json_file,
    options_of_result,
    read,
    report,
    versions,
    write,
)
from nufftlib.cli.pairs import (
    Pairs,
    Size,
    check_psf_format,
    numbered,
    options_of_files,
    prepare_own_pairs,
    psf_file,
)
from nufftlib.core.arrays import Array
from nufftlib.io.pictures import Encoding, read_picture
from nufftlib.io.psfs import Format

Mask = NDArray[np.bool_]


class Differences(Each):
    """What may differ between the pictures: names with commas between them, or auto."""

    def __init__(self) -> None:
        super().__init__("NAME", click.Choice(workflows.NUISANCES))
        self.name = f"auto|{self.name}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return ``"auto"``, or the names, each once."""
        return value if value == "auto" else (*dict.fromkeys(super().convert(value, param, ctx)),)


@dataclass(frozen=True)
class Settings(LongOptions):
    """The options of the command.

    Parameters
    ----------
    sharp, blurred : tuple of Path
        The pairs of pictures.
    seen : tuple of Path
        Masks of the blurred pictures; none, or one for each.
    size : tuple of int
        Height and width of the PSF.
    nuisances : "auto" or tuple of str
        What else may differ.
    noise : float or None
        Standard deviation of the blurred picture's noise, where it is known.
    encoding : {"linear", "srgb"}
        How the pictures encode light.
    psf_format : {"npy", "tiff", "fits"} or None
        Kind of the file that the PSF is written to besides.
    """

    sharp: tuple[Path, ...]
    blurred: tuple[Path, ...]
    seen: tuple[Path, ...]
    size: tuple[int, int]
    nuisances: Literal["auto"] | tuple[Nuisance, ...]
    noise: float | None
    encoding: Encoding
    psf_format: Format | None


@dataclass(frozen=True)
class Calibration:
    """The result on the host, and its origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where it was computed.
    pairs : Pairs
        The pictures, on the device.
    result : CalibratedPair
        The result.
    measures : PSFMeasures
        What the PSF is like.
    """

    settings: Settings
    device: Device
    pairs: Pairs
    result: workflows.CalibratedPair
    measures: workflows.PSFMeasures


@click.command("calibrate-pair", cls=Job)
@click.option(
    "--sharp",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Sharp picture of a pair, as it is; give it once for every pair. The kinds of files are "
    "those of calibrate-psf.",
)
@click.option(
    "--blurred",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Blurred picture of the pair, of the sharp one's size or of its valid part's.",
)
@click.option(
    "--seen",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Picture or array of the blurred one's size that is zero at pixels which do not count; "
    "give it for no pair, or once for every pair.",
)
@click.option(
    "--size",
    type=Size(),
    default="x".join(map(str, PSF_SIZE)),
    help=f"Pixels of the PSF.  [default: {PSF_SIZE[0]}x{PSF_SIZE[1]}]",
)
@click.option(
    "--nuisances",
    type=Differences(),
    default="auto",
    show_default=True,
    help="What else may differ: photometry (gain and offset), clipping, outliers, gamma, shift, "
    "rotation, vignette. auto takes the first three, and gamma, shift and vignette where the "
    "pictures call for them.",
)
@click.option(
    "--noise",
    type=Real(min=0, min_open=True),
    help="Standard deviation of the blurred picture's noise, if it is known, in its values' units, "
    "which are from 0 to 1 where they were stored as integers.  [default: that of the residual]",
)
@options_of_files()
@options_of_checkpoints()
@options_of_result("out/pair")
@click.pass_context
def calibrate_pair_command(ctx: click.Context, /, **options: Any) -> None:
    """Calibrate the PSF between a sharp and a blurred picture as they really are.

    The blurred picture may be exposed otherwise, clipped, with hot pixels, stored by a power of
    the light, darker towards its corners, and shifted or turned against the sharp one. This is
    found with the PSF, which is nonnegative and sums to one, and is said in words. For
    simulations, for boundaries other than valid and for a choice of optimisers, take
    calibrate-psf.

    The sharp picture has to be linear in the light. With --encoding srgb both are decoded, and a
    gamma that is found is what the blurred one differs by then; with --encoding linear and a
    sharp picture of raw values, gamma is the power by which the blurred one is stored.

    \b
    Writes
      result.npz    psf, deviations, covariance, losses, and of each pair seen, residual and
                    vignette if there is one, on the valid part of the blurred picture; a motion
                    takes an edge of the residual
      figure.png    pictures, residual, pixels that do not count; PSF, cuts through it, encircled
                    energy and MTF with what is known of them
      result.json   settings, versions, gain, offset, gamma, motion, noise, findings, and under
                    "measures" widths, radii, MTF50 and more; last, when all is there
      psf.npy, psf.tif or psf.fits
                    the PSF, with --psf-format; the last two have the size of the pixels if the
                    pictures' files say it

    Ctrl-C ends the calibration early: the result of the rounds done is written, and the exit code
    is 130. Another Ctrl-C leaves the picture out. SIGTERM, SIGHUP and SIGXCPU do the same,
    without the picture; the exit code is 128 and the signal's number. checkpoint.npz in the folder
    is the whole state, from which --resume goes on, after a crash as well; it is removed when the
    result is complete.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(image=None, steps=None, seed=None, **options)
    check_psf_format(settings.psf_format)
    check_masks(settings)
    device = open_device(settings.device_name)
    s = settings
    make_pairs = prepare_own_pairs(s.sharp, s.blurred, s.size, "valid", s.encoding, one_unit=False)
    with settings.claimed_folder(FIGURE, resume=s.resume) as folder:
        pairs = make_pairs(device)
        seen = read_masks(s, pairs)
        contents = {**pairs.contents, "the masks": seen}
        checkpoint = s.checkpoint(ctx, folder, pairs.sharp[0], contents)
        calibration = calibrate(s, device, pairs, seen, ctx.obj, checkpoint)
        c, result = calibration, calibration.result
        files: dict[str, Writer] = {
            ARRAYS: arrays_of(result),
            **psf_file(s.psf_format, result.psf, c.pairs.pixel_size),
        }
        pictures = {} if s.no_figures else {FIGURE: figure_of(c)}
        written = write(
            folder, files, record_of(c), pictures, ctx.obj, interrupted=result.interrupted
        )
    print_result(calibration)
    where = f"after round {len(result.losses)}" if result.interrupted else ""
    finish(ctx, written, where)


def calibrate(
    settings: Settings,
    device: Device,
    pairs: Pairs,
    masks: list[Mask],
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
) -> Calibration:
    """Find the PSF, saying each round, and measure it."""
    s = settings
    names = s.nuisances if isinstance(s.nuisances, str) else ", ".join(s.nuisances)
    click.echo(f"Calibrating on the {device.title}: {names}", err=True)
    seen = [device.xp.asarray(mask) for mask in masks] or None

    def done(step: int, loss: float, _psf: Array) -> None:
        click.echo(f"  round {step + 1}: root mean square residual {math.sqrt(loss):.5g}", err=True)
        interrupts.step_done(last=False)

    try:
        found = workflows.calibrate_pair(
            pairs.sharp,
            pairs.blurred,
            size=s.size,
            nuisances=s.nuisances,
            seen=seen,
            noise=s.noise,
            callback=done,
            checkpoint=checkpoint.part("pair"),
        )
    except ValueError as error:  # the pictures do not go together
        raise click.ClickException(str(error)) from error
    interrupts.hold()
    result = device.fetch(found)
    measures = workflows.measure_psf(result.psf, result.covariance)
    return Calibration(settings, device, pairs, result, measures)


def check_masks(settings: Settings) -> None:
    """Refuse others than no mask or one for each blurred picture."""
    files, blurred = settings.seen, settings.blurred
    if files and len(files) != len(blurred):
        msg = f"--seen is given {len(files)} and --blurred {len(blurred)} times; want as many"
        raise click.UsageError(msg)


def read_masks(settings: Settings, pairs: Pairs) -> list[Mask]:
    """Read the masks; refuse those that have not the size of their blurred pictures."""
    masks = []
    for file, path, y in zip(settings.seen, settings.blurred, pairs.blurred, strict=False):
        values = read(lambda path, _: read_picture(path), file, None, "--seen").values
        if values.shape[1:] != y.shape[1:] or len(values) not in (1, y.shape[0]):
            msg = (
                f"{file} has {len(values)} channels of {values.shape[1:]} pixels and {path} "
                f"{y.shape[0]} of {y.shape[1:]}; want one size, and one channel or as many"
            )
            raise click.BadParameter(msg, param_hint="'--seen'")
        masks.append(np.ascontiguousarray(np.broadcast_to(values != 0, y.shape)))
    return masks


def arrays_of(result: workflows.CalibratedPair) -> Writer:
    """Return a writer of the arrays."""
    vignettes = [v for v in result.vignette if v is not None]
    return arrays_file(
        psf=result.psf,
        deviations=result.deviations,
        covariance=result.covariance,
        losses=np.asarray(result.losses),
        **numbered({"seen": result.seen, "residual": result.residuals, "vignette": vignettes}),
    )


def record_of(calibration: Calibration) -> Writer:
    """Return a writer of the record."""
    c, r, s = calibration, calibration.result, calibration.settings
    return json_file(
        {
            "job": "calibrate-pair",
            "settings": {
                **c.pairs.settings,
                "seen": [str(path) for path in s.seen],
                "psf_size": s.size,
                "nuisances": s.nuisances,
                "noise": s.noise,
                "psf_format": s.psf_format,
                "device": c.device.name,
            },
            "versions": versions(c.device),
            "nuisances": r.nuisances,
            "gain": [gain.tolist() for gain in r.gain],
            "offset": [offset.tolist() for offset in r.offset],
            "gamma": r.gamma,
            "motion": r.motion,
            "motion_deviations": r.motion_deviations,
            "noise": r.noise,
            "findings": r.findings,
            "measures": numbers_of(c.measures),
            "losses": r.losses,
            "seconds": r.seconds,
            "interrupted": r.interrupted,
        }
    )


def numbers_of(measures: workflows.PSFMeasures) -> dict[str, Any]:
    """Return all numbers by name, with deviations and intervals; None where there are none."""

    def plain(found: workflows.Measured | Sequence[workflows.Measured]) -> Any:
        if isinstance(found, workflows.Measured):
            return {k: v if math.isfinite(v) else None for k, v in found._asdict().items()}
        return [plain(each) for each in found]

    names = ("centroid", "widths", "principal_widths", "sigmas", "angle", "radius50", "radius80")
    return {name: plain(getattr(measures, name)) for name in (*names, "mtf50")}


def figure_of(calibration: Calibration) -> Writer:
    """Return a writer of the figure."""
    from nufftlib.plots.pairs import draw_calibrated_pair

    c = calibration
    x, y = (c.device.to_host(images[0]) for images in (c.pairs.sharp, c.pairs.blurred))
    return lambda file: draw_calibrated_pair(x, y, c.result, c.measures, file)


def print_result(calibration: Calibration) -> None:
    """Print the table, what was found, and the PSF's numbers."""
    r, m = calibration.result, calibration.measures
    seen = float(np.mean([mask.mean() for mask in r.seen]))
    head = ["differences", "rounds", "seconds", "noise", "pixels that count"]
    names = ", ".join(r.nuisances) or "none"
    row = [names, str(len(r.losses)), f"{r.seconds:.2f}", f"{r.noise:.4g}", f"{seen:.1%}"]
    report(head, [row], "", *(r.findings or ["Nothing but the blur differs between the pictures."]))
    known = "with standard deviations or intervals of 95 %"
    click.echo(f"\nThe PSF, in pixels along axis 0 (down) and axis 1, {known}:")
    lines: Mapping[str, Any] = {
        "width at half maximum": m.widths,
        f"centroid (centre {', '.join(str(n // 2) for n in r.psf.shape)})": m.centroid,
        "half the light within a radius of": (m.radius50,),
        "80 % of it within": (m.radius80,),
        "MTF50, cycles per pixel": m.mtf50[:2],
        "and of all directions": m.mtf50[2:],
    }
    width = max(map(len, lines))
    for name, values in lines.items():
        click.echo(f"  {name.ljust(width)}  {', '.join(map(str, values))}")
