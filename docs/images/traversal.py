"""Draw scanner-traversal.png: curves in the least time that the limits allow."""

from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib.plots.waveforms import waveforms

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOL = nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256))


def spiral(p):
    """Return sixteen turns of an Archimedean spiral."""
    angle = 2 * np.pi * 16 * p
    return 0.5 * p[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def serpentine(p):
    """Return eight lines to and fro, with corners."""
    y, x = np.repeat(np.linspace(-0.42, 0.42, 8), 2), 0.48 * np.resize([-1, 1, 1, -1], 16)
    return np.stack([np.interp(p * 15, np.arange(16), a) for a in (x, y)], axis=-1)


def rosette(p):
    """Return seven petals."""
    r, angle = 0.5 * np.sin(7 * np.pi * p), np.pi * p
    return r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def draw():
    """Draw each curve in the colour of its gradient, and its waveforms below."""
    curves = {"a spiral": spiral, "lines and corners": serpentine, "a rosette": rosette}
    figure = Figure(figsize=(13.0, 8.4), dpi=90, layout="constrained")
    rows = figure.subplots(3, len(curves), height_ratios=(2.4, 1, 1))
    for (name, curve), (top, *below) in zip(curves.items(), rows.T, strict=True):
        k = nl.mri.traverse(curve, PROTOCOL)
        shown = waveforms(k[None], PROTOCOL)
        speed = 1e3 * np.linalg.norm(nl.mri.gradients(k, PROTOCOL), axis=-1)
        pieces = np.stack([k[:-1, ::-1], k[1:, ::-1]], axis=1)
        lines = LineCollection(pieces, array=speed, cmap="viridis", clim=(0, 40), linewidth=1.6)
        top.add_collection(lines)
        time = (len(k) - 1) * SCANNER.raster * 1e3
        top.set(title=f"{name}: {time:.1f} ms", xlim=(-0.52, 0.52), ylim=(0.52, -0.52))
        top.set(aspect="equal", xlabel="axis 1 [cycles/voxel]", ylabel="axis 0 [cycles/voxel]")
        for place, w, style in zip(below, shown, ("default", "steps-mid"), strict=True):
            place.plot(w.times, w.values[0], "C0", drawstyle=style, linewidth=0.9)
            place.axhline(w.limit, color="0.3", linestyle="--", linewidth=1)
            place.set(ylim=(0, 1.15 * w.limit), xlim=(w.times[0], w.times[-1]))
            place.grid(alpha=0.25)
        below[1].set(xlabel="time [ms]")
    for place, w in zip(rows[1:, 0], shown, strict=True):
        place.set(ylabel=f"{w.name.lower()}\n{w.unit}")
    figure.colorbar(lines, ax=list(rows[0]), label="gradient [mT/m]", shrink=0.8)
    figure.savefig(Path(__file__).with_name("scanner-traversal.png"))


if __name__ == "__main__":
    draw()
