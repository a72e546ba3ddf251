"""How densely a trajectory samples k-space."""

from __future__ import annotations

import math
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import sizes
from nufftlib.plots.figures import BLUE, Real, new_figure, plain_decades, save, scale_beside
from nufftlib.plots.kspace import check_file, shots_of

BINS, SHELLS = 64, 48
"""Most bins of a map along its longer axis, and shells of a profile."""

EACH = 8
"""Samples in a bin, on the average, of a trajectory that has few."""


def draw_density(k: Array, shape: tuple[int, ...], file: BinaryIO) -> None:
    """Draw how many samples lie in a cell of k-space: a map, and the mean by the distance.

    A cell has the size of the step 1/FOV along each axis. One sample in each is the density of the
    Cartesian grid.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with two or three axes. The map of three axes is that of
        the middle plane of the axes 0 and 1, or of the samples within two steps of it.
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

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_density
    >>> picture = io.BytesIO()  # or a file, open("density.png", "wb")
    >>> draw_density(nl.mri.trajectories.radial(32, 512), (256, 256), picture)
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    check_file("draw_density", file)
    shots, shape = sampled("draw_density", k, shape)
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    draw_map(left, shots, shape)
    draw_profile(right, shots, shape)
    save(figure, file)


def sampled(call: str, k: Array, shape: tuple[int, ...]) -> tuple[Real, tuple[int, ...]]:
    """Return the shots, and the image's shape."""
    shots, _ = shots_of(call, k, None)
    d = shots.shape[-1]
    return shots, sizes(call, "shape", shape, f"the voxels along {d} axes", counts=(d,))


def density_map(points: Real, shape: tuple[int, ...]) -> Real:
    """Return the samples in a cell of k-space, the mean over bins of some cells.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        In cycles per voxel.
    shape : tuple of int
        Voxels along the first two axes.
    """
    most = min(BINS, max(1, math.isqrt(len(points) // EACH)))
    cells = -(-max(shape[:2]) // most)
    bins = [-(-n // cells) for n in shape[:2]]
    edges = [(np.arange(b + 1) - b / 2) * cells / n for b, n in zip(bins, shape[:2], strict=True)]
    counts = np.histogram2d(points[:, 0], points[:, 1], edges)[0]
    density: Real = counts / cells**2
    return density


def draw_map(axes: Axes, shots: Real, shape: tuple[int, ...]) -> None:
    """Show the density over the axes 0 and 1."""
    points = shots.reshape(-1, shots.shape[-1])
    where = ""
    if len(shape) == 3:
        # Two steps thick each way: as many cells as the slab has.
        points = points[np.abs(points[:, 2]) * shape[2] <= 2]
        where = ", middle plane"
    density = density_map(points, shape) / (4 if len(shape) == 3 else 1)
    shown = axes.imshow(
        np.where(density > 0, density, np.nan),
        norm=LogNorm(*scale_of(density)),
        cmap="viridis",
        extent=(-0.5, 0.5, 0.5, -0.5),
        interpolation="nearest",
    )
    axes.set(
        title=f"Density{where};\nwhite: no samples",
        xlabel="$k_1$ [cycles/voxel]",
        ylabel="$k_0$ [cycles/voxel]",
        xticks=[-0.5, 0, 0.5],
        yticks=[-0.5, 0, 0.5],
    )
    scale_beside(shown, "samples per cell of 1/FOV")


def scale_of(density: Real) -> tuple[float, float]:
    """Return the ends of a logarithmic scale, of up to four decades."""
    top = float(density.max()) or 1.0
    least = float(np.min(density, where=density > 0, initial=top))
    return max(least, 1e-4 * top) * (0.9 if least == top else 1.0), top


def density_profile(points: Real, shape: tuple[int, ...]) -> tuple[Real, Real]:
    """Return distances from the centre in cycles per voxel, and the samples in a cell there."""
    d = len(shape)
    edges = np.linspace(0, 0.5, min(SHELLS, -(-min(shape) // 2)) + 1)
    counts = np.histogram(np.linalg.norm(points, axis=-1), edges)[0]
    volume = {2: np.pi, 3: 4 * np.pi / 3}[d] * np.diff(edges**d) * np.prod(shape)
    return (edges[1:] + edges[:-1]) / 2, counts / volume


def draw_profile(axes: Axes, shots: Real, shape: tuple[int, ...]) -> None:
    """Show the density by the distance from the centre."""
    radius, density = density_profile(shots.reshape(-1, shots.shape[-1]), shape)
    axes.semilogy(radius, np.where(density > 0, density, np.nan), color=BLUE)
    plain_decades(axes.yaxis)
    axes.axhline(1.0, color="0.3", linestyle="--", label="Cartesian grid")
    axes.set(
        title="Density by distance",
        xlabel="$|k|$ [cycles/voxel]",
        ylabel="samples per cell of 1/FOV",
        xlim=(0, 0.5),
    )
    axes.set_box_aspect(1)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
