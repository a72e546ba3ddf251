"""
One trajectory, four optimisers
===============================

The loss of a sampling trajectory, minimised by our own Adam, by SciPy's L-BFGS-B, by torch's Adam
and by optax's. The operators are the same ones, with the same hand-derived gradients; adapters
pass them on. In torch and in JAX the rest of the loss is written in their own words.

All three Adams take the same steps. The loss is not convex: L-BFGS-B ends in another minimum, of a
loss a few per cent lower. The density weights are those of the start, so that the loss is short in
every library.
"""

import matplotlib.pyplot as plt
import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

STEPS, FIRST_RATE, LAST_RATE = 100, 1e-2, 1e-5  # rates in cycles per voxel, falling linearly
BOUND = 0.5  # the edge of k-space

image = data.brain()[::4, ::4].astype(np.float64)
maps = nl.mri.birdcage_maps(4, image.shape, dtype=np.complex128)
start = nl.mri.trajectories.radial(8, 32, dtype=np.float64)
nufft = nl.NUFFT(start, image.shape)
coil_images = maps * image
density = nl.mri.pipe_menon(nufft, width=7, grid=image.shape, iterations=10)
reconstructed = nl.Sense(maps).H @ nufft.H @ nl.Diagonal(density) @ nufft
loss_of_image = nl.MeanSquaredError(image / image.mean()) @ nl.MeanNormalize() @ nl.Magnitude()
value_and_grad = (loss_of_image @ reconstructed.as_map("trajectory", coil_images)).value_and_grad

# %%
# Our own Adam, projected on the square:


def with_optim():
    """Return the trajectory of our own Adam."""
    rate = optim.linear_schedule(FIRST_RATE, LAST_RATE, STEPS)
    box = optim.projections.box(-BOUND, BOUND)
    result = optim.minimize(value_and_grad, start, optim.adam(rate), steps=STEPS, project=box)
    return result.params


# %%
# SciPy's L-BFGS-B, whose bounds are the square; it takes more steps, each as cheap:


def with_scipy():
    """Return the trajectory of L-BFGS-B."""
    from scipy.optimize import minimize

    from nufftlib.interop.scipy import as_objective

    flat = as_objective(value_and_grad, start)
    bounds, options = flat.bounds(-BOUND, BOUND), {"maxiter": 9 * STEPS}
    result = minimize(
        flat.fun, flat.x0, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return flat.unpack(result.x)


# %%
# ``torch.optim.Adam``: the loss is written in torch, the transforms are ours.


def with_torch():
    """Return the trajectory of torch's Adam."""
    import torch

    from nufftlib.interop.torch import OperatorModule

    F = OperatorModule(nufft, learn=["trajectory"])
    u, s, d, x = map(torch.from_numpy, (coil_images, maps, density, image))
    optimizer = torch.optim.Adam(F.parameters(), lr=FIRST_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, LAST_RATE / FIRST_RATE, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        z = (s.conj() * F.adjoint(d * F(u))).sum(dim=0).abs()
        loss = (z / z.mean() - x / x.mean()).square().mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            F.trajectory.clamp_(-BOUND, BOUND)
    return F.trajectory.detach().numpy()


# %%
# ``optax.adam`` on the loss written in JAX; the step is compiled, the transforms are ours.


def with_optax():
    """Return the trajectory of optax's Adam."""
    import jax
    import jax.numpy as jnp
    import optax

    from nufftlib.interop.jax import wrap

    jax.config.update("jax_enable_x64", True)
    F = wrap(nufft)
    optimizer = optax.adam(optax.linear_schedule(FIRST_RATE, LAST_RATE, STEPS))

    def loss(k):
        y = F(coil_images, trajectory=k)
        z = jnp.abs(jnp.sum(maps.conj() * F.adjoint(density * y, trajectory=k), axis=0))
        return jnp.mean((z / jnp.mean(z) - image / jnp.mean(image)) ** 2)

    @jax.jit
    def step(k, state):
        updates, state = optimizer.update(jax.grad(loss)(k), state)
        k = optax.apply_updates(k, updates)
        return optax.projections.projection_box(k, -BOUND, BOUND), state

    k = jnp.asarray(start)
    state = optimizer.init(k)
    for _ in range(STEPS):
        k, state = step(k, state)
    return np.asarray(k)


# %%
# The loss that each ends at, and its trajectory; whoever is not installed is left out.

ends = {"start": start}
for run in (with_optim, with_scipy, with_torch, with_optax):
    try:
        ends[run.__name__] = run()
    except ModuleNotFoundError as error:
        print(f"{run.__name__:12} {error}")
for name, k in ends.items():
    print(f"{name:12} {float(value_and_grad(k)[0]):.6f}")

figure, axes = plt.subplots(1, len(ends), figsize=(12.5, 2.9), layout="constrained")
for axis, (name, k) in zip(axes, ends.items(), strict=True):
    axis.plot(k[..., 1].T, k[..., 0].T, ".-", markersize=2, linewidth=0.6)
    axis.set(title=f"{name}: {float(value_and_grad(k)[0]):.3f}", aspect="equal")
    axis.set(xlim=(-0.52, 0.52), ylim=(0.52, -0.52), xticks=[], yticks=[])
plt.show()

# %%
# :doc:`/interop/README` has the adapters.
