"""Density weights of all kinds, ours and mri-nufft's, by the image that they give of a phantom.

    python bench/peers/density_cells.py [SIZE]

The data are the analytic transform of ellipses, and the truth their image of all frequencies within
the trajectory's disc, or square. The score is ``min_a |a F^H w y - x| / |x|``, and "scale" the
factor ``a`` of ours. Run with mri-nufft installed.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.special import j1

import nufftlib as nl

ELLIPSES = (
    (0.0, 0.0, 0.41, 0.31, 1.0),
    (0.05, -0.06, 0.125, 0.08, -0.5),
    (-0.16, 0.09, 0.06, 0.11, 0.6),
    (0.125, 0.14, 0.047, 0.047, 0.8),
)
"""Centre and half axes in parts of the field of view, and value."""


def transform(k, n):
    """Return the transform of the ellipses at points in cycles per voxel."""
    total = 0
    for cx, cy, a, b, value in ELLIPSES:
        r = np.maximum(np.hypot(a * n * k[..., 0], b * n * k[..., 1]), 1e-12)
        turn = np.exp(-2j * np.pi * n * (k[..., 0] * cx + k[..., 1] * cy))
        total = total + value * a * b * n * n * j1(2 * np.pi * r) / r * turn
    return total


def truth(n, disc):
    """Return the image of all frequencies of the square, or of the disc in it."""
    m = 8 * n
    at = (np.arange(m) - m / 2 + 0.5) / m
    k = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1)
    inside = np.linalg.norm(k, axis=-1) <= 0.5 if disc else 1.0
    F = nl.NUFFT(k.reshape(-1, 2), (n, n), eps=1e-9)
    return F.H((inside / m**2 * transform(k, n)).ravel() + 0j)


def diametral(spokes, n):
    angle = np.pi * np.arange(spokes) / spokes
    along = (np.arange(2 * n) - n) / (2 * n)
    return along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]


def trajectories(n):
    made, double = nl.mri.trajectories, {"dtype": np.float64}
    rng = np.random.default_rng(0)
    return {
        "radial": (diametral(int(np.pi * n / 2) + 1, n), True),
        "radial, a quarter": (diametral(int(np.pi * n / 8) + 1, n), True),
        "centre-out": (made.radial(int(np.pi * n) // 2 * 2 + 1, n, **double), True),
        "spiral": (made.spiral(n // 4, 8 * n, revolutions=2, **double), True),
        "spiral, half": (made.spiral(n // 8, 8 * n, revolutions=2, **double), True),
        "random": (rng.uniform(-0.5, 0.5, (1, 2 * n * n, 2)), False),
    }


def of_mri_nufft(k, n):
    from mrinufft.density import cell_count, pipe, voronoi

    flat = np.ascontiguousarray(k.reshape(-1, 2), np.float32)
    return {
        "voronoi": lambda: voronoi(flat),
        "cell_count": lambda: cell_count(flat, (n, n)),
        "pipe": lambda: pipe(flat, (n, n), backend="finufft", num_iterations=10),
    }


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    names = ["pipe_menon", "published", "voronoi_weights", "shell_weights", "cell_count_weights"]
    peers = ["voronoi", "cell_count", "pipe"]
    print(f"| {n} x {n} |", " | ".join([*names, *peers]), "| scales of ours |")
    print("|---" * (len(names) + len(peers) + 2) + "|")
    seconds = dict.fromkeys([*names, *peers], 0.0)
    for name, (k, disc) in trajectories(n).items():
        F, x = nl.NUFFT(k, (n, n), eps=1e-9), truth(n, disc)
        y = transform(k, n)
        ways = {
            "pipe_menon": lambda F=F: nl.mri.pipe_menon(F),
            "published": lambda F=F: nl.mri.pipe_menon(F, width=7, grid=F.shape, iterations=10),
            "voronoi_weights": lambda F=F: nl.mri.voronoi_weights(F),
            "shell_weights": lambda F=F: nl.mri.shell_weights(F),
            "cell_count_weights": lambda F=F: nl.mri.cell_count_weights(F),
            **of_mri_nufft(k, n),
        }
        row, scales = [], []
        for way, weights in ways.items():
            if way == "shell_weights" and not disc:
                row.append("")
                continue
            start = time.perf_counter()
            try:
                w = np.asarray(weights(), np.float64).reshape(k.shape[:-1])
            except Exception as error:  # a peer that cannot
                row.append(type(error).__name__)
                continue
            seconds[way] += time.perf_counter() - start
            got = F.H(w * y)
            a = np.vdot(got, x) / np.vdot(got, got)
            row.append(f"{np.linalg.norm(a * got - x) / np.linalg.norm(x):.4f}")
            scales += [f"{abs(a):.3f}"] if way in names else []
        print(f"| {name} |", " | ".join(row), "|", ", ".join(scales), "|", flush=True)
    print("| seconds |", " | ".join(f"{t:.2f}" for t in seconds.values()), "| |")


if __name__ == "__main__":
    main()
