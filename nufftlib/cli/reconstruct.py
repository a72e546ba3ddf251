"""The command ``reconstruct``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import workflows
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
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io import Scan, read_scan
from nufftlib.io.raw.images import load_image
from nufftlib.io.stored import UNITS
from nufftlib.mri.reconstruct.job import STEPS
from nufftlib.mri.reconstruct.model import maps_of
from nufftlib.mri.reconstruct.penalties import Wavelets

EDGE = 0.51
"""In cycles per voxel, a little beyond the end of the image's k-space."""


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
    type=Real(min=0, min_open=True),
    help="With --field-map: time between two samples in us, where no file says it.",
)
@click.option(
    "--l-curve",
    is_flag=True,
    help="Draw residual and penalty of nine weights, of the first frame: takes nine times as long.",
)
@click.option(
    "--steps",
    type=Whole(min=1),
    help=f"Steps at most.  [default: {', '.join(f'{n} ({m})' for m, n in STEPS.items() if n)}]",
)
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
    figures; the exit code is 128 and the signal's number.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(image=data, seed=None, **options)
    check_together(settings)
    device = open_device(settings.device_name)
    scan = read_frames(settings)
    shape = scan.shape
    coils, real = scan.data.shape[1], scan.k.dtype
    maps = given_image("--coil-maps", settings.coil_maps, "maps", (coils, *shape))
    prepared = prepared_coils(scan, maps, settings.coils)
    field_map = given_image("--field-map", settings.field_map, "field_map", shape, real)
    if settings.method == "wavelet":
        try:
            Wavelets(shape)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="'--method'") from error
    with settings.claimed_folder(IMAGE, FIGURE, L_CURVE) as folder:
        try:
            done = run(settings, device, prepared, field_map, ctx.obj)
        except ValueError as error:  # too few samples for coil maps, rates that decay too fast
            raise click.ClickException(str(error)) from error
        files: dict[str, Writer] = {
            VOLUME: lambda file: save_volume(np.abs(done.images), scan.fov, file),
            ARRAYS: arrays_file(**arrays_of(done)),
        }
        pictures = {} if settings.no_figures else pictures_of(done)
        written = write(
            folder, files, record_of(done), pictures, ctx.obj, interrupted=done.interrupted
        )
    print_result(done)
    last = done.results[-1]
    ended = f"in frame {len(done.results)} of {len(scan.data)}, after {count(last.steps)}"
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
    if settings.l_curve and settings.weight == 0:
        msg = "--l-curve has weights around --lambda, which is 0; leave one out"
        raise click.UsageError(msg)
    if settings.sample_time is not None and settings.field_map is None:
        msg = "--sample-time is of --field-map; leave it out, or give both"
        raise click.UsageError(msg)


def read_frames(settings: Settings) -> Scan:
    """Read the data, and divide them into frames."""
    s, fov = settings, settings.fov
    assert s.image is not None
    try:
        length = fov[0] if fov is not None and len(fov) == 1 else fov
        scan = read_scan(s.image, s.trajectory, unit=s.unit, shape=s.shape, fov=length)
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="'DATA'") from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error
    if s.frames is None:
        return scan
    try:
        return scan.divided(s.frames)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--frames'") from error


def given_image(
    option: str, path: Path | None, name: str, shape: tuple[int, ...], kind: Any = None
) -> NDArray[Any] | None:
    """Return the array of an option's file, if there is one, in a precision if that is given."""
    if path is None:
        return None
    try:
        image: NDArray[Any] = load_image(path, name, shape)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error
    if kind is not None:
        part = np.imag(image).astype(kind)
        image = np.real(image).astype(kind)
        image = image + 1j * part if part.any() else image
    return image


def run(
    settings: Settings,
    device: Device,
    coils: Coils,
    field_map: NDArray[Any] | None,
    interrupts: Interrupts,
) -> Reconstructed:
    """Reconstruct frame after frame, each with a progress bar."""
    s, scan, maps = settings, coils.scan, coils.maps
    frames = len(scan.data)
    steps = s.steps or STEPS[s.method]
    click.echo(
        f"Reconstructing on the {device.title}: {s.method}, {frames} frame"
        f"{'' if frames == 1 else 's'} of {scan.data.shape[1]} coils and "
        f"{scan.data[0, 0].size} samples, {' x '.join(map(str, scan.shape))} voxels",
        err=True,
    )
    if far := np.count_nonzero(np.any(np.abs(scan.k) > EDGE, axis=-1)):
        click.echo(
            f"Careful: {far / scan.k[..., 0].size:.0%} of the points lie beyond half a cycle per "
            "voxel, where they fold back. The voxels are too large: want a larger --shape.",
            err=True,
        )
    xp = device.xp
    given: dict[str, Any] = {"method": s.method, "steps": steps}
    if field_map is not None:
        given |= {"field_map": xp.asarray(field_map), "times": xp.asarray(times_of(s, scan))}
    if maps is None and frames > 1 and not any("slice" in name for name in scan.frames):
        whole = scan.divided(1)
        maps = device.to_host(
            maps_of(xp.asarray(whole.data[0]), xp.asarray(whole.k[0]), scan.shape)
        )
    known = None if maps is None else xp.asarray(maps.astype(scan.data.dtype))
    results: list[workflows.ReconstructedImage] = []
    first: list[Any] = []
    for frame, (y, k) in enumerate(zip(scan.data, scan.k, strict=True)):

        def done(step: int, _loss: float, _image: Array, frame: int = frame) -> None:
            interrupts.step_done(last=step == steps and frame == frames - 1)

        if frames > 1:
            click.echo(f"{scan.frames[frame]} ({frame + 1} of {frames})", err=True)
        arrays = xp.asarray(y), xp.asarray(np.ascontiguousarray(k))
        result = workflows.reconstruct(
            *arrays,
            scan.shape,
            maps=known,
            weight=s.weight,
            noise=coils.noise,
            callback=done,
            progress=True,
            **given,
        )
        first = first or [*arrays, result]
        results.append(device.fetch(result))
        if result.interrupted:
            break
    curve = None
    if s.l_curve and not results[-1].interrupted and results[0].weight > 0:
        click.echo("L-curve ...", err=True)
        y, k, result = first
        curve = workflows.l_curve(y, k, scan.shape, result, **given)
    interrupts.hold()
    return Reconstructed(settings, device, coils, results, curve)


def times_of(settings: Settings, scan: Scan) -> NDArray[Any]:
    """Return the time of each sample of a shot in seconds, the first at 0."""
    given = settings.sample_time
    step = scan.sample_time if given is None else 1e-6 * given
    if step is None:
        msg = "--field-map: no file says the time between two samples; want --sample-time"
        raise click.UsageError(msg)
    times: NDArray[Any] = (step * np.arange(scan.k.shape[2])).astype(scan.k.dtype)
    return times
