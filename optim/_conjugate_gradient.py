"""Conjugate gradients for linear systems, many at once."""

import math
from collections.abc import Callable
from typing import NamedTuple

from array_api_compat import array_namespace

from optim._checkpoint import Checkpoint
from optim._loop import NotFinite, Result, Step, run
from optim._settings import function, not_negative, some_axes
from optim._tree import Array, check_alike, check_parameters
from optim._vectors import Axes, as_factor, products, ratio, squares, vector_axes


class ConjugateGradientState(NamedTuple):
    """State of `conjugate_gradient`: number of steps, residual `r`, ``<r, M r>``, direction `p`.

    `scale` is the largest ``|H p|^2 / |p|^2`` so far, which estimates ``|H|^2`` from below;
    `error` is ``|r| / (|H| |x| + |b|)``. These and `square` have an entry for each system.
    """

    step: int
    residual: Array | None
    square: Array | None
    direction: Array | None
    scale: Array | None
    error: Array | None


def conjugate_gradient(
    operator: Callable[[Array], Array],
    rhs: Array,
    guess: Array | None = None,
    *,
    steps: int,
    tolerance: float = 1e-6,
    axes: Axes = None,
    precondition: Callable[[Array], Array] | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Solve ``H x = b`` for a positive definite ``H`` by conjugate gradients.

    From a start ``x`` with the residual ``r = b - H x`` and ``p = M r``, where the preconditioner
    ``M`` is the identity or better, ::

        a = <r, M r> / <p, H p>
        x = x + a p
        r+ = r - a H p
        p = M r+ + (<r+, M r+> / <r, M r>) p

    Parameters
    ----------
    operator : callable
        ``operator(x) -> H x``: linear, self-adjoint and positive definite in the inner product
        ``Re sum conj(a) b``. An array of the shape and dtype of `rhs`.
    rhs : array, real or complex
        The right-hand side ``b``.
    guess : array, optional
        Where to start, by default zero. The nearer the solution, the fewer steps.
    steps : int
        Number of steps at most. Each applies the operator once; a `guess` costs one more.
    tolerance : float
        The loop ends once ``|r| <= tolerance (|H| |x| + |b|)`` in every system, with the largest
        ``|H p| / |p|`` so far as ``|H|``: `x` solves a system whose ``H`` and ``b`` are changed
        by these parts. Its relative error is at most the condition of ``H`` times as much.
    axes : int or tuple of int, optional
        Axes that make one system; `rhs` holds one for each index of the others, with step sizes
        of its own, and one that has converged stays where it is. By default all axes make one.
    precondition : callable, optional
        ``precondition(r) -> M r``, linear, self-adjoint and positive definite like the operator.
        The more it is like ``H^-1``, the fewer steps.
    callback : callable, optional
        ``callback(step, error, x)`` with the entry of `history`, at the start, where `step` is
        0, and after each step. The loop stops if it returns a true value.
    progress : bool
        Whether to show a progress bar with the error. Needs tqdm.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the loop may go on.

    Returns
    -------
    Result
        `params` is the solution, `history` has the largest ``|r| / (|H| |x| + |b|)`` of the
        systems at the start and after each step, and `converged` tells whether the tolerance was
        met. The residual is that of the recursion: in the last digits the true one is larger.

    Raises
    ------
    NonFiniteError
        If a residual is NaN or infinite. Has the result so far as `result`.
    ValueError
        If ``<p, H p>`` is negative by more than rounding, the arrays are not alike, or a number
        is out of its range.
    TypeError
        If `rhs` is not a floating-point array, or a setting of the wrong kind.
    ImportError
        If `progress` is true and tqdm is missing.

    Notes
    -----
    A semidefinite ``H`` will do if ``b`` is in its range, to the accuracy of that. Where
    ``<p, H p>`` vanishes to rounding, ``eps |H| |p|^2``, the system stays where it is: a ``b``
    outside of the range has no solution, and the loop ends without convergence.

    A residual that is compared with ``|b|`` alone is a test of another strictness for each
    right-hand side: lenient where ``b`` lies along large eigenvalues, and out of reach of single
    precision where it lies along small ones, as the gradient of a loss does.

    References
    ----------
    M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    J. Res. Natl. Bur. Stand. 49 (1952) 409-436.

    J. L. Rigal and J. Gaches, "On the compatibility of a given solution with the data of a
    linear system", J. ACM 14 (1967) 543-548 (the test of the residual).

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> H = np.asarray([[4.0, 1.0], [1.0, 3.0]])
    >>> result = optim.conjugate_gradient(lambda x: H @ x, np.asarray([1.0, 2.0]), steps=10)
    >>> result.params, result.steps, result.converged
    (array([0.09090909, 0.63636364]), 2, True)
    """
    call = "conjugate_gradient"
    function(call, "operator", operator)
    if precondition is not None:
        function(call, "precondition", precondition, "a callable or None")
    check_parameters(call, rhs)
    tolerance = not_negative(call, "tolerance", tolerance)
    vector = vector_axes(call, some_axes(call, axes), rhs)
    if guess is not None:
        check_alike(call, "guess", guess, rhs)
    xp = array_namespace(rhs)
    b2 = squares(xp, rhs, vector)

    def applied(x: Array) -> Array:
        Hx = operator(x)
        check_alike(call, "H x", Hx, rhs)
        return Hx

    def conditioned(r: Array) -> Array:
        if precondition is None:
            return r
        Mr = precondition(r)
        check_alike(call, "M r", Mr, rhs)
        return Mr

    def begin() -> Step:
        x = xp.zeros_like(rhs) if guess is None else guess
        Hx = x if guess is None else applied(x)
        scale = ratio(xp, squares(xp, Hx, vector), squares(xp, x, vector))
        return reached(x, 0, rhs - Hx, scale, None, None)

    def advance(result: Result) -> Step:
        step, r, rMr, p, scale, error = result.state
        Hp = applied(p)
        p2, q2 = squares(xp, p, vector), squares(xp, Hp, vector)
        curvature = products(xp, p, Hp, vector)
        # <p, H p> of a semidefinite operator may vanish, to the rounding of |p| |H p|.
        if bool(xp.any(curvature < -math.sqrt(xp.finfo(rhs.dtype).eps) * xp.sqrt(p2 * q2))):
            msg = (
                f"{call}: at step {step + 1} <p, H p> is {float(xp.min(curvature)):.3g}; "
                f"want a positive definite operator"
            )
            raise ValueError(msg)
        scale = xp.maximum(scale, ratio(xp, q2, p2))
        # Less curvature than this is rounding of H p: along p the solution would go anywhere.
        moves = (error > tolerance) & (curvature > xp.finfo(rhs.dtype).eps * xp.sqrt(scale) * p2)
        a = as_factor(xp, xp.where(moves, ratio(xp, rMr, curvature), 0.0), rhs)
        x, s = result.params + a * p, r - a * Hp
        found = reached(x, step + 1, s, scale, p, xp.where(moves, rMr, 0.0))
        return found if bool(xp.any(moves)) else found._replace(last=True)

    def reached(
        x: Array, step: int, r: Array, scale: Array, p: Array | None, before: Array | None
    ) -> Step:
        r2 = squares(xp, r, vector)
        whole = xp.sqrt(scale * squares(xp, x, vector)) + xp.sqrt(b2)
        error = ratio(xp, xp.sqrt(r2), whole)
        largest = float(xp.max(error))
        if not math.isfinite(largest):
            fault = f"the residual is {largest}"
            raise NotFinite(fault)
        Mr = conditioned(r)
        rMr = r2 if precondition is None else products(xp, r, Mr, vector)
        direction = Mr if p is None else Mr + as_factor(xp, ratio(xp, rMr, before), rhs) * p
        state = ConjugateGradientState(step, r, rMr, direction, scale, error)
        return Step(largest, x, state, converged=largest <= tolerance)

    nothing = ConjugateGradientState(0, None, None, None, None, None)
    settings = {
        "operator": operator,
        "rhs": rhs,
        "guess": guess,
        "tolerance": tolerance,
        "axes": vector,
        "precondition": precondition,
    }
    return run(
        call,
        begin,
        advance,
        rhs,
        nothing,
        steps,
        callback,
        progress,
        checkpoint,
        settings,
        first=0,
    )
