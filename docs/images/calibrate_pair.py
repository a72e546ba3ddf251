"""Draw calibrate-pair.png by the command, and print what it says."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import scipy.ndimage
from click.testing import CliRunner

from nufftlib import data, workflows
from nufftlib.cli import app

EDGE = 40
"""Pixels around a picture that is shifted by its transform."""


def pair():
    """Return a sharp picture, and a blurred one with another exposure, clipped, hot and moved."""
    sharp = data.astronaut()
    _, light = workflows.simulate_blur(sharp, size=15, noise=0.0, seed=3)
    wide = np.pad(light, ((0, 0), (EDGE, EDGE), (EDGE, EDGE)), mode="reflect")
    spectra = [scipy.ndimage.fourier_shift(np.fft.fft2(c), (1.4, -0.7)) for c in wide]
    moved = np.real(np.fft.ifft2(spectra))[:, EDGE:-EDGE, EDGE:-EDGE]
    rng = np.random.default_rng(0)
    blurred = 0.8 * moved + 0.1 + 0.01 * rng.standard_normal(moved.shape)
    blurred = np.where(rng.random(blurred.shape) < 1e-3, 1.2, np.minimum(blurred, 0.75))
    return sharp, blurred.astype(np.float32)


def draw():
    """Run the command in a folder of its own, and keep its figure."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("sharp.npy", "blurred.npy", "out")]
        for path, picture in zip(paths, pair(), strict=False):
            np.save(path, picture)
        options = (f"--{n}={p}" for n, p in zip(("sharp", "blurred", "out"), paths, strict=True))
        result = CliRunner().invoke(app.cli, ["calibrate-pair", *options, "--size=15"])
        print(result.output)
        figure = paths[-1] / "figure.png"
        shutil.copy(figure, Path(__file__).with_name("calibrate-pair.png"))


if __name__ == "__main__":
    draw()
