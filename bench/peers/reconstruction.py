"""Images from the data of `bart phantom`, ours beside BART's `pics` and sigpy's apps.

Same data, same coil maps (BART's `ecalib`), same objective and the same weight. The truth is the
phantom with each coil's sensitivity, combined by the same maps. Errors leave out a complex factor.

    bench/peers/.venv/bin/python bench/peers/reconstruction.py
"""

import argparse
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import sigpy as sp
import sigpy.mri

import nufftlib as nl
from nufftlib import workflows
from nufftlib.io import read_scan
from nufftlib.io.bart import read_cfl

N, COILS = 256, 8
SCANS = {  # options of `bart traj`
    "radial": "-x 512 -y 64 -r",
    "golden": "-x 512 -y 34 -r -G",
    "tiny golden": "-x 512 -y 34 -r -s 7",
    "cartesian, every other line": "-x 256 -y 128 -a 2",
}
NOISE = 0.01
"""Of a sample, in units in which the brightest voxel of the phantom is 1."""


class Bart:
    """Runs BART in a folder of its own."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def __call__(self, command):
        """Run a command, and return the seconds that it took."""
        begin = time.perf_counter()
        subprocess.run(f"bart {command}", shell=True, check=True, cwd=self.folder, stdout=-3)
        return time.perf_counter() - begin

    def read(self, name):
        """Return an array, its last axes x, y."""
        return np.squeeze(np.swapaxes(read_cfl(self.folder / f"{name}.cfl"), -1, -2))

    def write(self, name, x):
        """Write an array whose first axis is BART's first dimension."""
        header = f"# Dimensions\n{' '.join(map(str, x.shape))}\n"
        (self.folder / f"{name}.hdr").write_text(header, encoding="ascii")
        x.astype(np.complex64).ravel(order="F").tofile(self.folder / f"{name}.cfl")


def error(x, truth, inside):
    """Return the relative error within the object, but for one complex factor."""
    a, b = x[inside], truth[inside]
    return np.linalg.norm(np.vdot(a, b) / np.vdot(a, a) * a - b) / np.linalg.norm(b)


def scan_of(bart, options, noise):
    """Return data (coils, shots, samples), trajectory, coil maps, and the true image."""
    bart(f"traj {options} k")
    bart(f"phantom -k -s {COILS} -t k clean")
    bart(f"phantom -x {N} -s {COILS} coils")
    scan = read_scan(bart.folder / "clean.cfl", bart.folder / "k.cfl", shape=(N, N))
    coils = bart.read("coils")
    unit = np.sqrt(np.sum(np.abs(coils) ** 2, axis=0)).max()
    k = np.ascontiguousarray(scan.k[0])
    F = nl.NUFFT(k, (N, N), norm="ortho")
    model = F(coils)  # BART's samples have another factor
    y = np.vdot(scan.data[0], model) / np.vdot(scan.data[0], scan.data[0]) * scan.data[0] / unit
    rng = np.random.default_rng(0)
    n = rng.standard_normal((2, *y.shape)) * noise / np.sqrt(2)
    y = (y + n[0] + 1j * n[1]).astype(np.complex64)
    # maps of the noisy centre, by BART, for all
    bart.write("y", np.transpose(y, (2, 1, 0))[None])
    region = nl.mri.calibration_region(F, y, size=24)
    grid = np.zeros((N, N, 1, COILS), np.complex64)
    centre = slice(N // 2 - 12, N // 2 + 12)
    grid[centre, centre, 0] = np.moveaxis(region, 0, -1)
    bart.write("grid", grid)
    bart("ecalib -m 1 -c 0 -r 24 grid maps")
    maps = np.ascontiguousarray(bart.read("maps"))
    truth = np.sum(np.conj(maps) * coils / unit, axis=0) / np.sum(np.abs(maps) ** 2, axis=0)
    inside = np.sqrt(np.sum(np.abs(coils) ** 2, axis=0)) / unit > 0.02
    return y, k, maps, truth, inside


def ours(method, weight):
    """Return what reconstructs here, and its time; the second run counts."""

    def run(_, y, k, maps):
        for _ in range(2):
            begin = time.perf_counter()
            found = workflows.reconstruct(
                y, k, (N, N), method=method, maps=maps, weight=weight, noise=NOISE
            )
            seconds = time.perf_counter() - begin
        return found.image, seconds

    return run


def by_bart(options, steps):
    """Return what reconstructs with BART, and its time."""

    def run(bart, *_):
        seconds = bart(f"pics -S -w 1 {options} -i {steps} -t k y maps x")
        return bart.read("x"), seconds

    return run


def by_sigpy(app, weight, **settings):
    """Return what reconstructs with sigpy, and its time."""

    def run(_, y, k, maps):
        coord = k * N
        begin = time.perf_counter()
        found = app(y, maps, weight, coord=coord, show_pbar=False, **settings).run()
        return found, time.perf_counter() - begin

    return run


def objective(method, weight, y, k, maps):
    """Return the function that all minimise."""
    A = nl.NUFFT(k, (N, N), norm="ortho") @ nl.Sense(maps)
    D = nl.FiniteDifferences((N, N))

    def value(x):
        x = x.astype(np.complex64)
        misfit = np.linalg.norm(A(x) - y) ** 2 / 2
        if method == "cg":
            return misfit + weight / 2 * np.linalg.norm(x) ** 2
        if method == "tv":
            return misfit + weight * np.sum(np.sqrt(np.sum(np.abs(D(x)) ** 2, axis=0)))
        return float("nan")  # the places of wavelets differ

    return value


def main():
    """Print a table."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of a scan's name")
    args = parser.parse_args()
    print("| scan | method | weight | library | error | objective | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, options in SCANS.items():
        if args.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            bart = Bart(folder)
            y, k, maps, truth, inside = scan_of(bart, options, NOISE)
            for method in ("cg", "tv", "wavelet"):
                weight = workflows.reconstruct(
                    y, k, (N, N), method=method, maps=maps, noise=NOISE, steps=0
                ).weight
                rivals = {
                    "cg": {
                        "BART, 30": by_bart(f"-l2 -r {weight}", 30),
                        "sigpy, 30": by_sigpy(sp.mri.app.SenseRecon, weight, max_iter=30),
                    },
                    "tv": {
                        "BART, 60": by_bart(f"-R T:3:0:{weight} -m", 60),
                        "BART, 300": by_bart(f"-R T:3:0:{weight} -m", 300),
                        "sigpy, 100": by_sigpy(
                            sp.mri.app.TotalVariationRecon, weight, max_iter=100
                        ),
                    },
                    "wavelet": {
                        "BART, 30": by_bart(f"-R W:3:0:{weight} -e", 30),
                        "BART, 60": by_bart(f"-R W:3:0:{weight} -e", 60),
                        "BART, 300": by_bart(f"-R W:3:0:{weight} -e", 300),
                        "sigpy, 100": by_sigpy(sp.mri.app.L1WaveletRecon, weight, max_iter=100),
                    },
                }[method]
                value = objective(method, weight, y, k, maps)
                for library, run in {"ours": ours(method, weight), **rivals}.items():
                    x, seconds = run(bart, y, k, maps)
                    row = (
                        f"{name} | {method} | {weight:.3g} | {library} | "
                        f"{error(x, truth, inside):.4f} | {value(x):.5g} | {seconds:.2f}"
                    )
                    print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
