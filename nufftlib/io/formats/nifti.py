"""One picture of a NIfTI file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib.io.formats.values import check_size, counted

BLOCK = 2**24
"""Voxels of a volume that are read at once."""


def read_nifti(path: Path) -> NDArray[Any]:
    """Read the middle axial slice of a volume, upright, or a two-dimensional image as it is."""
    import nibabel

    # The file stays open, so that blocks of a compressed one are unpacked one after the other.
    image: Any = nibabel.load(path, keep_file_open=True)
    shape: tuple[int, ...] = image.shape
    while len(shape) > 3 and shape[-1] == 1:  # a volume may come as a series of one
        shape = shape[:-1]
    if len(shape) == 3:
        orientation = nibabel.io_orientation(image.affine)  # type: ignore[no-untyped-call] # its gap
        array = axial_slice(image.dataobj, shape, orientation)
    elif len(shape) == 2:
        check_size(shape)
        array = np.asanyarray(image.dataobj).reshape(shape)
    else:
        msg = f"the image has the shape {shape}; want one volume or one slice"
        raise ValueError(msg)
    return counted(array)


def axial_slice(
    stored: Any, shape: tuple[int, ...], orientation: NDArray[np.float64]
) -> NDArray[Any]:
    """Read the middle axial slice, by and by: the volume may be large.

    `orientation` says of each axis in the file whether it points to the right (0), the front (1)
    or the top of the head (2), and with -1 that it points away from there.
    """
    from nibabel.orientations import apply_orientation

    check_size(sorted(shape)[1:])  # its largest plane
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
