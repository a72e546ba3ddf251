"""
One PSF, four optimisers
========================

The squared error of a blurred image, minimised over PSFs without negative entries: by our
accelerated projected gradient, by SciPy's L-BFGS-B with bounds, by torch's Adam and by optax's.
Here the loss goes to each library as one function. The problem is convex, so that all of them end
at one loss. It is flat there: the PSFs differ by more than the losses do.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows

STEPS, FIRST_RATE, LAST_RATE = 1200, 0.1, 1e-4

sharp = data.astronaut()[:, ::4, ::4].astype(np.float64)
true_psf, blurred = workflows.simulate_blur(sharp, size=11, noise=0.02)
start = np.full((11, 11), 1 / 121)
blur = nl.Blur(start)
# The image is transformed once, here.
loss = (1 / blurred.size) * nl.HalfSquaredError(blurred) @ blur.as_map("psf", sharp)

# %%
# Our accelerated projected gradient, which finds its own step:


def with_optim():
    """Return our PSF."""
    penalty = optim.proximal.indicator(optim.projections.nonnegative())
    result = optim.accelerated_proximal_gradient(loss.value_and_grad, start, penalty, steps=1000)
    return result.best_params


# %%
# L-BFGS-B with zero as the lower bound:


def with_scipy():
    """Return SciPy's PSF."""
    from scipy.optimize import minimize

    from nufftlib.interop.scipy import as_objective

    flat = as_objective(loss, start)
    bounds = flat.bounds(lower=0.0)
    options = {"maxiter": 1000, "ftol": 1e-12}
    result = minimize(
        flat.fun, flat.x0, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return flat.unpack(result.x)


# %%
# ``torch.optim.Adam`` on the loss as one function, clamped after each step:


def with_torch():
    """Return torch's PSF."""
    import torch

    from nufftlib.interop.torch import wrap

    f = wrap(loss)
    h = torch.from_numpy(start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([h], lr=FIRST_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, LAST_RATE / FIRST_RATE, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        f(h).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            h.clamp_(min=0.0)
    return h.detach().numpy()


# %%
# ``optax.adam`` on the loss as one function, projected after each step:


def with_optax():
    """Return optax's PSF."""
    import jax
    import jax.numpy as jnp
    import optax

    from nufftlib.interop.jax import wrap

    jax.config.update("jax_enable_x64", True)
    f = wrap(loss)
    optimizer = optax.adam(optax.linear_schedule(FIRST_RATE, LAST_RATE, STEPS))

    @jax.jit
    def step(h, state):
        updates, state = optimizer.update(jax.grad(f)(h), state)
        return optax.projections.projection_non_negative(optax.apply_updates(h, updates)), state

    h = jnp.asarray(start)
    state = optimizer.init(h)
    for _ in range(STEPS):
        h, state = step(h, state)
    return np.asarray(h)


# %%
# The loss that each ends at, and how far its PSF is from the true one:

ends = {"start": start}
for run in (with_optim, with_scipy, with_torch, with_optax):
    try:
        ends[run.__name__] = run()
    except ModuleNotFoundError as error:
        print(f"{run.__name__:12} {error}")
for name, h in ends.items():
    print(f"{name:12} loss {float(loss(h)):.4e}, PSF off {workflows.psf_error(h, true_psf):.4f}")

figure, axes = plt.subplots(1, len(ends) + 1, figsize=(13, 2.4), layout="constrained")
for axis, (name, h) in zip(axes, ({"true": true_psf} | ends).items(), strict=True):
    shown = axis.imshow(h, cmap="magma", vmin=0, vmax=true_psf.max())
    axis.set_title("start" if h is start else name)
    axis.set_axis_off()
figure.colorbar(shown, ax=axes[-1], shrink=0.8, label="part of the light")
plt.show()

# %%
# :doc:`/interop/README` has the adapters.
