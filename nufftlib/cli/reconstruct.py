"""The command ``reconstruct``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
    Options,
    Real,
    Whole,
    arrays_file,
    finish,
    format_speed,
    json_file,
    options_of_result,
    report,
    versions,
    write,
)
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io import Scan, read_scan
from nufftlib.io.raw.images import load_image
from nufftlib.io.stored import UNITS, Unit
from nufftlib.mri.reconstruct.job import STEPS, Method
from nufftlib.mri.reconstruct.model import maps_of
from nufftlib.mri.reconstruct.penalties import Wavelets

EDGE = 0.51
"""In cycles per voxel, a little beyond the end of the image's k-space."""

LARGE_RESIDUAL = 1.5
"""A residual of so many times the noise is no noise alone."""


@dataclass(frozen=True)
class Settings(Options):
    """The options of the command.

    Parameters
    ----------
    trajectory : Path or None
        File of the trajectory.
    unit : str or None
        Its unit.
    shape : tuple of int or None
        Voxels of the image.
    fov : tuple of float or None
        Field of view in metres.
    coil_maps : Path or None
        File of the coil maps.
    coils : int or None
        Number of virtual coils that the data are compressed to.
    method : str
        The method's name.
    weight : float or None
        The weight, where it is given.
    frames : int or None
        Number of frames.
    field_map : Path or None
        File of the field map.
    sample_time : float or None
        Time between two samples in microseconds.
    l_curve : bool
        Whether to draw the L-curve.
    """

    trajectory: Path | None
    unit: Unit | None
    shape: tuple[int, ...] | None
    fov: tuple[float, ...] | None
    coil_maps: Path | None
    coils: int | None
    method: Method
    weight: float | None
    frames: int | None
    field_map: Path | None
    sample_time: float | None
    l_curve: bool


@dataclass(frozen=True)
class Reconstructed:
    """The results of all frames on the host, and their origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where the method ran.
    coils : Coils
        The data, whitened and compressed.
    results : list of ReconstructedImage
        One for each frame.
    curve : LCurve or None
        That of the first frame.
    """

    settings: Settings
    device: Device
    coils: Coils
    results: list[workflows.ReconstructedImage]
    curve: workflows.LCurve | None

    @property
    def scan(self) -> Scan:
        """The data."""
        return self.coils.scan

    @property
    def images(self) -> NDArray[Any]:
        """The images, shape (frames, *shape)."""
        return np.stack([r.image for r in self.results])

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the steps."""
        return self.results[-1].interrupted


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


# --- what is written ------------------------------------------------------------------------


def arrays_of(done: Reconstructed) -> dict[str, NDArray[Any]]:
    """Return the arrays of the result."""
    results = done.results
    arrays = {
        "image": done.images,
        "maps": results[0].maps,
        "losses": np.asarray(results[0].losses),
        "noise": np.asarray([r.noise for r in results]),
        "weight": np.asarray([r.weight for r in results]),
        "residual": np.asarray([r.residual for r in results]),
    }
    if done.curve is not None:
        arrays |= {f"l_curve_{name}": value for name, value in vars(done.curve).items()}
    return arrays


def save_volume(images: NDArray[Any], fov: tuple[float, ...] | None, file: BinaryIO) -> None:
    """Write a NIfTI file, voxels in millimetres, or of size one where they are not known."""
    import gzip

    import nibabel

    shape = images.shape[1:]
    volume = np.moveaxis(images, 0, -1).reshape(*(*shape, 1)[:3], -1)
    volume = volume[..., 0] if volume.shape[-1] == 1 else volume
    sizes = [1.0] * 3
    if fov is not None:
        sizes[: len(fov)] = [1e3 * length / n for length, n in zip(fov, shape, strict=True)]
    centre = [-d * (n // 2) for d, n in zip(sizes, (*shape, 1)[:3], strict=True)]
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = centre
    made: Any = nibabel.Nifti1Image
    image = made(volume.astype(np.float32), affine)
    image.header.set_xyzt_units("mm")
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(image.to_bytes())


def save_magnitude(images: NDArray[Any], file: BinaryIO) -> None:
    """Write a PNG of 8 bits: frames side by side, from 0 to the brightest voxel."""
    from PIL import Image

    from nufftlib.plots.reconstruction import mosaic, plane_of

    shown = mosaic(np.stack([plane_of(x) for x in images]))
    scale = 255 / (float(shown.max()) or 1.0)
    Image.fromarray(np.round(scale * shown).astype(np.uint8)).save(file, "PNG")


def pictures_of(done: Reconstructed) -> dict[str, Writer]:
    """Return writers of the pictures."""
    from nufftlib.plots.reconstruction import draw_l_curve, draw_reconstruction

    first = done.results[0]
    pictures: dict[str, Writer] = {
        IMAGE: lambda file: save_magnitude(np.abs(done.images), file),
        FIGURE: lambda file: draw_reconstruction(first, file),
    }
    curve = done.curve
    if curve is not None:
        pictures[L_CURVE] = lambda file: draw_l_curve(curve, first, file)
    return pictures


def record_of(done: Reconstructed) -> Writer:
    """Return a writer of the record."""
    s, scan = done.settings, done.scan
    return json_file(
        {
            "job": "reconstruct",
            "settings": {
                "data": str(s.image),
                "trajectory": None if s.trajectory is None else str(s.trajectory),
                "unit": s.unit,
                "shape": scan.shape,
                "fov": scan.fov,
                "coils": scan.data.shape[1],
                "samples": scan.k.shape[1:-1],
                "virtual_coils": s.coils,
                "coil_maps": None if s.coil_maps is None else str(s.coil_maps),
                "method": s.method,
                "lambda": s.weight,
                "frames": scan.frames,
                "field_map": None if s.field_map is None else str(s.field_map),
                "sample_time": scan.sample_time,
                "steps": s.steps or STEPS[s.method],
                "device": done.device.name,
            },
            "source": scan.source,
            "whitened": done.coils.noise is not None,
            "energy_kept": done.coils.kept,
            "versions": versions(done.device),
            "frames": [
                {
                    "frame": scan.frames[i],
                    "noise": r.noise,
                    "weight": r.weight,
                    "residual": r.residual,
                    "penalty": r.penalty,
                    "steps": r.steps,
                    "converged": r.converged,
                    "seconds_setup": r.seconds_setup,
                    "seconds": r.seconds,
                }
                for i, r in enumerate(done.results)
            ],
            "interrupted": done.interrupted,
        }
    )


def print_result(done: Reconstructed) -> None:
    """Print a line for each frame, and a warning if a residual is no noise."""
    head = ["frame", "steps", "seconds", "steps/s", "noise", "weight", "residual"]
    rows = [
        [name, *format_speed(r), f"{r.noise:.4g}", f"{r.weight:.4g}", f"{r.residual:.4g}"]
        for name, r in zip(done.scan.frames, done.results, strict=False)
    ]
    below = []
    if done.coils.noise is not None:
        below.append("The noise scan made the coils white: their noise is 1.414.")
    if done.settings.coils is not None:
        below.append(
            f"{done.settings.coils} virtual coils have {done.coils.kept:.2%} of the energy."
        )
    report(head, rows, *below)
    worst = max(r.residual / r.noise if r.noise > 0 else 0.0 for r in done.results)
    if worst > LARGE_RESIDUAL and not done.interrupted and done.settings.method != "adjoint":
        said = (
            f"\nCareful: the residual is up to {worst:.1f} times the noise. The weight may be too "
            "large, or coil maps, trajectory or field map wrong."
        )
        click.echo(said, err=True)
