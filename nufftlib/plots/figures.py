"""What all figures share: their making, pictures, colours and colour bars."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]

DPI = 130
BLUE, ORANGE = "#0b5fa5", "#d95f02"

DIVERGING = "RdBu_r"
"""Colours of differences, white at zero: blue below, red above."""
RESIDUAL = "measured - model"
"""The sign of all residuals."""
FEW = 3
"""The ratio between the ends of a logarithmic axis below which it is as good as linear."""
DECADES = (1, (1.0, 2.0, 3.0, 5.0, 7.0)), (3.5, (1.0, 2.0, 5.0))
"""Up to how many decades of a logarithmic axis which multiples of a power of ten have numbers."""
MASKED = "0.6"
"""The grey of pixels without a value."""


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


def draw_borders(axes: Axes, tiles: tuple[int, int], size: tuple[int, int]) -> None:
    """Draw lines between pictures of a size that are side by side."""
    for (number_of, length), line in zip(
        zip(tiles, size, strict=True), (axes.axhline, axes.axvline), strict=True
    ):
        for i in range(1, number_of):
            line(i * length - 0.5, color="white", linewidth=1.0)


def around_zero(limit: float) -> Normalize:
    """Return the scale of a difference, zero in its middle."""
    return Normalize(-(limit or 1.0), limit or 1.0)


def draw_difference(axes: Axes, values: Real, title: str, limit: Normalize) -> AxesImage:
    """Show a difference: white where it is zero, grey where it is NaN."""
    shown = picture(axes, values, title, limit, DIVERGING)
    grey_where_nan(shown)
    return shown


def grey_where_nan(shown: AxesImage) -> None:
    """Let pixels without a value be grey."""
    shown.set_cmap(shown.get_cmap().with_extremes(bad=MASKED))


def residual_title(channels: int, rms: float) -> str:
    """Return the title of a residual: what is shown of several channels, and its size."""
    which = "" if channels == 1 else f", mean of {channels} channels"
    return f"Residual{which}\nroot mean square {number(rms)}"


def root_mean_square(values: Real) -> float:
    """Return ``sqrt(mean(values^2))``."""
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def scale_beside(
    shown: AxesImage, label: str, *, axes: Axes | None = None, extend: str = "neither"
) -> Colorbar:
    """Put the colour bar of an image beside its axes, or others, and as high as they are."""
    axes = shown.axes if axes is None else axes
    assert axes is not None
    assert axes.figure is not None
    cax = axes.inset_axes((1.03, 0.0, 0.05, 1.0))
    bar = axes.figure.colorbar(shown, cax=cax, extend=extend, label=label)
    if isinstance(shown.norm, LogNorm):
        plain_decades(cax.yaxis)
    elif isinstance(bar.formatter, ScalarFormatter):
        bar.formatter.set_useMathText(True)
    return bar


class Decades(Locator):
    """Places of the numbers on a logarithmic axis, as many as have room."""

    def __call__(self) -> Any:
        """Return the places on the axis as it is shown."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the places between two values."""
        if vmax < FEW * vmin:
            return MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        for decades, steps in DECADES:
            if vmax < 10**decades * vmin:
                return LogLocator(subs=steps).tick_values(vmin, vmax)
        return LogLocator().tick_values(vmin, vmax)


def plain_decades(axis: Axis) -> None:
    """Number a logarithmic axis by decimals, as many as have room."""
    axis.set_major_locator(Decades())
    axis.set_major_formatter(lambda x, _: number(x))
    axis.set_minor_formatter(NullFormatter())


def number(x: float) -> str:
    """Write a number as people do: a decimal, or with a power of ten."""
    # No more digits than the reader of a figure takes in.
    x = float(f"{x:.3g}")
    if x == 0 or 1e-4 <= abs(x) < 1e5:
        decimals = f"{x:.6f}".rstrip("0").rstrip(".")
        return decimals.replace("-", "\N{MINUS SIGN}")
    mantissa, _, power = f"{x:.2e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    factor = "" if mantissa == "1" else f"{mantissa}\\times"
    return f"${factor}10^{{{int(power)}}}$"


def colours(image: Real, black: float, white: float) -> Real:
    """Bring (channels, height, width) to the order and the range of imshow."""
    shown = np.clip((image - black) / (white - black), 0, 1)
    return shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
