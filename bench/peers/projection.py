"""Projection onto a scanner's limits: ours beside mri-nufft's, on the same arrays in one process.

    bench/peers/.venv/bin/python bench/peers/projection.py [STEPS ...]

The starts are 32 shots of 512 samples from the centre outwards, in float64: noisy radial ones,
and arms of a spiral that end twice as fast as the gradients allow. The first samples stay at the
centre. mri-nufft makes 1000 steps, its default, or the numbers given, with its margin of
1 % and without. Ours has rest where mri-nufft has it, at the start alone, and then at both ends.

Columns: seconds, the fastest of some calls; distance, the root mean square of the samples from
those given, in 1/m; by which part of itself a limit is exceeded, without the row from the last
gradient to rest and with it, and by which part the band is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torchvision_without_ops  # noqa: F401  # before mri-nufft
from mrinufft.trajectories.projection import project_trajectory
from mrinufft.trajectories.utils import Acquisition, Hardware

import nufftlib as nl

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
BOTH = nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256))
START = replace(BOTH, rest="start")
FIXED = {0: (0.0, 0.0)}


def noisy_radial() -> Any:
    k = nl.mri.trajectories.radial(32, 512, dtype=np.float64)
    return np.clip(disturbed(k, 1e-3, seed=0), -0.5, 0.5)


def fast_spiral() -> Any:
    t = np.linspace(0, 1, 512)
    angle = 2 * np.pi * (5 * t + np.arange(32)[:, None] / 32)
    return 0.5 * t[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def disturbed(k: Any, size: float, seed: int) -> Any:
    moved = k + size * np.random.default_rng(seed).standard_normal(k.shape)
    moved[:, 0] = 0
    return moved


def peer(k: Any, steps: int, margin: float) -> Any:
    hardware = Hardware(gmax=SCANNER.gmax, smax=SCANNER.smax, grad_raster_time=SCANNER.raster)
    acquisition = Acquisition(BOTH.fov, BOTH.shape, hardware, SCANNER.gamma)
    return project_trajectory(k.copy(), acquisition, margin, steps, verbose=0)


def fastest(call: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begun)
    return result, min(seconds)


def line(name: str, k: Any, p: Any, seconds: float, more: str = "") -> None:
    moved = np.sqrt(np.mean(np.sum(((p - k) / BOTH.voxel) ** 2, axis=-1)))
    inside, ended = (nl.mri.check_trajectory(p, protocol) for protocol in (START, BOTH))
    excess = [max(0.0, r.gradient.ratio - 1, r.slew.ratio - 1) for r in (inside, ended)]
    band = max(0.0, inside.band.ratio - 1)
    print(
        f"| {name} | {seconds:.3f} | {moved:.6f} | {excess[0]:.2g} | {excess[1]:.2g} | {band:.2g} "
        f"| {more} |",
        flush=True,
    )


def ours(name: str, k: Any, protocol: nl.mri.Protocol, start: Any = None) -> Any:
    def call() -> Any:
        return nl.mri.project_trajectory(k, protocol, fixed=FIXED, start=start)

    result, seconds = fastest(call, 10)
    c = result.certificate
    more = f"gap {c.gap:.1e}, {c.iterations} iterations"
    line(name, k, result.trajectory, seconds, more)
    return result


def main(steps: list[int]) -> None:
    print(*(f"{name} {version(name)}" for name in ("mri-nufft", "pyproximal", "pylops", "numpy")))
    for start in (noisy_radial, fast_spiral):
        k = start()
        near = disturbed(k, 1e-5, seed=1)
        print(
            f"\n| {start.__name__} | seconds | distance | excess | with the end | of the band | |"
        )
        print("|---|---|---|---|---|---|---|")
        for where, protocol in (("at the start", START), ("at both ends", BOTH)):
            dual = ours(f"ours, rest {where}", k, protocol).dual
            ours(f"ours, rest {where}, 1e-5 away, from the dual", near, protocol, dual)
        for n in steps:
            for margin in (0.99, 1.0):
                call = partial(peer, k, n, margin)
                p, seconds = fastest(call, max(1, 3000 // n))
                line(f"mri-nufft, {n} steps, margin {margin:g}", k, p, seconds)


if __name__ == "__main__":
    main([int(n) for n in sys.argv[1:]] or [1000])
