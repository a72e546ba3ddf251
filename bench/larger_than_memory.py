"""Learn from a volume on disk that is larger than what any process may hold (Linux).

``python bench/larger_than_memory.py [--gigabytes 8] [--workers 2]`` writes a zarr volume of so many
GB, in slices of 512 x 512, learns from all of them for an epoch by the command with workers of
Dask, or in one process with ``--workers 0``, and prints the largest resident memory of each
process. Then the volume is removed.

``--by-chunks`` does what `map_chunks` and `sum_chunks` are for instead: frames are reconstructed,
an image of many coils, and PSFs of pairs of pictures, each from zarr arrays of a GB and of twice
as many, in a process of its own, with the bound on its memory (minutes).
"""

import argparse
import json
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

CHUNKS = {"frames": 80, "coils": 60, "pictures": 60}
"""How many there are of each job, and then twice as many: 0.7 to 1 GB, and 1.3 to 2."""
THREADS, TIMES = 2, 8
"""Chunks at work at once, and the times of its bytes that each takes with all that comes of it."""


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


def by_chunks() -> bool:
    """Do all jobs on arrays of two lengths; print the table, and tell whether bounds are kept."""
    print("| job | chunks | on disk | a chunk | before | bound | at most | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    kept = True
    for job, count in CHUNKS.items():
        most = []
        for chunks in (count, 2 * count):
            command = [sys.executable, str(Path(__file__).with_name("by_chunks.py")), job]
            said = subprocess.run([*command, str(chunks)], stdout=subprocess.PIPE, check=True)
            found = json.loads(said.stdout)
            bound = found["before"] + THREADS * TIMES * found["chunk"]
            most.append(found["most"])
            kept = kept and found["most"] <= bound
            sizes = (found["disk"], found["chunk"], found["before"], bound, found["most"])
            cells = " | ".join(f"{size / 1e6:.0f} MB" for size in sizes)
            print(f"| {job} | {chunks} | {cells} | {found['seconds']:.0f} |", flush=True)
        kept = kept and most[1] < 1.1 * most[0]
    print("all bounds are kept" if kept else "a bound is exceeded, or twice the array takes more")
    return kept


def main() -> None:
    """Write the volume, learn from it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--by-chunks", action="store_true")
    given = parser.parse_args()
    if given.by_chunks:
        sys.exit(not by_chunks())
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
