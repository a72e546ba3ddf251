r"""
Off-resonance: a field that is not even
=======================================

During a long readout, voxels whose field is off by some tens of hertz gather a phase of their own.
The image of a spiral becomes blurred, each voxel by as much as its field is off. ``OffResonance``
is the transform with these phases; with the field map, least squares removes the blur.

The field map is a parameter with an exact derivative: from data of a known object, such as a
phantom, it is found by L-BFGS with a penalty of its differences, starting at zero.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

N = 64
image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3)) + 0j
image /= image.real.max()
i = np.linspace(-1, 1, N)
bump = np.exp(-((i - 0.3) ** 2 + (i[:, None] + 0.2) ** 2) / 0.08)
field = 80 * i - 60 * i[:, None] + 70 * bump  # Hz

times = np.linspace(2e-3, 12e-3, 1024)  # s
k = nl.mri.trajectories.spiral(8, 1024, revolutions=5, dtype=np.float64)
F = nl.NUFFT(k, image.shape)
A = nl.OffResonance(F, field, times, eps=1e-5)
rng = np.random.default_rng(0)
y = A(image)
noise = 1e-4 * abs(y).max()
y = y + noise * (rng.standard_normal(y.shape) + 1j * rng.standard_normal(y.shape))
A

# %%
without, corrected = (nl.LeastSquares(B, 0.1, tolerance=1e-4)(y) for B in (F, A))

smooth = nl.HalfSquaredError(np.zeros((2, N, N))) @ nl.FiniteDifferences((N, N))
model = A.replace(field_map=np.zeros_like(field)).as_map("field_map", image)
loss = noise**-2 * nl.HalfSquaredError(y) @ model + 10.0 * smooth
found = optim.lbfgs(loss.value_and_grad, np.zeros_like(field), steps=60).params

# %%
seen = abs(image) > 0.15
figure, axes = plt.subplots(1, 5, figsize=(12.5, 2.9), layout="constrained")
pictures = {"image": image, "without the field map": without, "with it": corrected}
for axis, (name, x) in zip(axes, pictures.items(), strict=False):
    error = f": error {nl.nrmse(x, image):.3f}" if name != "image" else ""
    axis.imshow(abs(x), cmap="gray", vmin=0, vmax=1)
    axis.set_title(name + error, fontsize=10)
off = np.where(seen, found - field, np.nan)
for axis, values, end, title in (
    (axes[3], np.where(seen, found, np.nan), 150, "field map found"),
    (axes[4], off, 4, "found - true"),
):
    shown = axis.imshow(values, cmap="RdBu_r", vmin=-end, vmax=end)
    axis.set_title(title, fontsize=10)
    figure.colorbar(shown, ax=axis, shrink=0.8, label="Hz")
for axis in axes:
    axis.set_axis_off()
plt.show()
print(f"off by {np.sqrt(np.nanmean(off**2)):.2f} Hz, root mean square within the object")

# %%
# :doc:`/off-resonance` has the expansion in few transforms, and the map from two echoes.
