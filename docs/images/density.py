"""Draw density.png: cells of spokes, the weights of one spoke, and the images that weights give."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.spatial import Voronoi, voronoi_plot_2d

import nufftlib as nl
from nufftlib import data, mri

N = 64
WIDE = "pipe_menon, a wide kernel"


def diametral(spokes, n):
    """Return spokes through the centre."""
    angle = np.pi * np.arange(spokes) / spokes
    along = (np.arange(2 * n) - n) / (2 * n)
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def main():
    """Weight the samples of spokes in five ways."""
    few = diametral(9, 6)
    k = diametral(101, N)
    F = nl.NUFFT(k, (N, N), eps=1e-9)
    image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
    image = image / image.max()
    weights = {
        "pipe_menon": mri.pipe_menon(F),
        "voronoi_weights": mri.voronoi_weights(F),
        "shell_weights": mri.shell_weights(F),
        "cell_count_weights": mri.cell_count_weights(F),
        WIDE: mri.pipe_menon(F, width=7, grid=F.shape, iterations=10),
    }
    figure = Figure(figsize=(11, 5.6), layout="constrained", dpi=90)
    axes = figure.subplots(2, 4)
    cells = Voronoi(np.unique(np.round(few.reshape(-1, 2), 9), axis=0))
    voronoi_plot_2d(cells, axes[0, 0], show_vertices=False, line_width=0.7, point_size=3)
    axes[0, 0].set(title="cells of 9 spokes", xlim=(-0.65, 0.65), ylim=(-0.65, 0.65))
    axes[0, 0].set_aspect("equal")
    grid = axes[0, 1].get_gridspec()
    for axis in axes[0, 1:]:
        axis.remove()
    along = figure.add_subplot(grid[0, 1:])
    radius = np.linalg.norm(k[0], axis=-1)[N:]
    for style, (name, w) in zip(("-", "--", ":", "-", "-"), weights.items(), strict=True):
        along.plot(radius, w[0, N:], style, label=name)
    along.set(xlabel="radius, cycles per voxel", ylabel="weight", title="along one of 101 spokes")
    along.legend(fontsize=8)
    names = ("pipe_menon", "voronoi_weights", "cell_count_weights", WIDE)
    y = F(image + 0j)
    for axis, name in zip(axes[1], names, strict=True):
        x = F.H(weights[name] * y).real
        axis.imshow(x, vmin=0, vmax=1, cmap="gray")
        axis.set_title(f"{name}: {nl.nrmse(x, image):.3f}", fontsize=8)
        axis.set_axis_off()
    figure.savefig(Path(__file__).with_name("density.png"))


if __name__ == "__main__":
    main()
