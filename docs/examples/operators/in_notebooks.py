"""
Operators and results in a notebook
===================================

The last line of a cell shows an object. An operator shows which shapes it maps, its parameters
with their shapes and dtypes, its settings, and the engine that computes it. What it is made of
unfolds by a click. A result shows its numbers and thumbnails of its pictures, a report the table
that it prints.

Nothing has to be installed for this: the pictures are a part of the text. They need no plotting
library and no network, and are as legible on a dark page as on a light one.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data, mri, workflows

image = data.brain()[::4, ::4]
spiral = mri.trajectories.spiral(8, 256, revolutions=4)
coil_maps = mri.birdcage_maps(4, image.shape)
F = nl.NUFFT(spiral, image.shape, norm="ortho", eps=1e-5)
F

# %%
# A composition has the parameters of its parts:

A = F @ nl.Sense(coil_maps)
A

# %%
# The check of an operator's laws is a table:

nl.check_operator(A, image + 0j, parameters=["trajectory"])

# %%
# A result has thumbnails. This one is of a reconstruction with total variation:

result = workflows.reconstruct(A(image + 0j), spiral, image.shape, method="tv", maps=coil_maps)
result

# %%
# Whatever is an array can be drawn as ever:

figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), layout="constrained")
axes[0].plot(spiral[..., 1].T, spiral[..., 0].T, linewidth=0.7)
axes[0].set(title="spiral", aspect="equal", xlabel="cycles per voxel", ylabel="cycles per voxel")
axes[1].imshow(abs(result.image), cmap="gray")
axes[1].set_title("image")
spread = mri.point_spread(spiral, image.shape)
shown = axes[2].imshow(20 * np.log10(spread.values + 1e-6), vmin=-60, vmax=0, cmap="magma")
axes[2].set_title("point spread of the spiral")
figure.colorbar(shown, ax=axes[2], shrink=0.8, label="dB")
for axis in axes[1:]:
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/notebooks` lists what is shown of which object. Solvers take ``progress=True``, which
# draws a bar by ``tqdm.auto``.
