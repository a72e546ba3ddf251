"""Draw show.png and show-3d.png, the pages of docs/files.md."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

import nufftlib as nl
from nufftlib import plots

HERE = Path(__file__).parent
SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)


def spiral():
    """Return spirals that a scanner can play, from rest to rest, and their protocol."""
    protocol = nl.mri.Protocol(SCANNER, fov=0.24, shape=(192, 192))
    k = nl.mri.trajectories.spiral(24, 1024, revolutions=5, dtype=np.float64)
    return nl.mri.project_trajectory(k, protocol, fixed={0: (0.0, 0.0)}).trajectory, protocol


def spokes():
    """Return centre-out spokes in three dimensions, in directions spread by the golden angle."""
    shots, samples = 400, 128
    height = 1 - (2 * np.arange(shots) + 1) / shots
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(shots)
    plane = np.sqrt(1 - height**2)
    directions = np.stack([plane * np.cos(angle), plane * np.sin(angle), height], axis=-1)
    return np.linspace(0, 0.5, samples)[:, None] * directions[:, None, :]


def page(name, k, shape, **settings):
    """Draw a page, in 256 colours: a quarter of the bytes."""
    file = BytesIO()
    plots.draw_overview(k, shape, file, **settings)
    # Colours of few pixels count as well: those at the ends of the scales.
    image = Image.open(file).convert("RGB")
    image.quantize(256, Image.Quantize.MAXCOVERAGE).save(HERE / name, optimize=True)


k, protocol = spiral()
print(nl.mri.check_trajectory(k, protocol))
page("show.png", k, protocol.shape, protocol=protocol, shot=5)
page("show-3d.png", spokes(), (64, 64, 64), shot=250)
