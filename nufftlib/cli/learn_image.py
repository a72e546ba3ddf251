"""The command ``learn-trajectory`` on one image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

import nufftlib as nl
import optim
from nufftlib import data, mri, workflows
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.files import ANIMATION, ARRAYS, COURSE, FIGURE, REPORT, WAVEFORMS, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.cli.jobs import (
    arrays_file,
    finish,
    format_losses,
    format_speed,
    json_file,
    read,
    report,
    versions,
    with_page,
    write,
)
from nufftlib.cli.learning import (
    EPS,
    LEAST,
    Settings,
    check_loss,
    check_pypulseq,
    files_of_limits,
    fixed_samples,
    learning_rate,
    limits_kept,
    solves_told,
)
from nufftlib.cli.scans import DEFAULT, check_centre, coil_maps_of, start_of
from nufftlib.core.arrays import Array
from nufftlib.core.run import count
from nufftlib.io.volumes import field_of_view

STEPS = 100
FRAMES = 28

Frames = dict[str, list[tuple[int, Array]]]
"""The trajectories of the animation with their steps, as a checkpoint keeps them."""


@dataclass(frozen=True)
class ImageSettings(Settings):
    """The options of the learning on one image.

    Parameters
    ----------
    volume : Path or None
        The user's volume, in place of a picture.
    """

    volume: Path | None

    @property
    def number_of_steps(self) -> int:
        """Number of steps."""
        return self.steps or STEPS

    @property
    def turn(self) -> float | None:
        """Angle in radians by which the start is turned, if a seed is given."""
        if self.seed is None:
            return None
        return float(np.random.default_rng(self.seed).uniform(0, 2 * math.pi))

    def own_fov(self) -> tuple[float, ...] | None:
        """Return the field of view of the volume in metres, if its file says it."""
        return None if self.volume is None else field_of_view(self.volume)


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


def learn_on_image(ctx: click.Context, settings: ImageSettings) -> None:
    """Learn the trajectory, write the result and report it."""
    device = open_device(settings.device_name)
    x = read_image(ctx, settings)
    limits = settings.protocol(x.shape, settings.own_fov)
    if settings.pulseq:
        check_pypulseq()
    k = start_of(settings.beginning(settings.turn), x.shape, None if limits is None else limits.fov)
    if settings.maps == "estimated":
        check_centre(k)
    maps = coil_maps_of(settings.coil_maps, settings.coils, x.shape)
    with settings.claimed_folder(*pictures_with(limits), resume=settings.resume) as folder:
        read = {"the image": x, "the coil maps": maps, "the start": k}
        image, maps, k = map(device.xp.asarray, (x, maps, k))
        scan = Scan(image, maps, k, limits)
        frames: Frames = {"frames": []}
        checkpoint = settings.checkpoint(ctx, folder, k, read, frames)
        learned, kept, compiled = learn(settings, device, scan, ctx.obj, checkpoint, frames)
        files = files_of(settings, x, learned)
        record = record_of(settings, device, scan, learned)
        pictures = {}
        if not settings.no_figures:
            pictures = pictures_of(settings, device, scan, learned, kept)
            pictures = with_page(files, record, pictures)
        written = write(folder, files, record, pictures, ctx.obj, interrupted=learned.interrupted)
    below = [f"Compiling took {compiled:.1f} s, once; steps/s is without it."] if compiled else []
    report(
        ("maps", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"),
        [(settings.maps, *format_speed(learned, compiled), *format_losses(learned))],
        *below,
        *limits_kept(learned),
    )
    where = f"after {learned.steps} of {count(settings.number_of_steps)}"
    finish(ctx, written, where if learned.interrupted else "")


def read_image(ctx: click.Context, settings: ImageSettings) -> NDArray[np.float32]:
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
    check_loss(ctx, settings.loss, scaled)
    return scaled


def learn(
    settings: ImageSettings,
    device: Device,
    scan: Scan,
    interrupts: Interrupts,
    checkpoint: optim.Checkpoint,
    frames: Frames,
) -> tuple[workflows.LearnedTrajectory, list[tuple[int, Array]], float]:
    """Learn the trajectory.

    Return the result on the host, the trajectories of the animation with their steps, and how many
    seconds loops were compiled.
    """
    steps = settings.number_of_steps
    shown = {round(i * steps / (FRAMES - 1)) for i in range(FRAMES - 1)} - {steps}

    def keep(step: int, _loss: float, trajectory: Array) -> None:
        if step in shown:
            # Only a reference: the trajectory of a step is never changed afterwards.
            frames["frames"].append((step, trajectory))
        interrupts.step_done(last=step == steps)

    click.echo(f"Learning on the {device.title}: {count(steps)}, maps {settings.maps}", err=True)
    with solves_told(), device.compilation_told() as compiled:
        learned = workflows.learn_trajectory(
            scan.image,
            scan.coil_maps,
            scan.trajectory,
            maps=settings.maps,
            reconstruction=settings.reconstruction,
            loss=settings.loss,
            steps=steps,
            learning_rate=learning_rate(scan.image.shape),
            eps=EPS,
            protocol=scan.protocol,
            fixed=fixed_samples(scan.trajectory, scan.protocol, settings.control_points),
            control_points=settings.control_points,
            callback=keep,
            progress=True,
            checkpoint=checkpoint.part("learning"),
        )
    interrupts.hold()
    kept = [*frames["frames"], (learned.step_best, learned.trajectory)]
    return device.fetch(learned), kept, compiled.seconds


def pictures_with(protocol: mri.Protocol | None) -> tuple[str, ...]:
    """Return the names of the pictures."""
    limits = () if protocol is None else (WAVEFORMS,)
    return FIGURE, *limits, ANIMATION, COURSE, REPORT


def files_of(
    settings: ImageSettings, x: NDArray[np.float32], learned: workflows.LearnedTrajectory
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
    return files | files_of_limits(learned, pulseq=settings.pulseq)


def record_of(
    settings: ImageSettings,
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
                "reconstruction": settings.reconstruction,
                "loss": settings.loss,
                "steps": settings.number_of_steps,
                "learning_rate": learning_rate(scan.image.shape),
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
    settings: ImageSettings,
    device: Device,
    scan: Scan,
    learned: workflows.LearnedTrajectory,
    kept: list[tuple[int, Array]],
) -> dict[str, Writer]:
    """Return writers of the pictures by name."""
    from nufftlib.plots import waveforms
    from nufftlib.plots.animation import Frame, animate_learning
    from nufftlib.plots.learned import draw_learning

    x = device.to_host(scan.image)

    @cache
    def frames() -> list[Frame]:
        F = nl.NUFFT(scan.receiver(scan.trajectory), x.shape, eps=EPS)
        objective = workflows.TrajectoryObjective(
            scan.image, scan.coil_maps, F, settings.maps, reconstruction=settings.reconstruction
        )
        return [
            Frame(step, device.to_host(k), device.to_host(objective.reconstruct(scan.receiver(k))))
            for step, k in kept
        ]

    def keep(file: BinaryIO) -> None:
        # The last is the best; every second one before it is enough for a page.
        *before, best = frames()
        steps, trajectories, reconstructions = zip(*before[::2], best, strict=True)
        np.savez_compressed(
            file,
            steps=np.asarray(steps),
            trajectories=np.stack(trajectories),
            reconstructions=np.stack(reconstructions).astype(np.float16),
        )

    def draw_limits(file: BinaryIO) -> None:
        assert learned.protocol is not None
        waveforms.draw_waveforms(learned.trajectory, learned.protocol, file)

    writers: dict[str, Writer] = {
        FIGURE: lambda file: draw_learning(x, learned, file),
        WAVEFORMS: draw_limits,
        ANIMATION: lambda file: animate_learning(frames(), learned.losses, file),
        COURSE: keep,
    }
    return {name: writers[name] for name in pictures_with(learned.protocol) if name in writers}
