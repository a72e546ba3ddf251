"""Kill the jobs at random moments, go on with --resume, and compare the results bit by bit.

Run from anywhere: ``python tools/kill_and_resume.py [--kills N] [--seed N] [--only NAME]``. Each
run is killed once by SIGKILL, at a moment between its start and its end, figures included. Then
every file of its folder has to be readable, and after ``--resume`` result.npz has to have the bytes
of a run that nothing killed. Of a job on a cluster that is the run of one process, and last a run
goes through of which a worker is killed twice. What fails makes the exit status 1.
"""

import argparse
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

import nufftlib as nl
from nufftlib import workflows
from nufftlib.data import astronaut, brain

ROOT = Path(__file__).parent.parent
EVERY = ("--checkpoint-every", "0.1")
ALONE = "alone"
"""The result of a run without a cluster."""
CLUSTER = ("--cluster", "local", "--workers", "2")
WORKERS_KILLED = 2
JOBS = {
    "learn-trajectory": "--image brain.npy --coils 3 --shots 8 --samples 64 --steps 60",
    "learn-trajectory --images": "--images set.npz --size 64 --coils 3 --shots 8 --samples 64 "
    "--epochs 40 --batch 2 --augment flips,phase --noise 0.05 --no-figures",
    "learn-trajectory --cluster": "--images set.zarr --size 64 --coils 3 --shots 8 --samples 64 "
    "--epochs 30 --batch 8 --augment flips,phase --noise 0.05 --no-figures",
    "calibrate-psf": "--image astronaut.npy --size 11x11 --steps 80",
    "calibrate-pair": "--sharp astronaut.npy --blurred blurred.npy --size 11x11",
    "deblur": "blurred.npy --psf psf.npy --steps 150",
    "reconstruct": "scan.npz --method tv --l-curve",
}


@dataclass
class Tally:
    """What was seen of a job.

    Parameters
    ----------
    resumed, anew, complete : int
        Runs that were killed with a checkpoint, without, and with all files.
    duration : float
        Seconds of the run that nothing killed.
    """

    resumed: int = 0
    anew: int = 0
    complete: int = 0
    duration: float = 0.0

    @property
    def kills(self) -> int:
        """How many there were."""
        return self.resumed + self.anew + self.complete

    def __str__(self) -> str:
        """Return the numbers in words."""
        return (
            f"{self.kills} kills: {self.resumed} resumed, {self.anew} before the first checkpoint, "
            f"{self.complete} after the last file"
        )


def started(name: str, out: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a job."""
    on_cluster = CLUSTER if name.endswith("--cluster") and out != ALONE else ()
    command = [name.split()[0], *JOBS[name].split(), "--out", out, *EVERY, *on_cluster, *more]
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "nufftlib", *command],
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"},
        )


def ended(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the end of a job, which has to be a good one."""
    if process.wait():
        sys.exit(f"exit status {process.returncode}:\n{(folder / 'log.txt').read_text()[-2000:]}")


def read_all(folder: Path) -> set[str]:
    """Read every file but hidden ones; a file that is half there cannot be read."""
    names = {path.name for path in folder.glob("[!.]*")}
    for name in names:
        if name.endswith(".npz"):
            with np.load(folder / name) as arrays:
                _ = [arrays[key] for key in arrays]
        elif name.endswith(".json"):
            json.loads((folder / name).read_text())
        elif name.endswith(".gz"):
            gzip.decompress((folder / name).read_bytes())
        elif name.endswith(".html"):
            page = (folder / name).read_text(encoding="utf-8")
            assert page.rstrip().endswith("</html>"), name
        else:
            Image.open(folder / name).verify()
    return names


def bits(folder: Path) -> str:
    """Return the digest of a result."""
    return sha256((folder / "result.npz").read_bytes()).hexdigest()


def worker_killed(folder: Path, chance: random.Random, duration: float) -> str:
    """Kill a worker twice in a run, which has to go on to its end; return how long it took."""
    name, out = "learn-trajectory --cluster", folder / "without-workers"
    begun = time.perf_counter()
    process, killed = started(name, out.name, folder), 0
    while process.poll() is None and killed < WORKERS_KILLED:
        time.sleep(chance.uniform(0.1, 0.3) * duration)
        workers = workers_of(process.pid) if (out / "checkpoint.npz").exists() else []
        if workers:
            os.kill(chance.choice(workers), signal.SIGKILL)
            killed += 1
    ended(process, folder)
    if killed < WORKERS_KILLED:
        sys.exit(f"{name}: it ended after {killed} kills of a worker; want {WORKERS_KILLED}")
    if bits(out) != bits(folder / ALONE):
        sys.exit(f"{name}, a worker killed: other bits than those of one process")
    seconds = time.perf_counter() - begun
    return f"{killed} workers killed in a run: same bits, {seconds:.1f} s; {duration:.1f} s without"


def workers_of(pid: int) -> list[int]:
    """Return the processes that compute for a job (Linux)."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    of_threads = (path.read_text().split() for path in children.parent.parent.glob("*/children"))
    found = [int(child) for listed in of_threads for child in listed]
    return [child for child in found if b"spawn_main" in command_of(child)]


def command_of(pid: int) -> bytes:
    """Return the command line of a process, or nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def tried(name: str, kills: int, chance: random.Random, folder: Path) -> Tally:
    """Kill and resume a job so many times."""
    ended(started(name, "whole", folder), folder)  # compiles
    begun = time.perf_counter()
    ended(started(name, "whole", folder, "--force"), folder)
    tally = Tally(duration=time.perf_counter() - begun)
    if name.endswith("--cluster"):
        ended(started(name, ALONE, folder), folder)
        if bits(folder / ALONE) != bits(folder / "whole"):
            sys.exit(f"{name}: other bits on two workers than in one process")
    expected, names = bits(folder / "whole"), read_all(folder / "whole")
    for i in count():
        if tally.kills == kills:
            break
        out = folder / f"killed-{i}"
        process = started(name, out.name, folder)
        time.sleep(chance.uniform(0.2, 1.0) * tally.duration)
        if process.poll() is not None:
            continue  # it was too quick
        process.kill()
        process.wait()
        there = read_all(out) if out.exists() else set()
        if "checkpoint.npz" in there:
            tally.resumed += 1
            ended(started(name, out.name, folder, "--resume"), folder)
        elif "result.json" in there:
            tally.complete += 1
        else:
            tally.anew += 1
            ended(started(name, out.name, folder), folder)
        if bits(out) != expected:
            sys.exit(f"{name}, kill {i}: other bits than those of the run that nothing killed")
        if read_all(out) != names or list(out.glob(".*")) not in ([], [out / ".lock"]):
            sys.exit(f"{name}, kill {i}: the files are {sorted(p.name for p in out.iterdir())}")
    return tally


def main() -> None:
    """Kill the jobs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="of each job")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=JOBS, help="this job alone")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "brain.npy", brain()[32:-32:4, 32:-32:4])
        images = np.stack([np.roll(brain(), 9 * i, 0) for i in range(24)])
        np.savez(folder / "set.npz", images=images[:12])
        save_zarr(folder / "set.zarr", images)
        np.save(folder / "astronaut.npy", astronaut()[:, 32:-32:4, 32:-32:4])
        save_blurred(folder)
        save_scan(folder / "scan.npz")
        for i, job in enumerate([given.only] if given.only else JOBS):
            place = folder / str(i)
            place.mkdir()
            for path in folder.glob("[a-z]*.*"):
                (place / path.name).symlink_to(path)
            tally = tried(job, given.kills, chance, place)
            print(f"{job}: {tally}; same bits", flush=True)
            if job.endswith("--cluster"):
                print(worker_killed(place, chance, tally.duration), flush=True)


def save_zarr(path: Path, images: np.ndarray) -> None:
    """Write a set of images, each a chunk."""
    import zarr

    stored = zarr.create_array(
        str(path), shape=images.shape, chunks=(1, *images.shape[1:]), dtype=images.dtype
    )
    stored[...] = images


def save_blurred(folder: Path) -> None:
    """Write a PSF, and a picture that it has blurred, darker and encoded."""
    psf, blurred = workflows.simulate_blur(np.load(folder / "astronaut.npy"), size=11, noise=0.01)
    np.save(folder / "psf.npy", psf)
    np.save(folder / "blurred.npy", (0.8 * blurred.clip(min=0)) ** 0.5)


def save_scan(path: Path) -> None:
    """Write the data of three frames."""
    k, shape = nl.mri.trajectories.radial(48, 96), (64, 64)
    maps, rng = nl.mri.birdcage_maps(4, shape), np.random.default_rng(0)
    x = brain()[::4, ::4].astype(np.complex64)
    y = [(1 + i) * nl.NUFFT(k, shape, norm="ortho")(maps * x) for i in range(3)]
    noise = rng.standard_normal((3, 4, 48, 96)).astype(np.float32)
    np.savez(path, data=np.stack(y) + 0.02 * noise, trajectory=k, shape=shape)


if __name__ == "__main__":
    main()
