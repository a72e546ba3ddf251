"""DICOM, by pydicom."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.io.formats.values import Planes, counted, in_metres, planes_asked

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
NEEDED = ("TransferSyntaxUID", "Rows", "Columns", "PhotometricInterpretation", "BitsStored")
INVERTED, GREY, PALETTE = "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"


def read_dicom(path: Path, part: str, *, stack: bool = False) -> Planes:
    """Read the frames that are asked for: grey in the modality's unit, colours from 0 to 1."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        data = pydicom.dcmread(path)
    except InvalidDicomError as error:
        msg = "the content is not DICOM, whose files have the word DICM after 128 bytes"
        raise ValueError(msg) from error
    if not any(name in data for name in PIXELS):
        msg = f"it holds no image but {data.get('Modality') or 'other data'}; want pixel data"
        raise ValueError(msg)
    if missing := [n for n in NEEDED if n not in data and n not in data.file_meta]:
        msg = f"its header has no {', '.join(missing)}; want it"
        raise ValueError(msg)
    check_decoder(data)
    frames = int(data.get("NumberOfFrames") or 1)
    asked = planes_asked(part, frames, (data.Rows, data.Columns), stack=stack)
    try:
        planes = np.stack([frame(data, i) for i in asked], axis=1)
    except RuntimeError as error:  # of all decoders
        syntax, why = data.file_meta.TransferSyntaxUID.name, str(error).partition("\n")[2]
        msg = f"its transfer syntax is {syntax}, and cannot be decoded: {why or error}"
        raise ValueError(msg) from error
    return Planes(planes, pixel_size(data))


def check_decoder(data: Any) -> None:
    """Refuse a compression that no installed package knows."""
    from pydicom.pixels import get_decoder

    syntax = data.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated:
        return
    try:
        known = get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        msg = (
            f"its transfer syntax is {syntax.name}, for which no decoder is installed; want one of "
            f"pydicom's (pylibjpeg, python-gdcm), or the file uncompressed"
        )
        raise ValueError(msg)


def frame(data: Any, i: int) -> NDArray[Any]:
    """Read a frame: (1 or 3, rows, columns)."""
    from pydicom.pixels import apply_color_lut, pixel_array

    kind = data.PhotometricInterpretation
    if kind not in (INVERTED, GREY, PALETTE, *COLOURS):
        msg = f"its photometric interpretation is {kind}; want grey, RGB, YBR or a palette"
        raise ValueError(msg)
    values = pixel_array(data, index=i)  # of YBR the colours
    if kind == PALETTE:
        values = apply_color_lut(values, data)
        white = 2.0 ** data.RedPaletteColorLookupTableDescriptor[2] - 1
    elif kind in COLOURS:
        white = 2.0**data.BitsStored - 1
    else:
        return modality(data, i, values)[np.newaxis]
    return np.moveaxis(values.astype(np.float32) / np.float32(white), -1, 0)


def modality(data: Any, i: int, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values in the modality's unit, such as Hounsfield's.

    MONOCHROME1 shows the smallest value as white. It is inverted: v becomes f(a) + f(b) - f(v),
    with f the rescaling and a, b the ends of the range of what may be stored.
    """
    from pydicom.pixels import apply_modality_lut

    about = transformation(data, i)
    ends = np.zeros(2)
    if values.dtype.kind in "iu":
        bits, signed = data.BitsStored, data.PixelRepresentation
        ends = np.asarray([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits - 1])
    elif data.PhotometricInterpretation == INVERTED:
        msg = f"its values are {values.dtype}, and the smallest is white; want integers"
        raise ValueError(msg)
    found = counted(np.asarray(apply_modality_lut(values, about)))
    if data.PhotometricInterpretation == INVERTED:
        found = apply_modality_lut(ends, about).sum() - found
    return found


def transformation(data: Any, i: int) -> Any:
    """Return what holds the rescaling of a frame: its own group, that of all, or the file."""
    group = functional_group(data, i, "PixelValueTransformationSequence")
    return data if group is None else group


def functional_group(data: Any, i: int, name: str) -> Any | None:
    """Return the macro of that name of an enhanced file, of a frame or of all."""
    frames = data.get("PerFrameFunctionalGroupsSequence") or []
    for group in (*frames[i : i + 1], *(data.get("SharedFunctionalGroupsSequence") or [])):
        if group.get(name):
            return group[name][0]
    return None


def pixel_size(data: Any) -> tuple[float | None, ...]:
    """Return the steps along depth, rows and columns."""
    group = functional_group(data, 0, "PixelMeasuresSequence")
    about = data if group is None else group
    steps = about.get("PixelSpacing") or (None, None)
    return tuple(in_metres(s, "mm") for s in (about.get("SpacingBetweenSlices"), *steps))
