"""Draw phase-retrieval.png and print the tables of docs/phase-retrieval.md; some minutes."""

from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import plots, workflows

FIVE = (-1.0, -0.5, 0.0, 0.5, 1.0)  # waves


def aberrations(seed, rms, terms=12):
    """Return coefficients in a random direction."""
    a = np.random.default_rng(seed).standard_normal(terms)
    return rms * a / np.linalg.norm(a)


def trial(seed, rms, photons, defocus=FIVE, background=5.0):
    """Return a stack, its truth, and what is found."""
    optics = nl.blur.ThroughFocus(64, defocus=defocus)
    truth = aberrations(seed, rms)
    stack = nl.blur.poisson_noise(photons * optics(truth) + background, seed=seed)
    return stack, truth, workflows.retrieve_phase(stack, optics, gain=1.0)


def accuracy(photons, seeds=20):
    """Print a row of the first table."""
    errors, inside, seconds = [], [], []
    for seed in range(seeds):
        _, truth, result = trial(seed, 0.1, photons)
        errors.append(np.linalg.norm(result.coefficients - truth))
        inside.append(abs(result.coefficients - truth) < 1.96 * result.deviations)
        seconds.append(result.seconds)
    errors = np.asarray(errors)
    print(
        f"| {photons:g} | {np.median(errors):.4f} | {errors.max():.4f} "
        f"| {np.count_nonzero(errors < 0.01)} of {seeds} | {np.mean(inside):.1%} "
        f"| {np.median(seconds):.1f} s |",
        flush=True,
    )


def reach(defocus, amounts, seeds=20):
    """Print a row of the second table: how many arrive."""
    cells = []
    for rms in amounts:
        found = [trial(seed, rms, 1e5, defocus)[1:] for seed in range(seeds)]
        arrived = [np.linalg.norm(r.coefficients - a) < 0.01 for a, r in found]
        # Those that did not arrive must be seen by their misfit.
        hidden = [r.misfit < 1.5 for (_, r), there in zip(found, arrived, strict=True) if not there]
        cells.append(f"{sum(arrived)}" + (f" ({sum(hidden)} hidden)" if any(hidden) else ""))
    print(f"| {', '.join(f'{d:g}' for d in defocus)} | {' | '.join(cells)} |", flush=True)


def draw():
    """Draw the figure of a retrieval."""
    stack, truth, result = trial(0, 0.1, 1e4)
    with Path(__file__).with_name("phase-retrieval.png").open("wb") as file:
        plots.draw_phase(stack, result, file, truth=truth)


if __name__ == "__main__":
    draw()
    for photons in (1e5, 1e4, 1e3):
        accuracy(photons)
    for defocus in (FIVE, (-0.5, 0.0, 0.5), (0.0, 0.5), (-0.25, 0.25)):
        reach(defocus, (0.1, 0.2, 0.3, 0.4))
