"""What all figures share: their making, pictures, colours and colour bars."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

Real = NDArray[np.floating[Any]]

DPI = 130
BLUE, ORANGE = "#0b5fa5", "#d95f02"


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
