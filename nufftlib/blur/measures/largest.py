r"""The largest of many values, of which noise lets one win.

It is too large on average. Of true values :math:`\mu_i` with estimates :math:`m_i` of deviation
:math:`s_i` let `k` be what the largest of their errors :math:`(m_i - \mu_i) / s_i` is below with
the probability `p`: then :math:`\max_i (m_i - k s_i)` is below :math:`\max_i \mu_i` at least so
often. Places whose true value cannot be the largest are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.blur.measures.known import SIDE


@dataclass(frozen=True)
class Largest:
    """The largest of values at many places.

    Parameters
    ----------
    values : ndarray, shape (places,)
        The values.
    noise : ndarray, shape (draws, places)
        Noise of all of them together.
    """

    values: Any
    noise: Any

    @cached_property
    def deviations(self) -> Any:
        """Standard deviations of the values, shape (places,)."""
        return np.std(self.noise, axis=0)

    @cached_property
    def errors(self) -> Any:
        """The largest error in each draw, in standard deviations, or zero; shape (draws,).

        Of the places whose value is lower than the largest by less than two deviations of the
        difference.
        """
        top = np.argmax(self.values)
        apart = np.std(self.noise - self.noise[:, [top]], axis=0)
        near = (self.values[top] - self.values <= SIDE * apart) & (self.deviations > 0)
        return np.max(self.noise[:, near] / self.deviations[near], axis=1, initial=0.0)

    def lift(self, part: float) -> Any:
        """Return by how much values may be too large, shape (places,), in a part of all cases."""
        return np.quantile(self.errors, part) * self.deviations

    @property
    def interval(self) -> tuple[float, float]:
        """What the largest true value lies between in 95 of 100 cases."""
        k = max(float(np.quantile(self.errors, 0.975)), SIDE)
        low = np.max(self.values - k * self.deviations)
        return float(low), float(np.max(self.values + SIDE * self.deviations))
