"""Delays of spokes, ours beside BART's RING, on the same data.

Run with BART 0.8 on the path: ``python bench/peers/delays.py``. Its numbers have an order and signs
of their own, so that sorted magnitudes are compared.
"""

import subprocess
import tempfile
import time

import numpy as np
from coil_maps import write_cfl

import nufftlib as nl
from nufftlib import data, mri

N, COILS, SPOKES, DELAYS = 64, 6, 51, (0.3, -0.2, 0.1)


def main():
    rng = np.random.default_rng(1)
    image = data.brain().astype(float).reshape(N, 4, N, 4).mean(axis=(1, 3))
    i = np.linspace(-1, 1, N)
    image = image / image.max() * np.exp(1j * (0.5 * i[:, None] + i**2))
    angle = 2 * np.pi * np.arange(SPOKES) / SPOKES
    along = (np.arange(2 * N) - N) / (2 * N)
    k = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None, :]
    s = mri.birdcage_maps(COILS, (N, N), dtype=np.complex128)
    exact = nl.NUFFT(mri.GradientDelays(k)(np.asarray(DELAYS)), (N, N), engine="direct")(s * image)
    F, want = nl.NUFFT(k, (N, N)), np.sort(np.abs(DELAYS))
    print("| noise | ours | s | BART: RING | s |\n|---|---|---|---|---|")
    for noise in (0.0, 1e-3, 5e-3):
        draw = rng.standard_normal((2, *exact.shape))
        y = exact + noise * abs(exact).max() * (draw[0] + 1j * draw[1])
        start = time.perf_counter()
        found = mri.calibrate_delays(F, y).delays
        ours = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            points = np.zeros((3, 2 * N, SPOKES))
            points[:2] = np.transpose(N * k, (2, 1, 0))
            write_cfl(f"{folder}/t", points)
            write_cfl(f"{folder}/y", np.transpose(y, (2, 1, 0))[None])
            start = time.perf_counter()
            command = ["bart", "estdelay", "-R", f"{folder}/t", f"{folder}/y"]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            theirs = time.perf_counter() - start
        ring = np.asarray([float(x) for x in told.strip().split(":")])
        errors = [abs(np.sort(abs(x)) - want).max() for x in (found, ring)]
        print(f"| {noise:g} | {errors[0]:.5f} | {ours:.1f} | {errors[1]:.5f} | {theirs:.1f} |")


if __name__ == "__main__":
    main()
