"""The figure of a PSF: cuts, encircled energy and transfer functions, with their deviations."""

from __future__ import annotations

import math
import re
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.patches import Ellipse

from nufftlib.blur.measures import Curve, PSFMeasures, measure_psf
from nufftlib.blur.measures.measure import checked_psf
from nufftlib.core.arrays import Array
from nufftlib.core.noise import on_cpu
from nufftlib.plots.figures import BLUE, ORANGE, Real, new_figure, picture, save, scale_beside
from nufftlib.plots.kspace import check_file

LINES = ((BLUE, "-"), (ORANGE, "--"), ("0.25", ":"))
NAMES = ("axis 0", "axis 1", "all directions")
TRUE = "#1b9e77"
POWER = re.compile(r"e([+-]\d+)")


def draw_psf(
    psf: Array,
    file: BinaryIO,
    *,
    covariance: Array | None = None,
    ideal: Array | None = None,
    truth: Array | None = None,
    pitch: float = 1.0,
) -> None:
    """Draw a PSF, cuts through it, its encircled energy and its transfer functions.

    Cuts have error bars of two standard deviations, curves bands of 95 %.

    Parameters
    ----------
    psf : array, shape (height, width), real
        The PSF, nonnegative.
    file : binary file
        Where to write the PNG.
    covariance : array, shape (height * width, height * width), optional
        Of its pixels, row by row.
    ideal : array, real, optional
        The PSF of a perfect lens, for the Strehl ratio.
    truth : array, shape (height, width), real, optional
        The true PSF, which is drawn besides.
    pitch : float
        Size of a pixel in the unit that lengths shall have.

    Raises
    ------
    TypeError, ValueError
        As by `nufftlib.workflows.measure_psf`; also if `truth` has another shape.

    See Also
    --------
    nufftlib.workflows.measure_psf : The numbers.

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_psf
    >>> picture = io.BytesIO()  # or a file, open("psf.png", "wb")
    >>> draw_psf(nl.blur.gaussian_psf(15, 2.0), picture)
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    check_file("draw_psf", file)
    found = measure_psf(psf, covariance, ideal=ideal, pitch=pitch)
    h = np.asarray(on_cpu(psf), dtype=float)
    true = other = None
    if truth is not None:
        checked_psf("draw_psf", "truth", truth, psf)
        if truth.shape != psf.shape:
            shapes = f"truth has the shape {tuple(truth.shape)}; want {tuple(psf.shape)}"
            msg = f"draw_psf(truth): {shapes}, that of the PSF"
            raise ValueError(msg)
        true = measure_psf(truth, pitch=pitch)
        other = np.asarray(on_cpu(truth), dtype=float)
    std = None
    if covariance is not None:
        std = np.sqrt(np.diagonal(on_cpu(covariance))).reshape(h.shape)
    figure = new_figure(15.5, 4.6)
    axes = figure.subplots(1, 4)
    draw_ellipse(axes[0], h, found, pitch)
    draw_cuts(axes[1], h, std, truth=other, pitch=pitch)
    draw_energy(axes[2], found, true, pitch)
    draw_transfer(axes[3], found, true, pitch)
    save(figure, file)


def draw_ellipse(axes: Axes, h: Real, found: PSFMeasures, pitch: float) -> None:
    """Show the PSF with the ellipse of its second moments around its centroid."""
    title = "PSF and its second moments"
    if found.strehl is not None:
        title += f"\nStrehl {said(found.strehl)}"
    shown = picture(axes, h, title, PowerNorm(0.5, 0, float(h.max())), "magma")
    scale_beside(shown, "light in a pixel")
    (row, column), (major, minor) = found.centroid, found.sigmas
    axes.add_patch(
        Ellipse(
            (column.value / pitch, row.value / pitch),
            2 * major.value / pitch,
            2 * minor.value / pitch,
            angle=math.degrees(found.angle.value),
            fill=False,
            edgecolor="white",
            linewidth=1.2,
        )
    )
    axes.plot([column.value / pitch], [row.value / pitch], "+", color="white")


def draw_cuts(
    axes: Axes,
    h: Real,
    deviations: Real | None,
    *,
    truth: Real | None = None,
    pitch: float = 1.0,
) -> None:
    """Show the column and the row through the largest pixel, with two deviations."""
    i, j = divmod(int(np.argmax(h)), h.shape[1])
    for axis, at in enumerate(((slice(None), j), (i, slice(None)))):
        color, _ = LINES[axis]
        x = (np.arange(h.shape[axis]) - (i, j)[axis]) * pitch
        x = x + (axis - 0.5) * 0.16 * pitch  # beside each other
        if truth is not None:
            label = "true" if axis == 0 else None
            axes.plot(x, truth[at], "_", color=TRUE, markersize=11, label=label, zorder=1)
        bars = None if deviations is None else 2 * deviations[at]
        label = ("along axis 0", "along axis 1")[axis]
        axes.errorbar(
            x, h[at], bars, fmt="o", color=color, markersize=3, capsize=2, linewidth=1, label=label
        )
    axes.axhline(0, color="0.6", linewidth=0.8)
    note = "" if deviations is None else "\nwith two deviations"
    axes.set(
        title=f"Cuts through the peak{note}",
        xlabel=unit("distance", pitch),
        ylabel="light in a pixel",
    )
    # Above the peak, as wide PSFs leave no other place.
    axes.set_ylim(top=1.2 * axes.get_ylim()[1])
    finish(axes, legend=False)
    axes.legend(
        loc="upper center",
        ncols=3,
        frameon=False,
        fontsize="small",
        handlelength=1.0,
        handletextpad=0.3,
        columnspacing=0.8,
    )


def draw_energy(
    axes: Axes, found: PSFMeasures, true: PSFMeasures | None = None, pitch: float = 1.0
) -> None:
    """Show the encircled energy, its band, and the radii of 50 % and 80 %."""
    if true is not None:
        draw_true(axes, true.energy, label="true")
    draw_curve(axes, found.energy, BLUE, "-", "")
    for part, radius in ((0.5, found.radius50), (0.8, found.radius80)):
        axes.plot([radius.value], [part], "o", color=ORANGE, markersize=5)
        axes.annotate(
            f"{part:.0%}: {said(radius)}",
            (radius.value, part),
            xytext=(8, -12),
            textcoords="offset points",
        )
    axes.set(
        title="Encircled energy",
        xlabel=unit("radius", pitch),
        ylabel="part of the light",
        ylim=(0, 1.05),
    )
    axes.margins(x=0)
    finish(axes, legend=true is not None)


def draw_transfer(
    axes: Axes, found: PSFMeasures, true: PSFMeasures | None = None, pitch: float = 1.0
) -> None:
    """Show the modulation transfer functions and their bands."""
    curves = (*found.mtf, found.radial_mtf)
    if true is not None:
        for i, curve in enumerate((*true.mtf, true.radial_mtf)):
            draw_true(axes, curve, label=None if i else "true")
    for curve, half, (color, style), name in zip(curves, found.mtf50, LINES, NAMES, strict=True):
        label = name if math.isnan(half.value) else f"{name}: {said(half)}"
        draw_curve(axes, curve, color, style, label)
    axes.axhline(0.5, color="0.6", linewidth=0.8)
    per = "pixel" if pitch == 1 else "unit of the pitch"
    axes.set(title="MTF", xlabel=f"cycles per {per}", ylabel="MTF", ylim=(0, 1.05))
    axes.margins(x=0)
    finish(axes, "along, MTF50")


def draw_curve(axes: Axes, curve: Curve, color: str, style: str, label: str) -> None:
    """Show a curve and its band, where there is one."""
    at, values, _, low, high = (np.asarray(on_cpu(a), dtype=float) for a in curve)
    axes.plot(at, values, color=color, linestyle=style, label=label or None)
    if not np.isnan(low).all():
        axes.fill_between(at, low, high, color=color, alpha=0.25, linewidth=0)


def draw_true(axes: Axes, curve: Curve, label: str | None) -> None:
    """Show the curve of a true PSF."""
    axes.plot(on_cpu(curve.at), on_cpu(curve.values), color=TRUE, linewidth=2.5, label=label)


def said(found: Any) -> str:
    """Return a number with its deviation, in the figure's signs."""
    return POWER.sub(
        lambda found: f"$\\times10^{{{int(found[1])}}}$",
        str(found).replace("+-", "\N{PLUS-MINUS SIGN}"),
    )


def unit(name: str, pitch: float) -> str:
    """Return the label of an axis of lengths."""
    return f"{name} [pixels]" if pitch == 1 else f"{name} [unit of the pitch]"


def finish(axes: Axes, title: str | None = None, *, legend: bool = True) -> None:
    """Add grid and legend, and make the axes square."""
    axes.ticklabel_format(useMathText=True)
    axes.grid(alpha=0.25)
    axes.set_box_aspect(1)
    if legend:
        axes.legend(title=title, frameon=False, fontsize="small", title_fontsize="small")
