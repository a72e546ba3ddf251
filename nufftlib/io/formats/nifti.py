"""Single slices of a NIfTI file."""

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
    shape = without_series(image.shape)
    if len(shape) == 3:
        slices = Slices(image, 2)
        array = slices.read(slices.count // 2)
    elif len(shape) == 2:
        check_size(shape)
        array = np.asanyarray(image.dataobj).reshape(shape)
    else:
        msg = f"the image has the shape {shape}; want one volume or one slice"
        raise ValueError(msg)
    return counted(array)


def without_series(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a volume, which may come as a series of one."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


class Slices:
    """The slices of a volume, read one by one: the volume may be large.

    Parameters
    ----------
    image : nibabel image
        The volume; its values are not read yet.
    axis : int
        The axis across the slices, as `load_volume` has them: 0 from the front to the back, 1 from
        the right to the left, 2 from the lowest to the highest.
    """

    def __init__(self, image: Any, axis: int) -> None:
        import nibabel

        self.stored, self.axis = image.dataobj, axis
        self.in_file = without_series(image.shape)
        if len(self.in_file) != 3 or 0 in self.in_file:
            msg = f"the shape is {self.in_file}; want (rows, columns, slices), none of them 0"
            raise ValueError(msg)
        # Of each axis in the file, whether it points to the right (0), the front (1) or the top of
        # the head (2), and with -1 that it points away from there.
        self.orientation = nibabel.io_orientation(image.affine)  # type: ignore[no-untyped-call] # its gap
        if np.isnan(self.orientation).any():
            msg = "its affine leaves directions of the axes open; want an invertible one"
            raise ValueError(msg)
        directions = self.orientation[:, 0].tolist()
        lengths = [self.in_file[directions.index(towards)] for towards in (1, 0, 2)]
        self.across = directions.index((1, 0, 2)[axis])
        self.count = lengths.pop(axis)
        self.shape = tuple(lengths)
        check_size(sorted(self.in_file)[1:])  # its largest plane

    def read(self, number: int) -> NDArray[Any]:
        """Return a slice with the other axes of `load_volume`; counts have become floats."""
        from nibabel.orientations import apply_orientation

        # The axes towards the back and the left are those of the file backwards.
        backwards = (self.orientation[self.across, 1] < 0) != (self.axis < 2)
        i = self.count - 1 - number if backwards else number
        series = (0,) * (self.stored.ndim - 3)
        if self.across == 2:
            part = self.stored[(..., slice(i, i + 1), *series)]
        else:  # the last axis varies slowest in the file, and a slice lies across all of it
            thick = max(1, BLOCK // (self.in_file[0] * self.in_file[1]))
            blocks = (
                self.stored[(..., slice(j, j + thick), *series)].take([i], self.across)
                for j in range(0, self.in_file[2], thick)
            )
            part = np.concatenate(list(blocks), axis=2)
        # Rows are to run from front to back, columns from right to left.
        canonical: NDArray[Any] = apply_orientation(part, self.orientation)  # type: ignore[no-untyped-call] # its gap
        return counted(canonical[::-1, ::-1].transpose(1, 0, 2).take(0, self.axis))
