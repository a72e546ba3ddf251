"""The figure of a PSF calibrated on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm

from nufftlib.blur.calibrate.calibrate import CalibratedPSF
from nufftlib.blur.calibrate.objective import fitting
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.blur.operator import Blur
from nufftlib.core.run import part, still_falls
from nufftlib.plots.figures import (
    BLUE,
    ORANGE,
    RESIDUAL,
    Real,
    around_zero,
    colours,
    draw_difference,
    new_figure,
    picture,
    plain_decades,
    residual_title,
    root_mean_square,
    save,
    scale_beside,
)
from nufftlib.plots.losses import after, draw_losses, mark_best


class Fit(NamedTuple):
    """A calibration, and its distance from the truth.

    Attributes
    ----------
    method : str
        Name of the method.
    result : CalibratedPSF
        The result of the method.
    error : float or None
        Relative l2 error of the PSF, where the true one is known.
    floor : float or None
        The method's loss at the true PSF.
    """

    method: Method
    result: CalibratedPSF
    error: float | None
    floor: float | None


class Pair(NamedTuple):
    """The pictures that a PSF was calibrated with.

    Attributes
    ----------
    sharp, blurred : ndarray, shape (channels, height, width)
        The two pictures; the first ones of several pairs.
    boundary : str
        Boundary of the blur.
    truth : ndarray, shape (height, width), or None
        The true PSF, where it is known.
    deviations : ndarray, shape (components,), or None
        Standard deviation that the noise gives each component of the PSF, relative to the
        PSF's norm.
    pairs : int
        Number of pairs.
    """

    sharp: Real
    blurred: Real
    boundary: str
    truth: Real | None
    deviations: Real | None
    pairs: int = 1


def draw_calibration(pair: Pair, fits: Sequence[Fit], file: BinaryIO) -> None:
    """Draw calibrated PSFs: the pictures, and a row for each method.

    Parameters
    ----------
    pair : Pair
        The pictures, and the true PSF where it is known.
    fits : sequence of Fit
        The methods' results.
    file : binary file
        Where to write the PNG.
    """
    columns, rows = 4 if pair.truth is None else 5, 1 + len(fits)
    figure = new_figure(3.5 * columns, 3.4 * rows)
    grid = figure.add_gridspec(rows, columns)
    top, *below = (
        [figure.add_subplot(grid[row, column]) for column in range(columns)] for row in range(rows)
    )
    residuals = [residual_of(pair, fit.result.psf) for fit in fits]
    scales = scales_of(pair, fits, residuals)
    draw_problem(top, pair, fits[0].result.psf_start, scales)
    for axes, fit, residual in zip(below, fits, residuals, strict=True):
        draw_method(axes, pair, fit, residual, scales)
    save(figure, file)


class Scales(NamedTuple):
    """The colour scales of all rows, so that rows can be compared.

    Attributes
    ----------
    psf : Normalize
        Of the PSFs. The square root shows the faint box of the start beside the peaks of the
        truth.
    difference : Normalize
        Of the differences from the true PSF.
    residual : Normalize
        Of the residuals. The few largest would hide all others: they are off the scale.
    """

    psf: Normalize
    difference: Normalize
    residual: Normalize


def scales_of(pair: Pair, fits: Sequence[Fit], residuals: Sequence[Real]) -> Scales:
    """Return the scales that fit all methods."""
    truth = pair.truth
    brightest = fits[-1].result.psf if truth is None else truth
    differences = [] if truth is None else [fit.result.psf - truth for fit in fits]
    limit = max((float(np.abs(d).max()) for d in differences), default=0.0)
    noise = max(float(np.quantile(np.abs(r), 0.99)) for r in residuals)
    return Scales(
        PowerNorm(0.5, 0, float(brightest.max())),
        around_zero(limit),
        around_zero(noise),
    )


def draw_problem(axes: Sequence[Axes], pair: Pair, start: Real, scales: Scales) -> None:
    """Draw the first row: pictures, the true PSF and the start, and the uncertainty."""
    draw_pair(axes[0], axes[1], pair)
    if pair.truth is not None:
        picture(axes[2], pair.truth, "True PSF", scales.psf, "magma")
    shown = picture(axes[-2], start, "PSF at the start", scales.psf, "magma")
    scale_beside(shown, "PSF weight, one scale for all", extend="max")
    draw_deviations(axes[-1], pair.deviations)


def draw_method(axes: Sequence[Axes], pair: Pair, fit: Fit, residual: Real, scales: Scales) -> None:
    """Draw the row of a method: PSF, difference, residual, losses and errors."""
    recipe, psf = RECIPES[fit.method], fit.result.psf
    picture(axes[0], psf, fit_title(fit), scales.psf, "magma")
    if pair.truth is not None and fit.error is not None:
        shown = draw_difference(
            axes[1], psf - pair.truth, error_title(fit.error), scales.difference
        )
        scale_beside(shown, "found - true")
    title = residual_title(len(residual), root_mean_square(residual))
    shown = draw_difference(axes[-3], residual.mean(axis=0), title, scales.residual)
    scale_beside(shown, RESIDUAL, extend="both")
    draw_fit(axes[-2], fit, recipe.loss_title)
    draw_errors(axes[-1], fit)


def fit_title(fit: Fit) -> str:
    """Return the title of a PSF that was found: the method, its steps, and whether they are few."""
    title = f"{RECIPES[fit.method].title}:\nPSF {after(fit.result)}"
    falls = not fit.result.converged and still_falls(fit.result)
    return title + ",\nits loss still falling" * falls


def error_title(error: float) -> str:
    """Return the title of what a PSF and the true one differ by."""
    return f"Minus the true PSF:\nrelative error {part(error)}"


def draw_pair(left: Axes, right: Axes, pair: Pair) -> None:
    """Show the sharp and the blurred picture to one scale, the sharp one's range."""
    which = f", the first of {pair.pairs} pairs" if pair.pairs > 1 else ""
    scale = float(pair.sharp.min()), float(pair.sharp.max())
    picture(left, colours(pair.sharp, *scale), f"Sharp{which}", Normalize(0, 1))
    (height, width), (rows, columns) = pair.blurred.shape[-2:], pair.sharp.shape[-2:]
    title = "Blurred" if (height, width) == (rows, columns) else "Blurred, with noise: valid part"
    shown = picture(right, colours(pair.blurred, *scale), title, Normalize(0, 1))
    # On the grid of the sharp one, of which it leaves a margin.
    top, side = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    shown.set_extent((side, side + width, top + height, top))
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim())


def draw_deviations(axes: Axes, deviations: Real | None) -> None:
    """Show how well each component of the PSF is known."""
    if deviations is None or not np.any((deviations > 0) & np.isfinite(deviations)):
        axes.set_axis_off()
        return
    axes.semilogy(np.arange(1, len(deviations) + 1), 100 * deviations, color=BLUE)
    plain_decades(axes.yaxis)
    axes.axhline(1.0, color="0.3", linestyle="--")
    axes.set(
        title="Noise of the PSF's components,\ndashed: 1 %",
        xlabel="component",
        ylabel="deviation [% of the PSF's norm]",
    )
    axes.grid(which="both", alpha=0.25)
    axes.set_box_aspect(1)


def draw_fit(axes: Axes, fit: Fit, label: str) -> None:
    """Show the losses of a method, and the loss of the true PSF."""
    draw_losses(axes, fit.result.losses, label)
    axes.set_title("Loss", loc="left")
    if fit.floor is not None:
        axes.axhline(fit.floor, color="0.3", linestyle="--", label="true PSF (noise)")
    mark_best(axes, fit.result)
    # Above the axes: within them it might hide the curve.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderpad=0.1)


def draw_errors(axes: Axes, fit: Fit) -> None:
    """Show the distance of the PSF from the true one at each step."""
    if not fit.result.errors:
        axes.set_axis_off()
        return
    draw_losses(axes, fit.result.errors, "relative error of the PSF")
    axes.set_title("PSF error")
    best = fit.result.step_best
    axes.plot([best], [fit.result.errors[best]], "o", color=ORANGE)


def residual_of(pair: Pair, psf: Real) -> Real:
    """Return the residual of a PSF, ``y - A(h) x``."""
    blur = Blur(psf, boundary=pair.boundary, ndim=psf.ndim)
    found: Real = fitting(blur, pair.sharp, pair.blurred) - blur(pair.sharp)
    return found
