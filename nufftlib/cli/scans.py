"""How the image is scanned: the trajectory to start with, and the coils."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from nufftlib import mri
from nufftlib.cli.refusals import refused
from nufftlib.core.arrays import Array
from nufftlib.io import read_trajectory
from nufftlib.io.stored import Unit

DEFAULT = {2: "radial", 3: "golden-means-radial"}
NAMES = {ndim: ", ".join(mri.trajectories.patterns(ndim)) for ndim in (2, 3)}
SHOTS = {2: 32, 3: 64}
COILS = {2: 6, 3: 8}
SAMPLES = 256
CENTRE = 0.1  # the radius of `low_frequency_maps`


@dataclass(frozen=True)
class Start:
    """What the options say of the trajectory to start with.

    Parameters
    ----------
    name : str or None
        The name of a pattern, or of a file; None is the default pattern.
    shots, samples : int or None
        Of a pattern.
    unit : str or None
        Of a file that does not say it.
    turn : float or None
        Angle in radians by which axes 0 and 1 are turned, about the third one if there are three.
    """

    name: str | None
    shots: int | None
    samples: int | None
    unit: Unit | None
    turn: float | None


def start_of(
    start: Start, shape: tuple[int, ...], fov: tuple[float, ...] | None
) -> NDArray[np.float32]:
    """Return the trajectory to start with.

    Parameters
    ----------
    start : Start
        The options.
    shape, fov : tuple
        Voxels of the image, and its field of view in metres if that is known, for the units that
        refer to them.

    Returns
    -------
    ndarray, shape (shots, samples, ndim)
        In cycles per voxel.
    """
    ndim = len(shape)
    k, turn = find_start(start, shape, fov), start.turn
    if turn is not None:
        rotation = np.eye(ndim)
        c, s = math.cos(turn), math.sin(turn)
        rotation[:2, :2] = (c, s), (-s, c)
        k = k @ rotation
    single = k.astype(np.float32)
    farthest = float(np.abs(single).max())
    if farthest > 0.5:
        turned = "" if turn is None else f", turned by {turn:.3g} radians as --seed says,"
        msg = (
            f"the largest coordinate of {start.name or DEFAULT[ndim]}{turned} is {farthest:g}; "
            f"want at most 0.5 cycles per voxel, the edge of k-space"
        )
        raise click.BadParameter(msg, param_hint="'--start'")
    return single


def find_start(
    start: Start, shape: tuple[int, ...], fov: tuple[float, ...] | None
) -> NDArray[np.float64]:
    """Return the points of a pattern, or those of a file."""
    ndim = len(shape)
    name, names = start.name or DEFAULT[ndim], mri.trajectories.patterns(ndim)
    if name in names:
        if start.unit is not None:
            msg = f"--unit: the pattern {name} has cycles per voxel; leave it out"
            raise click.UsageError(msg)
        shots = SHOTS[ndim] if start.shots is None else start.shots
        samples = SAMPLES if start.samples is None else start.samples
        try:
            pattern: NDArray[np.float64] = names[name](shots, samples, dtype=np.float64)
        except ValueError as error:
            msg = f"{shots} shots of {samples} samples: {error}"
            raise click.BadParameter(msg, param_hint="'--start'") from error
        return pattern
    if not os.path.isfile(name):  # pathlib's fails at a name that is too long
        msg = (
            f"{name} is none of {NAMES[ndim]}, the patterns with {ndim} axes, and there is "
            f"no such file"
        )
        raise click.BadParameter(msg, param_hint="'--start'")
    for option, value in (("--shots", start.shots), ("--samples", start.samples)):
        if value is not None:
            msg = f"{option}: the trajectory {name} has its own; leave one out"
            raise click.UsageError(msg)
    # What we wrote is in cycles per voxel, of whatever image.
    ours = Path(name).suffix == ".npz" and start.unit in (None, "cycles per voxel")
    of_image = None if ours else shape
    try:
        k = read_trajectory(name, unit=start.unit, shape=of_image, fov=of_image and fov).k
    except (ValueError, OSError) as error:
        raise refused(error, "--start", {"unit": "--unit", "fov": "--fov"}) from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error
    if k.shape[-1] != ndim or k.shape[-2] < 2:
        msg = (
            f"{name}: the trajectory has the shape {k.shape}; want shots of at least 2 samples, "
            f"(shots, samples, {ndim})"
        )
        raise click.BadParameter(msg, param_hint="'--start'")
    points: NDArray[np.float64] = k.reshape(-1, *k.shape[-2:]).astype(np.float64)
    return points


def coil_maps_of(path: Path | None, coils: int | None, shape: tuple[int, ...]) -> Any:
    """Return the coil maps of a file, or those of so many coils around the image."""
    if path is None:
        return mri.birdcage_maps(COILS[len(shape)] if coils is None else coils, shape)
    if coils is not None:
        msg = f"--coils: the maps {path} have their own number; leave one out"
        raise click.UsageError(msg)
    maps = read_arrays(path, ("coil_maps",), "'--coil-maps'")
    if maps.dtype.kind != "c" or maps.shape[1:] != shape or not len(maps):
        msg = (
            f"{path}: the array is {maps.dtype} of shape {maps.shape}; want complex maps of "
            f"shape (coils, {', '.join(map(str, shape))}), those of the image as it is sampled"
        )
        raise click.BadParameter(msg, param_hint="'--coil-maps'")
    if not (np.isfinite(maps).all() and maps.any()):
        msg = f"{path}: want maps that are finite, and not all zero"
        raise click.BadParameter(msg, param_hint="'--coil-maps'")
    return maps.astype(np.complex64)


def read_arrays(path: Path, names: tuple[str, ...], option: str) -> NDArray[Any]:
    """Read the array of a file ``.npy``, or of an ``.npz`` the one of a name, or the only one."""
    if not os.path.isfile(path):  # pathlib's fails at a name that is too long
        msg = f"{path}: there is no such file"
        raise click.BadParameter(msg, param_hint=option)
    try:
        found = np.load(path, allow_pickle=False)
    except Exception as error:  # a decoder may raise anything at a damaged file
        msg = f"{path}: cannot be read: {error}; want .npy or .npz"
        raise click.BadParameter(msg, param_hint=option) from error
    if isinstance(found, np.ndarray):
        return found
    with found:
        known = [name for name in names if name in found] or found.files
        if len(known) != 1:
            msg = f"{path}: it holds {', '.join(known)}; want one named {' or '.join(names)}"
            raise click.BadParameter(msg, param_hint=option)
        array: NDArray[Any] = found[known[0]]
        return array


def check_centre(k: NDArray[Any]) -> None:
    """Refuse a trajectory without the samples from which coil maps are estimated."""
    nearest = float(np.linalg.norm(k, axis=-1).min())
    if nearest > CENTRE:
        msg = (
            f"no sample is nearer to the centre of k-space than {nearest:g} cycles per voxel; want "
            f"some within {CENTRE}, from which coil maps are estimated, or --maps ones or true"
        )
        raise click.BadParameter(msg, param_hint="'--start'")


def centre_sample(k: Array) -> int | None:
    """Return the first sample at which all shots are at the centre of k-space, if there is one."""
    far = array_namespace(k).max(abs(k), axis=(0, 2))
    return next((sample for sample, r in enumerate(far.tolist()) if r <= 1e-6), None)
