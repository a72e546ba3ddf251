"""Read a set of images from a file or a folder into one float32 array."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.arrays import summary
from nufftlib.core.kinds import choice, file_path, flag, instance, integer, number, out_of_range
from nufftlib.io.formats.arrays import read_mat, read_npy, read_npz
from nufftlib.io.formats.files import (
    DICOM,
    FITS,
    TIFF,
    Reader,
    explained_import,
    read_file,
    split_part,
    suffix_in,
)
from nufftlib.io.formats.values import MOST_VOXELS, as_single
from nufftlib.io.pictures import central_square, grey, load_picture, resized
from nufftlib.io.stacks import load_stack
from nufftlib.io.volumes import field_of_view, load_volume

__all__ = ["ImageSet", "load_images"]

Plane = Literal["axial", "coronal", "sagittal"]

PLANES: dict[Plane, int] = {"axial": 2, "coronal": 0, "sagittal": 1}
"""The axis of `load_volume` across each plane."""

EMPTY = 0.1
"""A slice is empty if its mean is at most this part of the largest in its volume."""

GAP = 0.05
"""Part of the images that is left out on each side of a block that is held out."""

MOST = f"at most {MOST_VOXELS} pixels in all, as of 2048 images of 256 x 256"

SHOWN = 5
"""Names that a message lists."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """The result of `load_images`.

    Parameters
    ----------
    images : ndarray of float32, shape (n, rows, columns)
        The images, in order.
    names : tuple of str
        Name of each: its file and, where that has several, its place there.
    files : tuple of int
        Number of each image's file; 0 for all if there is one file.
    fields_of_view : tuple of (tuple of float) or None
        Lengths of each image's axes in metres, where its file says them.
    left_out : int
        Number of slices that were left out, being empty.
    """

    images: NDArray[np.float32]
    names: tuple[str, ...]
    files: tuple[int, ...]
    fields_of_view: tuple[tuple[float, ...] | None, ...]
    left_out: int

    def __repr__(self) -> str:
        """Return the type, the array by its shape and dtype, and the names at the ends."""
        named = " to ".join(dict.fromkeys((self.names[0], self.names[-1])))
        return f"ImageSet({summary(self.images)}, {named})"

    def split(self, fraction: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which images to train with, and which to hold out.

        Neighbouring slices of a volume are nearly equal: random ones among the others would test
        nothing. So blocks are held out: two, in the middle of each half, or a single image in the
        middle. On each side of a block a twentieth of all images, at least one, is in neither part.
        Of several files with several images, such as volumes, the blocks are whole files, and
        nothing lies between. No chance is in it.

        Parameters
        ----------
        fraction : float
            Part of the images, or of the files, to hold out: at least one, unless it is 0.

        Returns
        -------
        training, held_out : ndarray of int
            Indices of images, in order.

        Raises
        ------
        TypeError
            If `fraction` is no number.
        ValueError
            If it is not in [0, 1), or leaves nothing to train with.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from nufftlib.workflows import load_images
        >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        ...     np.save(file.name, np.random.default_rng(0).random((20, 32, 32)))
        ...     load_images(file.name).split(0.2)
        (array([ 0,  1,  2,  7,  8,  9, 10, 11, 12, 17, 18, 19]), array([ 4,  5, 14, 15]))
        """
        return divided("ImageSet.split", self.files, fraction)


def load_images(
    path: str | PathLike[str],
    size: int | None = None,
    *,
    plane: Plane | None = None,
    slices: range | None = None,
    progress: bool = False,
) -> ImageSet:
    """Read a set of images, all of one shape.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder of such files. They come in the order of their names, numbers in them
        by their value; files of other kinds in the folder are passed over. A suffix names its
        kind:

        - ``.nii``, ``.nii.gz``: the slices of a volume, turned as radiologists show them, or one
          two-dimensional image. Empty slices are left out: those whose mean is at most a tenth of
          the largest in the volume.
        - ``.npy``: an array of shape ``(n, rows, columns)``, or one image ``(rows, columns)``.
        - ``.npz``: the same, under the name ``images`` or as the only array.
        - ``.mat``: an array of MATLAB of shape ``(rows, columns, n)`` or ``(rows, columns)``.
        - ``.png``, ``.jpg``, ``.jpeg``: one image; colours become luma.
        - ``.tif``, ``.tiff``, ``.fits``, ``.dcm`` and the other kinds of `load_stack`: all planes.
    size : int, optional
        The central square of each image is resized to so many rows and columns, as by `load_gray`.
        By default the images are kept as they are, and must be of one shape.
    plane : {"axial", "coronal", "sagittal"}, optional
        Plane of the slices of a volume, by default axial.
    slices : range, optional
        Which slices of a volume to take, counted along the axis of `load_volume` that is across the
        plane; by default all that are not empty.
    progress : bool, optional
        Whether to show a progress bar of the files. Needs tqdm.

    Returns
    -------
    ImageSet
        The images with the values that `load_gray` and `load_volume` give them.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    TypeError
        A setting is of the wrong kind.
    ValueError
        A file is damaged or of an unknown kind; an image has no positive mean; the shapes differ;
        there are no images, or more than 2^27 pixels.
    ImportError
        A package that a file needs is not installed; they come with the extras ``app`` and
        ``pictures``.

    See Also
    --------
    load_gray, load_volume : One picture, and one volume.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.workflows import load_images
    >>> with tempfile.NamedTemporaryFile(suffix=".npz") as file:
    ...     np.savez(file.name, images=1 + np.arange(3.0 * 20 * 30).reshape(3, 20, 30))
    ...     load_images(file.name), load_images(file.name, size=16).names
    (ImageSet(<(3, 20, 30) float32>, image 0 to image 2), ('image 0', 'image 1', 'image 2'))
    """
    call = "load_images"
    place = file_path(call, "path", path)
    size = size if size is None else integer(call, "size", size, least=1)
    choice(call, "plane", plane, (None, *PLANES))
    if slices is not None:
        instance(call, "slices", slices, range, "a range, as range(40, 140, 2)")
        if not slices or slices.step < 0 or slices.start < 0:
            raise out_of_range(call, "slices", slices, "a range upwards from 0 or more")
    progress = flag(call, "progress", progress)
    paths = files_in(place)
    parts: list[Part] = []
    pixels = 0
    for file in bar(paths) if progress and len(paths) > 1 else paths:
        part = read_part(file, size, plane, slices)
        pixels += part.images.size
        if pixels > MOST_VOXELS:
            msg = f"{place}: up to {file.name} there are {pixels} pixels; want {MOST}"
            raise ValueError(msg)
        parts.append(part)
    shapes = {file: part.images.shape[1:] for file, part in zip(paths, parts, strict=True)}
    check_alike(place, shapes)
    several = len(paths) > 1
    names = placed_names([(file, part.places) for file, part in zip(paths, parts, strict=True)])
    return ImageSet(
        parts[0].images if not several else np.concatenate([part.images for part in parts]),
        names,
        tuple(i for i, part in enumerate(parts) for _ in part.places),
        tuple(part.fov for part in parts for _ in part.places),
        sum(part.left_out for part in parts),
    )


def divided(
    call: str, files: Sequence[int], fraction: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which images to train with and which to hold out, by the file of each."""
    part = number(call, "fraction", fraction)
    if not 0 <= part < 1:
        raise out_of_range(call, "fraction", part, "a number from 0 to below 1")
    whole_files = 0 < files[-1] < len(files) - 1  # with several images in one
    unit = np.asarray(files) if whole_files else np.arange(len(files))
    total = int(unit[-1]) + 1
    held = max(1, round(part * total)) if part else 0
    gap = 0 if whole_files else max(1, round(GAP * total))
    held_out, near = np.zeros((2, len(unit)), bool)
    blocks = min(2, held)
    for i in range(blocks):
        length = (held + blocks - 1 - i) // blocks
        first = int((i + 0.5) * total / blocks - length / 2)
        held_out |= (unit >= first) & (unit < first + length)
        near |= (unit >= first - gap) & (unit < first + length + gap)
    training = ~near
    if not training.any():
        what = "files" if whole_files else "images"
        beside = f" with {gap} on each side of them in neither part" if gap else ""
        msg = (
            f"{call}(fraction): {part:g} of {total} {what} are held out{beside}; want some "
            f"left to train with"
        )
        raise ValueError(msg)
    return np.flatnonzero(training), np.flatnonzero(held_out)


class Part(NamedTuple):
    """The images of a file.

    Attributes
    ----------
    images : ndarray of float32, shape (n, rows, columns)
        The images.
    places : list of str
        Where in the file each is; empty text if the file is one image.
    fov : tuple of float or None
        Lengths of their axes in metres, if the file says them.
    left_out : int
        Number of empty slices.
    """

    images: NDArray[np.float32]
    places: list[str]
    fov: tuple[float, ...] | None = None
    left_out: int = 0


def files_in(place: Path, more: tuple[str, ...] = ()) -> list[Path]:
    """Return the file itself, or the files of a folder that may be read, in order.

    `more` are suffixes beside those of `load_images`.
    """
    suffixes = (*SUFFIXES, *more)
    if not os.path.isdir(place):  # pathlib's fails at a name that is too long
        return [place]
    found = [
        path
        for path in place.iterdir()
        if path.name.lower().endswith(suffixes) and not path.name.startswith(".")
    ]
    if not found:
        msg = f"{place}: there is no image in this folder; want {', '.join(suffixes)}"
        raise ValueError(msg)
    return sorted(found, key=by_number)


def by_number(path: Path) -> list[Any]:
    """Return what sorts slice-9 before slice-10."""
    parts = re.split("([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)] + [path.name]


def bar(paths: Iterable[Path]) -> Iterable[Path]:
    """Return the files with a progress bar."""
    from tqdm.auto import tqdm

    return tqdm(paths, desc="Reading", unit="file")


def read_part(path: Path, size: int | None, plane: Plane | None, slices: range | None) -> Part:
    """Read the images of a file, and resize them."""
    if not split_part(path)[0].exists():
        msg = f"{path}: there is no such file or folder"
        raise FileNotFoundError(msg)
    if not suffix_in(path, SUFFIXES):
        msg = f"{path}: the suffix is {path.suffix!r}; want a folder, or {', '.join(SUFFIXES)}"
        raise ValueError(msg)
    with explained_import(path):
        volume = suffix_in(path, VOLUMES) and dimensions(path) != 2
    if not volume:
        check_no_volume(path, plane, slices)
    if volume:
        part = read_slices(path, plane or "axial", slices)
    elif suffix_in(path, STACKS):
        stack = load_stack(path)
        images, steps = grey(stack.values), stack.pixel_size[1:]
        rows, columns = (n * (s or 0) for n, s in zip(images.shape[1:], steps, strict=True))
        part = Part(images, numbered(images), (rows, columns) if rows and columns else None)
    elif suffix_in(path, tuple(ARRAYS)):
        values = as_single(path, read_file(path, ARRAYS))
        images = values if values.ndim == 3 else values[None]
        part = Part(images, numbered(images))
    else:
        part = Part(grey(load_picture(path))[None], [""])
    for image, place in zip(part.images, part.places, strict=True):
        check_positive(path, image, place)
    return part if size is None else squared(path, part, size)


def check_no_volume(path: Path, plane: Plane | None, slices: range | None) -> None:
    """Refuse settings of volumes for a file that is none."""
    if plane is not None or slices is not None:
        option, value = ("plane", plane) if slices is None else ("slices", slices)
        msg = f"{path}: this is no volume, and {option} is {value}; want .nii or .nii.gz"
        raise ValueError(msg)


def check_positive(path: Path, image: NDArray[np.float32], place: str) -> None:
    """Refuse an image that shows nothing."""
    if not (image.max() > 0 and image.mean(dtype=np.float64) > 0):
        which = f" of {place}" if place else ""
        msg = (
            f"{path}: the largest value{which} is {image.max():g} and the mean "
            f"{image.mean(dtype=np.float64):g}; want both positive"
        )
        raise ValueError(msg)


def placed_names(files: Sequence[tuple[Path, Sequence[str]]]) -> tuple[str, ...]:
    """Return the names of images by their files and places there."""
    several = len(files) > 1
    return tuple(
        ", ".join(filter(None, (file.name if several or not place else "", place)))
        for file, places in files
        for place in places
    )


def numbered(images: Sequence[Any] | NDArray[Any]) -> list[str]:
    """Return the places of a file's images; a single one needs none."""
    return [f"image {i}" if len(images) > 1 else "" for i in range(len(images))]


def squared(path: Path, part: Part, size: int) -> Part:
    """Resize the central squares."""
    # One by one: of a large file only the small images stay.
    images = [square(path, image, size) for image in part.images]
    cut = fov_of_square(part.images.shape[1:], part.fov)
    return part._replace(images=np.stack(images), fov=cut)


def square(path: Path, image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resize the central square of an image."""
    with explained_import(path):
        small: NDArray[np.float32] = resized(central_square(path, image[None]), size)[0]
    return small


def fov_of_square(shape: Sequence[int], fov: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Return the field of view of the central square."""
    (rows, columns), side = shape, min(shape)
    return fov and (fov[0] * side / rows, fov[1] * side / columns)


def read_slices(path: Path, plane: Plane, slices: range | None) -> Part:
    """Read the slices of a volume that are not empty."""
    volume = load_volume(path)
    axis = PLANES[plane]
    means = volume.mean(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64)
    kept, left_out = kept_slices(path, means, plane, slices)
    images = upright(np.moveaxis(volume.take(kept, axis), axis, 0), plane)
    named = [f"{plane} slice {i}" for i in kept]
    return Part(np.ascontiguousarray(images), named, fov_of_slices(path, plane), left_out)


def kept_slices(
    path: Path, means: NDArray[np.float64], plane: Plane, slices: range | None
) -> tuple[list[int], int]:
    """Return the slices that are asked for and not empty, by the means of all; and the rest."""
    total = len(means)
    chosen = range(total) if slices is None else slices
    if chosen[-1] >= total:
        msg = (
            f"{path}: slice {chosen[-1]} is asked for, and the last of its {total} {plane} slices "
            f"is {total - 1}; want slices that it has"
        )
        raise ValueError(msg)
    kept = [i for i in chosen if means[i] > max(0, EMPTY * means.max())]
    if not kept:
        msg = (
            f"{path}: the means of the slices are up to {means[list(chosen)].max():g}, and up to "
            f"{means.max():g} in the volume; want a positive one above {EMPTY:g} of the latter"
        )
        raise ValueError(msg)
    return kept, len(chosen) - len(kept)


def upright(images: NDArray[Any], plane: Plane) -> NDArray[Any]:
    """Return slices of a volume as they are shown: the top of the head is up."""
    return images if plane == "axial" else images.transpose(0, 2, 1)[:, ::-1]


def fov_of_slices(path: Path, plane: Plane) -> tuple[float, ...] | None:
    """Return the field of view of the slices of a volume, if its file says it."""
    fov = field_of_view(path)
    down, across = {"axial": (0, 1), "coronal": (2, 1), "sagittal": (2, 0)}[plane]
    return fov and (fov[down], fov[across])


def dimensions(path: Path) -> int:
    """Return the number of axes of a NIfTI file; 0 if it cannot be read, which is said later."""
    import nibabel

    try:
        image: Any = nibabel.load(path)
    except Exception:  # a decoder may raise anything at a damaged file
        return 0
    return len(image.shape)


def check_stack(shape: Sequence[int]) -> None:
    """Refuse what is no stack of images, or has too many pixels, before its values are read."""
    if len(shape) not in (2, 3) or 0 in shape:
        msg = f"the shape is {tuple(shape)}; want (n, rows, columns) or (rows, columns), none 0"
        raise ValueError(msg)
    if math.prod(shape) > MOST_VOXELS:
        msg = f"the shape is {tuple(shape)}; want {MOST}"
        raise ValueError(msg)


ARRAYS: dict[str, Reader[NDArray[Any]]] = {
    ".npy": lambda path, _: read_npy(path, check_stack),
    ".npz": lambda path, part: read_npz(path, part, check_stack, "images"),
    ".mat": lambda path, part: read_mat(path, part, check_stack),
}
VOLUMES = (".nii", ".nii.gz")
STACKS = (*TIFF, *FITS, *DICOM)
SUFFIXES = (*VOLUMES, *ARRAYS, ".png", ".jpg", ".jpeg", *STACKS)


def check_alike(place: Path, shapes: dict[Path, tuple[int, ...]]) -> None:
    """Refuse images of several shapes; name those that are not of the commonest."""
    commonest, times = Counter(shapes.values()).most_common(1)[0]
    odd = [f"{file.name} {shape}" for file, shape in shapes.items() if shape != commonest]
    if odd:
        more = f" and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        msg = (
            f"{place}: the images of {times} files are of shape {commonest}, but those of "
            f"{', '.join(odd[:SHOWN])}{more} are not; want one shape, or a size for the central "
            f"square of each"
        )
        raise ValueError(msg)
