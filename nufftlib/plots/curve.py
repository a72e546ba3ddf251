"""The L-curve of a reconstruction, with the weights of some of its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

from nufftlib.mri.reconstruct.curve import LCurve
from nufftlib.mri.reconstruct.job import ReconstructedImage
from nufftlib.plots.figures import BLUE, ORANGE, new_figure, number, plain_decades, save

PLACES = ((7, 5), (7, -5), (-7, -5), (-7, 5), (0, 9), (0, -9))
"""Where a label may lie, in points from its point, the best first."""


def draw_l_curve(curve: LCurve, result: ReconstructedImage, file: BinaryIO) -> None:
    """Draw an L-curve: the weight that was taken, and those of every other point.

    Parameters
    ----------
    curve : LCurve
        Residuals and penalties.
    result : ReconstructedImage
        The reconstruction whose weight is marked, and the noise.
    file : binary file
        Where to write the PNG.
    """
    figure = new_figure(6.4, 5.0)
    axes = figure.subplots()
    axes.loglog(curve.residuals, curve.penalties, "-o", color=BLUE, markersize=4)
    taken = f"weight that was taken: {number(float(f'{result.weight:.2g}'))}"
    axes.plot(
        result.residual,
        result.penalty,
        "o",
        markersize=11,
        markerfacecolor="none",
        markeredgewidth=2,
        color=ORANGE,
        label=taken,
    )
    if result.noise:
        noise = f"noise: {number(float(f'{result.noise:.2g}'))}"
        axes.axvline(result.noise, color="0.4", linewidth=1, linestyle="--", label=noise)
    axes.set(
        xlabel="residual, root mean square of $A x - y$",
        ylabel="penalty without its weight",
    )
    axes.set_title("Weights along the L-curve", loc="left")
    axes.margins(0.12)
    for axis in (axes.xaxis, axes.yaxis):
        plain_decades(axis)
    axes.grid(which="both", alpha=0.25)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False, borderpad=0.1)
    points = list(zip(curve.residuals, curve.penalties, strict=True))
    labels = [number(float(f"{w:.2g}")) for w in curve.weights]
    label_points(axes, points[::2], labels[::2])
    save(figure, file)


def label_points(axes: Axes, points: Sequence[tuple[float, float]], labels: Sequence[str]) -> None:
    """Write labels beside points, where they lie upon no curve and no other label; else none."""
    figure = axes.figure
    assert figure is not None
    canvas = FigureCanvasAgg(figure)  # type: ignore[arg-type] # no subfigure
    canvas.draw()  # type: ignore[no-untyped-call] # matplotlib's gap
    taken: list[Bbox] = []
    frame = axes.get_window_extent()
    lines = [line.get_transform().transform_path(line.get_path()) for line in axes.lines]
    for point, label in zip(points, labels, strict=True):
        for x, y in PLACES:
            text = axes.annotate(
                label,
                point,
                (x, y),
                textcoords="offset points",
                fontsize="small",
                ha="center" if x == 0 else "left" if x > 0 else "right",
                va="bottom" if y > 0 else "top",
            )
            text.set_in_layout(False)
            box = text.get_window_extent().padded(2)
            free = not any(line.intersects_bbox(box, filled=False) for line in lines)
            within = frame.contains(*box.min) and frame.contains(*box.max)
            if free and within and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()
