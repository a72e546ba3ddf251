"""The page of a learned trajectory: a slider over the learning, and shots to be picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, Model, TapTool
from bokeh.models.widgets import Div, Slider, Spinner
from matplotlib.colors import Normalize

from nufftlib.core.run import count
from nufftlib.plots.figures import BLUE, DIVERGING, ORANGE, around_zero
from nufftlib.plots.waveforms import Waveform, waveforms
from nufftlib.report.course import Course, Packed, Strip, course_of
from nufftlib.report.page import Page, Section, asset
from nufftlib.report.panels import (
    INKS,
    Ranges,
    curve,
    curve_panel,
    dashed,
    image_panel,
    mapper,
    new_panel,
)


def learning_page(
    record: Mapping[str, Any], arrays: Mapping[str, Any], kept: Mapping[str, Any]
) -> Page:
    """Return the page of a result of ``learn-trajectory``."""
    course = course_of(record, arrays, kept)
    moments, shots, samples, axes = course.trajectories.shape
    columns = ["picked", *(f"k{a}" for a in range(axes))]
    columns += [f"{name}{of}" for name in ("gradient", "slew") for of in ("", "_time")]
    drawn = ColumnDataSource({name: [[]] * shots for name in columns}, name="shots")
    samples_of_one = ColumnDataSource({f"k{a}": [] for a in range(axes)}, name="samples")
    slider = Slider(
        start=0, end=moments - 1, value=moments - 1, step=1, show_value=False,
        sizing_mode="stretch_width", name="moment",
    )  # fmt: skip
    caption = Div(name="caption", sizing_mode="stretch_width")
    spinner = Spinner(
        low=0, high=(shots - 1) * course.every, step=course.every, title="Picked shot",
        sizing_mode="stretch_width", name="shot",
    )  # fmt: skip
    pictures, image_panels, moved_panels = pictures_of(course)
    limited, limit_panels = limits_of(course, drawn)
    marks, loss_panel, line = losses_of(course)
    packed = Packed.of(course.trajectories)
    show = CustomJS(
        code=asset("learning.js"),
        args={
            "slider": slider,
            "caption": caption,
            "spinner": spinner,
            "captions": captions(course),
            "pictures": pictures,
            "shots": drawn,
            "samples": samples_of_one,
            # By moment, axis and shot, so that each line is one piece.
            "k": np.moveaxis(packed.values, -1, 1).ravel(),
            "unit": packed.scale,
            "sizes": [axes, shots, samples],
            "every": course.every,
            "limited": limited,
            "marks": marks,
            "line": line,
            "steps": course.steps,
        },
    )
    slider.js_on_change("value", show)
    picking = {"shots": drawn, "spinner": spinner, "every": course.every}
    pick = CustomJS(code=asset("pick.js"), args={**picking, "show": show})
    drawn.selected.js_on_change("indices", pick)
    spinner.js_on_change("value", CustomJS(code=asset("chosen.js"), args=picking))
    sections = [
        Section(
            "Learning",
            [*shot_panels(drawn, samples_of_one, axes), *moved_panels, loss_panel],
            hint(course),
        ),
    ]
    named = {"Image": image_panels, "limits of the scanner": limit_panels}
    if beside := [name for name, panels in named.items() if panels]:
        title = " and ".join(beside)
        title = title[0].upper() + title[1:]
        sections.append(Section(title, [*image_panels, *limit_panels]))
    return Page(
        "Learned trajectory", facts(record, course), [caption, slider, spinner], sections, show
    )


def hint(course: Course) -> str:
    """Return what the reader can do with shots."""
    left = f" One shot of {course.every} is drawn." if course.every > 1 else ""
    return (
        "Move the slider to see the learning. Tap a shot to pick it; tap beside all to let it go."
        + left
    )


def captions(course: Course) -> list[str]:
    """Return what is said of each moment."""
    name, losses = next(iter(course.losses.items()))
    unit = course.unit.capitalize()
    said = []
    for step in course.steps:
        value = losses.after(step)
        loss = "" if value is None else f": {name} {value:.3g}"
        best = ", the best" * (step == course.best)
        said.append(f"{unit} {step} of {course.number}{best}{loss}")
    return said


def facts(record: Mapping[str, Any], course: Course) -> dict[str, str]:
    """Return what was asked for, and what came out."""
    s = record["settings"]
    losses = next(iter(course.losses.values())).values
    subject = next((s[n] for n in ("images", "volume", "image") if s.get(n)), "")
    done = count(record["steps"]) if course.unit == "step" else f"{course.number} epochs"
    return {
        "Learned on": str(subject),
        "voxels": " x ".join(map(str, s["shape"])),
        "shots": f"{s['shots']} of {s['samples']} samples",
        "start": str(s["start"]),
        "reconstruction": str(s["reconstruction"]),
        "coils": f"{s['coils']}, maps {s['maps']}",
        f"{s['loss']} loss": f"{losses[0]:.3g} to {min(losses):.3g}",
        "done": f"{done} in {record['seconds']:.0f} s" + ", interrupted" * record["interrupted"],
        "nufftlib": record["versions"]["nufftlib"],
    }


def shot_panels(drawn: ColumnDataSource, samples: ColumnDataSource, axes: int) -> list[Any]:
    """Show the shots in k-space, of a volume from its three sides."""
    named = ["rows", "columns", "slices"]
    panels = []
    for down, across in combinations(range(axes), 2):
        ranges = Ranges(down=down == 0 and axes == 2)
        panel = new_panel(
            "Trajectory", ranges, aspect_ratio=0.95,
            x_axis_label=f"k{across}, axis {across} ({named[across]}) [cycles/voxel]",
            y_axis_label=f"k{down}, axis {down} ({named[down]}) [cycles/voxel]",
        )  # fmt: skip
        band = panel.rect(0, 0, 1.05, 1.05, fill_alpha=0, line_alpha=0)
        ranges.x.renderers = ranges.y.renderers = [band]
        lines = panel.multi_line(
            f"k{across}", f"k{down}", source=drawn, color=BLUE, line_width=1,
            **picked(len(drawn.data["picked"])),
        )  # fmt: skip
        panel.scatter(f"k{across}", f"k{down}", source=samples, color=ORANGE, size=3)
        panel.add_tools(TapTool(renderers=[lines]))
        panel.add_tools(HoverTool(renderers=[lines], tooltips=[("shot", "@picked")]))
        panel.hover.visible = False
        panels.append(panel)
    return panels


def picked(shots: int) -> dict[str, Any]:
    """Return how lines look, and the one that is picked."""
    # Where shots lie upon one another the ink is full, and one by itself can be seen.
    alpha = max(0.3, shots**-0.5)
    return {
        "line_alpha": alpha,
        "nonselection_line_alpha": 0.6 * alpha,
        "selection_line_color": ORANGE,
        "selection_line_alpha": 1.0,
        "selection_line_width": 2.0,
    }


def pictures_of(course: Course) -> tuple[list[dict[str, Any]], list[Model], list[Model]]:
    """Return what moves the pictures, the panels of the images, and those of what moves."""
    moved: list[dict[str, Any]] = []
    still: list[Model] = []
    panels: list[Model] = []
    for number, strip in enumerate(course.strips):
        ranges, end = Ranges(), strip.reconstructions[-1]
        of = f"\n{strip.title}" if strip.title else ""
        signal = mapper(Normalize(0, float(strip.image.max()) or 1.0), "gray")
        error = error_scale(strip)
        names = f"reconstruction {number}", f"error {number}"
        still.append(image_panel(f"Image{of}", strip.image, signal, ranges, "relative signal"))
        panels += [
            image_panel(f"Reconstruction{of}", end, signal, ranges, "relative signal", names[0]),
            image_panel(f"Error{of}", end - strip.image, mapper(error, DIVERGING), ranges,
                        "reconstruction - image", names[1]),
        ]  # fmt: skip
        packed = Packed.of(strip.reconstructions)
        image = strip.image.astype(np.float32).ravel()
        sources = [source_of(panel) for panel in panels[-2:]]
        moved.append(
            {
                "frames": packed.values.ravel(),
                "scale": packed.scale,
                "image": image,
                "shown": sources[0],
                "error": sources[1],
            }
        )
    return moved, still, panels


def error_scale(strip: Strip) -> Normalize:
    """Return one scale for the errors of all moments: the few largest would hide all others."""
    return around_zero(float(np.quantile(np.abs(strip.reconstructions[-1] - strip.image), 0.999)))


def source_of(panel: Any) -> ColumnDataSource:
    """Return the source of the only picture of a panel."""
    (drawn,) = panel.renderers
    found: ColumnDataSource = drawn.data_source
    return found


def losses_of(course: Course) -> tuple[list[dict[str, Any]], Any, Any]:
    """Return the marks that move on the losses, their panel, and its moving line."""
    sources = {name: curve(of.values, of.at) for name, of in course.losses.items()}
    inks = dict(zip(sources, (INKS[0], *INKS[2:]), strict=False))
    positive = min(min(of.values) for of in course.losses.values()) > 0
    panel = curve_panel("Loss", course.unit, "loss", sources, inks, log=positive)
    marks = []
    for name, of in course.losses.items():
        place = ColumnDataSource({"x": [], "y": []}, name=f"mark {name}")
        panel.scatter("x", "y", source=place, color=ORANGE, size=9)
        marks.append({"source": place, "values": [of.after(step) for step in course.steps]})
    return marks, panel, dashed(panel, "height", None, line_color=ORANGE)


def limits_of(course: Course, drawn: ColumnDataSource) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what moves gradients and slew rates of the shots, and their panels."""
    if course.protocol is None:
        return [], []
    pairs = [waveforms(k, course.protocol) for k in course.trajectories]
    moved, panels = [], []
    for column, stepped, moments in (
        ("gradient", False, [pair[0] for pair in pairs]),
        ("slew", True, [pair[1] for pair in pairs]),
    ):
        first = moments[0]
        peaks = [float(m.values.max()) / first.limit for m in moments]
        panel = new_panel(
            texts(first, peaks)[-1], aspect_ratio=1.2,
            x_axis_label="time [ms]", y_axis_label=first.unit,
            x_range=(float(first.times[0]), float(first.times[-1])),
            # Far more than the limit would hide all that is below it.
            y_range=(0, 1.08 * first.limit * min(max(1.0, *peaks), 2)),
        )  # fmt: skip
        lines = panel.multi_line(
            f"{column}_time", column, source=drawn, color=BLUE, **picked(len(first.values))
        )
        panel.add_tools(TapTool(renderers=[lines]))
        dashed(panel, "width", first.limit)
        packed = Packed.of(np.stack([m.values for m in moments]))
        moved.append(
            {
                "column": column,
                "values": packed.values.ravel(),
                "scale": packed.scale,
                "times": times_of(first, stepped=stepped),
                "stepped": stepped,
                "title": panel.title,
                "texts": texts(first, peaks),
            }
        )
        panels.append(panel)
    return moved, panels


def times_of(waveform: Waveform, *, stepped: bool) -> Any:
    """Return the times of a line; one of steps changes half-way between two values."""
    t = waveform.times
    if not stepped:
        return t
    half = (t[1] - t[0]) / 2 if len(t) > 1 else 0.0
    return np.stack([t - half, t + half], axis=1).ravel()


def texts(waveform: Waveform, peaks: Sequence[float]) -> list[str]:
    """Return the titles of all moments."""
    limit = f"{waveform.limit:g} {waveform.unit.partition('[')[2].rstrip(']')}"
    return [f"{waveform.name}\nup to {peak:.3g} of the limit, {limit}" for peak in peaks]
