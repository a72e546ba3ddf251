"""Densities of sampling: ours beside those of mri-nufft.

    bench/peers/.venv/bin/python bench/peers/sampling.py

A line has the largest difference of two densities, relative to the largest value, and the seconds
of both. Where the definitions differ, the next line has one by the definition of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import pywt
import torchvision_without_ops  # noqa: F401  # before mri-nufft
from mrinufft.trajectories import sampling as theirs

from nufftlib import data
from nufftlib.mri import sampling as ours

Array = Any
SHAPE = (32, 32)


def timed(make: Callable[[], Array]) -> tuple[Array, float]:
    began = time.perf_counter()
    return make(), time.perf_counter() - began


def compare(name: str, mine: Callable[[], Array], peer: Callable[[], Array]) -> None:
    (a, mine_s), (b, peer_s) = timed(mine), timed(peer)
    a, b = a / a.sum(), b / b.sum()
    print(f"{name:58} {np.abs(a - b).max() / b.max():9.1e}   {mine_s:8.4f} {peer_s:8.4f}")


def at_their_cells(shape: tuple[int, ...], cutoff: float, power: float) -> Array:
    """Return the decay at centres half a cell further, with the cutoff in parts of their edge."""
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in shape]
    radius = np.sqrt(sum(k**2 for k in np.meshgrid(*axes, indexing="ij")))
    return np.minimum(1, (cutoff * max(map(max, axes)) / radius) ** power)


def periodic(shape: tuple[int, ...], wavelet: str, levels: int) -> Array:
    """Return their density with an orthogonal transform."""
    density = np.empty(shape)
    for cell in np.ndindex(shape):
        one = np.zeros(shape)
        one[cell] = 1
        wave = np.fft.ifftn(one)
        parts = [
            pywt.coeffs_to_array(pywt.wavedecn(x, wavelet, level=levels, mode="periodization"))[0]
            for x in (wave.real, wave.imag)
        ]
        density[cell] = np.max(parts[0] ** 2 + parts[1] ** 2)
    return np.fft.fftshift(density)


def densities() -> None:
    print(f"{'density':58} {'difference':>10} {'ours [s]':>9} {'theirs':>8}")
    decay = lambda: theirs.create_cutoff_decay_density(SHAPE, 0.25, 2.0)  # noqa: E731
    compare("decay", lambda: ours.decay_density(SHAPE, 0.125, 2.0, dtype=np.float64), decay)
    compare("decay, ours at their cells and cutoff", lambda: at_their_cells(SHAPE, 0.25, 2), decay)
    brain = data.brain()[::8, ::8].astype(np.float64)
    energy = lambda: theirs.create_energy_density(brain[None])  # noqa: E731
    compare("energy", lambda: ours.energy_density(brain), energy)
    compare("energy, the root of ours", lambda: ours.energy_density(brain) ** 0.5, energy)
    for moments, name in ((1, "haar"), (4, "db4")):
        mine = lambda moments=moments: ours.wavelet_density(  # noqa: E731
            SHAPE, moments=moments, levels=2, dtype=np.float64
        )
        compare(
            f"wavelets, {name}",
            mine,
            lambda name=name: theirs.create_chauffert_density(SHAPE, name, 2),
        )
        compare(
            f"wavelets, {name}, theirs with periodization",
            mine,
            lambda name=name: periodic(SHAPE, name, 2),
        )
        compare(
            f"wavelets, {name}, separable",
            lambda moments=moments: ours.wavelet_density(
                SHAPE, moments=moments, levels=2, separable=True, dtype=np.float64
            ),
            lambda name=name: theirs.create_fast_chauffert_density(SHAPE, name, 2),
        )


if __name__ == "__main__":
    print(f"mri-nufft {version('mri-nufft')}, PyWavelets {version('pywavelets')}")
    densities()
