"""
A PSF that varies over the picture
==================================

A camera that was turned during the exposure blurs the corners along arcs and leaves the centre
sharp. ``calibrate_field`` finds PSFs on a grid over the picture, between which it interpolates,
from the sharp and the blurred picture. One PSF for all is far off in the corners.

The result has the operator, a ``SpaceVaryingBlur``, with which ``deblur`` makes the picture sharp
again.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data, workflows

SIZE = 11
sharp = data.astronaut()[:, ::2, ::2].mean(axis=0, keepdims=True)
q = np.arange(SIZE) - SIZE // 2
shape = tuple(n - SIZE + 1 for n in sharp.shape[1:])


def true_psf(u, v):
    """Return the PSF at a place from -1 to 1 down and across: an arc around the centre."""
    u = u + 1e-9  # a direction in the centre, too
    r = np.hypot(u, v)
    out, around = (u * q[:, None] + v * q) / r, (u * q - v * q[:, None]) / r
    line = (around - 5 * r * t for t in np.linspace(-0.5, 0.5, 15))
    h = sum(np.exp(-0.5 * (out**2 + a**2) / 0.64) for a in line)
    return h / h.sum()


windows = np.lib.stride_tricks.sliding_window_view(sharp, (SIZE, SIZE), axis=(-2, -1))
places = [np.linspace(-1, 1, n) for n in shape]
psfs = np.stack([[true_psf(u, v) for v in places[1]] for u in places[0]])
blurred = np.einsum("cijpq,ijpq->cij", windows[..., ::-1, ::-1], psfs).astype(np.float32)
blurred = nl.blur.gaussian_noise(blurred, 0.005, seed=0)

found = workflows.calibrate_field(sharp, blurred, grid=5, size=SIZE)
found

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 4.1), layout="constrained")
grid = np.pad(found.psfs, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
tiled = np.moveaxis(grid, 2, 1).reshape(5 * (SIZE + 1), -1)
true = np.stack([[true_psf(u, v) for v in np.linspace(-1, 1, 5)] for u in np.linspace(-1, 1, 5)])
true = np.pad(true, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
for axis, (name, x) in zip(
    axes,
    {"true": np.moveaxis(true, 2, 1).reshape(tiled.shape), "found": tiled}.items(),
    strict=False,
):
    shown = axis.imshow(np.sqrt(np.maximum(x, 0)), cmap="magma", vmin=0, vmax=0.4)
    axis.set_title(f"PSFs on the grid, {name}")
figure.colorbar(shown, ax=axes[1], shrink=0.8, label="root of the part of the light")
axes[2].imshow(found.single, cmap="magma")
axes[2].set_title("the best single PSF")
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
mended = workflows.deblur(blurred, found.operator, steps=60).picture
single = workflows.deblur(blurred, found.single, steps=60).picture
c = SIZE // 2
seen = sharp[:, c:-c, c:-c]
pictures = {"blurred": blurred, "deblurred, one PSF": single, "deblurred, field": mended}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (name, x) in zip(axes, ({"sharp": seen} | pictures).items(), strict=True):
    axis.imshow(x[0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(name + (f": {float(nl.psnr(x, seen, 1.0)):.1f} dB" if x is not seen else ""))
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/psf-field` has other fields, PSFs from stars, and the accuracy.
