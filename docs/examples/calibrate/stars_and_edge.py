"""
Other targets: stars, and a slanted edge
========================================

A picture of many stars or beads determines a PSF that is finer than the pixels: each star lies at
another place within its pixel. ``calibrate_from_stars`` finds the stars, rejects those that are
saturated or crowded, and solves for the PSF with all positions and fluxes.

A straight edge that is slanted against the pixels gives the modulation transfer function (MTF)
across it, with its standard deviations, which is how cameras are tested.
"""

import matplotlib.pyplot as plt
import numpy as np

from nufftlib import workflows


def moffat(y, x):
    """Return an elliptical Moffat function of integral one."""
    along, across = 0.88 * y + 0.48 * x, 0.88 * x - 0.48 * y
    return 2 * (1 + (along / 2.6) ** 2 + (across / 1.9) ** 2) ** -3.0 / (np.pi * 2.6 * 1.9)


rng = np.random.default_rng(2)
n = np.arange(128.0)
field = 100 + rng.standard_normal((128, 128))
for row, column in rng.uniform(4, 124, (20, 2)):
    flux = np.exp(rng.uniform(np.log(500), np.log(20000)))
    for a in (-0.25, 0.25):  # the light of a pixel
        for b in (-0.25, 0.25):
            field = field + flux / 4 * moffat(n[:, None] - row + a, n - column + b)
field = np.minimum(field, 1100.0)
found = workflows.calibrate_from_stars(field, size=13, oversampling=2, saturation=1100.0)
found

# %%
figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.6), layout="constrained")
axes[0].set_axis_off()
shown = axes[0].imshow(field, cmap="magma", vmin=90, vmax=300)
axes[0].plot(*found.positions.T[::-1], "wo", fillstyle="none", markersize=10)
axes[0].set_title(f"{len(found.positions)} stars used, {len(found.rejected)} rejected")
figure.colorbar(shown, ax=axes[0], shrink=0.8, label="counts", extend="max")
q = (np.arange(27) - 13) / 2  # pixels
true = moffat(q[:, None], q)
true = true / true.sum()
for axis, (name, h) in zip(axes[1:], {"true": true, "found": found.psf}.items(), strict=True):
    shown = axis.imshow(h, cmap="magma", vmin=0, vmax=true.max(), extent=(-6.75, 6.75, 6.75, -6.75))
    axis.set(title=f"PSF, {name}", xlabel="pixels", ylabel="pixels")
figure.colorbar(shown, ax=axes[2], shrink=0.8, label="part of the light")
plt.show()
print(f"error of the PSF: {workflows.psf_error(found.psf, true):.3f}")

# %%
# The edge of a line spread function whose MTF is known.

rows, columns = np.mgrid[:200, :100]
across = (columns - 50) * np.cos(0.09) - (rows - 100) * np.sin(0.09)
edge = 0.5 + 0.4 * np.tanh(across) + 0.01 * rng.standard_normal(across.shape)
result = workflows.slanted_edge_mtf(edge)
x = np.pi**2 * np.maximum(result.frequencies, 1e-9)

figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained", width_ratios=(1, 2))
axes[0].imshow(edge, cmap="gray")
axes[0].set_title("edge")
axes[0].set_axis_off()
low, high = (result.mtf + s * 2 * result.deviations for s in (-1, 1))
axes[1].fill_between(result.frequencies, low, high, alpha=0.3, label="two deviations")
axes[1].plot(result.frequencies, result.mtf, label="measured")
axes[1].plot(result.frequencies, x / np.sinh(x), "k--", label="true")
axes[1].set(xlabel="cycles per pixel", ylabel="MTF", xlim=(0, 0.5), ylim=(0, 1.05))
axes[1].legend()
plt.show()

# %%
# :doc:`/other-targets` has both in full, :doc:`/psf-measures` widths and transfer functions of any
# PSF.
