"""The table of docs/calibrate-pair.md: errors of the PSF of pairs that differ by more than a blur.

``python bench/pair_errors.py`` prints for each difference the relative errors of a 25 x 25 motion
PSF for three seeds: where nothing but the blur is modelled, with ``nuisances="auto"`` (rotation by
name), and the seconds of work.
"""

import time
from typing import Any

import numpy as np
import scipy.ndimage

import nufftlib as nl
from nufftlib import data, workflows

SIZE, NOISE, SEEDS = 25, 0.005, 3


def shifted(y: Any, shift: tuple[float, float]) -> Any:
    """Return a picture that is moved by the Fourier shift theorem."""
    wide = np.pad(y, ((0, 0), (64, 64), (64, 64)), mode="reflect")
    moved = [scipy.ndimage.fourier_shift(np.fft.fft2(c), shift) for c in wide]
    return np.fft.ifft2(moved).real[:, 64:-64, 64:-64]


def turned(x: Any, shift: tuple[float, float], angle: float, scale: float) -> Any:
    """Return ``x(c + M (n - c) + t)``, by quintic splines on a finer grid."""
    (H, W), c = x.shape[1:], np.asarray(x.shape[1:]) // 2
    half, fine = np.concatenate([x, x[:, ::-1]], axis=1), 4
    spectrum = np.fft.fft2(np.concatenate([half, half[..., ::-1]], axis=2))
    spectrum = np.fft.fftshift(spectrum, axes=(1, 2))
    edge = [(fine - 1) * n // 2 for n in spectrum.shape[1:]]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    n = np.indices((H, W)).reshape(2, -1) - c[:, None]
    at = fine * (np.asarray([[cos, -sin], [sin, cos]]) @ n + (c + shift)[:, None])
    made = []
    for channel in spectrum:
        wide = np.fft.ifftshift(np.pad(channel, [(e, e) for e in edge]))
        grid = fine**2 * np.fft.ifft2(wide).real[: fine * H, : fine * W]
        made.append(scipy.ndimage.map_coordinates(grid, at, order=5, mode="mirror"))
    return np.reshape(made, x.shape)


def encoded(y: Any) -> Any:
    """Return light as a display stores it."""
    return np.maximum(y, 0) ** (1 / 2.2)


def hot(y: Any) -> Any:
    """Return a picture in which a pixel in a thousand is brighter than all others."""
    rng = np.random.default_rng(9)
    return np.where(rng.random(y.shape) < 1e-3, rng.uniform(1.0, 1.5, y.shape), y)


def shaded(y: Any) -> Any:
    """Return a picture with a vignette of 30 % at its corners."""
    r, s = (np.linspace(-1, 1, n) for n in y.shape[-2:])
    return (1 - 0.15 * (r[:, None] ** 2 + s**2)) * y


NEAR = (0.5, -0.3)
ROWS = {
    "as simulated": lambda y, n: y + n,
    "gain 0.8, offset 0.1": lambda y, n: 0.8 * y + 0.1 + n,
    "gamma 1/2.2": lambda y, n: encoded(y) + n,
    "shifted by (0.5, -0.3) pixels": lambda y, n: shifted(y, NEAR) + n,
    "clipped at 0.6": lambda y, n: np.minimum(y + n, 0.6),
    "one pixel in a thousand hot": lambda y, n: hot(y + n),
    "a vignette of 30 % at the corners": lambda y, n: shaded(y) + n,
    "all of these but the vignette": lambda y, n: hot(
        encoded(np.minimum(0.8 * shifted(y, NEAR) + 0.1 + n, 0.6))
    ),
    "shifted by (12.3, -40.7) pixels": lambda y, n: shifted(y, (12.3, -40.7)) + n,
}
TURNED = {
    "turned by 1.5 degrees, scaled by 1.01": (3.2, -1.4),
    "so, and shifted by (-12.3, 40.7) pixels": (12.3, -40.7),
}


def pair(seed: int) -> tuple[Any, Any, Any]:
    """Return the picture, a PSF and noise."""
    x = data.astronaut().astype(float)
    psf = nl.blur.motion_psf(SIZE, seed=seed, dtype=np.float64)
    return x, psf, NOISE * np.random.default_rng(seed).standard_normal(x.shape)


def row(name: str) -> str:
    """Return a row of the table."""
    plain, errors, seconds = [], [], []
    for seed in range(SEEDS):
        x, psf, noise = pair(seed)
        blur = nl.Blur(psf, "reflect")
        names: Any = "auto"
        if name in TURNED:
            names = ("photometry", "rotation")
            y = blur(turned(x, TURNED[name], np.radians(1.5), 1.01)) + noise
        else:
            y = ROWS[name](blur(x), noise)
        clock = time.process_time()
        found = workflows.calibrate_pair(x, y, size=SIZE, nuisances=names)
        seconds.append(time.process_time() - clock)
        errors.append(workflows.psf_error(found.psf, psf))
        only = workflows.calibrate_psf(x, y, size=SIZE)
        plain.append(workflows.psf_error(only.psf, psf))
    spans = (f"{min(v):.3f} to {max(v):.3f}" for v in (plain, errors))
    return f"| {name} | {' | '.join(spans)} | {max(seconds):.1f} s |"


if __name__ == "__main__":
    print("| the blurred picture | only a blur | `calibrate_pair` | work |")
    print("|---|---|---|---|")
    for each in (*ROWS, *TURNED):
        print(row(each), flush=True)
