"""
Blurs: boundaries, pixels, and PSFs that vary
=============================================

``Blur`` is the convolution with a PSF. What lies outside of the picture is a choice: nothing is
assumed with ``"valid"``, which returns fewer pixels; the others continue the picture. The
difference is in the margin, as wide as half the PSF.

``Downsample`` blurs and takes one pixel of several, as a sensor with coarse pixels does.
``SpaceVaryingBlur`` is a sum of convolutions with weights over the picture: here the centre is
sharp and the corners are out of focus. All have exact adjoints and derivatives by the PSF.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data

sharp = data.astronaut()[:, ::2, ::2]
psf = nl.blur.defocus_psf(21, 7.0)
boundaries = ("valid", "zero", "replicate", "reflect", "circular")


def show(axis, x, title):
    axis.imshow(np.moveaxis(x.clip(0, 1), 0, -1), interpolation="nearest")
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()


figure, axes = plt.subplots(1, 5, figsize=(11.5, 2.7), layout="constrained")
for axis, boundary in zip(axes, boundaries, strict=True):
    y = nl.Blur(psf, boundary)(sharp)
    show(axis, y, f"{boundary}: {y.shape[1]} x {y.shape[2]}")
plt.show()

# %%
# One pixel of four after a small Gaussian, and a blur that grows towards the corners.

coarse = nl.Downsample(nl.blur.gaussian_psf(9, 1.6), 4, sharp.shape[-2:], "reflect")
u = np.linspace(-1, 1, sharp.shape[-1], dtype=np.float32)
edge = np.minimum(u**2 + u[:, None] ** 2, 1)
modes = np.stack([nl.blur.gaussian_psf(21, 0.6), psf])
varying = nl.SpaceVaryingBlur(modes, np.stack([1 - edge, edge]), "reflect")

figure, axes = plt.subplots(1, 4, figsize=(11.5, 3.2), layout="constrained")
show(axes[0], sharp, "sharp")
show(axes[1], coarse(sharp), "Downsample, factor 4")
show(axes[2], varying(sharp), "SpaceVaryingBlur")
shown = axes[3].imshow(edge, vmin=0, vmax=1)
axes[3].set_title("weight of the wide PSF", fontsize=10)
axes[3].set_axis_off()
figure.colorbar(shown, ax=axes[3], shrink=0.8)
plt.show()

# %%
# The laws of adjoint and derivatives, checked on this operator:

print(nl.check_operator(varying, sharp))

# %%
# :doc:`/derivations/blur` has the formulas, :doc:`/psfs` the PSFs, :doc:`/psf-field` finds such
# PSFs.
