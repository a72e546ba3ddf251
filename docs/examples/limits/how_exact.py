r"""
How exact
=========

Three figures about digits. The first has the error of the NUFFT against the exact sums, by the
accuracy ``eps`` that was asked for: both engines keep it.

The second is why derivatives are derived by hand and not by differences. The error of a finite
difference falls with its step until rounding takes over; the best one has lost a third of the
digits. The formula, compared here with a difference of many terms, has no step.

The third is the error of the gradient by ``eps``: it is the exact derivative of what the engine
computes, and as near to that of the exact sums.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
from nufftlib import data

x = data.brain()[::8, ::8].astype(float) + 0j
rng = np.random.default_rng(0)
k = rng.uniform(-0.5, 0.5, (400, 2))
exact = nl.NUFFT(k, x.shape, engine="direct")
y = exact(x)
target = y + rng.standard_normal(y.shape)


def gradient(F):
    """Return the gradient of a loss of the data by the trajectory."""
    loss = nl.HalfSquaredError(target) @ F.as_map("trajectory", x)
    return loss.value_and_grad(k)[1]


accuracies = 10.0 ** np.arange(-12, -1, 2)
errors = {"grid": [], "finufft": []}
slopes = {"grid": [], "finufft": []}
true = gradient(exact)
for engine in errors:
    for eps in accuracies:
        F = nl.NUFFT(k, x.shape, eps=eps, engine=engine)
        errors[engine].append(np.linalg.norm(F(x) - y) / np.linalg.norm(y))
        slopes[engine].append(np.linalg.norm(gradient(F) - true) / np.linalg.norm(true))

# %%
# Along a random direction, by central differences of second and of sixth order:

dk = rng.standard_normal(k.shape)
loss = nl.HalfSquaredError(target) @ exact.as_map("trajectory", x)
formula = float(np.sum(true * dk))
steps = 10.0 ** np.arange(-10, -1.5, 0.5)
offsets = {2: {1: 1 / 2}, 6: {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}}
differences = {
    order: [
        sum(c * float(loss(k + j * h * dk) - loss(k - j * h * dk)) for j, c in terms.items()) / h
        for h in steps
    ]
    for order, terms in offsets.items()
}

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
for axis, found, title in ((axes[0], errors, "transform"), (axes[2], slopes, "gradient")):
    for engine, style in (("grid", "o-"), ("finufft", "s--")):
        axis.loglog(accuracies, found[engine], style, markersize=4, label=engine)
    axis.loglog(accuracies, accuracies, "k:", label="eps")
    axis.set(title=title, xlabel="eps", ylabel="relative error")
    axis.legend()
for order, values in differences.items():
    off = abs(np.asarray(values) / formula - 1)
    axes[1].loglog(steps, np.maximum(off, 1e-16), ".-", label=f"order {order}")
axes[1].set(title="difference against formula", xlabel="step", ylabel="relative difference")
axes[1].legend()
plt.show()

# %%
# :doc:`/grid-engine` has the error model. ``nufftlib.check_operator`` makes such checks of any
# operator:

print(nl.check_operator(nl.NUFFT(k, x.shape, eps=1e-12), x))
