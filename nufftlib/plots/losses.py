"""Losses by step, the best marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nufftlib.core.run import Run, count
from nufftlib.plots.figures import BLUE, ORANGE, plain_decades

LEAST_RANGE = 1.25
"""The least ratio between the ends of an axis of losses."""


def draw_losses(axes: Axes, losses: Sequence[float], label: str, color: str = BLUE) -> None:
    """Show losses by step on a logarithmic scale, if that can show one."""
    axes.plot(losses, color=color, marker="." if len(losses) < 20 else "")
    axes.set(xlabel="step", ylabel=label)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    if max(losses) > 0:
        axes.set_yscale("log")
        plain_decades(axes.yaxis)
        # A curve that hardly falls shall look so: no numbers of many digits beside it.
        least, most = min(x for x in losses if x > 0), max(losses)
        middle, reach = math.sqrt(least * most), math.sqrt(LEAST_RANGE)
        axes.update_datalim([(0, middle / reach), (0, middle * reach)])
        axes.autoscale_view()
    axes.grid(which="both", alpha=0.25)


def mark_best(axes: Axes, result: Run) -> None:
    """Put a dot on the loss of the result that is shown."""
    best = result.step_best
    axes.plot([best], [result.losses[best]], "o", color=ORANGE, label=f"best, after {count(best)}")


def after(result: Run) -> str:
    """Return after how many steps the result was found, and of how many if not the last."""
    if result.step_best == result.steps:
        return f"after {count(result.steps)}"
    return f"after {result.step_best} of {count(result.steps)}"
