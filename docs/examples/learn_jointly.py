"""Learn a trajectory jointly with the network that reconstructs from it, in torch.

The network sees the density-compensated adjoint, as in G. R. Chaithya and P. Ciuciu, "Jointly
learning non-Cartesian k-space trajectories and reconstruction networks", Bioengineering 10 (2023)
158. Patches of the upper half of a slice of the brain are learned from, patches of the lower half
validate. Run it: ``python docs/examples/learn_jointly.py [FIGURE]``.
"""

import sys

import numpy as np
import torch

import nufftlib as nl
from nufftlib import data
from nufftlib.interop.torch import OperatorModule

SIZE, COILS, SPOKES = 64, 4, 10
STEPS, BATCH, RATE = 150, 8, 3e-3


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


def error(scanner, images):
    """Return the error of the reconstructions, relative to the images."""
    with torch.no_grad():
        return float(torch.linalg.norm(scanner(images) - images) / torch.linalg.norm(images))


def train(scanner, images, parameters):
    """Minimise the squared error over some of the parameters."""
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        x = images[torch.randint(len(images), (BATCH,), generator=generator)]
        optimizer.zero_grad()
        (scanner(x) - x).square().mean().backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            scanner.sampling.trajectory.clamp_(-0.5, 0.5)


def main():
    """Print the validation error before, with the network alone, and with both."""
    images, validation = patches((20, 100), 200, seed=1), patches((150, 180), 40, seed=2)
    radial = nl.mri.trajectories.radial(SPOKES, SIZE)
    seen = []
    for name in ("before", "network", "both"):
        torch.manual_seed(0)
        scanner = Scanner(radial)
        if name != "before":
            part = scanner.network if name == "network" else scanner
            train(scanner, images, part.parameters())
        print(f"{name:8} validation error {error(scanner, validation):.4f}", flush=True)
        seen.append((name, scanner))
    if len(sys.argv) > 1:
        draw(seen, validation, sys.argv[1])


def draw(seen, images, path):
    """Draw the first image, its reconstructions, and the trajectories."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axes = figure.subplots(2, 4)
    x = images[:1]
    pictures = [("validation image", x[0])]
    for (name, scanner), column in zip(seen, axes.T[1:], strict=True):
        with torch.no_grad():
            title = f"{name}: error {error(scanner, images):.3f}"
            pictures.append((title, scanner(x)[0]))
            k = scanner.sampling.trajectory.numpy().reshape(-1, 2)
        column[1].plot(k[:, 1], k[:, 0], ".", markersize=1.5)
        column[1].set(aspect="equal", xlim=(-0.5, 0.5), ylim=(0.5, -0.5), xticks=[], yticks=[])
    for axis, (title, picture) in zip(axes[0], pictures, strict=True):
        axis.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=float(x.max()))
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    axes[1, 0].axis("off")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
