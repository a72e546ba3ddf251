"""The samples of a trajectory in k-space: points in the plane, shots in space."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from nufftlib.plots.figures import BLUE, ORANGE, Real


def draw_trajectory(
    figure: Figure, cell: SubplotSpec, k: Real, title: str, limit: float = 0.5
) -> Callable[[Real], None]:
    """Show a trajectory; return what shows another one in its place."""
    if k.shape[-1] == 3:
        return draw_space(figure.add_subplot(cell, projection="3d"), k, title, limit)
    return draw_plane(figure.add_subplot(cell), k, title, limit)


def draw_space(axes: Any, k: Real, title: str, limit: float) -> Callable[[Real], None]:
    """Show the shots of a three-dimensional trajectory as lines, one of them in another colour."""
    (lines,) = axes.plot([], [], [], color=BLUE, linewidth=0.5, alpha=0.45)
    (one,) = axes.plot([], [], [], color=ORANGE, linewidth=1.3)
    ticks = [-limit / 2, 0, limit / 2]  # at the ends two axes would write upon each other
    for axis, name in enumerate("xyz"):
        axes.set(**{f"{name}lim": (-limit, limit), f"{name}ticks": ticks})
        axes.set(**{f"{name}label": f"$k_{axis}$ [cycles/voxel]"})
        getattr(axes, f"{name}axis").pane.set(facecolor="white", edgecolor="0.7", alpha=1)
        getattr(axes, f"{name}axis").labelpad = 6
    axes.tick_params(pad=0)
    axes.set_title(title)
    axes.set_box_aspect((1, 1, 1), zoom=0.95)

    def show(k: Real) -> None:
        shots = np.array(k.reshape(-1, *k.shape[-2:]), np.float64)
        # Axes in space do not cut off what lies beyond them.
        shots[np.abs(shots).max(axis=-1) > limit] = np.nan
        gaps = np.pad(shots, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
        lines.set_data_3d(*gaps.reshape(-1, 3).T)
        one.set_data_3d(*shots[len(shots) // 2].T)

    show(k)
    return show


def draw_plane(axes: Axes, k: Real, title: str, limit: float) -> Callable[[Real], None]:
    """Show k-space points, axis 0 downwards as in the images."""
    (points,) = axes.plot(k[..., 1].ravel(), k[..., 0].ravel(), ".", color=BLUE)
    points.set(markersize=1.1 / math.sqrt(limit), markeredgewidth=0)
    edge, ticks = 1.05 * limit, [-limit, -limit / 2, 0, limit / 2, limit]
    axes.set(
        title=title,
        xlabel="$k_1$, axis 1 (columns) [cycles/voxel]",
        ylabel="$k_0$, axis 0 (rows) [cycles/voxel]",
        xlim=(-edge, edge),
        ylim=(edge, -edge),
        xticks=ticks,
        yticks=ticks,
        aspect="equal",
    )
    return lambda k: points.set_data(k[..., 1].ravel(), k[..., 0].ravel())
