"""Values of a file: their limits, their units, and the planes that are asked for."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 2**26
AT_MOST = f"at most {MOST_PIXELS} pixels, as of 8192 x 8192"
"""A picture of more is refused before its values are read: a small file may hold any number."""

MOST_VOXELS = 2**27
"""A volume, a stack or a set of images of more is refused before its values are read."""

UNITS = {"m": 1, "cm": 1e2, "mm": 1e3, "µm": 1e6, "nm": 1e9, "pm": 1e12, "inch": 1 / 0.0254}
UNITS |= dict.fromkeys(("μm", "um", "micron", "microns"), 1e6)  # the first has a Greek letter
"""How many of each make a metre, in the words of OME, ImageJ and FITS."""


ON_THEIR_SIDE = (5, 6, 7, 8)
"""Orientations whose rows in the file are columns."""


class Planes(NamedTuple):
    """The planes of a file, or those that are asked for.

    Attributes
    ----------
    values : ndarray, shape (channels, depth, rows, columns)
        Unsigned integers of 8 or 16 bits are to be divided by their type's largest. Counts have
        become floats.
    pixel_size : tuple of (float or None), or None
        Steps along depth, rows and columns in metres, as far as the file says them.
    """

    values: NDArray[Any]
    pixel_size: tuple[float | None, ...] | None = None


def check_size(shape: Sequence[int]) -> None:
    """Refuse a picture of too many pixels, before its values are read."""
    pixels = math.prod(shape[1:] if len(shape) == 3 and shape[0] == 3 else shape)
    if pixels > MOST_PIXELS:
        msg = f"the shape is {tuple(shape)}; want {AT_MOST}"
        raise ValueError(msg)


def check_stack(shape: Sequence[int]) -> None:
    """Refuse what is no stack, or has too many voxels, before its values are read."""
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[0] not in (1, 3)):
        msg = (
            f"the shape is {tuple(shape)}; want (depth, rows, columns), (1, depth, rows, columns) "
            f"or (3, depth, rows, columns), none of them 0"
        )
        raise ValueError(msg)
    if math.prod(shape[-3:]) > MOST_VOXELS:
        msg = f"the shape is {tuple(shape)}; want at most {MOST_VOXELS} voxels"
        raise ValueError(msg)


def planes_asked(part: str, count: int, shape: Sequence[int], *, stack: bool) -> range:
    """Return the planes to read of a file that holds `count` of (rows, columns).

    Without a part these are all of a stack, and of a picture the only one.
    """
    if part and not (part.isascii() and part.isdecimal() and int(part) < count):
        msg = f"plane {part} is asked for; want a number from 0 to {count - 1}"
        raise ValueError(msg)
    if not (part or stack or count == 1):
        msg = (
            f"it holds {count} planes of {shape[0]} x {shape[1]} pixels; want one: append its "
            f"number to the name, as in NAME:0"
        )
        raise ValueError(msg)
    asked = range(int(part), int(part) + 1) if part else range(count)
    if stack:
        check_stack((len(asked), *shape))
    check_size(shape)
    return asked


def counted(array: NDArray[Any]) -> NDArray[Any]:
    """Return integers as floats, which keep their values: counts have no white."""
    return array.astype(np.float32) if array.dtype.kind in "iu" else array


def in_metres(size: object, unit: object) -> float | None:
    """Return a length in metres; None if it is no number, 0, or of no known unit."""
    try:
        length = abs(float(size)) / UNITS[str(unit)]  # type: ignore[arg-type] # what is none is caught
    except (KeyError, TypeError, ValueError):
        return None
    return length if 0 < length < math.inf else None


def turned(planes: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn the last two axes upright, by the number of TIFF and EXIF.

    It says where row 0 and column 0 of the file belong: 1 top and left, 2 top and right, 3 bottom
    and right, 4 bottom and left, 5 left and top, 6 right and top, 7 right and bottom, 8 left and
    bottom.
    """
    if orientation in ON_THEIR_SIDE:
        planes = planes.swapaxes(-2, -1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return planes[..., ::down, ::across]


def as_single(path: Path, array: NDArray[Any]) -> NDArray[np.float32]:
    """Check the values of an array and return them as finite float32."""
    kind, itemsize = array.dtype.kind, array.dtype.itemsize
    if not (kind in "bf" or (kind == "u" and itemsize <= 2)):
        # Wider and signed integers have no white that everyone agrees on.
        msg = f"{path}: the values are {array.dtype}; want uint8, uint16, bool or real floats"
        raise ValueError(msg)
    with np.errstate(over="ignore"):  # reported below, with the place
        values = array.astype(np.float32)
    if kind == "u":
        values /= np.float32(np.iinfo(array.dtype).max)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        first = tuple(int(i) for i in bad[0])
        msg = (
            f"{path}: {len(bad)} of {values.size} values are not finite in float32 "
            f"(first at index {first}); want all finite"
        )
        raise ValueError(msg)
    return values
