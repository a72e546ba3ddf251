"""The command ``calibrate-psf``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import nufftlib as nl
from nufftlib import data, workflows
from nufftlib.cli.devices import open_device
from nufftlib.cli.files import ARRAYS, FIGURE, MARK, ResultFolder, Writer
from nufftlib.cli.interrupts import CtrlC
from nufftlib.cli.jobs import (
    Job,
    arrays_file,
    count,
    ends,
    finish,
    json_file,
    options_of_jobs,
    read,
    report,
    say_what_is_written,
    speed,
    versions,
)
from nufftlib.core.arrays import Array
from nufftlib.workflows.calibrate_psf import RECIPES, Method

PSF_SIZE, NOISE = 25, 0.02


@click.command("calibrate-psf", cls=Job)
@options_of_jobs(
    image="an astronaut",
    values="floats from 0 to 1 or of uint8 or uint16, which are divided by their type's largest",
    steps="Number of steps of each method.  "
    f"[default: {', '.join(f'{r.steps} ({name})' for name, r in RECIPES.items())}]",
    seed="Seed of the true PSF and of the noise.  [default: 0]",
    out="out/psf",
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

    The rates are those of the published example, and constant: on other pictures and seeds Adam,
    and not it alone, can be restless. What is written is the best PSF seen, that of the lowest
    loss.

    \b
    Writes
      result.npz    psf_true, psf_start, sharp, blurred, and of each method
                    psf_METHOD and losses_METHOD
      figure.png    pictures, PSFs, losses
      result.json   settings, versions, and under "methods" of each the first and the best
                    loss, after how many steps the best was found, the loss of the true
                    PSF, steps, seconds, relative l2 error; last, when all is there

    Ctrl-C ends the calibration early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the picture out.
    """  # noqa: D301  # click wants the control character: keep the lines
    device = open_device(device_name)
    x = read(workflows.load_color, image, data.astronaut)
    if not no_figures:
        from nufftlib.cli import figures
    folder = ResultFolder(out)
    folder.claim(() if no_figures else (FIGURE,), force=force)

    seed = 0 if seed is None else seed
    xd = device.xp.asarray(x)
    h, y = workflows.simulate_blur(xd, size=PSF_SIZE, noise=NOISE, seed=seed)
    names = workflows.METHODS if method == "all" else tuple(m for m in RECIPES if m == method)
    wanted = {name: steps or RECIPES[name].steps for name in names}
    ctrl_c: CtrlC = ctx.obj
    results: dict[Method, workflows.CalibratedPSF] = {}
    rows: dict[Method, dict[str, Any]] = {}
    for name in names:
        click.echo(f"Calibrating on the {device.title}: {name}, {count(wanted[name])}", err=True)

        def done(step: int, _loss: float, _psf: Array, steps: int = wanted[name]) -> None:
            ctrl_c.step_done(last=step + 1 == steps)

        result = workflows.calibrate_psf(
            xd,
            y,
            method=name,
            size=PSF_SIZE,
            steps=wanted[name],
            callback=done,
            progress=True,
        )
        floor = RECIPES[name].loss(y)(nl.Blur(h)(xd))
        results[name] = device.fetch(result)
        rows[name] = {
            "loss_start": result.losses[0],
            "loss_final": result.loss_final,
            "step_best": result.step_best,
            "loss_of_true_psf": float(floor),
            "steps": result.steps,
            "seconds": result.seconds,
            "psf_error": workflows.psf_error(result.psf, h),
        }
        if result.interrupted:
            break
    ctrl_c.hold()
    interrupted = any(r.interrupted for r in results.values())
    h, y = device.to_host(h), device.to_host(y)

    pictures: dict[str, Writer] = {}
    if not no_figures:
        fits = [
            figures.Fit(name, r, rows[name]["psf_error"], rows[name]["loss_of_true_psf"])
            for name, r in results.items()
        ]
        pictures[FIGURE] = lambda file: figures.draw_calibration(x, y, h, fits, file)
    arrays = arrays_file(
        psf_true=h,
        psf_start=next(iter(results.values())).psf_start,
        sharp=x,
        blurred=y,
        **{f"psf_{name}": r.psf for name, r in results.items()},
        **{f"losses_{name}": np.asarray(r.losses) for name, r in results.items()},
    )
    record = json_file(
        {
            "job": "calibrate-psf",
            "settings": {
                "image": "astronaut" if image is None else str(image),
                "shape": x.shape,
                "psf_size": PSF_SIZE,
                "boundary": "valid",
                "noise": NOISE,
                "method": method,
                "steps": wanted,
                "seed": seed,
                "device": device.name,
            },
            "versions": versions(device),
            "methods": rows,
            "interrupted": interrupted,
        }
    )
    say_what_is_written(pictures, interrupted=interrupted)
    start = time.perf_counter()
    written = folder.write({ARRAYS: arrays, MARK: record}, pictures, ctrl_c)
    seconds = time.perf_counter() - start
    report(
        (
            "method",
            "steps",
            "seconds",
            "steps/s",
            "first loss",
            "best loss",
            "at step",
            "PSF error",
        ),
        [
            (name, *speed(r), *ends(r), f"{rows[name]['psf_error']:.2%}")
            for name, r in results.items()
        ],
        "",
        "Loss of the true PSF, which leaves the noise:",
        *(f"  {rows[name]['loss_of_true_psf']:.4g}  {name}" for name in results),
    )
    where = ""
    if interrupted:
        last, rest = names[len(results) - 1], names[len(results) :]
        where = f"in {last} after {results[last].steps} of {count(wanted[last])}"
        where += f"; {', '.join(rest)}: not run" if rest else ""
    finish(ctx, written, seconds, pictures, where)
