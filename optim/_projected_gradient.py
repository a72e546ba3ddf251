"""Projected gradient descent, with a given step size or a line search."""

from collections.abc import Callable
from typing import NamedTuple

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
from optim._stationarity import check_tolerance
from optim._tree import Array, Params, Projection, check_parameters, check_projection, inner
from optim.optimizers import as_schedule
from optim.schedules import Schedule

GROWTH = 1.25  # three steps of growth make up for one halving; few trials fail


class ProjectedGradientState(NamedTuple):
    """State of `projected_gradient`: number of steps, last point, next step size."""

    step: int
    point: Point | None
    step_size: float


def projected_gradient(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    projection: Projection,
    *,
    steps: int,
    step_size: float | Schedule | None = None,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise on a convex set by gradient steps, each projected back to the set.

    With the gradient `g`, the step size `a` and the projection `P`, ::

        p+ = P(p - a g)

    A given `a` stays as it is; on a convex function whose gradient has the Lipschitz
    constant `L`, any fixed ``a < 2 / L`` converges. Otherwise `a` is halved until ::

        f(p+) <= f(p) + <g, p+ - p> + |p+ - p|^2 / (2 a)

    After a step without a halving `a` grows by a quarter.

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
        Number of points at most, the projected start included. Each point and each halving
        costs one evaluation. The first step size costs one more, or some if `f` is much steeper
        there.
    step_size : float or callable, optional
        The step size `a`, or a schedule ``step -> a``, where the steps count from 0.
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
        `history` has the value at each point; `params` is the last point. A
        KeyboardInterrupt ends the loop at the last point that was evaluated.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite at the start, with a given step size, or at
        the last trial of a step, however short. Has the result so far as `result`.
    ValueError
        If the loss is not a scalar, the gradient is not like the parameters, `projection` has
        a name that the parameters lack, or a number is out of its range.
    TypeError
        If the loss is not a real number or a parameter is not a floating-point array.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    Near the minimum the decrease of `f` is below its rounding. If the value of a trial equals
    ``f(p)`` up to rounding, its gradient `g+` decides, since ``g+ - g`` keeps its digits: the
    trial is accepted if ``<g+ - g, p+ - p> <= |p+ - p|^2 / a``, which is the same condition
    on a quadratic. If no trial passes, or none moves, the loop ends. A trial is rejected as
    too far if its value or gradient is not finite. A first trial that rounds to `p` is too
    short: `a` grows tenfold until it moves `p`, up to a step as long as `p`.

    References
    ----------
    E. S. Levitin and B. T. Polyak, "Constrained minimization methods", USSR Computational
    Mathematics and Mathematical Physics 6(5), 1966.

    A. Beck and M. Teboulle, "Gradient-based algorithms with applications to signal
    recovery", in "Convex optimization in signal processing and communications", Cambridge
    University Press, 2009.

    W. W. Hager and H. Zhang, "A new conjugate gradient method with guaranteed descent and an
    efficient line search", SIAM Journal on Optimization 16, 2005 (the test by gradients).

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([2.0, 0.3])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum((x - c) ** 2), x - c
    >>> result = optim.projected_gradient(
    ...     value_and_grad, np.zeros(2), optim.projections.simplex(), steps=50, tolerance=1e-9
    ... )
    >>> result.params, result.converged
    (array([1., 0.]), True)
    """
    call = "projected_gradient"
    check_parameters(call, params)
    check_projection(call, projection, params)
    tolerance = check_tolerance(call, tolerance)
    rate = None if step_size is None else as_schedule(call, "step_size", step_size)

    objective = Objective(call, value_and_grad)

    def start() -> Step:
        point = objective.at(project(params))
        return reached(point, 1, rate(0) if rate else first_step_size(objective, point, project))

    def advance(result: Result) -> Step:
        step, point, a = result.state
        if rate:
            return reached(objective.at(down(point, a)), step + 1, rate(step))
        found = search(point, a)
        return stuck(result) if found is None else reached(found[0], step + 1, found[1])

    def reached(point: Point, step: int, a: float) -> Step:
        return arrived(point, ProjectedGradientState(step, point, a), projection, tolerance)

    def project(p: Params) -> Params:
        return projected(call, projection, p, params)

    def down(point: Point, a: float) -> Params:
        return project(moved(point.params, -a, point.gradient))

    def search(point: Point, a: float) -> tuple[Point, float] | None:
        """Return the next point and the step size of its first trial."""
        p, f, g = point
        a, q = lengthened(point, a, lambda a: down(point, a))
        new = None
        for trial in range(TRIALS):
            d = difference(q, p)
            d2 = inner(d, d)
            if d2 == 0:
                break
            new = objective.attempt(q)
            if isinstance(new, Point):
                hidden = new.value <= f + rounding(p) * abs(f)
                if new.value <= f + inner(g, d) + d2 / (2 * a) or (
                    hidden and inner(difference(new.gradient, g), d) <= d2 / a
                ):
                    return new, a if trial else clipped(GROWTH * a)
            a /= 2
            q = down(point, a)
        check_last_trial(new)
        return None

    nothing = ProjectedGradientState(0, None, 0.0)
    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "projection": projection,
        "step_size": step_size,
        "tolerance": tolerance,
    }
    return run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )
