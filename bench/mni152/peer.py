"""Learn by the gradient of mri-nufft's published example, and project by its projection.

    bench/peers/.venv/bin/python bench/mni152/peer.py OUT

writes OUT/mri-nufft.npz, each run as it ends. Images and their phases are ours; a step has one
image, and there are 400 of them, where `learn.py OUT cg` sees 240. It starts from spirals as that
does, and from spokes as the example does. The objective is the example's, a density-weighted
adjoint without noise: summed over the coils as there, and combined with the true maps.
"""

from __future__ import annotations

import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "peers"))

import torch
from mri_nufft_job import BACKEND, Model
from mrinufft import get_operator
from mrinufft.trajectories.projection import project_trajectory
from mrinufft.trajectories.utils import Acquisition, Hardware
from setting import PHASE, PROTOCOL, SHAPE, load

from nufftlib import workflows

STEPS = 400


def learn(start: Any, images: Any, coil_maps: Any, *, true_maps: bool) -> Any:
    """Return the free trajectory after so many steps, at the example's rates."""
    model = Model(start.reshape(-1, 2), len(coil_maps), SHAPE, estimate_maps=False)
    if true_maps:
        model.sense = get_operator(BACKEND, wrt_data=True, wrt_traj=True)(
            start.reshape(-1, 2),
            density=True,
            smaps=coil_maps,
            shape=SHAPE,
            n_coils=len(coil_maps),
            squeeze_dims=False,
        )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=STEPS)
    change = workflows.Augmentation(phase=PHASE)
    order = np.random.default_rng(0)
    losses = []
    for step in range(STEPS):
        if step % len(images) == 0:
            left = iter(order.permutation(len(images)))
        i = next(left)
        x = change(images[i : i + 1] / images[i].mean(), coil_maps, seed=step)[0][0]
        target = torch.from_numpy(abs(x))
        loss = torch.nn.functional.mse_loss(
            model(torch.from_numpy(x * coil_maps)), target[None, None]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.trajectory.clamp_(-0.5, 0.5)
        losses.append(loss.item())
        if step % 40 == 0:
            print(step, np.mean(losses[-40:]), flush=True)
    return model.trajectory.detach().numpy().reshape(start.shape).astype(np.float64)


def project(k: Any) -> Any:
    """Return mri-nufft's projection, with its own settings."""
    scanner = PROTOCOL.scanner
    hardware = Hardware(gmax=scanner.gmax, smax=scanner.smax, grad_raster_time=scanner.raster)
    acquisition = Acquisition(PROTOCOL.fov, PROTOCOL.shape, hardware, scanner.gamma)
    return project_trajectory(k.copy(), acquisition, verbose=0)


def main(out: str) -> None:
    slices, path = load(out), Path(out) / "mri-nufft.npz"
    with np.load(Path(out) / "baselines.npz") as file:
        starts = {"spirals": file["start"], "spokes": file["cg, radial"]}
    found = dict(np.load(path)) if path.exists() else {}
    for (name, start), true_maps in product(starts.items(), (False, True)):
        key = f"from {name}, {'true maps' if true_maps else 'sum of coils'}"
        if key in found:
            continue
        begun, images = time.perf_counter(), abs(slices.training)
        k = learn(start.astype(np.float32), images, slices.coil_maps, true_maps=true_maps)
        found[f"{key}, free"], found[key] = k, project(k)
        print(f"{key}: {time.perf_counter() - begun:.0f} s", flush=True)
        np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
