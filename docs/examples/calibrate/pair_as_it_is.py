"""
A pair of pictures as they really are
=====================================

Two pictures of one scene, of which the second is blurred, differ by more than the blur: another
exposure, a black level, highlights that are clipped, hot pixels, and a camera that moved a little
in between. ``calibrate_pair`` finds all of these together with the PSF, and gives the PSF standard
deviations.

Calibrated as if nothing but a blur lay between the pictures, the PSF is far off.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from nufftlib import data, workflows

sharp = data.astronaut()[:, 30:200, 40:210]
truth, light = workflows.simulate_blur(sharp, size=13, noise=0.0, seed=3)
moved = np.stack([ndimage.shift(c, (1.4, -0.7), order=5, mode="mirror") for c in light])
rng = np.random.default_rng(0)
blurred = 0.8 * moved + 0.1 + 0.01 * rng.standard_normal(moved.shape)  # exposure, black level
blurred = np.where(rng.random(blurred.shape) < 1e-3, 1.2, np.minimum(blurred, 0.75))
blurred = blurred.astype(np.float32)

found = workflows.calibrate_pair(sharp, blurred, size=13)
naive = workflows.calibrate_psf(sharp, blurred, size=13)
found

# %%
figure, axes = plt.subplots(1, 5, figsize=(12.5, 2.9), layout="constrained")
for axis, (name, x) in zip(axes, {"sharp": sharp, "blurred": blurred}.items(), strict=False):
    axis.imshow(np.moveaxis(x.clip(0, 1), 0, -1))
    axis.set_title(name)
psfs = {"true": truth, "as it is": found.psf, "a blur alone": naive.psf}
for axis, (name, h) in zip(axes[2:], psfs.items(), strict=True):
    shown = axis.imshow(h, cmap="magma", vmin=0, vmax=truth.max())
    error = "" if name == "true" else f": {100 * workflows.shift_aligned_error(h, truth):.0f} %"
    axis.set_title(name + error)
figure.colorbar(shown, ax=axes[4], shrink=0.8, label="part of the light")
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
# The numbers that were found beside the PSF:

print("exposure ", *(f"{float(np.mean(g)):.3f}" for g in found.gain), "(true 0.8)")
print("black    ", *(f"{float(np.mean(o)):.3f}" for o in found.offset), "(true 0.1)")
print("motion   ", found.motion[0])
print(f"noise     {found.noise:.4f} (true 0.01)")
print(*found.findings, sep="\n")

# %%
# :doc:`/calibrate-pair` says what each of these costs, and how well the PSF is known.
