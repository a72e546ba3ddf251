"""
Reconstruct a scan
==================

Raw data of eight coils on 28 spokes, a quarter of what the field of view wants, with noise. The
coil maps are estimated from the data by ESPIRiT. ``reconstruct`` then offers four methods: the
density-compensated adjoint, least squares by conjugate gradients, and least squares with a penalty
of wavelet coefficients or of total variation. The weight of a penalty follows from the noise,
which is estimated as well.

The adjoint shows the streaks of the missing spokes. Least squares removes some of them at the cost
of noise; the penalties remove both.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data, workflows

image = data.brain()[::2, ::2].astype(np.complex64)
k = nl.mri.trajectories.radial(28, 256)
coil_maps = nl.mri.birdcage_maps(8, image.shape)
y = nl.NUFFT(k, image.shape, norm="ortho")(coil_maps * image)
noise = np.random.default_rng(0).standard_normal((2, *y.shape), dtype=np.float32)
y = y + 0.05 * (noise[0] + 1j * noise[1]) / 2**0.5

results = {
    method: workflows.reconstruct(y, k, image.shape, method=method)
    for method in ("adjoint", "cg", "wavelet", "tv")
}

# %%
figure, axes = plt.subplots(2, 5, figsize=(11.5, 4.8), layout="constrained")
axes[0, 0].imshow(abs(image), cmap="gray", vmin=0, vmax=1)
axes[0, 0].set_title("true image")
for (top, bottom), (method, result) in zip(axes.T[1:], results.items(), strict=True):
    x = abs(result.image)
    top.imshow(x, cmap="gray", vmin=0, vmax=1)
    top.set_title(f"{method}: error {float(nl.nrmse(x, abs(image))):.3f}")
    off = bottom.imshow(x - abs(image), cmap="RdBu_r", vmin=-0.3, vmax=0.3)
for axis in axes.flat:
    axis.set_axis_off()
figure.colorbar(off, ax=axes[1, 4], shrink=0.8, label="image - true image")
plt.show()

# %%
# A result says what was estimated, chosen and reached:

results["tv"]

# %%
# :doc:`/reconstruct` has the methods, the weights and the files; ``nufftlib reconstruct`` is the
# command.
