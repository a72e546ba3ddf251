"""Coil maps by ESPIRiT: ours, BART's `ecalib` and sigpy's `EspiritCalib`, on the same arrays.

Run with sigpy installed, and BART 0.8 on the path: ``python bench/peers/coil_maps.py``. Simulated
birdcage coils see a slice of the brain with a smooth phase; the calibration region is 24 x 24
samples, the kernel 6 x 6. The score is the projection error of the true coil images within the
object, ``|c - s s^H c| / |c|``: it knows neither phase nor scale of a map.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import data

N, COILS, CALIBRATION, KERNEL = 128, 8, 24, 6
NOISE = (0.0, 1e-3, 5e-3, 2e-2, 5e-2)


def write_cfl(name, x):
    x = np.asarray(x, np.complex64)
    Path(f"{name}.hdr").write_text(f"# Dimensions\n{' '.join(map(str, x.shape))}\n")
    x.ravel(order="F").tofile(f"{name}.cfl")


def read_cfl(name):
    shape = [int(n) for n in Path(f"{name}.hdr").read_text().split("\n")[1].split()]
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(shape, order="F")


def bart(folder, y, *options):
    write_cfl(f"{folder}/k", np.moveaxis(y, 0, -1)[:, :, None, :])
    settings = f"-r {CALIBRATION} -k {KERNEL} -m 1 -c 0".split()
    command = ["bart", "ecalib", "-d0", *settings, *options, f"{folder}/k", f"{folder}/m"]
    subprocess.run(command, check=True, capture_output=True)
    return np.moveaxis(read_cfl(f"{folder}/m").reshape(N, N, COILS), -1, 0)


def ours(y):
    part = slice(N // 2 - CALIBRATION // 2, N // 2 + CALIBRATION // 2)
    return nl.mri.espirit_maps(y[:, part, part], (N, N), kernel=KERNEL, crop=0.0).maps[0]


def sigpy(y):
    from sigpy.mri.app import EspiritCalib

    settings = {"calib_width": CALIBRATION, "kernel_width": KERNEL, "crop": 0.0}
    return EspiritCalib(y, show_pbar=False, **settings).run()


def error(s, c, inside):
    rest = (c - np.sum(np.conj(s) * c, axis=0) * s)[:, inside]
    return np.linalg.norm(rest) / np.linalg.norm(c[:, inside])


def main():
    rng = np.random.default_rng(0)
    step = 256 // N
    image = data.brain().astype(float).reshape(N, step, N, step).mean(axis=(1, 3))
    image = image / image.max()
    inside = image > 0.1
    c = nl.mri.birdcage_maps(COILS, (N, N), dtype=np.complex128) * image
    c = c * np.exp(1j * np.linspace(0, 2, N))
    axes = (1, 2)
    k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(c, axes=axes)), axes=axes) / N
    sides = {"ours": ours, "sigpy": sigpy}
    with tempfile.TemporaryDirectory() as folder:
        if shutil.which("bart"):
            sides["BART"] = lambda y: bart(folder, y)
            sides["BART -W"] = lambda y: bart(folder, y, "-W")
        print("| noise |", " | ".join(sides), "|")
        print("|---|" + "---|" * len(sides))
        seconds = dict.fromkeys(sides, np.inf)
        for noise in NOISE:
            y = k + noise * (rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape))
            y = y.astype(np.complex64)
            row = []
            for name, side in sides.items():
                start = time.perf_counter()
                s = side(y)
                seconds[name] = min(seconds[name], time.perf_counter() - start)
                row.append(f"{error(s, c, inside):.2e}")
            print(f"| {noise:g} |", " | ".join(row), "|")
        print("| best time, s |", " | ".join(f"{t:.2f}" for t in seconds.values()), "|")


if __name__ == "__main__":
    main()
