"""ADMM: a quadratic function and a penalty of a linear map."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from optim._checkpoint import Checkpoint
from optim._conjugate_gradient import conjugate_gradient
from optim._lipschitz import noise_like
from optim._loop import NotFinite, Result, Step, run
from optim._penalties import Penalties, apply_prox, check_penalty, penalty_value
from optim._settings import finite, function, integer, positive
from optim._stationarity import check_tolerance
from optim._tree import Array, Params, check_alike, check_parameters, copied, inner, norm, tree_map

RELAXED = 1.6
"""Over-relaxation: Boyd et al. find 1.5 to 1.8 the best, section 3.4.3."""
APART, MOST = 5.0, 10.0
"""From which ratio of the two residuals on the coupling changes, and by which factor at most."""
SETTLED = 100
"""The step from which on it stays: the method is proven to converge with one that does."""


class ADMMState(NamedTuple):
    """State of `admm`.

    `split` is `z`, which is to become ``K x``; `dual` is the dual variable `u`; `forward` is
    ``K x``; `coupling` is that of the next step. `error` is the distance from the conditions of
    optimality.
    """

    step: int
    split: Params
    dual: Params
    forward: Params
    coupling: float
    error: float


def admm(
    gram: Callable[[Array], Array],
    rhs: Array,
    operator: Callable[[Array], Params],
    adjoint: Callable[[Params], Array],
    penalty_of_map: Penalties,
    *,
    steps: int,
    inner_steps: int = 10,
    coupling: float | None = None,
    guess: Array | None = None,
    constant: float = 0.0,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    r"""Minimise a quadratic function plus a penalty of a linear map.

    ``<x, H x> / 2 - <b, x> + h(K x)``, as of least squares, ``H = A^H A`` and ``b = A^H y``, by the
    alternating direction method of multipliers. From ``u = 0`` and ``z = K x``, with the
    coupling `c`, ::

        x  = (H + c K^H K)^-1 (b + K^H (c z - u))      conjugate gradients, from the last x
        v  = 1.6 K x - 0.6 z
        z+ = prox_h(v + u / c, 1 / c)
        u+ = u + c (v - z+)

    Parameters
    ----------
    gram : callable
        ``gram(x) -> H x``: linear, self-adjoint and positive semidefinite in the inner product
        ``Re sum conj(a) b``. `H` and `K` have no common null space, which is not checked: where
        `b` has a part in one, there is no minimum.
    rhs : array, real or complex
        `b`, of the shape and dtype of `x`.
    operator, adjoint : callable
        `K` and ``K^H``. ``K x`` is an array, or a mapping of name to array for a sum of penalties.
    penalty_of_map : Penalty or mapping of str to Penalty
        `h`, such as ``optim.proximal.group_soft_threshold(0.1, axes=-3)``.
    steps : int
        Number of points at most, the start included.
    inner_steps : int
        Steps of conjugate gradients for each `x`. Each costs one `H`, one `K` and one ``K^H``.
    coupling : float, optional
        `c` of the first step, positive. It decides the speed alone: after a step whose two
        residuals, each relative to the terms that it compares, are further apart than 5, it is
        multiplied by the root of their ratio, at most by 10, up to step 100. By default
        ``<v, H v> / <K v, K v>`` of white noise `v`: the ratio of the mean curvatures.
    guess : array, optional
        Where to start, by default zero.
    constant : float
        Added to the loss: ``<y, y> / 2`` makes it that of least squares.
    tolerance : float
        The loop ends at a point where the distance `error` from the conditions of optimality is
        at most this; see Notes. 0: never.
    callback : callable, optional
        ``callback(step, value, x)`` at each point. The loop stops if it returns a true value.
    progress : bool
        Whether to show a progress bar with the loss. Needs tqdm.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the loop may go on.

    Returns
    -------
    Result
        `history` has ``<x, H x> / 2 - <b, x> + h(K x) + constant`` at each point, which need not
        fall at each step; `params` is the last point. With a penalty that is infinite outside a
        set, ``K x`` is in the set in the limit alone.

    Raises
    ------
    NonFiniteError
        If a loss is NaN or infinite. Has the result so far as `result`.
    ValueError
        If ``<p, (H + c K^H K) p>`` is negative by more than rounding, arrays are not alike, or a
        number is out of its range.
    TypeError
        If a setting is of the wrong kind.
    ImportError
        If `progress` is true and tqdm is missing.

    See Also
    --------
    primal_dual : Any smooth function, and a penalty of `x` as well; no system to solve.

    Notes
    -----
    At the solution ``H x - b + K^H u = 0`` and ``K x`` is in ``dh*(u)``, with the conjugate `h*`.
    After each step ``z`` is in ``dh*(u)``, and `error` is
    ``sqrt(|H x - b + K^H u|^2 + |K x - z|^2)``, as for `primal_dual`: conjugate gradients that
    have not converged are told by it.

    Where `H` is ill-conditioned, as of few samples or many coils, ADMM needs far fewer steps than
    methods of gradients, each of which is as dear as all its inner steps.

    References
    ----------
    S. Boyd, N. Parikh, E. Chu, B. Peleato and J. Eckstein, "Distributed optimization and
    statistical learning via the alternating direction method of multipliers", Foundations and
    Trends in Machine Learning 3 (2011) 1-122.

    B. Wohlberg, "ADMM penalty parameter selection by residual balancing", arXiv 1704.06209 (2017)
    (residuals relative to their terms).

    Examples
    --------
    Denoise a jump by its total variation:

    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([0.0, 0.2, 1.0, 1.2])
    >>> result = optim.admm(
    ...     lambda x: x,
    ...     c,
    ...     lambda x: x[1:] - x[:-1],
    ...     lambda u: np.concatenate([-u[:1], u[:-1] - u[1:], u[-1:]]),
    ...     optim.proximal.soft_threshold(0.2),
    ...     steps=200,
    ...     tolerance=1e-8,
    ... )
    >>> result.params.round(6), result.converged
    (array([0.2, 0.2, 1. , 1. ]), True)
    """
    call = "admm"
    gram = function(call, "gram", gram)
    operator, adjoint = function(call, "operator", operator), function(call, "adjoint", adjoint)
    check_parameters(call, rhs)
    inner_steps = integer(call, "inner_steps", inner_steps, least=1)
    tolerance = check_tolerance(call, tolerance)
    constant = finite(call, "constant", constant)
    if coupling is not None:
        coupling = positive(call, "coupling", coupling)
    if guess is not None:
        check_alike(call, "guess", guess, rhs)

    def image(x: Array) -> Params:
        Kx = operator(x)
        check_parameters(call, Kx)
        return copied(Kx)

    def transposed(u: Params) -> Array:
        back = adjoint(u)
        check_alike(call, "K^H u", back, rhs)
        return copied(back)

    def first_coupling() -> float:
        v = noise_like(rhs, random.Random(0))
        curvature, length = inner(v, gram(v)), norm(image(v)) ** 2
        return curvature / length if curvature > 0 and length > 0 else 1.0

    def start() -> Step:
        x = 0.0 * rhs if guess is None else copied(guess)
        Hx = gram(x)
        check_alike(call, "H x", Hx, rhs)
        z = image(x)
        check_penalty(call, penalty_of_map, z)
        c = first_coupling() if coupling is None else coupling
        return arrived(x, Hx, ADMMState(1, z, tree_map(lambda z: 0.0 * z, z), z, c, math.inf))

    def advance(result: Result) -> Step:
        step, z, u, _, c, _ = result.state
        b = rhs + transposed(tree_map(lambda z, u: c * z - u, z, u))

        def system(x: Array) -> Array:
            return gram(x) + c * transposed(operator(x))

        solved = conjugate_gradient(system, b, result.params, steps=inner_steps, tolerance=0.0)
        if solved.interrupted:
            raise KeyboardInterrupt
        x, Kx = solved.params, image(solved.params)
        v = tree_map(lambda k, z: RELAXED * k + (1 - RELAXED) * z, Kx, z)
        new = apply_prox(penalty_of_map, tree_map(lambda v, u: v + u / c, v, u), 1 / c)
        check_alike(call, "the result of the proximal map", new, z)
        new = copied(new)
        u = tree_map(lambda u, v, n: u + c * (v - n), u, v, new)
        # what conjugate gradients left: r = b - H x - c K^H K x
        Hx = b - solved.state.residual - c * transposed(Kx)
        apart = norm(tree_map(lambda k, n: k - n, Kx, new)), max(norm(Kx), norm(new))
        changed = c * norm(transposed(tree_map(lambda n, z: n - z, new, z))), norm(transposed(u))
        after = c * balance(*apart, *changed) if step < SETTLED else c
        return arrived(x, Hx, ADMMState(step + 1, new, u, Kx, after, math.inf))

    def arrived(x: Array, Hx: Array, state: ADMMState) -> Step:
        loss = 0.5 * inner(x, Hx) - inner(rhs, x) + constant
        loss += penalty_value(penalty_of_map, state.forward)
        if not math.isfinite(loss):
            fault = f"the loss is {loss}"
            raise NotFinite(fault)
        slope = norm(Hx - rhs + transposed(state.dual))
        gap = norm(tree_map(lambda k, z: k - z, state.forward, state.split))
        # At the start z = K x and u = 0, of which the second is in no subdifferential.
        error = math.hypot(slope, gap) if state.step > 1 else math.inf
        return Step(loss, x, state._replace(error=error), converged=error <= tolerance)

    nothing = ADMMState(0, None, None, None, 0.0, math.inf)
    settings = {
        "gram": gram,
        "rhs": rhs,
        "operator": operator,
        "adjoint": adjoint,
        "penalty_of_map": penalty_of_map,
        "inner_steps": inner_steps,
        "coupling": coupling,
        "guess": guess,
        "constant": constant,
        "tolerance": tolerance,
    }
    return run(call, start, advance, rhs, nothing, steps, callback, progress, checkpoint, settings)


def balance(apart: float, size: float, changed: float, force: float) -> float:
    """Return the factor of the coupling that brings the two relative residuals together."""
    primal, dual = apart * force, changed * size
    if primal <= APART * dual and dual <= APART * primal:
        return 1.0
    ratio = math.sqrt(primal / dual) if dual > 0 else MOST
    return min(max(ratio, 1 / MOST), MOST)
