"""Seconds of CG-SENSE, with its set-up: a plane beside BART, if that is installed, and a volume.

python bench/cg_iterations.py
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
import optim
from nufftlib import data
from nufftlib.io import write_bart

REPEATS = 3


def seconds_of(F, maps, y, steps):
    """Return the seconds of so many steps, the Gram's kernel and ``A^H y`` included."""
    begin = time.perf_counter()
    A = nl.NUFFT(F.trajectory, F.shape, norm="ortho") @ nl.Sense(maps)
    gram = A.N
    optim.conjugate_gradient(
        lambda x: gram.apply(x) + 1e-3 * x, A.adjoint(y), steps=steps, tolerance=0.0
    )
    return time.perf_counter() - begin


def seconds_of_bart(F, maps, y, steps):
    """Return the seconds of BART's `pics`, its files included."""
    with tempfile.TemporaryDirectory() as folder:

        def save(name, x):
            header = f"# Dimensions\n{' '.join(map(str, x.shape))}\n"
            Path(folder, f"{name}.hdr").write_text(header, encoding="ascii")
            x.astype(np.complex64).ravel(order="F").tofile(f"{folder}/{name}.cfl")

        write_bart(f"{folder}/k.cfl", F.trajectory, F.shape)
        save("y", np.transpose(y, (2, 1, 0))[None])
        save("s", np.moveaxis(maps, 0, -1)[:, :, None])
        begin = time.perf_counter()
        command = f"bart pics -S -w 1 -l2 -r 1e-3 -i {steps} -t k y s x"
        subprocess.run(command.split(), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin


def main():
    """Print the seconds of each run."""
    shape, maps = (256, 256), nl.mri.birdcage_maps(16, (256, 256))
    F = nl.NUFFT(nl.mri.trajectories.radial(64, 512), shape, norm="ortho")
    y = F(maps * data.brain().astype(np.complex64))
    for _ in range(REPEATS):
        line = (
            f"256 x 256, 16 coils, 64 spokes of 512, 20 steps: {seconds_of(F, maps, y, 20):.2f} s"
        )
        bart = f", BART {seconds_of_bart(F, maps, y, 20):.2f} s" if shutil.which("bart") else ""
        print(line + bart, flush=True)
    shape = (128, 128, 128)
    maps = nl.mri.birdcage_maps(8, shape)
    F = nl.NUFFT(nl.mri.trajectories.golden_means_radial(3907, 256), shape, norm="ortho")
    y = F(maps)
    seconds = seconds_of(F, maps, y, 10)
    print(f"128 x 128 x 128, 8 coils, 1,000,192 samples, 10 steps: {seconds:.1f} s")


if __name__ == "__main__":
    main()
