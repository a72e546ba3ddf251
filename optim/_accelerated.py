"""Accelerated proximal gradient descent; every point is feasible."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from optim._checkpoint import Checkpoint
from optim._evaluation import (
    TRIALS,
    Objective,
    Point,
    check_last_trial,
    clipped,
    difference,
    first_step_size,
    lengthened,
    moved,
    rounding,
)
from optim._loop import Result, Step, run, stuck
from optim._penalties import Penalties, apply_prox, check_penalty, penalty_value
from optim._settings import positive
from optim._stationarity import check_tolerance, is_stationary
from optim._tree import (
    Array,
    Params,
    check_alike,
    check_parameters,
    copied,
    inner,
    norm,
    tree_map,
)

FAR = 100  # times the inverse of the first curvature: later curvatures may be smaller
MARGIN = 1.05  # the largest curvature is above the curvatures seen
PATIENCE = 10  # trials of a step; a quadratic needs fewer
SHRINK = 10  # at most, for each trial: a trial too far off may see any curvature
GROWTH = 1.5  # at each restart


class AcceleratedProximalGradientState(NamedTuple):
    """State of `accelerated_proximal_gradient`.

    `point` is the last point, `y`. The next one lies on the way from `x` to `z`, at `weight`.
    """

    step: int
    point: Point | None
    x: Params
    z: Params
    weight: float
    step_size: float


def accelerated_proximal_gradient(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    penalty: Penalties,
    *,
    steps: int,
    step_size: float | None = None,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise a smooth function plus a penalty, with Nesterov's acceleration.

    With the gradient `g` of the smooth `f`, the step size `a`, and `t` from 1, ::

        y  = (1 - t) x + t z
        z+ = prox(z - (a / t) g(y), a / t)
        x+ = (1 - t) x + t z+
        t+ = 2 / (1 + sqrt(1 + 4 / t^2))

    The method restarts from ``x = z = x+`` with ``t = 1`` if the last step did not go
    downhill, ``<y - x+, x+ - x> >= 0``; and from ``x = z = y`` if ``f + penalty`` would rise.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)`` of `f`, the same as for `minimize`.
    params : array or mapping of str to array
        The start, which is not modified. The first point is the nearest one at which the
        penalty is finite.
    penalty : Penalty or mapping of str to Penalty
        The penalty, such as ``optim.proximal.soft_threshold(0.1)``. If the parameters are a
        mapping, it may be a mapping of penalties by name; an array without one is free.
    steps : int
        Number of points `y` at most, the start included. Each point, and each rejected
        trial, costs one evaluation of `f` and one proximal map. The first step size costs
        one evaluation more, or some if `f` is much steeper there.
    step_size : float, optional
        The step size `a`, which stays as it is. The inverse of `lipschitz`, with a margin, is
        safe. By default the method finds the step size on the way.
    tolerance : float
        The loop ends at a point where ``|prox(y - g, 1) - y|`` is at most this. With
        `optim.proximal.indicator` that number is `projected_gradient_norm`. The test costs
        one proximal map for each step; 0 omits it.
    callback : callable, optional
        ``callback(step, value, params)`` at each point. The loop stops if it returns a true
        value.
    progress : bool
        Whether to show a progress bar with the loss. Needs tqdm.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the loop may go on.

    Returns
    -------
    Result
        `history` has ``f + penalty`` at each point `y`; `params` is the last point. A
        KeyboardInterrupt ends the loop at the last point that was evaluated.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite at the start, with a given step size, or at
        the last trial of a step, however short. Has the result so far as `result`.
    ValueError
        If the loss is not a scalar, the gradient is not like the parameters, `penalty` has a
        name that the parameters lack, or a number is out of its range.
    TypeError
        If the loss is not a real number, a parameter is not a floating-point array, or
        `penalty` is not a penalty.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    By default a trial is rejected if the curvature between it and the last point,
    ``<g+ - g, y+ - y> / |y+ - y|^2``, is above ``1 / a`` by more than rounding. Then `a`
    becomes the inverse of that curvature, with a margin of a twentieth (more after ten
    trials), but shrinks to no less than a tenth. If the loss or the gradient is not finite
    at the trial, or if ``f + penalty`` rises by a step with ``t = 1``, `a` becomes a tenth.
    Rises below 1e-11 of the loss (4e-5 in single precision) count as rounding. If a step with
    ``t = 1`` rounds to nothing, `a` grows tenfold until it moves `y`, up to a step as long as
    `y`; if none moves, the loop ends.

    The first `a` is far too long, and each restart makes it longer by a half. So `a` fits the
    curvatures met on the way. Inside a set, and along a face of it, these can be far smaller
    than `lipschitz` says. They can be far larger, too: if `f` is much steeper at the start
    than elsewhere, the method is slow until it has restarted some times.

    Let `f` be convex with the Lipschitz constant `L`. The proof of the rate, ``f + penalty``
    within ``O(1 / (a k^2))`` of its minimum after `k` steps, needs ``a <= 1 / L``, or for
    each step ``f(x+) <= f(y) + <g, x+ - y> + |x+ - y|^2 / (2 a)``; and `a` may grow at
    restarts only. The curvatures seen replace this condition, without proof, and save the
    evaluation at ``x+``. One bound is certain: `a` does not fall below ``1 / (1.05 L)``, up
    to rounding, as long as no step needs more than ten trials.

    This is the second method in Tseng's survey, after Auslender and Teboulle. It is as fast
    as FISTA, which evaluates the gradient at ``x + b (x - x_before)``, outside the set. Here
    `x`, `y` and `z` are means of results of `prox`. So `f` need not be defined elsewhere,
    each loss of the history belongs to a feasible point, and none costs an evaluation of its
    own.

    References
    ----------
    A. Auslender and M. Teboulle, "Interior gradient and proximal methods for convex and
    conic optimization", SIAM Journal on Optimization 16, 2006.

    P. Tseng, "On accelerated proximal gradient methods for convex-concave optimization",
    University of Washington, 2008.

    B. O'Donoghue and E. Candes, "Adaptive restart for accelerated gradient schemes",
    Foundations of Computational Mathematics 15, 2015 (both restarts).

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([2.0, 0.3])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum((x - c) ** 2), x - c
    >>> result = optim.accelerated_proximal_gradient(
    ...     value_and_grad, np.zeros(2), optim.proximal.soft_threshold(0.5), steps=100,
    ...     tolerance=1e-9,
    ... )
    >>> result.params.round(6), result.converged
    (array([1.5, 0. ]), True)
    """
    call = "accelerated_proximal_gradient"
    check_parameters(call, params)
    check_penalty(call, penalty, params)
    tolerance = check_tolerance(call, tolerance)
    if step_size is not None:
        step_size = positive(call, "step_size", step_size)

    objective = Objective(call, value_and_grad)
    trial = objective.attempt if step_size is None else objective.at

    def prox(p: Params, step: float) -> Params:
        new = apply_prox(penalty, p, step)
        check_alike(call, "the result of the proximal map", new, params)
        return copied(new)  # the map may fill the same arrays again

    def start() -> Step:
        y = prox(params, 0.0)
        point = objective.at(y)
        a = step_size or FAR * first_step_size(objective, point, lambda p: prox(p, 0.0))
        return arrived(point, AcceleratedProximalGradientState(1, point, y, y, 1.0, a))

    def advance(result: Result) -> Step:
        state, before = result.state, result.state.point
        a, fixed, new = state.step_size, step_size is not None, None
        for k in range(1, TRIALS + 1):
            x, z, t = following(state, a)
            y = mean(x, z, t)
            if state.weight == 1 and not fixed and equal(y, before.params):
                # Too short, if it is the first trial of the step; else only rounding is left.
                a, y = lengthened(before, a, lambda a: down(before, a)) if k == 1 else (a, y)
                if equal(y, before.params):
                    break
                continue
            new = trial(y)
            curvature = math.inf  # unless the trial tells
            if isinstance(new, Point):
                steep = 0.0 if fixed else steeper(before, new, 1 / a)
                rises = not steep and risen(loss(new), result.history[-1], y)
                if rises and state.weight < 1:  # by its momentum, perhaps
                    state = state._replace(x=before.params, z=before.params, weight=1.0)
                    continue
                if fixed or not (rises or steep):
                    a = clipped(GROWTH * a) if t == 1 and not fixed else a
                    state = AcceleratedProximalGradientState(state.step + 1, new, x, z, t, a)
                    return arrived(new, state)
                curvature = steep or math.inf
            # If y+ - y = -a g and g+ vanishes far out, the curvature seen is 1 / a at every `a`
            # that is too long. So after some trials the margin has to grow.
            a = max(a / SHRINK, 1 / (MARGIN ** max(1, k - PATIENCE) * curvature))
        check_last_trial(new)
        return stuck(result)

    def down(point: Point, a: float) -> Params:
        return prox(moved(point.params, -a, point.gradient), a)

    def following(state: Any, a: float) -> tuple[Params, Params, float]:
        """Return the next `x`, `z` and `t`."""
        x, t, (y, _, g) = state.x, state.weight, state.point
        z = prox(moved(state.z, -a / t, g), a / t)
        new = mean(x, z, t)
        # 0: `z` has not moved, at a vertex; `x` on its way there would arrive in infinity.
        if inner(difference(y, new), difference(new, x)) >= 0:
            return new, new, 1.0
        return new, z, 2 / (1 + math.sqrt(1 + 4 / t**2))

    def arrived(point: Point, state: AcceleratedProximalGradientState) -> Step:
        y = point.params
        met = is_stationary(y, point.gradient, lambda p: prox(p, 1.0), tolerance)
        return Step(loss(point), y, state, converged=met)

    def loss(point: Point) -> float:
        return point.value + penalty_value(penalty, point.params)

    nothing = AcceleratedProximalGradientState(0, None, params, params, 1.0, 0.0)
    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "penalty": penalty,
        "step_size": step_size,
        "tolerance": tolerance,
    }
    return run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )


def mean(x: Params, z: Params, t: float) -> Params:
    """Return ``(1 - t) x + t z``."""
    return z if t == 1 else tree_map(lambda x, z: x + t * (z - x), x, z)


def equal(p: Params, q: Params) -> bool:
    """Return whether two points are the same, to the bit."""
    return norm(difference(p, q)) == 0


def risen(loss: float, before: float, params: Params) -> bool:
    """Return whether the loss is above the last one by more than the rounding of a long sum."""
    return loss > before + math.pow(rounding(params), 0.75) * abs(loss)


def steeper(before: Point, point: Point, L: float) -> float:
    """Return the curvature between two points if it is above `L` by more than rounding, else 0."""
    dy = difference(point.params, before.params)
    dg = difference(point.gradient, before.gradient)
    dy2, seen = inner(dy, dy), inner(dg, dy)
    doubt = rounding(dy) * norm(before.gradient) * math.sqrt(dy2)
    return seen / dy2 if seen > L * dy2 + doubt else 0.0
