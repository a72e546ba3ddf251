"""A figure of a trajectory as a scanner plays it: k-space, gradients and slew rates."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from nufftlib.core.arrays import Array
from nufftlib.mri.scanner import Protocol, gradients, slew_rates
from nufftlib.mri.scanner.report import ROUNDING, lengths
from nufftlib.mri.scanner.waveforms import checked
from nufftlib.plots.figures import BLUE, ORANGE, Real, new_figure, number, save
from nufftlib.plots.kspace import check_file, draw_shots, shots_of


class Waveform(NamedTuple):
    """What has a limit, at the times of a shot.

    Attributes
    ----------
    name : str
        Its name.
    unit : str
        What of it is shown, and the unit.
    limit : float
        The largest that is allowed.
    values : ndarray, shape (shots, rows)
        Of each shot.
    times : ndarray, shape (rows,)
        In milliseconds from the first sample of the trajectory.
    """

    name: str
    unit: str
    limit: float
    values: Real
    times: Real


def draw_waveforms(
    k: Array, protocol: Protocol, file: BinaryIO, *, shot: int | None = None
) -> None:
    """Draw a trajectory, and the gradients and slew rates of all its shots with their limits.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with two or three axes.
    protocol : Protocol
        The limits, and where a shot is at rest.
    file : binary file
        Where to write the PNG.
    shot : int, optional
        A shot to be highlighted.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the shape does not fit the protocol, or there is no such shot.

    Examples
    --------
    >>> import io
    >>> import nufftlib as nl
    >>> from nufftlib.plots import draw_waveforms
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> picture = io.BytesIO()  # or a file, open("waveforms.png", "wb")
    >>> draw_waveforms(nl.mri.trajectories.radial(32, 512), protocol, picture, shot=3)
    >>> picture.getvalue()[1:4]
    b'PNG'
    """
    check_file("draw_waveforms", file)
    checked("draw_waveforms(k, protocol)", k, protocol)
    shots, shot = shots_of("draw_waveforms", k, shot)
    figure = new_figure(13.0, 6.4)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.2))
    draw_shots(figure, grid[:, 0], shots, shot)
    upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    draw_limits(upper, lower, shots, protocol, shot)
    save(figure, file)


def draw_limits(
    upper: Axes, lower: Axes, shots: Real, protocol: Protocol, shot: int | None
) -> None:
    """Show gradients and slew rates of all shots."""
    gradient, slew = waveforms(shots, protocol)
    # As Pulseq plays them: gradients joined by straight lines, so that slew rates are steps.
    draw_limited(upper, gradient, shot, "default")
    draw_limited(lower, slew, shot, "steps-mid")


def waveforms(shots: Real, protocol: Protocol) -> tuple[Waveform, Waveform]:
    """Return the gradients, those at rest too, and the slew rates, in the norm of the limits."""
    scanner, starts = protocol.scanner, int(protocol.rests_at_start)
    milliseconds = 1e3 * scanner.raster
    rests = (0, 0), (starts, int(protocol.rests_at_end))
    g = 1e3 * np.pad(lengths(gradients(shots, protocol), scanner.norm), rests)
    s = lengths(slew_rates(shots, protocol), scanner.norm)
    # A gradient is that of the middle of a raster time, a slew rate that between two of them.
    middles = np.arange(g.shape[1]) + 0.5 - starts
    steps = np.arange(s.shape[1]) + 1.0 - starts
    which = "magnitude" if scanner.norm == "l2" else "largest axis"
    return (
        Waveform("Gradient", f"{which} [mT/m]", 1e3 * scanner.gmax, g, milliseconds * middles),
        Waveform("Slew rate", f"{which} [T/m/s]", scanner.smax, s, milliseconds * steps),
    )


def draw_limited(axes: Axes, waveform: Waveform, shot: int | None, drawstyle: str) -> None:
    """Show a quantity of all shots by time, its limit, and where it is exceeded."""
    times, values, limit = waveform.times, waveform.values, waveform.limit
    ratio = float(values.max()) / limit
    # Where shots lie upon one another the ink is full, and one by itself can be seen.
    alpha = max(0.15, len(values) ** -0.5)
    axes.plot(times, values.T, color=BLUE, alpha=alpha, linewidth=0.8, drawstyle=drawstyle)
    axes.axhline(limit, color="0.3", linestyle="--", label=f"limit {limit:g}")
    # Far more than the limit would hide all that is below it.
    top = 1.08 * limit * min(max(ratio, 1), 2)
    which, row = np.nonzero(values > limit * (1 + ROUNDING))
    if len(row):
        marks = np.minimum(values[which, row], top)
        axes.plot(times[row], marks, ".", color="black", clip_on=False, label="exceeded")
    if shot is not None:
        axes.plot(times, values[shot], color=ORANGE, drawstyle=drawstyle, label=f"shot {shot}")
    axes.set(xlabel="time [ms]", ylabel=waveform.unit, ylim=(0, top))
    axes.set_title(f"{waveform.name}: up to {number(ratio)} of the limit", loc="left")
    axes.margins(x=0.02)
    axes.grid(alpha=0.25)
    # Above the axes: within them it might hide a curve.
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=3,
        frameon=False,
        fontsize="small",
        borderpad=0.1,
        handlelength=1.3,
        columnspacing=1.0,
    )
