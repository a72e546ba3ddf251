"""One figure of a trajectory: k-space, density, point spread, and what its scanner has to play."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import instance, integer
from nufftlib.mri.holes import Hole, largest_hole
from nufftlib.mri.scanner import Protocol
from nufftlib.mri.scanner.waveforms import checked
from nufftlib.mri.spread import PointSpread, point_spread
from nufftlib.plots.density import draw_map, draw_profile, sampled
from nufftlib.plots.figures import Real, new_figure, save
from nufftlib.plots.kspace import check_file, draw_hole, draw_shots
from nufftlib.plots.point_spread import LINES, draw_sections, draw_spread
from nufftlib.plots.waveforms import draw_limits

WIDTH, HEIGHT, DPI = 7.0, 10.4, 150
"""Inches of a page, upright as a phone is held, and dots in each."""


def draw_overview(
    k: Array,
    shape: tuple[int, ...],
    file: BinaryIO,
    *,
    protocol: Protocol | None = None,
    shot: int = 0,
    hole: Hole | None = None,
    spread: PointSpread | None = None,
) -> None:
    """Draw a trajectory on one page.

    It has the shots with the largest hole, the density, the point-spread function with its
    sections, and with a protocol the gradients and slew rates, without one the coordinates of a
    shot.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with two or three axes.
    shape : tuple of int
        Voxels of the image along each axis.
    file : binary file
        Where to write the PNG.
    protocol : Protocol, optional
        The limits.
    shot : int
        The shot to be highlighted.
    hole : Hole, optional
        The result of `nufftlib.mri.largest_hole` for ``k * shape``, if it is there already.
    spread : PointSpread, optional
        The result of `nufftlib.mri.point_spread`, likewise.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If the shape or the protocol does not fit the trajectory, a point is not finite, or there
        is no such shot.

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_overview
    >>> picture = io.BytesIO()  # or a file, open("radial.png", "wb")
    >>> draw_overview(nl.mri.trajectories.radial(32, 128), (64, 64), picture)
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    call = "draw_overview"
    check_file(call, file)
    shots, shape = sampled(call, k, shape)
    shot = integer(call, "shot", shot, least=0, most=len(shots) - 1)
    if protocol is not None:
        checked(f"{call}(k, protocol)", k, protocol)
    if hole is None:
        hole = largest_hole(shots * np.asarray(shape))
    instance(call, "hole", hole, Hole, "a Hole or None")
    if spread is None:
        spread = point_spread(k, shape)
    instance(call, "spread", spread, PointSpread, "a PointSpread or None")

    figure = new_figure(WIDTH, HEIGHT, dpi=DPI)
    grid = figure.add_gridspec(4, 2, height_ratios=(1.6, 1.6, 1, 1))
    kspace = draw_shots(figure, grid[0, 0], shots, shot)
    draw_hole(kspace, hole.centre / np.asarray(shape), hole.radius / np.asarray(shape))
    kspace.set_title(f"{kspace.get_title()}\nhole (black): radius {hole.radius:.3g}/FOV")
    density = draw_map if shots.shape[-1] == 2 else draw_profile
    density(figure.add_subplot(grid[0, 1]), shots, shape)
    draw_spread(figure.add_subplot(grid[1, 0]), spread)
    draw_sections(figure.add_subplot(grid[1, 1]), spread)
    if protocol is None:
        draw_coordinates(figure.add_subplot(grid[2:, :]), shots[shot], shot)
    else:
        upper, lower = figure.add_subplot(grid[2, :]), figure.add_subplot(grid[3, :])
        draw_limits(upper, lower, shots, protocol, shot)
    save(figure, file)


def draw_coordinates(axes: Axes, line: Real, shot: int) -> None:
    """Show the coordinates of a shot by its samples."""
    for axis, (color, style) in zip(range(line.shape[-1]), LINES, strict=False):
        axes.plot(line[:, axis], color=color, linestyle=style, label=f"$k_{axis}$")
    axes.set(title=f"Shot {shot}", xlabel="sample", ylabel="cycles/voxel")
    axes.margins(x=0.02)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, ncols=3)
