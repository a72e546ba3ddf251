"""The command ``calibrate-psf``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click
import numpy as np

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.cli.devices import open_device
from nufftlib.cli.files import MARK, ResultFolder
from nufftlib.cli.jobs import (
    ARRAYS,
    FIGURE,
    Job,
    arrays_file,
    ends,
    json_file,
    options_of_jobs,
    read,
    report,
    speed,
    stop,
    versions,
)
from nufftlib.workflows.calibrate_psf import RECIPES, Method

PSF_SIZE, NOISE = 25, 0.02


@click.command("calibrate-psf", cls=Job)
@options_of_jobs(
    image="an astronaut",
    steps="Number of steps of each method.  "
    f"[default: {', '.join(f'{r.steps} ({name})' for name, r in RECIPES.items())}]",
    seed="Seed of the true PSF and of the noise.  [default: 0]",
    out="out/calibrate-psf",
)
@click.option(
    "--method",
    type=click.Choice([*workflows.METHODS, "all"]),
    default="all",
    show_default=True,
    help="Optimiser and loss.",
)
@click.pass_context
def calibrate_psf_command(
    ctx: click.Context,
    image: Path | None,
    steps: int | None,
    seed: int | None,
    device_name: str,
    out: Path,
    no_figures: bool,
    force: bool,
    method: Method | str,
) -> None:
    """Calibrate the PSF of a motion blur from a sharp and a blurred picture.

    Blurs a picture with a random 25 x 25 PSF, adds noise of standard deviation 0.02, and finds
    the PSF again: by projected gradient and by Adam on the squared error, by AdamW on the
    absolute error; each step is projected onto the PSFs that are nonnegative and sum to one.

    \b
    Writes
      result.npz    psf_true, psf_start, sharp, blurred, and of each method
                    psf_METHOD and losses_METHOD
      figure.png    pictures, PSFs, losses
      result.json   settings, versions, and under "methods" the losses, steps, seconds and
                    relative l2 error of each; last, when all is there

    Ctrl-C ends the calibration early: what there is then is written, and the exit code is 130.
    """  # noqa: D301  # click wants the control character: keep the lines
    device = open_device(device_name)
    x = read(workflows.load_color, image, data.astronaut)
    if not no_figures:
        from nufftlib.cli import figures
    folder = ResultFolder(out, (ARRAYS, FIGURE, MARK))
    folder.claim(force=force)

    seed = 0 if seed is None else seed
    xd = device.xp.asarray(x)
    h, y = workflows.simulate_blur(xd, size=PSF_SIZE, noise=NOISE, seed=seed)
    names = workflows.METHODS if method == "all" else tuple(m for m in RECIPES if m == method)
    results: dict[Method, workflows.CalibratedPSF] = {}
    rows: dict[Method, dict[str, Any]] = {}
    for name in names:
        click.echo(name, err=True)
        result = workflows.calibrate_psf(
            xd, y, method=name, size=PSF_SIZE, steps=steps, progress=True
        )
        floor = RECIPES[name].loss(y)(nl.Blur(h)(xd))
        results[name] = device.fetch(result)
        rows[name] = {
            "loss_start": result.losses[0],
            "loss_final": result.loss_final,
            "loss_of_true_psf": float(floor),
            "steps": result.steps,
            "seconds": result.seconds,
            "psf_error": workflows.psf_error(result.psf, h),
        }
        if result.interrupted:
            break
    interrupted = any(r.interrupted for r in results.values())
    h, y = device.to_host(h), device.to_host(y)

    drawing = time.perf_counter()
    files: dict[str, Callable[[BinaryIO], object]] = {
        ARRAYS: arrays_file(
            psf_true=h,
            psf_start=next(iter(results.values())).psf_start,
            sharp=x,
            blurred=y,
            **{f"psf_{name}": r.psf for name, r in results.items()},
            **{f"losses_{name}": np.asarray(r.losses) for name, r in results.items()},
        )
    }
    if not no_figures:
        click.echo("Drawing the figure ...", err=True)
        fits = [
            figures.Fit(name, r, rows[name]["psf_error"], rows[name]["loss_of_true_psf"])
            for name, r in results.items()
        ]
        files[FIGURE] = lambda file: figures.draw_calibration(x, y, h, fits, file)
    files[MARK] = json_file(
        {
            "job": "calibrate-psf",
            "settings": {
                "image": "astronaut" if image is None else str(image),
                "shape": x.shape,
                "psf_size": PSF_SIZE,
                "boundary": "valid",
                "noise": NOISE,
                "method": method,
                "steps": {name: steps or RECIPES[name].steps for name in names},
                "seed": seed,
                "device": device.name,
            },
            "versions": versions(device),
            "methods": rows,
            "interrupted": interrupted,
        }
    )
    written = folder.write(files)
    drawing = time.perf_counter() - drawing
    report(
        ("method", "steps", "seconds", "steps/s", "first loss", "final loss", "PSF error"),
        [
            (name, *speed(r), *ends(r), f"{rows[name]['psf_error']:.2%}")
            for name, r in results.items()
        ],
        written,
        drawing,
    )
    if interrupted:
        last = names[len(results) - 1]
        stop(ctx, f"Interrupted in {last} after {results[last].steps} steps")
