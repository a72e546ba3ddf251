"""The loop: evaluate, check, step, project, remember."""

import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._stationarity import check_tolerance, is_stationary
from optim._tree import (
    Array,
    Params,
    Projection,
    apply_projection,
    check_gradient,
    check_projection,
    copied,
    describe,
    is_array,
    leaves,
)
from optim.optimizers import Optimizer


class Result(NamedTuple):
    """What `minimize` and the solvers return.

    Attributes
    ----------
    params : array or dict of str to array
        The parameters after the last completed step. Those of `minimize` come after its last
        update, and have not been evaluated; those of a solver have the last loss of
        `history`.
    history : list of float
        The loss of each completed step: with `minimize`, at the parameters before its
        update.
    state : NamedTuple
        The optimiser's state after the last completed step.
    best_params : array or dict of str to array
        The parameters at which the lowest loss of `history` was found.
    best_value : float
        The lowest loss of `history`; infinite if there is none.
    steps : int
        Number of completed steps, the length of `history`.
    interrupted : bool
        Whether a KeyboardInterrupt ended the loop.
    converged : bool
        Whether the loop ended because a tolerance was met.
    """

    params: Params
    history: list[float]
    state: Any
    best_params: Params
    best_value: float
    steps: int
    interrupted: bool
    converged: bool


class NonFiniteError(FloatingPointError):
    """A loss or gradient is NaN or infinite.

    Parameters
    ----------
    message : str
        At which step, and what.
    result : Result
        What there is from the steps before it.

    Attributes
    ----------
    result : Result
        What there is from the steps before it.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


def minimize(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    optimizer: Optimizer,
    *,
    steps: int,
    project: Projection | None = None,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
) -> Result:
    """Minimise a real function of the parameters by steps of an optimiser.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``. The value is a number or a real
        array of no dimensions; the gradient is like the parameters, and for complex ones
        ``dL/dRe + i dL/dIm``. It must not modify the parameters.
    params : array or mapping of str to array
        Where to start. Neither modified nor projected: the first loss is that of the
        parameters as given.
    optimizer : Optimizer
        What makes the steps, such as ``optim.adam(1e-3)``.
    steps : int
        Number of steps, not negative.
    project : callable or mapping of str to callable, optional
        Applied to the parameters after each update; where they are a mapping, a mapping of
        projections by name leaves the other arrays alone.
    tolerance : float
        The loop ends, without an update, where `projected_gradient_norm` is not above this:
        the norm of the gradient, where nothing is projected. 0 asks for no such test, which
        costs one projection for each step.
    callback : callable, optional
        ``callback(step, value, params)`` after each completed step, with the parameters at
        which the value was found, those before the update. The loop stops if it returns a
        true value.
    progress : bool
        Whether to show a progress bar with the loss. Needs tqdm.

    Returns
    -------
    Result
        The last and the best parameters, the losses and the optimiser's state. After a
        KeyboardInterrupt, those of the last completed step.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite. Has the result so far as `result`.
    ValueError
        If the loss is no scalar, the gradient is not like the parameters, `project` has a
        name that they have not, or `steps` or `tolerance` is negative.
    TypeError
        If the loss is no real number or a parameter is no floating-point array.
    ImportError
        If `progress` is asked for and tqdm is missing.

    Notes
    -----
    The finiteness of a gradient costs one reduction per array and step; this and the loss
    are all that the loop brings from the device.

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
            f"wanted an Optimizer, as optim.adam(1e-3) returns"
        )
        raise TypeError(msg)
    if project is not None:
        check_projection(project, params)
    tolerance = check_tolerance("minimize", tolerance)

    def advance(result: Result) -> Step:
        p = result.params
        loss, gradient = evaluated("minimize", value_and_grad, p, result)
        if is_stationary(p, gradient, project, tolerance):
            return Step(loss, p, p, result.state, converged=True)
        new, state = optimizer.unchecked_update(gradient, result.state, p)
        if project is not None:
            new = projected(project, new, p)
        return Step(loss, p, new, state)

    return run("minimize", advance, params, optimizer.init(params), steps, callback, progress)


class Step(NamedTuple):
    """What a step found: its loss and where that is, what comes next, and if it is the last.

    It is the last if a tolerance was met, `converged`, or nothing is left to do, `last`.
    """

    loss: float
    at: Params
    params: Params
    state: Any
    last: bool = False
    converged: bool = False


def run(
    caller: str,
    advance: Callable[[Result], Step],
    params: Params,
    state: Any,
    steps: int,
    callback: Callable[[int, float, Params], object] | None,
    progress: bool,
) -> Result:
    """Advance until the steps are done, one is the last, or somebody stops it."""
    steps = operator.index(steps)
    if steps < 0:
        msg = f"{caller}: steps is {steps}; wanted 0 or more"
        raise ValueError(msg)
    history: list[float] = []
    # All that a step changes is in this one tuple, replaced by one assignment: wherever an
    # interrupt falls, what is found is a completed step.
    result = Result(params, history, state, params, math.inf, 0, False, False)
    with _progress_bar(caller, steps) if progress else nullcontext() as show:
        try:
            for step in range(steps):
                loss, at, new, state, last, converged = advance(result)
                best_params = at if loss < result.best_value else result.best_params
                best_value = min(loss, result.best_value)
                history.append(loss)
                result = Result(
                    new, history, state, best_params, best_value, step + 1, False, converged
                )
                if show is not None:
                    show(loss)
                asked = callback is not None and callback(step, loss, at)
                if asked or last or converged:
                    break
        except KeyboardInterrupt:
            # The interrupt may have come after the append and before the assignment.
            result = result._replace(history=history[: result.steps], interrupted=True)
    return result


def evaluated(
    caller: str, value_and_grad: Callable[[Params], Any], params: Params, result: Result
) -> tuple[float, Params]:
    """Return loss and gradient, if they are what was asked for and finite."""
    value, gradient = _pair(caller, value_and_grad(params))
    loss = _loss(value)
    check_gradient(gradient, params)
    fault = _non_finite(loss, gradient)
    if fault:
        msg = f"{caller}: at step {result.steps} {fault}; wanted finite values"
        raise NonFiniteError(msg, result)
    return loss, gradient


def projected(projection: Projection, params: Params, like: Params) -> Params:
    """Project, check that what comes is like the parameters, and copy it, for keeps."""
    new = apply_projection(projection, params)
    check_gradient(new, like, "what the projection returned")
    return copied(new)


def _pair(caller: str, returned: Any) -> tuple[float | Array, Params]:
    """Return what `value_and_grad` returned, if it is a pair."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        msg = (
            f"{caller}: value_and_grad returned {describe(returned)}; wanted the pair "
            f"(value, gradient)"
        )
        raise TypeError(msg)
    return returned[0], returned[1]


def _loss(value: float | Array) -> float:
    """Give the loss as a number, brought from the device if it is an array."""
    if isinstance(value, (int, float)):
        return float(value)
    if not is_array(value):
        msg = f"the loss is {describe(value)}; wanted a real number"
        raise TypeError(msg)
    if value.shape != ():
        msg = f"the loss is {describe(value)}; wanted a number or an array of no dimensions"
        raise ValueError(msg)
    if not array_namespace(value).isdtype(value.dtype, ("real floating", "integral")):
        msg = f"the loss is {describe(value)}; wanted a real number"
        raise TypeError(msg)
    return float(value)


def _non_finite(loss: float, gradient: Params) -> str:
    """Say what is not finite; nothing if all is."""
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    for of, g in leaves(gradient):
        xp = array_namespace(g)
        finite = xp.isfinite(g)
        if not bool(xp.all(finite)):
            size = math.prod(g.shape)
            count = size - int(xp.count_nonzero(finite))
            return f"the gradient{of} is not finite in {count} of {size} entries"
    return ""


@contextmanager
def _progress_bar(caller: str, steps: int) -> Iterator[Callable[[float], object]]:
    """Show a progress bar; the function given counts one step and shows its loss."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        msg = f'{caller}: progress=True needs tqdm, which comes with: pip install "nufftlib[app]"'
        raise ImportError(msg) from error

    with tqdm(total=steps) as bar:

        def show(loss: float) -> None:
            # tqdm alone decides when to draw: most steps only count.
            bar.set_postfix_str(f"loss {loss:.6g}", refresh=False)
            bar.update()

        yield show
