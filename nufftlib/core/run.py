"""The course of an optimisation, returned by every job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nufftlib.core.arrays import summary


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

    @staticmethod
    def _shown(value: object) -> str:
        if isinstance(value, list) and value and isinstance(value[0], float):
            return f"<{len(value)} of {value[0]:.4g} to {min(value):.4g}>"
        return summary(value)


def count(steps: int) -> str:
    """Say a number of steps."""
    return f"{steps} step{'' if steps == 1 else 's'}"
