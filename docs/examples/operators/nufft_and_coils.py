r"""
NUFFT, coils and the gradient by the trajectory
===============================================

``NUFFT`` takes an image to samples of its Fourier transform at any points of k-space. ``Sense``
multiplies the image by the sensitivity of each coil first: ``F @ S`` is a scan. Both have exact
adjoints. ``F.H`` of the samples is the image with the streaks that spokes leave.

The example ends with the derivative that the library is made for: how a loss changes with each
point of the trajectory, in one picture. The arrows point to where the samples would move.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data

image = data.brain()[::2, ::2] + 0j
k = nl.mri.trajectories.radial(24, 128)
F = nl.NUFFT(k, image.shape, norm="ortho")
S = nl.Sense(nl.mri.birdcage_maps(4, image.shape))
A = F @ S
y = A(image)

# %%
# The operator, as a notebook shows it:

A

# %%
# One coil's view, its samples along the spokes, and the adjoint with density weights.

weights = nl.mri.pipe_menon(F)
back = A.H(weights * y)

figure, axes = plt.subplots(1, 4, figsize=(11.5, 3.1), layout="constrained")
axes[0].imshow(abs(image), cmap="gray")
axes[0].set_title("image")
axes[1].imshow(abs(S(image)[0]), cmap="gray")
axes[1].set_title("seen by the first coil")
shown = axes[2].imshow(np.log10(abs(y[0])), aspect="auto", vmin=-2)
axes[2].set(title="its samples", xlabel="sample", ylabel="spoke")
figure.colorbar(shown, ax=axes[2], label="log10 of the magnitude", shrink=0.8)
axes[3].imshow(abs(back), cmap="gray")
axes[3].set_title("adjoint, weighted")
for axis in (*axes[:2], axes[3]):
    axis.set_axis_off()
plt.show()

# %%
# The gradient of the image's squared error by the trajectory. Along a random direction it agrees
# with a finite difference in double precision.

normal = nl.Sense(S.maps).H @ F.H @ nl.Diagonal(weights) @ F @ S
scale = float(np.vdot(back, image).real / np.vdot(back, back).real)
loss = nl.HalfSquaredError(image / scale) @ normal.as_map("trajectory", image)
value, gradient = loss.value_and_grad(k)

figure, axis = plt.subplots(figsize=(5.2, 5.2), layout="constrained")
near = (abs(k) < 0.08).all(axis=-1)
points, step = k[near], -gradient[near]
axis.quiver(points[:, 1], points[:, 0], step[:, 1], step[:, 0], angles="xy", color="C1", width=4e-3)
axis.plot(points[:, 1], points[:, 0], ".", markersize=3)
axis.set(aspect="equal", xlabel="cycles per voxel", ylabel="cycles per voxel")
axis.set_title("minus the gradient, near the centre of k-space")
plt.show()

double = k.astype(float)
exact = nl.NUFFT(double, image.shape, eps=1e-12).as_map("trajectory", image.astype(complex))
f = nl.HalfSquaredError(0 * y[0].astype(complex)) @ exact
rng = np.random.default_rng(0)
dk, h = rng.standard_normal(k.shape), 1e-7
print(f"gradient along dk:  {np.sum(f.value_and_grad(double)[1] * dk):.7e}")
print(f"finite difference:  {(f(double + h * dk) - f(double - h * dk)) / (2 * h):.7e}")

# %%
# :doc:`/derivations/nufft` derives the gradient, :doc:`/grid-engine` says why it costs one FFT.
