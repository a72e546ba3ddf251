"""The figure of PSFs that vary over the field: the PSFs, their widths, and what is left."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Ellipse

from nufftlib.blur.psf_grid import grid_weights
from nufftlib.blur.psfs.made import pixels_2d
from nufftlib.core.arrays import Array, check_finite, check_real, common_namespace
from nufftlib.core.noise import on_cpu
from nufftlib.plots.figures import (
    Real,
    new_figure,
    number,
    picture,
    root_mean_square,
    save,
    scale_beside,
)
from nufftlib.plots.kspace import check_file

DECADES = 1e-3
"""The darkest value that is told from zero, in units of the brightest."""
FAINT = 0.02
"""Part of its largest value below which a pixel of a PSF does not count for its width."""
CELLS = 16
"""Cells along the longer side of the picture, in which the residual is averaged."""


def draw_field(
    psfs: Array,
    shape: int | tuple[int, int],
    file: BinaryIO,
    *,
    residual: Array | None = None,
) -> None:
    """Draw PSFs on a grid over a picture: the PSFs, their widths and directions, the residual.

    Parameters
    ----------
    psfs : array, shape (rows, columns, height, width), real
        The PSFs at the nodes of the grid, as `calibrate_field` finds them.
    shape : int or tuple of int
        Height and width of the picture.
    file : binary file
        Where to write the PNG.
    residual : array, shape (..., height, width), optional
        What the PSFs leave of the picture; its root mean square is drawn from place to place.

    Raises
    ------
    TypeError
        If an array is not of float32 or float64.
    ValueError
        If a shape does not fit, or PSFs are not finite, negative or all zero.

    Notes
    -----
    Ellipses have half axes of one standard deviation of the PSF, magnified. Pixels below 2 % of a
    PSF's largest one do not count for it, as noise in the wings would widen them all.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib import plots
    >>> psfs = np.stack([nl.blur.gaussian_psf(9, s) for s in (0.8, 1.2, 1.6, 2.0)])
    >>> plots.draw_field(np.reshape(psfs, (2, 2, 9, 9)), (64, 64), io.BytesIO())
    """
    call = "draw_field"
    height, width = pixels_2d(call, shape, "shape")
    check_file(call, file)
    h = checked(call, psfs)
    left = None if residual is None else checked_residual(call, residual)
    figure = new_figure(5.2 * (2 if left is None else 3) + 0.6, 5.0)
    axes = figure.subplots(1, 2 if left is None else 3)
    brightest = float(h.max())
    light = LogNorm(DECADES * brightest, brightest)
    shown = picture(axes[0], separated(h), "PSFs at the nodes", light, "magma")
    shown.set_cmap(colormaps["magma"].with_extremes(bad="0.85"))
    scale_beside(shown, "PSF weight", extend="min")
    draw_widths(axes[1], h, (height, width))
    if left is not None:
        local = local_rms(left)
        most = float(local.max()) or 1.0
        title = f"Residual by place,\nroot mean square of all {number(root_mean_square(left))}"
        shown = axes[2].imshow(
            local, norm=Normalize(0, most), cmap="viridis", extent=(0, width, height, 0)
        )
        axes[2].set(title=title, xlabel="column", ylabel="row")
        scale_beside(shown, "root mean square of a cell")
    save(figure, file)


def checked(call: str, psfs: Array) -> Real:
    """Return a grid of PSFs on the host; refuse what is none."""
    caller = f"{call}(psfs)"
    xp = common_namespace(caller, psfs=psfs)
    check_real(xp, caller, "psfs", psfs)
    if psfs.ndim != 4 or 0 in psfs.shape:
        msg = (
            f"{caller}: psfs has the shape {tuple(psfs.shape)}; want (rows, columns, height, "
            f"width), none of them 0"
        )
        raise ValueError(msg)
    check_finite(xp, caller, "psfs", psfs)
    h: Real = on_cpu(psfs).astype(np.float64)
    if h.min() < 0 or not h.any(axis=(-2, -1)).all():
        msg = f"{caller}: psfs runs from {h.min():g} to {h.max():g}; want 0 or more, and light"
        raise ValueError(msg)
    return h


def checked_residual(call: str, residual: Array) -> Real:
    """Return a residual on the host, shape (planes, height, width)."""
    caller = f"{call}(residual)"
    check_real(common_namespace(caller, residual=residual), caller, "residual", residual)
    if residual.ndim < 2 or 0 in residual.shape:
        msg = f"{caller}: residual has the shape {tuple(residual.shape)}; want (..., height, width)"
        raise ValueError(msg)
    values: Real = on_cpu(residual).astype(np.float64)
    return values.reshape(-1, *values.shape[-2:])


def separated(h: Real) -> Real:
    """Return PSFs side by side with a line of NaN between them; zeros become a little light."""
    rows, columns, height, width = h.shape
    floor = 0.1 * DECADES * h.max()
    tiles = np.full((rows, columns, height + 1, width + 1), np.nan)
    tiles[:, :, :-1, :-1] = h.clip(floor)
    whole: Real = np.moveaxis(tiles, 2, 1).reshape(rows * (height + 1), columns * (width + 1))
    return whole[:-1, :-1]


# M = sum_q h (q - m) (q - m)^T of the bright pixels; its eigenvalues are the variances
def moments(h: Real) -> Any:
    """Return the covariance matrix of each PSF's light, shape (rows, columns, 2, 2)."""
    light = np.where(h >= FAINT * h.max(axis=(-2, -1), keepdims=True), h, 0.0)
    light = light / light.sum(axis=(-2, -1), keepdims=True)
    q = np.stack(np.meshgrid(*(np.arange(float(n)) for n in h.shape[-2:]), indexing="ij"))
    mean = np.einsum("rcpq,apq->rca", light, q)
    second = np.einsum("rcpq,apq,bpq->rcab", light, q, q)
    return second - mean[..., :, None] * mean[..., None, :]


def draw_widths(axes: Axes, h: Real, shape: tuple[int, int]) -> None:
    """Draw the width over the field, and an ellipse at each node."""
    rows, columns = h.shape[:2]
    M = moments(h)
    widths = np.sqrt(np.trace(M, axis1=-2, axis2=-1) / 2)
    fine = min(shape[0], 128), min(shape[1], 128)
    over = np.tensordot(widths.ravel(), grid_weights((rows, columns), fine, dtype=np.float64), 1)
    height, width = shape
    shown = axes.imshow(
        over, cmap="viridis", norm=Normalize(0, float(widths.max()) or 1.0),
        extent=(0, width, height, 0),
    )  # fmt: skip
    scale_beside(shown, "standard deviation [pixels]")
    spacing = min(height / max(rows - 1, 1), width / max(columns - 1, 1))
    variances, vectors = np.linalg.eigh(M)
    longest = float(np.sqrt(variances.max())) or 1.0
    magnified = 0.38 * spacing / longest
    for r, c in np.ndindex(rows, columns):
        place = [(n - 1) / 2 if m == 1 else i * (n - 1) / (m - 1) for i, m, n in
                 ((c, columns, width), (r, rows, height))]  # fmt: skip
        short, long = magnified * np.sqrt(variances[r, c].clip(0))
        down, along = vectors[r, c, :, 1]  # rows run downwards, as the axis does
        angle = float(np.degrees(np.arctan2(down, along)))
        axes.add_patch(
            Ellipse(
                (place[0], place[1]), 2 * long, 2 * short, angle=angle,
                fill=False, edgecolor="white", linewidth=1.3, clip_on=False,
            )
        )  # fmt: skip
        axes.plot(*place, ".", color="white", markersize=3, clip_on=False)
    margin = 0.42 * spacing
    axes.set_facecolor("0.3")
    axes.set(
        title=f"Width; ellipses of one standard\ndeviation, magnified {magnified:.2g} times",
        xlabel="column", ylabel="row",
        xlim=(-margin, width + margin), ylim=(height + margin, -margin),
    )  # fmt: skip


def local_rms(left: Real) -> Real:
    """Return the root mean square of a residual, in cells of the picture."""
    height, width = left.shape[-2:]
    side = max(height, width) / CELLS
    counts = [max(round(n / side), 1) for n in (height, width)]
    square = np.mean(left**2, axis=0)
    for axis, (n, m) in enumerate(zip((height, width), counts, strict=True)):
        edges = np.linspace(0, n, min(m, n) + 1).astype(int)
        square = np.add.reduceat(square, edges[:-1], axis=axis)
        sizes = np.diff(edges).astype(float)
        square = square / (sizes[:, None] if axis == 0 else sizes)
    rms: Real = np.sqrt(square)
    return rms
