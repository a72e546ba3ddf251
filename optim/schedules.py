"""Schedules: functions from the step, counted from 0, to a learning rate or step size."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from optim._settings import finite, integer

Schedule: TypeAlias = Callable[[int], float]


def constant(value: float) -> Schedule:
    """Make a schedule that has the same value at every step.

    Parameters
    ----------
    value : float
        The value, finite.

    Returns
    -------
    callable
        The schedule, ``step -> value``.

    Raises
    ------
    ValueError
        If `value` is not finite.

    Examples
    --------
    >>> import optim
    >>> optim.constant(0.1)(1000)
    0.1
    """
    return partial(_same, finite("constant", "value", value))


def _same(value: float, _: int) -> float:
    return value


def linear_schedule(start: float, end: float, steps: int) -> Schedule:
    """Make a schedule that goes along a line from one value to another and stays there.

    At step ``t = 0, 1, ...`` the value is ::

        start + (end - start) * min(t, steps) / steps

    ``torch.optim.lr_scheduler.LinearLR`` has the same values with ``start_factor=1``,
    ``end_factor=end / start`` and ``total_iters=steps``.

    Parameters
    ----------
    start, end : float
        The value at step 0, and the value from step `steps` on.
    steps : int
        Number of steps from `start` to `end`, at least 1.

    Returns
    -------
    callable
        The schedule, ``step -> value``.

    Raises
    ------
    ValueError
        If `start` or `end` is not finite, or `steps` is less than 1.

    Examples
    --------
    >>> import optim
    >>> rate = optim.linear_schedule(1.0, 0.5, steps=2)
    >>> [rate(t) for t in range(4)]
    [1.0, 0.75, 0.5, 0.5]
    """
    start = finite("linear_schedule", "start", start)
    end = finite("linear_schedule", "end", end)
    return partial(_on_line, start, end, integer("linear_schedule", "steps", steps, least=1))


def _on_line(start: float, end: float, steps: int, t: int) -> float:
    return start + (end - start) * min(t, steps) / steps
