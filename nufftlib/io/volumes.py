"""Read a volume from a file into a float32 array."""

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.kinds import file_path, integer
from nufftlib.io.formats.arrays import read_npy
from nufftlib.io.formats.files import Reader, explained_import, read_file, without_parts
from nufftlib.io.formats.values import MOST_VOXELS, as_single, counted

METRES = {"meter": 1.0, "mm": 1e-3, "micron": 1e-6}
"""NIfTI's units of length."""


def load_volume(path: str | PathLike[str], size: int | None = None) -> NDArray[np.float32]:
    """Read one volume.

    Parameters
    ----------
    path : str or path-like
        File to read. Its suffix names its kind:

        - ``.npy``: an array of shape ``(rows, columns, slices)``, as it is.
        - ``.nii``, ``.nii.gz``: a volume with its axes in the order and the direction in which
          radiologists show its axial slices, from the lowest to the highest: rows from the front
          of the head to the back, columns from its right side to its left.
    size : int, optional
        Voxels along the longest axis: the volume is resized, the other axes in proportion, with
        an antialiased triangle filter, which never leaves the range of the values. By default
        all voxels are kept.

    Returns
    -------
    ndarray of float32, shape (rows, columns, slices)
        8-bit and 16-bit unsigned integers of ``.npy`` are divided by the largest that their type
        can hold. Floating-point arrays and every NIfTI volume keep their own values.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged or of an unknown kind, or its values are no volume: not real, not
        finite, all equal, of another number of axes, or more than 2^27, those of 512 x 512 x 512.
    ImportError
        Pillow or nibabel, which come with the extra ``app``, is needed and not installed.

    See Also
    --------
    load_gray : The middle axial slice of a volume, among others.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.io.volumes import load_volume
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.arange(6.0 * 8 * 10).reshape(6, 8, 10))
    ...     load_volume(file.name).shape, load_volume(file.name, size=5).shape
    ((6, 8, 10), (3, 4, 5))
    """
    file = file_path("load_volume", "path", path)
    size = size if size is None else integer("load_volume", "size", size, least=1)
    with explained_import(file):
        volume = as_single(file, read_file(file, READERS))
        if not np.ptp(volume):
            msg = f"{file}: every voxel is {volume.flat[0]:g}; want a volume"
            raise ValueError(msg)
        return np.ascontiguousarray(volume if size is None else resized(volume, size))


def field_of_view(path: Path) -> tuple[float, ...] | None:
    """Return the lengths of a NIfTI volume's axes in metres, as `load_volume` has them.

    None if the file is of another kind, or its header has no unit of length.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return None
    import nibabel

    image: Any = nibabel.load(path)
    metres = METRES.get(image.header.get_xyzt_units()[0])
    if metres is None:
        return None
    voxels = np.sqrt(np.sum(image.affine[:3, :3] ** 2, 0))
    lengths = metres * voxels * image.shape[:3]
    across = nibabel.io_orientation(image.affine)[:, 0]  # type: ignore[no-untyped-call] # its gap
    right, front, top = lengths[np.argsort(across)]
    return float(front), float(right), float(top)


def check_shape(shape: Sequence[int]) -> None:
    """Refuse what is no volume, or has too many voxels, before its values are read."""
    if len(shape) != 3 or 0 in shape:
        msg = f"the shape is {tuple(shape)}; want (rows, columns, slices), none of them 0"
        raise ValueError(msg)
    if math.prod(shape) > MOST_VOXELS:
        most = f"at most {MOST_VOXELS} voxels, as of 512 x 512 x 512"
        msg = f"the shape is {tuple(shape)}; want {most}"
        raise ValueError(msg)


def read_array(path: Path) -> NDArray[Any]:
    """Read the volume of a file ``.npy``."""
    return read_npy(path, check_shape)


def read_nifti(path: Path) -> NDArray[Any]:
    """Read the volume of a NIfTI file, with its axes as `load_volume` says."""
    import nibabel
    from nibabel.orientations import apply_orientation

    image: Any = nibabel.load(path)
    shape: tuple[int, ...] = image.shape
    while len(shape) > 3 and shape[-1] == 1:  # a volume may come as a series of one
        shape = shape[:-1]
    check_shape(shape)
    orientation = nibabel.io_orientation(image.affine)  # type: ignore[no-untyped-call] # its gap
    if np.isnan(orientation).any():
        msg = "its affine leaves directions of the axes open; want an invertible one"
        raise ValueError(msg)
    stored = np.asanyarray(image.dataobj).reshape(shape)
    # To the right, the front and the top of the head.
    array: NDArray[Any] = apply_orientation(stored, orientation)  # type: ignore[no-untyped-call] # same
    array = array[::-1, ::-1].transpose(1, 0, 2)
    return counted(array)


READERS: dict[str, Reader[NDArray[Any]]] = {
    ".npy": without_parts(read_array),
    ".nii": without_parts(read_nifti),
    ".nii.gz": without_parts(read_nifti),
}


def resized(volume: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resize one axis after the other; the longest gets `size` voxels."""
    from PIL import Image

    longest = max(volume.shape)
    for axis, old in enumerate(volume.shape):
        new = max(1, round(old * size / longest))
        rows = np.moveaxis(volume, axis, -1)
        lines = Image.fromarray(np.ascontiguousarray(rows).reshape(-1, old))
        # Pillow widens the filter when it shrinks a picture. This prevents aliasing.
        shrunk = np.asarray(lines.resize((new, lines.height), Image.Resampling.BILINEAR))
        volume = np.moveaxis(shrunk.reshape(*rows.shape[:-1], new), -1, axis)
    return volume
