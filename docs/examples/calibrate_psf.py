"""Calibrate a PSF with four optimisers: ours, SciPy's L-BFGS-B, torch's and optax's Adam.

All minimise the squared error of the blurred image over PSFs without negative entries. The
problem is convex: they end at one PSF. Run it: ``python docs/examples/calibrate_psf.py``.
"""

import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows

STEPS, FIRST_RATE, LAST_RATE = 2000, 0.1, 1e-4

sharp = data.astronaut()[:, ::2, ::2].astype(np.float64)
true_psf, blurred = workflows.simulate_blur(sharp, size=11, noise=0.02)
start = np.full((11, 11), 1 / 121)
blur = nl.Blur(start)
# The image is transformed once, here.
loss = (1 / blurred.size) * nl.HalfSquaredError(blurred) @ blur.as_map("psf", sharp)


def with_optim():
    """Our accelerated projected gradient, which finds its own step."""
    penalty = optim.proximal.indicator(optim.projections.nonnegative())
    result = optim.accelerated_proximal_gradient(loss.value_and_grad, start, penalty, steps=1000)
    return result.best_params


def with_scipy():
    """L-BFGS-B with zero as the lower bound."""
    from scipy.optimize import minimize

    from nufftlib.interop.scipy import as_objective

    flat = as_objective(loss, start)
    bounds = flat.bounds(lower=0.0)
    options = {"maxiter": 1000, "ftol": 1e-12}
    result = minimize(
        flat.fun, flat.x0, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return flat.unpack(result.x)


def with_torch():
    """torch.optim.Adam on the loss as one function, clamped after each step."""
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


def with_optax():
    """optax.adam on the loss as one function, projected after each step."""
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


def main():
    """Print the loss that each ends at, and how far its PSF is from the true one."""
    print(f"{'start':12} loss {float(loss(start)):.4e}")
    for run in (with_optim, with_scipy, with_torch, with_optax):
        try:
            h = run()
        except ModuleNotFoundError as error:
            print(f"{run.__name__:12} {error}")
        else:
            error = workflows.psf_error(h, true_psf)
            print(f"{run.__name__:12} loss {float(loss(h)):.4e}, error of the PSF {error:.4f}")


if __name__ == "__main__":
    main()
