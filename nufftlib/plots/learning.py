"""The figure of a trajectory learned on a set of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import MaxNLocator

from nufftlib.mri.learn.learn_on_images import LearnedOnImages
from nufftlib.mri.learn.scores import ImageScore
from nufftlib.plots.figures import (
    BLUE,
    ORANGE,
    Real,
    around_zero,
    draw_difference,
    new_figure,
    picture,
    plain_decades,
    save,
    scale_beside,
)
from nufftlib.plots.samples import draw_trajectory

GREY = "0.45"


class Example(NamedTuple):
    """A held-out image, and its reconstructions.

    Attributes
    ----------
    name : str
        What the image is called.
    image : ndarray, shape (height, width)
        The image.
    start, learned : ndarray, shape (height, width)
        Its reconstructions with both trajectories.
    score_start, score : ImageScore
        How good they are.
    """

    name: str
    image: Real
    start: Real
    learned: Real
    score_start: ImageScore
    score: ImageScore


def draw_learning_on_images(
    learned: LearnedOnImages, examples: Sequence[Example], file: BinaryIO
) -> None:
    """Draw a trajectory learned on a set: the course, start and end, and held-out images.

    Parameters
    ----------
    learned : LearnedOnImages
        The result.
    examples : sequence of Example
        The worst and the best held-out image; none if no images are held out.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(19.0, 3.9 * (1 + len(examples)))
    grid = figure.add_gridspec(1 + len(examples), 5)
    draw_course(figure.add_subplot(grid[0, :2]), learned)
    end = after(learned)
    draw_trajectory(figure, grid[0, 2], learned.trajectory_start, "Trajectory at the start")
    draw_trajectory(figure, grid[0, 3], learned.trajectory, f"Trajectory {end}")
    draw_trajectory(figure, grid[0, 4], learned.trajectory, "Learned trajectory, centre", 0.1)
    errors = [np.abs(z - x.image) for x in examples for z in (x.start, x.learned)]
    # The few largest errors would hide all others.
    limit = max((float(np.quantile(e, 0.995)) for e in errors), default=0.0)
    for row, (which, example) in enumerate(zip(("Worst", "Best"), examples, strict=False), 1):
        draw_example(figure, grid, row, which, example, limit, end)
    save(figure, file)


def draw_example(
    figure: Figure, grid: GridSpec, row: int, which: str, example: Example, limit: float, end: str
) -> None:
    """Draw the row of a held-out image: it, both reconstructions and their errors."""
    axes = [figure.add_subplot(grid[row, column]) for column in range(5)]
    signal = Normalize(0, float(example.image.max()))
    difference = around_zero(limit)
    picture(axes[0], example.image, f"{which} of the held-out images:\n{example.name}", signal)
    picture(axes[1], example.start, f"At the start:\n{said(example.score_start)}", signal)
    shown = picture(axes[2], example.learned, f"Learned, {end}:\n{said(example.score)}", signal)
    scale_beside(shown, "relative signal", extend="max")
    draw_difference(axes[3], example.start - example.image, "Error at the start", difference)
    error = example.learned - example.image
    shown = draw_difference(axes[4], error, f"Error {end}", difference)
    scale_beside(shown, "reconstruction - image, one scale", extend="both")


def draw_course(axes: Axes, learned: LearnedOnImages) -> None:
    """Draw the losses by epoch, the best one marked."""
    # The mean over an epoch belongs to its middle: the trajectory moves in it.
    middles = np.arange(len(learned.training)) + 0.5
    marker = "." if len(middles) < 20 else ""
    axes.plot(middles, learned.training, color=GREY, marker=marker, label="training")
    best = learned.best_epoch
    if learned.validation:
        axes.plot(learned.validation, color=BLUE, marker=marker, label="held out, mean")
        axes.plot(
            learned.validation_worst, color=BLUE, linestyle="--", linewidth=1, label="worst of them"
        )
        place, value = float(best), learned.validation[best]
    else:
        place, value = best - 0.5, learned.training[best - 1]
    axes.plot([place], [value], "o", color=ORANGE, label=f"best, {after(learned)}")
    losses = [*learned.training, *learned.validation, *learned.validation_worst]
    axes.set(xlabel="epoch", ylabel="loss")
    axes.set_title("Loss", loc="left")
    axes.set_xlim(-0.02 * len(middles), 1.02 * len(middles))
    axes.xaxis.set_major_locator(
        MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    if min(losses) > 0:
        axes.set_yscale("log")
        plain_decades(axes.yaxis)
    axes.grid(which="both", alpha=0.25)
    # Above the axes: within them it might hide a curve.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, borderpad=0.1)


def said(score: ImageScore) -> str:
    """Return the scores for a title."""
    return f"PSNR {score.psnr:.1f} dB, SSIM {score.ssim:.3f}"


def after(learned: LearnedOnImages) -> str:
    """Return after how many epochs the result was found, and of how many if not the last."""
    plural = "s" * (learned.steps != 1)
    if learned.best_epoch == learned.steps:
        return f"after {learned.steps} epoch{plural}"
    return f"after {learned.best_epoch} of {learned.steps} epoch{plural}"
