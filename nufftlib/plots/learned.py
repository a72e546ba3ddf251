"""The figure of a trajectory learned on one image, or on a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage

from nufftlib.mri.learn.learn import LearnedTrajectory
from nufftlib.plots.figures import (
    DIVERGING,
    Real,
    around_zero,
    new_figure,
    picture,
    save,
    scale_beside,
)
from nufftlib.plots.losses import after, draw_losses, mark_best
from nufftlib.plots.samples import draw_trajectory


def draw_learning(image: Real, learned: LearnedTrajectory, file: BinaryIO) -> None:
    """Draw a learned trajectory: before, after, and the loss.

    Parameters
    ----------
    image : ndarray, shape (height, width) or (height, width, depth)
        The image that was sampled; of a volume, its three middle planes are shown.
    learned : LearnedTrajectory
        The result.
    file : binary file
        Where to write the PNG.
    """
    rows = len(planes(image))
    figure = new_figure(16.0, 3.8 * (rows + 1))
    grid = figure.add_gridspec(rows + 1, 4)
    start, end = "at the start", after(learned)
    error = learned.reconstruction - image
    # The few largest errors would hide all others.
    difference = around_zero(float(np.quantile(np.abs(error), 0.999)))
    signal = Normalize(0, float(image.max()))
    columns: list[tuple[str, Real, Normalize, str]] = [
        ("Image", image, signal, "gray"),
        (f"Reconstruction {start}", learned.reconstruction_start, signal, "gray"),
        (f"Reconstruction {end}", learned.reconstruction, signal, "gray"),
        (f"Error {end}", error, difference, DIVERGING),
    ]
    for column, (title, values, norm, cmap) in enumerate(columns):
        cells = [grid[row, column] for row in range(rows)]
        shown = draw_planes(figure, cells, values, title, norm, cmap, named=column == 0)
        if column == 2:
            scale_beside(shown[0], "relative signal, one scale for all three", extend="max")
        if column == 3:
            scale_beside(shown[0], "reconstruction - image", extend="both")
    loss = figure.add_subplot(grid[rows, 0])
    draw_losses(loss, learned.losses, "loss")
    mark_best(loss, learned)
    loss.set_title("Loss, its best marked")
    loss.set_box_aspect(1)
    draw_trajectory(figure, grid[rows, 1], learned.trajectory_start, f"Trajectory {start}")
    draw_trajectory(figure, grid[rows, 2], learned.trajectory, f"Trajectory {end}")
    draw_trajectory(figure, grid[rows, 3], learned.trajectory, "Learned trajectory, centre", 0.1)
    save(figure, file)


class Plane(NamedTuple):
    """A picture, or a plane of a volume.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
        What is shown.
    down, across : str
        What its rows and columns are.
    """

    values: Real
    down: str
    across: str


def planes(image: Real) -> list[Plane]:
    """Return a picture itself, or the three middle planes of a volume; its last axis runs up."""
    if image.ndim == 2:
        return [Plane(image, "", "")]
    i, j, k = (n // 2 for n in image.shape)
    return [
        Plane(image[:, :, k], "axis 0, down", f"axis 1 (axis 2 at {k})"),
        Plane(image[i].T[::-1], "axis 2, up", f"axis 1 (axis 0 at {i})"),
        Plane(image[:, j].T[::-1], "axis 2, up", f"axis 0 (axis 1 at {j})"),
    ]


def draw_planes(
    figure: Figure,
    cells: Sequence[SubplotSpec],
    image: Real,
    title: str,
    norm: Normalize,
    cmap: str = "gray",
    *,
    named: bool = False,
) -> list[AxesImage]:
    """Show the planes of an image in cells, the title above the first."""
    shown: list[AxesImage] = []
    for cell, plane in zip(cells, planes(image), strict=True):
        axes = figure.add_subplot(cell)
        shown.append(picture(axes, plane.values, "" if shown else title, norm, cmap))
        if named:
            along = axes.transAxes
            axes.text(-0.03, 0.5, plane.down, rotation=90, ha="right", va="center", transform=along)
            axes.text(0.5, -0.03, plane.across, ha="center", va="top", transform=along)
    return shown
