"""An optimiser whose steps end with a projection that remembers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from optim._settings import function
from optim._tree import Params
from optim.optimizers import Optimizer


class ProjectedState(NamedTuple):
    """State of `projected`: of the optimiser, and of the projection."""

    optimizer: Any
    projection: Any


def projected(
    optimizer: Optimizer, project: Callable[[Params, Any], tuple[Params, Any]]
) -> Optimizer:
    """Project after each step of an optimiser, from where the projection before it ended.

    An iterative projection is quicker when it starts from its last solution. That solution is a
    part of the optimiser's state.

    Parameters
    ----------
    optimizer : Optimizer
        The optimiser that makes the steps.
    project : callable
        ``project(params, state) -> (projected_params, new_state)``; the state is None at first.

    Returns
    -------
    Optimizer
        The optimiser. Its state has the fields `optimizer` and `projection`.

    Raises
    ------
    TypeError
        If `optimizer` is no `Optimizer`, or `project` cannot be called.

    Notes
    -----
    A projection without a state is an argument of `minimize`, which knows it when it tests
    whether the loop has converged.

    Examples
    --------
    A projection that counts how often it was called:

    >>> import numpy as np
    >>> import optim
    >>> def positive(x, count):
    ...     return np.maximum(x, 0), (count or 0) + 1
    >>> descent = optim.projected(optim.sgd(1.0), positive)
    >>> result = optim.minimize(
    ...     lambda x: (np.sum(x**2) / 2, x), np.ones(2), descent, steps=3
    ... )
    >>> result.params, result.state.projection
    (array([0., 0.]), 3)
    """
    if not isinstance(optimizer, Optimizer):
        msg = f"projected: optimizer is a {type(optimizer).__name__}; want an Optimizer"
        raise TypeError(msg)
    function("projected", "project", project)
    return Optimizer(partial(_init, optimizer), partial(_update, optimizer, project))


def _init(optimizer: Optimizer, params: Params) -> ProjectedState:
    return ProjectedState(optimizer.unchecked_init(params), None)


def _update(
    optimizer: Optimizer,
    project: Callable[[Params, Any], tuple[Params, Any]],
    gradient: Params,
    state: ProjectedState,
    params: Params,
) -> tuple[Params, ProjectedState]:
    p, inner = optimizer.unchecked_update(gradient, state.optimizer, params)
    p, outer = project(p, state.projection)
    return p, ProjectedState(inner, outer)
