"""Draw off-resonance.png: a long readout's image with and without the field map, and the map."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
import optim
from nufftlib import data

N, SHOTS, SAMPLES = 64, 8, 1024
TIMES = np.linspace(2e-3, 12e-3, SAMPLES)


def object_and_field():
    """Return a slice of the brain, and a field in hertz."""
    image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
    i = np.linspace(-1, 1, N)
    bump = np.exp(-((i - 0.3) ** 2 + (i[:, None] + 0.2) ** 2) / 0.08)
    return image / image.max() + 0j, 80 * i - 60 * i[:, None] + 70 * bump


def main():
    """Simulate by the exact sums of the transform, reconstruct, calibrate and draw."""
    rng = np.random.default_rng(0)
    image, field = object_and_field()
    k = nl.mri.trajectories.spiral(SHOTS, SAMPLES, revolutions=5, dtype=np.float64)
    exact = nl.NUFFT(k, image.shape, engine="direct")
    y = nl.OffResonance(exact, field, TIMES, eps=1e-9)(image)
    noise = 1e-4 * abs(y).max()
    y = y + noise * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))

    F = nl.NUFFT(k, image.shape)
    A = nl.OffResonance(F, field, TIMES, eps=1e-5)
    without, corrected = (nl.LeastSquares(B, 0.1, tolerance=1e-4)(y) for B in (F, A))

    model = A.replace(field_map=np.zeros_like(field)).as_map("field_map", image)
    smooth = nl.HalfSquaredError(np.zeros((2, N, N))) @ nl.FiniteDifferences((N, N))
    loss = noise**-2 * nl.HalfSquaredError(y) @ model + 10.0 * smooth
    found = optim.lbfgs(loss.value_and_grad, np.zeros_like(field), steps=150).params
    seen = abs(image) > 0.15
    off = np.where(seen, found - field, np.nan)
    print(f"field {field.min():.0f} to {field.max():.0f} Hz, noise {noise:.3f}, terms {A.terms}")
    print(f"NRMSE without the map {nl.nrmse(without, image):.3f}, with it ", end="")
    print(f"{nl.nrmse(corrected, image):.4f}; map {np.sqrt(np.nanmean(off**2)):.2f} Hz rms")

    figure = Figure(figsize=(15.0, 3.2), dpi=90, layout="constrained")
    places = figure.subplots(1, 5)
    pictures = {
        "image": abs(image),
        f"without the map, {SHOTS} shots of 10 ms": abs(without),
        "with the map": abs(corrected),
    }
    for place, (title, picture) in zip(places, pictures.items(), strict=False):
        place.imshow(picture, cmap="gray", vmin=0, vmax=1)
        place.set(title=title)
    for place, title, values, end in (
        (places[3], "field map found, Hz", np.where(seen, found, np.nan), 150),
        (places[4], "found - true, Hz", off, 2),
    ):
        shown = place.imshow(values, cmap="RdBu_r", vmin=-end, vmax=end)
        place.set(title=title)
        figure.colorbar(shown, ax=place, shrink=0.8)
    for place in places:
        place.set(xticks=[], yticks=[])
    figure.savefig(Path(__file__).with_name("off-resonance.png"))


if __name__ == "__main__":
    main()
