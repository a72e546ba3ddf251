"""How well an image is reconstructed: its loss, and the numbers that people report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nufftlib.core.arrays import Array
from nufftlib.core.metrics import psnr, ssim
from nufftlib.mri.learn.objective import TrajectoryObjective, scaled

WINDOW = 11
"""Side of the window of `ssim`."""


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
        Structural similarity, of the same; NaN of an image that is smaller than its window.
    """

    loss: float
    psnr: float
    ssim: float


def score(objective: TrajectoryObjective, a: Array) -> ImageScore:
    """Return the score of a reconstruction of the objective's image."""
    x = objective.reference
    z = scaled(a, x)
    similarity = float(ssim(z, x)) if min(x.shape) >= WINDOW else math.nan
    return ImageScore(float(objective.loss_of_image(a)), float(psnr(z, x)), similarity)
