"""
Operators and losses in SciPy
=============================

An operator is a matrix of ``scipy.sparse.linalg``, without ever being one: here LSMR reconstructs
an image from spokes. A loss is a function of one real vector for ``scipy.optimize.minimize``. A
model with data is a residual for ``scipy.optimize.least_squares``, with its exact Jacobian,
matrix-free or dense: here it finds by how much a picture is shifted, and how well that is known.
"""

import matplotlib.pyplot as plt
import numpy as np
import scipy.optimize
import scipy.sparse.linalg

import nufftlib as nl
from nufftlib import data
from nufftlib.interop.scipy import as_linear_operator, as_residuals

image = data.brain()[::4, ::4].astype(float)
k = nl.mri.trajectories.radial(40, 64, dtype=np.float64)
S = nl.Sense(nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128))
A = nl.NUFFT(k, image.shape, norm="ortho") @ S
y = A(image + 0j)

matrix = as_linear_operator(A, image.shape, np.complex128)
print(matrix)
solution, stop, iterations, *_ = scipy.sparse.linalg.lsmr(matrix, y.ravel(), damp=0.1, maxiter=60)
x = solution.reshape(image.shape)

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), layout="constrained")
pictures = {"image": image, "adjoint": A.H(y), f"LSMR, {iterations} iterations": x}
for axis, (name, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(abs(picture), cmap="gray")
    axis.set_title(name)
    axis.set_axis_off()
plt.show()

# %%
# The shift between two pictures, by Levenberg and Marquardt's method in SciPy. The start is six
# pixels off.

still = data.astronaut().mean(axis=0).astype(float)[::2, ::2]
still = nl.Blur(nl.blur.gaussian_psf(15, 2.5, dtype=np.float64), "reflect")(still)
truth = np.asarray([3.5, -5.2])  # pixels
moved = nl.blur.gaussian_noise(nl.Warp(truth)(still), 0.01, seed=0)

fit = as_residuals(nl.Warp(np.zeros(2)).as_map("shift", still), np.zeros(2), moved)
found = scipy.optimize.least_squares(fit.fun, fit.x0, fit.dense_jac, method="lm")
deviations = 0.01 * np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
print("true ", truth)
print(
    "found", np.round(found.x, 4), "+-", np.round(deviations, 4), f"after {found.nfev} evaluations"
)

figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), layout="constrained")
axes[0].imshow(moved, cmap="gray", vmin=0, vmax=1)
axes[0].set_title("moved")
for axis, (name, v) in zip(axes[1:], {"start": fit.x0, "found": found.x}.items(), strict=True):
    residual = fit.fun(v).reshape(moved.shape)
    shown = axis.imshow(residual, cmap="RdBu_r", vmin=-0.1, vmax=0.1)
    axis.set_title(f"residual, {name}")
    figure.colorbar(shown, ax=axis, shrink=0.8)
for axis in axes:
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/interop/scipy` has losses for ``scipy.optimize.minimize`` and nlopt, too.
