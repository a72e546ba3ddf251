"""Sets of images that stay in their files, and are read when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nufftlib.core.kinds import choice, file_path, flag, instance, integer, integers, out_of_range
from nufftlib.core.pool import Pool, pool_or_here
from nufftlib.io.formats.files import decoding, explained_import, quiet, split_part
from nufftlib.io.formats.nifti import Slices
from nufftlib.io.formats.values import as_single
from nufftlib.io.image_sets import (
    PLANES,
    Part,
    Plane,
    check_alike,
    check_no_volume,
    check_positive,
    dimensions,
    divided,
    files_in,
    fov_of_slices,
    fov_of_square,
    kept_slices,
    numbered,
    placed_names,
    read_part,
    square,
    upright,
)

__all__ = ["StoredImages", "open_images"]


class Chosen(NamedTuple):
    """How the images of a file are taken.

    Attributes
    ----------
    size : int or None
        Rows and columns to which the central square of each is resized.
    plane : {"axial", "coronal", "sagittal"} or None
        Plane of a volume's slices.
    slices : range or None
        Which of them.
    """

    size: int | None
    plane: Plane | None
    slices: range | None


class Described(NamedTuple):
    """What is known of a file without its values.

    Attributes
    ----------
    path : Path
        The file.
    stamp : int
        When it was changed last, in nanoseconds.
    places : tuple of int
        Numbers of its images in it.
    named : tuple of str
        What a message calls each.
    shape : tuple of int
        Rows and columns.
    fov : tuple of float or None
        Their lengths in metres, if the file says them.
    left_out : int
        Number of empty slices.
    """

    path: Path
    stamp: int
    places: tuple[int, ...]
    named: tuple[str, ...]
    shape: tuple[int, ...]
    fov: tuple[float, ...] | None
    left_out: int


@dataclass(frozen=True, eq=False, repr=False)
class StoredImages:
    """The result of `open_images`: a set of images in files.

    It holds no values, and so travels to other processes, which read for themselves.

    Parameters
    ----------
    described : tuple of Described
        The files.
    chosen : Chosen
        How their images are taken.
    which : ndarray of int
        The images of this set, by their numbers among those of all files.
    bright : bool
        Whether each image is divided by its largest value.
    """

    described: tuple[Described, ...]
    chosen: Chosen
    which: NDArray[np.intp]
    bright: bool = False

    def __repr__(self) -> str:
        """Return the type, the number of images and their shape."""
        return f"StoredImages({' x '.join(map(str, self.shape))})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of images, their rows and columns."""
        return (len(self.which), *self.described[0].shape)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image: its file and, where that has several, its place there."""
        found = placed_names([(of.path, of.named) for of in self.described])
        return tuple(found[i] for i in self.which)

    @property
    def files(self) -> tuple[int, ...]:
        """Number of each image's file."""
        owner = [i for i, of in enumerate(self.described) for _ in of.places]
        return tuple(owner[i] for i in self.which)

    @property
    def fields_of_view(self) -> tuple[tuple[float, ...] | None, ...]:
        """Lengths of each image's axes in metres, where its file says them."""
        return tuple(self.described[i].fov for i in self.files)

    @property
    def left_out(self) -> int:
        """Number of slices that were left out, being empty."""
        return sum(of.left_out for of in self.described)

    @property
    def digest(self) -> str:
        """What tells the set from another one: files, when they were changed, and settings."""
        said = repr((self.described, self.chosen, self.which.tolist(), self.bright))
        return f"{self!r} with the digest {hashlib.sha256(said.encode()).hexdigest()[:16]}"

    def split(self, fraction: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which images to train with, and which to hold out, as `ImageSet.split` does.

        Parameters
        ----------
        fraction : float
            Part of the images, or of the files, to hold out.

        Returns
        -------
        training, held_out : ndarray of int
            Numbers of images, in order.

        Raises
        ------
        TypeError
            If `fraction` is no number.
        ValueError
            If it is not in [0, 1), or leaves nothing to train with.
        """
        return divided("StoredImages.split", self.files, fraction)

    def take(self, which: Sequence[int]) -> StoredImages:
        """Return a part of the set.

        Parameters
        ----------
        which : sequence of int
            Images by their numbers from 0.

        Returns
        -------
        StoredImages
            Of these images.

        Raises
        ------
        TypeError
            If `which` has no integers.
        ValueError
            If there is no such image.
        """
        return replace(self, which=self.which[self._numbers("take", which)])

    def read(self, which: Sequence[int]) -> NDArray[np.float32]:
        """Read some of the images.

        Parameters
        ----------
        which : sequence of int
            Images by their numbers from 0.

        Returns
        -------
        ndarray of float32, shape (len(which), rows, columns)
            Their values, as `load_images` gives them.

        Raises
        ------
        TypeError
            If `which` has no integers.
        ValueError
            If there is no such image, a file cannot be read any more, or an image has values that
            are not finite or no positive mean.
        """
        first = np.cumsum([0, *(len(of.places) for of in self.described)])
        images = []
        for number in self.which[self._numbers("read", which)]:
            file = int(np.searchsorted(first, number, side="right")) - 1
            of, at = self.described[file], number - first[file]
            with explained_import(of.path), decoding(of.path), quiet():
                image = self._read(of, of.places[at])
            check_positive(of.path, image, of.named[at])
            images.append(image / image.max() if self.bright else image)
        return np.stack(images)

    def _read(self, of: Described, place: int) -> NDArray[np.float32]:
        """Read an image of a file, which was changed last when it was described."""
        if not streams(of.path):
            read: NDArray[np.float32] = whole(of.path, of.stamp, self.chosen).images[place]
            return read
        found = opened(of.path, of.stamp, self.chosen.plane or "axial").read(place)
        image: NDArray[np.float32] = as_single(of.path, found)
        return image if self.chosen.size is None else square(of.path, image, self.chosen.size)

    def _numbers(self, call: str, which: Any) -> list[int]:
        call, wish = f"StoredImages.{call}", f"numbers of its {len(self.which)} images from 0 on"
        found = integers(call, "which", which, wish)
        if not found or not all(0 <= i < len(self.which) for i in found):
            raise out_of_range(call, "which", which, wish)
        return list(found)


def open_images(
    path: str | PathLike[str],
    size: int | None = None,
    *,
    plane: Plane | None = None,
    slices: range | None = None,
    bright: bool = False,
    pool: Pool | None = None,
) -> StoredImages:
    """Open a set of images, all of one shape, of which single ones are read.

    Parameters
    ----------
    path : str or path-like
        As `load_images` takes it; or ``.zarr``, an array of shape ``(n, rows, columns)``, alone or
        under the name ``images`` of a group, or a folder of such stores. Of ``.zarr``,
        ``.npy`` and ``.nii`` single images are read. A file of another kind, such as ``.npz`` or
        ``.nii.gz``, is read as a whole when one of its images is asked for, and the last such file
        stays in memory.
    size, plane, slices : optional
        As of `load_images`.
    bright : bool
        Whether each image is divided by its largest value.
    pool : Workers, optional
        Who looks into the files, such as what `interop.dask.connect` yields; by default this
        process. The paths have to hold on the workers.

    Returns
    -------
    StoredImages
        The set.

    Raises
    ------
    FileNotFoundError
        There is no such file or folder.
    TypeError
        A setting is of the wrong kind.
    ValueError
        A file is damaged or of an unknown kind, the shapes differ, or there are no images.
    ImportError
        A package that a file needs is not installed.

    See Also
    --------
    load_images : The same in memory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.workflows import open_images
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.random.default_rng(0).random((20, 32, 48)))
    ...     images = open_images(file.name)
    ...     images, images.read([7, 2]).shape
    (StoredImages(20 x 32 x 48), (2, 32, 48))
    """
    call = "open_images"
    place = file_path(call, "path", path).absolute()
    size = size if size is None else integer(call, "size", size, least=1)
    choice(call, "plane", plane, (None, *PLANES))
    if slices is not None:
        instance(call, "slices", slices, range, "a range, as range(40, 140, 2)")
        if not slices or slices.step < 0 or slices.start < 0:
            raise out_of_range(call, "slices", slices, "a range upwards from 0 or more")
    bright, there = flag(call, "bright", bright), pool_or_here(call, pool)
    chosen = Chosen(size, plane, slices)
    paths = [place] if place.name.lower().endswith(".zarr") else files_in(place, (".zarr",))
    described = there.map(look_into, paths, chosen)
    check_alike(place, {of.path: of.shape for of in described})
    total = sum(len(of.places) for of in described)
    return StoredImages(tuple(described), chosen, np.arange(total), bright)


class Opened(NamedTuple):
    """A file of which single images are read.

    Attributes
    ----------
    slices : int
        Their number; of a volume, that of its slices.
    shape : tuple of int
        Rows and columns of each.
    read : callable
        From a number to the image.
    """

    slices: int
    shape: tuple[int, ...]
    read: Callable[[int], NDArray[Any]]


def streams(path: Path) -> bool:
    """Tell whether single images of a file can be read."""
    name = path.name.lower()
    return name.endswith((".zarr", ".npy")) or (name.endswith(".nii") and dimensions(path) > 2)


@lru_cache(maxsize=8)
def opened(path: Path, stamp: int, plane: Plane) -> Opened:  # noqa: ARG001  # a key of the cache
    """Open a file of which single images are read; the last few stay open."""
    name = path.name.lower()
    if name.endswith(".nii"):
        import nibabel

        slices = Slices(nibabel.load(path), PLANES[plane])
        shape = slices.shape if plane == "axial" else slices.shape[::-1]
        return Opened(slices.count, shape, lambda i: upright(slices.read(i)[None], plane)[0])
    array = zarr_array(path) if name.endswith(".zarr") else np.load(path, mmap_mode="r")
    shape = tuple(array.shape)
    if len(shape) not in (2, 3) or 0 in shape:
        msg = f"the shape is {shape}; want (n, rows, columns) or (rows, columns), none of them 0"
        raise ValueError(msg)
    if len(shape) == 2:
        return Opened(1, shape, lambda _: np.asarray(array[...]))
    return Opened(shape[0], shape[1:], lambda i: np.asarray(array[i]))


@lru_cache(maxsize=1)
def whole(path: Path, stamp: int, chosen: Chosen) -> Part:  # noqa: ARG001  # a key of the cache
    """Read a file of another kind; the last one stays."""
    return read_part(path, *chosen)


def zarr_array(path: Path) -> Any:
    """Return the array of a zarr store: itself, `images` of a group, or the only one."""
    import zarr

    found = zarr.open(fspath(path), mode="r")
    if not isinstance(found, zarr.Group):
        return found
    names = [name for name, _ in found.arrays()]
    name = "images" if "images" in names else names[0] if len(names) == 1 else None
    if name is None:
        msg = f"the group holds the arrays {', '.join(names) or 'none'}; want images, or one alone"
        raise ValueError(msg)
    return found[name]


def look_into(path: Path, chosen: Chosen) -> Described:
    """Describe a file; of a volume, its slices are read one by one to find the empty ones."""
    file = split_part(path)[0]
    if not file.exists():
        msg = f"{path}: there is no such file or folder"
        raise FileNotFoundError(msg)
    stamp, plane = file.stat().st_mtime_ns, chosen.plane or "axial"
    if not streams(path):
        part = whole(path, stamp, chosen)
        places = tuple(range(len(part.images)))
        shape = part.images.shape[1:]
        return Described(path, stamp, places, tuple(part.places), shape, part.fov, part.left_out)
    with explained_import(path), decoding(path), quiet():
        found = opened(path, stamp, plane)
    kept, left_out, fov = list(range(found.slices)), 0, None
    named = numbered(kept)
    if path.name.lower().endswith(".nii"):
        with decoding(path), quiet():
            means = np.asarray([np.mean(found.read(i), dtype=np.float64) for i in kept])
        kept, left_out = kept_slices(path, means, plane, chosen.slices)
        named, fov = [f"{plane} slice {i}" for i in kept], fov_of_slices(path, plane)
    else:
        check_no_volume(path, chosen.plane, chosen.slices)
    shape = found.shape
    if chosen.size is not None:
        shape, fov = (chosen.size, chosen.size), fov_of_square(shape, fov)
    return Described(path, stamp, tuple(kept), tuple(named), shape, fov, left_out)
