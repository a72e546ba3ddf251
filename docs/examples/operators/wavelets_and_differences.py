"""
Wavelets and finite differences: what makes an image simple
===========================================================

Penalties for images need an operator under which images are sparse. ``Wavelet`` is orthogonal: few
of its coefficients hold most of an image. ``FiniteDifferences`` is zero where an image is flat:
its magnitude, summed, is the total variation.

The example keeps the largest wavelet coefficients only, then removes noise from an image by soft
thresholds of the coefficients and by total variation, at the strength that is best for each.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

image = data.brain().astype(float)
W = nl.Wavelet(image.shape, "db4", levels=4)
D = nl.FiniteDifferences(image.shape)

figure, axes = plt.subplots(1, 4, figsize=(11.5, 3.1), layout="constrained")
c = W(image)
shown = axes[0].imshow(abs(c), cmap="magma", vmax=1)
axes[0].set_title("Wavelet: magnitudes")
figure.colorbar(shown, ax=axes[0], shrink=0.8, extend="max")
for axis, kept in zip(axes[1:3], (0.1, 0.03), strict=True):
    few = np.where(abs(c) >= np.quantile(abs(c), 1 - kept), c, 0)
    axis.imshow(W.H(few), cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{100 * kept:.0f} % of them: error {nl.nrmse(W.H(few), image):.3f}")
shown = axes[3].imshow(np.linalg.norm(D(image), axis=0), cmap="magma")
axes[3].set_title("length of the differences")
figure.colorbar(shown, ax=axes[3], shrink=0.8)
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
noisy = nl.blur.gaussian_noise(image, 0.1, seed=0)
weights = np.geomspace(0.02, 0.3, 7)
by_wavelets = [W.H(optim.proximal.soft_threshold(w).prox(W(noisy), 1.0)) for w in weights]
by_variation = [optim.proximal.total_variation(w).prox(noisy, 1.0) for w in weights]

figure, axes = plt.subplots(1, 4, figsize=(11.5, 3.1), layout="constrained")
axes[0].imshow(noisy, cmap="gray", vmin=0, vmax=1)
axes[0].set_title(f"noisy: error {nl.nrmse(noisy, image):.3f}")
for axis, (name, found) in zip(
    axes[1:3], {"wavelets": by_wavelets, "total variation": by_variation}.items(), strict=True
):
    errors = [float(nl.nrmse(x, image)) for x in found]
    axis.imshow(found[np.argmin(errors)], cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{name}: error {min(errors):.3f}")
    axes[3].plot(weights, errors, ".-", label=name)
axes[3].set(xlabel="weight of the penalty", ylabel="error")
axes[3].legend()
for axis in axes[:3]:
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/solvers` has solvers for such penalties, :doc:`/scan-operators` wavelets in a scan.
