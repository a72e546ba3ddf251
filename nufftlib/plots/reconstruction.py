"""Figures of a reconstruction: image, phase, coil maps, course; and its L-curve."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from nufftlib.core.run import count
from nufftlib.mri.reconstruct.curve import LCurve
from nufftlib.mri.reconstruct.job import ReconstructedImage
from nufftlib.plots.figures import draw_losses, new_figure, picture, save, scale_beside

Real = NDArray[np.floating[Any]]

FAINT = 0.1
"""Part of the brightest voxel below which a phase is not shown."""


def plane_of(x: Any) -> Any:
    """Return an image, or the middle plane across the last axis of a volume."""
    return x if x.ndim == 2 else x[..., x.shape[-1] // 2]


def mosaic(images: Any) -> Any:
    """Return images side by side, in as many columns as rows or one more."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    whole = np.zeros((rows * columns, *images.shape[1:]), images.dtype)
    whole[: len(images)] = images
    height, width = images.shape[1:]
    grid = whole.reshape(rows, columns, height, width)
    return np.moveaxis(grid, 2, 1).reshape(rows * height, columns * width)


def draw_reconstruction(result: ReconstructedImage, file: BinaryIO) -> None:
    """Draw a reconstruction.

    Parameters
    ----------
    result : ReconstructedImage
        The result, as NumPy arrays; of a volume, the middle plane is shown.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(15.0, 3.6)
    axes = figure.subplots(1, 4)
    x = plane_of(result.image)
    size, most = np.abs(x), float(np.abs(x).max()) or 1.0
    after = f", {count(result.steps)}" if result.steps else ""
    scale_beside(picture(axes[0], size, f"Magnitude{after}", Normalize(0, most)), "")
    phase = np.where(size > FAINT * most, np.angle(x), np.nan)
    turn = Normalize(-np.pi, np.pi)
    shown = picture(axes[1], phase, "Phase, where there is signal", turn, "twilight")
    scale_beside(shown, "rad")
    maps = mosaic(np.stack([np.abs(plane_of(s)) for s in result.maps]))
    title = f"Coil maps, {len(result.maps)}"
    scale_beside(picture(axes[2], maps, title, Normalize(0, 1), "magma"), "")
    if len(result.losses) > 1:
        draw_losses(axes[3], result.losses, "loss")
        axes[3].set_title("Course")
    else:
        axes[3].set_axis_off()
    save(figure, file)


def draw_l_curve(curve: LCurve, result: ReconstructedImage, file: BinaryIO) -> None:
    """Draw an L-curve, its weights beside the points.

    Parameters
    ----------
    curve : LCurve
        Residuals and penalties.
    result : ReconstructedImage
        The reconstruction whose weight is marked, and the noise.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(6.0, 4.6)
    axes = figure.subplots()
    axes.loglog(curve.residuals, curve.penalties, "-o", color="tab:blue", ms=4)
    for w, r, p in zip(curve.weights, curve.residuals, curve.penalties, strict=True):
        axes.annotate(f"{w:.2g}", (r, p), (5, 4), textcoords="offset points", fontsize=8)
    axes.plot(result.residual, result.penalty, "o", ms=10, mfc="none", color="tab:orange")
    if result.noise:
        axes.axvline(result.noise, color="0.6", lw=1, ls="--")
        axes.annotate(
            "noise",
            (result.noise, 0.02),
            (3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8,
            color="0.4",
        )
    axes.set_xlabel("residual, root mean square of A x - y")
    axes.set_ylabel("penalty without its weight")
    axes.set_title(f"Weights around {result.weight:.3g} (circle)")
    save(figure, file)
