r"""
Optimisers compared
===================

One problem, six ways to solve it: the PSF between a sharp and a blurred photograph, by least
squares on the simplex. An evaluation is the loss with its gradient, by far the most of the work; a
step may cost several.

``sgd`` and ``adam`` take the step that they are told. The others find it: backtracking along the
projected gradient, Nesterov's acceleration with restarts, Barzilai and Borwein's steps, and L-BFGS
with a projection. The curves are the loss above the lowest that anyone found. They are about what
is left to gain, and not about the PSF, whose error is in the legend.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows

sharp = data.astronaut()[:, ::2, ::2].astype(float)
truth, blurred = workflows.simulate_blur(sharp, size=15, noise=0.01, seed=0)
start = np.full((15, 15), 1 / 225)
blur = nl.Blur(start).as_map("psf", sharp)  # the picture is transformed once
objective = (1 / blurred.size) * nl.HalfSquaredError(blurred) @ blur
simplex = optim.projections.simplex()
inside = optim.proximal.indicator(simplex)
budget = 150  # evaluations


class Counted:
    """The objective, which notes every value."""

    def __init__(self):
        self.values = []

    def __call__(self, h):
        value, gradient = objective.value_and_grad(h)
        self.values.append(float(value))
        return value, gradient


solvers = {
    "sgd": lambda f: optim.minimize(f, start, optim.sgd(0.5), steps=budget, project=simplex),
    "adam": lambda f: optim.minimize(f, start, optim.adam(0.05), steps=budget, project=simplex),
    "projected_gradient": lambda f: optim.projected_gradient(f, start, simplex, steps=budget),
    "accelerated_proximal_gradient": lambda f: optim.accelerated_proximal_gradient(
        f, start, inside, steps=budget
    ),
    "spectral_projected_gradient": lambda f: optim.spectral_projected_gradient(
        f, start, simplex, steps=budget
    ),
    "lbfgs": lambda f: optim.lbfgs(f, start, simplex, steps=budget),
}
courses, errors = {}, {}
for name, solve in solvers.items():
    f = Counted()
    result = solve(f)
    courses[name] = np.minimum.accumulate(f.values)[:budget]
    errors[name] = workflows.psf_error(result.best_params, truth)

# %%
lowest = min(c[-1] for c in courses.values())
figure, axis = plt.subplots(figsize=(8.5, 4.6), layout="constrained")
for name, course in courses.items():
    axis.semilogy(course - lowest + 1e-9, label=f"{name}, PSF off by {100 * errors[name]:.1f} %")
axis.set(xlabel="evaluations of loss and gradient", ylabel="loss - lowest loss")
axis.legend(fontsize=9)
axis.grid(alpha=0.3)
plt.show()

# %%
# :doc:`/solvers` says which solver when, and when each stops.
