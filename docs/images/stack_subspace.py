"""Draw stack-subspace.png: a stack of stars of a decaying signal, by frames and in a subspace."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nufftlib as nl
from nufftlib import data

N, SLICES, COILS = 64, 8, 6
FRAMES, SPOKES, SAMPLES, SPACING = 24, 4, 128, 8e-3
COUNT = 3
VOLUME = (SLICES, N, N)
TIMES = SPACING * (1 + np.arange(FRAMES))


def volume():
    """Return slices of a head that becomes smaller, and the decay time of each voxel in seconds."""
    brain = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
    density = np.zeros(VOLUME)
    for s in range(SLICES):
        size = 1.0 + 0.06 * s
        at = np.round((np.arange(N) - N // 2) * size).astype(int) + N // 2
        inside = (at >= 0) & (at < N)
        density[s][np.ix_(inside, inside)] = brain[np.ix_(at[inside], at[inside])]
    density /= density.max()
    return density, 0.03 + 0.12 * density


def basis():
    """Return the first singular vectors of decays, shape (frames, coefficients)."""
    decays = np.exp(-TIMES[:, None] / np.geomspace(0.02, 0.3, 200))
    return np.linalg.svd(decays, full_matrices=False)[0][:, :COUNT]


def draw():
    """Simulate by the frames themselves, reconstruct twice, and draw a slice and a voxel."""
    rng = np.random.default_rng(0)
    density, times = volume()
    frames = density * np.exp(-TIMES[:, None, None, None] / times) + 0j
    ring = nl.mri.birdcage_maps(COILS, (N, N, SLICES), dtype=np.complex128)
    maps = np.ascontiguousarray(np.moveaxis(ring, -1, 1))

    k = nl.mri.trajectories.radial(FRAMES * SPOKES, SAMPLES, tilt="golden", dtype=np.float64)
    k = k.reshape(FRAMES, SPOKES, SAMPLES, 2)
    P, S = nl.PartitionFFT(VOLUME, norm="ortho"), nl.Sense(maps)
    of_frame = nl.NUFFT(k[0], (N, N), norm="ortho") @ P @ S
    each = nl.Paired(of_frame, {"trajectory": k})
    y = each(frames)  # (frames, coils, partitions, spokes, samples)
    y = y + 2e-3 * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))

    alone = nl.LeastSquares(each, 0.02, tolerance=1e-3)(y)
    A = nl.Subspace(nl.NUFFT(k, (N, N), norm="ortho") @ P @ S, basis(), axis=-3)
    coefficients = nl.LeastSquares(A, 3e-3, tolerance=1e-5)(np.moveaxis(y, 0, 2))
    found = np.tensordot(basis(), coefficients, axes=1)
    for name, x in (("frame by frame", alone), ("subspace", found)):
        print(f"{name}: NRMSE {np.linalg.norm(x - frames) / np.linalg.norm(frames):.3f}")

    figure = Figure(figsize=(15.0, 3.4), dpi=90, layout="constrained")
    places = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 1.3))
    z, late = SLICES // 2, 12
    pictures = {
        f"frame {late} of {FRAMES}": frames,
        f"alone, {SPOKES} spokes": alone,
        f"{COUNT} coefficients of all frames": found,
        "five times the error": 5 * (found - frames),
    }
    for place, (title, x) in zip(places, pictures.items(), strict=False):
        place.imshow(abs(x[late, z]), cmap="gray", vmin=0, vmax=abs(frames[late, z]).max())
        place.set(title=title, xticks=[], yticks=[])
    row, column = 30, 20
    for x, style, label in (
        (frames, "k-", "true"),
        (alone, "C1.", "alone"),
        (found, "C0--", "subspace"),
    ):
        places[4].plot(1e3 * TIMES, abs(x[:, z, row, column]), style, label=label)
    places[4].set(title="a voxel", xlabel="ms", ylim=(0, None))
    places[4].legend()
    figure.savefig(Path(__file__).with_name("stack-subspace.png"))


if __name__ == "__main__":
    draw()
