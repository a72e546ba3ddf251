"""How well an image is reconstructed: its loss, and the numbers that people report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from array_api_compat import array_namespace

from nufftlib.core.arrays import Array
from nufftlib.mri.learn.objective import TrajectoryObjective


@dataclass(frozen=True)
class ImageScore:
    """How well an image is reconstructed.

    Parameters
    ----------
    loss : float
        The loss that is learned.
    psnr : float
        Peak signal-to-noise ratio in dB, of the magnitude scaled to the mean of the image.
    ssim : float
        Structural similarity, of the same.
    """

    loss: float
    psnr: float
    ssim: float


def score(objective: TrajectoryObjective, a: Array) -> ImageScore:
    """Return the score of a reconstruction of the objective's image."""
    z, x = objective.scaled(a), objective.reference
    return ImageScore(float(objective.loss_of_image(a)), psnr(z, x), math.nan)


def psnr(image: Array, reference: Array) -> float:
    """Return the peak signal-to-noise ratio."""
    xp = array_namespace(image)
    mse = float(xp.mean((image - reference) ** 2))
    return 10 * math.log10(float(xp.max(reference) - xp.min(reference)) ** 2 / mse)
