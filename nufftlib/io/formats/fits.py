"""FITS, by astropy."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.io.formats.values import Planes, counted, in_metres, planes_asked


def read_fits(path: Path, part: str, *, stack: bool = False) -> Planes:
    """Read planes of the first unit (HDU) that holds an image, with their rows as in the file."""
    from astropy.io import fits

    with (
        path.open("rb") as file,  # astropy leaves its own open where it fails
        fits.open(file, memmap=False, lazy_load_hdus=True) as units,
    ):
        unit = first_image(units)
        shape = tuple(int(n) for n in unit.shape)
        if len(shape) < 2 or 0 in shape:
            msg = f"its image has the shape {shape}; want rows and columns last, none of 0"
            raise ValueError(msg)
        *leading, rows, columns = shape
        if stack and not part and sum(n > 1 for n in leading) > 1:
            msg = f"its image has the shape {shape}; want one axis beside rows and columns"
            raise ValueError(msg)
        asked = planes_asked(part, math.prod(leading), (rows, columns), stack=stack)
        places = [np.unravel_index(i, leading) for i in asked] if leading else [()]
        planes = np.stack(
            [counted(np.asarray(unit.section[(*map(int, at), ...)])) for at in places]
        )
        header = unit.header
        steps = tuple(
            in_metres(header.get(f"CDELT{axis}"), header.get(f"CUNIT{axis}")) for axis in (3, 2, 1)
        )
    return Planes(planes[np.newaxis], steps)


def first_image(units: Any) -> Any:
    """Return the first unit that holds an image; random groups are tables."""
    before = -1
    for unit in units:
        begin = unit.fileinfo()["hdrLoc"]
        if begin <= before:  # of sizes below 0: astropy would read the same unit for ever
            msg = f"a unit begins at byte {begin}, and one before it at {before}; want an order"
            raise ValueError(msg)
        before = begin
        header = unit.header
        if unit.is_image and header.get("NAXIS", 0) > 0 and not header.get("GROUPS", False):
            return unit
    msg = "no unit (HDU) holds an image; want one"
    raise ValueError(msg)
