"""Draw the picture of the benchmark: ``python bench/mni152/draw.py OUT PICTURE.png``."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from evaluate import trajectories
from matplotlib.figure import Figure
from PIL import Image
from setting import HELD_OUT, load

SHOWN = {
    "variable-density spiral": "variable-density spiral",
    "mri-nufft, from spirals, sum of coils": "mri-nufft, from spirals",
    "ours, for adjoint": "ours, learned for the adjoint",
    "ours, for cg": "ours, learned for CG-SENSE",
}
"""Names, and what stands above their columns."""
AMPLIFIED = 20
INSIDE = np.s_[4:-4, 22:-22]


def draw_shots(place: Any, k: Any) -> None:
    """Draw all shots, and one of them in orange."""
    for shot in k:
        place.plot(shot[:, 1], shot[:, 0], "C0", linewidth=0.4)
    place.plot(k[0, :, 1], k[0, :, 0], "C1", linewidth=1.4)
    place.set(xlim=(-0.51, 0.51), ylim=(0.51, -0.51), aspect="equal", xticks=[], yticks=[])


def main(out: str, picture: str) -> None:
    slices, found = load(out), trajectories(out, "cg")
    with np.load(Path(out) / "scores.npz") as file:
        psnr = {name: file[f"cg, {name}"][:, 0] for name in found}
        images = {name: file[f"cg, {name}, images"] for name in SHOWN}
    last = psnr["ours, for cg"]
    which = [int(np.argmin(last)), int(np.argmax(last))]
    references = abs(slices.held_out[which])

    figure = Figure(figsize=(14.0, 8.6), dpi=72, layout="constrained")
    rows = figure.subplots(3, 5, width_ratios=(1, 1, 1, 1, 1.25))
    for column, (name, title) in zip(rows.T, SHOWN.items(), strict=False):
        draw_shots(column[0], found[name][1])
        column[0].set_title(title, fontsize=10)
        for place, x, i in zip(column[1:], references, which, strict=True):
            error = AMPLIFIED * abs(images[name][i] - x)[INSIDE]
            place.imshow(error, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.set_title(f"{psnr[name][i]:.1f} dB", fontsize=10)
    for place, word, i in zip(rows[1:, 0], ("worst", "best"), which, strict=True):
        place.set_ylabel(f"slice {HELD_OUT[i]}, the {word} of ours\nerror, times {AMPLIFIED}")

    along, curves, reference = rows[:, 4]
    for name, values in psnr.items():
        if name in SHOWN or name in ("radial", "spiral"):
            along.plot(HELD_OUT, values, linewidth=1.2, label=SHOWN.get(name, name))
    along.set(xlabel="held-out slice", ylabel="PSNR by CG-SENSE [dB]")
    along.set(ylim=(None, 54))
    along.legend(fontsize=7, loc="upper left")
    for kind in ("adjoint", "cg"):
        with np.load(Path(out) / f"ours-{kind}.npz") as file:
            losses = file["validation"]
        part = np.linspace(0, 1, len(losses))
        curves.plot(part, losses / losses[0], label=f"for {kind}, {len(losses) - 1} epochs")
    curves.set(xlabel="part of the learning", ylabel="loss, of that at the start", yscale="log")
    curves.legend(fontsize=8)
    for place in (along, curves):
        place.grid(alpha=0.25)
    reference.imshow(references[0][INSIDE], cmap="gray", vmin=0, vmax=1)
    reference.set(xticks=[], yticks=[], title=f"slice {HELD_OUT[which[0]]}")
    drawn = BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
        picture, optimize=True
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
