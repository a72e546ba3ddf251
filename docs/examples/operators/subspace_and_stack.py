r"""
A stack of stars in a temporal subspace
=======================================

A signal decays while 16 frames are taken, each with four golden-angle spokes in every partition of
a small volume. Four spokes are too few for an image: each frame alone is noise and streaks.

Decays lie near a space of few dimensions. ``Subspace`` reconstructs the coefficients of three
basis functions from all frames together, and these give every frame. ``PartitionFFT`` encodes the
slices, ``Paired`` gives each frame its trajectory, and all of them compose with ``NUFFT`` and
``Sense``.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data

N, SLICES, COILS, FRAMES, SPOKES = 48, 4, 4, 16, 4
times = 12e-3 * (1 + np.arange(FRAMES))  # s

brain = data.brain()[8:248, 8:248].astype(float).reshape(N, 5, N, 5).mean(axis=(1, 3))
density = np.stack([brain * (1 - 0.1 * s) for s in range(SLICES)]) / brain.max()
decay = 0.03 + 0.12 * density  # s
frames = density * np.exp(-times[:, None, None, None] / decay) + 0j

ring = nl.mri.birdcage_maps(COILS, (N, N, SLICES), dtype=np.complex128)
S = nl.Sense(np.ascontiguousarray(np.moveaxis(ring, -1, 1)))
P = nl.PartitionFFT((SLICES, N, N), norm="ortho")
k = nl.mri.trajectories.radial(FRAMES * SPOKES, 96, tilt="golden", dtype=np.float64)
k = k.reshape(FRAMES, SPOKES, 96, 2)
each = nl.Paired(nl.NUFFT(k[0], (N, N), norm="ortho") @ P @ S, {"trajectory": k})
y = each(frames)
rng = np.random.default_rng(0)
y = y + 2e-3 * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))

# %%
# The basis: the first singular vectors of decays of all times.

decays = np.exp(-times[:, None] / np.geomspace(0.02, 0.3, 200))
basis = np.linalg.svd(decays, full_matrices=False)[0][:, :3]
A = nl.Subspace(nl.NUFFT(k, (N, N), norm="ortho") @ P @ S, basis, axis=-3)

alone = nl.LeastSquares(each, 0.02, tolerance=1e-3)(y)
coefficients = nl.LeastSquares(A, 3e-3, tolerance=1e-4)(np.moveaxis(y, 0, 2))
together = np.tensordot(basis, coefficients, axes=1)
A

# %%
figure, axes = plt.subplots(1, 5, figsize=(13, 2.9), layout="constrained")
z, late = 1, 8
shown = {"true": frames, "alone": alone, "subspace": together}
for axis, (name, x) in zip(axes, shown.items(), strict=False):
    error = f": error {np.linalg.norm(x - frames) / np.linalg.norm(frames):.2f}"
    axis.imshow(abs(x[late, z]), cmap="gray", vmin=0, vmax=abs(frames[late, z]).max())
    axis.set_title(f"frame {late}, {name}" + error * (name != "true"), fontsize=10)
    axis.set_axis_off()
for j in range(3):
    axes[3].plot(1e3 * times, basis[:, j])
axes[3].set(title="basis", xlabel="time [ms]", ylabel="amplitude")
for (name, x), style in zip(shown.items(), ("k-", "C1.", "C0--"), strict=True):
    axes[4].plot(1e3 * times, abs(x[:, z, 22, 15]), style, label=name)
axes[4].set(title="a voxel", xlabel="time [ms]", ylabel="signal", ylim=(0, None))
axes[4].legend()
plt.show()

# %%
# :doc:`/scan-operators` has the operators around the NUFFT one by one.
