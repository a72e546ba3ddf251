"""What both jobs share: options, the picture, the record and the table."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click
import numpy as np
import tqdm  # noqa: F401  # the workflows' progress bar: if it is missing, say so at once
from numpy.typing import NDArray

from nufftlib import workflows
from nufftlib.cli.devices import Device
from nufftlib.cli.interrupts import INTERRUPTED, CtrlC

SIZE = 256

Command = TypeVar("Command", bound=Callable[..., Any])


class Job(click.Command):
    """A command that Ctrl-C ends with the exit code of an interrupt, wherever it falls."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its ``ctx.obj`` is what Ctrl-C does."""
        ctx.obj = CtrlC()
        try:
            with ctx.obj.installed():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted; the result is not complete.", err=True)
            ctx.exit(INTERRUPTED)


def options_of_jobs(
    *, image: str, values: str, steps: str, seed: str, out: str
) -> Callable[[Command], Command]:
    """Add the options that both jobs have, with what they mean there."""
    added = [
        click.option(
            "--image",
            type=click.Path(path_type=Path),
            help=f"Picture, .npy .png .jpg .nii or .nii.gz; its central square is resized to "
            f"{SIZE} x {SIZE}. An array is of shape (rows, columns), or of colours (3, rows, "
            f"columns), and of {values}; other integers are refused. Of a NIfTI volume it is the "
            f"middle axial slice, with the values of the file.  [default: {image}]",
        ),
        click.option("--steps", type=click.IntRange(min=1), help=steps),
        click.option("--seed", type=click.IntRange(min=0), help=seed),
        click.option(
            "--device",
            "device_name",
            type=click.Choice(["cpu", "cuda"]),
            default="cpu",
            show_default=True,
            help="Where to compute; cuda needs CuPy.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path(out),
            show_default=True,
            help="Folder of the result.",
        ),
        click.option("--no-figures", is_flag=True, help="Write no pictures."),
        click.option("--force", is_flag=True, help="Overwrite the result in the folder."),
    ]

    def add(command: Command) -> Command:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def read(
    load: Callable[[Path, int], NDArray[np.float32]],
    path: Path | None,
    default: Callable[[], NDArray[np.float32]] | None = None,
    option: str = "--image",
) -> NDArray[np.float32]:
    """Load the user's picture, or the bundled one."""
    if path is None:
        assert default is not None
        return default()
    try:
        return load(path, SIZE)
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error
    except ImportError as error:  # says itself how to install what is missing
        raise click.ClickException(str(error)) from error


def versions(device: Device) -> dict[str, str]:
    """Return the versions of all that computed the result."""
    named = {name: version(name) for name in ("nufftlib", "numpy", "scipy", "numba", "finufft")}
    named["python"] = platform.python_version()
    if device.name == "cuda":
        named["cupy"] = device.xp.__version__  # its distribution's name has CUDA's version
    return named


def arrays_file(**arrays: NDArray[Any]) -> Callable[[BinaryIO], object]:
    """Return what writes arrays as npz."""
    return lambda file: np.savez(file, **arrays)  # type: ignore[arg-type] # its stub has a flag there


def json_file(content: Mapping[str, Any]) -> Callable[[BinaryIO], object]:
    """Return what writes a record as JSON."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return lambda file: file.write(text.encode())


def speed(result: workflows.LearnedTrajectory | workflows.CalibratedPSF) -> tuple[str, str, str]:
    """Format steps, seconds and steps per second."""
    rate = result.steps / result.seconds if result.seconds else math.nan
    return str(result.steps), f"{result.seconds:.2f}", f"{rate:.1f}"


def ends(result: workflows.LearnedTrajectory | workflows.CalibratedPSF) -> tuple[str, str, str]:
    """Format the first loss, the best, and after how many steps it was found."""
    return f"{result.losses[0]:.4g}", f"{result.loss_final:.4g}", str(result.step_best)


def say_what_is_written(pictures: Collection[str], *, interrupted: bool) -> None:
    """Say what takes its time after the steps."""
    if interrupted:
        again = "; Ctrl-C again leaves the pictures out" if pictures else ""
        click.echo(f"Interrupted: writing what there is{again} ...", err=True)
    elif pictures:
        click.echo(f"Drawing {' and '.join(pictures)} ...", err=True)


def report(head: Sequence[str], rows: Sequence[Sequence[str]], *below: str) -> None:
    """Print the table of the result, and lines below it."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for first, *rest in (head, *rows):
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        click.echo("  ".join(cells))
    for line in below:
        click.echo(line)


def finish(
    ctx: click.Context,
    written: Sequence[Path],
    seconds: float,
    pictures: Collection[str],
    interrupted: str,
) -> None:
    """Print the files; after Ctrl-C say so, and exit with its code.

    Parameters
    ----------
    ctx : click.Context
        Context of the command.
    written : sequence of Path
        The files.
    seconds : float
        How long drawing and writing them took.
    pictures : collection of str
        Names of the pictures that were wanted.
    interrupted : str
        Where the steps were interrupted; empty if they were not.
    """
    click.echo(f"\n{'Figures and files' if pictures else 'Files'}: {seconds:.1f} s")
    for path in written:
        click.echo(f"  {path}")
    missing = set(pictures) - {path.name for path in written}
    said = []
    if interrupted:
        said.append(f"Interrupted {interrupted}; the files hold the best seen until then.")
    if missing:
        said.append(f"Interrupted while drawing; not drawn: {', '.join(sorted(missing))}.")
    if said:
        click.echo("\n".join(said), err=True)
        ctx.exit(INTERRUPTED)
