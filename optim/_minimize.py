"""Minimisation by an optimiser: evaluate, update, project, and again."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from optim._checkpoint import Checkpoint
from optim._evaluation import Objective, arrived, projected
from optim._loop import Result, Step, run
from optim._settings import function
from optim._stationarity import check_tolerance
from optim._tree import Array, Params, Projection, check_parameters, check_projection, describe
from optim.optimizers import Optimizer


class Descent(NamedTuple):
    """State of the loop: of the optimiser, and the gradient at the last point."""

    optimizer: Any
    gradient: Params


def minimize(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    optimizer: Optimizer,
    *,
    steps: int,
    project: Projection | None = None,
    tolerance: float = 0.0,
    until: Callable[[float, Params], object] | None = None,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise a real function of the parameters by steps of an optimiser.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``. The value is a number or a real
        array of no dimensions; the gradient is like the parameters, and for complex ones
        ``dL/dRe + i dL/dIm``. It must not modify the parameters.
    params : array or mapping of str to array
        The start, which is neither modified nor projected: the first loss of `history` is
        the loss of the parameters as given.
    optimizer : Optimizer
        The optimiser that makes the steps, such as ``optim.adam(1e-3)``.
    steps : int
        Number of updates at most, not negative. The start and each update cost one
        evaluation.
    project : callable or mapping of str to callable, optional
        The projection of the parameters after each update. If they are a mapping, it may be a
        mapping of projections by name; an array without one is free.
    tolerance : float
        The loop ends at a point where `projected_gradient_norm` is at most this; without a
        projection that number is the norm of the gradient. The test costs one projection for
        each point; 0 omits it.
    until : callable, optional
        ``until(value, params)`` at each point, after its evaluation: a true value says that the
        loop has converged, and ends it. From a checkpoint of such a loop no step is made any more,
        while one that a callback has ended goes on.
    callback : callable, optional
        ``callback(step, value, params)`` at each point, where `step` counts the updates
        before it: 0 at the start, `steps` at the end. The loop stops if it returns a true
        value.
    progress : bool
        Whether to show a progress bar with the loss. Needs tqdm.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the loop may go on.

    Returns
    -------
    Result
        `history` has the loss at the start and after each update; `params` is the last
        point. A KeyboardInterrupt ends the loop at the last point that was evaluated.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite. Has the result so far as `result`.
    ValueError
        If the loss is not a scalar, the gradient is not like the parameters, `project` has a
        name that the parameters lack, or `steps` or `tolerance` is negative.
    TypeError
        If the loss is not a real number or a parameter is not a floating-point array.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    The test that the gradient is finite costs one reduction per array and point. Its result
    and the loss are the only data that the loop brings from the device.

    Examples
    --------
    The point of the box nearest to `c`:

    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([2.0, 0.3])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum((x - c) ** 2), x - c
    >>> result = optim.minimize(
    ...     value_and_grad,
    ...     np.zeros(2),
    ...     optim.sgd(0.5),
    ...     steps=60,
    ...     project=optim.projections.box(-1.0, 1.0),
    ... )
    >>> result.params
    array([1. , 0.3])
    >>> result.history[:3]
    [2.045, 0.51125, 0.502...]

    SciPy's minimisers take the same function:

    >>> import scipy.optimize
    >>> scipy.optimize.minimize(
    ...     value_and_grad, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-1.0, 1.0)] * 2
    ... ).x
    array([1. , 0.3])
    """
    if not isinstance(optimizer, Optimizer):
        msg = (
            f"minimize: optimizer is {describe(optimizer)}; "
            f"want an Optimizer, as optim.adam(1e-3) returns"
        )
        raise TypeError(msg)
    check_parameters("minimize", params)
    if project is not None:
        check_projection("minimize", project, params)
    tolerance = check_tolerance("minimize", tolerance)
    if until is not None:
        function("minimize", "until", until, "a callable or None")

    objective = Objective("minimize", value_and_grad)
    state = optimizer.unchecked_init(params)

    def start() -> Step:
        return reached(params, state)

    def advance(result: Result) -> Step:
        before, gradient = result.state
        p, after = optimizer.unchecked_update(gradient, before, result.params)
        if project is not None:
            p = projected("minimize", project, p, result.params)
        return reached(p, after)

    def reached(p: Params, state: Any) -> Step:
        point = objective.at(p)
        step = arrived(point, Descent(state, point.gradient), project, tolerance)
        met = until is not None and until(point.value, p)
        return step._replace(converged=True) if met else step

    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "optimizer": optimizer,
        "project": project,
        "tolerance": tolerance,
        "until": until,
    }
    return run(
        "minimize",
        start,
        advance,
        params,
        Descent(state, None),
        steps,
        callback,
        progress,
        checkpoint,
        settings,
        first=0,
        shown=attrgetter("optimizer"),
    )
