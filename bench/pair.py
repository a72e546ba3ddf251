"""Time and memory of calibrating a PSF on large pairs of pictures (Linux).

``python bench/pair.py`` runs each row in a process of its own and prints the seconds, those of work
on all cores, and the peak resident memory before the call and at its end. ``python bench/pair.py
shift 2048 3`` runs one row: kind, side in pixels, channels. "plain" is `calibrate_psf`.
"""

import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

import nufftlib as nl
from nufftlib import workflows

ROWS = (
    ("plain", 6000, 1),
    ("shift", 2048, 1),
    ("shift", 2048, 3),
    ("auto", 2048, 1),
    ("clipped", 2048, 1),
)
SIZE, NOISE, MARGIN = 33, 0.005, 64


def leaves(side: int, channels: int) -> Any:
    """Return discs that cover each other, with as many of each size as a photograph has."""
    rng = np.random.default_rng(0)
    x = np.full((channels, side, side), 0.5, np.float32)
    smallest, largest = 2.0, side / 6
    parts = rng.random(4000 * (side // 512 + 1))
    radii = 1 / (parts / smallest + (1 - parts) / largest)
    for r in sorted(radii, reverse=True):
        centre = rng.random(2) * side
        first = np.maximum(np.floor(centre - r).astype(int), 0)
        last = np.minimum(np.ceil(centre + r).astype(int) + 1, side)
        i, j = np.ogrid[first[0] : last[0], first[1] : last[1]]
        within = (i - centre[0]) ** 2 + (j - centre[1]) ** 2 <= r * r
        part = x[:, first[0] : last[0], first[1] : last[1]]
        part[:] = np.where(within, rng.random((channels, 1, 1)), part)
    return x


def shifted(y: Any, shift: tuple[float, float]) -> Any:
    """Return a picture that is moved by the Fourier shift theorem."""
    wide = np.pad(y, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="reflect")
    k = [np.fft.fftfreq(n) for n in wide.shape[1:]]
    phase = np.exp(-2j * np.pi * (shift[0] * k[0][:, None] + shift[1] * k[1]))
    return np.stack([np.fft.ifft2(phase * np.fft.fft2(c)).real for c in wide])[
        :, MARGIN:-MARGIN, MARGIN:-MARGIN
    ]


def pair(kind: str, side: int, channels: int) -> tuple[Any, Any, Any]:
    """Return a sharp and a blurred picture in single precision, and the PSF."""
    x = leaves(side, channels)
    psf = nl.blur.motion_psf(SIZE, seed=1, dtype=np.float32)
    y = np.empty((channels, side - SIZE + 1, side - SIZE + 1), np.float32)
    for i in range(0, y.shape[1], 512):  # whose memory would hide that of the calibration
        rows = x[:, i : i + 512 + SIZE - 1]
        y[:, i : i + 512] = nl.Blur(psf)(rows)
    if kind != "plain":
        y = (0.8 * shifted(y, (0.5, -0.3)) + 0.1).astype(np.float32)
    y += NOISE * np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32)
    return x, np.minimum(y, 0.5) if kind == "clipped" else y, psf


def megabytes() -> float:
    """Return the most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def calibrated(kind: str, x: Any, y: Any) -> Any:
    """Return the result of a row."""
    if kind == "plain":
        return workflows.calibrate_psf(x, y, size=SIZE)
    names = ("photometry", "shift") if kind == "shift" else "auto"
    return workflows.calibrate_pair(x, y, size=SIZE, nuisances=names)


def measured(kind: str, file: str) -> str:
    """Return what a row took."""
    with np.load(file) as made:
        x, y, psf = (made[name] for name in ("x", "y", "psf"))
    before, clock, work = megabytes(), time.perf_counter(), time.process_time()
    found = calibrated(kind, x, y)
    seconds, work = time.perf_counter() - clock, time.process_time() - work
    sizes = " x ".join(map(str, x.shape))
    error, pictures = workflows.psf_error(found.psf, psf), (x.nbytes + y.nbytes) / 2**20
    return (
        f"| {kind}, {sizes} | {seconds:.1f} s | {work:.1f} s | {pictures:.0f} | "
        f"{before:.0f} | {megabytes():.0f} | {error:.4f} |"
    )


def row(kind: str, side: int, channels: int) -> str:
    """Return what a row took, by two processes: making pictures takes memory of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/pair.npz"
        for settings in (("make", kind, str(side), str(channels)), ("measure", kind)):
            command = [sys.executable, __file__, *settings, file]
            done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", kind, side, channels, file]:
            x, y, psf = pair(kind, int(side), int(channels))
            np.savez(file, x=x, y=y, psf=psf)
        case ["measure", kind, file]:
            print(measured(kind, file), flush=True)
        case [kind, side, channels]:
            print(row(kind, int(side), int(channels)))
        case _:
            print("| pair | seconds | of work | pictures, MB | before | peak | PSF error |")
            print("|---|---|---|---|---|---|---|")
            for each in ROWS:
                print(row(*each), flush=True)
