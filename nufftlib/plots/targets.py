"""Figures of calibrations from stars and from a slanted edge."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm

from nufftlib.blur.calibrate import CalibratedStars, SlantedEdge
from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import instance
from nufftlib.core.noise import on_cpu
from nufftlib.plots.figures import (
    BLUE,
    ORANGE,
    RESIDUAL,
    Real,
    around_zero,
    draw_difference,
    new_figure,
    number,
    picture,
    residual_title,
    root_mean_square,
    save,
    scale_beside,
)
from nufftlib.plots.kspace import check_file
from nufftlib.plots.measures import TRUE, draw_cuts, finish

BRIGHT = 0.995
"""Part of the pixels that the scale of a star field shows below its white."""

MARKS = {"edge": "s", "saturated": "D", "crowded": "^", "misfit": "x"}
"""Marks of rejected stars by the reason."""


def draw_stars(
    field: Array, result: CalibratedStars, file: BinaryIO, *, truth: Array | None = None
) -> None:
    """Draw a calibration from stars: data, model, residual, and the oversampled PSF.

    Model and residual are shown where stars were used.

    Parameters
    ----------
    field : array, shape (height, width), real
        The picture of the stars.
    result : CalibratedStars
        What was found.
    file : binary file
        Where to write the PNG.
    truth : array, real, optional
        The true PSF, like the one that was found.

    Raises
    ------
    TypeError
        If an array is not of float32 or float64, or `result` no `CalibratedStars`.
    ValueError
        If the picture is too small for the stars, or `truth` has another shape than the PSF.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from nufftlib import plots, workflows
    >>> rng = np.random.default_rng(0)
    >>> n, p = np.arange(64.0), rng.uniform(8, 56, (5, 2))
    >>> y, x = (np.exp(-0.5 * ((n - p[:, [a]]) / 1.5) ** 2) for a in (0, 1))
    >>> field = 500 * y.T @ x + rng.standard_normal((64, 64))
    >>> plots.draw_stars(field, workflows.calibrate_from_stars(field, size=13), io.BytesIO())
    """
    call = "draw_stars"
    instance(call, "result", result, CalibratedStars, "a CalibratedStars")
    check_file(call, file)
    psf, places = (on_cpu(a).astype(float) for a in (result.psf, result.positions))
    data = checked(call, "field", field, 2, "(height, width)")
    if np.any(places.max(axis=0) > np.asarray(data.shape) - 0.5):
        msg = f"{call}(field): field has the shape {data.shape}; want the picture of the stars"
        raise ValueError(msg)
    true = None if truth is None else like_it(call, truth, psf)
    residual = mosaic(result, data)
    figure = new_figure(17.5, 4.4)
    axes = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1))
    low, high = np.quantile(data, (0.02, BRIGHT))
    light = PowerNorm(0.5, float(low), float(high))
    picture(axes[0], data, "Data, square-root scale", light)
    draw_places(axes[0], places, result)
    picture(axes[1], data - residual, f"Model, {len(places)} stars", light)
    limit = around_zero(float(np.nanquantile(np.abs(residual), 0.995)))
    title = residual_title(1, root_mean_square(residual[~np.isnan(residual)]))
    title += "; grey: no star"
    shown = draw_difference(axes[2], residual, title, limit)
    scale_beside(shown, RESIDUAL, extend="both")
    title = f"PSF, {result.oversampling} samples per pixel"
    shown = picture(axes[3], psf, title, PowerNorm(0.5, 0, float(psf.max())), "magma")
    scale_beside(shown, "light in a sample")
    draw_cuts(axes[4], psf, None, truth=true, pitch=1 / result.oversampling)
    axes[4].set(xlabel="distance [pixels of the picture]", ylabel="light in a sample")
    save(figure, file)


def mosaic(result: CalibratedStars, data: Real) -> Real:
    """Return the residuals of all stamps in the picture, NaN between them."""
    found = np.full(data.shape, np.nan)
    stamps = on_cpu(result.residuals).astype(float)
    half = stamps.shape[-1] // 2
    rows, columns = np.indices(stamps.shape[1:]) - half
    for stamp, (row, column) in zip(stamps, on_cpu(result.middles).astype(int), strict=True):
        i, j = rows + row, columns + column
        inside = (i >= 0) & (j >= 0) & (i < data.shape[0]) & (j < data.shape[1])
        found[i[inside], j[inside]] = stamp[inside]
    return found


def draw_places(axes: Axes, places: Real, result: CalibratedStars) -> None:
    """Mark the stars that were used, and those that were not by the reason."""
    ring: dict[str, Any] = {"markerfacecolor": "none", "linestyle": "none", "markersize": 8}
    axes.plot(places[:, 1], places[:, 0], "o", markeredgecolor=TRUE, label="used", **ring)
    for reason, mark in MARKS.items():
        at = np.asarray([s.position for s in result.rejected if s.reason == reason])
        if at.size:
            axes.plot(at[:, 1], at[:, 0], mark, markeredgecolor=ORANGE, label=reason, **ring)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False, fontsize="small"
    )


def draw_edge(
    edge: Array, result: SlantedEdge, file: BinaryIO, *, truth: Array | None = None
) -> None:
    """Draw the MTF of a slanted edge: the edge, its profile in bins, and the MTF with its band.

    Parameters
    ----------
    edge : array, shape (height, width), real
        The picture of the edge.
    result : SlantedEdge
        What was found.
    file : binary file
        Where to write the PNG.
    truth : array, shape (frequencies,), real, optional
        The true MTF at the result's frequencies.

    Raises
    ------
    TypeError
        If an array is not of float32 or float64, or `result` no `SlantedEdge`.
    ValueError
        If `edge` is no picture, or `truth` has another shape than the MTF.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from nufftlib import plots, workflows
    >>> rows, columns = np.mgrid[:100, :60]
    >>> across = (columns - 30 - 0.1 * (rows - 50)) / np.hypot(1, 0.1)
    >>> edge = 0.5 + np.arctan(2 * across) / 4
    >>> plots.draw_edge(edge, workflows.slanted_edge_mtf(edge), io.BytesIO())
    """
    call = "draw_edge"
    instance(call, "result", result, SlantedEdge, "a SlantedEdge")
    check_file(call, file)
    data = checked(call, "edge", edge, 2, "(height, width)")
    f, mtf, deviations, u, e = (
        on_cpu(a).astype(float)
        for a in (result.frequencies, result.mtf, result.deviations, result.distances, result.esf)
    )
    true = None if truth is None else like_it(call, truth, mtf)
    figure = new_figure(13.0, 4.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(0.7, 1, 1))
    black, white = float(data.min()), float(data.max())
    title = f"Edge, slanted by {np.degrees(result.angle):.2f} degrees"
    picture(left, data, title, Normalize(black, white))
    draw_profile(middle, u, e, result.noise)
    if true is not None:
        right.plot(f, true, color=TRUE, linewidth=2.5, label="true")
    right.plot(f, mtf, color=BLUE, label="found")
    low, high = np.maximum(mtf - 2 * deviations, 0), mtf + 2 * deviations
    right.fill_between(f, low, high, color=BLUE, alpha=0.25, linewidth=0)
    half = f"MTF50 {result.mtf50:.4f} \N{PLUS-MINUS SIGN} {result.mtf50_deviation:.2g}"
    right.plot([result.mtf50], [0.5], "o", color=ORANGE, markersize=5, label=half)
    right.axvline(0.5, color="0.6", linewidth=0.8, label="Nyquist's frequency")
    right.set(
        title="MTF, with two deviations", xlabel="cycles per pixel", ylabel="MTF", ylim=(0, 1.1)
    )
    right.margins(x=0)
    finish(right)
    right.legend(fontsize="small", framealpha=1.0)
    save(figure, file)


def draw_profile(axes: Axes, u: Real, e: Real, noise: float) -> None:
    """Show the edge spread function in its bins, and the line spread function, its slope."""
    axes.plot(u, e, ".", color=BLUE, markersize=3, label="edge spread")
    reach = profile_reach(u, e)
    axes.set(
        title=f"Profile in bins of 1/4 pixel; noise {number(noise)}",
        xlabel="distance from the edge [pixels]",
        ylabel="intensity",
        xlim=(-reach, reach),
    )
    beside = axes.twinx()
    slope = np.diff(e) / np.diff(u)
    beside.plot((u[1:] + u[:-1]) / 2, slope, color=ORANGE, linewidth=1, label="line spread")
    beside.set_ylabel("intensity per pixel", color=ORANGE)
    beside.set_box_aspect(1)
    finish(axes)


def profile_reach(u: Real, e: Real) -> float:
    """Return how far to show a profile: six times its rise from 10 to 90 %, at least 6 pixels."""
    part = (e - e[:4].mean()) / (e[-4:].mean() - e[:4].mean())
    inside = u[(part > 0.1) & (part < 0.9)]
    rise = float(np.ptp(inside)) if inside.size else 0.0
    return min(max(3 * rise, 6.0), float(np.abs(u).max()))


def checked(call: str, name: str, array: Array, ndim: int, wish: str) -> Real:
    """Return an array as one of NumPy, or refuse it."""
    label = f"{call}({name})"
    check_real(common_namespace(label, **{name: array}), label, name, array)
    if array.ndim != ndim:
        msg = f"{label}: {name} has the shape {tuple(array.shape)}; want {wish}"
        raise ValueError(msg)
    found: Real = on_cpu(array).astype(float)
    return found


def like_it(call: str, truth: Array, found: Real) -> Real:
    """Return the truth, or refuse one of another shape."""
    wish = str(found.shape)
    true = checked(call, "truth", truth, found.ndim, wish)
    if true.shape != found.shape:
        msg = f"{call}(truth): truth has the shape {true.shape}; want {wish}"
        raise ValueError(msg)
    return true
