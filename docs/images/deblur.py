"""Draw deblur.png, and print the figures of docs/deblur.md and docs/derivations/deblur.md."""

from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, workflows

NOISE, FRAME = 0.005, 12
FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


def decibels(x, sharp):
    """Return the PSNR on the pixels of the blurred picture."""
    return float(nl.psnr(x, sharp[:, FRAME:-FRAME, FRAME:-FRAME], 1.0))


def draw():
    """Draw a part of the picture before and after."""
    sharp = data.astronaut()
    _, blurred = workflows.simulate_blur(sharp, size=25, noise=NOISE, seed=0)
    found = workflows.calibrate_psf(sharp, blurred, size=25).psf
    shown = {"blurred": blurred}
    for method in workflows.DEBLURRING:
        shown[method] = workflows.deblur(blurred, found, method=method).picture
    figure = Figure(figsize=(12.0, 3.0), dpi=100, layout="constrained")
    axes = figure.subplots(1, 5)
    part = (slice(None), slice(10, 130), slice(60, 180))
    axes[0].imshow(found, cmap="magma")
    axes[0].set_title("calibrated PSF")
    for ax, (name, x) in zip(axes[1:], shown.items(), strict=True):
        ax.imshow(np.moveaxis(x[part].clip(0, 1), 0, -1), interpolation="nearest")
        ax.set_title(f"{name}, {decibels(x, sharp):.1f} dB")
    for ax in axes:
        ax.set_axis_off()
    FigureCanvasAgg(figure)
    figure.savefig(Path(__file__).with_suffix(".png"))


def table():
    """Print how far the chosen weights are from the best ones, on one channel."""
    sharp = data.astronaut()[1:2]
    for psf, noise in product(("motion", "gaussian"), (0.005, 0.02, 0.05)):
        h, y = workflows.simulate_blur(sharp, psf=psf, size=25, noise=noise, seed=0)
        cells = [psf, str(noise)]
        for method in ("wiener", "tv"):
            own = workflows.deblur(y, h, method=method, steps=150)
            all_of_them = [
                decibels(
                    workflows.deblur(y, h, method=method, weight=f * own.weight, steps=150).picture,
                    sharp,
                )
                for f in FACTORS
            ]
            best = max(all_of_them)
            cells += [f"{best:.2f}", f"{best - decibels(own.picture, sharp):.2f}"]
            cells += [f"{FACTORS[all_of_them.index(best)]}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    draw()
    table()
