"""Draw sampling-points.png and sampling-curves.png, and print the figures of docs/sampling.md."""

import time
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

import nufftlib as nl
from nufftlib import data
from nufftlib.mri import sampling, trajectories

SHAPE = (256, 256)
COUNT = 1500
PROTOCOL = nl.mri.Protocol(
    nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6), fov=0.24, shape=SHAPE
)


def densities():
    """Return the densities of the first row of pictures."""
    return {
        "polynomial, power 4": sampling.polynomial_density(SHAPE, 4.0),
        "decay, cutoff 0.1, power 2": sampling.decay_density(SHAPE, 0.1, 2.0),
        "wavelets, 4 moments, 3 levels": sampling.wavelet_density(SHAPE),
        "energy of the brain": sampling.energy_density(data.brain()),
    }


def framed(axes, title):
    """Show k-space as a square with its title."""
    axes.set(title=title, xlim=(-0.5, 0.5), ylim=(0.5, -0.5), aspect="equal")
    axes.set(xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5))


def draw_points():
    """Draw densities, and points of three kinds that are drawn from one of them."""
    figure = Figure(figsize=(14.0, 7.4), dpi=90, layout="constrained")
    top, bottom = figure.subplots(2, 4)
    for axes, (title, density) in zip(top, densities().items(), strict=True):
        relative = density / density.max()
        shown = axes.imshow(
            relative, norm=LogNorm(1e-7, 1), extent=(-0.5, 0.5, 0.5, -0.5), cmap="viridis"
        )
        framed(axes, title)
    figure.colorbar(shown, ax=top, label="density / largest", shrink=0.9)
    density = densities()["decay, cutoff 0.1, power 2"]
    drawn = {
        "random": sampling.random_samples(density, COUNT, seed=0),
        "Poisson disc": sampling.poisson_disc_samples(density, COUNT, seed=0),
        "Lloyd": sampling.lloyd_samples(density, COUNT, seed=0),
    }
    cells = sampling.grid.cells("", density)
    for axes, (title, k) in zip(bottom, drawn.items(), strict=False):
        axes.plot(k[:, 1], k[:, 0], ".", markersize=2.5)
        framed(axes, title)
        nearest = cKDTree(k).query(k, k=2)[0][:, 1] * (COUNT * cells.at(k)) ** 0.5
        bottom[3].hist(
            nearest, np.linspace(0, 1.3, 53), histtype="step", label=title, linewidth=1.5
        )
    bottom[3].set(title="distance of the nearest other point", xlabel=r"$r\,(m \rho)^{1/2}$")
    bottom[3].set(ylabel="points")
    bottom[3].legend(loc="upper left")
    figure.savefig(Path(__file__).with_name("sampling-points.png"))


def curves():
    """Return the curves of the second picture."""
    density = sampling.decay_density(SHAPE, 0.1, 2.0)
    spokes = trajectories.radial(32, 512, in_out=True)
    began = time.perf_counter()
    found = sampling.attract_repel(spokes, density, PROTOCOL, steps=300)
    print(f"attract_repel: {time.perf_counter() - began:.1f} s, {found.certificate}")
    walks = sampling.decay_density((64, 64), 0.1, 2.0)
    return (
        {
            "random walks": trajectories.random_walk(8, 512, density=walks),
            "a salesman's tour in 16 shots": trajectories.travelling_salesman(
                16, 512, density=density, cities=1500
            ),
            "attracted, within limits": found.trajectory,
        },
        found,
        density,
    )


def draw_curves():
    """Draw the curves, one shot in black, and where the samples of the third lie."""
    figure = Figure(figsize=(14.0, 4.0), dpi=90, layout="constrained")
    *places, last = figure.subplots(1, 4)
    made, found, density = curves()
    for axes, (title, k) in zip(places, made.items(), strict=True):
        for shot in k[1:]:
            axes.plot(shot[:, 1], shot[:, 0], color="C0", linewidth=0.6)
        axes.plot(k[0, :, 1], k[0, :, 0], "k", linewidth=1.2)
        framed(axes, title)
    edges = np.linspace(0, 0.7, 36)
    many = sampling.random_samples(density, 1_000_000, seed=0)
    for k, label, style in (
        (many, "the density", "k--"),
        (found.trajectory_start, "spokes", "C1"),
        (found.trajectory, "attracted", "C0"),
    ):
        radius = np.linalg.norm(k, axis=-1).reshape(-1)
        share = np.histogram(radius, edges)[0] / radius.size / np.diff(edges)
        last.plot(edges[:-1] + 0.01, share, style, label=label)
    last.set(title="samples by radius", xlabel="|k|", ylabel="share per unit", xlim=(0, 0.7))
    last.grid(alpha=0.25)
    last.legend()
    figure.savefig(Path(__file__).with_name("sampling-curves.png"))


if __name__ == "__main__":
    draw_points()
    draw_curves()
