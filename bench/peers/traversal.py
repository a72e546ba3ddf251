"""Curves in the least time: ours beside MRArbGrad's, on the same curves in one process.

    bench/peers/.venv/bin/python bench/peers/traversal.py

Both get the same functions, from rest to rest, with limits of the vector's length. Columns: raster
times from the gradient zero to the gradient zero, and for MRArbGrad their ratio to ours; by which
part of itself a limit of gradient or slew rate is passed; how far the last point is from the end of
the curve, and any point from the curve, in k-space steps; seconds, the fastest of some calls.

MRArbGrad returns gradients at raster times. Its points are those that they reach, joined by
straight lines, as its own `integrate` has them. Ours are the samples of the trajectory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import mrarbgrad
import numpy as np
from scipy.spatial import cKDTree

import nufftlib as nl

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
FOV, VOXELS = 0.24, 256
GRADIENT = SCANNER.gamma * FOV / VOXELS  # cycles per voxel and second of 1 T/m
DENSE = 2_200_001
REPEATS = 5

Curve = Callable[[Any], Any]


def plane(z: Any) -> Any:
    return np.stack([z.real, z.imag], axis=-1)


def spiral(turns: float, power: float = 1.0) -> Curve:
    return lambda p: plane(0.5 * p**power * np.exp(2j * np.pi * turns * p))


def in_out_spiral(p: Any) -> Any:
    return plane((p - 0.5) * np.exp(16j * np.pi * abs(2 * p - 1)))


def rosette(p: Any) -> Any:
    return plane(0.5 * np.sin(10 * np.pi * p) * np.exp(2.2j * np.pi * p))


def lissajous(p: Any) -> Any:
    return 0.5 * np.sin(2 * np.pi * p[:, None] * [5, 4] + [0, 0.3])


def serpentine(p: Any) -> Any:
    lines = 6
    y, x = np.repeat(np.linspace(-0.3, 0.3, lines), 2), 0.4 * np.resize([-1, 1, 1, -1], 2 * lines)
    u = p * (2 * lines - 1)
    return np.stack([np.interp(u, np.arange(2 * lines), a) for a in (x, y)], axis=-1)


def shell(p: Any) -> Any:
    """A spiral on a sphere, from pole to pole."""
    z, angle = -np.cos(np.pi * p), 2 * np.pi * 12 * p
    flat = np.sin(np.pi * p)
    return 0.4 * np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=-1)


CURVES: dict[str, Curve] = {
    "spiral, 4 turns": spiral(4),
    "spiral, 16 turns": spiral(16),
    "spiral, 48 turns": spiral(48),
    "spiral, 16 turns, radius p^2": spiral(16, 2.0),
    "spiral, in-out": in_out_spiral,
    "rosette": rosette,
    "Lissajous": lissajous,
    "serpentine": serpentine,
    "spiral on a sphere": shell,
    "line": lambda p: 0.5 * p[:, None] * [0.6, 0.8],
}


def peer(curve: Curve) -> Any:
    """Return MRArbGrad's gradients in T/m."""
    mrarbgrad.config(dt=SCANNER.raster, sLim=SCANNER.smax * GRADIENT, gLim=SCANNER.gmax * GRADIENT)

    def point(p: float) -> Any:
        return np.resize(np.append(curve(np.asarray([p]))[0], 0.0), 3)

    return mrarbgrad.solve(point, 0.0, 1.0) / GRADIENT


def fastest(call: Callable[[], Any]) -> tuple[Any, float]:
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - begun)
    return result, min(seconds)


def excess(g: Any) -> float:
    """Return by which part of itself a limit is passed by gradients that start and end at zero."""
    slew = np.diff(g, axis=0) / SCANNER.raster
    ratios = (np.linalg.norm(v, axis=-1).max() for v in (g / SCANNER.gmax, slew / SCANNER.smax))
    return max(0.0, *(ratio - 1 for ratio in ratios))


def off(curve: Curve, k: Any) -> float:
    """Return the largest distance from the curve, in k-space steps."""
    line, k = curve(np.linspace(0, 1, DENSE)) * VOXELS, k * VOXELS
    near = np.clip(cKDTree(line).query(k)[1], 1, DENSE - 2)
    found = []
    for i in (near - 1, near):
        way = line[i + 1] - line[i]
        t = np.sum((k - line[i]) * way, -1) / np.sum(way**2, -1)
        found.append(np.linalg.norm(line[i] + np.clip(t, 0, 1)[:, None] * way - k, axis=-1))
    return float(np.max(np.minimum(*found)))


def line(name: str, curve: Curve) -> None:
    start, end = curve(np.asarray([0.0, 1.0]))
    protocol = nl.mri.Protocol(SCANNER, FOV, (VOXELS,) * len(start))
    ours, seconds = fastest(lambda: nl.mri.traverse(curve, protocol))
    g = np.pad(nl.mri.gradients(ours, protocol), ((1, 1), (0, 0)))
    theirs, their_seconds = fastest(lambda: peer(curve))
    steps = np.cumsum((theirs[1:] + theirs[:-1]) / 2 * SCANNER.raster * GRADIENT, axis=0)
    k = start + np.concatenate([np.zeros_like(steps[:1]), steps])[:, : len(start)]
    for who, rows, points, took in (
        ("ours", g, ours, seconds),
        ("MRArbGrad", theirs, k, their_seconds),
    ):
        ratio = (len(rows) - 1) / (len(g) - 1)
        far = np.linalg.norm(points[-1] - end) * VOXELS
        print(
            f"| {name} | {who} | {len(rows) - 1} | {ratio:.4f} | {excess(rows):.2g} | {far:.2g} "
            f"| {off(curve, points):.2g} | {took:.3f} |",
            flush=True,
        )


def main() -> None:
    print(*(f"{name} {version(name)}" for name in ("mrarbgrad", "numpy", "scipy")))
    print("\n| curve | | raster times | ratio | excess | end | off | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name, curve in CURVES.items():
        line(name, curve)


if __name__ == "__main__":
    main()
