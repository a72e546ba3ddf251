"""What the solvers share: points that have been evaluated, and what rounding hides."""

from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._minimize import NonFiniteError, Result, Step, evaluated, projected
from optim._stationarity import is_stationary
from optim._tree import Params, Projection, copied, inner, leaves, tree_map
from optim._vectors import scaled

TRIALS = 60  # of a line search; what is left after these is rounding
STEP_SIZES = (1e-300, 1e300)


class Point(NamedTuple):
    """Parameters with their value and gradient."""

    params: Params
    value: float
    gradient: Params


def evaluate(
    caller: str, value_and_grad: Callable[[Params], Any], params: Params, result: Result
) -> Point:
    """Evaluate at `params`, for keeps: the function may fill the same arrays again."""
    value, gradient = evaluated(caller, value_and_grad, params, result)
    return Point(params, value, copied(gradient))


def attempt(
    caller: str, value_and_grad: Callable[[Params], Any], params: Params, result: Result
) -> Point | NonFiniteError:
    """Evaluate a trial. Where the loss or the gradient is not finite, give the error."""
    try:
        return evaluate(caller, value_and_grad, params, result)
    except NonFiniteError as error:
        return error


def arrived(point: Point, state: Any, projection: Projection, tolerance: float) -> Step:
    """Make the step that ends at `point`."""
    met = is_stationary(point.params, point.gradient, projection, tolerance)
    return Step(point.value, point.params, point.params, state, converged=met)


def stuck(result: Result) -> Step:
    """Make the last step, which stays where it is: no trial was better, to rounding."""
    after = result.state._replace(step=result.steps + 1)
    return Step(result.history[-1], result.params, result.params, after, last=True)


def check_last_trial(trial: Point | NonFiniteError | None) -> None:
    """Raise if it is not rounding that ended a search, since its last trial was not finite."""
    if isinstance(trial, NonFiniteError):
        raise trial


def first_step_size(
    caller: str,
    value_and_grad: Callable[[Params], Any],
    point: Point,
    projection: Projection,
    result: Result,
) -> float:
    """Give the inverse of the curvature towards ``P(p - t g)``.

    `t` fits the scales, or is smaller by the powers of 10 that make `f` finite there.
    """
    p, _, g = point
    t = clipped((largest(p) or 1.0) / (largest(g) or 1.0))
    for _ in range(TRIALS):
        q = projected(projection, moved(p, -t, g), p)
        new = attempt(caller, value_and_grad, q, result)
        if isinstance(new, Point):
            d = difference(q, p)
            dd, dy = inner(d, d), inner(d, difference(new.gradient, g))
            return clipped(dd / dy) if dy > 0 else t
        fault, t = new, t / 10
    raise fault


def largest(tree: Params) -> float:
    """Give the largest modulus of all entries."""
    return max(float(array_namespace(p).max(array_namespace(p).abs(p))) for _, p in leaves(tree))


def difference(a: Params, b: Params) -> Params:
    """Give ``a - b``."""
    return tree_map(lambda a, b: a - b, a, b)


def moved(p: Params, a: float, d: Params) -> Params:
    """Give ``p + a d``."""
    # In single precision `a` alone may be out of range where a d is not.
    return tree_map(lambda p, d: p + scaled(array_namespace(p), d, a), p, d)


def clipped(a: float) -> float:
    """Give the step size within what can be computed with."""
    return min(max(a, STEP_SIZES[0]), STEP_SIZES[1])


def rounding(params: Params) -> float:
    """Give the relative error that a sum in the precision of the parameters may have."""
    return 10 * max(float(array_namespace(p).finfo(p.dtype).eps) for _, p in leaves(params))
