"""
Density weights, by formula and learned
=======================================

The adjoint of a trajectory shows samples that lie densely too bright. Density weights balance
them. The figure has those of a fixed point (``pipe_menon``), of Voronoi cells, and of the distance
from the centre, and the images that they give.

Weights are a parameter as well: ``Diagonal`` has a gradient by them. Learned on one image they fit
this image better than any formula; on another one they do not, which is why the formulas are
there.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, mri

N = 64
brain = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
camera = data.astronaut().mean(axis=0).astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
k = mri.trajectories.radial(101, N, in_out=True, dtype=np.float64)
F = nl.NUFFT(k, (N, N), "ortho")
weights = {
    "none": np.ones(k.shape[:-1]),
    "pipe_menon": mri.pipe_menon(F),
    "voronoi_weights": mri.voronoi_weights(F),
    "shell_weights": mri.shell_weights(F),
}

# %%
# Learning: the image by the weights is linear in them, so that this is a convex problem on
# positive weights.

back = nl.Diagonal(weights["pipe_menon"]).as_map("weights", F(brain + 0j))
loss = nl.HalfSquaredError(brain + 0j) @ F.H @ back
result = optim.lbfgs(
    loss.value_and_grad, weights["pipe_menon"], optim.projections.nonnegative(), steps=40
)
weights["learned"] = result.params

# %%
figure, axes = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
for row, image in zip(axes, (brain, camera), strict=True):
    for axis, (name, w) in zip(row, weights.items(), strict=True):
        x = F.H(w * F(image + 0j)).real
        x = x * np.vdot(x, image) / np.vdot(x, x)  # the best brightness
        axis.imshow(x, vmin=0, vmax=1, cmap="gray")
        axis.set_title(f"{name}: {float(nl.nrmse(x, image)):.3f}", fontsize=10)
        axis.set_axis_off()
plt.show()

# %%
# Errors are relative to the image; the upper row is the image that the last weights were learned
# on.

figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
radius = np.linalg.norm(k[0], axis=-1) * np.sign(np.arange(N) - N // 2 + 0.5)
for name, style in (("pipe_menon", "-"), ("voronoi_weights", "--"), ("shell_weights", ":")):
    axis.plot(radius, weights[name][0] / weights[name].max(), style, label=name)
axis.plot(radius, weights["learned"][0] / weights["learned"].max(), ".", label="learned")
axis.set(xlabel="along a spoke [cycles per voxel]", ylabel="weight, in parts of the largest")
axis.legend()
plt.show()

# %%
# :doc:`/density` has all of them, their one scale, and the derivative of ``PipeMenon`` by the
# trajectory.
