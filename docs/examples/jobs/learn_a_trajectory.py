r"""
Learn the trajectory of a scan
==============================

A scan with several coils measures samples of k-space along a trajectory. Here 16 shots start as
spokes, and gradient descent moves their samples so that the image becomes as close to the true one
as possible:

.. math:: \min_k \; \Big\| \, |S^H F(k)^H W(k) F(k) S x| - |x| \, \Big\|^2 ,

with the coil maps :math:`S`, the NUFFT :math:`F(k)` and density weights :math:`W(k)`, which follow
the trajectory. The shots keep the limits of a scanner, 40 mT/m and 180 T/m/s, at every step: each
step ends with a projection onto them.
"""

import matplotlib.pyplot as plt

import nufftlib as nl
from nufftlib import data, workflows

image = data.brain()[::2, ::2]  # 128 x 128 voxels
coil_maps = nl.mri.birdcage_maps(6, image.shape)
scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
protocol = nl.mri.Protocol(scanner, fov=0.24, shape=image.shape)
spokes = nl.mri.trajectories.radial(16, 320)

learned = workflows.learn_trajectory(image, coil_maps, spokes, protocol=protocol, steps=60)

# %%
# A notebook shows a result as numbers and thumbnails:

learned

# %%
# The spokes leave holes between them, the learned shots bend into these. The error is that of the
# image, in parts of its norm.

figure, axes = plt.subplots(2, 3, figsize=(9, 6), layout="constrained")
rows = {
    "start": (learned.trajectory_start, learned.reconstruction_start),
    "learned": (learned.trajectory, learned.reconstruction),
}
for row, (name, (k, x)) in zip(axes, rows.items(), strict=True):
    row[0].plot(k[..., 1].T, k[..., 0].T, linewidth=0.7)
    row[0].set(title=f"{name}: 16 shots", aspect="equal", xlim=(-0.5, 0.5), ylim=(0.5, -0.5))
    row[0].set(xlabel="cycles per voxel", ylabel="cycles per voxel")
    row[1].imshow(x, cmap="gray", vmin=0, vmax=1)
    row[1].set_title(f"image: error {float(nl.nrmse(x, image)):.3f}")
    off = row[2].imshow(x - image, cmap="RdBu_r", vmin=-0.3, vmax=0.3)
    row[2].set_title("image - true image")
    figure.colorbar(off, ax=row[2], shrink=0.8)
    for axis in row[1:]:
        axis.set_axis_off()
plt.show()

# %%
# The scanner can play what was learned. The report has the largest gradient and slew rate of all
# shots:

print(nl.mri.check_trajectory(learned.trajectory, protocol))

# %%
# :doc:`/job-1-learn-trajectory` has all settings, :doc:`/scanner` the way to a file for the
# scanner.
