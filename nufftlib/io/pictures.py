"""Read a picture from a file into a float32 array."""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.kinds import file_path, integer

__all__ = ["load_color", "load_gray", "load_picture", "load_psf"]

MOST_PIXELS = 2**26
AT_MOST = f"at most {MOST_PIXELS} pixels, as of 8192 x 8192"
"""A picture of more is refused before its values are read: a small file may hold any number."""

BLOCK = 2**24
"""Voxels of a volume that are read at once."""

# ITU-R BT.601 luma, the weights behind Pillow's "L".
LUMA = (0.299, 0.587, 0.114)


def load_gray(path: str | PathLike[str], size: int = 256) -> NDArray[np.float32]:
    """Read one square grey picture.

    The central square of the picture is cut out and resized to ``size`` with an antialiased
    triangle filter, which never leaves the range of the values. A square that already has the
    right size keeps its values exactly.

    Parameters
    ----------
    path : str or path-like
        File to read. Its suffix names its kind:

        - ``.npy``: an array of shape ``(rows, columns)``, or channels first with 1 or 3 channels.
        - ``.png``, ``.jpg``, ``.jpeg``: turned upright by its EXIF orientation; transparent
          pixels are shown on black.
        - ``.nii``, ``.nii.gz``: the middle axial slice of a volume as radiologists show it, the
          front of the head up and its right side on the left; a two-dimensional image as it is.
    size : int, optional
        Rows and columns of the result.

    Returns
    -------
    ndarray of float32, shape (size, size)
        8-bit and 16-bit unsigned integers are divided by the largest that their type can hold,
        so that they lie in [0, 1]. Floating-point arrays and every NIfTI image keep their own
        values. Colours become their luma, 0.299 R + 0.587 G + 0.114 B.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, of an unknown kind or of another one than its name says, or its
        values are not a picture: not real, not finite, all equal, of another number of axes, or
        more than 2^26 pixels, those of 8192 x 8192.
    ImportError
        Pillow or nibabel, which come with the extra ``app``, is needed and not installed.

    See Also
    --------
    load_color : Keeps the colours.

    Notes
    -----
    Pillow reads a PNG of 16-bit colours as 8-bit colours; 16-bit grey keeps all its levels.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.io.pictures import load_gray
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.arange(12, dtype=np.uint8).reshape(3, 4))
    ...     255 * load_gray(file.name, size=3)
    array([[ 1.,  2.,  3.],
           [ 5.,  6.,  7.],
           [ 9., 10., 11.]], dtype=float32)
    """
    return luma(_load("load_gray", path, size))


def load_color(path: str | PathLike[str], size: int = 256) -> NDArray[np.float32]:
    """Read one square picture with its colours, if it has any.

    Files are read, cut and resized as by `load_gray`.

    Parameters
    ----------
    path : str or path-like
        File to read.
    size : int, optional
        Rows and columns of the result.

    Returns
    -------
    ndarray of float32, shape (channels, size, size)
        Red, green and blue, or the one channel of a grey picture, in [0, 1].

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As in `load_gray`; also ValueError if a value lies outside [0, 1].

    See Also
    --------
    load_gray : One channel, of any range.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.data import astronaut
    >>> from nufftlib.io.pictures import load_color
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, astronaut())
    ...     load_color(file.name, size=64).shape
    (3, 64, 64)
    """
    picture = _load("load_color", path, size)
    low, high = float(picture.min()), float(picture.max())
    if low < 0 or high > 1:
        msg = f"{path}: the values run from {low:g} to {high:g}; want colours from 0 to 1"
        raise ValueError(msg)
    return picture


def load_picture(path: str | PathLike[str]) -> NDArray[np.float32]:
    """Read one picture with its colours, if it has any, without cutting or resizing.

    The kinds of files are as for `load_gray`.

    Parameters
    ----------
    path : str or path-like
        File to read.

    Returns
    -------
    ndarray of float32, shape (channels, rows, columns)
        Red, green and blue, or the one channel of a grey picture. The values are as for
        `load_gray`: floating-point arrays keep theirs, whatever their range. A measurement may
        be negative, since noise is, or count in any unit.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As in `load_gray`.

    See Also
    --------
    load_color : Square, of one size, in [0, 1].

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.io.pictures import load_picture
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.arange(12, dtype=np.uint8).reshape(3, 4))
    ...     load_picture(file.name).shape
    (1, 3, 4)
    """
    return _varied(path, _whole(file_path("load_picture", "path", path)), "picture")


def load_psf(path: str | PathLike[str]) -> NDArray[np.float32]:
    """Read a point-spread function from an array or a grey picture, and bring its sum to one.

    Parameters
    ----------
    path : str or path-like
        File to read, as for `load_gray`.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        Nonnegative, of sum one; of a picture with colours their luma.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As in `load_gray`; also ValueError if a value is negative, or all are zero.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.io.pictures import load_psf
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.asarray([[1.0, 2.0, 1.0]]))
    ...     load_psf(file.name)
    array([[0.25, 0.5 , 0.25]], dtype=float32)
    """
    psf = luma(_whole(file_path("load_psf", "path", path))).astype(np.float64)
    if psf.min() < 0 or not psf.any():
        msg = (
            f"{path}: the values run from {psf.min():g} to {psf.max():g}; want a PSF, "
            "nonnegative and not all zero"
        )
        raise ValueError(msg)
    whole: NDArray[np.float32] = (psf / psf.sum()).astype(np.float32)
    return whole


def luma(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the grey picture of one with channels in front."""
    weights = LUMA if len(picture) == 3 else (1.0,)
    # In double precision the weights of white add up to exactly 1.
    gray: NDArray[np.float32] = np.tensordot(weights, picture, axes=1).astype(np.float32)
    return gray


def _varied(
    path: str | PathLike[str], picture: NDArray[np.float32], part: str
) -> NDArray[np.float32]:
    """Refuse a picture, or a part of it, that shows nothing."""
    if not np.ptp(picture, axis=(1, 2)).any():
        values = ", ".join(f"{v:g}" for v in picture[:, 0, 0])
        msg = f"{path}: every pixel of the {part} is {values}; want a picture"
        raise ValueError(msg)
    return picture


def _load(call: str, path: str | PathLike[str], size: int) -> NDArray[np.float32]:
    """Read, check, crop and resize; the result has the shape (1 or 3, size, size)."""
    file, size = file_path(call, "path", path), integer(call, "size", size, least=1)
    with explained_import(file):
        return resized(central_square(file, _whole(file)), size)


def _whole(path: Path) -> NDArray[np.float32]:
    """Read and check; the result has the shape (1 or 3, rows, columns)."""
    with explained_import(path):
        array = read_file(path, READERS)
        shape = _with_channels(path, array).shape
        return as_single(path, array).reshape(shape)


@contextmanager
def explained_import(path: Path) -> Iterator[None]:
    """Say how to install a package that cannot be imported."""
    try:
        yield
    except ImportError as error:
        msg = (
            f"{path}: this file needs {error.name}, which cannot be imported; install it with\n"
            '\n    pip install "nufftlib[app]"'
        )
        raise ImportError(msg, name=error.name) from error


def read_file(path: Path, readers: Mapping[str, Callable[[Path], NDArray[Any]]]) -> NDArray[Any]:
    """Read the values as the file holds them, by the reader of its suffix."""
    reader = next((readers[s] for s in readers if path.name.lower().endswith(s)), None)
    if reader is None:
        msg = f"{path}: the suffix is {path.suffix!r}; want one of {', '.join(readers)}"
        raise ValueError(msg)
    if not os.path.isfile(path):  # pathlib's fails at a name that is too long
        msg = f"{path}: there is no such file"
        raise FileNotFoundError(msg)
    try:
        return reader(path)
    except ImportError:
        raise
    except Exception as error:  # a decoder may raise anything at a damaged file
        msg = f"{path}: cannot be read: {str(error) or type(error).__name__}"
        raise ValueError(msg) from error


def _check_size(shape: Sequence[int]) -> None:
    """Refuse a picture of too many pixels, before its values are read."""
    pixels = math.prod(shape[1:] if len(shape) == 3 and shape[0] == 3 else shape)
    if pixels > MOST_PIXELS:
        msg = f"the shape is {tuple(shape)}; want {AT_MOST}"
        raise ValueError(msg)


def read_npy(path: Path, check: Callable[[Sequence[int]], None] = _check_size) -> NDArray[Any]:
    """Read an array whose shape passes a check."""
    # np.load would also accept pickles and archives under this suffix.
    with path.open("rb") as file:
        return read_checked(file, check)


def read_checked(file: IO[bytes], check: Callable[[Sequence[int]], None]) -> NDArray[Any]:
    """Read an array whose shape passes a check from an open file in the format ``.npy``."""
    old = np.lib.format.read_magic(file) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    check(header(file)[0])
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _read_picture(path: Path) -> NDArray[Any]:
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
        _check_size((file.height, file.width))
        image = ImageOps.exif_transpose(file)
    if image.mode.startswith("I"):
        # 16-bit grey; older Pillow widens it to 32 bits. Its own conversion to "L" would clip.
        return np.asarray(image).astype(np.uint16)
    is_grey = image.mode in {"1", "L", "LA"}
    if "A" in image.getbands() or "transparency" in image.info:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    if is_grey:
        return np.asarray(image.convert("L"))
    return np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)


def _read_nifti(path: Path) -> NDArray[Any]:
    import nibabel

    # The file stays open, so that blocks of a compressed one are unpacked one after the other.
    image: Any = nibabel.load(path, keep_file_open=True)
    shape: tuple[int, ...] = image.shape
    while len(shape) > 3 and shape[-1] == 1:  # a volume may come as a series of one
        shape = shape[:-1]
    if len(shape) == 3:
        orientation = nibabel.io_orientation(image.affine)  # type: ignore[no-untyped-call] # its gap
        array = _axial_slice(image.dataobj, shape, orientation)
    elif len(shape) == 2:
        _check_size(shape)
        array = np.asanyarray(image.dataobj).reshape(shape)
    else:
        msg = f"the image has the shape {shape}; want one volume or one slice"
        raise ValueError(msg)
    # Stored integers are a scanner's measurement: their type does not define a white.
    return array.astype(np.float32) if array.dtype.kind in "iu" else array


def _axial_slice(
    stored: Any, shape: tuple[int, ...], orientation: NDArray[np.float64]
) -> NDArray[Any]:
    """Read the middle axial slice, by and by: the volume may be large.

    `orientation` says of each axis in the file whether it points to the right (0), the front (1)
    or the top of the head (2), and with -1 that it points away from there.
    """
    from nibabel.orientations import apply_orientation

    _check_size(sorted(shape)[1:])  # its largest plane
    if np.isnan(orientation).any():
        msg = "its affine leaves directions of the axes open; want an invertible one"
        raise ValueError(msg)
    axis = orientation[:, 0].tolist().index(2)
    middle = shape[axis] // 2
    if orientation[axis, 1] < 0:
        middle = shape[axis] - 1 - middle
    series = (0,) * (stored.ndim - 3)
    if axis == 2:
        part = stored[(..., slice(middle, middle + 1), *series)]
    else:  # the last axis varies slowest in the file, and a slice lies across all of it
        thick = max(1, BLOCK // (shape[0] * shape[1]))
        blocks = (
            stored[(..., slice(i, i + thick), *series)].take([middle], axis)
            for i in range(0, shape[2], thick)
        )
        part = np.concatenate(list(blocks), axis=2)
    # Rows are to run from front to back, columns from right to left.
    canonical: NDArray[Any] = apply_orientation(part, orientation)  # type: ignore[no-untyped-call] # its gap
    return canonical[::-1, ::-1, 0].T


READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": read_npy,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".jpeg": _read_picture,
    ".nii": _read_nifti,
    ".nii.gz": _read_nifti,
}


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


def _with_channels(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """Check the shape of an array and return it with an axis of channels in front."""
    picture = array[np.newaxis] if array.ndim == 2 else array
    if picture.ndim != 3 or len(picture) not in {1, 3} or picture.size == 0:
        msg = (
            f"{path}: the array has the shape {array.shape}; want (rows, columns), "
            "(1, rows, columns) or (3, rows, columns), none of them 0"
        )
        raise ValueError(msg)
    return picture


def central_square(path: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut the central square out of each channel; refuse one that shows nothing."""
    rows, columns = picture.shape[1:]
    side = min(rows, columns)
    # The centre voxel N // 2 stays the centre voxel.
    top, left = rows // 2 - side // 2, columns // 2 - side // 2
    square = picture[:, top : top + side, left : left + side]
    return _varied(path, square, "central square")


def resized(square: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resize each channel."""
    if square.shape[1:] == (size, size):
        return np.ascontiguousarray(square)
    from PIL import Image

    # Pillow widens the filter when it shrinks a picture. This prevents aliasing.
    return np.stack(
        [
            np.asarray(Image.fromarray(channel).resize((size, size), Image.Resampling.BILINEAR))
            for channel in square
        ]
    )
