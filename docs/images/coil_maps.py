"""Draw coil-maps.png: maps from noisy spokes, their eigenvalues, and how far off estimates are."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, mri

N, COILS, SPOKES, NOISE = 128, 8, 101, 0.02


def simulated():
    """Return the images of the coils, the image, its inside, and noisy data of spokes."""
    rng = np.random.default_rng(0)
    image = data.brain().astype(float).reshape(N, 2, N, 2).mean(axis=(1, 3))
    image = image / image.max()
    c = mri.birdcage_maps(COILS, (N, N), dtype=np.complex128) * image
    c = c * np.exp(1j * np.linspace(0, 2, N))
    F = nl.NUFFT(mri.trajectories.radial(SPOKES, N, dtype=np.float64), (N, N), "ortho", eps=1e-9)
    y = F(c)
    y = y + NOISE * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))
    return c, image, image > 0.1, F, y


def off(name, s, c, image, inside):
    """Return the part of the coil images that maps do not explain, in each voxel."""
    rest = c - np.sum(np.conj(s) * c, axis=0) * s
    print(name, np.linalg.norm(rest[:, inside]) / np.linalg.norm(c[:, inside]))
    return np.where(inside, np.linalg.norm(rest, axis=0) / np.maximum(image, 0.1), 0)


def main():
    """Estimate, compare and draw."""
    c, image, inside, F, y = simulated()
    found = mri.espirit_maps(mri.calibration_region(F, y), (N, N))
    low = mri.low_frequency_maps(F, y, mri.pipe_menon(F), smoothing=4.0)
    figure = Figure(figsize=(10.5, 5.3), layout="constrained", dpi=90)
    axes = figure.subplots(2, 4)
    for axis, j in zip(axes[0], (0, 2, 4, 6), strict=True):
        s = found.maps[0][j]
        hue = colormaps["hsv"](np.angle(s) / (2 * np.pi) % 1)[..., :3]
        axis.imshow(hue * np.minimum(1.6 * np.abs(s), 1)[..., None])
        axis.set_title(f"map of coil {j}", fontsize=9)
    axes[1, 0].imshow(image, cmap="gray")
    axes[1, 0].set_title("image", fontsize=9)
    shown = axes[1, 1].imshow(found.eigenvalues[0], vmin=0, vmax=1)
    axes[1, 1].set_title("eigenvalue", fontsize=9)
    figure.colorbar(shown, ax=axes[1, 1], shrink=0.8)
    maps = {"espirit_maps": found.maps[0], "low_frequency_maps": low}
    for axis, (name, s) in zip(axes[1, 2:], maps.items(), strict=True):
        shown = axis.imshow(off(name, s, c, image, inside), vmin=0, vmax=0.05, cmap="magma")
        axis.set_title(f"off by: {name}", fontsize=9)
    figure.colorbar(shown, ax=axes[1, 3], shrink=0.8)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(Path(__file__).with_name("coil-maps.png"))


if __name__ == "__main__":
    main()
