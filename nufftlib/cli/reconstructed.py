"""The result of the command ``reconstruct``: its options, and the files that hold it."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click
import numpy as np
from numpy.typing import NDArray

from nufftlib import workflows
from nufftlib.cli.checkpoints import LongOptions
from nufftlib.cli.coils import Coils
from nufftlib.cli.devices import Device
from nufftlib.cli.files import FIGURE, IMAGE, L_CURVE, Writer
from nufftlib.cli.jobs import format_speed, json_file, report, versions
from nufftlib.io import Scan
from nufftlib.io.stored import Unit
from nufftlib.mri.reconstruct.job import STEPS, Method

LARGE_RESIDUAL = 1.5
"""A residual of so many times the noise is no noise alone."""


@dataclass(frozen=True)
class Settings(LongOptions):
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

    @property
    def most_steps(self) -> int:
        """Steps at most."""
        return self.steps or STEPS[self.method]

    @property
    def length(self) -> float | tuple[float, ...] | None:
        """The field of view as a function takes it: one number for all axes, or one for each."""
        return self.fov[0] if self.fov is not None and len(self.fov) == 1 else self.fov


@dataclass(frozen=True)
class Reconstructed:
    """The results of all frames on the host, and their origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where the method ran.
    scan : Scan
        The data as they were read.
    coils : Coils
        Those that were reconstructed: whitened and compressed, of an image as wide as its encoding.
    results : list of ReconstructedImage
        One for each frame.
    curve : LCurve or None
        That of the first frame.
    interrupted : bool
        Whether a signal ended the steps.
    """

    settings: Settings
    device: Device
    scan: Scan
    coils: Coils
    results: list[workflows.ReconstructedImage]
    curve: workflows.LCurve | None
    interrupted: bool

    @property
    def images(self) -> NDArray[Any]:
        """The images, shape (frames, *shape)."""
        return np.stack([r.image for r in self.results])


def arrays_of(done: Reconstructed) -> dict[str, NDArray[Any]]:
    """Return the arrays of the result."""
    results = done.results
    arrays = {
        "image": done.images,
        "maps": results[0].maps,
        "losses": np.asarray(results[0].losses),
        "noise": np.asarray([r.noise for r in results], float),
        "weight": np.asarray([r.weight for r in results]),
        "residual": np.asarray([r.residual for r in results]),
    }
    if done.curve is not None:
        arrays |= {f"l_curve_{name}": value for name, value in vars(done.curve).items()}
    return arrays


def save_volume(images: NDArray[Any], scan: Scan, file: BinaryIO) -> None:
    """Write a NIfTI file, voxels in millimetres, or of size one and no unit if none is known."""
    import nibabel

    shape = images.shape[1:]
    volume = np.moveaxis(images, 0, -1).reshape(*(*shape, 1)[:3], -1)
    volume = volume[..., 0] if volume.shape[-1] == 1 else volume
    sizes = [1.0] * 3
    if scan.fov is not None:
        sizes[: len(shape)] = [1e3 * length / n for length, n in zip(scan.fov, shape, strict=True)]
    if scan.thickness is not None:
        sizes[len(shape)] = 1e3 * scan.thickness
    centre = [-d * (n // 2) for d, n in zip(sizes, (*shape, 1)[:3], strict=True)]
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = centre
    made: Any = nibabel.Nifti1Image
    image = made(volume.astype(np.float32), affine)
    image.header.set_xyzt_units("unknown" if scan.fov is None else "mm")
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
    from nufftlib.plots.curve import draw_l_curve
    from nufftlib.plots.reconstruction import draw_reconstruction

    first, method, frames = done.results[0], done.settings.method, len(done.scan.frames)
    pictures: dict[str, Writer] = {
        IMAGE: lambda file: save_magnitude(np.abs(done.images), file),
        FIGURE: lambda file: draw_reconstruction(first, method, frames, file),
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
                "encoded": done.coils.scan.shape,
                "fov": scan.fov,
                "thickness": scan.thickness,
                "coils": scan.data.shape[1],
                "virtual_coils": s.coils,
                "samples": scan.k.shape[1:-1],
                "coil_maps": None if s.coil_maps is None else str(s.coil_maps),
                "method": s.method,
                "lambda": s.weight,
                "frames": scan.frames,
                "field_map": None if s.field_map is None else str(s.field_map),
                "sample_time": scan.sample_time,
                "steps": s.most_steps,
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
    head = ["frame", "set-up", "steps", "seconds", "steps/s", "noise", "weight", "residual"]
    rows = [
        [
            name,
            f"{r.seconds_setup:.2f} s",
            *format_speed(r),
            "none" if r.noise is None else f"{r.noise:.4g}",
            *(f"{value:.4g}" for value in (r.weight, r.residual)),
        ]
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
    worst = max(r.residual / r.noise if r.noise else 0.0 for r in done.results)
    if worst > LARGE_RESIDUAL and not done.interrupted and done.settings.method != "adjoint":
        said = (
            f"\nCareful: the residual is up to {worst:.1f} times the noise. The weight may be too "
            "large, or coil maps, trajectory or field map wrong."
        )
        click.echo(said, err=True)
    each = done.coils.scan.k[0, ..., 0].size / math.prod(done.coils.scan.shape)
    most = max(r.weight for r in done.results)
    if done.settings.method == "cg" and done.settings.weight is None and most > each:
        click.echo(
            f"\nCareful: the weight, {most:.3g}, is above the {each:.3g} samples of a voxel, and "
            "the image has less than half its brightness. The data are mostly noise, or coil maps, "
            "trajectory or field map are wrong, and what does not fit was taken for noise. "
            "A noise scan or --lambda sets the weight.",
            err=True,
        )
