"""Figures of the two jobs, drawn from NumPy arrays without any global state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize, PowerNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from nufftlib.blur.calibrate.calibrate import CalibratedPSF
from nufftlib.blur.calibrate.objective import fitting
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.blur.operator import Blur
from nufftlib.core.run import count
from nufftlib.mri.learn.learn import LearnedTrajectory

Real = NDArray[np.floating[Any]]

DPI = 130
BLUE, ORANGE = "#0b5fa5", "#d95f02"


class Frame(NamedTuple):
    """A moment of the learning.

    Attributes
    ----------
    step : int
        Steps done so far.
    trajectory : ndarray, shape (shots, samples, 2 or 3)
        Trajectory then.
    reconstruction : ndarray, shape (height, width) or (height, width, depth)
        Reconstruction with it.
    """

    step: int
    trajectory: Real
    reconstruction: Real


class Fit(NamedTuple):
    """A calibration, and its distance from the truth.

    Attributes
    ----------
    method : str
        Name of the method.
    result : CalibratedPSF
        The result of the method.
    error : float or None
        Relative l2 error of the PSF, where the true one is known.
    floor : float or None
        The method's loss at the true PSF.
    """

    method: Method
    result: CalibratedPSF
    error: float | None
    floor: float | None


class Pair(NamedTuple):
    """The pictures that a PSF was calibrated with.

    Attributes
    ----------
    sharp, blurred : ndarray, shape (channels, height, width)
        The two pictures; the first ones of several pairs.
    boundary : str
        Boundary of the blur.
    truth : ndarray, shape (height, width), or None
        The true PSF, where it is known.
    deviations : ndarray, shape (components,), or None
        Standard deviation that the noise gives each component of the PSF, relative to the
        PSF's norm.
    pairs : int
        Number of pairs.
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
    image : ndarray, shape (height, width) or (height, width, depth)
        The image that was sampled; of a volume, its three middle planes are shown.
    learned : LearnedTrajectory
        The result.
    file : binary file
        Where to write the PNG.
    """
    rows = len(planes(image))
    figure = new_figure(16.0, 3.8 * (rows + 1))
    grid = figure.add_gridspec(rows + 1, 4)
    start, end = "at the start", after(learned)
    error = learned.reconstruction - image
    # The few largest errors would hide all others.
    limit = float(np.quantile(np.abs(error), 0.999)) or 1.0
    signal, difference = Normalize(0, float(image.max())), Normalize(-limit, limit)
    columns: list[tuple[str, Real, Normalize, str]] = [
        ("Image", image, signal, "gray"),
        (f"Reconstruction {start}", learned.reconstruction_start, signal, "gray"),
        (f"Reconstruction {end}", learned.reconstruction, signal, "gray"),
        (f"Error {end}", error, difference, "RdBu_r"),
    ]
    for column, (title, values, norm, cmap) in enumerate(columns):
        cells = [grid[row, column] for row in range(rows)]
        shown = draw_planes(figure, cells, values, title, norm, cmap, named=column == 0)
        if column == 2:
            scale_beside(shown[0], "relative signal, one scale for all three", extend="max")
        if column == 3:
            scale_beside(shown[0], "difference", extend="both")
    loss = figure.add_subplot(grid[rows, 0])
    draw_losses(loss, learned.losses, "loss")
    mark_best(loss, learned)
    loss.set_title("Loss, its best marked")
    loss.set_box_aspect(1)
    draw_trajectory(figure, grid[rows, 1], learned.trajectory_start, f"Trajectory {start}")
    draw_trajectory(figure, grid[rows, 2], learned.trajectory, f"Trajectory {end}")
    draw_trajectory(figure, grid[rows, 3], learned.trajectory, "Learned trajectory, centre", 0.1)
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
    grid = figure.add_gridspec(1, 3)
    move = draw_trajectory(figure, grid[0], frames[0].trajectory, "Trajectory")
    # All frames have the grey scale of the best one, which is the closest to the image.
    white = Normalize(0, float(frames[-1].reconstruction.max()))
    first = frames[0].reconstruction
    inner = grid[1].subgridspec(2, 2)
    cells = [grid[1]] if first.ndim == 2 else [inner[i] for i in range(3)]
    shown = draw_planes(figure, cells, first, "Reconstruction", white)
    right = figure.add_subplot(grid[2])
    draw_losses(right, losses, "loss", color="0.8")
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
        move(frame.trajectory)
        for part, plane in zip(shown, planes(frame.reconstruction), strict=True):
            part.set_data(plane.values)
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
    columns, rows = 4 if pair.truth is None else 5, 1 + len(fits)
    figure = new_figure(3.5 * columns, 3.4 * rows)
    grid = figure.add_gridspec(rows, columns)
    top, *below = (
        [figure.add_subplot(grid[row, column]) for column in range(columns)] for row in range(rows)
    )
    residuals = [residual_of(pair, fit.result.psf) for fit in fits]
    scales = scales_of(pair, fits, residuals)
    draw_problem(top, pair, fits[0].result.psf_start, scales)
    for axes, fit, residual in zip(below, fits, residuals, strict=True):
        draw_method(axes, pair, fit, residual, scales)
    save(figure, file)


class Scales(NamedTuple):
    """The colour scales of all rows, so that rows can be compared.

    Attributes
    ----------
    psf : Normalize
        Of the PSFs. The square root shows the faint box of the start beside the peaks of the
        truth.
    difference : Normalize
        Of the differences from the true PSF.
    residual : Normalize
        Of the residuals. The few largest would hide all others: they are off the scale.
    """

    psf: Normalize
    difference: Normalize
    residual: Normalize


def scales_of(pair: Pair, fits: Sequence[Fit], residuals: Sequence[Real]) -> Scales:
    """Return the scales that fit all methods."""
    truth = pair.truth
    brightest = fits[-1].result.psf if truth is None else truth
    differences = [] if truth is None else [fit.result.psf - truth for fit in fits]
    limit = max((float(np.abs(d).max()) for d in differences), default=0.0) or 1.0
    noise = max(float(np.quantile(np.abs(r), 0.99)) for r in residuals) or 1.0
    return Scales(
        PowerNorm(0.5, 0, float(brightest.max())),
        Normalize(-limit, limit),
        Normalize(-noise, noise),
    )


def draw_problem(axes: Sequence[Axes], pair: Pair, start: Real, scales: Scales) -> None:
    """Draw the first row: pictures, the true PSF and the start, and the uncertainty."""
    draw_pair(axes[0], axes[1], pair)
    if pair.truth is not None:
        picture(axes[2], pair.truth, "True PSF", scales.psf, "magma")
    shown = picture(axes[-2], start, "PSF at the start", scales.psf, "magma")
    scale_beside(shown, "PSF weight, one scale for all", extend="max")
    draw_deviations(axes[-1], pair.deviations)


def draw_method(axes: Sequence[Axes], pair: Pair, fit: Fit, residual: Real, scales: Scales) -> None:
    """Draw the row of a method: PSF, difference, residual, losses and errors."""
    recipe, psf = RECIPES[fit.method], fit.result.psf
    picture(axes[0], psf, f"{recipe.title}:\nPSF {after(fit.result)}", scales.psf, "magma")
    if pair.truth is not None and fit.error is not None:
        title = f"Minus the true PSF:\nrelative error {fit.error:.1%}"
        shown = picture(axes[1], psf - pair.truth, title, scales.difference, "RdBu_r")
        scale_beside(shown, "difference")
    title = f"Residual, mean of the channels:\nroot mean square {root_mean_square(residual):.3g}"
    shown = picture(axes[-3], residual.mean(axis=0), title, scales.residual, "RdBu_r")
    scale_beside(shown, "blurred sharp - blurred", extend="both")
    draw_fit(axes[-2], fit, recipe.loss_title)
    draw_errors(axes[-1], fit)


def draw_pair(left: Axes, right: Axes, pair: Pair) -> None:
    """Show the sharp and the blurred picture to one scale, the sharp one's range."""
    which = f", the first of {pair.pairs} pairs" if pair.pairs > 1 else ""
    scale = float(pair.sharp.min()), float(pair.sharp.max())
    picture(left, colours(pair.sharp, *scale), f"Sharp{which}", Normalize(0, 1))
    (height, width), (rows, columns) = pair.blurred.shape[-2:], pair.sharp.shape[-2:]
    title = "Blurred" if (height, width) == (rows, columns) else "Blurred, with noise: valid part"
    shown = picture(right, colours(pair.blurred, *scale), title, Normalize(0, 1))
    # On the grid of the sharp one, of which it leaves a margin.
    top, side = (rows - height) / 2 - 0.5, (columns - width) / 2 - 0.5
    shown.set_extent((side, side + width, top + height, top))
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim())


def draw_deviations(axes: Axes, deviations: Real | None) -> None:
    """Show how well each component of the PSF is known."""
    if deviations is None or not np.any((deviations > 0) & np.isfinite(deviations)):
        axes.set_axis_off()
        return
    axes.semilogy(np.arange(1, len(deviations) + 1), 100 * deviations, color=BLUE)
    axes.axhline(1.0, color="0.3", linestyle="--")
    axes.set(title="Noise of the PSF's components", xlabel="component", ylabel="% of its norm")
    axes.grid(which="both", alpha=0.25)
    axes.set_box_aspect(1)


def draw_fit(axes: Axes, fit: Fit, label: str) -> None:
    """Show the losses of a method, and the loss of the true PSF."""
    draw_losses(axes, fit.result.losses, label)
    axes.set_title("Loss", loc="left")
    if fit.floor is not None:
        axes.axhline(fit.floor, color="0.3", linestyle="--", label="true PSF (noise)")
    mark_best(axes, fit.result)
    # Above the axes: within them it might hide the curve.
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderpad=0.1)


def draw_errors(axes: Axes, fit: Fit) -> None:
    """Show the distance of the PSF from the true one at each step."""
    if not fit.result.errors:
        axes.set_axis_off()
        return
    draw_losses(axes, fit.result.errors, "relative error of the PSF")
    axes.set_title("PSF error")
    best = fit.result.step_best
    axes.plot([best], [fit.result.errors[best]], "o", color=ORANGE)


def residual_of(pair: Pair, psf: Real) -> Real:
    """Return the residual of a PSF, ``A(h) x - y``."""
    blur = Blur(psf, boundary=pair.boundary, ndim=psf.ndim)
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


def scale_beside(shown: AxesImage, label: str, *, extend: str = "neither") -> None:
    """Put the colour bar of an image beside it, as high as the image."""
    axes = shown.axes
    assert axes is not None
    assert axes.figure is not None
    bar = axes.inset_axes((1.03, 0.0, 0.05, 1.0))
    axes.figure.colorbar(shown, cax=bar, extend=extend, label=label)


def colours(image: Real, black: float, white: float) -> Real:
    """Bring (channels, height, width) to the order and the range of imshow."""
    shown = np.clip((image - black) / (white - black), 0, 1)
    return shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)


class Plane(NamedTuple):
    """A picture, or a plane of a volume.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
        What is shown.
    down, across : str
        What its rows and columns are.
    """

    values: Real
    down: str
    across: str


def planes(image: Real) -> list[Plane]:
    """Return a picture itself, or the three middle planes of a volume; its last axis runs up."""
    if image.ndim == 2:
        return [Plane(image, "", "")]
    i, j, k = (n // 2 for n in image.shape)
    return [
        Plane(image[:, :, k], "axis 0, down", f"axis 1 (axis 2 at {k})"),
        Plane(image[i].T[::-1], "axis 2, up", f"axis 1 (axis 0 at {i})"),
        Plane(image[:, j].T[::-1], "axis 2, up", f"axis 0 (axis 1 at {j})"),
    ]


def draw_planes(
    figure: Figure,
    cells: Sequence[SubplotSpec],
    image: Real,
    title: str,
    norm: Normalize,
    cmap: str = "gray",
    *,
    named: bool = False,
) -> list[AxesImage]:
    """Show the planes of an image in cells, the title above the first."""
    shown: list[AxesImage] = []
    for cell, plane in zip(cells, planes(image), strict=True):
        axes = figure.add_subplot(cell)
        shown.append(picture(axes, plane.values, "" if shown else title, norm, cmap))
        if named:
            along = axes.transAxes
            axes.text(-0.03, 0.5, plane.down, rotation=90, ha="right", va="center", transform=along)
            axes.text(0.5, -0.03, plane.across, ha="center", va="top", transform=along)
    return shown


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


def draw_losses(axes: Axes, losses: Sequence[float], label: str, color: str = BLUE) -> None:
    """Show losses by step on a logarithmic scale, if that can show one."""
    axes.plot(losses, color=color, marker="." if len(losses) < 20 else "")
    axes.set(xlabel="step", ylabel=label)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    if max(losses) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="both", alpha=0.25)


def mark_best(axes: Axes, result: LearnedTrajectory | CalibratedPSF) -> None:
    """Put a dot on the loss of the result that is shown."""
    best = result.step_best
    axes.plot([best], [result.losses[best]], "o", color=ORANGE, label=f"best, after {count(best)}")


def step_caption(step: int, losses: Sequence[float]) -> str:
    """Return the caption of a frame."""
    best = ", the best" if step == losses.index(min(losses)) else ""
    return f"Step {step} of {len(losses) - 1}{best}: loss {losses[step]:.3g}"


def gif_palette() -> Image.Image:
    """Return one palette for all frames, so that no colour flickers: greys and both inks."""
    # Pillow looks colours up to 4 levels of 256: another tint as near to white would replace it.
    near = 0.04
    tints = [np.ones((1, 3))]
    for ink, number in (("black", 159), (BLUE, 48), (ORANGE, 48)):
        strength = np.linspace(near, 1, number)[:, None]
        tints.append(1 - strength * (1 - np.asarray(to_rgb(ink))))
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * np.concatenate(tints)).astype(np.uint8).tobytes())
    return palette


def after(result: LearnedTrajectory | CalibratedPSF) -> str:
    """Return after how many steps the result was found, and of how many if not the last."""
    if result.step_best == result.steps:
        return f"after {count(result.steps)}"
    return f"after {result.step_best} of {count(result.steps)}"
