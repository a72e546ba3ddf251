"""
The aberrations of a lens, from pictures through focus
======================================================

Five pictures of a point-like bead, two in front of the focus, one in it, two behind, with photon
noise. ``retrieve_phase`` finds the Zernike coefficients of the wavefront by maximum likelihood,
with the position, the brightness and the background, and the covariance of all of them.

The bars are the coefficients with two standard deviations; the rings are the truth.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import workflows

defocus = (-1.0, -0.5, 0.0, 0.5, 1.0)  # waves
optics = nl.blur.ThroughFocus(48, defocus=defocus)
truth = np.random.default_rng(4).standard_normal(12)
truth *= 0.1 / np.linalg.norm(truth)  # a tenth of a wave, root mean square
stack = nl.blur.poisson_noise(1e5 * optics(truth) + 5, seed=0)
result = workflows.retrieve_phase(stack, optics, gain=1.0, starts=2)
result

# %%
figure, axes = plt.subplots(2, 5, figsize=(11.5, 4.6), layout="constrained")
middle = (slice(12, 36),) * 2
for column, d, y, m in zip(axes.T, defocus, stack, stack - result.residual, strict=True):
    for axis, x in zip(column, (y, m), strict=True):
        shown = axis.imshow(x[middle], cmap="magma", vmin=0, vmax=y[middle].max())
        axis.set_axis_off()
        figure.colorbar(shown, ax=axis, shrink=0.75)
    column[0].set_title(f"defocus {d:g} waves", fontsize=10)
    column[1].set_title("model [photons]", fontsize=10)
plt.show()

# %%
figure, axis = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
n = np.arange(len(truth))
axis.bar(n, result.coefficients, yerr=2 * result.deviations, color="C0", alpha=0.6, capsize=3)
axis.plot(n, truth, "ko", fillstyle="none", label="truth")
axis.axhline(0, color="0.5", linewidth=0.8)
axis.set(xlabel="Zernike term", ylabel="coefficient [waves]")
axis.legend()
error = np.linalg.norm(result.coefficients - truth)
axis.set_title(f"off by {error:.4f} waves, root mean square")
plt.show()

# %%
# :doc:`/phase-retrieval` has the accuracy by photons, and how large aberrations may be.
