"""
Image and PSF from one blurred picture
======================================

Without the sharp picture, both are unknown. ``calibrate_blind`` looks for an image of few edges,
from coarse pixels to fine ones. Of a drawing with clear edges it finds the PSF well. Of a picture
of smooth texture, which has no edges, it does not, and nothing in the blurred picture could tell.

The two rows have the same PSF and the same noise. Errors are those at the best shift by whole
pixels, since a shift of the PSF is one of the image the other way.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import workflows

SIZE = 9
rng = np.random.default_rng(1)
rows, columns = np.mgrid[:84, :84]


def shapes():
    """Return disks and bars of flat greys."""
    image = np.full((84, 84), 0.5)
    for _ in range(16):
        a, b = rows - rng.uniform(0, 84), columns - rng.uniform(0, 84)
        t, r = rng.uniform(0, np.pi), rng.uniform(6, 20)
        along, across = abs(np.cos(t) * a + np.sin(t) * b), abs(np.cos(t) * b - np.sin(t) * a)
        inside = np.hypot(a, b) < r if rng.random() < 0.5 else (along < r) & (across < r / 2)
        image[inside] = rng.uniform(0.05, 0.95)
    return image


def texture():
    """Return smooth noise."""
    wide = nl.Blur(nl.blur.gaussian_psf(9, 1.0, dtype=np.float64), "circular")
    smooth = wide(rng.standard_normal((84, 84)))
    return np.clip(0.5 + 0.2 * smooth / smooth.std(), 0, 1)


psf = nl.blur.motion_psf(SIZE, seed=1, dtype=np.float64)
figure, axes = plt.subplots(2, 5, figsize=(12, 5.2), layout="constrained")
for row, image in zip(axes, (shapes(), texture()), strict=True):
    _, blurred = workflows.simulate_blur(image, psf=psf, noise=0.005, seed=1)
    found = workflows.calibrate_blind(blurred, size=SIZE)
    error = workflows.shift_aligned_error(found.psf, psf)
    pictures = {"image": image, "blurred": blurred, "restored": found.image}
    for axis, (name, x) in zip(row, pictures.items(), strict=False):
        axis.imshow(x, cmap="gray", vmin=0, vmax=1)
        axis.set_title(name)
    for axis, (name, h) in zip(row[3:], {"true PSF": psf, "found": found.psf}.items(), strict=True):
        shown = axis.imshow(h, cmap="magma", vmin=0, vmax=psf.max())
        axis.set_title(name if h is psf else f"{name}: error {100 * error:.0f} %")
    figure.colorbar(shown, ax=row[4], shrink=0.8, label="part of the light")
    for axis in row:
        axis.set_axis_off()
plt.show()

# %%
# :doc:`/blind-calibration` says how often the PSF of a photograph is found.
