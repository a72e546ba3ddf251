"""Patterns of the literature under the limits, with the settings that suit the training slices.

    python bench/mni152/baselines.py OUT

writes OUT/baselines.npz: the best of each pattern for CG-SENSE and for the adjoint, the damping
that suits the best of all, and the spirals from which learning starts. The settings are the radius
of k-space, and of spirals the density at the edge; a spiral has as many turns as the readout has
time for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from setting import CHOOSING, PROTOCOL, SAMPLES, SHOTS, cg, load, quality, reconstruct

import nufftlib as nl

EXTENTS = (0.3, 0.35, 0.4, 0.45, 0.5)
"""Radii up to which k-space is sampled, in cycles per voxel."""
DENSITIES = (4.0, 2.0, 0.5, 0.25, 0.1)
"""Field of view that a variable-density spiral supports at its edge, by that at the centre."""
DAMPINGS = (0.001, 0.002, 0.005, 0.01, 0.02)
START = (2.0, 0.5)
"""Density and radius of the spirals from which learning starts."""
POINTS = 1500


def spokes(tilt: str, extent: float) -> Any:
    """Return spokes through the centre, moved as little as the limits want."""
    k = nl.mri.trajectories.radial(SHOTS, SAMPLES, in_out=True, tilt=tilt, dtype=np.float64)
    return nl.mri.project_trajectory(2 * extent * k, PROTOCOL).trajectory


def spiral(density: float, extent: float) -> Any:
    """Return spirals through the centre with as many turns as the readout has time for."""

    def curve(fov: float) -> Any:
        # The pattern goes to 1/2 and is made smaller, by which its field of view grows.
        inner = 2 * extent * fov
        there = (inner, inner * (density - 1))
        k = nl.mri.trajectories.variable_density_spiral(
            SHOTS, POINTS, fov=there, in_out=True, dtype=np.float64
        )
        return 2 * extent * k

    least, most = 1.0, 2000.0  # voxels
    while most > 1.001 * least:
        middle = np.sqrt(least * most)
        if nl.mri.traverse(curve(middle), PROTOCOL).shape[-2] <= SAMPLES:
            least = middle
        else:
            most = middle
    return nl.mri.traverse(curve(least), PROTOCOL, samples=SAMPLES)


def candidates() -> Iterator[tuple[str, str, Any]]:
    """Yield name, settings and trajectory of each."""
    for extent in EXTENTS:
        yield "radial", f"to {extent}", spokes("uniform", extent)
        yield "golden-angle radial", f"to {extent}", spokes("mri-golden", extent)
        yield "spiral", f"to {extent}", spiral(1.0, extent)
        for density in DENSITIES:
            how = f"to {extent}, density {density} at the edge"
            yield "variable-density spiral", how, spiral(density, extent)


def main(out: str) -> None:
    slices = load(out)
    images, coil_maps = slices.training[CHOOSING], slices.coil_maps
    best: dict[str, tuple[float, str, Any]] = {}
    for name, how, k in candidates():
        assert nl.mri.check_trajectory(k, PROTOCOL).ok
        for kind, recipe in (("cg", cg()), ("adjoint", "adjoint")):
            psnr, ssim = quality(reconstruct(k, images, coil_maps, recipe), images).mean(axis=0)
            print(f"{name}, {how}, {kind}: {psnr:.2f} dB, SSIM {ssim:.3f}", flush=True)
            key = f"{kind}, {name}"
            best[key] = max(best.get(key, (0.0, "", None)), (psnr, how, k), key=lambda b: b[0])
    first = max((b for key, b in best.items() if key.startswith("cg")), key=lambda b: b[0])
    suited = {}
    for damping in DAMPINGS:
        found = reconstruct(first[2], images, coil_maps, cg(damping))
        suited[damping] = quality(found, images)[:, 0].mean()
        print(f"the best, {first[1]}, damping {damping}: {suited[damping]:.2f} dB", flush=True)
    arrays = {key: k for key, (_, _, k) in best.items()}
    settings = {f"{key}, settings": how for key, (_, how, _) in best.items()}
    arrays |= {"start": spiral(*START), "damping": max(suited, key=suited.__getitem__)}
    np.savez(Path(out) / "baselines.npz", **arrays, **settings)


if __name__ == "__main__":
    main(sys.argv[1])
