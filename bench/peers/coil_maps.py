"""Coil maps by ESPIRiT: ours, BART's `ecalib` and sigpy's `EspiritCalib`, on the same arrays.

Run with sigpy installed, and BART 0.8 on the path: ``python bench/peers/coil_maps.py``. Simulated
birdcage coils see a slice of the brain, and a volume. The score is the projection error of the true
coil images within the object, ``|c - s s^H c| / |c|``: it knows neither phase nor scale of a map.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import data

COILS = 8
NOISE = (0.0, 1e-3, 5e-3, 2e-2, 5e-2)


def write_cfl(name, x):
    x = np.asarray(x, np.complex64)
    Path(f"{name}.hdr").write_text(f"# Dimensions\n{' '.join(map(str, x.shape))}\n")
    x.ravel(order="F").tofile(f"{name}.cfl")


def read_cfl(name):
    shape = [int(n) for n in Path(f"{name}.hdr").read_text().split("\n")[1].split()]
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(shape, order="F")


def bart(folder, y, size, kernel, *options):
    shape = y.shape[1:]
    write_cfl(f"{folder}/k", np.moveaxis(y, 0, -1).reshape(*shape, *[1] * (3 - len(shape)), -1))
    settings = f"-r {size} -k {kernel} -m 1 -c 0".split()
    command = ["bart", "ecalib", "-d0", *settings, *options, f"{folder}/k", f"{folder}/m"]
    subprocess.run(command, check=True, capture_output=True)
    return np.moveaxis(read_cfl(f"{folder}/m").reshape(*shape, -1), -1, 0)


def ours(y, size, kernel):
    part = tuple(slice(n // 2 - size // 2, n // 2 + size // 2) for n in y.shape[1:])
    return nl.mri.espirit_maps(y[:, *part], y.shape[1:], kernel=kernel, crop=0.0).maps[0]


def sigpy(y, size, kernel):
    from sigpy.mri.app import EspiritCalib

    settings = {"calib_width": size, "kernel_width": kernel, "crop": 0.0}
    return EspiritCalib(y, show_pbar=False, **settings).run()


def error(s, c, inside):
    rest = (c - np.sum(np.conj(s) * c, axis=0) * s)[:, inside]
    return np.linalg.norm(rest) / np.linalg.norm(c[:, inside])


def plane():
    """A slice of the brain with a smooth phase."""
    n = 128
    image = data.brain().astype(float).reshape(n, 256 // n, n, 256 // n).mean(axis=(1, 3))
    return image / image.max() * np.exp(1j * np.linspace(0, 2, n))


def volume():
    """An ellipsoid with structure and a smooth phase."""
    i = np.linspace(-1, 1, 48)
    z, y, x = np.meshgrid(i, i, i, indexing="ij")
    inside = x**2 + 1.3 * y**2 + 1.2 * z**2 < 0.6
    return inside * (1 + 0.4 * np.cos(9 * x + 4 * z) * np.sin(7 * y)) * np.exp(1j * z)


def compare(image, size, kernel, sides, noises):
    """Print a table of errors, and of the best times."""
    rng, axes = np.random.default_rng(0), tuple(range(1, image.ndim + 1))
    inside = abs(image) > 0.1
    c = nl.mri.birdcage_maps(COILS, image.shape, dtype=np.complex128) * image
    k = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(c, axes=axes), axes=axes), axes=axes)
    k = k / image.size**0.5
    print(f"\n{image.shape}, a region of {size}, a kernel of {kernel}\n")
    print("| noise |", " | ".join(sides), "|")
    print("|---|" + "---|" * len(sides))
    seconds = dict.fromkeys(sides, np.inf)
    for noise in noises:
        y = k + noise * (rng.standard_normal(k.shape) + 1j * rng.standard_normal(k.shape))
        y = y.astype(np.complex64)
        row = []
        for name, side in sides.items():
            start = time.perf_counter()
            s = side(y, size, kernel)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
            row.append(f"{error(s, c, inside):.2e}")
        print(f"| {noise:g} |", " | ".join(row), "|", flush=True)
    print("| best time, s |", " | ".join(f"{t:.2f}" for t in seconds.values()), "|")


def main():
    with tempfile.TemporaryDirectory() as folder:
        peers = {}
        if shutil.which("bart"):
            peers["BART"] = lambda *given: bart(folder, *given)
            peers["BART -W"] = lambda *given: bart(folder, *given, "-W")
        compare(plane(), 24, 6, {"ours": ours, "sigpy": sigpy} | peers, NOISE)
        compare(volume(), 18, 5, {"ours": ours} | peers, (1e-3, 2e-2))


if __name__ == "__main__":
    main()
