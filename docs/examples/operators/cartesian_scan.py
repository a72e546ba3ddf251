"""
A Cartesian scan: masks, noise, fewer coils, shifts
===================================================

The operators around a scan on the Cartesian grid. ``FFT`` is the NUFFT at the grid's points, and a
mask of the lines that were measured is ``Diagonal``. ``whiten`` makes the noise of all coils
white, from a scan of noise alone. ``compress_coils`` combines twelve coils to five that hold
nearly all of the signal. ``FieldOfViewShift`` moves the image by a phase of its samples, with a
derivative by the shift.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data, mri

N, COILS = 128, 12
rng = np.random.default_rng(0)
image = data.brain()[::2, ::2].astype(float) + 0j
S = nl.Sense(mri.birdcage_maps(COILS, (N, N), dtype=np.complex128))
lines = (np.arange(N) % 3 == 0) | (abs(np.arange(N) - N // 2) < 10)
mask = np.broadcast_to(lines[:, None], (N, N)).astype(float)
A = nl.Diagonal(mask) @ nl.FFT((N, N), norm="ortho") @ S

mixing = 0.015 * (np.eye(COILS) + 0.5 * rng.standard_normal((COILS, COILS)))


def noise(*shape):
    """Return noise that the coils share."""
    parts = rng.standard_normal((2, COILS, *shape))
    return np.tensordot(mixing, parts[0] + 1j * parts[1], axes=1)


y = A(image) + mask * noise(N, N)
white = mri.whiten(noise(4096), (N, N))
compressed = mri.compress_coils(white(y), 5)
compressed

# %%
# Least squares with all coils as they are, with the noise made white, and with five virtual coils:

C = compressed.operator.rename(matrix="compression") @ white
models = {"as they are": (A, y), "white noise": (white @ A, white(y)), "five coils": (C @ A, C(y))}
figure, axes = plt.subplots(1, 5, figsize=(13, 2.9), layout="constrained")
shown = axes[0].imshow(np.log10(abs(y[0]) + 1e-3), cmap="magma", vmin=-2, vmax=1)
axes[0].set_title("samples of a coil")
figure.colorbar(shown, ax=axes[0], shrink=0.8, label="log10 of the magnitude")
axes[1].imshow(abs(image), cmap="gray", vmin=0, vmax=1)
axes[1].set_title("image")
for axis, (name, (B, z)) in zip(axes[2:], models.items(), strict=True):
    x = nl.LeastSquares(B, damping=0.02, tolerance=1e-3)(z)
    axis.imshow(abs(x), cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{name}: {nl.nrmse(abs(x), abs(image)):.3f}")
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
# A shift of the field of view, by 20 and -12.5 voxels, by the phase of samples along spokes:

F = nl.NUFFT(mri.trajectories.radial(200, N, dtype=np.float64), (N, N), norm="ortho")
moved = nl.FieldOfViewShift(F, np.asarray([20.0, -12.5]))
x = F.H(mri.pipe_menon(F) * moved(F(image)))
figure, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
for axis, (name, picture) in zip(axes, {"image": image, "shifted": x}.items(), strict=True):
    axis.imshow(abs(picture), cmap="gray")
    axis.set_title(name)
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/scan-operators` and :doc:`/coil-maps` have more of each.
