r"""
A derivative through a solution
===============================

A reconstruction by least squares has a damping :math:`\lambda`, and somebody has to choose it.
Since ``LeastSquares`` is a map with exact derivatives by all its parameters, the error of the
image has a derivative by :math:`\lambda`, and by the trajectory. No iteration is recorded: each
derivative is one solve more.

The left figure has the error by the damping, and the tangents that the derivative gives. In the
right one both are learned together.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

rng = np.random.default_rng(0)
image = data.brain()[::4, ::4].astype(float)
S = nl.Sense(nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128))
k = nl.mri.trajectories.radial(14, 64, dtype=np.float64)
A = nl.NUFFT(k, image.shape, norm="ortho", eps=1e-9) @ S
noise = rng.standard_normal((2, 4, *k.shape[:-1]))
noise = 0.05 * (noise[0] + 1j * noise[1])
target = nl.MeanSquaredError(image + 0j)


def error_of(damping):
    """Return error and derivative by the damping."""
    solution = nl.LeastSquares(A, damping=np.asarray(damping), tolerance=1e-7)
    return (target @ solution.as_map("damping", A(image) + noise)).value_and_grad(solution.damping)


dampings = np.geomspace(0.01, 1.0, 13)
values, slopes = (np.asarray(a, float) for a in zip(*map(error_of, dampings), strict=True))

# %%
# Trajectory and damping together, by Adam. The data depend on the trajectory, too: ``linearize``
# gives both derivatives for one solve.


def both(p):
    """Return error and gradients of the image from the data of a trajectory."""
    model = A.replace(trajectory=p["k"])
    solution = nl.LeastSquares(model, damping=np.asarray(np.exp(p["log"])), tolerance=1e-5)
    x, J = solution.linearize(model(image) + noise, wrt="trajectory")
    value, z = target.value_and_grad(x)
    by_k, by_data = J.cotangents(z)
    by_k = by_k + model.vjp("trajectory", image + 0j, by_data)
    by_damping = solution.as_map("damping", model(image) + noise).linearize(solution.damping)[1]
    return value, {"k": by_k, "log": np.asarray(by_damping.adjoint(z) * solution.damping)}


start = {"k": k, "log": np.log(np.asarray(0.05))}
result = optim.minimize(both, start, optim.adam(4e-3), steps=25)

# %%
figure, axes = plt.subplots(1, 4, figsize=(12.5, 3.3), layout="constrained")
axes[0].semilogx(dampings, values, "o", markersize=4)
for d, v, s in zip(dampings[::2], values[::2], slopes[::2], strict=True):
    near = d * np.asarray([0.8, 1.25])
    axes[0].semilogx(near, v + s * (near - d), "C1")
axes[0].set(xlabel="damping", ylabel="mean squared error", title="dots: error, lines: derivative")
axes[1].plot(result.history)
axes[1].set(xlabel="step", ylabel="mean squared error", title="trajectory and damping")
for axis, (name, p) in zip(
    axes[2:], {"start": start, "learned": result.params}.items(), strict=True
):
    model = A.replace(trajectory=p["k"])
    x = nl.LeastSquares(model, damping=float(np.exp(p["log"])))(model(image) + noise)
    axis.imshow(abs(x), cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{name}: error {float(nl.nrmse(x, image + 0j)):.3f}")
    axis.set_axis_off()
plt.show()

# %%
# :doc:`/solves` has penalties of edges and unrolled iterations, with their derivatives.
