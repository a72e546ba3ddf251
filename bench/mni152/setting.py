"""The setting of the benchmark: slices, coils, noise, scanner, and how a trajectory is scored.

    python bench/mni152/setting.py TEMPLATE OUT

reads the template, and writes OUT/slices.npz.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import nufftlib as nl
from nufftlib import workflows
from nufftlib.mri.learn import CGReconstruction

TRAINING = (*range(30, 70, 2), *range(109, 149, 2))
HELD_OUT = tuple(range(79, 99))
"""Axial slices of the template, of 1 mm; 10 lie between the two kinds."""
ROWS, COLUMNS = slice(19, 211), slice(2, 194)
"""The part of a slice that is taken; nothing of the brain is cut off."""
SHAPE = (192, 192)
COILS, SHOTS, SAMPLES = 8, 16, 512
PHASE, NOISE = 0.5, 0.002
DAMPING = 0.005
"""Of CG-SENSE, where settings are chosen and where it is learned."""
CHOOSING = slice(4, None, 10)
"""The training slices by which settings and epochs are chosen."""
PROTOCOL = nl.mri.Protocol(
    nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6), fov=0.192, shape=SHAPE
)
RECEIVER = nl.mri.receiver(PROTOCOL, SAMPLES)


@dataclass(frozen=True)
class Slices:
    """Complex slices and the coils that see them."""

    training: Any
    held_out: Any
    coil_maps: Any


def read(template: str) -> Slices:
    """Return the slices of the template, each with a random phase of its own."""
    found = workflows.load_images(template)
    numbers = [int(name.split()[-1]) for name in found.names]
    coil_maps = nl.mri.birdcage_maps(COILS, SHAPE)
    change = workflows.Augmentation(phase=PHASE)

    def taken(slices: tuple[int, ...], seed: int) -> Any:
        images = found.images[[numbers.index(i) for i in slices], ROWS, COLUMNS]
        return change(images / 255, coil_maps, seed=seed)[0]

    return Slices(taken(TRAINING, 1), taken(HELD_OUT, 2), coil_maps)


def load(out: str | Path) -> Slices:
    """Return the slices that `read` has found before."""
    with np.load(Path(out) / "slices.npz") as file:
        return Slices(**file)


def cg(damping: float = DAMPING, tolerance: float = 1e-5) -> CGReconstruction:
    """Return the CG-SENSE by which trajectories are compared."""
    return CGReconstruction(damping=damping, tolerance=tolerance, steps=500)


def objective(images: Any, coil_maps: Any, reconstruction: Any) -> workflows.ImagesObjective:
    """Return the mean loss of some slices; its noise is the same at each trajectory."""
    k = RECEIVER(np.zeros((SHOTS, SAMPLES, 2), np.float32))
    return workflows.ImagesObjective(
        images,
        coil_maps,
        nl.NUFFT(k, SHAPE, eps=1e-4),
        "true",
        reconstruction=reconstruction,
        noise=NOISE,
        seed=3,
    )


def reconstruct(k: Any, images: Any, coil_maps: Any, reconstruction: Any) -> Any:
    """Return the magnitudes that the receiver's samples of a trajectory give."""
    sampled = RECEIVER(k).astype(np.float32)
    return objective(images, coil_maps, reconstruction).reconstruct(sampled)


def quality(found: Any, images: Any) -> Any:
    """Return PSNR and SSIM of each reconstruction, shape (n, 2)."""
    x = abs(images)
    return np.stack([nl.psnr(found, x, ndim=2), nl.ssim(found, x, ndim=2)], axis=-1)


if __name__ == "__main__":
    np.savez(Path(sys.argv[2]) / "slices.npz", **asdict(read(sys.argv[1])))
