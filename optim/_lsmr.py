"""LSMR: least squares whose gradient falls at each step, many at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from optim._bidiagonal import Moved, Vectors, bidiagonal, rotation
from optim._checkpoint import Checkpoint
from optim._loop import Result
from optim._tree import Array
from optim._vectors import Axes, ratio


class Left(NamedTuple):
    """The running norm of the residual: section 5 of Fong and Saunders, in their letters.

    `rho` is rho-dot, `phi` beta-dot, `psi` beta-double-dot, `theta` and `tau` those with a tilde.
    """

    rho: Array
    phi: Array
    psi: Array
    theta: Array
    tau: Array
    passed: Array


class Course(NamedTuple):
    """The last entries of both factors, and the directions `h` and `g` (h-bar).

    `a` is alpha-bar, `rho` and `outer` (rho-bar) are the diagonals of the two factors, `c` and
    `s` belong to the second rotation, and `zeta` (zeta-bar) is the right-hand side to rotate.
    """

    a: Array
    rho: Array
    outer: Array
    c: Array
    s: Array
    zeta: Array
    last: Array
    h: Array
    g: Array
    left: Left


class TwoRotations:
    """The QR factors of the bidiagonal matrix, then those of the transpose of R."""

    def begin(self, xp: Any, alpha: Array, beta: Array, v: Array) -> Course:
        """Return the course before the first step."""
        one, zero = xp.ones_like(alpha), xp.zeros_like(alpha)
        left = Left(one, zero, beta, zero, zero, zero)
        return Course(alpha, one, one, one, zero, alpha * beta, zero, v, 0.0 * v, left)

    def advance(
        self, course: Course, alpha: Array, beta: Array, v: Array, damping: float, x: Vectors
    ) -> Moved:
        """Return the step ``zeta / (rho outer) g+``, with ``g+ = h - (...) g``."""
        xp, (a, rho, outer, c, s, zeta, last, h, g, left) = x.xp, course
        c_hat, s_hat, a_hat = rotation(xp, a, xp.full_like(a, damping))
        c_first, s_first, r = rotation(xp, a_hat, beta)
        theta, before = s_first * alpha, s * r
        c_new, s_new, o = rotation(xp, c * r, theta)
        direction = h - x.times(ratio(xp, before * r, rho * outer), g)
        entry, rest = c_new * zeta, -s_new * zeta
        left, residual = remaining(
            xp, left, (c_hat, s_hat), (c_first, s_first), before, o, last, entry
        )
        h = v - x.times(ratio(xp, theta, r), h)
        new = Course(c_first * alpha, r, o, c_new, s_new, rest, entry, h, direction, left)
        return Moved(direction, ratio(xp, entry, r * o), residual, xp.abs(rest), new)


def remaining(
    xp: Any,
    left: Left,
    hat: tuple[Array, Array],
    first: tuple[Array, Array],
    before: Array,
    outer: Array,
    last: Array,
    entry: Array,
) -> tuple[Left, Array]:
    """Return the running numbers after a step, and the norm of the residual."""
    kept, passed = hat[0] * left.psi, left.passed + (hat[1] * left.psi) ** 2
    now, psi = first[0] * kept, -first[1] * kept
    c, s, r = rotation(xp, left.rho, before)
    theta, rho = s * outer, c * outer
    phi = -s * left.phi + c * now
    tau = ratio(xp, last - left.theta * left.tau, r)
    end = ratio(xp, entry - theta * tau, rho)
    residual = xp.sqrt(passed + (phi - end) ** 2 + psi**2)
    return Left(rho, phi, psi, theta, tau, passed), residual


def lsmr(
    operator: Callable[[Array], Array],
    adjoint: Callable[[Array], Array],
    rhs: Array,
    *,
    steps: int,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    axes: Axes = None,
    rhs_axes: Axes = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Minimise ``|A x - b|^2 + damping^2 |x|^2`` by LSMR.

    In exact arithmetic its points are those of the minimal residual method on
    ``(A^H A + damping^2) x = A^H b``: both the gradient and the residual fall at each step, so that
    it may be stopped earlier than `lsqr`.

    Parameters
    ----------
    operator, adjoint : callable
        `A` and ``A^H``, linear, and adjoint in the inner product ``Re sum conj(a) b``.
    rhs : array, real or complex
        The data `b`.
    steps : int
        Number of steps at most. Each applies `A` and ``A^H`` once.
    damping : float
        Not negative. A damping of `lambda` is a penalty ``lambda^2 |x|^2``.
    tolerance : float
        Where the loop ends, as in `lsqr`.
    axes, rhs_axes : int or tuple of int, optional
        Axes of `x` and of `rhs` that make one system. There is one for each index of the others,
        of which both have the same in the same order. By default all axes make one.
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
        As of `lsqr`.

    Raises
    ------
    NonFiniteError
        If a vector is NaN or infinite. Has the result so far as `result`.
    ValueError
        If the systems of `x` and `rhs` differ, arrays are not alike, or a number is out of its
        range.
    TypeError
        If `rhs` is not a floating-point array, or a setting of the wrong kind.
    ImportError
        If `progress` is true and tqdm is missing.

    See Also
    --------
    lsqr : The same problem; its residual is the least one of all points in the same space.

    References
    ----------
    D. C.-L. Fong and M. A. Saunders, "LSMR: an iterative algorithm for sparse least-squares
    problems", SIAM Journal on Scientific Computing 33 (2011) 2950-2971.

    Examples
    --------
    A line through three points, whose slope shall be small:

    >>> import numpy as np
    >>> import optim
    >>> A = np.asarray([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> b = np.asarray([0.0, 1.0, 5.0])
    >>> result = optim.lsmr(
    ...     lambda x: A @ x, lambda y: A.T @ y, b, steps=10, damping=1.0, tolerance=1e-12
    ... )
    >>> result.params.round(6), result.steps
    (array([0.2     , 1.733333]), 2)
    """
    return bidiagonal(
        "lsmr",
        TwoRotations(),
        operator,
        adjoint,
        rhs,
        steps=steps,
        damping=damping,
        tolerance=tolerance,
        axes=axes,
        rhs_axes=rhs_axes,
        callback=callback,
        progress=progress,
        checkpoint=checkpoint,
    )
