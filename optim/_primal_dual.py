"""Primal-dual splitting: a smooth function, a penalty, and a penalty of a linear map."""

from collections.abc import Callable
from typing import NamedTuple

from optim._checkpoint import Checkpoint
from optim._evaluation import Objective, Point, moved
from optim._loop import Result, Step, run
from optim._penalties import Penalties, apply_prox, check_penalty, penalty_value
from optim._settings import function, not_negative, positive
from optim._stationarity import check_tolerance
from optim._tree import Array, Params, check_alike, check_parameters, copied, norm, tree_map


class PrimalDualState(NamedTuple):
    """State of `primal_dual`.

    `point` is the last point, `x`; `dual` is the dual variable `u`; `forward` and `backward`
    are ``K x`` and ``K^H u``. `error` is the distance from the conditions of optimality.
    """

    step: int
    point: Point | None
    dual: Params
    forward: Params
    backward: Params
    error: float


def primal_dual(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    penalty: Penalties,
    operator: Callable[[Params], Params],
    adjoint: Callable[[Params], Params],
    penalty_of_map: Penalties,
    *,
    curvature: float,
    norm_of_map: float,
    steps: int,
    step_size: float | None = None,
    dual: Params = None,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Params], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise a smooth function plus a penalty plus a penalty of a linear map.

    ``f(x) + g(x) + h(K x)``, with `f` of the gradient `F`, by Condat's and Vu's method. From `x`
    and ``u = 0``, with the step sizes `a` and ``b = (1 / a - L / 2) / |K|^2``, ::

        x+ = prox_g(x - a (F(x) + K^H u), a)
        v  = u + b K (2 x+ - x)
        u+ = v - b prox_h(v / b, 1 / b)

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)`` of `f`, the same as for `minimize`.
    params : array or mapping of str to array
        The start, which is not modified. The first point is the nearest one at which the
        penalty is finite.
    penalty : Penalty or mapping of str to Penalty
        `g`, such as ``optim.proximal.indicator(optim.projections.nonnegative())``, or
        ``optim.proximal.soft_threshold(0.0)`` for none. A mapping as for
        `accelerated_proximal_gradient`.
    operator, adjoint : callable
        `K` and ``K^H``, in the inner product ``Re sum conj(a) b``.
    penalty_of_map : Penalty or mapping of str to Penalty
        `h`, such as ``optim.proximal.group_soft_threshold(0.1, axes=-3)``.
    curvature : float
        The Lipschitz constant `L` of `F`, or a bound; 0 if `f` is linear. `lipschitz` estimates
        it from below.
    norm_of_map : float
        ``|K|``, the largest singular value of `K`, or a bound.
    steps : int
        Number of points at most, the start included. Each costs one evaluation of `f`, one of
        either proximal map, one `K` and one ``K^H``.
    step_size : float, optional
        The step size `a`, below ``2 / L``; by default ``1 / (L / 2 + |K| / 2)``. A larger `a`
        suits a small dual variable, as of small weights.
    dual : array or mapping of str to array, optional
        Where `u` starts, such as the `dual` of a state, by default 0.
    tolerance : float
        The loop ends at a point where the distance `error` from the conditions of optimality is
        at most this; see Notes. 0: never.
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
        `history` has ``f + g + h(K x)`` at each point, which need not fall at each step;
        `params` is the last point.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite. Has the result so far as `result`.
    ValueError
        If `step_size` is too large, arrays are not alike, or a number is out of its range.
    TypeError
        If a setting is of the wrong kind.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    At the solution ``0`` is in ``F(x) + dg(x) + K^H u`` and in ``dh*(u) - K x``, with
    subdifferentials `d` and the conjugate `h*`. After a step, the two sets contain ::

        r = (x - x+) / a + F(x+) - F(x) + K^H (u+ - u)
        s = (u - u+) / b + K (x+ - x)

    and `error` is ``sqrt(|r|^2 + |s|^2)``. A finite `h` with the Lipschitz constant `l` bounds
    the dual variable by `l`, and so the loss above the minimum by
    ``|r| |x+ - x*| + |s| |u+ - u*|``, for the solution `x*`, `u*`.

    `f` that is zero makes the method that of Chambolle and Pock.

    References
    ----------
    L. Condat, "A primal-dual splitting method for convex optimization involving Lipschitzian,
    proximable and linear composite terms", Journal of Optimization Theory and Applications 158,
    2013, algorithm 3.1 and theorem 3.1.

    A. Chambolle and T. Pock, "A first-order primal-dual algorithm for convex problems with
    applications to imaging", Journal of Mathematical Imaging and Vision 40, 2011.

    Examples
    --------
    Denoise a jump by its total variation:

    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([0.0, 0.2, 1.0, 1.2])
    >>> result = optim.primal_dual(
    ...     lambda x: (0.5 * np.sum((x - c) ** 2), x - c),
    ...     np.zeros(4),
    ...     optim.proximal.soft_threshold(0.0),
    ...     lambda x: x[1:] - x[:-1],
    ...     lambda u: np.concatenate([-u[:1], u[:-1] - u[1:], u[-1:]]),
    ...     optim.proximal.soft_threshold(0.2),
    ...     curvature=1.0, norm_of_map=2.0, steps=500, tolerance=1e-8,
    ... )
    >>> result.params.round(6), result.converged
    (array([0.2, 0.2, 1. , 1. ]), True)
    """
    call = "primal_dual"
    check_parameters(call, params)
    check_penalty(call, penalty, params)
    operator, adjoint = function(call, "operator", operator), function(call, "adjoint", adjoint)
    L = not_negative(call, "curvature", curvature)
    length = positive(call, "norm_of_map", norm_of_map)
    a = 2 / (L + length) if step_size is None else positive(call, "step_size", step_size)
    tolerance = check_tolerance(call, tolerance)
    b = (1 / a - L / 2) / length**2
    if not b > 0:
        msg = f"{call}: step_size is {a} and curvature is {L}; want step_size < 2 / curvature"
        raise ValueError(msg)
    objective = Objective(call, value_and_grad)

    def prox(p: Params, step: float) -> Params:
        new = apply_prox(penalty, p, step)
        check_alike(call, "the result of the proximal map", new, params)
        return copied(new)  # the map may fill the same arrays again

    def transposed(u: Params) -> Params:
        back = adjoint(u)
        check_alike(call, "K^H u", back, params)
        return copied(back)

    def start() -> Step:
        x = prox(params, 0.0)
        Kx = operator(x)
        check_parameters(call, Kx)
        Kx = copied(Kx)
        check_penalty(call, penalty_of_map, Kx)
        u = tree_map(lambda k: 0.0 * k, Kx) if dual is None else dual
        check_alike(call, "dual", u, Kx)
        return arrived(objective.at(x), u, Kx, transposed(u), None)

    def advance(result: Result) -> Step:
        _, point, u, Kx, Ku, _ = result.state
        x = point.params
        new = prox(moved(moved(x, -a, point.gradient), -a, Ku), a)
        Kn = copied(operator(new))
        v = tree_map(lambda u, n, k: u + b * (2 * n - k), u, Kn, Kx)
        w = apply_prox(penalty_of_map, tree_map(lambda v: v / b, v), 1 / b)
        un = tree_map(lambda v, w: v - b * w, v, w)
        return arrived(objective.at(new), un, Kn, transposed(un), result.state)

    def arrived(
        point: Point, u: Params, Kx: Params, Ku: Params, before: PrimalDualState | None
    ) -> Step:
        step, error = 1, float("inf")
        if before is not None and before.point is not None:
            step, error = before.step + 1, distance(point, u, Kx, Ku, before, before.point)
        loss = point.value + penalty_value(penalty, point.params)
        loss += penalty_value(penalty_of_map, Kx)
        state = PrimalDualState(step, point, u, Kx, Ku, error)
        return Step(loss, point.params, state, converged=error <= tolerance)

    def distance(
        point: Point, u: Params, Kx: Params, Ku: Params, before: PrimalDualState, last: Point
    ) -> float:
        r = tree_map(
            lambda x, n, g, m, k, j: (x - n) / a + (m - g) + (j - k),
            *(last.params, point.params, last.gradient, point.gradient, before.backward, Ku),
        )
        s = tree_map(lambda u, v, k, n: (u - v) / b + (n - k), before.dual, u, before.forward, Kx)
        return float((norm(r) ** 2 + norm(s) ** 2) ** 0.5)

    nothing = PrimalDualState(0, None, None, None, None, float("inf"))
    settings = {
        "value_and_grad": value_and_grad,
        "params": params,
        "penalty": penalty,
        "operator": operator,
        "adjoint": adjoint,
        "penalty_of_map": penalty_of_map,
        "curvature": L,
        "norm_of_map": length,
        "step_size": a,
        "dual": dual,
        "tolerance": tolerance,
    }
    return run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )
