"""The point-spread function of a trajectory."""

from __future__ import annotations

import math
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from nufftlib.core.arrays import Array
from nufftlib.mri.spread import FINE, PointSpread, point_spread
from nufftlib.plots.density import sampled
from nufftlib.plots.figures import BLUE, ORANGE, Real, new_figure, save, scale_beside
from nufftlib.plots.kspace import check_file

FLOOR = -60.0
"""Decibels of what is shown as nothing."""

HEAD = 16.0
"""Decibels that the sections leave free above them, for the legend."""

REACH = 12.0
"""Voxels of a section to each side."""

LINES = ((BLUE, "-"), (ORANGE, "--"), ("0.15", ":"))


def draw_point_spread(k: Array, shape: tuple[int, ...], file: BinaryIO) -> None:
    """Draw the point-spread function of a trajectory in decibels, and its sections.

    The density weights are those of `nufftlib.mri.pipe_menon`.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with two or three axes. Of three the picture has the
        middle plane of the axes 0 and 1.
    shape : tuple of int
        Voxels of the image along each axis.
    file : binary file
        Where to write the PNG.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or a size no integer.
    ValueError
        If the shape does not fit the trajectory, or a point is not finite.

    See Also
    --------
    nufftlib.mri.point_spread : The numbers.

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_point_spread
    >>> picture = io.BytesIO()  # or a file, open("psf.png", "wb")
    >>> draw_point_spread(nl.mri.trajectories.radial(32, 128), (64, 64), picture)
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    check_file("draw_point_spread", file)
    _, shape = sampled("draw_point_spread", k, shape)
    spread = point_spread(k, shape)
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    draw_spread(left, spread)
    draw_sections(right, spread)
    save(figure, file)


def decibels(magnitude: Real) -> Real:
    """Return 20 log10, cut off well below what is shown."""
    found: Real = 20 * np.log10(np.maximum(magnitude, 10 ** (2 * FLOOR / 20)))
    return found


def draw_spread(axes: Axes, spread: PointSpread) -> None:
    """Show the magnitude over the axes 0 and 1."""
    values = spread.values
    if values.ndim == 3:
        values = values[..., values.shape[2] // 2]
    # Pixels are half a voxel, and the index n // 2 is at zero.
    top, left = (-(n // 2 + 0.5) / FINE for n in values.shape)
    bottom, right = (top + values.shape[0] / FINE, left + values.shape[1] / FINE)
    shown = axes.imshow(
        decibels(values),
        norm=Normalize(FLOOR, 0),
        cmap="magma",
        extent=(left, right, bottom, top),
        interpolation="antialiased",
    )
    plane = ", middle plane" if spread.values.ndim == 3 else ""
    axes.set(title=f"Point spread{plane}", xlabel="axis 1 [voxels]", ylabel="axis 0 [voxels]")
    scale_beside(shown, "dB", extend="min")


def draw_sections(axes: Axes, spread: PointSpread) -> None:
    """Show the magnitude along the axes, and how wide it is."""
    for axis, ((x, values), width) in enumerate(zip(spread.sections, spread.widths, strict=True)):
        color, style = LINES[axis]
        label = f"{axis}: {width:.2f}"
        axes.plot(x, decibels(values), color=color, linestyle=style, label=label)
    reach = min(REACH, *(-float(x[0]) for x, _ in spread.sections))
    axes.axhline(20 * math.log10(0.5), color="0.6", linewidth=0.8)
    side = decibels(np.asarray(spread.sidelobe))
    axes.set(
        title=f"Sections; sidelobe {side:.1f} dB",
        xlabel="position [voxels]",
        ylabel="dB",
        xlim=(-reach, reach),
        ylim=(FLOOR, HEAD),
        yticks=range(int(FLOOR), 1, 20),
    )
    axes.grid(alpha=0.25)
    axes.set_box_aspect(1)
    axes.legend(
        title="FWHM along axis [voxels]",
        loc="upper center",
        ncols=len(LINES),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=0.7,
        borderpad=0.1,
    )
