"""LSQR: least squares, many at once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from optim._bidiagonal import Moved, Vectors, bidiagonal, rotation
from optim._checkpoint import Checkpoint
from optim._loop import Result
from optim._tree import Array
from optim._vectors import Axes, ratio


class Course(NamedTuple):
    """The last diagonal `rho` and right-hand side `phi` to rotate, and the direction `w`.

    `passed` is the part of the squared residual that later steps cannot change.
    """

    rho: Array
    phi: Array
    w: Array
    passed: Array


class Rotations:
    """The upper bidiagonal factor of the lower bidiagonal matrix, one rotation a step."""

    def begin(self, xp: Any, alpha: Array, beta: Array, v: Array) -> Course:
        """Return the course before the first step."""
        return Course(alpha, beta, v, 0.0 * beta)

    #  c  s | rho  0     phi       r  theta  phi_k
    #  s -c | beta alpha 0     =   0  rho+   phi+        after a rotation of (rho, damping)
    def advance(
        self, course: Course, alpha: Array, beta: Array, v: Array, damping: float, x: Vectors
    ) -> Moved:
        """Return the step ``(phi_k / r) w``, with the next ``w+ = v - (theta / r) w``."""
        xp, (rho, phi, w, passed) = x.xp, course
        c, s, rho = rotation(xp, rho, xp.full_like(rho, damping))
        phi, passed = c * phi, passed + (s * phi) ** 2
        c, s, r = rotation(xp, rho, beta)
        after = s * phi
        new = Course(-c * alpha, after, v - x.times(ratio(xp, s * alpha, r), w), passed)
        residual = xp.sqrt(passed + after * after)
        return Moved(w, ratio(xp, c * phi, r), residual, xp.abs(alpha * c * after), new)


def lsqr(
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
    """Minimise ``|A x - b|^2 + damping^2 |x|^2`` by LSQR.

    In exact arithmetic its points are those of `conjugate_gradient` on
    ``(A^H A + damping^2) x = A^H b`` from zero. It never forms ``A^H A``, and keeps more digits
    where `A` is ill-conditioned. The residual falls at each step.

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
        The loop ends once in every system, with ``r = (b - A x, -damping x)`` and the largest
        ``|(A v, damping v)| / |v|`` so far as ``|A|``, either ``|r| <= tolerance (|A| |x| + |b|)``,
        where `x` solves a system changed by these parts, or
        ``|A^H r_1 + damping r_2| <= tolerance |A| |r|``, where it solves a least-squares problem
        with an `A` changed by such a part.
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
        `params` is the solution, of the least norm if there are several and `damping` is 0.
        `history` has the largest error of the systems, the smaller of the two above, at the start
        and after each step; `converged` tells whether the tolerance was met.

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
    lsmr : The gradient falls at each step, in place of the residual.
    conjugate_gradient : For a Gram that is cheaper than `A` and ``A^H`` one after the other.

    References
    ----------
    C. C. Paige and M. A. Saunders, "LSQR: an algorithm for sparse linear equations and sparse
    least squares", ACM Transactions on Mathematical Software 8 (1982) 43-71.

    Examples
    --------
    A line through three points:

    >>> import numpy as np
    >>> import optim
    >>> A = np.asarray([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> b = np.asarray([0.0, 1.0, 5.0])
    >>> result = optim.lsqr(lambda x: A @ x, lambda y: A.T @ y, b, steps=10, tolerance=1e-12)
    >>> result.params.round(6), result.steps
    (array([-0.5,  2.5]), 2)
    """
    return bidiagonal(
        "lsqr",
        Rotations(),
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
