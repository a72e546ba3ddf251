"""
Warp, and the registration of two pictures
==========================================

``Warp`` resamples a picture at moved coordinates by cubic B-splines; shift, rotation and scale are
its parameters, with exact derivatives. ``register`` finds them for two pictures of the same scene,
by Levenberg-Marquardt steps from coarse pictures to fine ones, with standard deviations from the
residual.

The second picture is moved by splines of another order, so that the example does not invert its
own resampling. Before, the difference shows all edges; after, it shows the noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

import nufftlib as nl
from nufftlib import data

shift, rotation, scale = np.asarray([13.4, -21.8]), 0.06, 1.03
moving = ndimage.gaussian_filter(data.astronaut().mean(axis=0).astype(float), 1.2)
turn = [[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]]
M, centre = scale * np.asarray(turn), np.asarray(moving.shape) // 2
fixed = ndimage.affine_transform(moving, M, centre + shift - M @ centre, order=5, mode="mirror")
moving = nl.blur.gaussian_noise(moving, 0.005, seed=0)
fixed = nl.blur.gaussian_noise(fixed, 0.005, seed=1)

found = nl.warp.register(fixed, moving)
found

# %%
figure, axes = plt.subplots(1, 4, figsize=(11.5, 3.0), layout="constrained")
for axis, (name, picture) in zip(axes, {"moving": moving, "fixed": fixed}.items(), strict=False):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axis.set_title(name)
left = {"moving - fixed": moving - fixed, "warp(moving) - fixed": found.warp(moving) - fixed}
for axis, (name, picture) in zip(axes[2:], left.items(), strict=True):
    shown = axis.imshow(picture, cmap="RdBu_r", vmin=-0.2, vmax=0.2)
    axis.set_title(name)
figure.colorbar(shown, ax=axes[3], shrink=0.8)
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
# The numbers, with three standard deviations:

for name, true in (("shift", shift), ("rotation", rotation), ("scale", scale)):
    value, deviation = getattr(found.warp, name), found.deviations[name]
    print(f"{name}: {np.round(value, 5)} +- {np.round(3 * deviation, 5)}, true {true}")

# %%
# :doc:`/registration` has the accuracy by the noise, and a PSF that is found together with the
# motion.
