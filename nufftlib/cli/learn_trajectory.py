"""The command ``learn-trajectory``."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, get_args

import click
import numpy as np
from numpy.typing import NDArray

import nufftlib as nl
from nufftlib import data, mri, workflows
from nufftlib.cli import jobs
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import (
    ANIMATION,
    ARRAYS,
    FIGURE,
    SEQUENCE,
    TRAJECTORY,
    WAVEFORMS,
    Writer,
)
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    Each,
    Job,
    Options,
    Real,
    Whole,
    arrays_file,
    finish,
    format_losses,
    format_speed,
    json_file,
    options_of_jobs,
    read,
    report,
    versions,
    write,
)
from nufftlib.cli.scans import (
    COILS,
    DEFAULT,
    NAMES,
    SAMPLES,
    SHOTS,
    Start,
    centre_sample,
    check_centre,
    coil_maps_of,
    start_of,
)
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io import save_trajectory, write_pulseq
from nufftlib.io.stored import UNITS, Unit
from nufftlib.io.volumes import field_of_view
from nufftlib.mri.learn.objective import Maps
from nufftlib.mri.scanner.protocol import Norm

RASTER, FOV = 10.0, 0.24  # us, m
STEPS = 100
LEARNING_RATE = (1e-3, 1e-4)
EPS = 1e-4
FRAMES = 28
LEAST = 14  # twice the width of the density's kernel


LIMIT = Real(min=0, min_open=True)


@dataclass(frozen=True)
class Settings(Options):
    """The options of the command.

    Parameters
    ----------
    volume : Path or None
        The user's volume, in place of a picture.
    size : int or None
        Voxels along its longest axis; None keeps all.
    coils : int or None
        Number of coils.
    coil_maps : Path or None
        File of their maps.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction.
    start : str or None
        Name of a pattern or of a file to start with.
    shots, samples : int or None
        Shots of the pattern, and samples of each.
    unit : str or None
        Unit of the file's points, where it does not say it.
    gmax, smax, raster : float or None
        Limits of the scanner in mT/m, T/m/s and us.
    norm : {"l2", "max"} or None
        What they hold for.
    fov : tuple of float or None
        Field of view in metres, of all axes or of each.
    control_points : tuple of int or None
        Control points of each shot, from coarse to fine.
    pulseq : bool
        Whether to write a Pulseq sequence.
    """

    volume: Path | None
    size: int | None
    coils: int | None
    coil_maps: Path | None
    maps: Maps
    start: str | None
    shots: int | None
    samples: int | None
    unit: Unit | None
    gmax: float | None
    smax: float | None
    raster: float | None
    norm: Norm | None
    fov: tuple[float, ...] | None
    control_points: tuple[int, ...] | None
    pulseq: bool

    @property
    def number_of_steps(self) -> int:
        """Number of steps."""
        return self.steps or STEPS

    def protocol(self, shape: tuple[int, ...]) -> mri.Protocol | None:
        """Return the limits for an image, if any are given."""
        if self.gmax is None or self.smax is None:
            given = {
                "--gmax": self.gmax,
                "--smax": self.smax,
                "--raster": self.raster,
                "--norm": self.norm,
                "--fov": self.fov,
                "--control-points": self.control_points,
                "--pulseq": self.pulseq or None,
            }
            if names := [name for name, value in given.items() if value is not None]:
                msg = f"{names[0]} is given; want --gmax and --smax with it, a scanner's limits"
                raise click.UsageError(msg)
            return None
        raster = (RASTER if self.raster is None else self.raster) / 1e6
        own = None if self.volume is None else field_of_view(self.volume)
        fov = self.fov or own or (FOV,)
        if len(fov) not in (1, len(shape)):
            msg = f"--fov: {len(fov)} lengths; want one, or one for each of the {len(shape)} axes"
            raise click.UsageError(msg)
        try:
            scanner = mri.Scanner(self.gmax / 1e3, self.smax, raster, norm=self.norm or "l2")
            return mri.Protocol(scanner, fov[0] if len(fov) == 1 else fov, shape)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    @property
    def beginning(self) -> Start:
        """What is said of the trajectory to start with."""
        return Start(self.start, self.shots, self.samples, self.unit, self.turn)

    @property
    def turn(self) -> float | None:
        """Angle in radians by which the start is turned, if a seed is given."""
        if self.seed is None:
            return None
        return float(np.random.default_rng(self.seed).uniform(0, 2 * math.pi))


@dataclass(frozen=True)
class Scan:
    """The image and the coils on the device, and the trajectory to start with.

    Parameters
    ----------
    image : array, shape (height, width) or (height, width, depth)
        The image to be sampled.
    coil_maps : array, shape (coils, *image.shape)
        Sensitivities of the coils.
    trajectory : array, shape (shots, samples, 2 or 3)
        The trajectory before the first step.
    protocol : Protocol or None
        The limits of the scanner, if any are given.
    """

    image: Array
    coil_maps: Array
    trajectory: Array
    protocol: mri.Protocol | None

    @property
    def receiver(self) -> Callable[[Array], Array]:
        """From a trajectory to the points at which the image is sampled."""
        if self.protocol is None:
            return lambda k: k
        return mri.receiver(self.protocol, self.trajectory.shape[-2]).apply

    @property
    def learning_rate(self) -> tuple[float, float]:
        """Rates of the first step and after the last: of a picture, those of the defaults.

        A step of k-space is one over the number of voxels, and so much larger in a small volume.
        """
        first, last = (rate * jobs.SIZE / max(self.image.shape) for rate in LEARNING_RATE)
        return first, last

    def fixed(self, control_points: tuple[int, ...] | None) -> dict[int, Any] | None:
        """Return the sample that stays at the centre, if all shots pass through it together.

        Control points pass their curve by, but at its ends.
        """
        if self.protocol is None:
            return None
        sample = centre_sample(self.trajectory)
        if sample is None or (control_points and 0 < sample < self.trajectory.shape[1] - 1):
            return None
        return {sample: (0.0,) * self.image.ndim}


@click.command("learn-trajectory", cls=Job)
@options_of_jobs(
    image="a brain",
    values="floats of any range or of uint8 or uint16, of a positive mean; colours become luma",
    steps="Number of steps.  [default: 100]",
    seed="Turn the whole start about the last axis of a volume, or within the plane, by an angle "
    "drawn with this seed.  [default: not turned]",
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
    help="Resize the volume to that many voxels along its longest axis.  [default: as it is]",
)
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

    \b
    Writes
      result.npz    trajectory, trajectory_start, losses, reconstruction,
                    reconstruction_start, image
      figure.png    image, trajectories, reconstructions, loss
      waveforms.png gradients and slew rates with their limits (with limits alone)
      trajectory.npz the trajectory with its protocol (with limits alone)
      trajectory.seq a Pulseq sequence (with --pulseq alone)
      learning.gif  trajectory, reconstruction and loss while learning
      result.json   settings, versions, first and best loss, after how many steps the best
                    was found, steps, seconds, the certificate of the projection; last, when
                    all is there

    Ctrl-C ends the learning early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the pictures out. SIGTERM, SIGHUP and SIGXCPU do the same, without the
    pictures; the exit code is 128 and the signal's number.
    """  # noqa: D301  # click wants the control character: keep the lines
    settings = Settings(**options)
    device = open_device(settings.device_name)
    x = read_image(ctx, settings)
    limits = settings.protocol(x.shape)
    if settings.pulseq:
        check_pypulseq()
    k = start_of(settings.beginning, x.shape, None if limits is None else limits.fov)
    if settings.maps == "estimated":
        check_centre(k)
    maps = coil_maps_of(settings.coil_maps, settings.coils, x.shape)
    with settings.claimed_folder(*pictures_with(limits)) as folder:
        image, maps, k = map(device.xp.asarray, (x, maps, k))
        scan = Scan(image, maps, k, limits)
        learned, kept = learn(settings, device, scan, ctx.obj)
        pictures = {}
        if not settings.no_figures:
            pictures = pictures_of(settings, device, scan, learned, kept)
        written = write(
            folder,
            files_of(settings, x, learned),
            record_of(settings, device, scan, learned),
            pictures,
            ctx.obj,
            interrupted=learned.interrupted,
        )
    report(
        ("maps", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"),
        [(settings.maps, *format_speed(learned), *format_losses(learned))],
        *limits_kept(learned),
    )
    where = f"after {learned.steps} of {count(settings.number_of_steps)}"
    finish(ctx, written, where if learned.interrupted else "")


def limits_kept(learned: workflows.LearnedTrajectory) -> list[str]:
    """Say how much of its limits the trajectory takes, and what is certified."""
    if learned.protocol is None or learned.certificate is None:
        return []
    found = mri.check_trajectory(learned.trajectory, learned.protocol)
    certified = learned.certificate
    return [
        f"Of the limits: gradient {found.gradient.ratio:.3f}, slew rate {found.slew.ratio:.3f}; "
        f"exceeded by {certified.violation:g}; duality gap of the projection {certified.gap:.1e}"
    ]


def read_image(ctx: click.Context, settings: Settings) -> NDArray[np.float32]:
    """Read the image or the volume, and bring its largest value to one."""
    volume = settings.volume is not None
    if volume and settings.image is not None:
        msg = "--image and --volume are given; want one of them"
        raise click.UsageError(msg)
    if settings.size is not None and not volume:
        msg = "--size is given; want --volume with it: a picture has its size"
        raise click.UsageError(msg)
    if volume:
        path, option = settings.volume, "--volume"
        x = read(lambda file, _: workflows.load_volume(file, settings.size), path, None, option)
    else:
        path, option = settings.image, "--image"
        x = read(workflows.load_gray, path, data.brain)
    if min(x.shape) < LEAST:
        msg = (
            f"{path}: the shape is {x.shape}; want at least {LEAST} voxels along each axis, for "
            f"the kernel of the density weights"
        )
        raise click.BadParameter(msg, ctx, param_hint=f"'{option}'")
    if not (x.max() > 0 and x.mean() > 0):
        msg = (
            f"{path}: the largest value is {x.max():g} and the mean {x.mean():g}; "
            f"want both positive"
        )
        raise click.BadParameter(msg, ctx, param_hint=f"'{option}'")
    scaled: NDArray[np.float32] = x / x.max()
    return scaled


def learn(
    settings: Settings, device: Device, scan: Scan, interrupts: Interrupts
) -> tuple[workflows.LearnedTrajectory, list[tuple[int, Array]]]:
    """Learn the trajectory.

    Return the result on the host, and the trajectories of the animation with their steps.
    """
    steps = settings.number_of_steps
    # Only references: the trajectory of a step is never changed afterwards.
    kept: list[tuple[int, Array]] = []
    shown = {round(i * steps / (FRAMES - 1)) for i in range(FRAMES - 1)} - {steps}

    def keep(step: int, _loss: float, trajectory: Array) -> None:
        if step in shown:
            kept.append((step, trajectory))
        interrupts.step_done(last=step == steps)

    click.echo(f"Learning on the {device.title}: {count(steps)}, maps {settings.maps}", err=True)
    learned = workflows.learn_trajectory(
        scan.image,
        scan.coil_maps,
        scan.trajectory,
        maps=settings.maps,
        steps=steps,
        learning_rate=scan.learning_rate,
        eps=EPS,
        protocol=scan.protocol,
        fixed=scan.fixed(settings.control_points),
        control_points=settings.control_points,
        callback=keep,
        progress=True,
    )
    interrupts.hold()
    kept.append((learned.step_best, learned.trajectory))
    return device.fetch(learned), kept


def pictures_with(protocol: mri.Protocol | None) -> tuple[str, ...]:
    """Return the names of the pictures."""
    return (FIGURE, ANIMATION) if protocol is None else (FIGURE, WAVEFORMS, ANIMATION)


def check_pypulseq() -> None:
    """Refuse a sequence that could not be written after all the steps."""
    try:
        importlib.import_module("pypulseq")
    except ImportError as error:
        msg = '--pulseq needs pypulseq, which comes with: pip install "nufftlib[pulseq]"'
        raise click.ClickException(msg) from error


def files_of(
    settings: Settings, x: NDArray[np.float32], learned: workflows.LearnedTrajectory
) -> dict[str, Writer]:
    """Return writers of the data by name."""
    files = {
        ARRAYS: arrays_file(
            trajectory=learned.trajectory,
            trajectory_start=learned.trajectory_start,
            losses=np.asarray(learned.losses),
            reconstruction=learned.reconstruction,
            reconstruction_start=learned.reconstruction_start,
            image=x,
        )
    }
    k, protocol = learned.trajectory, learned.protocol
    if protocol is not None:
        files[TRAJECTORY] = saved(lambda path: save_trajectory(path, k, protocol), ".npz")
        if settings.pulseq:
            files[SEQUENCE] = saved(lambda path: write_pulseq(path, k, protocol), ".seq")
    return files


def saved(save: Callable[[Path], None], suffix: str) -> Writer:
    """Return a writer of what a function saves under a name."""

    def copy(file: BinaryIO) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, f"saved{suffix}")
            save(path)
            file.write(path.read_bytes())

    return copy


def record_of(
    settings: Settings,
    device: Device,
    scan: Scan,
    learned: workflows.LearnedTrajectory,
) -> Writer:
    """Return a writer of the record."""
    return json_file(
        {
            "job": "learn-trajectory",
            "settings": {
                "image": None if settings.volume else str(settings.image or "brain"),
                "volume": settings.volume and str(settings.volume),
                "shape": tuple(scan.image.shape),
                "coils": scan.coil_maps.shape[0],
                "coil_maps": settings.coil_maps and str(settings.coil_maps),
                "start": settings.start or DEFAULT[scan.image.ndim],
                "shots": scan.trajectory.shape[0],
                "samples": scan.trajectory.shape[1],
                "maps": settings.maps,
                "steps": settings.number_of_steps,
                "learning_rate": scan.learning_rate,
                "eps": EPS,
                "seed": settings.seed,
                "turn_radians": settings.turn,
                "device": device.name,
                "protocol": learned.protocol and asdict(learned.protocol),
                "control_points": settings.control_points,
            },
            "certificate": learned.certificate and asdict(learned.certificate),
            "versions": versions(device),
            "loss_start": learned.losses[0],
            "loss_final": learned.loss_final,
            "step_best": learned.step_best,
            "steps": learned.steps,
            "seconds": learned.seconds,
            "interrupted": learned.interrupted,
        }
    )


def pictures_of(
    settings: Settings,
    device: Device,
    scan: Scan,
    learned: workflows.LearnedTrajectory,
    kept: list[tuple[int, Array]],
) -> dict[str, Writer]:
    """Return writers of the pictures by name."""
    from nufftlib.plots import figures, waveforms

    x = device.to_host(scan.image)

    def animate(file: BinaryIO) -> None:
        F = nl.NUFFT(scan.receiver(scan.trajectory), x.shape, eps=EPS)
        objective = workflows.TrajectoryObjective(scan.image, scan.coil_maps, F, settings.maps)
        frames = [
            figures.Frame(
                step, device.to_host(k), device.to_host(objective.reconstruct(scan.receiver(k)))
            )
            for step, k in kept
        ]
        figures.animate_learning(frames, learned.losses, file)

    def draw_limits(file: BinaryIO) -> None:
        assert learned.protocol is not None
        waveforms.draw_waveforms(learned.trajectory, learned.protocol, file)

    writers: dict[str, Writer] = {
        FIGURE: lambda file: figures.draw_learning(x, learned, file),
        WAVEFORMS: draw_limits,
        ANIMATION: animate,
    }
    return {name: writers[name] for name in pictures_with(learned.protocol)}
