"""The published trajectory-learning example of mri-nufft, on given arrays, on the CPU.

https://mind-inria.github.io/mri-nufft/generated/autoexamples/GPU/example_learn_samples_multicoil.html
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
import torchvision_without_ops  # noqa: F401  (before mri-nufft, which imports deepinv)
from mrinufft import get_operator
from mrinufft.extras import get_smaps

BACKEND = "finufft"


@dataclass(frozen=True)
class Result:
    """What the run gave; `losses[i]` is the loss before step i."""

    trajectory: np.ndarray
    losses: list[float]
    seconds: float


class Model(torch.nn.Module):
    """Acquire the coil images along the trajectory, reconstruct with a density-weighted adjoint."""

    def __init__(self, trajectory, n_coils, shape, estimate_maps):
        super().__init__()
        self.trajectory = torch.nn.Parameter(torch.from_numpy(trajectory.copy()))
        self.shape = shape
        self.estimate_maps = estimate_maps
        differentiable = get_operator(BACKEND, wrt_data=True, wrt_traj=True)
        common = {"shape": shape, "n_coils": n_coils, "squeeze_dims": False}
        # As on the page, one operator is given radians and the other cycles. Which of
        # the two it was given, mri-nufft guesses from the largest value.
        self.acquisition = differentiable(2 * np.pi * trajectory, **common)
        self.sense = differentiable(
            trajectory,
            density=True,
            smaps=np.ones((n_coils, *shape), np.complex64),
            **common,
        )

    def forward(self, coil_images):
        """Return the reconstruction, scaled to mean 1."""
        self.acquisition.samples = 2 * np.pi * self.trajectory
        self.sense.samples = self.trajectory.clone()  # recomputes the density weights too
        data = self.acquisition.op(coil_images)
        if self.estimate_maps:
            # This sets an attribute of the autodiff wrapper. The operator inside keeps
            # its maps of ones, so the estimate costs time and changes no number.
            # Two adaptations to 1.5.1 and the CPU: the estimator returns the maps alone,
            # and it wants NumPy data without the batch axis.
            self.sense.smaps = get_smaps("low_frequency")(
                self.trajectory.detach().numpy(),
                self.shape,
                data.detach().numpy()[0],
                backend=BACKEND,
                density=self.sense.density,
                blurr_factor=20,
            )
        image = self.sense.adj_op(data).abs()
        return image / image.mean()


def learn_trajectory(image, coil_maps, trajectory, *, steps=100, estimate_maps=True):
    """Learn where to sample k-space; the example without its pictures.

    Parameters
    ----------
    image : (H, W) float32
        What the reconstruction should be, up to scale; it is divided by its mean.
    coil_maps : (coils, H, W) complex64
        Sensitivities that make the coil images.
    trajectory : (samples, 2) float32
        Where to start, cycles per voxel in [-1/2, 1/2].
    steps : int
        Adam steps, over which the rate falls from 1e-3 to 1e-4.
    estimate_maps : bool
        Estimate coil maps in every step as the example does, or leave it out.
    """
    target = torch.from_numpy(image / image.mean())
    coil_images = target.to(torch.complex64) * torch.from_numpy(coil_maps)
    model = Model(trajectory, len(coil_maps), image.shape, estimate_maps)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=steps)

    losses = []
    start = time.perf_counter()
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(model(coil_images), target[None, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.trajectory.clamp_(-0.5, 0.5)
        losses.append(loss.item())
    seconds = time.perf_counter() - start
    return Result(model.trajectory.detach().numpy(), losses, seconds)
