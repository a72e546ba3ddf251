"""Read a picture from a file into a float32 array."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.kinds import choice, file_path, integer
from nufftlib.io.formats.arrays import read_mat, read_npy, read_npz
from nufftlib.io.formats.dicom import read_dicom
from nufftlib.io.formats.files import (
    DICOM,
    FITS,
    TIFF,
    Reader,
    explained_import,
    read_file,
    without_parts,
)
from nufftlib.io.formats.fits import read_fits
from nufftlib.io.formats.nifti import read_nifti
from nufftlib.io.formats.raster import read_raster
from nufftlib.io.formats.srgb import linear_light
from nufftlib.io.formats.tiff import read_tiff
from nufftlib.io.formats.values import Planes, as_single, check_size

__all__ = ["load_color", "load_gray", "load_picture"]

Encoding = Literal["linear", "srgb"]

# ITU-R BT.601 luma, the weights behind Pillow's "L", and BT.709 luminance of linear light.
LUMA = (0.299, 0.587, 0.114)
LUMINANCE = (0.2126, 0.7152, 0.0722)


def load_gray(
    path: str | PathLike[str], size: int = 256, *, encoding: Encoding = "linear"
) -> NDArray[np.float32]:
    """Read one square grey picture.

    The central square of the picture is cut out and resized to ``size`` with an antialiased
    triangle filter, which never leaves the range of the values. A square that already has the
    right size keeps its values exactly.

    Parameters
    ----------
    path : str or path-like
        File to read. Its suffix names its kind:

        - ``.npy``, ``.npz``: an array of shape ``(rows, columns)``, or channels first with 1 or 3
          channels.
        - ``.mat``: an array of MATLAB, channels last; not of its format 7.3.
        - ``.png``, ``.jpg``, ``.jpeg``: turned upright by its EXIF orientation; transparent
          pixels are shown on black.
        - ``.tif``, ``.tiff``: as PNG; a page, or the only one.
        - ``.fits``, ``.fit``, ``.fts``, ``.fits.gz``, ``.fits.fz``: a plane of the first image,
          its rows in the order of the file, which viewers draw from the bottom to the top.
        - ``.dcm``, ``.dicom``: a frame, or the only one.
        - ``.nii``, ``.nii.gz``: the middle axial slice of a volume as radiologists show it, the
          front of the head up and its right side on the left; a two-dimensional image as it is.

        One array of several is named after a colon, one plane by its number from 0:
        ``"scan.mat:beads"``, ``"stack.tif:3"``.
    size : int, optional
        Rows and columns of the result.
    encoding : {"linear", "srgb"}, optional
        How the file encodes light. Values of sRGB, such as a camera's JPEG, are decoded by the
        curve of IEC 61966-2-1; others are in proportion to light, and stay.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Of PNG, JPEG, arrays, and colours of TIFF and DICOM 8-bit and 16-bit unsigned integers are
        divided by the largest that their type can hold, so that they lie in [0, 1]. Counts, which
        are grey TIFF and DICOM, FITS and NIfTI, keep their own values, and so do floats. Colours
        become their luma, 0.299 R + 0.587 G + 0.114 B, and if they are decoded their luminance,
        0.2126 R + 0.7152 G + 0.0722 B.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, of an unknown kind or of another one than its name says, or its
        values are not a picture: not real, not finite, all equal, of another number of axes, more
        than 2^26 pixels, those of 8192 x 8192, or of sRGB and not in [0, 1].
    ImportError
        A package that the file needs is not installed. Pillow and nibabel come with the extra
        ``app``; tifffile, astropy, pydicom, and pypng for colours of 16 bits with ``pictures``.

    See Also
    --------
    load_color : Keeps the colours.
    load_stack : All planes of a file.

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
    return grey(_load("load_gray", path, size, encoding), encoding)


def load_color(
    path: str | PathLike[str], size: int = 256, *, encoding: Encoding = "linear"
) -> NDArray[np.float32]:
    """Read one square picture with its colours, if it has any.

    Files are read, cut and resized as by `load_gray`.

    Parameters
    ----------
    path : str or path-like
        File to read.
    size : int, optional
        Rows and columns of the result.
    encoding : {"linear", "srgb"}, optional
        How the file encodes light, as for `load_gray`.

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
    picture = _load("load_color", path, size, encoding)
    low, high = float(picture.min()), float(picture.max())
    if low < 0 or high > 1:
        msg = f"{path}: the values run from {low:g} to {high:g}; want colours from 0 to 1"
        raise ValueError(msg)
    return picture


def load_picture(
    path: str | PathLike[str], *, encoding: Encoding = "linear"
) -> NDArray[np.float32]:
    """Read one picture with its colours, if it has any, without cutting or resizing.

    The kinds of files are as for `load_gray`.

    Parameters
    ----------
    path : str or path-like
        File to read.
    encoding : {"linear", "srgb"}, optional
        How the file encodes light, as for `load_gray`.

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
    file = file_path("load_picture", "path", path)
    choice("load_picture", "encoding", encoding, get_args(Encoding))
    return load_sized(file, encoding).values


def grey(picture: NDArray[np.float32], encoding: Encoding = "linear") -> NDArray[np.float32]:
    """Return the grey picture of one with channels in front, which had this encoding."""
    colours = LUMINANCE if encoding == "srgb" else LUMA
    # In double precision the weights of white add up to exactly 1.
    weights = colours if len(picture) == 3 else (1.0,)
    gray: NDArray[np.float32] = np.tensordot(weights, picture, axes=1).astype(np.float32)
    return gray


def _load(
    call: str, path: str | PathLike[str], size: int, encoding: Encoding
) -> NDArray[np.float32]:
    """Read, check, crop and resize; the result has the shape (1 or 3, size, size)."""
    file, size = file_path(call, "path", path), integer(call, "size", size, least=1)
    choice(call, "encoding", encoding, get_args(Encoding))
    with explained_import(file):
        return resized(central_square(file, read_picture(file, encoding).values), size)


class Picture(NamedTuple):
    """A picture, or a stack, as it is in its file.

    Attributes
    ----------
    values : ndarray of float32, shape (channels, rows, columns) or (channels, depth, rows, columns)
        Three channels, or one.
    pixel_size : tuple of float or None
        Steps along rows and columns, of a stack along its depth as well, in metres, where the file
        says all of them.
    """

    values: NDArray[np.float32]
    pixel_size: tuple[float, ...] | None


def read_picture(path: Path, encoding: Encoding = "linear") -> Picture:
    """Read and check a picture, and decode it."""
    with explained_import(path):
        array, steps = read_file(path, READERS)
        shape = _with_channels(path, array).shape
        values = as_single(path, array).reshape(shape)
    if encoding == "srgb":
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 1:
            msg = f"{path}: the values run from {low:g} to {high:g}; want sRGB from 0 to 1"
            raise ValueError(msg)
        values = linear_light(values)
    return Picture(values, all_known(steps))


def load_sized(path: Path, encoding: Encoding = "linear") -> Picture:
    """Read a picture as by `load_picture`, with the size of its pixels."""
    picture = read_picture(path, encoding)
    check_varied(path, picture.values, "picture")
    return picture


def all_known(steps: tuple[float | None, ...] | None) -> tuple[float, ...] | None:
    """Return the steps if the file says all of them."""
    known = tuple(s for s in steps or () if s is not None)
    return known if known and len(known) == len(steps or ()) else None


Found = tuple[NDArray[Any], tuple[float | None, ...] | None]
"""An array with or without channels in front, and the steps along its last two axes."""


def only_plane(read: Callable[[Path, str], Planes]) -> Reader[Found]:
    """Return the reader of one picture of a kind that has planes."""

    def picture(path: Path, part: str) -> Found:
        planes, steps = read(path, part)
        return planes[:, 0], steps and steps[1:]

    return picture


def without_steps(read: Callable[[Path, str], NDArray[Any]]) -> Reader[Found]:
    """Return the reader of a kind that says no size of the pixels."""
    return lambda path, part: (read(path, part), None)


READERS: dict[str, Reader[Found]] = {
    ".npy": without_steps(without_parts(lambda path: read_npy(path, check_size))),
    ".npz": without_steps(lambda path, part: read_npz(path, part, check_size)),
    ".mat": without_steps(lambda path, part: read_mat(path, part, check_size)),
    **dict.fromkeys((".png", ".jpg", ".jpeg"), without_steps(without_parts(read_raster))),
    **dict.fromkeys((".nii", ".nii.gz"), without_steps(without_parts(read_nifti))),
    **dict.fromkeys(TIFF, only_plane(read_tiff)),
    **dict.fromkeys(FITS, only_plane(read_fits)),
    **dict.fromkeys(DICOM, only_plane(read_dicom)),
}


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
    check_varied(path, square, "central square")
    return square


def check_varied(path: Path, picture: NDArray[np.float32], part: str) -> None:
    """Refuse a picture, or a part of it, that shows nothing."""
    if not np.ptp(picture, axis=(1, 2)).any():
        values = ", ".join(f"{v:g}" for v in picture[:, 0, 0])
        msg = f"{path}: every pixel of the {part} is {values}; want a picture"
        raise ValueError(msg)


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
