"""What a step on many workers costs: constants that are measured, and a simulation with them.

``python bench/scale.py measure`` prints the constants of this machine: seconds of an image of job 1
on one core and of what a lot shares, by the clock of the process, and of Dask's part of a step by
the wall's, each the least of many times, with the load of the machine. ``overhead`` compares one
worker with two on 64 slices, and ``simulate`` draws docs/images/scale.png with the constants below.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.core.pool import blocks
from nufftlib.core.threads import use_threads

IMAGE, LOT = 0.069, 0.0185
"""Seconds of an image of 256 x 256, 6 coils, 8192 samples, and of a lot's density, on a core."""
STEP, BLOCK = 0.006, 0.0011
"""Seconds of a step and of each block in it that Dask takes: scheduler and client."""
BYTES, BANDWIDTH = 65536, 6.0e8
"""Of a gradient, 32 x 256 points in single precision; bytes a second through the scheduler."""
IMAGES, LOTS = 4096, 1024
"""Images of a step, and its lots."""
SLOW, TIMES = 0.02, 4.0
"""Part of the blocks that are slow, and how many times as long they take."""
DEATHS = 1 / (24 * 3600)
"""Workers that die, each a second: one a day."""
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "scale.png"


def least(work, times: int = 30, clock=time.perf_counter) -> float:
    """Return the least seconds of many calls."""
    found = []
    for _ in range(times):
        begun = clock()
        work()
        found.append(clock() - begun)
    return min(found)


def slices(count: int):
    """Return images of 256 x 256."""
    return np.stack([np.roll(data.brain(), 4 * i, 0) for i in range(count)])


def measure() -> None:
    """Print the constants."""
    x, k = slices(4), nl.mri.trajectories.radial(32, 256)
    maps, F = nl.mri.birdcage_maps(6, x.shape[1:]), nl.NUFFT(k, x.shape[1:], eps=1e-4)
    one, four = (workflows.ImagesObjective(x[:n], maps, F) for n in (1, 4))
    use_threads(1)
    single, several = (
        least(lambda f=f: f.value_and_grad(k), 12, time.process_time) for f in (one, four)
    )
    each = (several - single) / 3
    print(f"image {1e3 * each:.1f} ms, what a lot shares {1e3 * (single - each):.1f} ms")
    from nufftlib.interop.dask import connect

    with connect(workers=2) as pool:
        for bytes_ in (BYTES, 16 * BYTES):
            gradient = np.zeros(bytes_ // 8)

            def echo(i, g):
                return float(i), g

            for count in (4, 16, 64):

                def step(count=count, gradient=gradient):
                    futures = pool.client.map(echo, range(count), [gradient] * count, pure=False)
                    pool.client.gather(futures)

                print(f"{count:>3} blocks of {bytes_ / 1e3:.0f} kB: {1e3 * least(step):.1f} ms")
    print(f"load {os.getloadavg()[0]:.1f}")


def overhead() -> None:
    """Print the bits and the time of 64 slices on one worker and on two, and Dask's part of it."""
    from nufftlib.interop.dask import connect, distributed_objective

    k = nl.mri.trajectories.radial(16, 64, dtype=np.float64)
    stack = slices(64)[:, ::4, ::4].astype(np.float64)

    def make_loss(i):
        maps = nl.mri.birdcage_maps(4, (64, 64), dtype=np.complex128)
        return workflows.TrajectoryObjective(
            stack[i], maps, nl.NUFFT(k, (64, 64), eps=1e-6), "ones"
        )

    def nothing(i):
        return lambda x: (float(i), x)

    found = {}
    for count in (1, 2):
        with connect(workers=count) as pool:
            with distributed_objective(make_loss, range(64), pool) as objective:
                found[count] = objective.value_and_grad(k)
                seconds = least(lambda f=objective: f.value_and_grad(k), 10)
            with distributed_objective(nothing, range(64), pool) as objective:
                objective.value_and_grad(k)
                times = []
                for _ in range(100):
                    times.append(least(lambda f=objective: f.value_and_grad(k), 1))
        print(
            f"{count} workers: {1e3 * seconds:.0f} ms a step, of which Dask at least "
            f"{1e3 * min(times):.1f} ms, in the median {1e3 * np.median(times):.1f} ms"
        )
    same = found[1][0] == found[2][0] and np.array_equal(found[1][1], found[2][1])
    print(f"same bits: {same}; load {os.getloadavg()[0]:.1f}")
    sys.exit(int(not same))


def seconds_of_step(workers: int, per_worker: int, rng, *, slow: bool, deaths: bool) -> float:
    """Return the seconds of a step: blocks are with their workers, and Dask sends one by one."""
    cut = [len(block) for block in blocks(LOTS, workers * per_worker)]
    each, count = LOT + IMAGE * IMAGES / LOTS, len(cut)
    times = np.asarray(cut) * each
    if slow:
        times *= np.where(rng.random(count) < SLOW, TIMES, 1.0)
    sent = STEP + np.arange(1, count + 1) * BLOCK / 2
    ends = np.zeros(workers)
    lost = []
    for block in range(count):
        worker = block * workers // count
        begun = max(ends[worker], sent[block])
        ends[worker] = begun + times[block]
        if deaths and rng.random() < 1 - np.exp(-DEATHS * times[block]):
            lost.append((ends[worker], times[block]))  # at worst, when it is nearly done
    for end, again in lost:  # another one, the first that is free, does it again
        first = int(np.argmin(ends))
        ends[first] = max(ends[first], end) + again
    gathered = count * (BLOCK / 2 + BYTES / BANDWIDTH)
    return max(float(ends.max()), sent[-1]) + gathered


def simulate() -> None:
    """Draw how many times faster a step is."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(0)
    alone = LOTS * LOT + IMAGES * IMAGE
    counts = np.unique(np.geomspace(1, 1000, 25).round().astype(int))
    curves = {
        "2 blocks a worker": {"per_worker": 2, "slow": False, "deaths": False},
        "the same, 2 % of blocks slow": {"per_worker": 2, "slow": True, "deaths": False},
        "the same, a death a day each": {"per_worker": 2, "slow": True, "deaths": True},
        "8 blocks a worker, slow, deaths": {"per_worker": 8, "slow": True, "deaths": True},
    }
    figure = Figure(figsize=(7.2, 4.4), dpi=110, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.plot(counts, counts, color="0.6", linestyle=":", label="ideal")
    styles = (("#0072B2", "-"), ("#D55E00", "--"), ("#CC79A7", "-."), ("#009E73", "-"))
    for (name, settings), (color, line) in zip(curves.items(), styles, strict=True):
        found = []
        for count in counts:
            times = [seconds_of_step(count, rng=rng, **settings) for _ in range(40)]
            found.append(alone / np.mean(times))
        axes.plot(counts, found, color=color, linestyle=line, label=name)
        at = {int(c): f"{f:.1f}" for c, f in zip(counts, found, strict=True)}
        print(name, at)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="workers of one core",
        ylabel="times as fast as one core",
        title=f"A step on {IMAGES} images of 256 x 256, 6 coils (simulated)",
    )
    axes.grid(visible=True, color="0.9")
    axes.legend(frameon=False)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    {"measure": measure, "overhead": overhead, "simulate": simulate}[sys.argv[1]]()
