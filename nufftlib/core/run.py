"""The course of an optimisation, returned by every job."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nufftlib.core.arrays import summary
from nufftlib.core.notebook import Pixels, card


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The course of an optimisation.

    Parameters
    ----------
    losses : list of float
        The loss at the start and after each step; the parameters returned have the lowest.
    seconds : float
        Duration of the optimisation loop.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    """

    losses: list[float]
    seconds: float
    interrupted: bool

    thumbnails: ClassVar[tuple[tuple[str, Callable[[Any], Pixels]], ...]] = ()
    """Names of fields whose arrays a notebook shows, each with what makes a picture of them."""

    @property
    def steps(self) -> int:
        """Number of completed steps."""
        return len(self.losses) - 1

    @property
    def loss_final(self) -> float:
        """The lowest loss, which the parameters returned have."""
        return min(self.losses)

    @property
    def step_best(self) -> int:
        """After how many steps the lowest loss was found."""
        return self.losses.index(self.loss_final)

    def __repr__(self) -> str:
        """Return the type and its fields, arrays by their shape and dtype."""
        shown = (f"{f.name}={self._shown(getattr(self, f.name))}" for f in dataclasses.fields(self))
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        course = f"{count(self.steps)}, from {self.losses[0]:.4g} to {self.loss_final:.4g}"
        return card(self, {"losses": course}, **dict(self.thumbnails))

    @staticmethod
    def _shown(value: object) -> str:
        if isinstance(value, list) and value and isinstance(value[0], float):
            return f"<{len(value)} of {value[0]:.4g} to {min(value):.4g}>"
        return summary(value)


def still_falls(run: Run) -> bool:
    """Whether the last tenth of the steps brought more than 1 % of what all have brought."""
    before, best = min(run.losses[: -max(run.steps // 10, 1)], default=0.0), run.loss_final
    return run.steps > 0 and before - best > 0.01 * (run.losses[0] - best)


def part(error: float) -> str:
    """Say a relative error or deviation: in per cent, and from one on as a multiple."""
    if error < 1:
        return f"{100 * error:.3g}%"
    return f"{error:.3g} times" if error < 100 else f"{error:.0f} times"


def count(steps: int) -> str:
    """Say a number of steps."""
    return f"{steps} step{'' if steps == 1 else 's'}"
