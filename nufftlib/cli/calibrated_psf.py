"""The result of ``calibrate-psf``: its options, the files that hold it, and its table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from nufftlib import workflows
from nufftlib.blur.calibrate.objective import Evaluation
from nufftlib.blur.calibrate.recipes import RECIPES, Method
from nufftlib.cli.checkpoints import LongOptions
from nufftlib.cli.devices import Device
from nufftlib.cli.diagnosis import (
    MOST_COMPONENTS,
    Uncertainty,
    best_method,
    describe_misfit,
    describe_widths,
)
from nufftlib.cli.files import ARRAYS, FIGURE, Writer
from nufftlib.cli.jobs import (
    arrays_file,
    format_losses,
    format_speed,
    json_file,
    report,
    versions,
)
from nufftlib.cli.pairs import Pairs, psf_file
from nufftlib.core.run import count, part, still_falls
from nufftlib.io.pictures import Encoding
from nufftlib.io.psfs import Format

PSF_SIZE = (25, 25)
STACK_PSF_SIZE = (7, 11, 11)
"""Depth, height and width of the PSF of a stack by default."""


@dataclass(frozen=True)
class Settings(LongOptions):
    """The options of the command.

    Parameters
    ----------
    psf : str
        The true PSF of a simulation: a kind, or a file.
    sharp, blurred : tuple of Path
        The user's pairs of pictures; none for a simulation.
    ndim : {2, 3}
        Axes of the PSF: pictures, or stacks.
    size : tuple of int or None
        Size of the PSF on its axes, where it is given.
    boundary : str
        Boundary of the blur.
    method : str
        The method's name, or ``"all"``.
    path : {"auto", "quadratic", "general"}
        How the squared error is evaluated.
    tolerance : float
        The norm of the projected gradient that ends a method.
    encoding : {"linear", "srgb"}
        How the pictures encode light.
    psf_format : {"npy", "tiff", "fits"} or None
        Kind of the file that the best PSF is written to besides.
    grid : tuple of int or None
        Rows and columns of a grid of PSFs, if the PSF varies.
    """

    psf: str
    sharp: tuple[Path, ...]
    blurred: tuple[Path, ...]
    ndim: int
    size: tuple[int, ...] | None
    boundary: str
    method: Method | str
    path: Evaluation
    tolerance: float
    encoding: Encoding
    psf_format: Format | None
    grid: tuple[int, int] | None

    @property
    def default_size(self) -> tuple[int, ...]:
        """The size of the PSF where it is not given."""
        return PSF_SIZE if self.ndim == 2 else STACK_PSF_SIZE

    @property
    def methods(self) -> dict[Method, int]:
        """Steps of each method to run, in the table's order."""
        return {
            name: self.steps or recipe.steps
            for name, recipe in RECIPES.items()
            if self.method in ("all", name)
        }


@dataclass(frozen=True)
class Calibration:
    """The results of all methods that ran, on the host, and their origin.

    Parameters
    ----------
    settings : Settings
        The options.
    device : Device
        Where the methods ran.
    pairs : Pairs
        The images, on the device.
    results : dict
        The result of each method.
    rows : dict
        The entries of each method in the record.
    uncertainty : Uncertainty or None
        How well the images determine the PSF; None after a signal, and for a large PSF.
    """

    settings: Settings
    device: Device
    pairs: Pairs
    results: dict[Method, workflows.CalibratedPSF]
    rows: dict[Method, dict[str, Any]]
    uncertainty: Uncertainty | None

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended a method."""
        return any(result.interrupted for result in self.results.values())


def files_of(calibration: Calibration) -> dict[str, Writer]:
    """Return writers of the data by name."""
    c = calibration
    psf = c.results[best_method(c.results)].psf
    return {ARRAYS: arrays_of(c), **psf_file(c.settings.psf_format, psf, c.pairs.pixel_size)}


def arrays_of(calibration: Calibration) -> Writer:
    """Return a writer of the arrays."""
    c = calibration
    start = next(iter(c.results.values())).psf_start
    arrays = {} if c.pairs.truth is None else {"psf_true": c.device.to_host(c.pairs.truth)}
    arrays |= {"psf_start": start, **c.pairs.named(c.device)}
    if c.pairs.pixel_size is not None:
        arrays["pixel_size"] = np.asarray(c.pairs.pixel_size)
    if c.uncertainty is not None:
        arrays["deviations"] = np.asarray(c.uncertainty.deviations)
    arrays |= {f"psf_{name}": r.psf for name, r in c.results.items()}
    arrays |= {f"losses_{name}": np.asarray(r.losses) for name, r in c.results.items()}
    arrays |= {f"errors_{name}": np.asarray(r.errors) for name, r in c.results.items() if r.errors}
    return arrays_file(**arrays)


def record_of(calibration: Calibration) -> Writer:
    """Return a writer of the record."""
    c, settings = calibration, calibration.settings
    return json_file(
        {
            "job": "calibrate-psf",
            "settings": {
                **c.pairs.settings,
                "ndim": settings.ndim,
                "psf_size": c.pairs.size,
                "boundary": settings.boundary,
                "method": settings.method,
                "path": settings.path,
                "tolerance": settings.tolerance,
                "psf_format": settings.psf_format,
                "steps": settings.methods,
                "device": c.device.name,
            },
            "versions": versions(c.device),
            "methods": c.rows,
            "identifiability": None if c.uncertainty is None else c.uncertainty.record(),
            "interrupted": c.interrupted,
        }
    )


def pictures_of(calibration: Calibration) -> dict[str, Writer]:
    """Return writers of the pictures by name."""
    from nufftlib.plots.calibration import Fit, Pair, draw_calibration

    c, pairs = calibration, calibration.pairs
    pair = Pair(
        c.device.to_host(pairs.sharp[0]),
        c.device.to_host(pairs.blurred[0]),
        c.settings.boundary,
        None if pairs.truth is None else c.device.to_host(pairs.truth),
        None if c.uncertainty is None else c.uncertainty.deviations,
        len(pairs.sharp),
    )
    fits = [
        Fit(name, result, c.rows[name]["psf_error"], c.rows[name]["loss_of_true_psf"])
        for name, result in c.results.items()
    ]
    if c.settings.ndim == 3:
        from nufftlib.plots.stacks import draw_stack_calibration

        return {FIGURE: lambda file: draw_stack_calibration(pair, fits, file, pairs.pixel_size)}
    return {FIGURE: lambda file: draw_calibration(pair, fits, file)}


def print_table(calibration: Calibration) -> None:
    """Print the table of the methods, and the losses of the true PSF where it is known."""
    head = ["method", "steps", "seconds", "steps/s", "first loss", "best loss", "at step"]
    table = [
        [name, *format_speed(result), *format_losses(result)]
        for name, result in calibration.results.items()
    ]
    below: list[str] = []
    if calibration.pairs.truth is not None:
        rows = calibration.rows
        head.append("PSF error")
        for cells, row in zip(table, rows.values(), strict=True):
            cells.append(part(row["psf_error"]))
        below += ["", "Loss of the true PSF, which leaves the noise:"]
        below += [f"  {row['loss_of_true_psf']:.4g}  {name}" for name, row in rows.items()]
    results = calibration.results.items()
    if early := [name for name, r in results if not r.converged and still_falls(r)]:
        below += [
            "",
            f"Losses that still fall at the last step, for want of --steps: {', '.join(early)}.",
        ]
    report(head, table, *below)


def print_findings(calibration: Calibration) -> None:
    """Print the uncertainty of the PSF, the best PSF, and a warning if the model misfits."""
    c = calibration
    if c.uncertainty is not None:
        click.echo(f"\n{c.uncertainty}")
    elif not c.interrupted:
        click.echo(f"\nA PSF of more than {MOST_COMPONENTS} pixels: its components are left out.")
    best = best_method(c.results)
    click.echo(f"\nThe PSF of the lowest loss is psf_{best} in {c.settings.out / ARRAYS}.")
    if c.settings.ndim == 3:
        click.echo(describe_widths(c.results[best].psf, c.pairs.pixel_size))
    if warning := describe_misfit(c.device, c.pairs, c.results[best].psf, c.settings.boundary):
        click.echo(f"\n{warning}", err=True)


def describe_interrupt(calibration: Calibration) -> str:
    """Return where a signal ended the methods; empty if none did."""
    if not calibration.interrupted:
        return ""
    steps, results = calibration.settings.methods, calibration.results
    last, *rest = list(steps)[len(results) - 1 :]
    where = f"in {last} after {results[last].steps} of {count(steps[last])}"
    return where + (f"; {', '.join(rest)}: not run" if rest else "")
