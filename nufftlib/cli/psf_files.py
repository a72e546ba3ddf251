"""Files of PSFs: one, of two or three axes, or a grid of them, and results of calibrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nufftlib import workflows
from nufftlib.blur.operator import AXES
from nufftlib.cli.stacks import told_of_stacks
from nufftlib.io.formats.values import as_single
from nufftlib.io.pictures import Picture
from nufftlib.io.psfs import load_cube


def load_psfs(path: Path, ndim: int = 2) -> Picture:
    """Read a PSF, or a grid of PSFs, each nonnegative and brought to the sum one.

    Of three axes it comes with the size of its voxels, where the file says it.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz") or not path.is_file():
        return one_psf(path, ndim)
    array, steps = stored(path, suffix)
    if suffix == ".npy" and array.ndim < 4:
        return one_psf(path, ndim)
    if array.ndim not in ((2, 4) if ndim == 2 else (3,)) or array.size == 0:
        grid = " or (rows, columns, height, width)" if ndim == 2 else ""
        msg = (
            f"{path}: the array has the shape {array.shape}; want ({AXES[ndim]}){grid}, none of "
            f"them 0"
        )
        raise ValueError(msg)
    psf = as_single(path, array).astype(np.float64)
    sums = psf.sum(axis=tuple(range(-ndim, 0)), keepdims=True)
    if psf.min() < 0 or not sums.all():
        msg = (
            f"{path}: the values run from {psf.min():g} to {psf.max():g}; want PSFs, nonnegative "
            f"and none all zero"
        )
        raise ValueError(msg)
    return Picture((psf / sums).astype(np.float32), steps)


def one_psf(path: Path, ndim: int) -> Picture:
    """Read a PSF from a picture or a stack."""
    if ndim == 2:
        return Picture(told_of_stacks(workflows.load_psf, path), None)
    return Picture(workflows.load_psf(path, ndim=3), load_cube(path).pixel_size)


def stored(path: Path, suffix: str) -> tuple[NDArray[Any], tuple[float, ...] | None]:
    """Return the array of a file, of an archive the one that is a PSF, and the voxels' size."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if suffix == ".npy":
                return np.asarray(loaded), None
            names = [*loaded.files]
            found = [n for n in names if n == "psf"] or [
                n for n in names if n.startswith("psf_") and n not in ("psf_true", "psf_start")
            ]
            if len(found) == 1:
                steps = loaded["pixel_size"].tolist() if "pixel_size" in names else None
                return np.asarray(loaded[found[0]]), steps and tuple(steps)
    except Exception as error:  # a damaged file may raise anything
        msg = f"{path}: cannot be read: {str(error) or type(error).__name__}"
        raise ValueError(msg) from error
    held = ", ".join(found or names) or "nothing"
    msg = f"{path}: it holds {held}; want one PSF, by the name psf or psf_METHOD"
    raise ValueError(msg)
