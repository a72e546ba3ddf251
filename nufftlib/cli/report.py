"""The command ``report``."""

from __future__ import annotations

from pathlib import Path

import click

from nufftlib.cli.files import ARRAYS, COURSE, MARK, REPORT
from nufftlib.cli.jobs import Job
from nufftlib.io.whole import written


@click.command("report", cls=Job)
@click.argument("out_dir", metavar="OUT_DIR", type=click.Path(path_type=Path))
def report_command(out_dir: Path) -> None:
    """Write the page of a result, report.html, into its folder.

    OUT_DIR is the folder of a result of learn-trajectory, or of calibrate-psf on pictures with
    one PSF. These jobs write the page themselves, but with --no-figures. A page that is there is
    replaced.

    The page is one HTML file that needs no network. That of a trajectory has a slider over the
    learning, which moves k-space, the image, its error and the loss; a shot can be picked, and
    with a scanner's limits its gradient and slew rate are shown. With --no-figures or --images
    there are two moments, the first and the best. That of a PSF has the methods side by side,
    cuts through the PSFs, transfer functions, losses, errors and residuals.
    """
    from nufftlib.report import Result, refusal, write_page  # at once: Bokeh may be missing

    if not (out_dir / MARK).is_file():
        msg = f"{out_dir} holds no result: no {MARK} is there; want the folder of a job's --out"
        raise click.BadParameter(msg, param_hint="'OUT_DIR'")
    try:
        result = Result.read(out_dir / MARK, out_dir / ARRAYS, out_dir / COURSE)
    except (ValueError, OSError, EOFError) as error:
        msg = f"{out_dir}: the result cannot be read: {error}"
        raise click.BadParameter(msg, param_hint="'OUT_DIR'") from error
    if why := refusal(result):
        msg = f"{out_dir}: {why}"
        raise click.BadParameter(msg, param_hint="'OUT_DIR'")
    page = out_dir / REPORT
    try:
        with written("report", page, ".html") as temporary, temporary.open("wb") as content:
            write_page(result, content)
    except OSError as error:
        msg = f"{page}: the page cannot be written: {error}"
        raise click.ClickException(msg) from error
    click.echo(page)
