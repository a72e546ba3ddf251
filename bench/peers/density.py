"""Density weights: the error of the density-compensated adjoint, ours beside sigpy's.

    python bench/peers/density.py [SIZE ...]

Each row is a trajectory at one size, with the errors of a phantom and of the brain:
``min_a |a F^H w F x - x| / |x|`` with the weights ``w``. Sigpy's are those of
``sigpy.mri.pipe_menon_dcf`` with its defaults. "published" is the setting of the example that
job 1 follows. "ratio" is the larger of ours by sigpy's, and "scale" the factor ``a`` of ours for
the brain. Seconds are those of the second call, of
sigpy, published and ours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sigpy.mri import pipe_menon_dcf
from sigpy.sim import shepp_logan

import nufftlib as nl
from nufftlib import data

Array = Any


def centre_out(n: int, spokes: int) -> Array:
    return nl.mri.trajectories.radial(spokes, n, dtype=np.float64)


def radial(n: int, spokes: int) -> Array:
    angle = np.pi * np.arange(spokes) / spokes
    along = (np.arange(2 * n) - n) / (2 * n)
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def spiral(n: int, arms: int, turns: float) -> Array:
    t = np.linspace(0, 1, int(4 * turns * n))
    angle = 2 * np.pi * (turns * t + np.arange(arms)[:, None] / arms)
    return 0.5 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def uniform(samples: int) -> Array:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, 2))


def crowded(samples: int) -> Array:
    k = np.random.default_rng(0).normal(0, 0.18, (4 * samples, 2))
    return k[(abs(k) < 0.5).all(axis=-1)][:samples]


TRAJECTORIES: dict[str, Callable[[int], Array]] = {
    "centre-out": lambda n: centre_out(n, int(np.pi * n)),
    "centre-out, a quarter": lambda n: centre_out(n, int(np.pi * n / 4)),
    "radial": lambda n: radial(n, int(np.pi * n / 2)),
    "radial, a quarter": lambda n: radial(n, int(np.pi * n / 8)),
    "spiral": lambda n: spiral(n, n // 4, 2),
    "spiral, half": lambda n: spiral(n, n // 8, 2),
    "random": lambda n: uniform(2 * n * n),
    "random, a quarter": lambda n: uniform(n * n // 2),
    "random, crowded centre": lambda n: crowded(2 * n * n),
}


def brain(n: int) -> Array:
    return data.brain().astype(np.float64).reshape(n, 256 // n, n, -1).mean(axis=(1, 3))


def phantom(n: int) -> Array:
    return shepp_logan((2 * n, 2 * n)).real.reshape(n, 2, n, 2).mean(axis=(1, 3))


def error(F: nl.NUFFT, w: Array, x: Array) -> tuple[float, float]:
    """Return the error after the best scaling, and that scale."""
    a = F.H(w * F(x.astype(complex)))
    scale = np.vdot(a, x) / np.vdot(a, a)
    return float(np.linalg.norm(scale * a - x) / np.linalg.norm(x)), float(abs(scale))


def timed(f: Callable[[], Array]) -> tuple[Array, float]:
    f()
    start = time.perf_counter()
    return f(), time.perf_counter() - start


def calls(F: nl.NUFFT) -> dict[str, Callable[[], Array]]:
    """Return the functions that make the weights of each column."""
    k, (n, _) = F.trajectory, F.shape
    return {
        "none": lambda: np.ones(k.shape[:-1]),
        "sigpy": lambda: pipe_menon_dcf(n * k, (n, n), show_pbar=False),
        "published": lambda: nl.mri.pipe_menon(F, width=7, grid=(n, n), iterations=10),
        "ours": lambda: nl.mri.pipe_menon(F),
        "ours, 3N": lambda: nl.mri.pipe_menon(F, width=6, grid=(3 * n, 3 * n)),
    }


def main(sizes: list[int]) -> None:
    titles = ("none", "sigpy", "published", "ours", "ours, 3N")
    print(
        f"{'':30}", *(f"{t:>13}" for t in titles), " ratio scale  seconds: sigpy, published, ours"
    )
    for n in sizes:
        pictures = phantom(n), brain(n)
        for name, trajectory in TRAJECTORIES.items():
            k = trajectory(n)
            F = nl.NUFFT(k, (n, n), eps=1e-9)
            made = {title: timed(call) for title, call in calls(F).items()}
            errors = {t: [error(F, w, x) for x in pictures] for t, (w, _) in made.items()}
            ratio = max(
                a / b for (a, _), (b, _) in zip(errors["ours"], errors["sigpy"], strict=True)
            )
            print(
                f"{name + f', {n}':30}",
                *(f"{a:6.3f} {b:6.3f}" for (a, _), (b, _) in errors.values()),
                f"{ratio:6.3f} {errors['ours'][1][1]:5.3f} ",
                *(f"{made[t][1]:6.3f}" for t in titles[1:4]),
                flush=True,
            )


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [64, 128])
