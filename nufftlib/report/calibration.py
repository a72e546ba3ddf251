"""The page of a calibrated PSF: the methods side by side, cuts, errors, residuals, and MTF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets import Slider

from nufftlib.blur.calibrate.calibrate import CalibratedPSF
from nufftlib.blur.calibrate.recipes import RECIPES
from nufftlib.blur.measures import measure_psf
from nufftlib.core.run import part
from nufftlib.plots.calibration import (
    Fit,
    Pair,
    Scales,
    fit_title,
    residual_of,
    scales_of,
)
from nufftlib.plots.figures import DIVERGING, RESIDUAL, Real, colours, root_mean_square
from nufftlib.report.page import Page, Section, asset
from nufftlib.report.panels import (
    INKS,
    Ranges,
    curve,
    curve_panel,
    dashed,
    image_panel,
    mapper,
    picture_panel,
)

TRUE, START = "true PSF", "start"
DARK, PALE = "#222222", "#aaaaaa"
"""Inks of the true PSF and of the start."""


def calibration_page(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> Page:
    """Return the page of a result of ``calibrate-psf`` on pictures."""
    fits, pair = fits_of(record, arrays), pair_of(record, arrays)
    residuals = [residual_of(pair, fit.result.psf) for fit in fits]
    scales = scales_of(pair, fits, residuals)
    psfs = psfs_of(pair, fits)
    known = {} if pair.truth is None else {TRUE: DARK}
    titles = [RECIPES[fit.method].title for fit in fits]
    inks = {**known, **dict(zip(titles, INKS, strict=False)), START: PALE}
    panels = psf_panels(psfs, fits, scales)
    cuts, cut_panels = cuts_of(psfs, inks)
    row, column = sliders_of(next(iter(psfs.values())))
    lines = [
        [dashed(p, side, None, line_color="white", line_alpha=0.7) for p in panels]
        for side in ("width", "height")
    ]
    show = CustomJS(
        code=asset("calibration.js"),
        args={"row": row, "column": column, "cuts": cuts, "across": lines[0], "down": lines[1]},
    )
    tapped = CustomJS(code=asset("tapped.js"), args={"row": row, "column": column})
    for slider in (row, column):
        slider.js_on_change("value", show)
    for panel in panels:
        panel.js_on_event("tap", tapped)
    sections = [
        Section("PSFs", panels, "One scale for all. Zoom in on one, and all follow; tap to cut."),
        Section("Cuts and transfer", [*cut_panels, mtf_panel(psfs, inks)],
                "Tap a name to hide its curve."),
        Section("Losses and errors", course_panels(fits, inks)),
        *difference_sections(pair, fits, scales),
        Section("Pictures and residuals", [*picture_panels(pair),
                *residual_panels(fits, residuals, scales)]),
    ]  # fmt: skip
    return Page("Calibrated PSF", facts(record, fits), [row, column], sections, show)


def fits_of(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> list[Fit]:
    """Return the methods' results."""
    return [
        Fit(
            name,
            CalibratedPSF(
                losses=arrays[f"losses_{name}"].tolist(),
                seconds=row["seconds"],
                interrupted=record["interrupted"],
                psf=arrays[f"psf_{name}"],
                psf_start=arrays["psf_start"],
                errors=arrays[f"errors_{name}"].tolist() if f"errors_{name}" in arrays else [],
                converged=row["converged"],
                seconds_setup=row["seconds_setup"],
                path=row["path"],
            ),
            row["psf_error"],
            row["loss_of_true_psf"],
        )
        for name, row in record["methods"].items()
    ]


def pair_of(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> Pair:
    """Return the pictures, of several pairs the first."""
    sharp, blurred = (
        arrays[name] if name in arrays else arrays[f"{name}_0"] for name in ("sharp", "blurred")
    )
    number = sum(name.partition("_")[0] == "sharp" for name in arrays)
    return Pair(
        sharp, blurred, record["settings"]["boundary"], arrays.get("psf_true"),
        arrays.get("deviations"), number,
    )  # fmt: skip


def psfs_of(pair: Pair, fits: Sequence[Fit]) -> dict[str, Real]:
    """Return the PSFs by name, the true one first, the start last."""
    truth = {} if pair.truth is None else {TRUE: pair.truth}
    found = {RECIPES[fit.method].title: fit.result.psf for fit in fits}
    return {**truth, **found, START: fits[0].result.psf_start}


def facts(record: Mapping[str, Any], fits: Sequence[Fit]) -> dict[str, str]:
    """Return what was asked for, and what came out."""
    s = record["settings"]
    found = {
        RECIPES[fit.method].title: f"error {part(fit.error)}"
        for fit in fits
        if fit.error is not None
    }
    return {
        **{name: str(s[name]) for name in ("image", "psf", "noise") if s.get(name) is not None},
        "size": " x ".join(map(str, s["psf_size"])),
        "boundary": s["boundary"],
        **found,
        "nufftlib": record["versions"]["nufftlib"],
    }


def sliders_of(psf: Real) -> tuple[Slider, Slider]:
    """Return the sliders of the row and the column of the cuts, first through the peak."""
    peak = np.unravel_index(np.argmax(psf), psf.shape)
    row, column = (
        Slider(
            start=0, end=n - 1, value=int(at), step=1, name=name, title=f"Cut at {name}",
            sizing_mode="stretch_width",
        )
        for at, n, name in zip(peak, psf.shape, ("row", "column"), strict=True)
    )  # fmt: skip
    return row, column


def psf_panels(psfs: Mapping[str, Real], fits: Sequence[Fit], scales: Scales) -> list[Any]:
    """Show the PSFs to one scale."""
    ranges, shown = Ranges(), mapper(scales.psf, "magma")
    titles = {RECIPES[fit.method].title: fit_title(fit) for fit in fits}
    return [
        image_panel(
            titles.get(name, name[0].upper() + name[1:]), psf, shown, ranges, "PSF weight", name
        )
        for name, psf in psfs.items()
    ]


def cuts_of(
    psfs: Mapping[str, Real], inks: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return what moves the cuts, and their panels."""
    rows = {name: curve(psf[0]) for name, psf in psfs.items()}
    columns = {name: curve(psf[:, 0]) for name, psf in psfs.items()}
    moved = [
        {
            "psf": np.asarray(psf, np.float32).ravel(),
            "width": psf.shape[1],
            "along_row": rows[name],
            "along_column": columns[name],
        }
        for name, psf in psfs.items()
    ]
    for name in psfs:
        rows[name].name, columns[name].name = f"row of {name}", f"column of {name}"
    return moved, [
        curve_panel("Cut along the row", "column", "PSF weight", rows, inks),
        curve_panel("Cut along the column", "row", "PSF weight", columns, inks),
    ]


def mtf_panel(psfs: Mapping[str, Real], inks: Mapping[str, str]) -> Any:
    """Show the modulation transfer functions over all directions."""
    sources: dict[str, ColumnDataSource] = {}
    for name, psf in psfs.items():
        mtf = measure_psf(psf).radial_mtf
        sources[name] = curve(mtf.values, mtf.at)
    return curve_panel("MTF, over all directions", "cycles/pixel", "modulation", sources, inks)


def course_panels(fits: Sequence[Fit], inks: Mapping[str, str]) -> list[Any]:
    """Show the losses by step, those of a kind together, and the errors of the PSFs."""
    panels = []
    for label in dict.fromkeys(RECIPES[fit.method].loss_title for fit in fits):
        of = [fit for fit in fits if RECIPES[fit.method].loss_title == label]
        sources = {RECIPES[fit.method].title: curve(fit.result.losses) for fit in of}
        floor = of[0].floor
        title = "Loss" + (", dashed: of the true PSF" if floor is not None else "")
        panels.append(curve_panel(title, "step", label, sources, inks, log=True))
        if floor is not None:
            dashed(panels[-1], "width", floor)
    errors = {RECIPES[f.method].title: curve(f.result.errors) for f in fits if f.result.errors}
    if errors:
        label = "relative error of the PSF"
        panels.append(curve_panel("PSF error", "step", label, errors, inks, log=True))
    return panels


def difference_sections(pair: Pair, fits: Sequence[Fit], scales: Scales) -> list[Section]:
    """Show what the PSFs and the true one differ by, where it is known."""
    if pair.truth is None:
        return []
    ranges, shown = Ranges(), mapper(scales.difference, DIVERGING)
    panels = [
        image_panel(
            f"{RECIPES[fit.method].title} - true PSF:\nrelative error {part(fit.error)}",
            fit.result.psf - pair.truth, shown, ranges, "found - true",
        )
        for fit in fits
        if fit.error is not None
    ]  # fmt: skip
    return [Section("Differences from the true PSF", panels)]


def picture_panels(pair: Pair) -> list[Any]:
    """Show both pictures to one scale, the sharp one's range."""
    scale = float(pair.sharp.min()), float(pair.sharp.max())
    return [
        picture_panel(title, colours(picture, *scale), Ranges())
        for title, picture in (("Sharp", pair.sharp), ("Blurred", pair.blurred))
    ]


def residual_panels(fits: Sequence[Fit], residuals: Sequence[Real], scales: Scales) -> list[Any]:
    """Show what the PSFs leave of the blurred picture."""
    ranges, shown = Ranges(), mapper(scales.residual, DIVERGING)
    return [
        image_panel(
            f"Residual, {RECIPES[fit.method].title}\nroot mean square {root_mean_square(r):.3g}",
            r.mean(axis=0), shown, ranges, RESIDUAL,
        )
        for fit, r in zip(fits, residuals, strict=True)
    ]  # fmt: skip
