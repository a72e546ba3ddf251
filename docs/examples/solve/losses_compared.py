"""
Losses, and pixels that are wrong
=================================

One pixel in two hundred of a blurred photograph is hot. The squared error takes these as seriously
as the rest, and the PSF that minimises it is off. Huber's loss is quadratic up to some deviations
of the noise and linear beyond, and hardly notices them.

Losses are maps that compose with the blur: ``loss @ blur`` has value and gradient by the PSF. The
second figure has the same for photons: counts have a deviation of the root of their mean, which
``PoissonLikelihood`` knows.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows

SIZE, NOISE = 11, 0.01
sharp = data.astronaut()[:, 20:148, 60:188].astype(float)
truth, blurred = workflows.simulate_blur(sharp, size=SIZE, noise=NOISE, seed=2)
rng = np.random.default_rng(0)
hot = np.where(rng.random(blurred.shape) < 0.005, 1.0, blurred)
start = np.full((SIZE, SIZE), 1 / SIZE**2)


def calibrate(loss, picture=sharp):
    """Return the PSF on the simplex at the minimum of a loss of the blurred picture."""
    f = loss @ nl.Blur(start).as_map("psf", picture)
    simplex = optim.projections.simplex()
    return optim.spectral_projected_gradient(
        f.value_and_grad, start, simplex, steps=200
    ).best_params


def show(psfs):
    """Draw the true PSF, others with their errors, and how they differ."""
    figure, axes = plt.subplots(2, 1 + len(psfs), figsize=(10, 4.8), layout="constrained")
    for (top, below), (name, h) in zip(axes.T, ({"true PSF": truth} | psfs).items(), strict=True):
        shown = top.imshow(h, cmap="magma", vmin=0, vmax=truth.max())
        top.set_title(name, fontsize=10)
        if h is not truth:
            off = below.imshow(h - truth, cmap="RdBu_r", vmin=-0.01, vmax=0.01)
            error = 100 * workflows.psf_error(h, truth)
            below.set_title(f"minus the true PSF: {error:.1f} %", fontsize=10)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.colorbar(shown, ax=axes[0, -1], shrink=0.8, label="part of the light")
    figure.colorbar(off, ax=axes[1, -1], shrink=0.8, label="part of the light")
    plt.show()


show(
    {
        "squared": calibrate(nl.HalfSquaredError(hot)),
        "Huber, 3 deviations": calibrate(nl.Huber(hot, 3 * NOISE)),
        "Huber, 0.5 deviations": calibrate(nl.Huber(hot, 0.5 * NOISE)),
    }
)

# %%
# Photons: up to a hundred in a bright pixel, and few in a dark one.

photons = 100 * sharp
counts = nl.blur.poisson_noise(nl.Blur(truth.astype(float))(photons), seed=0)
show(
    {
        "squared, of counts": calibrate(nl.HalfSquaredError(counts), photons),
        "Poisson": calibrate(nl.PoissonLikelihood(counts, background=0.01), photons),
    }
)

# %%
# :doc:`/losses` says when to take which, and has SSIM; :doc:`/psfs` has noise and its losses.
