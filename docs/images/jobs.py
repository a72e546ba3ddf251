"""Draw learned-trajectory.png and calibrated-psf.png: what the two jobs give, before and after."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, workflows

BLUE = "#1a6b8c"


def shots(axes, k, color, title):
    """Draw each shot of a trajectory as a line."""
    for shot in k:
        axes.plot(shot[:, 1], shot[:, 0], color=color, linewidth=0.7)
    axes.set(aspect="equal", xlim=(-0.52, 0.52), ylim=(0.52, -0.52), title=title)
    axes.set(xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5), xlabel="k-space [cycles/voxel]")


def shown(axes, x, title, cmap="gray", top=None):
    """Draw a picture."""
    axes.imshow(x, vmin=0, vmax=top, cmap=cmap, interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()


def learn():
    """Learn 24 spokes within the limits of a scanner."""
    image = data.brain()
    maps = nl.mri.birdcage_maps(6, image.shape)
    protocol = nl.mri.Protocol(
        nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6), fov=0.24, shape=image.shape
    )
    k = nl.mri.trajectories.radial(24, 512, in_out=False)
    found = workflows.learn_trajectory(image, maps, k, protocol=protocol, steps=100)
    figure = Figure(figsize=(6.4, 6.6), layout="constrained", dpi=110)
    axes = figure.subplots(2, 2)
    top = 0.9 * image.max()
    for row, (name, k, x, color) in zip(
        axes,
        (
            ("24 spokes", found.trajectory_start, found.reconstruction_start, "0.55"),
            ("learned, 40 mT/m, 180 T/m/s", found.trajectory, found.reconstruction, BLUE),
        ),
        strict=True,
    ):
        error = np.sqrt(np.mean((x - image) ** 2)) / np.sqrt(np.mean(image**2))
        shots(row[0], k, color, name)
        shown(row[1], x, f"their image: error {100 * error:.0f} %", top=top)
    figure.savefig(Path(__file__).with_name("learned-trajectory.png"))


def calibrate():
    """Find the PSF of a camera that moved, and deblur with it."""
    sharp = data.astronaut()
    psf, blurred = workflows.simulate_blur(sharp, size=25, noise=0.005, seed=0)
    found = workflows.calibrate_psf(sharp, blurred, size=25).psf
    mended = workflows.deblur(blurred, found, method="tv").picture
    part = (slice(None), slice(10, 130), slice(60, 180))
    figure = Figure(figsize=(6.4, 6.6), layout="constrained", dpi=110)
    axes = figure.subplots(2, 2)
    shown(axes[0, 0], np.moveaxis(blurred[part].clip(0, 1), 0, -1), "blurred and noisy picture")
    middle = slice(4, 21), slice(4, 21)
    shown(axes[1, 0], psf[middle], "true PSF", "magma", psf.max())
    error = workflows.psf_error(found, psf)
    shown(
        axes[1, 1], found[middle], f"calibrated PSF: error {100 * error:.1f} %", "magma", psf.max()
    )
    shown(axes[0, 1], np.moveaxis(mended[part].clip(0, 1), 0, -1), "deblurred with calibrated PSF")
    figure.savefig(Path(__file__).with_name("calibrated-psf.png"))


if __name__ == "__main__":
    learn()
    calibrate()
