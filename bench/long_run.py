"""Whether a long run keeps its memory and its files (Linux), and what its checkpoints cost.

``python bench/long_run.py [steps]``, 10,000 by default, prints the resident memory and the number
of open files while a small problem is minimised and while a trajectory is learned, each with a
checkpoint every 0.1 s; then the bytes of a checkpoint and the time to write it, at the size of the
published trajectory and at that of a large volume.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
import optim
from nufftlib import data, workflows

PAGE = resource.getpagesize()


def resident() -> float:
    """Return the resident memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def open_files() -> int:
    """Return the number of open files."""
    return len(os.listdir("/proc/self/fd"))


def watch(name: str, steps: int):
    """Return a callback that prints memory and files at ten steps."""

    def callback(step, *_):
        if step and step % (steps // 10) == 0:
            print(f"{name:>10} {step:>8} {resident():>8.1f} {open_files():>6}", flush=True)

    return callback


def minimized(steps: int, folder: Path) -> None:
    """Minimise a small problem."""
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((60, 40)), rng.standard_normal(60)

    def value_and_grad(x):
        r = A @ x - b
        return 0.5 * float(r @ r), A.T @ r

    rate = optim.cosine_schedule(1e-2, 1e-4, steps)
    optim.minimize(
        value_and_grad,
        np.zeros(40),
        optim.adam(rate),
        steps=steps,
        callback=watch("minimize", steps),
        checkpoint=optim.Checkpoint(folder / "minimize.npz", interval=0.1),
    )


def learned(steps: int, folder: Path) -> None:
    """Learn a small trajectory."""
    image = data.brain()[::8, ::8]
    workflows.learn_trajectory(
        image,
        nl.mri.birdcage_maps(2, image.shape),
        nl.mri.trajectories.radial(4, 32),
        maps="ones",
        steps=steps,
        callback=watch("learn", steps),
        checkpoint=optim.Checkpoint(folder / "learn.npz", interval=0.1),
    )


def cost(name: str, shape: tuple[int, ...], folder: Path) -> None:
    """Print the size of a checkpoint of Adam on a trajectory, and the time to write it."""
    k = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    path = folder / f"{name}.npz"
    checkpoint = optim.Checkpoint(path, interval=3600)
    optim.minimize(lambda p: (0.0, p), k, optim.adam(0.1), steps=100, checkpoint=checkpoint)
    checkpoint.flush()
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        checkpoint.file.write()
        times.append(time.perf_counter() - begun)
    size, bare = path.stat().st_size, k.nbytes
    print(f"{name:>10} {k.shape!s:>20} {size / bare:5.2f} x {bare / 1e6:.3f} MB", end="")
    print(f"  {1e3 * sorted(times)[2]:.1f} ms", flush=True)


def main() -> None:
    """Print both tables."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'':>10} {'step':>8} {'MB':>8} {'files':>6}")
        minimized(steps, folder)
        learned(steps, folder)
        print(f"{'':>10} {'trajectory':>20} size of the checkpoint, time to write")
        cost("published", (32, 256, 2), folder)
        cost("volume", (2048, 512, 3), folder)


if __name__ == "__main__":
    main()
