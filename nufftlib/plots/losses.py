"""Losses by step, the best marked."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from nufftlib.core.run import Run, count
from nufftlib.plots.figures import BLUE, ORANGE


def draw_losses(axes: Axes, losses: Sequence[float], label: str, color: str = BLUE) -> None:
    """Show losses by step on a logarithmic scale, if that can show one."""
    axes.plot(losses, color=color, marker="." if len(losses) < 20 else "")
    axes.set(xlabel="step", ylabel=label)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    if max(losses) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
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
