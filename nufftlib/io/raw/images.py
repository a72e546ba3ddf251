"""Arrays in the shape of an image, such as coil maps, from the files that MRI programs write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.io.bart import read_cfl

WISH = ".npy, .npz, .cfl, .hdr, .nii, .nii.gz"


def load_image(path: Path, name: str, shape: tuple[int, ...]) -> Any:
    """Load an array of a shape; of an archive the one of this name.

    BART's dimensions x, y, z, coils are axes 1, 2, 3 and 0 of the result; axes of size one that
    the shape has not are left out.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds an array of another shape.
    """
    file = Path(path)
    suffix = "".join(file.suffixes[-2:]).lower() if file.suffix == ".gz" else file.suffix.lower()
    try:
        array = loaded(file, suffix, name)
    except Exception as error:  # a damaged file may raise anything
        said = str(error) or type(error).__name__
        msg = f"{path}: cannot be read: {said}; want {name} in one of {WISH}"
        raise ValueError(msg) from error
    if [n for n in array.shape if n > 1] != [n for n in shape if n > 1]:
        msg = f"{path}: the array has the shape {array.shape}; want {shape}"
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"{path}: values are not finite; want finite ones"
        raise ValueError(msg)
    return array.reshape(shape)


def loaded(file: Path, suffix: str, name: str) -> Any:
    """Load an array by the suffix of its file."""
    if suffix == ".npy":
        with file.open("rb") as content:  # np.load would also accept pickles and archives
            return np.lib.format.read_array(content, allow_pickle=False)
    if suffix == ".npz":
        with np.load(file, allow_pickle=False) as archive:
            if name not in archive.files:
                msg = f"it holds {', '.join(archive.files) or 'nothing'}, and no {name}"
                raise ValueError(msg)
            return archive[name]
    if suffix in (".cfl", ".hdr"):
        values = read_cfl(file)
        values = values.reshape((1,) * (4 - values.ndim) + values.shape)
        if (sets := int(np.prod(values.shape[:-4]))) > 1:
            msg = f"it holds {sets} arrays, such as sets of maps; want one, as of ecalib -m 1"
            raise ValueError(msg)
        return np.moveaxis(values, (-1, -2, -3), (-3, -2, -1))
    if suffix in (".nii", ".nii.gz"):
        import nibabel

        image: Any = nibabel.load(file)
        return np.asanyarray(image.dataobj)
    msg = f"its suffix is {suffix!r}"
    raise ValueError(msg)
