"""Read a stack of planes from a file, with the size of its voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.arrays import summary
from nufftlib.core.kinds import file_path
from nufftlib.io.formats.arrays import read_mat, read_npy, read_npz
from nufftlib.io.formats.dicom import read_dicom
from nufftlib.io.formats.files import DICOM, FITS, TIFF, Reader, explained_import, read_file
from nufftlib.io.formats.fits import read_fits
from nufftlib.io.formats.tiff import read_tiff
from nufftlib.io.formats.values import Planes, as_single, check_stack
from nufftlib.io.volumes import field_of_view, read_nifti

__all__ = ["Stack", "load_stack"]


@dataclass(frozen=True, eq=False, repr=False)
class Stack:
    """The result of `load_stack`.

    Parameters
    ----------
    values : ndarray of float32, shape (channels, depth, rows, columns)
        One channel, or three.
    pixel_size : tuple of (float or None)
        Steps along depth, rows and columns in metres; None where the file does not say one.
    """

    values: NDArray[np.float32]
    pixel_size: tuple[float | None, ...]

    def __repr__(self) -> str:
        """Return the type, the array by its shape and dtype, and the steps."""
        return f"Stack({summary(self.values)}, {self.pixel_size})"


def load_stack(path: str | PathLike[str]) -> Stack:
    """Read a stack of planes: a z-stack of a microscope, a cube, the slices of a scanner.

    Parameters
    ----------
    path : str or path-like
        File to read. Its suffix names its kind, and the values are as for `load_picture`:

        - ``.tif``, ``.tiff``: all pages; the axis C, or the samples of a page, are channels.
        - ``.fits``, ``.fit``, ``.fts``, ``.fits.gz``, ``.fits.fz``: a cube.
        - ``.dcm``, ``.dicom``: all frames of the file.
        - ``.nii``, ``.nii.gz``: a volume as by `load_volume`, with its slices in front.
        - ``.npy``, ``.npz``: an array of shape ``(depth, rows, columns)`` or
          ``(channels, depth, rows, columns)``.
        - ``.mat``: an array of shape ``(rows, columns, depth)`` or
          ``(rows, columns, channels, depth)``, as MATLAB has them.

        One array or plane of several is named after a colon, as in ``"scan.mat:beads"``.

    Returns
    -------
    Stack
        The values, and the size of a voxel. A single plane is a stack of depth one.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged or of an unknown kind, or its values are no stack: not real, not
        finite, all equal, of another number of axes, or more than 2^27.
    ImportError
        A package that the file needs is not installed. They come with the extras ``app`` and
        ``pictures``.

    See Also
    --------
    load_picture : One plane.
    load_volume : A volume with its slices last.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.workflows import load_stack
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.arange(6.0 * 8 * 10).reshape(6, 8, 10))
    ...     load_stack(file.name)
    Stack(<(1, 6, 8, 10) float32>, (None, None, None))
    """
    file = file_path("load_stack", "path", path)
    with explained_import(file):
        planes, steps = read_file(file, READERS)
        values = as_single(file, planes)
    if not np.ptp(values):
        msg = f"{file}: every voxel is {values.flat[0]:g}; want a stack"
        raise ValueError(msg)
    return Stack(np.ascontiguousarray(values), steps or (None, None, None))


def of_planes(read: Callable[..., Planes]) -> Reader[Planes]:
    """Return the reader of all planes of a kind."""
    return lambda path, part: read(path, part, stack=True)


def of_array(read: Callable[[Path, str], NDArray[Any]]) -> Reader[Planes]:
    """Return the reader of an array, whose channels may be left out."""

    def stack(path: Path, part: str) -> Planes:
        array = read(path, part)
        return Planes(array if array.ndim == 4 else array[np.newaxis])

    return stack


def of_volume(path: Path, _: str) -> Planes:
    """Read a NIfTI volume, slices first."""
    planes = np.moveaxis(read_nifti(path), -1, 0)
    fov = field_of_view(path)
    steps = fov and tuple(fov[i] / n for i, n in zip((2, 0, 1), planes.shape, strict=True))
    return Planes(planes[np.newaxis], steps)


READERS: dict[str, Reader[Planes]] = {
    ".npy": of_array(lambda path, _: read_npy(path, check_stack)),
    ".npz": of_array(lambda path, part: read_npz(path, part, check_stack)),
    ".mat": of_array(lambda path, part: read_mat(path, part, check_stack)),
    **dict.fromkeys((".nii", ".nii.gz"), of_volume),
    **dict.fromkeys(TIFF, of_planes(read_tiff)),
    **dict.fromkeys(FITS, of_planes(read_fits)),
    **dict.fromkeys(DICOM, of_planes(read_dicom)),
}
