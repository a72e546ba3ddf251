"""PNG and JPEG."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.io.formats.values import AT_MOST, check_size, turned

ORIENTATION = 0x0112
"""Its tag in EXIF."""


def read_raster(path: Path) -> NDArray[Any]:
    """Read a picture upright, on black: (rows, columns), or (3, rows, columns) with colours."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            # Of another format the suffix lies: EPS would run a program, TIFF has other numbers.
            opened = Image.open(path, formats=("PNG", "JPEG"))
    except UnidentifiedImageError as error:
        msg = "the content is neither PNG nor JPEG"
        raise ValueError(msg) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        msg = f"it has too many pixels; want {AT_MOST}"
        raise ValueError(msg) from error
    with opened as file:
        check_size((file.height, file.width))
        is_grey = file.mode in {"1", "L", "LA"}
        plain = file.mode.startswith("I") and "transparency" not in file.info
        if file.format == "PNG" and has_16_bits(path) and not plain:
            return turned(read_deep_png(path), file.getexif().get(ORIENTATION, 1))
        image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I"):
        # 16-bit grey; older Pillow widens it to 32 bits. Its own conversion to "L" would clip.
        return np.asarray(image).astype(np.uint16)
    if "A" in image.getbands() or "transparency" in image.info:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    if is_grey:
        return np.asarray(image.convert("L"))
    return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)


def has_16_bits(path: Path) -> bool:
    """Tell whether the header of a PNG says 16 bits in a channel."""
    with path.open("rb") as file:
        return file.read(25)[24] == 16  # after signature, length, name, width and height


def read_deep_png(path: Path) -> NDArray[Any]:
    """Read a PNG with colours or alpha of 16 bits, of which Pillow keeps 8."""
    import png

    with path.open("rb") as file:
        # As RGBA or grey and alpha, also where one colour is transparent.
        columns, rows, lines, info = png.Reader(file=file).asDirect()
        flat = np.concatenate([np.asarray(line, np.uint16) for line in lines])
    white = 2.0 ** info["bitdepth"] - 1  # of the bits that are significant
    samples: NDArray[Any] = np.moveaxis(flat.reshape(rows, columns, -1) / white, -1, 0)
    if info["alpha"]:
        samples = samples[:-1] * samples[-1]
    return samples if len(samples) == 3 else samples[0]
