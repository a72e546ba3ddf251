"""TIFF, by tifffile."""

import math
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from nufftlib.io.formats.values import (
    ON_THEIR_SIDE,
    Planes,
    counted,
    in_metres,
    planes_asked,
    turned,
)

ASSOCIATED, UNASSOCIATED = 1, 2
"""Extra samples that are an alpha: the colours are already multiplied by it, or not yet."""


def read_tiff(path: Path, part: str, *, stack: bool = False) -> Planes:
    """Read the planes that are asked for, upright and on black.

    The channels of a plane are its samples, tifffile's axis S. Without them they are the axis C of
    a stack, and of a picture if C is 3 and no other axis is longer than 1. All axes beside
    channels, rows and columns are counted as planes, the last the fastest.
    """
    import tifffile

    check_chain(path)
    with tifffile.TiffFile(path) as file:
        series = whole_series(file)
        axes, shape = series.axes, series.shape
        if sorted(a for a in axes if a in "YX") != ["X", "Y"] or math.prod(shape) == 0:
            msg = f"its axes {axes} have the sizes {shape}; want rows Y and columns X, none of 0"
            raise ValueError(msg)
        plane = [axes.index(a) for a in "SYX" if a in axes]
        others = [i for i in range(len(axes)) if i not in plane]
        sizes = [shape[i] for i in others if shape[i] > 1]
        if "C" in axes and "S" not in axes and not part and (stack or sizes == [3]):
            plane.insert(0, axes.index("C"))
            others.remove(plane[0])
            sizes = [shape[i] for i in others if shape[i] > 1]
        if stack and not part and len(sizes) > 1:
            msg = f"its axes {axes} have the sizes {shape}; want one beside channels, rows, columns"
            raise ValueError(msg)
        count = math.prod(sizes)
        rows, columns = shape[axes.index("Y")], shape[axes.index("X")]
        asked = planes_asked(part, count, (rows, columns), stack=stack)
        kind = interpretation(series.keyframe)
        try:
            array = samples_of(file, series, plane, others, asked, count)
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            msg = (
                f"its compression is {named(series.keyframe.compression)}, which needs the package "
                f"imagecodecs; want it installed, or the file uncompressed"
            )
            raise ValueError(msg) from error
        page = series.keyframe
        planes = on_black(page, kind, array if array.ndim == 4 else array[np.newaxis])
        steps = pixel_size(file)
        orientation = page.tags.valueof("Orientation", 1)
    if steps is not None and orientation in ON_THEIR_SIDE:
        steps = (steps[0], steps[2], steps[1])
    return Planes(turned(planes, orientation), steps)


def samples_of(
    file: Any, series: Any, plane: list[int], others: list[int], asked: range, count: int
) -> NDArray[Any]:
    """Read planes as ([channels,] depth, rows, columns).

    `plane` are the axes of the series that make a plane, rows and columns last, and `others` those
    along which the `count` planes are.
    """
    if len(asked) < count == len(series.pages):
        array = series.pages[asked[0]].asarray()
        ranks = np.argsort(np.argsort(plane))  # the axes of a page keep their order
        page: NDArray[Any] = array.transpose(ranks)[..., np.newaxis, :, :]
        return page
    mapped = series.dataoffset is not None and series.keyframe.is_memmappable
    array = file.asarray(series=series, out="memmap" if mapped else None)
    array = array.transpose(*plane[:-2], *others, *plane[-2:])
    shape = array.shape
    array = array.reshape(*shape[: len(plane) - 2], count, *shape[-2:])
    planes: NDArray[Any] = array[..., asked.start : asked.stop, :, :]
    return planes


def named(code: Any) -> str:
    """Return the name of a code of TIFF, or its number if tifffile knows none."""
    return getattr(code, "name", str(code))


def check_chain(path: Path) -> None:
    """Refuse a broken chain of directories: tifffile would leave pages out, or read for ever."""
    with path.open("rb") as file:
        magic, seen = file.read(4), set[int]()
        if magic in (b"II*\0", b"MM\0*"):
            count, entry, link = "H", 12, "I"
        elif magic in (b"II+\0", b"MM\0+"):
            count, entry, link = "Q", 20, "Q"
            file.seek(8)
        else:
            msg = "the content is no TIFF"
            raise ValueError(msg)
        order = "<" if magic.startswith(b"II") else ">"
        size = path.stat().st_size

        def number(form: str) -> int:
            (found,) = struct.unpack(order + form, file.read(struct.calcsize(form)))
            return int(found)

        while (at := number(link)) or not seen:
            if at in seen or at + struct.calcsize(count) > size:
                msg = f"its directory {len(seen)} is at byte {at} of {size}; want a chain that ends"
                raise ValueError(msg)
            seen.add(at)
            file.seek(at)
            end = file.tell() + struct.calcsize(count) + entry * number(count)
            if end + struct.calcsize(link) > size:
                msg = f"its directory {len(seen) - 1} ends at byte {end} of {size}; want all of it"
                raise ValueError(msg)
            file.seek(end)


def whole_series(file: Any) -> Any:
    """Return the only series of a file, all of whose pixels are in it."""
    found = file.series
    if len(found) != 1:
        shapes = ", ".join(str(series.shape) for series in found) or "none"
        msg = f"it holds pictures of the shapes {shapes}; want one shape for all pages"
        raise ValueError(msg)
    series = found[0]
    if series.is_multifile or None in series.pages:
        msg = f"some planes of its {series.axes} {series.shape} are not in this file; want all"
        raise ValueError(msg)
    ends = [
        start + length
        for page in series.pages
        for start, length in zip(page.dataoffsets, page.databytecounts, strict=True)
    ]
    if series.dataoffset is not None:
        ends.append(series.dataoffset + series.nbytes)
    if max(ends, default=math.inf) > file.filehandle.size:
        msg = f"it has {file.filehandle.size} bytes, and its pixels end at {max(ends)}; want all"
        raise ValueError(msg)
    return series


def interpretation(page: Any) -> str:
    """Return what the samples are: grey, RGB, or places in a palette."""
    kind = named(page.photometric)
    if kind not in ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE"):
        msg = f"its photometric interpretation is {kind}; want grey, RGB or a palette"
        raise ValueError(msg)
    return kind


def on_black(page: Any, kind: str, planes: NDArray[Any]) -> NDArray[Any]:
    """Return one channel or three, of counts or, of colours, from 0 to 1."""
    white = np.float32(2.0**page.bitspersample - 1)
    unsigned = planes.dtype.kind in "bu"
    extras = dict(enumerate(page.extrasamples, len(planes) - len(page.extrasamples)))
    alpha = [planes[i] for i, extra in extras.items() if extra == UNASSOCIATED]
    shown = [i for i in range(len(planes)) if extras.get(i) not in (ASSOCIATED, UNASSOCIATED)]
    if len(shown) not in (1, 3) or (kind == "PALETTE" and len(shown) == 3):
        msg = f"it has {len(shown)} channels as {kind}; want one, or three"
        raise ValueError(msg)
    planes = planes[shown]
    if kind == "PALETTE":
        colours = page.colormap[:, planes[0].astype(np.intp)] / np.float32(65535)
        planes = colours if np.ptp(page.colormap, axis=0).any() else colours[:1]
    elif kind == "RGB" and unsigned:
        planes = planes.astype(np.float32) / white  # colours have a white
    elif kind == "MINISWHITE":
        if not unsigned:
            msg = f"its values are {planes.dtype}, and 0 is white; want unsigned integers"
            raise ValueError(msg)
        planes = white - planes
    planes = counted(planes)
    for a in alpha:
        planes = planes * (a / white if a.dtype.kind == "u" else a)
    return planes


def pixel_size(file: Any) -> tuple[float | None, ...] | None:
    """Return the steps along depth, rows and columns that OME or ImageJ say.

    The resolution of other files is often that of a print, and is left out.
    """
    if file.is_ome:
        root = ElementTree.fromstring(file.ome_metadata)
        pixels = root.find("{*}Image/{*}Pixels")
        if pixels is None:
            return None
        return tuple(
            in_metres(
                pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
            )
            for axis in "ZYX"
        )
    if file.is_imagej:
        about, tags = file.imagej_metadata, file.pages[0].tags
        unit = str(about.get("unit")).replace("\\u00B5", "µ")
        steps = [about.get("spacing")]
        for axis in "YX":
            pixels, units = tags.valueof(f"{axis}Resolution", (0, 1))
            steps.append(units / pixels if pixels else None)
        return tuple(in_metres(step, unit) for step in steps)
    return None
