"""
A trajectory and a network, trained together in torch
=====================================================

A training loop as torch's users write it: a ``DataLoader`` with batches of images, a module whose
parameters are the sampling trajectory and the weights of a small convolutional network,
``torch.optim.Adam``, and a validation set. The NUFFT is an ``OperatorModule``; its gradients are
the library's own.

The network sees the density-compensated adjoint, as in G. R. Chaithya and P. Ciuciu, "Jointly
learning non-Cartesian k-space trajectories and reconstruction networks", Bioengineering 10 (2023)
158. Patches of the upper half of a slice of the brain train, patches of the lower half validate.
The network alone mends a part of the spokes' errors; network and trajectory together mend far
more.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

import nufftlib as nl
from nufftlib import data
from nufftlib.interop.torch import OperatorModule

SIZE, COILS, SPOKES = 64, 4, 10
EPOCHS, BATCH, RATE = 3, 8, 3e-3


def patches(rows, count, seed):
    """Return patches of the brain whose first rows are in a range, of mean one."""
    rng = np.random.default_rng(seed)
    brain = data.brain()
    corners = zip(rng.integers(*rows, count), rng.integers(30, 162, count), strict=True)
    cut = np.stack([brain[r : r + SIZE, c : c + SIZE] for r, c in corners])
    return torch.from_numpy(cut / cut.mean(axis=(-2, -1), keepdims=True))


class Scanner(torch.nn.Module):
    """Sampling by several coils, the adjoint with density weights, and a network."""

    def __init__(self, trajectory):
        super().__init__()
        nufft = nl.NUFFT(trajectory, (SIZE, SIZE), eps=1e-4)
        self.sampling = OperatorModule(nufft, learn=["trajectory"])
        maps = nl.mri.birdcage_maps(COILS, (SIZE, SIZE))
        self.register_buffer("maps", torch.from_numpy(maps))
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 1, 3, padding=1),
        )
        # It starts as no change.
        torch.nn.init.zeros_(self.network[-1].weight)
        torch.nn.init.zeros_(self.network[-1].bias)

    def forward(self, images):
        """Sample images (batch, SIZE, SIZE) and reconstruct them."""
        density = torch.from_numpy(nl.mri.pipe_menon(self.sampling.operator))
        y = self.sampling(self.maps * images[:, None])
        z = (self.maps.conj() * self.sampling.adjoint(density * y)).sum(dim=1).abs()
        z = z / z.mean(dim=(-2, -1), keepdim=True)
        return z + self.network(z[:, None])[:, 0]


# %%
# Training, with the trajectory held within k-space after each step:


def error(scanner, images):
    """Return the error of the reconstructions, relative to the images."""
    with torch.no_grad():
        return float(torch.linalg.norm(scanner(images) - images) / torch.linalg.norm(images))


def train(scanner, images, validation, parameters):
    """Minimise the squared error over some of the parameters; return the validation errors."""
    batches = DataLoader(
        TensorDataset(images),
        batch_size=BATCH,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, EPOCHS * len(batches))
    errors = [error(scanner, validation)]
    for _ in range(EPOCHS):
        for (x,) in batches:
            optimizer.zero_grad()
            (scanner(x) - x).square().mean().backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                scanner.sampling.trajectory.clamp_(-0.5, 0.5)
        errors.append(error(scanner, validation))
    return errors


images, validation = patches((20, 100), 200, seed=1), patches((150, 180), 40, seed=2)
radial = nl.mri.trajectories.radial(SPOKES, SIZE)
scanners, courses = {}, {}
for name in ("before", "network", "both"):
    torch.manual_seed(0)
    scanners[name] = scanner = Scanner(radial)
    if name != "before":
        part = scanner.network if name == "network" else scanner
        courses[name] = train(scanner, images, validation, part.parameters())
    print(f"{name:8} validation error {error(scanner, validation):.4f}")

# %%
figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
x = validation[:1]
pictures = [("validation image", x[0])]
for (name, scanner), column in zip(scanners.items(), axes.T[1:], strict=True):
    with torch.no_grad():
        pictures.append((f"{name}: error {error(scanner, validation):.3f}", scanner(x)[0]))
    k = scanner.sampling.trajectory.detach().numpy()
    column[1].plot(k[..., 1].T, k[..., 0].T, ".-", markersize=2, linewidth=0.5)
    column[1].set(aspect="equal", xlim=(-0.52, 0.52), ylim=(0.52, -0.52), xticks=[], yticks=[])
for axis, (title, picture) in zip(axes[0], pictures, strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=float(x.max()))
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
for name, course in courses.items():
    axes[1, 0].plot(course, ".-", label=name)
axes[1, 0].set(xlabel="epoch", ylabel="validation error", ylim=(0, None))
axes[1, 0].legend()
plt.show()

# %%
# :doc:`/interop/torch` has second derivatives, ``torch.func`` and ``torch.compile``.
