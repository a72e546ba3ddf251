"""Schedules: functions from the step, counted from 0, to a learning rate or step size."""

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from optim._settings import finite, function, integer

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


def cosine_schedule(start: float, end: float, steps: int) -> Schedule:
    """Make a schedule that goes along half a period of a cosine from one value to another.

    At step ``t = 0, 1, ...`` the value is ::

        end + (start - end) * (1 + cos(pi * min(t, steps) / steps)) / 2

    ``optax.cosine_decay_schedule`` has the same values with ``alpha=end / start``, and
    ``torch.optim.lr_scheduler.CosineAnnealingLR`` up to step `steps` with ``eta_min=end``.

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

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR
    2017, equation 5, without restarts.

    Examples
    --------
    >>> import optim
    >>> rate = optim.cosine_schedule(1.0, 0.0, steps=4)
    >>> [round(rate(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    call = "cosine_schedule"
    start, end = finite(call, "start", start), finite(call, "end", end)
    return partial(_on_cosine, start, end, integer(call, "steps", steps, least=1))


def _on_cosine(start: float, end: float, steps: int, t: int) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2


def step_schedule(start: float, factor: float, every: int) -> Schedule:
    """Make a schedule that is multiplied by a factor every so many steps.

    At step ``t = 0, 1, ...`` the value is ::

        start * factor ** (t // every)

    ``torch.optim.lr_scheduler.StepLR`` has the same values with ``step_size=every`` and
    ``gamma=factor``, and so has ``optax.exponential_decay`` with ``staircase=True``.

    Parameters
    ----------
    start : float
        The value at step 0.
    factor : float
        The factor.
    every : int
        Number of steps with the same value, at least 1.

    Returns
    -------
    callable
        The schedule, ``step -> value``.

    Raises
    ------
    ValueError
        If `start` or `factor` is not finite, or `every` is less than 1.

    Examples
    --------
    >>> import optim
    >>> rate = optim.step_schedule(1.0, 0.5, every=2)
    >>> [rate(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    call = "step_schedule"
    start, factor = finite(call, "start", start), finite(call, "factor", factor)
    return partial(_in_steps, start, factor, integer(call, "every", every, least=1))


def _in_steps(start: float, factor: float, every: int, t: int) -> float:
    return start * factor ** (t // every)


def warmup_schedule(schedule: Schedule, steps: int, start: float = 0.0) -> Schedule:
    """Make a schedule that goes along a line to the first value of another, and then follows it.

    At step ``t = 0, 1, ...`` the value is ::

        start + (schedule(0) - start) * t / steps      for t < steps
        schedule(t - steps)                            from t = steps on

    ``optax.warmup_cosine_decay_schedule`` has the same values if `schedule` is a cosine; its
    `decay_steps` include the warm-up.

    Parameters
    ----------
    schedule : callable
        The schedule that follows, ``step -> value``.
    steps : int
        Number of steps until it begins, at least 1.
    start : float
        The value at step 0.

    Returns
    -------
    callable
        The schedule, ``step -> value``.

    Raises
    ------
    TypeError
        If `schedule` cannot be called.
    ValueError
        If `start` is not finite, or `steps` is less than 1.

    Examples
    --------
    >>> import optim
    >>> rate = optim.warmup_schedule(optim.linear_schedule(1.0, 0.0, steps=4), steps=2)
    >>> [rate(t) for t in range(8)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    call = "warmup_schedule"
    function(call, "schedule", schedule)
    steps = integer(call, "steps", steps, least=1)
    return partial(_after_warmup, schedule, steps, finite(call, "start", start))


def _after_warmup(schedule: Schedule, steps: int, start: float, t: int) -> float:
    if t >= steps:
        return schedule(t - steps)
    return start + (schedule(0) - start) * t / steps
