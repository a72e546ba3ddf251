"""The published calibration example of deepinv, its three ways, on given arrays, on the CPU.

https://deepinv.github.io/deepinv/auto_examples/blind-inverse-problems/demo_optimizing_physics_parameter.html
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
import torchvision_without_ops  # noqa: F401  (before deepinv)
from deepinv.optim import L2
from deepinv.physics import Blur


@dataclass(frozen=True)
class Result:
    """What the run gave; `losses[i]` is the loss before step i."""

    psf: np.ndarray
    losses: list[float]
    seconds: float
    psf_error: float


@torch.no_grad()
def project_simplex(psf):
    """Nearest point with entries >= 0 and sum 1, by sorting (Blondel, Fujino and Ueda, 2014)."""
    v = psf.flatten()
    u = v.sort(descending=True).values
    excess = u.cumsum(0) - 1
    count = torch.arange(1, len(v) + 1)
    last = torch.nonzero(u * count > excess)[-1]
    return (psf - excess[last] / count[last]).clamp(min=0)


def start_psf(size):
    """Return a constant PSF with a border of five zeros, shaped (1, 1, size, size)."""
    psf = torch.zeros(1, 1, size, size)
    psf[..., 5:-5, 5:-5] = 1
    return project_simplex(psf)


def projected_gradient(x, y, size, steps):
    """Constant step 0.7 along the negative gradient, then the projection."""
    psf = start_psf(size)
    physics, fidelity = Blur(filter=psf), L2()
    losses = []
    for _ in range(steps):
        psf.requires_grad_(True)
        physics.update(filter=psf)
        loss = fidelity(y=y, x=x, physics=physics) / y.numel()
        loss.backward()
        with torch.no_grad():
            psf = project_simplex(psf - 0.7 * psf.grad)
        losses.append(loss.item())
    return psf, losses


def adam(x, y, size, steps):
    """Adam at rate 0.1 with the projection after every step."""
    psf = start_psf(size).requires_grad_(True)
    physics, fidelity = Blur(filter=psf.detach()), L2()
    optimizer = torch.optim.Adam([psf], lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        physics.update(filter=psf)
        loss = fidelity(y=y, x=x, physics=physics) / y.numel()
        loss.backward()
        optimizer.step()
        psf.data = project_simplex(psf.data)
        losses.append(loss.item())
    return psf.detach(), losses


def adamw(x, y, size, steps):
    """AdamW at rate 0.1 on the mean absolute error, the PSF being the operator's own."""
    physics = Blur(filter=start_psf(size).requires_grad_(True))
    optimizer = torch.optim.AdamW([physics.filter], lr=0.1)
    mean_absolute_error = torch.nn.L1Loss()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = mean_absolute_error(physics.A(x), y)
        loss.backward()
        optimizer.step()
        physics.filter.data = project_simplex(physics.filter.data)
        losses.append(loss.item())
    return physics.filter.detach(), losses


# Method, and the number of steps on the page.
METHODS = {
    "projected-gradient": (projected_gradient, 1000),
    "adam": (adam, 200),
    "adamw": (adamw, 100),
}


def calibrate_psf(x, y, psf_true, *, method, steps=None):
    """Estimate the PSF between a sharp and a blurred image; the example without its pictures.

    Parameters
    ----------
    x : (1, 3, H, W) float32
        The sharp image.
    y : (1, 3, H - size + 1, W - size + 1) float32
        The blurred and noisy image.
    psf_true : (size, size) float32
        What the result is compared with; the run does not see it.
    method : one of `METHODS`
    steps : int, optional
        The page's number for the method unless given.
    """
    run, page_steps = METHODS[method]
    start = time.perf_counter()
    psf, losses = run(torch.from_numpy(x), torch.from_numpy(y), len(psf_true), steps or page_steps)
    seconds = time.perf_counter() - start
    psf = psf.numpy()[0, 0]
    error = float(np.linalg.norm(psf - psf_true) / np.linalg.norm(psf_true))
    return Result(psf, losses, seconds, error)
