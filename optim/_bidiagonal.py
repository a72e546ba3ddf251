"""Least squares by Golub's and Kahan's bidiagonalisation, many at once: LSQR and LSMR.

From ``b = beta u`` and ``A^H u = alpha v``, with `u` and `v` of length 1, each step gives ::

    beta u+  = A v - alpha u
    alpha v+ = A^H u+ - beta v

so that `A` is lower bidiagonal in the bases of all `u` and all `v`. The least-squares problem in
the span of the `v` so far is one of two diagonals, which rotations of the plane solve: see
`_lsqr` and `_lsmr`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from array_api_compat import array_namespace

from optim._checkpoint import Checkpoint
from optim._loop import NotFinite, Result, Step, run
from optim._settings import function, not_negative, some_axes
from optim._tree import Array, check_alike, check_parameters
from optim._vectors import Axes, as_factor, ratio, squares, vector_axes


class BidiagonalState(NamedTuple):
    """State of `lsqr` and `lsmr`: the number of steps, `u`, `v`, `alpha`, and the method's own.

    `norm_of_map` is the largest ``|A v|`` so far, which estimates ``|A|`` from below; `error` is
    the smaller one of the two errors. These and `alpha` have an entry for each system.
    """

    step: int
    u: Array | None
    v: Array | None
    alpha: Array | None
    course: Any
    norm_of_map: Array | None
    error: Array | None


class Moved(NamedTuple):
    """A step of a method: ``x + factor * direction``, and what is left of the residual.

    `residual` is ``|(b - A x, -damping x)|``, `gradient` is ``|A^H (b - A x) - damping^2 x|``.
    """

    direction: Array
    factor: Array
    residual: Array
    gradient: Array
    course: Any


class Vectors:
    """The vectors of one side: those axes of an array that make one, and the systems."""

    def __init__(self, xp: Any, call: str, axes: Axes, like: Array) -> None:
        self.xp = xp
        self.like = like
        self.axes = vector_axes(call, axes, like)
        self.systems = tuple(n for i, n in enumerate(like.shape) if i not in self.axes)
        self.shape = tuple(1 if i in self.axes else n for i, n in enumerate(like.shape))

    def norms(self, a: Array) -> Array:
        """Return ``|a|`` of each system, shape (systems,)."""
        return self.xp.reshape(self.xp.sqrt(squares(self.xp, a, self.axes)), (-1,))

    def times(self, factor: Array, a: Array) -> Array:
        """Return each system times its factor."""
        return as_factor(self.xp, self.xp.reshape(factor, self.shape), self.like) * a

    def normal(self, a: Array) -> tuple[Array, Array]:
        """Return the vectors in the length 1, or 0, and their lengths."""
        length = self.norms(a)
        return self.times(ratio(self.xp, self.xp.ones_like(length), length), a), length


class Method(Protocol):
    """How the bidiagonal problem is solved."""

    def begin(self, xp: Any, alpha: Array, beta: Array, v: Array) -> Any:
        """Return the course before the first step."""

    def advance(
        self, course: Any, alpha: Array, beta: Array, v: Array, damping: float, x: Vectors
    ) -> Moved:
        """Return the step that the new `beta`, `alpha` and `v` determine."""


def rotation(xp: Any, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return ``c, s, r`` with ``c a + s b = r`` and ``c b - s a = 0``."""
    r = xp.sqrt(a * a + b * b)
    return ratio(xp, a, r), ratio(xp, b, r), r


def bidiagonal(
    call: str,
    method: Method,
    operator: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    rhs: Array,
    *,
    steps: int,
    damping: float,
    tolerance: float,
    axes: Axes,
    rhs_axes: Axes,
    callback: Callable[[int, float, Array], object] | None,
    progress: bool,
    checkpoint: Checkpoint | None,
) -> Result:
    """Minimise ``|A x - b|^2 + damping^2 |x|^2`` by a method on the bidiagonal problem."""
    function(call, "operator", operator)
    function(call, "adjoint", adjoint)
    check_parameters(call, rhs)
    damping = not_negative(call, "damping", damping)
    tolerance = not_negative(call, "tolerance", tolerance)
    axes, rhs_axes = some_axes(call, axes), some_axes(call, rhs_axes, "rhs_axes")
    xp = array_namespace(rhs)
    data = Vectors(xp, call, rhs_axes, rhs)

    def transposed(u: Array, like: Array | None) -> Array:
        back = adjoint(u)
        check_parameters(call, back)
        if like is not None:
            check_alike(call, "A^H u", back, like)
        return back

    def applied(v: Array) -> Array:
        Av = operator(v)
        check_alike(call, "A v", Av, rhs)
        return Av

    u, beta = data.normal(rhs)
    back = transposed(u, None)
    unknown = Vectors(xp, call, axes, back)
    if unknown.systems != data.systems:
        msg = (
            f"{call}: the data have systems of the shape {data.systems} (rhs_axes={rhs_axes}) and "
            f"x of the shape {unknown.systems} (axes={axes}); want the same"
        )
        raise ValueError(msg)
    v, alpha = unknown.normal(back)
    length = beta

    def errors(x: Array, norm: Array, residual: Array, gradient: Array) -> Array:
        whole = norm * unknown.norms(x) + length
        return xp.minimum(ratio(xp, residual, whole), ratio(xp, gradient, norm * residual))

    def begin() -> Step:
        x = 0.0 * back
        norm = xp.sqrt(alpha * alpha + damping**2)
        error = errors(x, norm, beta, alpha * beta)
        course = method.begin(xp, alpha, beta, v)
        return reached(x, BidiagonalState(0, u, v, alpha, course, norm, error))

    def advance(result: Result) -> Step:
        step, u, v, alpha, course, norm, error = result.state
        u, beta = data.normal(applied(v) - data.times(alpha, u))
        norm = xp.maximum(norm, xp.sqrt(alpha * alpha + beta * beta + damping**2))
        v, alpha = unknown.normal(transposed(u, back) - unknown.times(beta, v))
        moved = method.advance(course, alpha, beta, v, damping, unknown)
        moves = error > tolerance
        x = result.params + unknown.times(xp.where(moves, moved.factor, 0.0), moved.direction)
        new = errors(x, norm, moved.residual, moved.gradient)
        new = xp.where(moves, new, error)
        return reached(x, BidiagonalState(step + 1, u, v, alpha, moved.course, norm, new))

    def reached(x: Array, state: BidiagonalState) -> Step:
        largest, norm = float(xp.max(state.error)), float(xp.max(state.norm_of_map))
        if not math.isfinite(largest) or not math.isfinite(norm):
            fault = f"the error is {largest} and |A v| is {norm}"
            raise NotFinite(fault)
        return Step(largest, x, state, converged=largest <= tolerance)

    nothing = BidiagonalState(0, None, None, None, None, None, None)
    settings = {
        "operator": operator,
        "adjoint": adjoint,
        "rhs": rhs,
        "damping": damping,
        "tolerance": tolerance,
        "axes": axes,
        "rhs_axes": rhs_axes,
    }
    return run(
        call,
        begin,
        advance,
        0.0 * back,
        nothing,
        steps,
        callback,
        progress,
        checkpoint,
        settings,
        first=0,
    )
