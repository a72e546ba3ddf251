"""What of dask arrays on disk is in memory: one job in this process, of so many chunks (Linux).

``python bench/by_chunks.py JOB COUNT`` writes zarr arrays, computes by two threads of Dask into
another one, and prints a line of JSON: bytes on disk, bytes of a chunk with what comes of it, the
resident memory before and the largest ever, and the seconds. It is a part of
``bench/larger_than_memory.py --by-chunks``.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["NUMBA_NUM_THREADS"] = "1"  # two chunks are at work at once

import dask
import dask.array as da
import numpy as np
import zarr

import nufftlib as nl
import optim
from nufftlib import workflows
from nufftlib.interop.dask import map_chunks, sum_chunks

THREADS = 2
FRAMES, COILS, SIDE = 4, 8, 256
"""Of a chunk of frames: frames, coils and voxels of a side."""
WIDE, OF_CHUNK = 768, 2
"""Voxels of a side of an image of many coils, and coils of a chunk."""
STEPS = 2
PICTURES, PIXELS, PSF = 8, 512, 9
"""Of a chunk of pictures; pixels of a side, and of the PSF's."""


def written(path, count, chunk, dtype, fill):
    """Write an array of so many chunks, none of which is like another, and return it."""
    of_one, *rest = chunk
    store = zarr.create_array(
        str(path), shape=(count * of_one, *rest), chunks=chunk, dtype=dtype, compressors=None
    )
    for i in range(count):
        store[i * of_one : (i + 1) * of_one] = fill(i)
    return da.from_zarr(str(path))


def frames(folder, count):
    """Return images of frames, a few steps of conjugate gradients each, and bytes of a chunk."""
    shape = (SIDE, SIDE)
    k = nl.mri.trajectories.radial(96, 2 * SIDE)
    A = nl.NUFFT(k, shape, norm="ortho") @ nl.Sense(nl.mri.birdcage_maps(COILS, shape))
    x = np.zeros(shape, np.complex64)
    x[60:190, 90:170] = 1
    y = A(x)
    data = written(
        folder / "data.zarr",
        count,
        (FRAMES, *y.shape),
        "complex64",
        lambda i: np.stack([(1 + i + j) * y for j in range(FRAMES)]),
    )

    def reconstruct(y):
        return np.stack(
            [optim.conjugate_gradient(A.N, A.H(each), steps=STEPS).params for each in y]
        )

    images = map_chunks(reconstruct, data, shape=shape, dtype="complex64")
    return images, FRAMES * (y.nbytes + x.nbytes)


def coils(folder, count):
    """Return a function that reconstructs an image of many coils, and bytes of a chunk."""
    shape = (WIDE, WIDE)
    F = nl.NUFFT(nl.mri.trajectories.radial(128, WIDE), shape, norm="ortho")
    s = nl.mri.birdcage_maps(OF_CHUNK, shape)
    x = np.zeros(shape, np.complex64)
    x[200:500, 300:600] = 1
    y = (F @ nl.Sense(s))(x)
    data = written(
        folder / "data.zarr",
        count,
        y.shape,
        "complex64",
        lambda i: y * np.exp(np.complex64(1j * i)),
    )
    maps = written(
        folder / "maps.zarr",
        count,
        s.shape,
        "complex64",
        lambda i: s * np.exp(np.complex64(1j * i)),
    )

    def gram(x):
        found = sum_chunks(lambda s: (F @ nl.Sense(s)).N(x), maps, shape=shape, dtype="complex64")
        return found.compute()

    def image():
        rhs = sum_chunks(
            lambda y, s: (F @ nl.Sense(s)).H(y), data, maps, shape=shape, dtype="complex64"
        )
        return optim.conjugate_gradient(gram, rhs.compute(), steps=STEPS).params

    return image, y.nbytes + s.nbytes + x.nbytes


def pictures(folder, count):
    """Return a PSF of each pair of pictures, and bytes of a chunk."""
    rng = np.random.default_rng(0)
    sharp = rng.random((PICTURES, PIXELS, PIXELS), dtype=np.float32)
    _, blurred = workflows.simulate_blur(sharp, size=PSF, noise=0.01, seed=0)
    x = written(folder / "sharp.zarr", count, sharp.shape, "float32", lambda i: (1 + i) * sharp)
    y = written(
        folder / "blurred.zarr", count, blurred.shape, "float32", lambda i: (1 + i) * blurred
    )

    def calibrate(x, y):
        return np.stack(
            [
                workflows.calibrate_psf(one, other, size=PSF, steps=20).psf
                for one, other in zip(x, y, strict=True)
            ]
        )

    found = map_chunks(calibrate, x, y, shape=(PSF, PSF), dtype="float32")
    return found, sharp.nbytes + blurred.nbytes


JOBS = {"frames": frames, "coils": coils, "pictures": pictures}


def memory(name):
    """Return a number of this process in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(f"{name}:")[2].split()[0])


def main() -> None:
    """Do a job."""
    job, count = sys.argv[1], int(sys.argv[2])
    with (
        tempfile.TemporaryDirectory() as name,
        dask.config.set(scheduler="threads", num_workers=THREADS),
    ):
        folder = Path(name)
        lazy, chunk = JOBS[job](folder, count)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        before, begun = memory("VmRSS"), time.perf_counter()
        if callable(lazy):
            lazy()
        else:
            lazy.to_zarr(str(folder / "found.zarr"))
        seconds = time.perf_counter() - begun
    found = {"disk": size, "chunk": chunk, "before": before, "most": memory("VmHWM")}
    print(json.dumps({**found, "seconds": seconds}))


if __name__ == "__main__":
    main()
