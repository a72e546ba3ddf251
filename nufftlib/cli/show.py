"""The command ``show``."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

import nufftlib as nl
from nufftlib.cli.jobs import Each, Job, Real, Whole, crossed
from nufftlib.cli.refusals import SIZES, refused
from nufftlib.io import TrajectoryFile, read_trajectory
from nufftlib.io.raw.read import scan_of
from nufftlib.io.stored import UNITS, Unit
from nufftlib.io.whole import written
from nufftlib.mri.scanner.protocol import Rest
from nufftlib.mri.scanner.report import ROUNDING

LIMIT = Real(min=0, min_open=True)
BEYOND = 1e-6
"""Part of the band by which rounding in single precision may exceed it."""


@click.command("show", cls=Job)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    help="Unit of the file's numbers; asked for where neither the format nor the file says it.",
)
@click.option(
    "--shape",
    type=Each("integer", Whole(min=1)),
    help="Voxels of the image along each axis, as 256,256; asked for where the file does not say "
    "them.",
)
@click.option(
    "--fov",
    type=Each("number", LIMIT),
    help="Field of view in metres, along all axes or along each, as 0.24,0.18.",
)
@click.option("--shot", type=Whole(min=0), default=0, show_default=True, help="Shot in orange.")
@click.option(
    "--gmax",
    type=LIMIT,
    help="Largest gradient of a scanner in mT/m, with --smax; in place of the file's limits.",
)
@click.option("--smax", type=LIMIT, help="Largest slew rate of the scanner in T/m/s.")
@click.option(
    "--raster",
    type=LIMIT,
    help="Time between two samples in us; asked for with --gmax where the file does not say it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Picture to write.  [default: the file's name with .png, in the current folder]",
)
@click.option("--force", is_flag=True, help="Overwrite the picture.")
def show_command(
    file: Path,
    unit: Unit | None,
    shape: tuple[int, ...] | None,
    fov: tuple[float, ...] | None,
    shot: int,
    gmax: float | None,
    smax: float | None,
    raster: float | None,
    out: Path | None,
    force: bool,
) -> None:
    """Show the trajectory of a file: a table, and a picture of one page.

    FILE is an .npz of this library, .cfl of BART, .h5 or .mrd of ISMRMRD, .seq of Pulseq, or an
    array .npy of shape (shots, samples, axes). The table has the shots and their extent, how much
    of a scanner's limits they take, the radius of the largest ball without a sample, and the width
    and the largest sidelobe of the point-spread function with density weights.

    With the limits of a scanner, in the file or by --gmax and --smax, the picture has gradients
    and slew rates. The samples of a receiver (.seq, .h5) need not begin and end at rest; other
    files' shots do, and the steps from and to rest count.
    """
    from nufftlib.plots import draw_overview  # at once: matplotlib may be missing

    picture = Path(file.with_suffix(".png").name) if out is None else out
    check_picture(picture, force=force)
    found = read(file, unit, shape, fov)
    assert found.shape is not None
    shots = found.k.reshape(-1, *found.k.shape[-2:])
    if shot >= len(shots):
        msg = f"{shot}, and there are {len(shots)} shots; want at most {len(shots) - 1}"
        raise click.BadParameter(msg, param_hint="'--shot'")
    protocol = limits(file, found, gmax, smax, raster)
    click.echo(f"{file} ({found.source})")
    print_rows(described(shots, found))
    print_rows({} if protocol is None else taken(shots, protocol))
    hole = nl.mri.largest_hole(shots * np.asarray(found.shape, shots.dtype))
    spread = nl.mri.point_spread(shots, found.shape)
    print_rows(measured(found, hole, spread))
    try:
        with written("show", picture, ".png") as temporary, temporary.open("wb") as content:
            draw_overview(
                shots, found.shape, content, protocol=protocol, shot=shot, hole=hole, spread=spread
            )
    except OSError as error:
        msg = f"--out {picture}: the picture cannot be written: {error}"
        raise click.ClickException(msg) from error
    click.echo(f"\n{picture}")


def check_picture(path: Path, *, force: bool) -> None:
    """Refuse a place that is taken or cannot be, before anything is computed."""
    fault = ""
    if path.suffix != ".png":
        fault = "want a name that ends with .png"
    elif not path.parent.is_dir():
        fault = f"{path.parent} is no folder; want one that exists"
    elif path.is_dir():
        fault = "this is a folder; want a file"
    elif path.exists() and not force:
        fault = "this file is there; give another one, or --force to overwrite"
    if fault:
        msg = f"--out {path}: {fault}"
        raise click.ClickException(msg)


def read(
    file: Path, unit: Unit | None, shape: tuple[int, ...] | None, fov: tuple[float, ...] | None
) -> TrajectoryFile:
    """Read a trajectory of two or three axes whose image's shape is known."""
    try:
        length = fov[0] if fov is not None and len(fov) == 1 else fov
        found = read_trajectory(file, unit=unit, shape=shape, fov=length)
    except (ValueError, OSError) as error:
        check_no_grid(file)
        raise refused(error, "FILE", SIZES) from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error
    if found.k.shape[-1] not in (2, 3):
        msg = f"{file}: the trajectory has one axis; want two or three"
        raise click.ClickException(msg)
    if found.shape is None:
        msg = f"{file} does not say the image's shape; want --shape, the voxels along each axis"
        raise click.UsageError(msg)
    return found


def check_no_grid(file: Path) -> None:
    """Refuse a file without a trajectory whose data are on a grid, and say what it is good for."""
    try:
        scan = scan_of(file, None, unit=None, shape=None, fov=None)
    except (ValueError, OSError, ImportError):
        return
    msg = (
        f"{file} holds data on a Cartesian grid of {crossed(scan.shape)} voxels, and no "
        f"trajectory; 'nufftlib reconstruct {file}' makes their image"
    )
    raise click.BadParameter(msg, param_hint="'FILE'")


def limits(
    file: Path,
    found: TrajectoryFile,
    gmax: float | None,
    smax: float | None,
    raster: float | None,
) -> nl.mri.Protocol | None:
    """Return the limits that are given, or else those of the file."""
    if gmax is None or smax is None:
        given = {"--gmax": gmax, "--smax": smax, "--raster": raster}
        if names := [name for name, value in given.items() if value is not None]:
            msg = f"{names[0]} is given; want --gmax and --smax with it, a scanner's limits"
            raise click.UsageError(msg)
        return found.protocol
    time = found.sample_time
    if time is not None and raster is not None:
        msg = f"--raster: the samples of {file} are {1e6 * time:g} us apart; leave it out"
        raise click.UsageError(msg)
    if time is None and raster is None:
        msg = f"{file} does not say the time between two samples; want --raster"
        raise click.UsageError(msg)
    if found.fov is None:
        msg = f"{file} does not say the field of view; want --fov"
        raise click.UsageError(msg)
    assert found.shape is not None
    try:
        if found.protocol is not None:
            scanner = replace(found.protocol.scanner, gmax=gmax / 1e3, smax=smax)
            return replace(found.protocol, scanner=scanner)
        # What a receiver samples is a part of a shot.
        rest: Rest = "both" if time is None else None
        scanner = nl.mri.Scanner(gmax / 1e3, smax, (raster or 0.0) / 1e6 if time is None else time)
        return nl.mri.Protocol(scanner, found.fov, found.shape, rest=rest)
    except ValueError as error:  # a limit in another unit
        raise click.UsageError(str(error)) from error


def described(shots: Any, found: TrajectoryFile) -> dict[str, str]:
    """Return rows of what the file holds."""
    assert found.shape is not None
    apart = "" if found.sample_time is None else f", {1e6 * found.sample_time:g} us apart"
    fov = "" if found.fov is None else f", field of view {crossed(found.fov)} m"
    rows = {
        "shots": f"{shots.shape[0]} of {shots.shape[1]} samples{apart}",
        "image": f"{crossed(found.shape)} voxels{fov}",
    }
    for axis in range(shots.shape[-1]):
        low, high = float(shots[..., axis].min()), float(shots[..., axis].max())
        beyond = max(-low, high) > 0.5 * (1 + BEYOND)
        mark = "  beyond 0.5, the end of the band" if beyond else ""
        rows[f"axis {axis}"] = f"{low:.4g} to {high:.4g} cycles/voxel{mark}"
    return rows


def taken(shots: Any, protocol: nl.mri.Protocol) -> dict[str, str]:
    """Return rows of how much of the limits is taken."""
    report = nl.mri.check_trajectory(shots, protocol)
    rows = {"gradient": (report.gradient, 1e3, "mT/m"), "slew rate": (report.slew, 1.0, "T/m/s")}
    return {
        name: f"{peak.ratio:.4g} of the limit {scale * peak.limit:g} {unit}"
        + ("  exceeded" if peak.ratio > 1 + ROUNDING else "")
        for name, (peak, scale, unit) in rows.items()
    }


def measured(
    found: TrajectoryFile, hole: nl.mri.Hole, spread: nl.mri.PointSpread
) -> dict[str, str]:
    """Return rows of how well k-space is sampled."""
    centre = ", ".join(f"{x:z.3f}" for x in hole.centre / np.asarray(found.shape))
    width = " x ".join(f"{w:.3g}" for w in spread.widths)
    side = 20 * math.log10(spread.sidelobe) if spread.sidelobe else -math.inf
    size = f"{width} voxels wide (FWHM), largest sidelobe {side:.1f} dB"
    if not all(map(math.isfinite, spread.widths)):
        size = "wider than the image: the points stay near the centre, or --unit is another one"
    return {
        "largest hole": f"radius {hole.radius:.3g}/FOV, at ({centre}) cycles/voxel",
        "point spread": size,
    }


def print_rows(rows: dict[str, str]) -> None:
    """Print rows as soon as they are there."""
    for name, said in rows.items():
        click.echo(f"  {name:14}{said}")
