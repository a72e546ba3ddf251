"""Figures of a reconstruction: image, phase, coil maps, course; and its L-curve."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.colors import Normalize

from nufftlib.core.run import count
from nufftlib.mri.reconstruct.job import Method, ReconstructedImage
from nufftlib.plots.figures import (
    draw_borders,
    grey_where_nan,
    new_figure,
    picture,
    save,
    scale_beside,
)
from nufftlib.plots.losses import draw_losses

OBJECTIVE = "Objective", "$|A x - y|^2 / 2$ and the penalty"
COURSES: dict[Method, tuple[str, str]] = {
    "adjoint": ("", ""),
    "cg": ("Relative residual of\nthe normal equations $H x = b$", "$|b - H x| / (|H| |x| + |b|)$"),
    "tv": OBJECTIVE,
    "wavelet": OBJECTIVE,
}
"""What the losses of each method are: a title and a label."""

FAINT = 0.1
"""Part of the brightest voxel below which a phase is not shown."""


def plane_of(x: Any) -> Any:
    """Return an image, or the middle plane across the last axis of a volume."""
    return x if x.ndim == 2 else x[..., x.shape[-1] // 2]


def mosaic(images: Any) -> Any:
    """Return images side by side, in as many columns as rows or one more."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    whole = np.full((rows * columns, *images.shape[1:]), np.nan, images.dtype)  # no coil
    whole[: len(images)] = images
    height, width = images.shape[1:]
    grid = whole.reshape(rows, columns, height, width)
    return np.moveaxis(grid, 2, 1).reshape(rows * height, columns * width)


def draw_reconstruction(
    result: ReconstructedImage, method: Method, frames: int, file: BinaryIO
) -> None:
    """Draw a reconstruction.

    Parameters
    ----------
    result : ReconstructedImage
        The result, as NumPy arrays; of a volume, the middle plane is shown.
    method : str
        The method's name.
    frames : int
        How many there are; the result is that of the first.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(15.0, 3.6)
    axes = figure.subplots(1, 4)
    x = plane_of(result.image)
    size, most = np.abs(x), float(np.abs(x).max()) or 1.0
    after = f", {count(result.steps)}" if result.steps else ""
    which = ", middle plane" if result.image.ndim == 3 else ""
    first = f",\nthe first of {frames} frames" if frames > 1 else ""
    shown = picture(axes[0], size, f"Magnitude{after}{which}{first}", Normalize(0, most))
    scale_beside(shown, "magnitude")
    phase = np.where(size > FAINT * most, np.angle(x), np.nan)
    title = f"Phase{which};\ngrey: magnitude\nbelow {FAINT:.0%} of the largest"
    shown = picture(axes[1], phase, title, Normalize(-np.pi, np.pi), "twilight")
    grey_where_nan(shown)
    bar = scale_beside(shown, "phase [rad]")
    bar.set_ticks([-np.pi, 0, np.pi], labels=["$-\\pi$", "0", "$\\pi$"])
    maps = np.stack([np.abs(plane_of(s)) for s in result.maps])
    whole = mosaic(maps)
    title = f"Coil maps, {len(maps)}{which}"
    shown = picture(axes[2], whole, title, Normalize(0, 1), "magma")
    grey_where_nan(shown)
    height, width = maps.shape[1:]
    draw_borders(axes[2], (whole.shape[0] // height, whole.shape[1] // width), (height, width))
    scale_beside(shown, "magnitude of the sensitivity")
    if len(result.losses) > 1:
        draw_losses(axes[3], result.losses, COURSES[method][1])
        axes[3].set_title(COURSES[method][0])
    else:
        axes[3].set_axis_off()
    save(figure, file)
