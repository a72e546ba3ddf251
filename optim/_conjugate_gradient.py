"""Conjugate gradients for linear systems, many at once."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._loop import NotFinite, Result, Step, run
from optim._settings import function, not_negative, some_axes
from optim._tree import Array, check_alike, check_parameters
from optim._vectors import Axes, vector_axes


class ConjugateGradientState(NamedTuple):
    """State of `conjugate_gradient`: number of steps, residual ``r``, its squares, direction."""

    step: int
    residual: Array | None
    squares: Array | None
    direction: Array | None


def conjugate_gradient(
    operator: Callable[[Array], Array],
    rhs: Array,
    guess: Array | None = None,
    *,
    steps: int,
    tolerance: float = 1e-6,
    axes: Axes = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
) -> Result:
    """Solve ``H x = b`` for a positive definite ``H`` by conjugate gradients.

    From a start ``x`` with the residual ``r = b - H x`` and ``p = r``, ::

        a = |r|^2 / <p, H p>
        x = x + a p
        r+ = r - a H p
        p = r+ + (|r+|^2 / |r|^2) p

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
        The loop ends once ``|r| <= tolerance |b|``, in every system.
    axes : int or tuple of int, optional
        Axes that make one system; `rhs` holds one for each index of the others, with step sizes
        of its own, and one that has converged stays where it is. By default all axes make one.
    callback : callable, optional
        ``callback(step, residual, x)`` at the start, where `step` is 0, and after each step. The
        loop stops if it returns a true value.
    progress : bool
        Whether to show a progress bar with the residual. Needs tqdm.

    Returns
    -------
    Result
        `params` is the solution, `history` has the largest ``|r| / |b|`` of the systems, at the
        start and after each step, and `converged` tells whether the tolerance was met. The
        residual is that of the recursion: in the last digits the true one is larger.

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
    ``<p, H p>`` vanishes to rounding, the system stays where it is.

    References
    ----------
    M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    J. Res. Natl. Bur. Stand. 49 (1952) 409-436.

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
    check_parameters(call, rhs)
    tolerance = not_negative(call, "tolerance", tolerance)
    vector = vector_axes(call, some_axes(call, axes), rhs)
    if guess is not None:
        check_alike(call, "guess", guess, rhs)
    xp = array_namespace(rhs)
    norm = xp.sqrt(squares(xp, rhs, vector))
    unit = xp.where(norm > 0, norm, 1.0)
    enough = (tolerance * norm) ** 2

    def applied(x: Array) -> Array:
        Hx = operator(x)
        check_alike(call, "H x", Hx, rhs)
        return Hx

    def begin() -> Step:
        x = xp.zeros_like(rhs) if guess is None else guess
        r = rhs if guess is None else rhs - applied(x)
        return reached(x, 0, r, squares(xp, r, vector), r)

    def advance(result: Result) -> Step:
        step, r, r2, p = result.state
        Hp = applied(p)
        curvature = products(xp, p, Hp, vector)
        # <p, H p> of a semidefinite operator may vanish, to the rounding of |p| |H p|.
        rounding = math.sqrt(xp.finfo(rhs.dtype).eps)
        noise = rounding * xp.sqrt(squares(xp, p, vector) * squares(xp, Hp, vector))
        if bool(xp.any(curvature < -noise)):
            msg = (
                f"{call}: at step {step + 1} <p, H p> is {float(xp.min(curvature)):.3g}; "
                f"want a positive definite operator"
            )
            raise ValueError(msg)
        moves = (r2 > enough) & (curvature > 0)
        a = xp.where(moves, r2, 0.0) / xp.where(moves, curvature, 1.0)
        x = result.params + as_factor(xp, a, rhs) * p
        s = r - as_factor(xp, a, rhs) * Hp
        s2 = squares(xp, s, vector)
        b = xp.where(moves, s2, 0.0) / xp.where(moves, r2, 1.0)
        found = reached(x, step + 1, s, s2, s + as_factor(xp, b, rhs) * p)
        return found if bool(xp.any(moves)) else found._replace(last=True)

    def reached(x: Array, step: int, r: Array, r2: Array, p: Array) -> Step:
        residual = float(xp.max(xp.sqrt(r2) / unit))
        if not math.isfinite(residual):
            fault = f"the residual is {residual}"
            raise NotFinite(fault)
        state = ConjugateGradientState(step, r, r2, p)
        return Step(residual, x, state, converged=bool(xp.all(r2 <= enough)))

    nothing = ConjugateGradientState(0, None, None, None)
    return run(call, begin, advance, rhs, nothing, steps, callback, progress, first=0)


def products(xp: Any, a: Array, b: Array, vector: tuple[int, ...]) -> Array:
    """Return ``Re sum conj(a) b`` of each system, summed in double precision."""
    if xp.isdtype(a.dtype, "complex floating"):
        real = products(xp, xp.real(a), xp.real(b), vector)
        return real + products(xp, xp.imag(a), xp.imag(b), vector)
    product = xp.astype(a, xp.float64, copy=False) * xp.astype(b, xp.float64, copy=False)
    return xp.sum(product, axis=vector, keepdims=True)


def squares(xp: Any, a: Array, vector: tuple[int, ...]) -> Array:
    """Return ``|a|^2`` of each system."""
    return products(xp, a, a, vector)


def as_factor(xp: Any, a: Array, like: Array) -> Array:
    """Return real factors in the real precision of an array that they multiply."""
    single = like.dtype in (xp.float32, xp.complex64)
    return xp.astype(a, xp.float32 if single else xp.float64, copy=False)
