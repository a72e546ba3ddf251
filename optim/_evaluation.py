"""Points and their evaluation, shared by `minimize` and the solvers."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._loop import NotFinite, Step
from optim._settings import function
from optim._stationarity import is_stationary
from optim._tree import (
    Array,
    Params,
    Projection,
    apply_projection,
    check_alike,
    copied,
    describe,
    inner,
    is_array,
    leaves,
    norm,
    tree_map,
)
from optim._vectors import scaled

TRIALS = 60  # of a line search; after these only rounding is left
STEP_SIZES = (1e-300, 1e300)
STEEP = 8  # times the rise above the tangent: more is the change of slope of no parabola


class Point(NamedTuple):
    """Parameters with their value and gradient."""

    params: Params
    value: float
    gradient: Params


class Objective:
    """A caller's `value_and_grad`, whose results are checked. Messages begin with `call`."""

    def __init__(self, call: str, value_and_grad: Callable[[Params], Any]) -> None:
        self.call = call
        self.function = function(call, "value_and_grad", value_and_grad)

    def value_and_grad(self, params: Params) -> tuple[float, Params]:
        """Return the loss and the gradient; raise unless both are as documented and finite."""
        value, gradient = pair(self.call, self.function(params))
        loss = _loss(self.call, value)
        check_alike(self.call, "the gradient", gradient, params)
        fault = _non_finite(loss, gradient)
        if fault:
            raise NotFinite(fault)
        return loss, gradient

    def at(self, params: Params) -> Point:
        """Return the point at `params`, with a copy of the gradient's arrays."""
        value, gradient = self.value_and_grad(params)
        return Point(params, value, copied(gradient))  # the function may fill them again

    def attempt(self, params: Params) -> Point | NotFinite:
        """Return the point at `params`, a trial, or the fault if it is not finite."""
        try:
            return self.at(params)
        except NotFinite as fault:
            return fault


def projected(call: str, projection: Projection, params: Params, like: Params) -> Params:
    """Return a copy of the projection of `params`; raise unless it is like `like`."""
    new = apply_projection(projection, params)
    check_alike(call, "the result of the projection", new, like)
    return copied(new)


def arrived(point: Point, state: Any, projection: Projection | None, tolerance: float) -> Step:
    """Return the step that ends at `point`."""
    met = is_stationary(point.params, point.gradient, projection, tolerance)
    return Step(point.value, point.params, state, converged=met)


def check_last_trial(trial: Point | NotFinite | None) -> None:
    """Raise the fault of a search's last trial; a search that rounding ended has none."""
    if isinstance(trial, NotFinite):
        raise trial


def first_step_size(
    objective: Objective, point: Point, project: Callable[[Params], Params]
) -> float:
    """Return the inverse of the curvature towards ``P(p - t g)``."""
    t, d, y = first_trial(objective, point, project, point.gradient)
    dy = 0.0 if y is None else inner(d, y)
    return clipped(inner(d, d) / dy) if dy > 0 else t


def first_trial(
    objective: Objective, point: Point, project: Callable[[Params], Params], v: Params
) -> tuple[float, Params, Params | None]:
    """Return `t`, ``d = P(p - t v) - p``, and the change of the gradient there, if it is of use.

    `t` fits the scales of `p` and `v`. If `f` is not finite there, or so steep that it is no
    parabola on the way, a tenth of `t` is tried, and so on.
    """
    p, f, g = point
    t = natural_step_size(p, v)
    for _ in range(TRIALS):
        q = project(moved(p, -t, v))
        d = difference(q, p)
        new = objective.attempt(q)
        if isinstance(new, Point):
            y = difference(new.gradient, g)
            # On a parabola the value rises above the tangent by half of <d, y>, on x^8 by an
            # eighth; and f is compared up to its rounding.
            rise = new.value - f - inner(g, d)
            if inner(d, y) <= STEEP * (rise + rounding(p) * abs(f)) or new.value <= f:
                return t, d, y
        fault, t = new, t / 10
    if isinstance(fault, NotFinite):
        raise fault
    return t, d, None


def natural_step_size(p: Params, v: Params) -> float:
    """Return the step size that makes ``a v`` as long as `p`, entry by largest entry."""
    return clipped((largest(p) or 1.0) / (largest(v) or 1.0))


def lengthened(point: Point, a: float, stepped: Callable[[float], Params]) -> tuple[float, Params]:
    """Return the step size, which grows until ``stepped(a)`` is not `p`, and the point there.

    A step that rounds to nothing is too short. If one as long as `p` moves nothing, none does.
    """
    longest = natural_step_size(point.params, point.gradient)
    while True:
        q = stepped(a)
        if a >= longest or norm(difference(q, point.params)) > 0:
            return a, q
        a *= 10


def largest(tree: Params) -> float:
    """Return the largest modulus of all entries."""
    return max(float(array_namespace(p).max(array_namespace(p).abs(p))) for _, p in leaves(tree))


def difference(a: Params, b: Params) -> Params:
    """Return ``a - b``."""
    return tree_map(lambda a, b: a - b, a, b)


def moved(p: Params, a: float, d: Params) -> Params:
    """Return ``p + a d``."""
    # In single precision `a` alone may be out of range where a d is not.
    return tree_map(lambda p, d: p + scaled(array_namespace(p), d, a), p, d)


def clipped(a: float) -> float:
    """Return the step size, clipped to numbers that products can hold."""
    return min(max(a, STEP_SIZES[0]), STEP_SIZES[1])


def rounding(params: Params) -> float:
    """Return the relative error that a sum in the precision of the parameters may have."""
    return 10 * max(float(array_namespace(p).finfo(p.dtype).eps) for _, p in leaves(params))


def pair(call: str, returned: Any) -> tuple[float | Array, Params]:
    """Return the pair that `value_and_grad` returned; raise unless it is one."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        msg = (
            f"{call}: value_and_grad returned {describe(returned)}; want the pair (value, gradient)"
        )
        raise TypeError(msg)
    return returned[0], returned[1]


def _loss(call: str, value: float | Array) -> float:
    """Return the loss as a Python float; raise unless it is a real scalar."""
    if isinstance(value, (int, float)):
        return float(value)
    if not is_array(value):
        msg = f"{call}: the loss is {describe(value)}; want a real number"
        raise TypeError(msg)
    if value.shape != ():
        msg = f"{call}: the loss is {describe(value)}; want a number or an array of no dimensions"
        raise ValueError(msg)
    if not array_namespace(value).isdtype(value.dtype, ("real floating", "integral")):
        msg = f"{call}: the loss is {describe(value)}; want a real number"
        raise TypeError(msg)
    return float(value)


def _non_finite(loss: float, gradient: Params) -> str:
    """Return in words which part is not finite, or "" if all are finite."""
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
