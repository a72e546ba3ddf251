"""Learn a sampling trajectory with four optimisers: our Adam, SciPy's L-BFGS-B, torch's, optax's.

All minimise the loss of job 1 on a small picture, with the density weights of the start: these
are constants, so that the loss is short in every library. Run it:
``python docs/examples/learn_trajectory.py``.
"""

import numpy as np

import nufftlib as nl
import optim
from nufftlib import data

STEPS, FIRST_RATE, LAST_RATE = 300, 1e-2, 1e-5  # rates in cycles per voxel, falling linearly
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


def with_optim():
    """Our own Adam, projected on the square."""
    rate = optim.linear_schedule(FIRST_RATE, LAST_RATE, STEPS)
    box = optim.projections.box(-BOUND, BOUND)
    result = optim.minimize(value_and_grad, start, optim.adam(rate), steps=STEPS, project=box)
    return result.params


def with_scipy(iterations=900):
    """L-BFGS-B, whose bounds are the square; it takes more steps, each as cheap."""
    from scipy.optimize import minimize

    from nufftlib.interop.scipy import as_objective

    flat = as_objective(value_and_grad, start)
    result = minimize(
        flat.fun,
        flat.x0,
        jac=True,
        method="L-BFGS-B",
        bounds=flat.bounds(-BOUND, BOUND),
        options={"maxiter": iterations},
    )
    return flat.unpack(result.x)


def with_torch():
    """torch.optim.Adam: the loss is written in torch, the transforms are ours."""
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


def with_optax():
    """optax.adam on the loss written in JAX; the step is compiled, the transforms are ours."""
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


def main():
    """Print the loss that each ends at."""
    print(f"{'start':12} {float(value_and_grad(start)[0]):.6f}")
    for run in (with_optim, with_scipy, with_torch, with_optax):
        try:
            k = run()
        except ModuleNotFoundError as error:
            print(f"{run.__name__:12} {error}")
        else:
            print(f"{run.__name__:12} {float(value_and_grad(k)[0]):.6f}")


if __name__ == "__main__":
    main()
