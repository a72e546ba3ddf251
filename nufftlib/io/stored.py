"""What a file says of its points, and their conversion to cycles per voxel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from nufftlib.core.kinds import choice, lengths, out_of_range, sizes
from nufftlib.mri.scanner import Protocol, Scanner
from nufftlib.mri.scanner.protocol import LARGEST

Unit = Literal["cycles per voxel", "radians per voxel", "1/fov", "1/m", "rad/m"]
UNITS: tuple[Unit, ...] = get_args(Unit)

CALL = "read_trajectory"


@dataclass(frozen=True)
class Stored:
    """A trajectory as a file holds it, and what the file says of it.

    Parameters
    ----------
    source : str
        The format's name.
    points : ndarray, shape (..., samples, components), real
        The points, in the file's unit.
    unit : str or None
        The unit, where the format fixes it or the file says it.
    fixed : bool
        Whether the unit cannot be another one.
    shape : tuple of int or None
        Voxels along each axis, at least as many as the trajectory has.
    fov : tuple of float or None
        Field of view in metres, likewise.
    sample_time : float or None
        Time between two samples in seconds.
    scanner : Scanner or None
        The limits, with `sample_time` as raster.
    protocol : Protocol or None
        Scanner and scan, if the file has both whole.
    """

    source: str
    points: Any
    unit: Unit | None = None
    fixed: bool = False
    shape: tuple[int, ...] | None = None
    fov: tuple[float, ...] | None = None
    sample_time: float | None = None
    scanner: Scanner | None = None
    protocol: Protocol | None = None


@dataclass(frozen=True)
class TrajectoryFile:
    """A trajectory that was read from a file, and what the file says beside it.

    Parameters
    ----------
    k : ndarray, shape (..., samples, d)
        The trajectory in cycles per voxel.
    shape : tuple of int or None
        Voxels along each axis: as given, or as the file says.
    fov : tuple of float or None
        Field of view in metres, likewise.
    sample_time : float or None
        Time from one sample to the next in seconds, if the file says it.
    protocol : Protocol or None
        Scanner and scan, if the file has the limits.
    source : str
        The kind of file.
    """

    k: Any
    shape: tuple[int, ...] | None
    fov: tuple[float, ...] | None
    sample_time: float | None
    protocol: Protocol | None
    source: str


def converted(path: Any, stored: Stored, unit: Any, shape: Any, fov: Any) -> TrajectoryFile:
    """Return the trajectory in cycles per voxel; what is given goes before what the file says."""
    points = checked_points(path, stored.points)
    unit = chosen_unit(path, stored, unit)
    if shape is not None:
        shape = sizes(CALL, "shape", shape, "the voxels along each axis")
    protocol = stored.protocol
    axes = number_of_axes(path, points, shape if protocol is None else protocol.shape)
    points = points[..., :axes]
    given = fov
    fov = None if fov is None else lengths(CALL, "fov", fov, axes)
    if protocol is None:
        shape = cut(stored.shape, axes) if shape is None else shape
        fov = cut(stored.fov, axes) if fov is None else fov
    else:
        shape, fov = agreed(path, protocol, shape=shape, fov=fov)
    if fov is not None and max(fov) > LARGEST["fov"]:
        beside = f"that of {path} is {fov}" if given is None else ""
        raise out_of_range(CALL, "fov", given, "metres", beside)
    k = (points * scale(path, unit, shape, fov)).astype(points.dtype, copy=False)
    if stored.scanner is not None and shape is not None and fov is not None:
        protocol = Protocol(stored.scanner, fov, shape, rest=None)
    return TrajectoryFile(k, shape, fov, stored.sample_time, protocol, stored.source)


def checked_points(path: Any, points: Any) -> Any:
    """Refuse what are no points."""
    kind = f"{points.dtype} of the shape {points.shape}"
    if points.dtype not in (np.float32, np.float64):
        msg = f"{path}: the array is {kind}; want float32 or float64"
        raise ValueError(msg)
    if points.ndim < 2 or points.shape[-1] not in (1, 2, 3) or not points.size:
        msg = f"{path}: the array is {kind}; want (..., samples, axes), of 1 to 3 axes"
        raise ValueError(msg)
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=-1).sum())
        msg = f"{path}: {bad} points are not finite; want finite points"
        raise ValueError(msg)
    return points


def chosen_unit(path: Any, stored: Stored, unit: Any) -> Unit:
    """Return the unit; one that nobody says is asked for."""
    if unit is None:
        unit = stored.unit
        if unit is None:
            largest = float(np.abs(stored.points).max())
            beside = f"{path} does not say it; its coordinates go up to {largest:.6g}"
            raise out_of_range(CALL, "unit", unit, f"one of {', '.join(map(repr, UNITS))}", beside)
    choice(CALL, "unit", unit, UNITS)
    if stored.fixed and unit != stored.unit:
        raise out_of_range(CALL, "unit", unit, "the same, or none", f"{path} is in {stored.unit!r}")
    found: Unit = unit
    return found


def number_of_axes(path: Any, points: Any, shape: tuple[int, ...] | None) -> int:
    """Return the axes of the trajectory: a third component that is zero throughout is none."""
    components: int = points.shape[-1]
    used = max((a + 1 for a in range(components) if points[..., a].any()), default=1)
    if shape is None:
        return max(used, min(components, 2))
    if not used <= len(shape) <= components:
        axes = f"the points of {path} have {used} axes"
        raise out_of_range(CALL, "shape", shape, f"{used} sizes", axes)
    return len(shape)


def cut(values: tuple[Any, ...] | None, axes: int) -> tuple[Any, ...] | None:
    """Return the values of the trajectory's axes; a header often has three."""
    return None if values is None or len(values) < axes else tuple(values[:axes])


def agreed(path: Any, protocol: Protocol, **given: Any) -> tuple[Any, ...]:
    """Return values of the protocol; refuse others that are given."""
    for name, value in given.items():
        if value not in (None, own := getattr(protocol, name)):
            raise out_of_range(CALL, name, value, "the same, or none", f"{path} has {own}")
    return tuple(getattr(protocol, name) for name in given)


def scale(
    path: Any, unit: Unit, shape: tuple[int, ...] | None, fov: tuple[float, ...] | None
) -> Any:
    """Return the factors from a unit to cycles per voxel, one for all axes or one for each."""
    said = f"{path} is in {unit!r}"
    if shape is None and not unit.endswith("per voxel"):
        raise out_of_range(CALL, "shape", shape, "the voxels along each axis", said)
    if fov is None and unit.endswith("/m"):
        raise out_of_range(CALL, "fov", fov, "the field of view in metres", said)
    radians = 2 * math.pi if unit.startswith("rad") else 1.0
    if unit.endswith("per voxel"):
        return 1 / radians
    assert shape is not None
    if unit == "1/fov":
        return 1 / np.asarray(shape, np.float64)
    return np.asarray(fov) / np.asarray(shape) / radians
