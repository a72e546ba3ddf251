"""Learn a trajectory for the adjoint or for CG-SENSE, from the best of the baselines.

    python bench/mni152/learn.py OUT adjoint [EPOCHS]
    python bench/mni152/learn.py OUT cg [EPOCHS]

writes OUT/ours-adjoint.npz or OUT/ours-cg.npz.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from setting import CHOOSING, NOISE, PHASE, PROTOCOL, cg, load

import nufftlib as nl
from nufftlib import workflows

RECIPES: dict[str, tuple[Any, int, float]] = {
    "adjoint": ("adjoint", 100, 3e-3),
    "cg": (cg(tolerance=3e-5), 6, 5e-3),
}
"""Reconstruction, epochs, and the rate of the first step, in cycles per voxel."""


def mse(x: Any) -> nl.Map:
    """Return the mean squared error relative to the largest value, as PSNR has it."""
    return (1 / float(x.max()) ** 2) * nl.MeanSquaredError(x)


def main(out: str, kind: str, epochs: str = "") -> None:
    slices = load(out)
    with np.load(Path(out) / "baselines.npz") as file:
        start = file["start"].astype(np.float32)
    recipe, usual, rate = RECIPES[kind]

    def tell(epoch: int, training: float | None, validation: float | None, _: Any) -> None:
        print(epoch, training, validation, flush=True)

    result = workflows.learn_on_images(
        abs(slices.training),  # a phase is drawn in each step
        slices.coil_maps,
        start,
        validation=(slices.training[CHOOSING], slices.coil_maps),
        maps="true",
        reconstruction=recipe,
        loss=mse,
        augment=workflows.Augmentation(phase=PHASE),
        noise=NOISE,
        epochs=int(epochs or usual),
        batch=4,
        learning_rate=(rate, rate / 15),
        protocol=PROTOCOL,
        callback=tell,
    )
    print(f"{result.seconds:.0f} s, best epoch {result.best_epoch}, {result.certificate}")
    np.savez(
        Path(out) / f"ours-{kind}.npz",
        trajectory=result.trajectory,
        training=result.training,
        validation=result.validation,
        seconds=result.seconds,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
