"""The command ``reconstruct``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import optim
from nufftlib import workflows
from nufftlib.cli.checkpoints import options_of_checkpoints
from nufftlib.cli.coils import Coils, prepared_coils
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ARRAYS, FIGURE, IMAGE, L_CURVE, VOLUME, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Each,
    Job,
    Real,
    Whole,
    arrays_file,
    crossed,
    finish,
    options_of_result,
    write,
)
from nufftlib.cli.reconstructed import (
    Reconstructed,
    Settings,
    arrays_of,
    pictures_of,
    print_result,
    record_of,
    save_volume,
)
from nufftlib.cli.refusals import SIZES, refused
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import SettingError
from nufftlib.core.run import count
from nufftlib.io import Scan, read_trajectory
from nufftlib.io.raw.images import load_image
from nufftlib.io.raw.read import scan_of
from nufftlib.io.stored import UNITS
from nufftlib.mri.reconstruct.job import STEPS, check_weight
from nufftlib.mri.reconstruct.model import maps_of
from nufftlib.mri.reconstruct.penalties import Wavelets

EDGE = 0.51
"""In cycles per voxel, a little beyond the end of the image's k-space."""
NEAR = 0.1
"""In cycles per voxel: points no farther out resolve five voxels, so their unit is another one."""
BLOCKS = (16, 8, 4, 2)
"""Voxels, of which a widened image has a multiple: wavelets halve it up to four times."""
OPTIONS = {
    **SIZES,
    "trajectory": "--trajectory",
    "frames": "--frames",
    "weight": "--lambda",
    "maps": "--coil-maps",
    "field_map": "--field-map",
}
"""The options that set a parameter of the functions that are called."""


Frames = dict[str, list[workflows.ReconstructedImage]]
"""The results of the frames that are complete, as a checkpoint keeps them."""


@dataclass(frozen=True)
class Resumed:
    """The checkpoint of a command, which has begun.

    Parameters
    ----------
    checkpoint : Checkpoint
        The checkpoint.
    frames : dict
        What it keeps.
    """

    checkpoint: optim.Checkpoint
    frames: Frames


@click.command("reconstruct", cls=Job)
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--trajectory",
    type=click.Path(path_type=Path),
    help="File of the trajectory, where DATA has none: .npz, .cfl, .h5, .seq or .npy, as for "
    "show. It goes before one that DATA has.",
)
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    help="Unit of the trajectory, where no file says it.",
)
@click.option(
    "--shape",
    type=Each("voxels", Whole(min=1)),
    help="Voxels of the image along each axis, as 256,256, where no file says them.",
)
@click.option(
    "--fov",
    type=Each("metres", Real(min=0, min_open=True)),
    help="Field of view in metres, along all axes or along each, likewise.",
)
@click.option(
    "--coil-maps",
    type=click.Path(path_type=Path),
    help="Coil maps (coils, *shape): .npy, .npz with maps, or .cfl of BART.  [default: by ESPIRiT "
    "from the centre of k-space of all frames; of one coil, ones]",
)
@click.option(
    "--coils",
    type=Whole(min=1),
    help="Virtual coils that the data are compressed to.  [default: as DATA has them]",
)
@click.option(
    "--method",
    type=click.Choice(workflows.RECONSTRUCTIONS),
    default="cg",
    show_default=True,
    help="The adjoint with density weights, at once; least squares; least squares with the total "
    "variation, or with wavelets.",
)
@click.option(
    "--lambda",
    "weight",
    type=Real(min=0),
    help="Weight of the penalty beside |A x - y|^2 / 2, with the orthonormal transform.  "
    "[default: chosen from the noise]",
)
@click.option(
    "--frames",
    type=Whole(min=1),
    help="Frames: 1 takes all data together; of one frame, so many runs of its shots.  [default: "
    "as DATA has them]",
)
@click.option(
    "--field-map",
    type=click.Path(path_type=Path),
    help="Off-resonance in hertz, in the image's shape: .npy, .npz with field_map, .cfl or .nii.",
)
@click.option(
    "--sample-time",
    type=Real(min=0.01),  # no receiver is as fast
    help="With --field-map: time between two samples in microseconds, where no file says it.",
)
@click.option(
    "--l-curve",
    is_flag=True,
    help="Draw residual and penalty of nine weights of the first frame, in twenty times the time.",
)
@click.option(
    "--steps",
    type=Whole(min=1),
    help=f"Steps at most.  [default: {', '.join(f'{n} ({m})' for m, n in STEPS.items() if n)}]",
)
@options_of_checkpoints()
@options_of_result("out/reconstruct")
@click.pass_context
def reconstruct_command(ctx: click.Context, /, data: Path, **options: Any) -> None:
    """Reconstruct the image of a scan with several coils.

    DATA is raw data: .h5 or .mrd of ISMRMRD, with a trajectory or on a Cartesian grid; .dat of
    Siemens, Cartesian or with --trajectory; .cfl of BART, with --trajectory or a grid; or an .npz
    with data (frames, coils, shots, samples), trajectory (cycles per voxel) and shape. Noise
    scans whiten the coils.

    \b
    Writes
      image.png      magnitude, frames side by side; of a volume its middle plane
      image.nii.gz   magnitude, with the voxels' size, frames along the last axis
      result.npz     image (frames, *shape), maps, losses, and whatever was chosen
      figure.png     magnitude, phase, coil maps, course of the first frame
      l-curve.png    with --l-curve
      result.json    settings, versions, noise, weight, residual, seconds; last, when
                     all is there

    Ctrl-C ends the steps early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the figures out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    figures; the exit code is 128 and the signal's number. checkpoint.npz in the folder is the
    whole state, from which --resume goes on, after a crash as well; it is removed when the result
    is complete.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(image=data, seed=None, **options)
    check_together(settings)
    device = open_device(settings.device_name)
    scan = read_frames(settings)
    shape = scan.shape
    coils, real = scan.data.shape[1], scan.k.dtype
    maps = given_image("--coil-maps", settings.coil_maps, "maps", (coils, *shape))
    field_map = given_image("--field-map", settings.field_map, "field_map", shape, real)
    prepared = prepared_coils(whole_view(settings, scan), maps, settings.coils)
    if settings.method == "wavelet":
        try:
            Wavelets(prepared.scan.shape)
        except ValueError as error:
            raise refused(error, "--method", OPTIONS) from error
    with settings.claimed_folder(IMAGE, FIGURE, L_CURVE, resume=settings.resume) as folder:
        contents = {
            "the data": scan.data,
            "the trajectory": scan.k,
            "the noise scan": scan.noise,
            "the coil maps": maps,
            "the field map": field_map,
        }
        like = device.xp.asarray(scan.k[0])
        frames: Frames = {"results": []}
        checkpoint = settings.checkpoint(ctx, folder, like, contents, frames)
        try:
            with device.compilation_told():
                saved = Resumed(checkpoint, frames)
                done = run(settings, device, scan, prepared, field_map, ctx.obj, saved)
        except SettingError as error:
            raise refused(error, "DATA", OPTIONS) from error
        except ValueError as error:  # too few samples for coil maps, rates that decay too fast
            raise click.ClickException(str(error)) from error
        files: dict[str, Writer] = {
            VOLUME: lambda file: save_volume(np.abs(done.images), scan, file),
            ARRAYS: arrays_file(**arrays_of(done)),
        }
        pictures = {} if settings.no_figures else pictures_of(done)
        written = write(
            folder, files, record_of(done), pictures, ctx.obj, interrupted=done.interrupted
        )
    print_result(done)
    last = done.results[-1]
    ended = f"in frame {len(done.results)} of {len(scan.data)}, after {count(last.steps)}"
    ended = ended if last.interrupted else "in the L-curve, which is left out"
    finish(ctx, written, ended if done.interrupted else "")


def check_together(settings: Settings) -> None:
    """Refuse options that contradict each other."""
    if settings.method == "adjoint":
        for option, value in (
            ("--lambda", settings.weight),
            ("--l-curve", settings.l_curve or None),
            ("--steps", settings.steps),
        ):
            if value is not None:
                msg = f"{option}: the method adjoint has none; leave one out"
                raise click.UsageError(msg)
    if settings.weight is not None:
        try:
            check_weight("reconstruct", settings.method, settings.weight)
        except ValueError as error:
            raise refused(error, "--lambda", OPTIONS) from error
    if settings.l_curve and settings.weight == 0:
        msg = "--l-curve has weights around --lambda, which is 0; leave one out"
        raise click.UsageError(msg)
    if settings.sample_time is not None and settings.field_map is None:
        msg = "--sample-time is of --field-map; leave it out, or give both"
        raise click.UsageError(msg)


def read_frames(settings: Settings) -> Scan:
    """Read the data, and divide them into frames."""
    s = settings
    assert s.image is not None
    given: dict[str, Any] = {"unit": s.unit, "shape": s.shape, "fov": s.length}
    tried = "--trajectory"
    try:
        where = None if s.trajectory is None else read_trajectory(s.trajectory, **given)
        tried = "DATA"
        scan = scan_of(s.image, where, **given)
        # The times of a field map are those of the samples as they were taken.
        scan = scan.without_oversampling() if s.field_map is None else scan
        return scan if s.frames is None else scan.divided(s.frames)
    except (ValueError, OSError) as error:
        raise refused(error, tried, OPTIONS) from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error


def given_image(
    option: str, path: Path | None, name: str, shape: tuple[int, ...], kind: Any = None
) -> NDArray[Any] | None:
    """Return the array of an option's file, if there is one, in a precision if that is given."""
    if path is None:
        return None
    try:
        image: NDArray[Any] = load_image(path, name, shape)
    except (ValueError, OSError) as error:
        raise refused(error, option, OPTIONS) from error
    if kind is not None:
        part = np.imag(image).astype(kind)
        image = np.real(image).astype(kind)
        image = image + 1j * part if part.any() else image
    return image


def whole_view(settings: Settings, scan: Scan) -> Scan:
    """Return the scan with an image as wide as phase encoding, which is to be cut.

    With arrays in the shape of the image it stays as it is.
    """
    if scan.encoded == scan.shape:
        return scan
    if settings.coil_maps is not None or settings.field_map is not None:
        click.echo(
            f"Careful: the lines encode {crossed(scan.encoded)} voxels and the image has "
            f"{crossed(scan.shape)}; what lies beyond it folds in, for the coil maps or the field "
            "map that are given end there.",
            err=True,
        )
        return scan
    return replace(scan, shape=tuple(map(widened, scan.shape, scan.encoded)))


def widened(voxels: int, encoded: int) -> int:
    """Return the voxels of an axis that an image is widened to, all that are encoded or more.

    Of two as far apart as those that are encoded, lines see the sum. The outermost of more voxels
    come twice like this, which is not to reach those of the image in the middle.
    """
    if encoded == voxels:
        return voxels
    wide = (encoded + -encoded % block for block in BLOCKS)
    return next(n for n in wide if n - encoded <= encoded - voxels)


def run(
    settings: Settings,
    device: Device,
    scan: Scan,
    coils: Coils,
    field_map: NDArray[Any] | None,
    interrupts: Interrupts,
    saved: Resumed,
) -> Reconstructed:
    """Reconstruct all frames, then the L-curve of the first."""
    announce(settings, device, coils.scan, scan.shape)
    xp = device.xp
    given: dict[str, Any] = {"method": settings.method, "steps": settings.most_steps}
    if field_map is not None:
        times = times_of(settings, scan)
        given |= {"field_map": xp.asarray(field_map), "times": xp.asarray(times)}
    try:
        results = solved(settings, device, coils, given, interrupts, saved)
        curve, interrupted = None, results[-1].interrupted
        if settings.l_curve and not interrupted and results[0].weight > 0:
            click.echo("L-curve ...", err=True)
            arrays = arrays_of_frame(device, coils.scan, 0)
            given |= {"steps": settings.steps, "checkpoint": saved.checkpoint.part("L-curve")}
            first = replace(results[0], maps=xp.asarray(results[0].maps))
            try:
                curve = workflows.l_curve(*arrays, coils.scan.shape, first, **given)
            except KeyboardInterrupt:
                interrupted = True
    finally:
        saved.checkpoint.flush()
    interrupts.hold()
    images = [cut(result, scan.shape) for result in results]
    return Reconstructed(settings, device, scan, coils, images, curve, interrupted)


def announce(settings: Settings, device: Device, scan: Scan, shape: tuple[int, ...]) -> None:
    """Say what is reconstructed, of which the image has a shape, and which points fold back."""
    frames = len(scan.data)
    part = "" if scan.shape == shape else f", {crossed(shape)} of them the image"
    click.echo(
        f"Reconstructing on the {device.title}: {settings.method}, {frames} frame"
        f"{'' if frames == 1 else 's'} of {scan.data.shape[1]} coils and "
        f"{scan.data[0, 0].size} samples, {crossed(scan.shape)} voxels{part}",
        err=True,
    )
    away = np.abs(scan.k).max(axis=-1)
    reach = away.max()
    if far := np.count_nonzero(away > EDGE):
        click.echo(
            f"Careful: {far / away.size:.0%} of the points lie beyond half a cycle per "
            f"voxel, the farthest at {reach:.3g}, where they fold back. Want a "
            "larger --shape, or the --unit that the trajectory has.",
            err=True,
        )
    if reach < NEAR:
        click.echo(
            f"Careful: the points reach to {reach:.3g} cycles per voxel, voxels of this size to "
            "0.5. Want a smaller --shape, or the --unit that the trajectory has.",
            err=True,
        )


def shared_maps(device: Device, coils: Coils) -> Any:
    """Return maps that all frames have: the user's, or of several frames those of all data.

    Slices have their own.
    """
    scan, maps = coils.scan, coils.maps
    xp = device.xp
    if maps is not None:
        return xp.asarray(maps.astype(scan.data.dtype))
    if len(scan.data) == 1 or any("slice" in name for name in scan.frames):
        return None
    return maps_of(*arrays_of_frame(device, scan.divided(1), 0), scan.shape)


def arrays_of_frame(device: Device, scan: Scan, frame: int) -> tuple[Any, Any]:
    """Return data and trajectory of a frame on the device."""
    k = np.ascontiguousarray(scan.k[frame])
    return device.xp.asarray(scan.data[frame]), device.xp.asarray(k)


def solved(
    settings: Settings,
    device: Device,
    coils: Coils,
    given: dict[str, Any],
    interrupts: Interrupts,
    saved: Resumed,
) -> list[workflows.ReconstructedImage]:
    """Return the result of each frame, with a progress bar, until one is interrupted.

    All have the maps of the first one, which the result has: those of each slice would fill the
    checkpoint.
    """
    scan, frames = coils.scan, len(coils.scan.data)
    kept, checkpoint = saved.frames["results"], saved.checkpoint
    if len(kept) == frames:
        return kept
    if coils.maps is None and scan.data.shape[1] > 1:
        click.echo("Coil maps ...", err=True)
    maps = shared_maps(device, coils)
    for frame, name in list(enumerate(scan.frames))[len(kept) :]:

        def done(step: int, _loss: float, _image: Array, frame: int = frame) -> None:
            last = step == given["steps"] and frame == frames - 1
            interrupts.step_done(last=last and not settings.l_curve)

        if frames > 1:
            click.echo(f"{name} ({frame + 1} of {frames})", err=True)
        result = workflows.reconstruct(
            *arrays_of_frame(device, scan, frame),
            scan.shape,
            maps=maps,
            weight=settings.weight,
            noise=coils.noise,
            callback=done,
            progress=True,
            checkpoint=checkpoint.part(f"frame {frame}", brief=frames > 1),
            **given,
        )
        result = device.fetch(result)
        result = replace(result, maps=kept[0].maps) if kept else result
        if result.interrupted:
            return [*kept, result]
        kept.append(result)
        checkpoint.save(frame)
        checkpoint.drop(f"frame {frame}")
    return kept


def cut(
    result: workflows.ReconstructedImage, shape: tuple[int, ...]
) -> workflows.ReconstructedImage:
    """Return the middle of image and maps."""
    firsts = [m // 2 - n // 2 for m, n in zip(result.image.shape, shape, strict=True)]
    middle = (..., *(slice(i, i + n) for i, n in zip(firsts, shape, strict=True)))
    return replace(result, image=result.image[middle], maps=result.maps[middle])


def times_of(settings: Settings, scan: Scan) -> NDArray[Any]:
    """Return the time of each sample of a shot in seconds, the first at 0."""
    given = settings.sample_time
    step = scan.sample_time if given is None else 1e-6 * given
    if step is None:
        msg = "--field-map: no file says the time between two samples; want --sample-time"
        raise click.UsageError(msg)
    times: NDArray[Any] = (step * np.arange(scan.k.shape[2])).astype(scan.k.dtype)
    return times
