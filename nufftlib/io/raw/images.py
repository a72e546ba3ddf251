"""Arrays in the shape of an image, such as coil maps, from the files that MRI programs write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.io.bart import read_cfl
from nufftlib.io.formats.files import decoding, of_suffix


def load_image(path: Path, name: str, shape: tuple[int, ...]) -> Any:
    """Load an array of a shape; of an archive the one of this name.

    BART's dimensions x, y, z, coils are axes 1, 2, 3 and 0 of the result; axes of size one that
    the shape has not are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or holds an array of another shape.
    """
    file = Path(path)
    read = of_suffix(file, file, READERS)
    with decoding(file, name):
        array = read(file, name)
    if [n for n in array.shape if n > 1] != [n for n in shape if n > 1]:
        msg = f"{path}: the array has the shape {array.shape}; want {shape}"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"{path}: values are not finite; want finite ones"
        raise ValueError(msg)
    return array.reshape(shape)


def from_npy(file: Path, _: str) -> Any:
    """Load the array of a file."""
    with file.open("rb") as content:  # np.load would also accept pickles and archives
        return np.lib.format.read_array(content, allow_pickle=False)


def from_npz(file: Path, name: str) -> Any:
    """Load the array of a name."""
    with np.load(file, allow_pickle=False) as archive:
        if name not in archive.files:
            msg = f"it holds {', '.join(archive.files) or 'nothing'}, and no {name}"
            raise ValueError(msg)
        return archive[name]


def from_bart(file: Path, _: str) -> Any:
    """Load one set of arrays, its coils first."""
    values = read_cfl(file)
    values = values.reshape((1,) * (4 - values.ndim) + values.shape)
    if (sets := int(np.prod(values.shape[:-4]))) > 1:
        msg = f"it holds {sets} arrays, such as sets of maps; want one, as of ecalib -m 1"
        raise ValueError(msg)
    return np.moveaxis(values, (-1, -2, -3), (-3, -2, -1))


def from_nifti(file: Path, _: str) -> Any:
    """Load the values of a volume, its axes as they are."""
    import nibabel

    image: Any = nibabel.load(file)
    return np.asanyarray(image.dataobj)


READERS = {
    ".npy": from_npy,
    ".npz": from_npz,
    ".cfl": from_bart,
    ".hdr": from_bart,
    ".nii": from_nifti,
    ".nii.gz": from_nifti,
}
