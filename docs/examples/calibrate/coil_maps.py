"""
Coil maps, estimated and calibrated
===================================

The sensitivities of the coils come from the data. ``espirit_maps`` takes the centre of k-space,
which any trajectory covers, and finds in each voxel the combination of coils that the data allow;
its eigenvalue is one where there is signal. ``low_frequency_maps`` divides blurred coil images,
and is off where the object ends.

Maps are also a parameter of ``Sense``, with a gradient. The example ends with a calibration: from
a known image, as of a phantom, and few spokes, the maps are found by gradient descent with a
penalty of their differences.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, mri

N, COILS = 96, 6
rng = np.random.default_rng(0)
image = data.brain()[32:224, 32:224].astype(float).reshape(N, 2, N, 2).mean(axis=(1, 3))
image = image / image.max()
true_maps = mri.birdcage_maps(COILS, (N, N), dtype=np.complex128)
coil_images = true_maps * image
F = nl.NUFFT(mri.trajectories.radial(101, N, dtype=np.float64), (N, N), "ortho")
y = F(coil_images)
y = y + 0.02 * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))

found = mri.espirit_maps(mri.calibration_region(F, y), (N, N))
low = mri.low_frequency_maps(F, y, mri.pipe_menon(F), smoothing=4.0)


def off(s):
    """Return the part of the coil images that maps do not explain."""
    rest = coil_images - np.sum(np.conj(s) * coil_images, axis=0) * s
    return np.where(image > 0.1, np.linalg.norm(rest, axis=0) / np.maximum(image, 0.1), np.nan)


# %%
figure, axes = plt.subplots(1, 5, figsize=(13, 2.8), layout="constrained")
for axis, j in zip(axes, (0, 3), strict=False):
    s = found.maps[0][j]
    hue = plt.get_cmap("hsv")(np.angle(s) / (2 * np.pi) % 1)[..., :3]
    axis.imshow(hue * np.minimum(1.6 * abs(s), 1)[..., None])
    axis.set_title(f"coil {j}: phase as colour", fontsize=10)
shown = axes[2].imshow(found.eigenvalues[0], vmin=0, vmax=1)
axes[2].set_title("eigenvalue", fontsize=10)
figure.colorbar(shown, ax=axes[2], shrink=0.8)
maps = {"espirit_maps": found.maps[0], "low_frequency_maps": low}
for axis, (name, s) in zip(axes[3:], maps.items(), strict=True):
    shown = axis.imshow(off(s), vmin=0, vmax=0.05, cmap="magma")
    axis.set_title(f"off: {name}", fontsize=10)
    figure.colorbar(shown, ax=axis, shrink=0.8, extend="max")
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
# The calibration: 32 spokes of a known image, from maps of zero.

few = nl.NUFFT(mri.trajectories.radial(32, N, dtype=np.float64), (N, N), "ortho")
y = few(coil_images)
start = np.zeros_like(true_maps)
model = (few @ nl.Sense(start)).as_map("maps", image)
D = nl.FiniteDifferences((N, N))
smooth = nl.HalfSquaredError(np.zeros_like(D(start))) @ D
loss = nl.HalfSquaredError(y) @ model + 1.0 * smooth
result = optim.lbfgs(loss.value_and_grad, start, steps=60)

inside = image > 0.1
error = np.linalg.norm((result.params - true_maps)[:, inside])
error /= np.linalg.norm(true_maps[:, inside])
figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")
axes[0].imshow(abs(true_maps[0]), vmin=0, cmap="viridis")
axes[0].set_title("true map of coil 0")
shown = axes[1].imshow(abs(result.params[0]), vmin=0, vmax=abs(true_maps[0]).max())
axes[1].set_title(f"calibrated: error {error:.3f}")
figure.colorbar(shown, ax=axes[1], shrink=0.8, label="magnitude")
axes[2].semilogy(result.history)
axes[2].set(xlabel="step", title="loss", ylabel="half squared error + penalty")
for axis in axes[:2]:
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/coil-maps` compares the estimates, beside BART's and sigpy's.
