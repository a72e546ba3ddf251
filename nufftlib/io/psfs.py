"""Read and write point-spread functions."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import choice, file_path, integer, lengths
from nufftlib.io.formats.files import explained_import, read_file
from nufftlib.io.formats.values import as_single
from nufftlib.io.pictures import Encoding, Picture, all_known, grey, read_picture
from nufftlib.io.stacks import READERS
from nufftlib.io.whole import written

__all__ = ["load_psf", "save_psf"]

ONE = 1e-5
"""A sum this close to one is one: that of float32 values of a calibration."""


def load_psf(
    path: str | PathLike[str], *, ndim: int = 2, encoding: Encoding = "linear"
) -> NDArray[np.float32]:
    """Read a point-spread function from an array, a grey picture or a stack, of sum one.

    Parameters
    ----------
    path : str or path-like
        File to read, as for `load_gray`, or in three dimensions for `load_stack`.
    ndim : {2, 3}, optional
        Dimensions of the PSF.
    encoding : {"linear", "srgb"}, optional
        How a picture encodes light, as for `load_gray`.

    Returns
    -------
    ndarray of float32, shape (rows, columns) or (depth, rows, columns)
        Nonnegative; of a picture with colours their luma. The values are divided by their sum,
        unless this is one within 1e-5: those that `save_psf` wrote stay as they are.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As in `load_gray`; also ValueError if a value is negative, or all are zero.

    See Also
    --------
    save_psf : Writes it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.workflows import load_psf
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.asarray([[1.0, 2.0, 1.0]]))
    ...     load_psf(file.name)
    array([[0.25, 0.5 , 0.25]], dtype=float32)
    """
    file = file_path("load_psf", "path", path)
    choice("load_psf", "encoding", encoding, get_args(Encoding))
    if integer("load_psf", "ndim", ndim, least=2, most=3) == 2:
        values = read_picture(file, encoding).values
    else:
        values = load_cube(file).values
    return of_sum_one(file, grey(values, encoding))


def load_cube(path: Path) -> Picture:
    """Read the values of a PSF of three axes, channels in front, and the size of its voxels."""
    with explained_import(path):
        planes, steps = read_file(path, READERS)
        return Picture(as_single(path, planes), all_known(steps))


def of_sum_one(path: Path, psf: NDArray[np.float32]) -> NDArray[np.float32]:
    """Check the values of a PSF, and bring them to the sum one."""
    if psf.min() < 0 or not psf.any():
        msg = (
            f"{path}: the values run from {psf.min():g} to {psf.max():g}; want a PSF, "
            "nonnegative and not all zero"
        )
        raise ValueError(msg)
    total = psf.sum(dtype=np.float64)
    return psf if abs(total - 1) <= ONE else (psf / total).astype(np.float32)


Format = Literal["npy", "tiff", "fits"]


def save_psf(path: str | PathLike[str], psf: Array, pixel_size: Any = None) -> None:
    """Write a point-spread function to a file, in single precision.

    The file is written whole or not at all, and `load_psf` reads the same values.

    Parameters
    ----------
    path : str or path-like
        Where the file is to be. A file that is there is replaced. The suffix names its kind:
        ``.npy``; ``.tif`` or ``.tiff``, with the size of the pixels as OME has it; ``.fits``, with
        the size as CDELT in metres, and the rows in the order of the array.
    psf : array, shape (rows, columns) or (depth, rows, columns), real
        The PSF, nonnegative, on any device.
    pixel_size : float or sequence of float, optional
        Step along each axis in metres. A file ``.npy`` has no place for it.

    Raises
    ------
    TypeError
        If the PSF is no array of float32 or float64, or the size is no number.
    ValueError
        If a value is negative or not finite, or all are zero; if the name has another suffix, or
        the size is not positive or does not fit the axes or the kind of file.
    ImportError
        If tifffile or astropy, which come with the extra ``pictures``, is not installed.
    OSError
        If the file cannot be written; a file that is there stays as it was.

    See Also
    --------
    load_psf : Reads it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.workflows import load_psf, save_psf
    >>> psf = np.asarray([[0.25, 0.5, 0.25]], dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_psf(f"{folder}/psf.npy", psf)
    ...     np.array_equal(load_psf(f"{folder}/psf.npy"), psf)
    True
    """
    call = "save_psf(path, psf)"
    xp = common_namespace(call, psf=psf)
    check_real(xp, call, "psf", psf)
    if psf.ndim not in (2, 3) or 0 in psf.shape:
        msg = (
            f"{call}: psf has the shape {tuple(psf.shape)}; want (rows, columns) or "
            f"(depth, rows, columns), none of them 0"
        )
        raise ValueError(msg)
    with np.errstate(over="ignore"):
        values = fetched(psf).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and 0 < high < np.inf):
        msg = f"{call}: psf runs from {low:g} to {high:g}; want finite values, 0 or more, not all 0"
        raise ValueError(msg)
    steps = None if pixel_size is None else lengths("save_psf", "pixel_size", pixel_size, psf.ndim)
    file = file_path("save_psf", "path", path)
    kind = next((k for k, suffixes in SUFFIXES.items() if file.suffix in suffixes), None)
    if kind is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        msg = f"{call}: path is {str(path)!r}; want a name that ends with one of {known}"
        raise ValueError(msg)
    if kind == "npy" and steps is not None:
        msg = f"{call}: pixel_size is {pixel_size}, for which .npy has no place; want .tif or .fits"
        raise ValueError(msg)
    with (
        explained_import(file),
        written(call, path, file.suffix) as temporary,
        temporary.open("wb") as opened,
    ):
        psf_writer(kind, values, steps)(opened)


SUFFIXES: dict[Format, tuple[str, ...]] = {
    "npy": (".npy",),
    "tiff": (".tif", ".tiff"),
    "fits": (".fits",),
}


def psf_writer(
    kind: Format, psf: NDArray[np.float32], steps: tuple[float, ...] | None
) -> Callable[[BinaryIO], object]:
    """Return a writer of a PSF, or of a stack, to an open file; its package is imported at once."""
    if kind == "tiff":
        import tifffile

        about: dict[str, Any] = {"axes": "CZYX"[-psf.ndim :]}
        for axis, step in zip("ZYX"[-len(steps or ()) :], steps or (), strict=bool(steps)):
            about |= {f"PhysicalSize{axis}": 1e6 * step, f"PhysicalSize{axis}Unit": "µm"}
        return lambda file: tifffile.imwrite(
            file, psf, ome=True, photometric="minisblack", metadata=about, software="nufftlib"
        )
    if kind == "fits":
        from astropy.io import fits

        unit = fits.PrimaryHDU(psf)
        unit.header["CREATOR"] = "nufftlib"
        for i, step in enumerate(reversed(steps or ()), 1):
            unit.header[f"CDELT{i}"] = step
            unit.header[f"CUNIT{i}"] = "m"
        return lambda file: unit.writeto(file)
    return lambda file: np.save(file, psf)
