"""Panels of all pages, in the colours and scales of the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from bokeh.models import (
    BasicTicker,
    BoxZoomTool,
    ColumnDataSource,
    CustomJSTicker,
    DataRange1d,
    HoverTool,
    LinearColorMapper,
    PanTool,
    PrintfTickFormatter,
    ResetTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.models.annotations import ColorBar, Legend, Span, Title
from bokeh.plotting import figure
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex

from nufftlib.plots.figures import BLUE, ORANGE, Real
from nufftlib.report.page import asset

INKS = (BLUE, ORANGE, "#1b9e77", "#7570b3", "#e7298a", "#e6ab02", "#666666")
"""Colours of curves, the figures' two first."""
SHADES = 512


class Ranges:
    """The ranges of panels that are zoomed together.

    Parameters
    ----------
    down : bool
        Whether rows run downwards, as those of images do.
    """

    def __init__(self, *, down: bool = True) -> None:
        self.x = DataRange1d(range_padding=0)
        self.y = DataRange1d(range_padding=0, flipped=down)


def new_panel(title: str, ranges: Ranges | None = None, **settings: Any) -> Any:
    """Return a panel as wide as its place; one with ranges has square pixels."""
    zoom = BoxZoomTool(match_aspect=ranges is not None)
    if ranges is not None:
        settings |= {"x_range": ranges.x, "y_range": ranges.y, "match_aspect": True}
    panel = figure(
        title=Title(text=title, text_font_size="13px"),
        tools=[PanTool(), WheelZoomTool(), zoom, ResetTool(), SaveTool()],
        sizing_mode="stretch_width",
        min_height=260,
        toolbar_location="above",
        **{"aspect_ratio": 1.0, **settings},
    )
    panel.toolbar.logo = None
    panel.toolbar.autohide = True
    panel.toolbar.active_drag = None  # so that a finger scrolls the page
    return panel


def mapper(norm: Normalize, cmap: str) -> LinearColorMapper:
    """Return the colours of a figure's norm and colour map."""
    assert norm.vmin is not None
    assert norm.vmax is not None
    low, high = float(norm.vmin), float(norm.vmax)
    places = norm(np.linspace(low, high, SHADES))
    palette = [to_hex(colour) for colour in colormaps[cmap](places)]
    return LinearColorMapper(palette=palette, low=low, high=high)


def image_panel(
    title: str,
    image: Real,
    colours: LinearColorMapper,
    ranges: Ranges,
    label: str = "",
    name: str | None = None,
) -> Any:
    """Show an image; its source has it as ``image``. With a label it has a colour bar."""
    h, w = image.shape
    panel = new_panel(title, ranges, aspect_ratio=0.87 if label else 1.0)
    source = ColumnDataSource({"image": [image.astype(np.float32)]}, name=name)
    place = {"x": -0.5, "y": -0.5, "dw": w, "dh": h}
    drawn = panel.image("image", source=source, color_mapper=colours, **place)
    panel.add_tools(
        HoverTool(
            renderers=[drawn],
            tooltips=[("row, column", "$y{0}, $x{0}"), ("value", "@image{0.[0000]}")],
        )
    )
    panel.axis.visible = False
    panel.grid.visible = False
    if label:
        bar = ColorBar(
            color_mapper=colours, title=label, height=10, padding=2, title_text_font_style="normal",
            ticker=BasicTicker(desired_num_ticks=4), title_text_font_size="12px",
        )  # fmt: skip
        panel.add_layout(bar, "below")
    return panel


def picture_panel(title: str, picture: Real, ranges: Ranges) -> Any:
    """Show a picture with values from 0 to 1, grey or of three colours."""
    if picture.ndim == 2:
        return image_panel(title, picture, mapper(Normalize(0, 1), "gray"), ranges)
    h, w = picture.shape[:2]
    rgba = np.full((h, w, 4), 255, np.uint8)
    rgba[..., :3] = np.rint(255 * picture)
    panel = new_panel(title, ranges)
    panel.image_rgba([rgba.view(np.uint32)[..., 0]], x=-0.5, y=-0.5, dw=w, dh=h)
    panel.axis.visible = False
    panel.grid.visible = False
    return panel


def curve_panel(
    title: str,
    x: str,
    y: str,
    sources: Mapping[str, ColumnDataSource],
    inks: Mapping[str, str],
    *,
    log: bool = False,
) -> Any:
    """Show curves by name, each of columns ``x`` and ``y``; a tap on a name hides its curve."""
    several = len(sources) > 1
    panel = new_panel(
        title, aspect_ratio=0.9 if several else 1.0, x_axis_label=x, y_axis_label=y,
        y_axis_type="log" if log else "linear",
    )  # fmt: skip
    if log:
        # That of Bokeh labels the beginnings of decades alone, of which a loss may have one.
        panel.yaxis.ticker = CustomJSTicker(major_code=asset("ticks.js"))
        panel.yaxis.formatter = PrintfTickFormatter(format="%.3g")
    items = []
    for name, source in sources.items():
        line = panel.line("x", "y", source=source, color=inks[name], line_width=2)
        items.append((name, [line]))
        panel.add_tools(HoverTool(renderers=[line], tooltips=[(x, "@x"), (name, "@y")]))
    panel.hover.visible = False
    if several:
        legend: Any = Legend(items=items, click_policy="hide", ncols=2, border_line_alpha=0)
        legend.label_text_font_size = "11px"
        legend.padding = 2
        legend.margin = 2
        panel.add_layout(legend, "below")
    return panel


def curve(y: Sequence[float] | Real, x: Any = None) -> ColumnDataSource:
    """Return the source of a curve, by default by its steps."""
    return ColumnDataSource({"x": np.arange(len(y)) if x is None else x, "y": np.asarray(y)})


def dashed(
    panel: Any, dimension: Literal["width", "height"], place: float | None, **settings: Any
) -> Span:
    """Draw a dashed line across a panel; return it."""
    line = Span(
        dimension=dimension,
        location=place,
        **{"line_color": "#444444", "line_dash": "dashed", **settings},
    )
    panel.add_layout(line)
    return line
