"""The shots of a trajectory in k-space, one of them highlighted, and its largest hole."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.patches import Ellipse

from nufftlib.core.arrays import Array, check_finite, check_real, common_namespace
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import instance, integer, wrong_kind
from nufftlib.mri.holes import Hole
from nufftlib.plots.figures import BLUE, ORANGE, Real, new_figure, save

MOST_IN_SPACE = 200
"""Shots that are drawn in three dimensions; more would only be a cloud."""

DARK = "0.15"


def draw_kspace(
    k: Array, file: BinaryIO, *, shot: int | None = None, hole: Hole | None = None
) -> None:
    """Draw the shots of a trajectory, in two or three dimensions.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with two or three axes. Axis 0 points down in two
        dimensions, as in images.
    file : binary file
        Where to write the PNG.
    shot : int, optional
        A shot to be highlighted, its first sample marked.
    hole : Hole, optional
        The result of `nufftlib.mri.largest_hole`, to be drawn.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64.
    ValueError
        If it has not two or three axes, a point is not finite, or there is no such shot.

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_kspace
    >>> k = nl.mri.trajectories.radial(32, 512)
    >>> picture = io.BytesIO()  # or a file, open("kspace.png", "wb")
    >>> draw_kspace(k, picture, shot=3, hole=nl.mri.largest_hole(k))
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    check_file("draw_kspace", file)
    shots, shot = shots_of("draw_kspace", k, shot)
    if hole is not None:
        instance("draw_kspace", "hole", hole, Hole, "a Hole or None")
    figure = new_figure(6.0, 6.0)
    axes = draw_shots(figure, figure.add_gridspec(1, 1)[0], shots, shot)
    if hole is not None:
        draw_hole(axes, hole.centre, np.full(shots.shape[-1], hole.radius))
    save(figure, file)


def check_file(call: str, file: Any) -> None:
    """Refuse what cannot be written to."""
    if not callable(getattr(file, "write", None)):
        raise wrong_kind(call, "file", file, "a binary file to write to")


def shots_of(call: str, k: Array, shot: int | None) -> tuple[Real, int | None]:
    """Return a trajectory as shots of double precision, and the one to be highlighted."""
    xp = common_namespace(f"{call}(k)", k=k)
    check_real(xp, f"{call}(k)", "k", k)
    check_finite(xp, f"{call}(k)", "k", k)
    if k.ndim < 2 or k.shape[-1] not in (2, 3):
        msg = f"{call}(k): k has the shape {tuple(k.shape)}; want (..., samples, 2 or 3)"
        raise ValueError(msg)
    shots: Real = np.asarray(fetched(k), np.float64).reshape(-1, *k.shape[-2:])
    if shot is not None:
        shot = integer(call, "shot", shot, least=0, most=len(shots) - 1)
    return shots, shot


def draw_shots(figure: Figure, place: SubplotSpec, shots: Real, shot: int | None) -> Any:
    """Show the shots as lines in new axes; return these."""
    # All of the band, and what lies beyond it.
    edge = 1.05 * max(0.5, float(np.abs(shots).max()))
    if shots.shape[-1] == 2:
        axes = figure.add_subplot(place)
        draw_plane(axes, shots, shot, edge)
    else:
        axes = figure.add_subplot(place, projection="3d")
        draw_space(axes, shots, shot, edge)
    return axes


def draw_plane(axes: Axes, shots: Real, shot: int | None, edge: float) -> None:
    """Show shots in two dimensions, axis 0 downwards as in images."""
    alpha = max(0.25, len(shots) ** -0.25)
    axes.add_collection(
        LineCollection(list(shots[..., ::-1]), colors=BLUE, linewidths=0.6, alpha=alpha)
    )
    if shot is not None:
        line = shots[shot]
        axes.plot(line[:, 1], line[:, 0], color=ORANGE, linewidth=1.6)
        axes.plot(line[0, 1], line[0, 0], "o", color=ORANGE, markersize=4)
    axes.set(
        title=title_of(shots, shot),
        xlabel="$k_1$ [cycles/voxel]",
        ylabel="$k_0$ [cycles/voxel]",
        xlim=(-edge, edge),
        ylim=(edge, -edge),
        aspect="equal",
    )
    if edge < 0.6:
        axes.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5])


def draw_space(axes: Any, shots: Real, shot: int | None, edge: float) -> None:
    """Show shots in three dimensions, as many as can be told apart, in cycles per voxel."""
    some = shots[:: -(-len(shots) // MOST_IN_SPACE)]
    for line in some:
        axes.plot(*line.T, color=BLUE, linewidth=0.7, alpha=max(0.2, len(some) ** -0.3))
    if shot is not None:
        axes.plot(*shots[shot].T, color=ORANGE, linewidth=1.8)
        axes.plot(*shots[shot, :1].T, "o", color=ORANGE, markersize=4)
    title = title_of(shots, shot)
    if len(some) < len(shots):
        title = f"{len(some)} of {title}"
    limits = (-edge, edge)
    axes.set(title=title, xlim=limits, ylim=limits, zlim=limits)
    for axis, name in enumerate("xyz"):
        getattr(axes, f"set_{name}label")(f"$k_{axis}$ [cycles/voxel]", fontsize="small")
    if edge < 0.6:
        # Not at the corner where axes meet: one would hide the other.
        axes.set(xticks=[-0.5, 0], yticks=[0, 0.5], zticks=[-0.5, 0, 0.5])
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.labelpad = -1
    axes.tick_params(pad=-1)
    axes.set_box_aspect((1, 1, 1), zoom=0.95)


def title_of(shots: Real, shot: int | None) -> str:
    """Return how many shots there are, and which one is highlighted."""
    shown = "" if shot is None else f", {shot} in orange"
    return f"{len(shots)} shot{'s' * (len(shots) != 1)}{shown}"


def draw_hole(axes: Any, centre: Real, radii: Real) -> None:
    """Show an empty ball, which in cycles per voxel may be an ellipsoid."""
    if len(centre) == 2:
        (y, x), (b, a) = centre, radii
        axes.add_patch(Ellipse((x, y), 2 * a, 2 * b, fill=False, color=DARK, linewidth=1.4))
        return
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    ball = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)])
    shell = centre[:, None, None] + radii[:, None, None] * ball
    axes.plot_wireframe(*shell, color=DARK, linewidth=0.5, rstride=2, cstride=2)
