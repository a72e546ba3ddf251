"""Parts of all jobs: options, the picture, the record and the table."""

from __future__ import annotations

import io
import json
import math
import platform
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click
import numpy as np
import tqdm  # noqa: F401  # the workflows' progress bar: if it is missing, say so at once
from numpy.typing import NDArray

from nufftlib.cli.devices import Device
from nufftlib.cli.files import ARRAYS, CHECKPOINT, COURSE, MARK, REPORT, ResultFolder, Writer
from nufftlib.cli.interrupts import Interrupts
from nufftlib.core.run import Run

SIZE = 256
CROSS = re.compile(r"\s*[xX*; ]\s*")
CROSSED = re.compile(rf"[\d.]+({CROSS.pattern}[\d.]+)+")
"""Numbers as one writes the size of an image."""

Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


class Job(click.Command):
    """A command that exits with the code of the signal that ends it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; its ``ctx.obj`` is the handler of the signals."""
        ctx.obj = interrupts = Interrupts()
        try:
            with interrupts.installed():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(f"{interrupts}; the result is not complete.", err=True)
            ctx.exit(interrupts.exit_code)
        except MemoryError as error:
            said = f"this takes more memory than there is: {str(error) or 'no more can be had'}"
            raise click.ClickException(said) from error
        except FloatingPointError as error:  # data too large or too small for their precision
            raise click.ClickException(str(error)) from error


class Whole(click.IntRange):
    """A whole number in plain digits."""

    name = "integer"  # click's, "integer range", is in its messages

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        return int(super().convert(plain(self, value, param, ctx), param, ctx))


class Real(click.FloatRange):
    """A finite number in plain digits."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(plain(self, value, param, ctx), param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class Each(click.ParamType):  # type: ignore[type-arg] # generic in the newest click alone
    """Values of one kind with commas between them.

    Parameters
    ----------
    name : str
        What one of them is, for the help.
    kind : click.ParamType
        Type of each.
    """

    def __init__(self, name: str, kind: click.ParamType[Any]) -> None:
        self.name = f"{name}[,{name}...]"
        self.kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """Return the values."""
        if CROSSED.fullmatch(str(value)):
            self.fail(f"{value!r} has no commas; want {CROSS.sub(',', value)}", param, ctx)
        return tuple(self.kind.convert(part, param, ctx) for part in str(value).split(","))


def crossed(values: Iterable[float]) -> str:
    """Return sizes or lengths with a cross between them."""
    return " x ".join(f"{value:g}" for value in values)


def plain(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> Any:
    """Refuse a number that only Python takes: with underscores, or in another script's digits."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        kind.fail(f"{value!r} is no number; want digits from 0 to 9", param, ctx)
    return value


@dataclass(frozen=True)
class Options:
    """The options that both jobs have; the names are click's.

    Parameters
    ----------
    image : Path or None
        The user's picture; None is the bundled one.
    steps : int or None
        Number of steps; None is the job's own.
    seed : int or None
        Seed of all random numbers; None is the job's own way.
    device_name : {"cpu", "cuda"}
        Where to compute.
    out : Path
        Folder of the result.
    no_figures : bool
        Whether to write no pictures.
    force : bool
        Whether to overwrite the result in the folder.
    """

    image: Path | None
    steps: int | None
    seed: int | None
    device_name: str
    out: Path
    no_figures: bool
    force: bool

    @contextmanager
    def claimed_folder(self, *pictures: str, resume: bool = False) -> Iterator[ResultFolder]:
        """Yield the folder of the result, which is this job's within the block.

        If a package of the figures is missing, or the folder is refused, the job ends before its
        steps. With `resume` it goes on from the checkpoint there.
        """
        if not self.no_figures:
            check_installed("matplotlib", "PIL", *(["bokeh"] if REPORT in pictures else []))
        folder = ResultFolder(self.out)
        wanted = () if self.no_figures else pictures
        with folder.claimed(wanted, force=self.force, resume=resume):
            yield folder


def check_installed(*packages: str) -> None:
    """Raise what importing packages would, if one is missing: the first step is not to wait."""
    for name in packages:
        if find_spec(name) is None:
            msg = f"No module named {name!r}"
            raise ModuleNotFoundError(msg, name=name)


def options_of_result(out: str) -> Callable[[Command], Command]:
    """Add the options of `Options` that say where to compute and to write."""
    return together(
        [
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
    )


def together(added: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Return one decorator for several, the first of which adds the first option."""

    def add(command: Command) -> Command:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def options_of_jobs(
    *, image: str, values: str, steps: str, seed: str, out: str
) -> Callable[[Command], Command]:
    """Add the options of `Options`, with help texts in the words of the job."""
    added = [
        click.option(
            "--image",
            type=click.Path(path_type=Path),
            help=f"Picture, .npy .npz .mat .png .jpg .tif .fits .dcm .nii or .nii.gz; its central "
            f"square is resized to {SIZE} x {SIZE}. An array is of shape (rows, columns), or of "
            f"colours (3, rows, columns), and of {values}; other integers are refused. Of several "
            f"arrays or planes name one, as in scan.mat:beads or stack.tif:3. Of a NIfTI volume it "
            f"is the middle axial slice, with the values of the file.  [default: {image}]",
        ),
        click.option("--steps", type=Whole(min=1), help=steps),
        click.option("--seed", type=Whole(min=0), help=seed),
        options_of_result(out),
    ]
    return together(added)


def read(
    load: Callable[[Path, int], T],
    path: Path | None,
    default: Callable[[], T] | None = None,
    option: str = "--image",
) -> T:
    """Load the user's picture, or the bundled one."""
    if path is None:
        assert default is not None
        return default()
    try:
        return load(path, SIZE)
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint=f"'{option}'") from error
    except ImportError as error:  # its text says how to install the package
        raise click.ClickException(str(error)) from error


def versions(device: Device) -> dict[str, str]:
    """Return the versions of the packages that computed the result."""
    named = {name: version(name) for name in ("nufftlib", "numpy", "scipy", "numba", "finufft")}
    named["python"] = platform.python_version()
    if device.name == "cuda":
        named["cupy"] = device.xp.__version__  # its distribution's name has CUDA's version
    return named


def root_mean_square(residual: NDArray[Any]) -> float:
    """Return the root mean square of what a model leaves."""
    return float(np.sqrt(np.mean(residual.astype(np.float64) ** 2)))


def outcome(result: Any) -> dict[str, Any]:
    """Return what a record says of the loop of a job with preparations and a tolerance."""
    return {
        "loss_start": result.losses[0],
        "loss_final": result.loss_final,
        "steps": result.steps,
        "converged": result.converged,
        "seconds_setup": result.seconds_setup,
        "seconds": result.seconds,
        "interrupted": result.interrupted,
    }


def arrays_file(**arrays: NDArray[Any]) -> Writer:
    """Return a writer of arrays as npz."""
    return lambda file: np.savez(file, **arrays)  # type: ignore[arg-type] # its stub has a flag there


def json_file(content: Mapping[str, Any]) -> Writer:
    """Return a writer of a record as JSON."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    return lambda file: file.write(text.encode())


def format_speed(
    result: Run,
    compiled: float = 0.0,
) -> tuple[str, str, str]:
    """Format steps, seconds, and steps per second without the seconds of compiling."""
    seconds = result.seconds - compiled
    rate = result.steps / seconds if seconds > 0 else math.nan
    return str(result.steps), f"{result.seconds:.2f}", f"{rate:.1f}"


def format_losses(
    result: Run,
) -> tuple[str, str, str]:
    """Format the first loss, the best, and after how many steps it was found."""
    return f"{result.losses[0]:.4g}", f"{result.loss_final:.4g}", str(result.step_best)


@dataclass(frozen=True)
class Written:
    """Files of a result, after writing.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    seconds : float
        How long drawing and writing them took.
    pictures : collection of str
        Names of the pictures that were wanted; a signal may have left some out.
    """

    paths: Sequence[Path]
    seconds: float
    pictures: Collection[str]


def write(
    folder: ResultFolder,
    files: Mapping[str, Writer],
    record: Writer,
    pictures: Mapping[str, Writer],
    interrupts: Interrupts,
    *,
    interrupted: bool,
) -> Written:
    """Announce the files that take time, and write all of them.

    Parameters
    ----------
    folder : ResultFolder
        Where to write.
    files : mapping of str to callable
        Writers of the data by name, `ARRAYS` among them.
    record : callable
        Writer of the JSON file.
    pictures : mapping of str to callable
        Writers of the pictures by name.
    interrupts : Interrupts
        Decides whether pictures are left out.
    interrupted : bool
        Whether a signal ended the steps.

    Returns
    -------
    Written
        The files.
    """
    if interrupted:
        drawn = pictures and interrupts.may_draw
        again = "; Ctrl-C again leaves the pictures out" if drawn else ""
        click.echo(f"{interrupts}: writing what there is{again} ...", err=True)
    elif pictures:
        click.echo(f"Drawing {' and '.join(pictures)} ...", err=True)
    start = time.perf_counter()
    paths = folder.write({**files, MARK: record}, pictures, interrupts)
    if not interrupted and {path.name for path in paths} >= set(pictures):
        folder.remove_checkpoint()
    return Written(paths, time.perf_counter() - start, pictures)


def with_page(
    files: Mapping[str, Writer], record: Writer, pictures: Mapping[str, Writer]
) -> dict[str, Writer]:
    """Add the page of a result to its pictures, made of what the other files will hold."""

    def stored(write: Writer) -> io.BytesIO:
        file = io.BytesIO()
        write(file)
        file.seek(0)
        return file

    def page(file: BinaryIO) -> None:
        from nufftlib.report.result import Result, loaded, write_page

        course = loaded(stored(pictures[COURSE])) if COURSE in pictures else {}
        result = Result(json.load(stored(record)), loaded(stored(files[ARRAYS])), course)
        write_page(result, file)

    return {**pictures, REPORT: page}


def report(head: Sequence[str], rows: Sequence[Sequence[str]], *below: str) -> None:
    """Print the table of the result, and lines below it."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for first, *rest in (head, *rows):
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        click.echo("  ".join(cells))
    for line in below:
        click.echo(line)


def finish(ctx: click.Context, written: Written, interrupted: str) -> None:
    """Print the files; after a signal say so, and exit with its code.

    Parameters
    ----------
    ctx : click.Context
        Context of the command; its ``obj`` is the handler of the signals.
    written : Written
        The files.
    interrupted : str
        Where the steps were interrupted; empty if they were not.
    """
    click.echo(f"\n{'Figures and files' if written.pictures else 'Files'}: {written.seconds:.1f} s")
    for path in written.paths:
        click.echo(f"  {path}")
    missing = set(written.pictures) - {path.name for path in written.paths}
    if not (interrupted or missing):
        return
    said = f"{ctx.obj} {interrupted or 'while drawing'}"
    if interrupted:
        said += "; the files hold the best seen until then"
    if missing:
        said += f"; not drawn: {', '.join(sorted(missing))}"
    click.echo(f"{said}.", err=True)
    if (written.paths[0].parent / CHECKPOINT).exists():
        click.echo("The same command goes on with --resume.", err=True)
    ctx.exit(ctx.obj.exit_code)
