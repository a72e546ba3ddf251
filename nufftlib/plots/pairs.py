"""The figure of a calibrated pair: pictures, what the model leaves, and the PSF's numbers."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from nufftlib.blur.calibrate import CalibratedPair
from nufftlib.blur.measures import PSFMeasures
from nufftlib.plots.figures import (
    RESIDUAL,
    Real,
    around_zero,
    colours,
    draw_difference,
    new_figure,
    number,
    picture,
    residual_title,
    root_mean_square,
    save,
    scale_beside,
)
from nufftlib.plots.measures import draw_cuts, draw_ellipse, draw_energy, draw_transfer

MOST = 5.0
"""Standard deviations of the residual that are shown."""


def draw_calibrated_pair(
    sharp: Real, blurred: Real, result: CalibratedPair, measures: PSFMeasures, file: BinaryIO
) -> None:
    """Draw a calibrated pair, the first of several.

    Parameters
    ----------
    sharp, blurred : ndarray, shape (channels, height, width)
        The pictures.
    result : CalibratedPair
        The result, as NumPy arrays.
    measures : PSFMeasures
        The numbers of its PSF.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(15.5, 8.2)
    axes = figure.subplots(2, 4)
    which = f", the first of {len(result.seen)}" if len(result.seen) > 1 else ""
    for place, values, name in (
        (axes[0, 0], sharp, f"Sharp{which}"),
        (axes[0, 1], blurred, "Blurred, to a scale of its own"),
    ):
        ends = float(values.min()), float(values.max())
        shown = picture(place, colours(values, *ends), name, Normalize(0, 1))
        place_in(place, shown, values, sharp)
    draw_residual(axes[0, 2], sharp, result)
    draw_unseen(axes[0, 3], sharp, result)
    draw_ellipse(axes[1, 0], result.psf, measures, 1.0)
    draw_cuts(axes[1, 1], result.psf, result.deviations)
    draw_energy(axes[1, 2], measures)
    draw_transfer(axes[1, 3], measures)
    save(figure, file)


def draw_residual(axes: Axes, sharp: Real, result: CalibratedPair) -> None:
    """Show the residual in standard deviations of the noise, of the pixels that count."""
    r = result.residuals[0]
    # Where the pictures are moved the residual lacks an edge.
    (rows, columns), (height, width) = result.seen[0].shape[-2:], r.shape[-2:]
    top, side = (rows - height) // 2, (columns - width) // 2
    seen = result.seen[0][:, top : top + height, side : side + width]
    counted = seen.sum(axis=0)
    # The mean of n channels has a noise of sigma / sqrt(n).
    values = np.where(seen, r, 0).sum(axis=0) / np.sqrt(np.maximum(counted, 1)) / result.noise
    values = np.where(counted > 0, values, np.nan)
    rms = root_mean_square(r[seen])
    title = f"{residual_title(len(r), rms)}; noise {number(result.noise)}"
    shown = draw_difference(axes, values, title, around_zero(MOST))
    place_in(axes, shown, r, sharp)
    scale_beside(shown, f"({RESIDUAL}) / deviation", extend="both")


def draw_unseen(axes: Axes, sharp: Real, result: CalibratedPair) -> None:
    """Show in how many channels a pixel does not count."""
    unseen = ~result.seen[0]
    title = f"Do not count, grey on the left:\n{100 * unseen.mean():.3g} %, black: in all channels"
    if len(unseen) == 1:
        title = title.partition(", black")[0]
    shown = picture(axes, unseen.mean(axis=0), title, Normalize(0, 1), "Greys")
    place_in(axes, shown, unseen, sharp)
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])


def place_in(axes: Axes, shown: Any, values: Any, sharp: Real) -> None:
    """Put what lacks a margin on the grid of the sharp picture."""
    (rows, columns), (height, width) = sharp.shape[-2:], values.shape[-2:]
    top, side = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    shown.set_extent((side, side + width, top + height, top))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
