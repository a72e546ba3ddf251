"""How the noise decides what learning gains: ``python bench/mni152/noise.py OUT``.

The trajectory that was learned for CG-SENSE at one noise, beside spirals, at others. Radius,
density and damping of the spirals, and the damping of ours, are those that suit two training slices
at each noise. A table of the PSNR of every fourth held-out slice is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import setting
from baselines import spiral

NOISES = (0.0, 0.005, 0.03)
DAMPINGS = (0.001, 0.005, 0.02, 0.1)
SPIRALS = ((1.0, 0.35), (4.0, 0.4), (4.0, 0.5))
"""Densities and radii."""


def psnr(k: Any, images: Any, coil_maps: Any, damping: float) -> float:
    """Return the mean PSNR of some slices."""
    found = setting.reconstruct(k, images, coil_maps, setting.cg(damping))
    return float(setting.quality(found, images)[:, 0].mean())


def main(out: str) -> None:
    slices = setting.load(out)
    images, held_out = slices.training[8::20], slices.held_out[::4]
    with np.load(Path(out) / "ours-cg.npz") as file:
        ours = file["trajectory"].astype(np.float64)
    spirals = {(density, radius): spiral(density, radius) for density, radius in SPIRALS}
    print("| noise | spiral: density, radius | damping | PSNR | ours: damping | PSNR |")
    print("|---|---|---|---|---|---|")
    for noise in NOISES:
        setting.NOISE = noise
        row = []
        for group in (spirals, {"": ours}):
            tried = {
                (name, damping): psnr(k, images, slices.coil_maps, damping)
                for name, k in group.items()
                for damping in DAMPINGS
            }
            name, damping = max(tried, key=tried.__getitem__)
            found = psnr(group[name], held_out, slices.coil_maps, damping)
            row += [*([f"{name}"] if name else []), f"{damping:g}", f"{found:.2f}"]
        print(f"| {noise:g} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
