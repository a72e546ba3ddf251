"""Draw delays.png: an image of late spokes, on the planned trajectory and on the one found."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data, mri

N, SPOKES, NOISE = 64, 51, 0.005
DELAYS = np.asarray([0.8, -0.6, 0.3])


def main():
    """Simulate, calibrate, and reconstruct with either trajectory."""
    rng = np.random.default_rng(0)
    image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
    image = image / image.max()
    angle = 2 * np.pi * np.arange(SPOKES) / SPOKES
    along = (np.arange(2 * N) - N) / (2 * N)
    k = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
    s = mri.birdcage_maps(6, (N, N), dtype=np.complex128)
    played = mri.GradientDelays(k)(DELAYS)
    y = nl.NUFFT(played, (N, N), engine="direct")(s * image)
    y = y + NOISE * abs(y).max() * (
        rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape)
    )
    F = nl.NUFFT(k, (N, N), norm="ortho")
    found = mri.calibrate_delays(F, y)
    print(found.delays - DELAYS, found.deviations)
    figure = Figure(figsize=(10.5, 3.4), layout="constrained", dpi=90)
    axes = figure.subplots(1, 4)
    for axis, (name, x) in zip(
        axes[:3],
        {
            "planned trajectory": nl.LeastSquares(F @ nl.Sense(s), 1.0, tolerance=1e-3)(y),
            "calibrated": nl.LeastSquares(
                F.replace(trajectory=found.trajectory) @ nl.Sense(s), 1.0, tolerance=1e-3
            )(y),
            "image": image * N,
        }.items(),
        strict=True,
    ):
        axis.imshow(abs(x) / N, vmin=0, vmax=1, cmap="gray")
        axis.set_title(f"{name}: {nl.nrmse(abs(x) / N, image):.3f}" if name != "image" else name)
        axis.set_axis_off()
    middle = slice(N - 4, N + 5)
    for spoke in range(0, SPOKES, 3):
        axes[3].plot(*(N * k[spoke, middle]).T, color="0.8", linewidth=0.8)
        axes[3].plot(*(N * found.trajectory[spoke, middle]).T, ".-", markersize=3, linewidth=0.8)
    axes[3].set(title="centre, steps of 1/FOV", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
    figure.savefig(Path(__file__).with_name("delays.png"))


if __name__ == "__main__":
    main()
