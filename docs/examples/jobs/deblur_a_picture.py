"""
Deblur a picture
================

With a known PSF a blurred picture becomes sharp again. Dividing by the PSF's spectrum would blow
up the noise, so each method weighs sharpness against it: Wiener's filter by the power spectra of
picture and noise, total variation by a penalty of edges, Richardson and Lucy by stopping early.
Noise and weights are estimated from the blurred picture. The margin, which depends on what lies
outside of the frame, is a part of the unknowns, so that no ringing comes from the borders.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data, workflows

sharp = data.astronaut()[:, :160, 40:220]
psf, blurred = workflows.simulate_blur(sharp, size=25, noise=0.005, seed=0)
results = {method: workflows.deblur(blurred, psf, method=method) for method in workflows.DEBLURRING}

# %%
seen = sharp[:, 12:-12, 12:-12]  # the pixels of the blurred picture
pictures = {"sharp": seen, "blurred": blurred} | {n: r.picture for n, r in results.items()}
part = (slice(None), slice(10, 110), slice(28, 128))

figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
    axis.imshow(np.moveaxis(picture[part].clip(0, 1), 0, -1), interpolation="nearest")
    decibels = "" if name == "sharp" else f": {float(nl.psnr(picture, seen, 1.0)):.1f} dB"
    axis.set_title(name + decibels)
shown = axes[1, 2].imshow(psf, cmap="magma")
axes[1, 2].set_title("PSF")
figure.colorbar(shown, ax=axes[1, 2], shrink=0.8, label="part of the light")
for axis in axes.flat:
    axis.set_axis_off()
plt.show()

# %%
# What is left, blurred picture minus model, should look like noise. Here is that of total
# variation:

residual = results["tv"].residual[1]
figure, axis = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
shown = axis.imshow(residual, cmap="RdBu_r", vmin=-0.02, vmax=0.02)
axis.set_title(f"residual, root mean square {residual.std():.4f}")
axis.set_axis_off()
figure.colorbar(shown, ax=axis, label="part of the white")
plt.show()

# %%
# :doc:`/deblur` says which method when.
