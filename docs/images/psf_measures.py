"""Draw psf-measures.png, and print the tables of docs/psf-measures.md; some minutes.

The second one is of PSFs, a picture, noise and seeds that were not looked at before.
"""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import data, plots, workflows

DRAWS, NOISE = 200, (0.002, 0.01)
OTHER_NOISE, OTHER_SEED = (0.003, 0.02), 5000


def ellipse():
    """Return a Gaussian with light in every pixel."""
    n = np.arange(9) - 4
    down, right = n[:, None] - 0.2, n + 0.3
    h = np.exp(-0.5 * (down**2 / 2.0**2 + right**2 / 2.6**2 - 0.2 * down * right))
    return h / h.sum()


def lens(aberrations=(0.0, 0.12, 0.0, 0.08)):
    """Return the PSF of a lens with astigmatism and coma, with the dark ring of its pupil."""
    lens = nl.blur.Diffraction(11, indices=(4, 5, 6, 7), cutoff=0.42)
    return lens(np.asarray(aberrations))


PSFS = {
    "ellipse": ellipse(),
    "lens": lens(),
    "motion": nl.blur.motion_psf(9, seed=1),
    "disk": nl.blur.defocus_psf(9, 2.7),
}
IDEAL = lens((0.0, 0.0, 0.0, 0.0))


def moffat():
    """Return a star's image with wide wings, slanted."""
    down, right = np.mgrid[-5:6, -5:6]
    h = (1 + (down - 0.2) ** 2 / 5.0 + (right + 0.4) ** 2 / 3.0 + 0.1 * down * right) ** -3.0
    return h / h.sum()


OTHERS = {
    "other motion": nl.blur.motion_psf(11, seed=3),
    "large disk": nl.blur.defocus_psf(11, 3.8),
    "small disk": nl.blur.defocus_psf(9, 2.2),
    "Moffat": moffat(),
    "other lens": lens((0.05, -0.1, 0.1, 0.0)),
    "Gaussian": nl.blur.gaussian_psf(9, (2.0, 1.4)),
}


def sharp(other):
    """Return a small picture in three colours, or another."""
    rows, columns = (slice(150, 214), slice(30, 94)) if other else (slice(60, 124), slice(90, 154))
    return data.astronaut()[:, rows, columns].astype(float)


def calibrated(psf, noise, seed, *, other=False):
    """Return the PSF of a noisy pair."""
    x = sharp(other)
    y = nl.Blur(psf)(x)
    y = 0.8 * y + 0.1 + noise * np.random.default_rng(seed).standard_normal(y.shape)
    return workflows.calibrate_pair(x, y, size=psf.shape, nuisances=("photometry",))


def inside(measures, true):
    """Return for each number the part of its intervals that hold the truth; NaN without one."""
    found = {}
    for name in ("centroid", "widths", "principal_widths", "sigmas", "mtf50"):
        found[name] = [
            within(m, t) for m, t in zip(getattr(measures, name), getattr(true, name), strict=True)
        ]
    found["angle"] = [turned(measures.angle, true.angle)]
    for name in ("radius50", "radius80", "strehl"):
        found[name] = [within(getattr(measures, name), getattr(true, name))]
    for name, m, t in (
        ("energy", measures.energy, true.energy),
        ("mtf", measures.mtf[0], true.mtf[0]),
        ("mtf", measures.mtf[1], true.mtf[1]),
        ("radial_mtf", measures.radial_mtf, true.radial_mtf),
    ):
        places = slice(1, 4 * 4 if name == "energy" else None)
        t, low, high = (np.asarray(a)[places] for a in (t.values, m.low, m.high))
        found.setdefault(name, []).append(np.mean((low <= t) & (t <= high)))
    return {name: np.asarray(values, float) for name, values in found.items()}


def within(found, true):
    """Return whether the interval of a number holds the true one; NaN without a deviation."""
    held = found.low <= true.value <= found.high
    return np.nan if np.isnan(found.deviation) else float(held)


def turned(found, true):
    """Return the same of angles, which are the same after half a turn."""
    turns = round((found.value - true.value) / np.pi)
    return within(found, true._replace(value=true.value + turns * np.pi))


def trial(name, noise, seed):
    """Return what the intervals of a calibration hold."""
    psf = np.asarray((PSFS | OTHERS)[name], float)
    result = calibrated(psf, noise, seed, other=name in OTHERS)
    measures = workflows.measure_psf(result.psf, result.covariance, ideal=IDEAL)
    held = np.abs(result.psf - psf) < 1.96 * result.deviations
    found = {"pixels": np.asarray([held[result.psf > 0].mean()])}
    return found | inside(measures, workflows.measure_psf(psf, ideal=IDEAL))


def trials(name, noise):
    """Return all trials of a PSF at a noise."""
    first = OTHER_SEED if name in OTHERS else 0
    return [trial(name, noise, seed) for seed in range(first, first + DRAWS)]


def table(psfs, noises):
    """Print how often the intervals hold the truth."""
    cases = [(name, noise) for name in psfs for noise in noises]
    with ProcessPoolExecutor(2) as pool:
        results = list(pool.map(trials, *zip(*cases, strict=True)))
    print("| | " + " | ".join(f"{name}, {noise:g}" for name, noise in cases) + " |")
    print("|---" * (len(cases) + 1) + "|")
    for key in results[0][0]:
        cells = []
        for found in results:
            values = np.stack([each[key] for each in found])
            known = 1 - np.isnan(values).mean()
            held = [np.nanmean(v) for v in values.T if not np.isnan(v).all()]
            cells.append(
                " / ".join(f"{100 * v:.0f}" for v in held)
                + (f" ({known:.0%})" if known < 1 else "")
            )
        print(f"| {key} | " + " | ".join(cells) + " |", flush=True)


def draw():
    """Draw the figure of a PSF that was calibrated with much noise."""
    result = calibrated(np.asarray(PSFS["lens"], float), 0.01, 0)
    with Path(__file__).with_name("psf-measures.png").open("wb") as file:
        plots.draw_psf(
            result.psf, file, covariance=result.covariance, ideal=IDEAL, truth=PSFS["lens"]
        )


if __name__ == "__main__":
    draw()
    table(PSFS, NOISE)
    table(OTHERS, OTHER_NOISE)
