"""How well a calibration determines the PSF, and signs that the model does not fit the pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nufftlib import workflows
from nufftlib.blur.calibrate.objective import fitting
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.blur.operator import Blur
from nufftlib.cli.devices import Device
from nufftlib.cli.pairs import Pairs
from nufftlib.core.run import part

GOOD = 0.01
"""Part of the PSF's norm; a component with a smaller deviation is well determined."""
MOST_COMPONENTS = 2048
"""Most pixels of a PSF for which the eigenvalues are computed: beyond, that takes long."""
CORRELATED, SEEN = 0.1, 1 / 255
"""Least correlation of neighbours in a residual that is not noise, and its least size, in parts of
the sharp picture's range: rounding to 8 bits is no noise either."""


class Uncertainty(NamedTuple):
    """How well the pictures determine the PSF.

    Attributes
    ----------
    noise : float
        Standard deviation of the noise: the simulation's, or else the residual's.
    deviations : array, shape (components,)
        Standard deviation that the noise gives each component of the PSF, relative to the
        PSF's norm.
    """

    noise: float
    deviations: Any

    @property
    def good(self) -> int:
        """Number of components that are known to 1 % of the PSF's norm."""
        return int(np.sum(self.deviations <= GOOD))

    def record(self) -> dict[str, Any]:
        """Return the entries of the record."""
        worst = float(self.deviations[-1])
        return {
            "noise": self.noise,
            "components": len(self.deviations),
            "to_one_percent": self.good,
            "worst": worst if math.isfinite(worst) else None,
        }

    def __str__(self) -> str:
        """Return the text below the table."""
        whole = amount(float(np.sqrt(np.sum(self.deviations**2))))
        return (
            f"Noise of standard deviation {self.noise:.3g} moves a least-squares PSF by {whole}:\n"
            f"{self.good} of its {len(self.deviations)} components by less than {GOOD:.0%} each, "
            f"the worst by {amount(float(self.deviations[-1]))}.\n"
            f"That the PSF is nonnegative brings it down."
        )


def amount(deviation: float) -> str:
    """Say a deviation relative to the norm; one that the pictures do not limit is infinite."""
    if not math.isfinite(deviation):
        return "any amount"
    return f"{part(deviation)}{' of' * (deviation < 1)} its norm"


def best_method(results: Mapping[Method, workflows.CalibratedPSF]) -> Method:
    """Return the method of the lowest loss; squared errors come before absolute ones."""
    return min(results, key=lambda n: (RECIPES[n].loss != "squared", results[n].loss_final))


def psf_uncertainty(
    device: Device,
    pairs: Pairs,
    results: Mapping[Method, workflows.CalibratedPSF],
    boundary: str,
) -> Uncertainty | None:
    """Return how well the images determine the PSF.

    Return None above `MOST_COMPONENTS` pixels, where the eigenvalues take too long.
    """
    if math.prod(pairs.size) > MOST_COMPONENTS:
        return None
    noise = pairs.noise or min(noise_left(name, r.loss_final) for name, r in results.items())
    found = workflows.identifiability(
        pairs.sharp, noise, size=pairs.size, ndim=len(pairs.size), boundary=boundary
    )
    psf = results[best_method(results)].psf if pairs.truth is None else device.to_host(pairs.truth)
    return Uncertainty(noise, device.to_host(found.deviations) / float(np.linalg.norm(psf)))


def noise_left(method: Method, loss: float) -> float:
    """Return the standard deviation of the Gaussian noise that would leave a loss."""
    if RECIPES[method].loss == "squared":
        return math.sqrt(2 * loss)
    return loss * math.sqrt(math.pi / 2)


def describe_misfit(device: Device, pairs: Pairs, psf: Any, boundary: str) -> str:
    """Return a warning if the residual of a PSF is not noise, else an empty text."""
    products = squares = seen = 0.0
    samples = 0
    d = psf.ndim
    blur = Blur(psf, boundary=boundary, ndim=d)
    for x, y in zip(pairs.sharp, pairs.blurred, strict=True):
        x, y = (device.to_host(a) for a in (x, y))
        r = (blur(x) - fitting(blur, x, y)).astype(np.float64)
        for axis in range(-d, 0):
            along = np.moveaxis(r, axis, -1)
            products += float(np.sum(along[..., 1:] * along[..., :-1])) / d
        squares += float(np.sum(r * r))
        samples += r.size
        seen = max(seen, SEEN * float(np.ptp(x)))
    if math.sqrt(squares / samples) < seen or products < CORRELATED * squares:
        return ""
    said = (
        f"Careful: what the PSF leaves of the blurred picture is no noise: neighbouring pixels\n"
        f"correlate by {products / squares:.2f}. The two pictures must be registered, equally "
        f"exposed and linear in the\nlight (no gamma), --size must hold the PSF, and --boundary "
        f"be right; or more steps are wanted."
    )
    if d == 2:
        said += (
            "\nnufftlib calibrate-pair takes pictures that are exposed, clipped, encoded or moved."
        )
    return said


def describe_widths(psf: Any, pixel_size: tuple[float, ...] | None) -> str:
    """Return the widths of a stack's PSF along its axes."""
    across = workflows.measure_psf(psf.sum(axis=0)), workflows.measure_psf(psf.sum(axis=2))
    widths = [w.value for w in (across[1].widths[0], *across[0].widths)]
    text = f"{', '.join(f'{w:.3g}' for w in widths)} voxels"
    if pixel_size is not None:
        sizes = (1e6 * w * step for w, step in zip(widths, pixel_size, strict=True))
        text += f" ({', '.join(f'{w:.3g}' for w in sizes)} µm)"
    return f"Its widths at half maximum along depth, rows and columns: {text}."
