"""Limited-memory BFGS, on a convex set if there is one."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._checkpoint import Checkpoint
from optim._evaluation import (
    TRIALS,
    Objective,
    Point,
    arrived,
    check_last_trial,
    clipped,
    difference,
    first_trial,
    largest,
    lengthened,
    moved,
    projected,
    rounding,
)
from optim._lbfgs_batch import minimize_each
from optim._lbfgs_constants import (
    DECREASE,
    FLATTER,
    FLOOR,
    HIDDEN,
    INNER_ACCURACY,
    INNER_STEPS,
    KEPT,
    STEEPNESS,
    UNSEEN,
)
from optim._loop import Result, Step, run, stuck
from optim._settings import flag, function, integer, some_axes
from optim._spectral import spectral_projected_gradient
from optim._stationarity import check_tolerance, step_norm
from optim._tree import (
    Array,
    Params,
    Projection,
    check_parameters,
    check_projection,
    copied,
    describe,
    inner,
    norm,
    tree_map,
)
from optim._vectors import Axes, scaled, vector_axes


class Pair(NamedTuple):
    """A step and the change of the gradient along it, each divided by ``sqrt(<s, y>)``."""

    s: Params
    y: Params


class LBFGSState(NamedTuple):
    """State of `lbfgs`: number of steps, last point, pairs from old to new.

    The first inverse matrix is ``step_size D``; `D` follows from `squares`, the `c` of the notes,
    and is the identity without them.
    """

    step: int
    point: Point | None
    pairs: tuple[Pair, ...]
    step_size: float
    squares: Params


def lbfgs(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    projection: Projection | None = None,
    *,
    steps: int,
    memory: int = 10,
    diagonal: bool = False,
    axes: Axes = None,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise by limited-memory BFGS, without a constraint or on a convex set.

    The last pairs of a step `s` and the change `y` of the gradient `g` along it make a model of
    the curvature: `B`, and its inverse `H`. From the point `p`, ::

        q = p - H g                                                    without a set, or
        q = argmin over the set of <g, q - p> + <q - p, B (q - p)> / 2
        p+ = p + t (q - p)

    The factor `t` begins at 1, and at most that on a set, where all points are then feasible.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``, the same as for `minimize`. With `axes`
        `value` is an array of the losses, one for each index of the other axes.
    params : array or mapping of str to array
        The start, which is not modified. The first point is its projection.
    projection : callable or mapping of str to callable, optional
        The projection of the parameters on a convex set. If the parameters are a mapping, it may
        be a mapping of projections by name; an array without one is free.
    steps : int
        Number of points at most, the start included. Each point and each rejected trial costs
        one evaluation; the first step size costs one more, or some if `f` is much steeper there.
        Where the set is in the way, a point also costs up to some hundred projections.
    memory : int
        Number of pairs. Each takes two arrays like the parameters.
    diagonal : bool
        Whether the matrix to which the pairs are applied has one number for each entry, see
        below, in place of one for all: where the gradients of entries differ by orders of
        magnitude, as with a k-space trajectory or with parameters of several units.
    axes : int or tuple of int, optional
        Axes that make one problem, of parameters that are one array; it holds a problem for each
        index of the others, each with a model, steps and an end of its own. As many evaluations
        are needed as the slowest of them takes alone. By default all axes make one.
    tolerance : float
        The loop ends at a point where `projected_gradient_norm` is at most this. With a
        projection, the test costs one for each step; 0 omits it. With `axes` each problem ends
        at such a point.
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
        `history` has the value at each point, which falls throughout up to its rounding; `params`
        is the last point. A KeyboardInterrupt ends the loop at the last point that was evaluated.
        With `axes` a step is an evaluation, as some problems then reach a point and others do
        not: `history` has the sum of the losses at the last points after each, and `converged`
        tells whether all problems met the tolerance.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite at the start, or at the last trial of a step,
        however short; with `axes` a problem stays where it is in the latter case. Has the result
        so far as `result`.
    ValueError
        If the loss is not a scalar, or with `axes` not of the shape of the other axes; the
        gradient is not like the parameters, `projection` has a name that the parameters lack, or
        a number is out of its range.
    TypeError
        If the loss is not a real number, a parameter is not a floating-point array, or `axes` is
        given for a mapping.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    `t` meets Wolfe's conditions, ``f(p+) <= f + 1e-4 t <g, d>`` and ``<g+, d> >= 0.9 <g, d>`` with
    ``d = q - p``; on a set ``t = 1`` need not meet the second. Near the minimum the decrease of
    `f` is below its rounding: if the values are equal up to that, ``<g+, d> <= -0.8 <g, d>`` takes
    the place of the first condition (Hager and Zhang). A trial is rejected as too far if its value
    or gradient is not finite. If no trial passes, the pairs are forgotten, and the search begins
    again along the gradient; if none passes then, or none moves, the loop ends.

    A pair whose ``<s, y>`` is not above ``|s| |y|`` times ten units of rounding is left out:
    the models stay positive definite. The model's minimum on a set is found by
    `spectral_projected_gradient`, from the projection of ``p - H g``, in 25 steps at most. If that
    is ``p - H g`` itself, it is the minimum.

    The first inverse matrix, to which the pairs are applied, is ``a D`` with
    ``a = <s, y> / <y, D y>`` of the last pair. `D` is the identity, or with `diagonal` ::

        D = diag((sqrt(c_i / max c) + 1e-4)^(-3/2))
        c_i = sum over points, the last of which is 0, of 0.9^n |g_i|^2 / max_j |g_j|^2

    Curvatures of entries are taken to rise with the size of their gradients: as its square, in
    the empirical Fisher matrix, or as its root mean square, in adaQN. The power 3/2 between these
    and the floor 1e-4 were chosen on one problem, a k-space trajectory.

    References
    ----------
    J. Nocedal and S. J. Wright, "Numerical optimization", 2nd edition, Springer, 2006, algorithms
    7.4 (both loops) and procedure 7.6 (the product by `B`).

    M. Schmidt, E. van den Berg, M. P. Friedlander and K. Murphy, "Optimizing costly functions with
    simple constraints: a limited-memory projected quasi-Newton algorithm", AISTATS 2009.

    W. W. Hager and H. Zhang, "A new conjugate gradient method with guaranteed descent and an
    efficient line search", SIAM Journal on Optimization 16, 2005.

    N. S. Keskar and A. S. Berahas, "adaQN: an adaptive quasi-Newton algorithm for training RNNs",
    ECML PKDD 2016 (the diagonal from squares of gradients, there to the power 1).

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> def rosenbrock(p):
    ...     x, y = p
    ...     r = y - x * x
    ...     return 100 * r**2 + (1 - x) ** 2, np.asarray([-400 * x * r - 2 * (1 - x), 200 * r])
    >>> start = np.asarray([-1.2, 1.0])
    >>> result = optim.lbfgs(rosenbrock, start, steps=100, tolerance=1e-8)
    >>> result.params.round(9), result.converged
    (array([1., 1.]), True)
    >>> box = optim.projections.box(-2.0, 0.5)
    >>> optim.lbfgs(rosenbrock, start, box, steps=100, tolerance=1e-8).params.round(9)
    array([0.5 , 0.25])

    Many problems at once, with the parameter `a` of each in place of 100:

    >>> a = np.asarray([1.0, 10.0, 100.0])
    >>> def rosenbrocks(p):
    ...     x, y = p[:, 0], p[:, 1]
    ...     r = y - x * x
    ...     slopes = [-4 * a * x * r - 2 * (1 - x), 2 * a * r]
    ...     return a * r**2 + (1 - x) ** 2, np.stack(slopes, axis=-1)
    >>> starts = np.broadcast_to(start, (3, 2))
    >>> optim.lbfgs(rosenbrocks, starts, steps=100, axes=-1, tolerance=1e-8).params.round(9)
    array([[1., 1.],
           [1., 1.],
           [1., 1.]])
    """
    call = "lbfgs"
    check_parameters(call, params)
    if projection is not None:
        check_projection(call, projection, params)
    tolerance = check_tolerance(call, tolerance)
    memory = integer(call, "memory", memory, least=1)
    diagonal = flag(call, "diagonal", diagonal)
    some = some_axes(call, axes)
    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "projection": projection,
        "memory": memory,
        "diagonal": diagonal,
        "axes": some,
        "tolerance": tolerance,
    }
    if some is not None:
        if isinstance(params, Mapping):
            msg = f"{call}: axes is {axes} and params is {describe(params)}; want one array"
            raise TypeError(msg)
        return minimize_each(
            call,
            function(call, "value_and_grad", value_and_grad),
            params,
            projection,
            vector_axes(call, some, params),
            steps=steps,
            memory=memory,
            diagonal=diagonal,
            tolerance=tolerance,
            callback=callback,
            progress=progress,
            checkpoint=checkpoint,
            settings=settings,
        )

    objective = Objective(call, value_and_grad)
    nothing = LBFGSState(0, None, (), 0.0, None)
    longest = math.inf if projection is None else 1.0

    def start() -> Step:
        point = objective.at(project(params))
        squares = relative_squares(point.gradient) if diagonal else None
        state = LBFGSState(1, point, (), 1.0, squares)
        t, d, y = first_trial(objective, point, project, weighted(state, point.gradient))
        if y is not None:
            ty = times(t, y)  # has the scale of d
            along, across = inner(d, ty), inner(ty, weighted(state, ty))
            t = clipped(t * along / across) if along > 0 else t
        state = state._replace(step_size=t)
        return arrived(point, state, projection, tolerance)

    def advance(result: Result) -> Step:
        state = result.state
        found = search(state)
        if found is None and state.pairs:
            state = state._replace(pairs=())
            found = search(state)
        if found is None:
            return stuck(result)
        state = with_pair(state, found, memory)._replace(step=state.step + 1, point=found)
        return arrived(found, state, projection, tolerance)

    def project(p: Params) -> Params:
        return copied(p) if projection is None else projected(call, projection, p, params)

    def goal(state: Any, B: Callable[[Params], Params] | None) -> Params:
        """Return `q`, the minimum of the model."""
        p, _, g = state.point
        v = inverse_product(state, g)
        free = moved(p, -1.0, v)
        q = project(free)
        if not state.pairs and norm(difference(q, p)) == 0:  # rounds to nothing: too short
            v = weighted(state, g)
            _, q = lengthened(state.point, state.step_size, lambda a: project(moved(p, -a, v)))
            return q
        simple = state.squares is None and not state.pairs
        if projection is None or B is None or simple or norm(difference(q, free)) == 0:
            return q
        return model_minimum(state, B, q, projection)

    def search(state: Any) -> Point | None:
        """Return the next point between `p` and `q`, or farther if there is no set."""
        p, f, g = state.point
        B = None if projection is None else hessian(state)
        at = goal(state, B)
        d = difference(at, p)
        slope = inner(g, d)
        if B is not None:
            # The minimum of the model implies this; rounding of <g, d> may hide it.
            slope = min(slope, -inner(d, B(d)) / 2)
        if not slope < 0:
            return None
        low, f_low, slope_low = 0.0, f, slope  # the lower end of the interval, and `lower` there
        t, high = 1.0, math.inf
        lower, new = None, None
        for trial in range(1, TRIALS + 1):
            new = objective.attempt(at)
            if not isinstance(new, Point):
                high, t = t, low + 0.1 * (t - low)
            else:
                slope_t, width = slope + inner(difference(new.gradient, g), d), t - low
                hidden = new.value <= f + rounding(p) * abs(f) and slope_t <= -HIDDEN * slope
                if hidden or new.value <= f + DECREASE * t * slope:
                    if slope_t >= FLATTER * slope or t >= longest:
                        return new
                    # The root of the slope along the secant, clipped.
                    bend = (slope_t - slope_low) / width
                    ahead = -slope_t / bend if bend > 0 else math.inf
                    room = (t, 9 * t) if high == math.inf else (0.1 * (high - t), 0.9 * (high - t))
                    low, f_low, slope_low, lower = t, new.value, slope_t, new
                    t += min(max(ahead, room[0]), room[1])
                else:
                    # The minimum of the parabola through both values and the slope, clipped.
                    high, bend = t, new.value - f_low - slope_low * width
                    ahead = -slope_low * width**2 / (2 * bend) if bend > 0 else width
                    t = low + min(max(ahead, 0.1 * width), 0.5 * width)
            at = moved(p, t, d)
            unseen = trial >= UNSEEN and -slope * t <= rounding(p) * abs(f)
            if t in (low, high) or unseen or norm(difference(at, p)) == 0:
                break
        if lower is None:
            check_last_trial(new)
        return lower

    return run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )


def with_pair(state: LBFGSState, found: Point, memory: int) -> LBFGSState:
    """Add the step to `found` to the pairs, and set the first matrix."""
    a, before = state.step_size, state.point
    assert before is not None
    if state.squares is not None:
        more = relative_squares(found.gradient)
        state = state._replace(squares=tree_map(lambda c, m: KEPT * c + m, state.squares, more))
    s = difference(found.params, before.params)
    # a y instead of y: the square of y may underflow, while a y has the scale of p.
    ay = times(a, difference(found.gradient, before.gradient))
    s_ay, s_s, ay_ay = inner(s, ay), inner(s, s), inner(ay, ay)
    if not s_ay > rounding(s) * math.sqrt(s_s * ay_ay):
        # No curvature, or rounding: go farther.
        return state._replace(step_size=clipped(10 * a)) if s_ay <= 0 else state
    root = math.sqrt(a) / math.sqrt(s_ay)  # the quotient may be out of range
    pair = Pair(times(root, s), times(root / a, ay))
    return state._replace(
        pairs=(*state.pairs, pair)[-memory:],
        step_size=clipped(a * s_ay / inner(ay, weighted(state, ay))),
    )


def relative_squares(g: Params) -> Params:
    """Return ``|g_i|^2 / max_j |g_j|^2``."""
    top = largest(g) or 1.0
    return tree_map(lambda g: array_namespace(g).abs(times(clipped(1 / top), g)) ** 2, g)


def weighted(state: LBFGSState, v: Params, power: int = -1) -> Params:
    """Return ``D v``, or ``D^-1 v`` for the power 1."""
    if state.squares is None:
        return v
    top = largest(state.squares) or 1.0
    return tree_map(
        lambda c, v: v * ((c / top) ** 0.5 + FLOOR) ** (power * STEEPNESS), state.squares, v
    )


def inverse_product(state: LBFGSState, v: Params) -> Params:
    """Return ``H v`` by both loops; pairs are scaled to ``<s, y> = 1``."""
    parts = []
    for s, y in reversed(state.pairs):
        parts.append(inner(s, v))
        v = moved(v, -parts[-1], y)
    v = times(state.step_size, weighted(state, v))
    for s, y in state.pairs:
        v = moved(v, parts.pop() - inner(y, v), s)
    return v


def hessian(state: LBFGSState) -> Callable[[Params], Params]:
    """Return ``v -> B v``, where ``B = B0 + sum_i y_i y_i^H - b_i b_i^H``.

    With the matrix ``B_i`` of the pairs before the pair ``i``,
    ``b_i = B_i s_i / sqrt(<s_i, B_i s_i>)``.
    """
    rows: list[tuple[Params, Params]] = []

    def applied(v: Params) -> Params:
        Bv = times(1 / state.step_size, weighted(state, v, power=1))
        for y, b in rows:
            Bv = moved(moved(Bv, inner(y, v), y), -inner(b, v), b)
        return Bv

    for s, y in state.pairs:
        Bs = applied(s)
        rows.append((y, times(1 / math.sqrt(inner(s, Bs)), Bs)))
    return applied


def model_minimum(
    state: LBFGSState, B: Callable[[Params], Params], start: Params, projection: Projection
) -> Params:
    """Return the minimum of the model on the set, from a point of the set."""
    assert state.point is not None
    p, f, g = state.point
    a = state.step_size

    def value_and_grad(q: Params) -> tuple[float, Params]:
        """Return ``a (f + m)``, rounded as `f` is, and its gradient, of the scale of `p`."""
        d = difference(q, p)
        Bd = B(d)
        slope = tree_map(lambda g, Bd: g + Bd, g, Bd)
        return a * (f + inner(g, d) + inner(Bd, d) / 2), times(a, slope)

    if value_and_grad(start)[0] > a * f:
        start = p
    accuracy = INNER_ACCURACY * step_norm(p, times(a, g), projection)
    result = spectral_projected_gradient(
        value_and_grad, start, projection, steps=INNER_STEPS, tolerance=accuracy
    )
    if result.interrupted:  # the loop of the model has caught what is for the outer one
        raise KeyboardInterrupt
    return result.params if result.converged else result.best_params


def times(a: float, v: Params) -> Params:
    """Return ``a v``, where `a` alone may be out of the range of single precision."""
    return tree_map(lambda v: scaled(array_namespace(v), v, a), v)
