"""Draw the error ratios and three of the cases.

python bench/blind/draw.py docs/images/blind-benchmark.png rows.json [earlier.json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from setting import SIZES, Array, case_of, restored, squared_error

from nufftlib import workflows

CASES = ("camera", 6), ("astronaut", 5), ("chelsea", 3)


def curve(axes: Any, ratios: list[float], label: str) -> None:
    """Draw the part of the cases up to each ratio."""
    steps = np.sort(ratios)
    axes.step(steps, np.arange(1, len(steps) + 1) / len(steps), where="post", label=label)


def with_psf(picture: Array, psf: Array) -> Array:
    """Put a PSF, twice as large, into the corner of a picture."""
    large = np.kron(psf / psf.max(), np.ones((2, 2)))
    drawn = picture.copy()
    drawn[: large.shape[0], : large.shape[1]] = large
    return drawn


def main(out: str, now: str, earlier: str | None = None) -> None:
    """Draw and save."""
    figure = Figure(figsize=(15.0, 10.5), dpi=80, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1, 2.4])
    axes = left.subplots()
    rows = json.loads(Path(now).read_text())
    curve(axes, [r["found"] for r in rows], "calibrate_blind")
    if earlier is not None:
        before = json.loads(Path(earlier).read_text())
        curve(axes, [r["found"] for r in before], "the former method")
    curve(axes, [r["no blur"] for r in rows], "the blurred picture")
    axes.axvline(2, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xscale="log", xlim=(0.95, 10), ylim=(0, 1.01), xlabel="error ratio, at most")
    axes.set(ylabel="part of the 32 cases", xticks=[1, 1.5, 2, 3, 5, 10])
    axes.set_xticklabels(["1", "1.5", "2", "3", "5", "10"])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right")
    for places, (name, seed) in zip(right.subplots(3, 3), CASES, strict=True):
        case = case_of(name, seed)
        psf = workflows.calibrate_blind(case.blurred, size=SIZES[seed]).psf
        found, best = restored(case, psf), restored(case, case.psf)
        ratio = squared_error(case, found) / squared_error(case, best)
        pictures = case.blurred, with_psf(found, psf), with_psf(best, case.psf)
        titles = "blurred", f"PSF found: ratio {ratio:.2f}", "true PSF"
        for place, picture, title in zip(places, pictures, titles, strict=True):
            place.imshow(picture, "gray", vmin=0, vmax=1)
            place.set_title(title)
            place.set_axis_off()
    figure.savefig(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
