"""Levenberg-Marquardt for many small problems at once; each block has its own damping."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._checkpoint import Checkpoint
from optim._evaluation import largest
from optim._loop import NotFinite, Result, Step, run
from optim._settings import function as checked
from optim._settings import number
from optim._stationarity import check_tolerance
from optim._tree import Array, check_alike, describe, is_array

DAMPING = (1e-12, 1e16)  # from Newton's step, up to rounding, to a step that moves nothing
GROWTH = 2.0**20


class LevenbergMarquardtState(NamedTuple):
    """State of `levenberg_marquardt`; each field but `step` has an entry for each block.

    `params` is the best point seen, with its `values`, `gradient` and `blocks`. `trial` is
    the next point to evaluate. `damping` is in units of `scale`, the largest curvature seen
    along each parameter; `growth` multiplies it if the trial is not better.
    """

    step: int
    params: Array
    values: Array
    gradient: Array
    blocks: Array
    damping: Array
    growth: Array
    scale: Array
    trial: Array


def levenberg_marquardt(
    function: Callable[[Array], tuple[Array, Array, Array]],
    params: Array,
    *,
    steps: int,
    damping: float = 1e-3,
    tolerance: float = 0.0,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise a sum of functions of a few parameters each, by damped Newton steps.

    The loss is ``sum_j f_j(p_j)``, where `f_j` depends on the vector `p_j` alone; for example,
    data at one point of a trajectory depend on that point alone. Each block `j` is a problem
    of its own. It has its own damping `mu`, its gradient `g`, its Hessian `H` or a
    substitute, and the largest diagonal `D` that `H` has shown. Its step is ::

        -(|H| + mu D)^-1 g

    A block whose loss does not fall stays at its point.

    Parameters
    ----------
    function : callable
        ``function(params) -> (values, gradient, blocks)``: the losses, shape
        ``params.shape[:-1]``; the gradient, like the parameters; the symmetric matrices `H`,
        shape ``(*params.shape, d)``. These may be exact Hessians, or semidefinite matrices
        such as Gauss-Newton's.
    params : array, shape (..., d), real floating point
        The start, one vector for each block; shape (d,) is a single problem.
    steps : int
        Number of evaluations of `function` at most, the start included.
    damping : float
        The first damping, in units of the curvature along each parameter: from 1e-6 at a
        start near the minimum to 1 at a start far from it.
    tolerance : float
        The loop ends, and `converged` of the result is true, when the next step would move
        no entry of the parameters farther than this; with 0, when it would move none.
    callback : callable, optional
        ``callback(step, loss, params)`` after each evaluation, with the best parameters so
        far and their loss. The loop stops if it returns a true value.
    progress : bool
        Whether to show a progress bar with the loss. Needs tqdm.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the loop may go on.

    Returns
    -------
    Result
        `params` and `best_params` are the best parameters seen, block by block. `history` is
        their loss after each evaluation, which never rises. `state` has the losses, gradient
        and matrices of the blocks there, as `values`, `gradient` and `blocks`. A
        KeyboardInterrupt ends the loop after the last completed evaluation.

    Raises
    ------
    NonFiniteError
        If the loss, gradient or matrix of a block is NaN or infinite at the start. At a later
        point the block does not take the step.
    TypeError
        If the parameters are not a real floating-point array.
    ValueError
        If the results of `function` have other shapes than those above, or a number is out of
        its range.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    The units of the parameters are free, and each parameter may have its own: `D` is the
    largest square of each column of More's Jacobian, if ``H = J^T J``. In units in which `D`
    is 1, `H` has the eigenvalues `h`, and ``|H| + mu D`` has ``|h| + mu``. The step is safe at
    a singular block, leads downhill at an indefinite one, and equals More's damped step at a
    semidefinite one. A parameter that has shown no curvature borrows the largest of its
    block, or that of the other blocks; if none has any, the gradient's length in units of the
    parameters' replaces it.

    The gain ratio of the actual to the predicted decrease sets the next damping, by
    Nielsen's rule (Madsen et al., section 2.4): ``mu max(1/3, 1 - (2 ratio - 1)^3)`` after an
    accepted step, and 2, then 4, then 8 times `mu` after rejected ones. A step that overflows
    counts as rejected. Since `D` does not shrink, the damping means the same after a passage
    through a flat region.

    There is no projection: a projected Newton step need not lead downhill (D. P. Bertsekas,
    SIAM J. Control Optim. 20 (1982) 221-246). A prior is a term of the function, such as
    ``rho |p - p0|^2 / 2``, which adds `rho` to the diagonal of `H`.

    References
    ----------
    K. Madsen, H. B. Nielsen and O. Tingleff, "Methods for non-linear least squares
    problems", 2nd edition, Technical University of Denmark, 2004, sections 2.4 and 3.2.

    J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", Numerical
    Analysis, Lecture Notes in Mathematics 630 (1978) 105-116.

    P. E. Gill, W. Murray and M. H. Wright, "Practical optimization", Academic Press, 1981,
    section 4.4.2, for ``|H|``.

    Examples
    --------
    Two blocks, each with a square root and a cube root, by Gauss-Newton:

    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([[2.0, 8.0], [9.0, 27.0]])
    >>> n = np.asarray([2, 3])
    >>> def function(p):
    ...     r, slope = p**n - c, n * p ** (n - 1)
    ...     values = 0.5 * np.sum(r * r, axis=-1)
    ...     return values, slope * r, slope[..., None] ** 2 * np.eye(2)
    >>> result = optim.levenberg_marquardt(function, np.ones((2, 2)), steps=30)
    >>> result.params
    array([[1.41421356, 2.        ],
           [3.        , 3.        ]])
    """
    call = "levenberg_marquardt"
    if not is_array(params) or not array_namespace(params).isdtype(params.dtype, "real floating"):
        msg = f"{call}: params is {describe(params)}; want a real floating-point array"
        raise TypeError(msg)
    if params.ndim < 1 or 0 in params.shape:
        msg = f"{call}: params is {describe(params)}; want the shape (..., d), not empty"
        raise ValueError(msg)
    checked(call, "function", function)
    damping, tolerance = number(call, "damping", damping), check_tolerance(call, tolerance)
    if not DAMPING[0] <= damping <= DAMPING[1]:
        msg = f"{call}: damping is {damping}; want {DAMPING[0]} <= damping <= {DAMPING[1]}"
        raise ValueError(msg)

    begin = started(params, damping)

    def start() -> Step:
        found = evaluated(function, begin)
        xp, finite = array_namespace(params), finite_blocks(found)
        if not bool(xp.all(finite)):
            bad, all_blocks = int(xp.count_nonzero(~finite)), math.prod(finite.shape)
            fault = f"the loss, gradient or matrix is not finite in {bad} of {all_blocks} blocks"
            raise NotFinite(fault)
        values, gradient, blocks = found
        return reached(begin._replace(values=values, gradient=gradient, blocks=blocks))

    def advance(result: Result) -> Step:
        return reached(judged(result.state, evaluated(function, result.state)))

    def reached(state: LevenbergMarquardtState) -> Step:
        xp = array_namespace(params)
        state = proposed(state._replace(step=state.step + 1))
        met = bool(xp.all(xp.abs(state.trial - state.params) <= tolerance))
        return Step(float(xp.sum(state.values)), state.params, state, converged=met)

    settings = {
        "function": function,
        "params": params,
        "damping": damping,
        "tolerance": tolerance,
    }
    result = run(
        call, start, advance, params, begin, steps, callback, progress, checkpoint, settings
    )
    # A block may have improved by less than the last digit of the sum.
    return result._replace(best_params=result.params)


def started(params: Array, damping: float) -> LevenbergMarquardtState:
    """Return the state before the first evaluation."""
    xp = array_namespace(params)
    zeros = xp.zeros_like(params)
    each = zeros[..., 0]
    return LevenbergMarquardtState(
        step=0,
        params=xp.asarray(params, copy=True),
        values=each,
        gradient=zeros,
        blocks=zeros[..., None] * zeros[..., None, :],
        damping=each + damping,
        growth=each + 2.0,
        scale=zeros,
        trial=xp.asarray(params, copy=True),
    )


def evaluated(
    function: Callable[[Array], Any], state: LevenbergMarquardtState
) -> tuple[Array, ...]:
    """Return values, gradient and blocks at the trial; raise unless they are as documented."""
    call, xp = "levenberg_marquardt", array_namespace(state.params)
    returned = function(xp.asarray(within(state), copy=True))
    if not isinstance(returned, tuple | list) or len(returned) != 3:
        msg = (
            f"{call}: function returned {describe(returned)}; want the three "
            f"(values, gradient, blocks)"
        )
        raise TypeError(msg)
    values, gradient, blocks = returned
    check_alike(call, "the array of values", values, state.values)
    check_alike(call, "the gradient", gradient, state.gradient)
    check_alike(call, "the array of blocks", blocks, state.blocks)
    # Copies: the function may write into its argument, and later into its results.
    return tuple(xp.asarray(a, copy=True) for a in (values, gradient, blocks))


def finite_blocks(found: tuple[Array, ...]) -> Array:
    """Return for each block whether its value, gradient and matrix are finite."""
    values, gradient, blocks = found
    xp = array_namespace(values)
    finite = xp.isfinite(values) & xp.all(xp.isfinite(gradient), axis=-1)
    return finite & xp.all(xp.isfinite(blocks), axis=(-2, -1))


def judged(state: LevenbergMarquardtState, found: tuple[Array, ...]) -> LevenbergMarquardtState:
    """Take the trial in the blocks where it is better, and set the damping by the gain."""
    xp = array_namespace(state.params)
    values, gradient, blocks = found
    step = within(state) - state.params
    change = xp.sum(state.blocks * step[..., None, :], axis=-1)
    predicted = -xp.sum(step * (state.gradient + 0.5 * change), axis=-1)
    actual = state.values - xp.where(finite_blocks(found), values, state.values)
    better = actual > 0

    # The ratio, at most 1: the rule is the same above. A step that rounds to uphill counts 0.
    credible = better & (predicted > 0)
    ratio = xp.where(credible, xp.minimum(actual, predicted), 0.0)
    ratio = ratio / xp.where(credible, predicted, 1.0)
    shrink = xp.maximum(1.0 - (2.0 * ratio - 1.0) ** 3, 1 / 3)
    damping = xp.clip(state.damping * xp.where(better, shrink, state.growth), *DAMPING)
    growth = xp.where(better, 2.0, xp.clip(2.0 * state.growth, 2.0, GROWTH))
    # A block that has not moved keeps its damping, but for one whose step was too long.
    moved = xp.any(state.trial != state.params, axis=-1)
    return state._replace(
        params=xp.where(better[..., None], state.trial, state.params),
        values=xp.where(better, values, state.values),
        gradient=xp.where(better[..., None], gradient, state.gradient),
        blocks=xp.where(better[..., None, None], blocks, state.blocks),
        damping=xp.where(moved, damping, state.damping),
        growth=xp.where(moved, growth, state.growth),
    )


def within(state: LevenbergMarquardtState) -> Array:
    """Return the trial; a block whose step overflows stays at its point."""
    xp = array_namespace(state.params)
    finite = xp.all(xp.isfinite(state.trial), axis=-1, keepdims=True)
    return xp.where(finite, state.trial, state.params)


def proposed(state: LevenbergMarquardtState) -> LevenbergMarquardtState:
    """Set the next trial, ``p - (|H| + mu D)^-1 g``.

    With ``S = D^(1/2)`` it is ``p - S^-1 (|S^-1 H S^-1| + mu)^-1 S^-1 g``.
    """
    xp = array_namespace(state.params)
    scale = xp.maximum(state.scale, diagonal(xp, state.blocks))
    S = xp.sqrt(lent(xp, scale, state))
    h, Q = xp.linalg.eigh(state.blocks / S[..., :, None] / S[..., None, :])
    stiffness = xp.abs(h) + state.damping[..., None]
    along = xp.sum(Q * (state.gradient / S)[..., :, None], axis=-2) / stiffness
    trial = state.params - xp.sum(Q * along[..., None, :], axis=-1) / S
    return state._replace(scale=scale, trial=trial)


def diagonal(xp: Any, H: Array) -> Array:
    """Return the curvature along each parameter, ``|H_ii|``; where that is 0, ``sum_j |H_ij|``."""
    along = xp.abs(xp.linalg.diagonal(H))
    return xp.where(along > 0, along, xp.sum(xp.abs(H), axis=-1))


def lent(xp: Any, scale: Array, state: LevenbergMarquardtState) -> Array:
    """Return `scale` with curvatures in place of zeros."""
    of_block = xp.max(scale, axis=-1, keepdims=True)
    of_all = float(xp.max(scale))
    if of_all == 0:  # a step of the length of p along g, as with a first step size
        of_all = (largest(state.gradient) or 1.0) / (largest(state.params) or 1.0)
    of_block = xp.where(of_block > 0, of_block, of_all)
    return xp.where(scale > 0, scale, of_block)
