r"""
Calibrate a PSF, three ways
===========================

A camera that moved during the exposure has blurred a photograph. The sharp photograph is known, as
of a test chart, and the point-spread function (PSF) :math:`h` is wanted:

.. math:: \min_h \; \ell(h * x - y) \quad \text{with} \quad h_q \ge 0, \; \sum_q h_q = 1 .

Three methods: projected gradient descent and Adam on the squared error, and AdamW on the absolute
error. All project onto the simplex after each step. A fourth, the spectral method, finds its step
by itself: it is the default. The loss falls for all of them. The error of the PSF tells them
apart, since the loss hardly sees the fine details of a PSF.
"""

import matplotlib.pyplot as plt
import numpy as np

from nufftlib import data, workflows

sharp = data.astronaut()  # (3, 256, 256): the colours share the PSF
truth, blurred = workflows.simulate_blur(sharp, size=25, noise=0.02, seed=0)

steps = {"projected-gradient": 300, "adam": 200, "adamw": 100, "spectral": 200}
results = {
    name: workflows.calibrate_psf(sharp, blurred, size=25, method=name, steps=n, truth=truth)
    for name, n in steps.items()
}

# %%
figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.4), layout="constrained")
for axis, (name, picture) in zip(axes, {"sharp": sharp, "blurred": blurred}.items(), strict=False):
    axis.imshow(np.moveaxis(picture.clip(0, 1), 0, -1))
    axis.set_title(name)
    axis.set_axis_off()
shown = axes[2].imshow(truth, cmap="magma")
axes[2].set_title("true PSF")
axes[2].set_axis_off()
figure.colorbar(shown, ax=axes[2], shrink=0.8, label="part of the light")
plt.show()

# %%
# The PSFs, and below how far each is from the true one after each step.

figure, axes = plt.subplots(2, 4, figsize=(10.5, 5.5), layout="constrained")
for (top, bottom), (name, result) in zip(axes.T, results.items(), strict=True):
    shown = top.imshow(result.psf, cmap="magma", vmin=0, vmax=truth.max())
    error = workflows.psf_error(result.psf, truth)
    top.set_title(f"{name}\nerror {100 * error:.1f} %")
    top.set_axis_off()
    bottom.semilogy(result.errors)
    bottom.set(xlabel="step", ylim=(0.015, 2))
    bottom.grid(alpha=0.3)
    bottom.label_outer()
figure.colorbar(shown, ax=axes[0, 3], shrink=0.8, label="part of the light")
axes[1, 0].set_ylabel("relative error of the PSF")
plt.show()

# %%
# :doc:`/job-2-calibrate-psf` compares six methods, and says what the noise leaves uncertain.
