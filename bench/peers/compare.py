"""Run the two published examples here and with their own libraries, on the same arrays.

    bench/peers/.venv/bin/python bench/peers/compare.py [--quick] [--out FILE.json]

Every run has a process of its own, so that no side meets the other's threads or
warm caches; the sides take turns, so that both meet the same machine. A short run before
the timed one loads libraries and compiles kernels. The time is that of the optimisation
loop, as each side's result gives it; of our PSF jobs the set-up is counted in.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

SHOTS, SAMPLES, COILS, SHAPE = 32, 256, 6, (256, 256)
PSF_SIZE, NOISE = 25, 0.02
WARM_UP_STEPS = 2
DISTRIBUTIONS = ("nufftlib", "mri-nufft", "deepinv", "finufft", "torch", "numpy", "scipy")

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Run:
    """What one run gave; `losses[i]` is the loss before step i."""

    losses: list[float]
    seconds: float  # of the optimisation loop, and of our PSF jobs' set-up
    psf_error: float | None = None  # relative, l2


def make_arrays(seed=0):
    """Make the inputs of both examples: name to array."""
    from nufftlib import data, mri, workflows

    image = data.brain()
    sharp = data.astronaut()
    psf, blurred = workflows.simulate_blur(sharp, size=PSF_SIZE, noise=NOISE, seed=seed)
    return {
        "image": image / image.mean(),
        "coil_maps": mri.birdcage_maps(COILS, SHAPE).astype(np.complex64),
        "trajectory": mri.trajectories.radial(SHOTS, SAMPLES).astype(np.float32),
        "sharp": sharp,
        "blurred": blurred,
        "psf": psf,
    }


def check_arrays(arrays):
    """Compare our coil maps and trajectory with those that the published page takes."""
    import torchvision_without_ops  # noqa: F401  (before mri-nufft, which imports deepinv)
    from mrinufft.trajectories import initialize_2D_radial
    from sigpy.mri import birdcage_maps

    differences = {
        "coil maps (sigpy)": arrays["coil_maps"] - birdcage_maps((COILS, *SHAPE)),
        "trajectory (mri-nufft)": arrays["trajectory"] - initialize_2D_radial(SHOTS, SAMPLES),
    }
    return {name: float(np.abs(difference).max()) for name, difference in differences.items()}


def our_trajectory(arrays, steps, maps, **options):
    from nufftlib import workflows

    result = workflows.learn_trajectory(
        arrays["image"],
        arrays["coil_maps"],
        arrays["trajectory"],
        maps=maps,
        constants=True,  # as theirs
        steps=steps,
        **options,
    )
    return Run(result.losses[:steps], result.seconds)


def their_trajectory(arrays, steps, estimate_maps):
    from mri_nufft_job import learn_trajectory

    result = learn_trajectory(
        arrays["image"],
        arrays["coil_maps"],
        arrays["trajectory"].reshape(-1, 2),
        steps=steps,
        estimate_maps=estimate_maps,
    )
    return Run(result.losses, result.seconds)


def our_psf(arrays, steps, method, path="auto"):
    from nufftlib import workflows

    psf = arrays["psf"]
    result = workflows.calibrate_psf(
        arrays["sharp"], arrays["blurred"], size=PSF_SIZE, method=method, steps=steps, path=path
    )
    error = np.linalg.norm(result.psf - psf) / np.linalg.norm(psf)
    return Run(result.losses[:steps], result.seconds_setup + result.seconds, float(error))


def their_psf(arrays, steps, method):
    from deepinv_job import calibrate_psf

    result = calibrate_psf(
        arrays["sharp"][None], arrays["blurred"][None], arrays["psf"], method=method, steps=steps
    )
    return Run(result.losses, result.seconds, result.psf_error)


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a job: a function above, the published number of steps, its options."""

    function: Callable[..., Run]
    steps: int
    options: dict[str, str | float]

    def __str__(self):
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.function.__name__}({options})"


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    name: str
    ours: Side
    theirs: Side


def trajectory_jobs():
    ones = Side(our_trajectory, 100, {"maps": "ones"})
    ones_1e6 = Side(our_trajectory, 100, {"maps": "ones", "eps": 1e-6})
    estimated = Side(our_trajectory, 100, {"maps": "estimated"})
    published = Side(their_trajectory, 100, {"estimate_maps": True})
    without = Side(their_trajectory, 100, {"estimate_maps": False})
    return (
        Job("trajectory, as published (their map estimates go unused)", ones, published),
        Job("trajectory, their map estimation left out", ones, without),
        Job("the same, our transforms to 1e-6 as theirs", ones_1e6, without),
        Job("trajectory, maps estimated each step (ours are used)", estimated, published),
    )


def psf_jobs():
    published = {
        method: Side(their_psf, steps, {"method": method})
        for method, steps in {"projected-gradient": 1000, "adam": 200, "adamw": 100}.items()
    }
    same = tuple(
        Job(f"PSF, {method}", Side(our_psf, theirs.steps, {"method": method}), theirs)
        for method, theirs in published.items()
    )
    gradient = published["projected-gradient"]
    by_blur = {"method": "projected-gradient", "path": "general"}
    return (
        *same,
        Job("PSF, projected-gradient, ours by the blur", Side(our_psf, 1000, by_blur), gradient),
        *(
            Job(
                f"PSF, {method}, against projected-gradient",
                Side(our_psf, 200, {"method": method}),
                gradient,
            )
            for method in ("accelerated", "spectral")
        ),
    )


def warm_run(side, arrays, steps):
    """Run a few steps, then all; called in a fresh process."""
    # mri-nufft draws a progress bar per map estimate and warns of every rescaling.
    with open(os.devnull, "w") as sink, contextlib.redirect_stderr(sink):
        side.function(arrays, WARM_UP_STEPS, **side.options)
        return side.function(arrays, steps, **side.options)


def in_fresh_process(function, *args):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def run_all(jobs, arrays, steps, repeats):
    """Run every side of every job in turn, `repeats` rounds: side to its runs."""
    runs = {side: [] for job in jobs for side in (job.ours, job.theirs)}
    for _ in range(repeats):
        for side, done in runs.items():
            done.append(in_fresh_process(warm_run, side, arrays, steps or side.steps))
            print(f"{side}: {done[-1].seconds:.2f} s", file=sys.stderr)
    return runs


def speed(runs):
    """Return the steps per second of the fastest run, the one least disturbed."""
    return max(len(run.losses) / run.seconds for run in runs)


def table_row(job, runs):
    """Format one job; a pair of numbers is ours and theirs."""
    sides = runs[job.ours], runs[job.theirs]
    ours, theirs = (side[-1] for side in sides)
    our_speed, their_speed = map(speed, sides)
    cells = (
        job.name,
        ", ".join(dict.fromkeys(str(len(side.losses)) for side in (ours, theirs))),
        f"{ours.losses[0]:.4g}, {theirs.losses[0]:.4g}",
        f"{ours.losses[-1]:.4g}, {theirs.losses[-1]:.4g}",
        "" if ours.psf_error is None else f"{ours.psf_error:.3f}, {theirs.psf_error:.3f}",
        f"{our_speed:.3g}, {their_speed:.3g}",
        f"{our_speed / their_speed:.1f}",
    )
    return f"| {' | '.join(cells)} |"


TABLE_HEAD = """\
| job (pairs: ours, theirs) | steps | first loss | last loss | PSF error | steps/s | ours / theirs |
|---|---|---|---|---|---|---|"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, help="for every job; default: each page's number")
    parser.add_argument("--repeats", type=int, default=1, help="runs a side; the fastest counts")
    parser.add_argument("--only", choices=("trajectory", "psf"), help="default: both examples")
    parser.add_argument("--quick", action="store_true", help="5 steps of every job")
    parser.add_argument("--out", type=Path, help="write every loss and time to this JSON file")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    steps = 5 if arguments.quick else arguments.steps
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"The machine is busy (load {load:.1f}); the times will mislead.", file=sys.stderr)
    arrays = in_fresh_process(make_arrays)
    differences = in_fresh_process(check_arrays, arrays)
    for name, difference in differences.items():
        print(f"largest difference from the published {name}: {difference:.1e}")
    examples = {"trajectory": trajectory_jobs(), "psf": psf_jobs()}
    jobs = examples.get(arguments.only) or sum(examples.values(), ())
    runs = run_all(jobs, arrays, steps, arguments.repeats)
    print(f"\n{TABLE_HEAD}")
    for job in jobs:
        print(table_row(job, runs))
    if arguments.out:
        report = {
            "versions": {name: version(name) for name in DISTRIBUTIONS},
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "load_at_start": load,
            "input_differences": differences,
            "jobs": [
                {
                    "job": job.name,
                    "ours": [asdict(run) for run in runs[job.ours]],
                    "theirs": [asdict(run) for run in runs[job.theirs]],
                }
                for job in jobs
            ],
        }
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
