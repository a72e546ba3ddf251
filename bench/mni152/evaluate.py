"""Score all trajectories on the held-out slices: the tables of the benchmark.

    python bench/mni152/evaluate.py OUT

prints a table for each reconstruction, and keeps in OUT/scores.npz what it has found.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from setting import PROTOCOL, cg, load, quality, reconstruct

import nufftlib as nl

PATTERNS = ("radial", "golden-angle radial", "spiral", "variable-density spiral")


def trajectories(out: str, kind: str) -> dict[str, tuple[str, Any]]:
    """Return settings and trajectory of each, the patterns as they are best for a recipe."""
    found = {}
    with np.load(Path(out) / "baselines.npz") as file:
        for name in PATTERNS:
            found[name] = str(file[f"{kind}, {name}, settings"]), file[f"{kind}, {name}"]
    with np.load(Path(out) / "mri-nufft.npz") as file:
        for name in file:
            if "free" not in name:
                found[f"mri-nufft, {name}"] = "", file[name]
    for path in sorted(Path(out).glob("ours-*.npz")):
        with np.load(path) as file:
            name = path.stem.removeprefix("ours-")
            found[f"ours, for {name}"] = "", file["trajectory"].astype(np.float64)
    return found


def kept(k: Any) -> str:
    """Return the limits that a trajectory exceeds, without its step to rest and with it."""
    without = exceeded(k, replace(PROTOCOL, rest="start"))
    both = exceeded(k, PROTOCOL)
    return both if both == without else f"{without}; with the step to rest {both}"


def exceeded(k: Any, protocol: nl.mri.Protocol) -> str:
    """Return the limits that a trajectory exceeds."""
    report = nl.mri.check_trajectory(k, protocol)
    found = {"gradient": report.gradient, "slew rate": report.slew, "band": report.band}
    over = [f"{n} {f.ratio:.4g} times" for n, f in found.items() if f.ratio > 1 + 1e-12]
    return ", ".join(over) or "yes"


def main(out: str) -> None:
    slices, path = load(out), Path(out) / "scores.npz"
    with np.load(Path(out) / "baselines.npz") as file:
        recipes: dict[str, Any] = {"cg": cg(float(file["damping"])), "adjoint": "adjoint"}
    known = dict(np.load(path)) if path.exists() else {}
    for kind, recipe in recipes.items():
        print(f"\n| {kind} | PSNR, mean | worst | SSIM, mean | worst | limits kept |")
        print("|---|---|---|---|---|---|")
        for name, (how, k) in trajectories(out, kind).items():
            key = f"{kind}, {name}"
            if not np.array_equal(known.get(f"{key}, trajectory"), k):
                images = reconstruct(k, slices.held_out, slices.coil_maps, recipe)
                known[f"{key}, images"], known[f"{key}, trajectory"] = images, k
                known[key] = quality(images, slices.held_out)
                np.savez(path, **known)
            (psnr, ssim), (low, least) = known[key].mean(axis=0), known[key].min(axis=0)
            row = f"{psnr:.2f} | {low:.2f} | {ssim:.3f} | {least:.3f} | {kept(k)}"
            print(f"| {name}{', ' * bool(how)}{how} | {row} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
