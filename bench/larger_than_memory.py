"""Learn from a volume on disk that is larger than what any process may hold (Linux).

``python bench/larger_than_memory.py [--gigabytes 8] [--workers 2]`` writes a zarr volume of so many
GB, in slices of 512 x 512, learns from all of them for an epoch by the command with workers of
Dask, or in one process with ``--workers 0``, and prints the largest resident memory of each
process. Then the volume is removed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

SIDE = 512
SLICE = 4 * SIDE**2
LIMIT = 2e9
SETTINGS = (
    "--size 64 --coils 2 --maps ones --shots 8 --samples 64 --epochs 1 --batch 128 --no-figures "
    "--validate 0.05"
)


def write_volume(path: Path, count: int) -> None:
    """Write slices of smooth blobs, each a chunk without compression."""
    store = zarr.create_array(
        str(path),
        shape=(count, SIDE, SIDE),
        chunks=(1, SIDE, SIDE),
        dtype="float32",
        compressors=None,
    )
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    for i in range(count):
        t = 2 * i / count - 1
        inside = np.clip(1.1 - axis[:, None] ** 2 - 1.4 * axis**2 - t**2 / 2, 0, None)
        store[i] = inside * (1.2 + np.sin(40 * t + 9 * axis)) + 0.01


def processes(pid: int) -> list[int]:
    """Return a process and its children, of any of its threads."""
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return found


def largest(pid: int) -> float:
    """Return the largest resident memory that a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return 1024 * float(line.split()[1])
    return 0.0


def watched(process: subprocess.Popen[bytes]) -> dict[int, float]:
    """Wait for a process, and return the largest memory of it and its children."""
    most: dict[int, float] = {}
    while process.poll() is None:
        try:
            for pid in processes(process.pid):
                most[pid] = max(most.get(pid, 0.0), largest(pid))
        except OSError:
            pass  # one has just ended
        time.sleep(0.2)
    return most


def main() -> None:
    """Write the volume, learn from it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count, begun = round(given.gigabytes * 1e9 / SLICE), time.perf_counter()
        write_volume(folder / "volume.zarr", count)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{count} slices, {size / 1e9:.2f} GB, {time.perf_counter() - begun:.0f} s to write")
        cluster = ["--cluster", "local", "--workers", str(given.workers)] if given.workers else []
        command = ["learn-trajectory", "--images", "volume.zarr", *SETTINGS.split(), *cluster]
        begun = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "nufftlib", *command], cwd=folder)
        most = watched(process)
        seconds = time.perf_counter() - begun
    for pid, memory in most.items():
        print(f"{'command' if pid == process.pid else 'child':>8}  {memory / 1e9:.2f} GB at most")
    print(f"{seconds:.0f} s, exit status {process.returncode}")
    sys.exit(process.returncode or int(max(most.values()) > LIMIT))


if __name__ == "__main__":
    main()
