"""Figures of the two jobs, drawn from NumPy arrays without any global state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from nufftlib.blur.calibrate.calibrate import CalibratedPSF
from nufftlib.blur.calibrate.objective import fitting
from nufftlib.blur.operator import Blur
from nufftlib.core.run import count
from nufftlib.mri.learn.learn import LearnedTrajectory

Real = NDArray[np.floating[Any]]

DPI = 130
BLUE, ORANGE = "#0b5fa5", "#d95f02"
METHODS: dict[str, tuple[str, str]] = {
    "projected-gradient": ("Projected gradient", "half squared error per sample"),
    "adam": ("Adam", "half squared error per sample"),
    "adamw": ("AdamW", "mean absolute error"),
    "backtracking": ("Backtracking", "half squared error per sample"),
    "accelerated": ("Accelerated", "half squared error per sample"),
    "spectral": ("Spectral gradient", "half squared error per sample"),
}
"""Name and loss of each method, for people."""


class Frame(NamedTuple):
    """A moment of the learning.

    Attributes
    ----------
    step : int
        Steps done so far.
    trajectory : ndarray, shape (shots, samples, 2)
        Trajectory then.
    reconstruction : ndarray, shape (height, width)
        Reconstruction with it.
    """

    step: int
    trajectory: Real
    reconstruction: Real


class Fit(NamedTuple):
    """A calibration, and what to compare it with.

    Attributes
    ----------
    method : str
        Name of the method.
    result : CalibratedPSF
        What it found.
    error : float or None
        Relative l2 error of the PSF, where the true one is known.
    floor : float or None
        The method's loss at the true PSF.
    """

    method: str
    result: CalibratedPSF
    error: float | None
    floor: float | None


class Pair(NamedTuple):
    """What a PSF was calibrated with.

    Attributes
    ----------
    sharp, blurred : ndarray, shape (channels, height, width)
        The two pictures; the first ones of several pairs.
    boundary : str
        Boundary of the blur.
    truth : ndarray, shape (height, width), or None
        The true PSF, where it is known.
    deviations : ndarray, shape (components,), or None
        What the noise does to each component of the PSF, relative to the PSF's norm.
    pairs : int
        How many pairs there are.
    """

    sharp: Real
    blurred: Real
    boundary: str
    truth: Real | None
    deviations: Real | None
    pairs: int = 1


def draw_learning(image: Real, learned: LearnedTrajectory, file: BinaryIO) -> None:
    """Draw a learned trajectory: before, after, and the loss.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        The image that was sampled.
    learned : LearnedTrajectory
        The result.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(16.0, 7.6)
    top, bottom = figure.subplots(2, 4)
    white = float(image.max())
    start, end = "at the start", after(learned)
    first, best = learned.reconstruction_start, learned.reconstruction
    picture(top[0], image, "Image", Normalize(0, white))
    picture(top[1], first, f"Reconstruction {start}", Normalize(0, white))
    shown = picture(top[2], best, f"Reconstruction {end}", Normalize(0, white))
    scale_beside(top[2], shown, "relative signal, one scale for all three", extend="max")
    error = best - image
    # The few largest errors would hide all others.
    limit = float(np.quantile(np.abs(error), 0.999)) or 1.0
    shown = picture(top[3], error, f"Error {end}", Normalize(-limit, limit), "RdBu_r")
    scale_beside(top[3], shown, "difference", extend="both")
    draw_losses(bottom[0], learned.losses, "mean squared error")
    mark_best(bottom[0], learned)
    bottom[0].set_title("Loss, its best marked")
    bottom[0].set_box_aspect(1)
    draw_trajectory(bottom[1], learned.trajectory_start, f"Trajectory {start}")
    draw_trajectory(bottom[2], learned.trajectory, f"Trajectory {end}")
    draw_trajectory(bottom[3], learned.trajectory, "Learned trajectory, centre", 0.1)
    save(figure, file)


def animate_learning(frames: Sequence[Frame], losses: Sequence[float], file: BinaryIO) -> None:
    """Animate the trajectory, the reconstruction and the loss.

    Parameters
    ----------
    frames : sequence of Frame
        The moments to show, in order; the last is the best.
    losses : sequence of float
        All losses.
    file : binary file
        Where to write the GIF.
    """
    figure = new_figure(11.5, 4.2, dpi=90)
    left, middle, right = figure.subplots(1, 3)
    points = draw_trajectory(left, frames[0].trajectory, "Trajectory")
    # One grey scale for all frames, that of the best: it is the closest to the image.
    white = float(frames[-1].reconstruction.max())
    shown = picture(middle, frames[0].reconstruction, "Reconstruction", Normalize(0, white))
    draw_losses(right, losses, "mean squared error", color="0.8")
    right.set_title("Loss")
    right.set_box_aspect(1)
    (past,) = right.plot([], [], color=BLUE)
    (now,) = right.plot([], [], "o", color=ORANGE)
    caption = figure.suptitle(step_caption(frames[-1].step, losses))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call] # matplotlib's gap
    figure.set_layout_engine("none")  # nothing moves between the frames
    palette = gif_palette()
    images = []
    for frame in frames:
        caption.set_text(step_caption(frame.step, losses))
        points.set_data(frame.trajectory[..., 1].ravel(), frame.trajectory[..., 0].ravel())
        shown.set_data(frame.reconstruction)
        past.set_data(range(frame.step + 1), losses[: frame.step + 1])
        now.set_data([frame.step], [losses[frame.step]])
        canvas.draw()  # type: ignore[no-untyped-call] # matplotlib's gap
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call] # same gap
        image = Image.fromarray(pixels).convert("RGB")
        images.append(image.quantize(palette=palette, dither=Image.Dither.NONE))
    images[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=[800, *(120 for _ in images[1:-1]), 2500][-len(images) :],
        loop=0,
    )


def draw_calibration(pair: Pair, fits: Sequence[Fit], file: BinaryIO) -> None:
    """Draw calibrated PSFs: the pictures, and a row for each method.

    Parameters
    ----------
    pair : Pair
        The pictures, and the true PSF where it is known.
    fits : sequence of Fit
        The methods' results.
    file : binary file
        Where to write the PNG.
    """
    known = pair.truth is not None
    columns, rows = 5 if known else 4, 1 + len(fits)
    figure = new_figure(3.5 * columns, 3.4 * rows)
    grid = figure.add_gridspec(rows, columns)
    # The square root shows the faint box of the start beside the peaks of the truth.
    brightest = pair.truth if pair.truth is not None else fits[-1].result.psf
    values = PowerNorm(0.5, 0, float(brightest.max()))
    top = [figure.add_subplot(grid[0, column]) for column in range(columns)]
    draw_pair(top[0], top[1], pair)
    if pair.truth is not None:
        picture(top[2], pair.truth, "True PSF", values, "magma")
    start = picture(top[-2], fits[0].result.psf_start, "PSF at the start", values, "magma")
    scale_beside(top[-2], start, "PSF weight, one scale for all", extend="max")
    draw_deviations(top[-1], pair.deviations)

    differences = [fit.result.psf - pair.truth for fit in fits] if pair.truth is not None else []
    limit = max((float(np.abs(d).max()) for d in differences), default=0.0) or 1.0
    residuals = [residual(pair, fit.result.psf) for fit in fits]
    # The few largest would hide all others; one scale for all, so that rows can be compared.
    noise = max(float(np.quantile(np.abs(r), 0.99)) for r in residuals) or 1.0
    for row, fit in enumerate(fits, start=1):
        axes = [figure.add_subplot(grid[row, column]) for column in range(columns)]
        name, loss = METHODS[fit.method]
        picture(axes[0], fit.result.psf, f"{name}:\nPSF {after(fit.result)}", values, "magma")
        if fit.error is not None:
            title = f"Minus the true PSF:\nrelative error {fit.error:.1%}"
            norm = Normalize(-limit, limit)
            shown = picture(axes[1], differences[row - 1], title, norm, "RdBu_r")
            scale_beside(axes[1], shown, "difference")
        left = residuals[row - 1]
        title = f"Residual, mean of the channels:\nroot mean square {root_mean_square(left):.3g}"
        place = columns - 3
        shown = picture(axes[place], left.mean(axis=0), title, Normalize(-noise, noise), "RdBu_r")
        scale_beside(axes[place], shown, "blurred sharp - blurred", extend="both")
        draw_fit(axes[place + 1], fit, loss)
        draw_errors(axes[place + 2], fit)
    save(figure, file)


def draw_pair(left: Axes, right: Axes, pair: Pair) -> None:
    """Show the sharp and the blurred picture to one scale."""
    which = f", the first of {pair.pairs} pairs" if pair.pairs > 1 else ""
    picture(left, colours(pair.sharp), f"Sharp{which}", Normalize(0, 1))
    (height, width), (rows, columns) = pair.blurred.shape[-2:], pair.sharp.shape[-2:]
    title = "Blurred" if (height, width) == (rows, columns) else "Blurred, with noise: valid part"
    shown = picture(right, colours(pair.blurred), title, Normalize(0, 1))
    # On the grid of the sharp one, which it leaves a margin of.
    top, side = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    shown.set_extent((side, side + width, top + height, top))
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim())


def draw_deviations(axes: Axes, deviations: Real | None) -> None:
    """Show how well each component of the PSF is known."""
    if deviations is None or not np.any(deviations > 0):  # a logarithm of nothing
        axes.set_axis_off()
        return
    axes.semilogy(np.arange(1, len(deviations) + 1), 100 * deviations, color=BLUE)
    axes.axhline(1.0, color="0.3", linestyle="--")
    axes.set(title="Noise of the PSF's components", xlabel="component", ylabel="% of its norm")
    axes.grid(which="both", alpha=0.25)
    axes.set_box_aspect(1)


def draw_fit(axes: Axes, fit: Fit, label: str) -> None:
    """Show the losses of a method, with that of the true PSF."""
    draw_losses(axes, fit.result.losses, label)
    axes.set_title("Loss", loc="left")
    if fit.floor is not None:
        axes.axhline(fit.floor, color="0.3", linestyle="--", label="true PSF (noise)")
    mark_best(axes, fit.result)
    # Above the axes: within them it might hide the curve.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderpad=0.1)


def draw_errors(axes: Axes, fit: Fit) -> None:
    """Show how far the PSF is from the true one, which the loss does not."""
    if not fit.result.errors:
        axes.set_axis_off()
        return
    draw_losses(axes, fit.result.errors, "relative error of the PSF")
    axes.set_title("PSF error")
    best = fit.result.step_best
    axes.plot([best], [fit.result.errors[best]], "o", color=ORANGE)


def residual(pair: Pair, psf: Real) -> Real:
    """Return what a PSF leaves of the blurred picture, ``A(h) x - y``."""
    blur = Blur(psf, boundary=pair.boundary)
    found: Real = blur(pair.sharp) - fitting(blur, pair.sharp, pair.blurred)
    return found


def root_mean_square(values: Real) -> float:
    """Return ``sqrt(mean(values^2))``."""
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def new_figure(width: float, height: float, dpi: int = DPI) -> Figure:
    """Return a figure of so many inches that lays itself out."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width, height), dpi=dpi, layout=layout)


def save(figure: Figure, file: BinaryIO) -> None:
    """Write a PNG."""
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi="figure")


def picture(axes: Axes, values: Real, title: str, norm: Normalize, cmap: str = "gray") -> AxesImage:
    """Show an image without ticks."""
    shown = axes.imshow(values, cmap=cmap, norm=norm, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()
    return shown


def scale_beside(axes: Axes, shown: AxesImage, label: str, *, extend: str = "neither") -> None:
    """Put the colour bar of an image beside it, as high as the image."""
    assert axes.figure is not None
    bar = axes.inset_axes((1.03, 0.0, 0.05, 1.0))
    axes.figure.colorbar(shown, cax=bar, extend=extend, label=label)


def colours(image: Real) -> Real:
    """Bring (channels, height, width) to what imshow wants."""
    shown = np.clip(image, 0, 1)
    return shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)


def draw_trajectory(axes: Axes, k: Real, title: str, limit: float = 0.5) -> Line2D:
    """Show k-space points, axis 0 downwards as in the images."""
    (points,) = axes.plot(k[..., 1].ravel(), k[..., 0].ravel(), ".", color=BLUE)
    points.set(markersize=1.1 / math.sqrt(limit), markeredgewidth=0)
    edge, ticks = 1.05 * limit, [-limit, -limit / 2, 0, limit / 2, limit]
    axes.set(
        title=title,
        xlabel="$k_x$, axis 1 (columns) [cycles/voxel]",
        ylabel="$k_y$, axis 0 (rows) [cycles/voxel]",
        xlim=(-edge, edge),
        ylim=(edge, -edge),
        xticks=ticks,
        yticks=ticks,
        aspect="equal",
    )
    return points


def draw_losses(axes: Axes, losses: Sequence[float], label: str, color: str = BLUE) -> None:
    """Show losses by step on a logarithmic scale."""
    axes.semilogy(losses, color=color, marker="." if len(losses) < 20 else "")
    axes.set(xlabel="step", ylabel=label)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="both", alpha=0.25)


def mark_best(axes: Axes, result: LearnedTrajectory | CalibratedPSF) -> None:
    """Put a dot on the loss of what is shown."""
    best = result.step_best
    axes.plot([best], [result.losses[best]], "o", color=ORANGE, label=f"best, after {count(best)}")


def step_caption(step: int, losses: Sequence[float]) -> str:
    """Say where the learning is."""
    best = ", the best" if step == losses.index(min(losses)) else ""
    return f"Step {step} of {len(losses) - 1}{best}: loss {losses[step]:.3g}"


def gif_palette() -> Image.Image:
    """Return one palette for all frames, so that no colour flickers: greys and both inks."""
    # Pillow looks colours up to 4 levels of 256: other tints so near to white would replace it.
    near = 0.04
    tints = [np.ones((1, 3))]
    for ink, number in (("black", 159), (BLUE, 48), (ORANGE, 48)):
        strength = np.linspace(near, 1, number)[:, None]
        tints.append(1 - strength * (1 - np.asarray(to_rgb(ink))))
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * np.concatenate(tints)).astype(np.uint8).tobytes())
    return palette


def after(result: LearnedTrajectory | CalibratedPSF) -> str:
    """Say after how many steps the result was found, and of how many if not the last."""
    if result.step_best == result.steps:
        return f"after {count(result.steps)}"
    return f"after {result.step_best} of {count(result.steps)}"
