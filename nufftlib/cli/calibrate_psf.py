"""The command ``calibrate-psf``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from nufftlib import workflows
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.calibrate.objective import PATHS, Evaluation, loss_at
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.cli.devices import Device, open_device
from nufftlib.cli.diagnosis import MOST_COMPONENTS, best_of, misfit, what_is_told
from nufftlib.cli.files import ARRAYS, FIGURE, MARK, ResultFolder, Writer
from nufftlib.cli.interrupts import CtrlC
from nufftlib.cli.jobs import (
    Job,
    arrays_file,
    ends,
    finish,
    json_file,
    options_of_jobs,
    report,
    say_what_is_written,
    speed,
    versions,
)
from nufftlib.cli.pairs import KINDS, Pairs, Size, measured, simulated
from nufftlib.core.arrays import Array
from nufftlib.core.run import count

PSF_SIZE, NOISE = (25, 25), 0.02


def finite(_: click.Context, param: click.Parameter, value: float) -> float:
    """Refuse what is no finite number."""
    if not math.isfinite(value):
        msg = f"{value} is no finite number"
        raise click.BadParameter(msg, param=param)
    return value


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
    "--psf",
    default="motion",
    show_default=True,
    metavar=f"[{'|'.join(KINDS)}|FILE]",
    help="True PSF that the picture is blurred with: a random one of a kind, or a grey picture "
    "or array, which is brought to the sum one.",
)
@click.option(
    "--sharp",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Sharp picture of a pair of your own, as it is, in place of --image; give it once for "
    "every pair.",
)
@click.option(
    "--blurred",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Blurred picture of the pair, of the sharp one's size or, with --boundary valid, of its "
    "valid part's.",
)
@click.option(
    "--size",
    type=Size(),
    help="Pixels of the PSF; one from a file has its own.  [default: 25x25]",
)
@click.option(
    "--boundary",
    type=click.Choice([*BOUNDARIES]),
    default="valid",
    show_default=True,
    help="What lies beyond the edge of the sharp picture; valid: leave out what depends on it.",
)
@click.option(
    "--method",
    type=click.Choice([*workflows.METHODS, "all"]),
    help="Optimiser and loss.  [default: all; for pictures of your own spectral]",
)
@click.option(
    "--path",
    type=click.Choice([*PATHS]),
    default="auto",
    show_default=True,
    help="Evaluate the squared error as a quadratic function of the PSF, or by the blur.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    callback=finite,
    default=0.0,
    show_default=True,
    help="End at this norm of the projected gradient; 0: after the last step.",
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
    psf: str,
    sharp: tuple[Path, ...],
    blurred: tuple[Path, ...],
    size: tuple[int, int] | None,
    boundary: str,
    method: Method | str | None,
    path: Evaluation,
    tolerance: float,
) -> None:
    """Calibrate the PSF of a blur from a sharp and a blurred picture.

    Without --sharp and --blurred it blurs a picture with a random 25 x 25 PSF, adds noise of
    standard deviation 0.02, and finds the PSF again. Six methods: on the squared error projected
    gradients of a constant step, Adam, projected gradients with backtracking, accelerated ones,
    and the spectral projected gradient method; AdamW on the absolute error. Every PSF is
    nonnegative and sums to one.

    The rates of projected-gradient, adam and adamw are those of the published example, and
    constant: on other pictures and seeds they can be restless. What is written is the best PSF
    seen, that of the lowest loss.

    \b
    Writes
      result.npz    psf_true, psf_start, sharp, blurred, deviations, and of each method
                    psf_METHOD, losses_METHOD, errors_METHOD
      figure.png    pictures, PSFs, residuals, losses and errors
      result.json   settings, versions, and under "methods" of each the first and the best
                    loss, after how many steps the best was found, the loss of the true
                    PSF, steps, seconds, relative l2 error; last, when all is there

    Pictures of your own have to show the same part of the world: registered, equally exposed, and
    linear in the light (a camera's raw values rather than its JPEG's). The command says so where
    what is left is no noise.

    Ctrl-C ends the calibration early: what there is then is written, and the exit code is 130.
    Another Ctrl-C leaves the picture out.
    """  # noqa: D301  # click wants the control character: keep the lines
    method = method or ("spectral" if sharp or blurred else "all")
    check_together(ctx, method, path)
    device = open_device(device_name)
    if sharp or blurred:
        make = measured(sharp, blurred, size or PSF_SIZE, boundary)
    else:
        make = simulated(image, psf, size, boundary, NOISE, seed or 0, PSF_SIZE)
    if not no_figures:
        from nufftlib.plots import figures
    folder = ResultFolder(out)
    folder.claim(() if no_figures else (FIGURE,), force=force)

    pairs = make(device)
    names = workflows.METHODS if method == "all" else tuple(m for m in RECIPES if m == method)
    wanted = {name: steps or RECIPES[name].steps for name in names}
    ctrl_c: CtrlC = ctx.obj
    results: dict[Method, workflows.CalibratedPSF] = {}
    rows: dict[Method, dict[str, Any]] = {}
    for name in names:
        click.echo(f"Calibrating on the {device.title}: {name}, {count(wanted[name])}", err=True)

        def done(step: int, _loss: float, _psf: Array, steps: int = wanted[name]) -> None:
            ctrl_c.step_done(last=step == steps)

        result = workflows.calibrate_psf(
            pairs.sharp,
            pairs.blurred,
            method=name,
            size=pairs.size,
            steps=wanted[name],
            boundary=boundary,
            path=path if RECIPES[name].loss == "squared" else "general",
            tolerance=tolerance,
            truth=pairs.truth,
            callback=done,
            progress=True,
        )
        results[name] = device.fetch(result)
        rows[name] = row_of(device, pairs, name, results[name], boundary)
        if result.interrupted:
            break
    ctrl_c.hold()
    interrupted = any(r.interrupted for r in results.values())
    told = None if interrupted else what_is_told(device, pairs, results, boundary)
    host = pairs.named(device)
    truth = None if pairs.truth is None else device.to_host(pairs.truth)

    pictures: dict[str, Writer] = {}
    if not no_figures:
        drawn = figures.Pair(
            device.to_host(pairs.sharp[0]),
            device.to_host(pairs.blurred[0]),
            boundary,
            truth,
            None if told is None else told.deviations,
            len(pairs.sharp),
        )
        fits = [
            figures.Fit(name, r, rows[name]["psf_error"], rows[name]["loss_of_true_psf"])
            for name, r in results.items()
        ]
        pictures[FIGURE] = lambda file: figures.draw_calibration(drawn, fits, file)
    arrays = arrays_file(
        **({} if truth is None else {"psf_true": truth}),
        psf_start=next(iter(results.values())).psf_start,
        **host,
        **({} if told is None else {"deviations": np.asarray(told.deviations)}),
        **{f"psf_{name}": r.psf for name, r in results.items()},
        **{f"losses_{name}": np.asarray(r.losses) for name, r in results.items()},
        **{f"errors_{name}": np.asarray(r.errors) for name, r in results.items() if r.errors},
    )
    record = json_file(
        {
            "job": "calibrate-psf",
            "settings": {
                **pairs.settings,
                "psf_size": pairs.size,
                "boundary": boundary,
                "method": method,
                "path": path,
                "tolerance": tolerance,
                "steps": wanted,
                "device": device.name,
            },
            "versions": versions(device),
            "methods": rows,
            "identifiability": None if told is None else told.record(),
            "interrupted": interrupted,
        }
    )
    say_what_is_written(pictures, interrupted=interrupted)
    start = time.perf_counter()
    written = folder.write({ARRAYS: arrays, MARK: record}, pictures, ctrl_c)
    seconds = time.perf_counter() - start
    tell(results, rows)
    best = best_of(results)
    if told is not None:
        click.echo(f"\n{told}")
    elif not interrupted:
        click.echo(f"\nA PSF of more than {MOST_COMPONENTS} pixels: its components are left out.")
    click.echo(f"\nThe PSF of the lowest loss is psf_{best} in {folder.path / ARRAYS}.")
    if wrong := misfit(device, pairs, results[best].psf, boundary):
        click.echo(f"\n{wrong}", err=True)
    where = ""
    if interrupted:
        last, rest = names[len(results) - 1], names[len(results) :]
        where = f"in {last} after {results[last].steps} of {count(wanted[last])}"
        where += f"; {', '.join(rest)}: not run" if rest else ""
    finish(ctx, written, seconds, pictures, where)


def check_together(ctx: click.Context, method: str, path: str) -> None:
    """Refuse options that contradict each other."""
    given = {
        name for name in ctx.params if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    if given & {"sharp", "blurred"} and (odd := given & {"image", "psf", "seed"}):
        names = " and ".join(f"--{name}" for name in sorted(odd))
        msg = f"--sharp and --blurred are a pair of your own; leave {names} out"
        raise click.UsageError(msg)
    if path == "quadratic" and method in RECIPES and RECIPES[method].loss != "squared":
        msg = f"--path quadratic: the loss of {method} is the absolute error; want general"
        raise click.UsageError(msg)


def row_of(
    device: Device, pairs: Pairs, name: Method, result: workflows.CalibratedPSF, boundary: str
) -> dict[str, Any]:
    """Return what the record has of a method."""
    floor = error = None
    if pairs.truth is not None:
        floor = loss_at(pairs.truth, pairs.sharp, pairs.blurred, name, boundary)
        error = workflows.psf_error(result.psf, device.to_host(pairs.truth))
    return {
        "loss_start": result.losses[0],
        "loss_final": result.loss_final,
        "step_best": result.step_best,
        "loss_of_true_psf": floor,
        "steps": result.steps,
        "seconds_setup": result.seconds_setup,
        "seconds": result.seconds,
        "path": result.path,
        "converged": result.converged,
        "psf_error": error,
    }


def tell(
    results: Mapping[Method, workflows.CalibratedPSF],
    rows: Mapping[Method, dict[str, Any]],
) -> None:
    """Print the table of the methods, and below it what they are to be measured by."""
    head = ["method", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"]
    table = [[name, *speed(r), *ends(r)] for name, r in results.items()]
    below: list[str] = []
    known = all(row["psf_error"] is not None for row in rows.values())
    if known:
        head.append("PSF error")
        for cells, row in zip(table, rows.values(), strict=True):
            cells.append(f"{row['psf_error']:.2%}")
        below += ["", "Loss of the true PSF, which leaves the noise:"]
        below += [f"  {row['loss_of_true_psf']:.4g}  {name}" for name, row in rows.items()]
    report(head, table, *below)
