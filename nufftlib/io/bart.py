"""Trajectories of BART: complex numbers in ``NAME.cfl``, their dimensions in ``NAME.hdr``.

The components come first, then the samples, the shots, and up to thirteen axes more, in the order
of Fortran. Read in the order of C, the axes are reversed: the components come last, as here.
"""

from __future__ import annotations

import math
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import sizes
from nufftlib.io.stored import Stored
from nufftlib.io.whole import written

CALL = "write_bart(path, k, shape)"
COMPONENTS, DIMENSIONS = 3, 16


def write_bart(path: str | PathLike[str], k: Array, shape: tuple[int, ...]) -> None:
    """Write a trajectory for BART, ``NAME.cfl`` with ``NAME.hdr``.

    Parameters
    ----------
    path : str or path-like
        Where the file is to be; its name ends with ``.cfl``. Files that are there are replaced.
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel with up to three axes. BART has it in units of 1/FOV, with
        three components, of which the missing ones are zero. Its axes 0, 1, 2 are x, y, z, and
        all leading axes become BART's one of the shots.
    shape : tuple of int
        Voxels of the image along each axis.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or a size no integer.
    ValueError
        If the shape does not fit the trajectory, or the name has another suffix.
    OSError
        If the files cannot be written.

    See Also
    --------
    read_trajectory : Reads it.

    Notes
    -----
    BART computes in single precision, and so are the points rounded.

    References
    ----------
    M. Uecker et al., "Berkeley Advanced Reconstruction Toolbox", Proc. ISMRM 23 (2015) 2486.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import nufftlib as nl
    >>> from nufftlib.io import read_trajectory, write_bart
    >>> k = nl.mri.trajectories.radial(32, 512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_bart(f"{folder}/radial.cfl", k, (256, 256))
    ...     print(Path(folder, "radial.hdr").read_text())
    ...     again = read_trajectory(f"{folder}/radial.cfl", shape=(256, 256)).k
    # Dimensions
    3 512 32 1 1 1 1 1 1 1 1 1 1 1 1 1
    >>> bool(abs(again - k).max() < 1e-7)
    True
    """
    check_real(common_namespace(CALL, k=k), CALL, "k", k)
    shape = sizes("write_bart", "shape", shape, "the voxels along each axis")
    if k.ndim < 2 or not 1 <= k.shape[-1] == len(shape) <= COMPONENTS:
        msg = (
            f"{CALL}: k has the shape {tuple(k.shape)} and shape is {shape}; want "
            f"(..., samples, d) and d sizes, of 1 to {COMPONENTS} axes"
        )
        raise ValueError(msg)
    points = np.asarray(fetched(k), np.float64).reshape(-1, *k.shape[-2:]) * shape
    points = np.pad(points, ((0, 0), (0, 0), (0, COMPONENTS - len(shape))))
    dimensions = (*points.shape[::-1], *[1] * (DIMENSIONS - points.ndim))
    header = f"# Dimensions\n{' '.join(map(str, dimensions))}\n"
    with (
        written(CALL, path, ".cfl") as values,
        written(CALL, Path(path).with_suffix(".hdr"), ".hdr") as sizes_of_values,
    ):
        points.astype(np.complex64).tofile(values)
        sizes_of_values.write_text(header, encoding="ascii")


def read_bart(path: Path) -> Stored:
    """Read what BART wrote: points in units of 1/FOV."""
    dimensions = read_dimensions(path.with_suffix(".hdr"))
    if dimensions[0] != COMPONENTS:
        of = "those of data" if dimensions[0] == 1 else f"the first of which is no {COMPONENTS}"
        msg = f"its dimensions are {shortened(dimensions)}, {of}"
        raise ValueError(msg)
    points = read_cfl(path)
    if points.imag.any():
        msg = "its values are not real"
        raise ValueError(msg)
    # Axes of one between the shots and others, as the coils', are BART's manner of counting.
    more = [n for n in points.shape[:-3] if n > 1]
    real = np.ascontiguousarray(points.real).reshape(*more, *points.shape[-3:])
    return Stored("BART", real.astype(np.float32, copy=False), unit="1/fov")


def read_cfl(path: Path) -> Any:
    """Read the array of ``NAME.cfl`` and ``NAME.hdr``, its axes in reverse, three at least."""
    values, header = path.with_suffix(".cfl"), path.with_suffix(".hdr")
    dimensions = read_dimensions(header)
    if (size := values.stat().st_size) != (wanted := 8 * math.prod(dimensions)):
        msg = f"{values.name} has {size} bytes, and {header.name} asks for {wanted}"
        raise ValueError(msg)
    return np.fromfile(values, "<c8").reshape(dimensions[::-1])


def shortened(dimensions: tuple[int, ...]) -> tuple[int, ...]:
    """Return dimensions for a message, without the last ones of size one."""
    used = max((axis + 1 for axis, n in enumerate(dimensions) if n > 1), default=1)
    return dimensions[: max(used, 3)]


def read_dimensions(header: Path) -> tuple[int, ...]:
    """Return the dimensions that a header has, three at least."""
    lines = header.read_text(encoding="utf-8").splitlines()
    after = [line for mark, line in pairwise(lines) if mark == "# Dimensions"]
    dimensions = tuple(int(n) for n in " ".join(after[:1]).split())
    if not dimensions or min(dimensions) < 1:
        msg = f"{header.name} has no dimensions"
        raise ValueError(msg)
    return dimensions + (1,) * (3 - len(dimensions))
