"""The figure of a retrieved pupil: pictures through focus, wavefront and coefficients."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm

from nufftlib.blur.phase import RetrievedPhase
from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import instance
from nufftlib.core.noise import on_cpu
from nufftlib.plots.figures import (
    BLUE,
    DIVERGING,
    ORANGE,
    RESIDUAL,
    around_zero,
    draw_difference,
    new_figure,
    picture,
    save,
    scale_beside,
)
from nufftlib.plots.kspace import check_file

MOST = 7
"""Planes that are shown at most, the first and the last among them."""


def draw_phase(
    stack: Array, result: RetrievedPhase, file: BinaryIO, *, truth: Array | None = None
) -> None:
    """Draw a retrieved pupil: pictures, model, residual, wavefront and coefficients.

    Parameters
    ----------
    stack : array, shape (P, height, width)
        The pictures.
    result : RetrievedPhase
        What was found.
    file : binary file
        Where to write the PNG.
    truth : array, shape (K,), optional
        The true coefficients in waves.

    Raises
    ------
    TypeError
        If an array is not of float32 or float64, or `result` no `RetrievedPhase`.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import plots, workflows
    >>> optics = nl.blur.ThroughFocus(16, defocus=(-0.5, 0.5), indices=(5, 7))
    >>> stack = nl.blur.poisson_noise(1e4 * optics(np.asarray([0.05, 0.02])) + 1.0, seed=0)
    >>> result = workflows.retrieve_phase(stack, optics, gain=1.0)
    >>> plots.draw_phase(stack, result, io.BytesIO())
    """
    call = "draw_phase"
    instance(call, "result", result, RetrievedPhase, "a RetrievedPhase")
    check_file(call, file)
    check_like(call, "stack", stack, result.residual)
    if truth is not None:
        check_like(call, "truth", truth, result.coefficients)
    measured, residual = on_cpu(stack), on_cpu(result.residual)

    chosen = np.unique(np.round(np.linspace(0, len(measured) - 1, MOST)).astype(int))
    columns = len(chosen)
    figure = new_figure(2.2 * max(columns, 4) + 1.5, 11.0)
    grid = figure.add_gridspec(4, columns, height_ratios=(1, 1, 1, 1.6))
    model = measured - residual
    limit = around_zero(float(np.quantile(np.abs(residual), 0.999)))
    # The square root shows faint rings beside the peak. Each plane has a scale of its own.
    figure.suptitle("Each plane has a scale of its own, by the square root, and its model the same")
    rows = (("measured", measured), ("model", model))
    for column, m in enumerate(chosen):
        light = PowerNorm(0.5, max(float(model[m].min()), 0.0), float(model[m].max()))
        for row, (name, planes) in enumerate(rows):
            title = f"{name},\ndefocus {result.optics.defocus[m]:.3g}" if row == 0 else name
            picture(figure.add_subplot(grid[row, column]), planes[m], title, light)
        axes = figure.add_subplot(grid[2, column])
        shown = draw_difference(axes, residual[m], "residual", limit)
        if column == columns - 1:
            scale_beside(shown, f"{RESIDUAL}, one scale", extend="both")
    split = max(columns // 3, 1)
    below = grid[3, :].subgridspec(1, columns)
    draw_wavefront(figure.add_subplot(below[0, :split]), result)
    draw_coefficients(figure.add_subplot(below[0, split:]), result, truth)
    save(figure, file)


def check_like(call: str, name: str, array: Array, like: Array) -> None:
    """Refuse an array that is not real, or of another shape."""
    check_real(common_namespace(f"{call}({name})", **{name: array}), f"{call}({name})", name, array)
    if array.shape != like.shape:
        msg = f"{call}({name}): {name} has the shape {tuple(array.shape)}; want {tuple(like.shape)}"
        raise ValueError(msg)


def draw_wavefront(axes: Axes, result: RetrievedPhase) -> None:
    """Show the wavefront on the pupil."""
    W = result.wavefront()
    title = f"wavefront,\nStrehl ratio {result.strehl_ratio:.2f}"
    limit = around_zero(float(np.nanmax(np.abs(W))))
    # Outside of the pupil is no wave: the paper's white, not the grey of missing pixels.
    scale_beside(picture(axes, W, title, limit, DIVERGING), "waves")


def draw_coefficients(axes: Axes, result: RetrievedPhase, truth: Array | None) -> None:
    """Show the coefficients, their standard deviations, and the true ones."""
    found, deviations = on_cpu(result.coefficients), on_cpu(result.deviations)
    places = np.arange(len(found))
    if truth is not None:
        axes.plot(places, on_cpu(truth), "_", color=ORANGE, markersize=16, label="true")
    axes.errorbar(
        places, found, deviations, fmt="o", color=BLUE, markersize=4, capsize=3, label="found"
    )
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.set_xticks(places, [str(j) for j in result.optics.indices])
    axes.set_title("coefficients and standard deviations", loc="left")
    axes.set(
        xlabel="Noll's index",
        ylabel="waves, root mean square",
    )
    axes.grid(axis="y", alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderpad=0.1)
