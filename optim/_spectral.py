"""The spectral projected gradient method: step sizes from the last curvatures."""

from collections.abc import Callable
from typing import Any, NamedTuple

from optim._checkpoint import Checkpoint
from optim._evaluation import (
    TRIALS,
    Objective,
    Point,
    arrived,
    check_last_trial,
    clipped,
    difference,
    first_step_size,
    lengthened,
    moved,
    projected,
    rounding,
)
from optim._loop import Result, Step, run, stuck
from optim._settings import integer
from optim._stationarity import check_tolerance
from optim._tree import (
    Array,
    Params,
    Projection,
    check_parameters,
    check_projection,
    inner,
    norm,
)

DECREASE = 1e-4  # required part of the decrease that the slope predicts


class SpectralProjectedGradientState(NamedTuple):
    """State of `spectral_projected_gradient`.

    `values` are the last values and `shorts` the last short Barzilai-Borwein steps.
    `threshold` decides between a short and a long step, and `step_size` is the result.
    """

    step: int
    point: Point | None
    values: tuple[float, ...]
    step_size: float
    shorts: tuple[float, ...]
    threshold: float


def spectral_projected_gradient(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    projection: Projection,
    *,
    steps: int,
    memory: int = 10,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise on a convex set by projected gradient steps with Barzilai and Borwein's sizes.

    With the gradient `g`, the projection `P` and the step size `a`, ::

        d = P(p - a g) - p,        p+ = p + t d

    The factor `t` begins at 1 and shrinks until ``f(p+) <= max f + 1e-4 t <g, d>``, where
    ``max f`` is the largest of the last `memory` values. The next `a` is the inverse of a
    curvature along the step ``s = p+ - p``: with the change `y` of the gradient,
    ``<s, s> / <s, y>`` or ``<s, y> / <y, y>``.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``, the same as for `minimize`.
    params : array or mapping of str to array
        The start, which is not modified. The first point is its projection.
    projection : callable or mapping of str to callable
        The projection `P` of the parameters on a convex set. If the parameters are a mapping,
        it may be a mapping of projections by name; an array without one is free.
    steps : int
        Number of points at most, the projected start included. Each point costs one
        evaluation and two projections; each rejected trial costs one evaluation, and so does
        the first step size.
    memory : int
        Number of last values. A step has to improve on the largest of them; with 1 the values
        fall throughout.
    tolerance : float
        The loop ends at a point where `projected_gradient_norm` is at most this. The test
        costs one projection for each step; 0 omits it.
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
        `history` has the value at each point; `params` is the last point. Values may rise on
        the way; `best_params` is the point of the lowest. A KeyboardInterrupt ends the loop
        at the last point that was evaluated.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite at the start, or at the last trial of a
        step, however short. Has the result so far as `result`.
    ValueError
        If the loss is not a scalar, the gradient is not like the parameters, `projection` has
        a name that the parameters lack, or a number is out of its range.
    TypeError
        If the loss is not a real number or a parameter is not a floating-point array.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    The short step, ``<s, y> / <y, y>``, sees the largest curvatures, including curvatures
    across the set, along which nothing can move. For PSFs of sum one, that direction is the
    brightness of the image. So `y` is replaced by the change of the projected gradient
    ``(p - P(p - a g)) / a``, which equals `y` without a constraint (after Crisci and others).
    Bonettini's rule alternates between the two steps. If the ratio of short to long is below
    a threshold, the shortest of the last three short steps is taken and the threshold falls
    by a tenth; else the long step is taken and the threshold rises by a tenth.

    Values are compared up to their rounding. If no trial is accepted, or none moves, the loop
    ends. A trial is rejected as too far if its value or gradient is not finite. If
    ``P(p - a g)`` rounds to `p`, `a` grows tenfold until it does not, up to a step as long as
    `p`.

    References
    ----------
    E. G. Birgin, J. M. Martinez and M. Raydan, "Nonmonotone spectral projected gradient
    methods on convex sets", SIAM Journal on Optimization 10, 2000 (SPG2).

    J. Barzilai and J. M. Borwein, "Two-point step size gradient methods", IMA Journal of
    Numerical Analysis 8, 1988.

    S. Bonettini, R. Zanella and L. Zanni, "A scaled gradient projection method for
    constrained image deblurring", Inverse Problems 25, 2009.

    S. Crisci, F. Porta, V. Ruggiero and L. Zanni, "Spectral properties of Barzilai-Borwein
    rules in solving singly linearly constrained optimization problems subject to lower and
    upper bounds", SIAM Journal on Optimization 30, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> weight, c = np.asarray([1.0, 0.01, 100.0]), np.asarray([0.2, 0.9, 0.5])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum(weight * (x - c) ** 2), weight * (x - c)
    >>> result = optim.spectral_projected_gradient(
    ...     value_and_grad, np.zeros(3), optim.projections.simplex(), steps=50, tolerance=1e-9
    ... )
    >>> result.params.round(6), result.converged
    (array([0.19406 , 0.305999, 0.499941]), True)
    """
    call = "spectral_projected_gradient"
    check_parameters(call, params)
    check_projection(call, projection, params)
    tolerance = check_tolerance(call, tolerance)
    memory = integer(call, "memory", memory, least=1)

    objective = Objective(call, value_and_grad)
    nothing = SpectralProjectedGradientState(0, None, (), 0.0, (), 0.5)

    def start() -> Step:
        point = objective.at(project(params))
        a = first_step_size(objective, point, project)
        state = nothing._replace(step=1, point=point, values=(point.value,), step_size=a)
        return arrived(point, state, projection, tolerance)

    def advance(result: Result) -> Step:
        state, before = result.state, result.state.point
        a, q = lengthened(before, state.step_size, lambda a: down(before, a))
        state, d = state._replace(step_size=a), difference(q, before.params)
        found = search(state, q, d)
        if found is None:
            return stuck(result)
        d_found = difference(down(found, a), found.params)
        values = (*state.values, found.value)[-memory:]
        state = with_next_step_size(state, before, found, d, d_found)
        state = state._replace(step=state.step + 1, point=found, values=values)
        return arrived(found, state, projection, tolerance)

    def project(p: Params) -> Params:
        return projected(call, projection, p, params)

    def down(at: Point, a: float) -> Params:
        return project(moved(at.params, -a, at.gradient))

    def search(state: Any, q: Params, d: Params) -> Point | None:
        """Return the next point, at `q` or nearer."""
        p, f, g = state.point
        d2 = inner(d, d)
        if d2 == 0:
            return None
        # The projection implies <g, d> <= -|d|^2 / a; rounding of <g, d> may hide it.
        slope = min(inner(g, d), -d2 / state.step_size)
        bound = max(state.values) + rounding(p) * abs(f)
        t, at = 1.0, q  # the projection itself: p + (q - p) equals q up to rounding only
        new = None
        for _ in range(TRIALS):
            new = objective.attempt(at)
            if not isinstance(new, Point):
                t *= 0.1
            elif new.value <= bound + DECREASE * t * slope:
                return new
            else:
                # The minimum of the parabola through both values and the slope, clipped to
                # [t / 10, t / 2].
                bend = new.value - f - t * slope
                lowest = -slope * t * t / (2 * bend) if bend > 0 else t
                t = min(max(lowest, 0.1 * t), 0.5 * t)
            at = moved(p, t, d)
            if norm(difference(at, p)) == 0:
                break
        check_last_trial(new)
        return None

    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "projection": projection,
        "memory": memory,
        "tolerance": tolerance,
    }
    return run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )


def with_next_step_size(
    state: SpectralProjectedGradientState, before: Point, found: Point, d: Params, d_found: Params
) -> SpectralProjectedGradientState:
    """Set the step size by the curvature on the way from `before` to `found`.

    `d` and `d_found` are ``P(p - a g) - p`` at the two.
    """
    a = state.step_size
    s = difference(found.params, before.params)
    # a y instead of y: the square of y may underflow, while a y has the scale of p.
    ay = difference(d, d_found)
    s_ay, ay_ay = inner(s, ay), inner(ay, ay)
    if min(s_ay, ay_ay) <= 0:
        # No curvature, or rounding: go farther.
        return state._replace(step_size=clipped(10 * a))
    long, short = a * inner(s, s) / s_ay, a * s_ay / ay_ay
    shorts = (*state.shorts, short)[-3:]
    if short < state.threshold * long:
        a, threshold = min(shorts), 0.9 * state.threshold
    else:
        a, threshold = long, 1.1 * state.threshold
    return state._replace(step_size=clipped(a), shorts=shorts, threshold=threshold)
