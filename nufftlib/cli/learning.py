"""Parts of the learning of a trajectory, on one image or on a set: options, limits, files."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import click

from nufftlib import mri, workflows
from nufftlib.cli import jobs
from nufftlib.cli.checkpoints import LongOptions
from nufftlib.cli.files import SEQUENCE, TRAJECTORY, Writer
from nufftlib.cli.scans import Start, centre_sample
from nufftlib.core.arrays import Array
from nufftlib.core.extras import install
from nufftlib.inverse.solve import NotConvergedWarning
from nufftlib.io import save_trajectory, write_pulseq
from nufftlib.io.stored import Unit
from nufftlib.mri.learn.objective import LOSSES, Maps
from nufftlib.mri.scanner.protocol import Norm

RASTER, FOV = 10.0, 0.24  # us, m
LEARNING_RATE = (1e-3, 1e-4)
EPS = 1e-4
LEAST = 14  # twice the width of the density's kernel

Learned = workflows.LearnedTrajectory | workflows.LearnedOnImages


@contextmanager
def solves_told() -> Iterator[None]:
    """Say in one line, at the end, that solves have ended before their tolerance."""
    late: list[str] = []
    show = warnings.showwarning

    def keep(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, NotConvergedWarning):
            late.append(str(message))
        else:
            show(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", NotConvergedWarning)
        warnings.showwarning = keep
        yield
    if late:
        said = (
            f"Solves that ended before their tolerance: {len(late)}. Gradients were less exact "
            f"there. The last one: {late[-1]}"
        )
        click.echo(said, err=True)


def check_loss(ctx: click.Context, loss: str, image: Array) -> None:
    """Refuse a loss for which an image is too small."""
    try:
        LOSSES[loss](image)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="'--loss'") from error


@dataclass(frozen=True)
class Settings(LongOptions):
    """The options that the learning on one image and on a set have.

    Parameters
    ----------
    size : int or None
        To how many voxels images or the volume are resized; None keeps all.
    coils : int or None
        Number of coils.
    coil_maps : Path or None
        File of their maps.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction.
    reconstruction : str
        Name of the recipe to learn for.
    loss : str
        Name of the loss to learn by.
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

    size: int | None
    coils: int | None
    coil_maps: Path | None
    maps: Maps
    reconstruction: str
    loss: str
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

    def protocol(
        self, shape: tuple[int, ...], own_fov: Callable[[], tuple[float, ...] | None]
    ) -> mri.Protocol | None:
        """Return the limits for an image, if any are given.

        Parameters
        ----------
        shape : tuple of int
            Voxels of the image.
        own_fov : callable
            What returns its field of view in metres, if its file says it.
        """
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
        fov = self.fov or own_fov() or (FOV,)
        if len(fov) not in (1, len(shape)):
            msg = f"--fov: {len(fov)} lengths; want one, or one for each of the {len(shape)} axes"
            raise click.UsageError(msg)
        try:
            scanner = mri.Scanner(self.gmax / 1e3, self.smax, raster, norm=self.norm or "l2")
            return mri.Protocol(scanner, fov[0] if len(fov) == 1 else fov, shape)
        except ValueError as error:
            raise click.UsageError(str(error)) from error

    def beginning(self, turn: float | None = None) -> Start:
        """Return what is said of the trajectory to start with, to be turned by an angle."""
        return Start(self.start, self.shots, self.samples, self.unit, turn)


def learning_rate(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the rates of the first step and after the last: of a picture, those of the defaults.

    A step of k-space is one over the number of voxels, and so much larger in a small volume.
    """
    first, last = (rate * jobs.SIZE / max(shape) for rate in LEARNING_RATE)
    return first, last


def fixed_samples(
    trajectory: Array, protocol: mri.Protocol | None, control_points: tuple[int, ...] | None
) -> dict[int, tuple[float, ...]] | None:
    """Return the sample that stays at the centre, if all shots pass through it together.

    Control points pass their curve by, but at its ends.
    """
    if protocol is None:
        return None
    sample = centre_sample(trajectory)
    if sample is None or (control_points and 0 < sample < trajectory.shape[1] - 1):
        return None
    return {sample: (0.0,) * trajectory.shape[-1]}


def limits_kept(learned: Learned) -> list[str]:
    """Say how much of its limits the trajectory takes, and what is certified."""
    if learned.protocol is None or learned.certificate is None:
        return []
    found = mri.check_trajectory(learned.trajectory, learned.protocol)
    certified = learned.certificate
    return [
        f"Of the limits: gradient {found.gradient.ratio:.3f}, slew rate {found.slew.ratio:.3f}; "
        f"exceeded by {certified.violation:g}; duality gap of the projection {certified.gap:.1e}"
    ]


def check_pypulseq() -> None:
    """Refuse a sequence that could not be written after all the steps."""
    try:
        importlib.import_module("pypulseq")
    except ImportError as error:
        msg = f"--pulseq needs pypulseq, which in a clone comes with: {install('pulseq')}"
        raise click.ClickException(msg) from error


def files_of_limits(learned: Learned, *, pulseq: bool) -> dict[str, Writer]:
    """Return writers of what is there with the limits of a scanner alone, by name."""
    k, protocol = learned.trajectory, learned.protocol
    if protocol is None:
        return {}
    files = {TRAJECTORY: saved(lambda path: save_trajectory(path, k, protocol), ".npz")}
    if pulseq:
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
