"""Total variation; an iteration on the dual problem finds its proximal map."""

import math
from functools import partial
from typing import Any

from array_api_compat import device

from optim._penalties import Penalty
from optim._settings import integer, not_negative, positive, some_axes
from optim._tree import Array, inner, norm
from optim._vectors import Axes, floating_namespace, vector_axes

CHECK = 10  # iterations between two tests of the duality gap


def total_variation(
    weight: float, axes: Axes = None, *, accuracy: float = 1e-3, iterations: int = 1000
) -> Penalty:
    """Penalise the isotropic total variation: the sum of the lengths of the gradient.

    With the forward differences `D_a` along the axes, which are 0 at the last entry, ::

        value(x) = weight sum_n |D x_n|,        |D x_n| = sqrt(sum_a |(D_a x)_n|^2)

    Parameters
    ----------
    weight : float
        The weight, not negative.
    axes : int or tuple of int, optional
        The axes of the differences, by default all. Other axes are batch.
    accuracy : float
        Accuracy of the proximal map, positive: ``|z - z*| <= accuracy |x|`` over the whole
        array, for the result `z` and the exact map `z*`.
    iterations : int
        Largest number of iterations, at least 1. After a large step hardly more than the mean
        remains; that may need more iterations than the default, or be less accurate.

    Returns
    -------
    Penalty
        The penalty of a real or complex floating-point array, computed in double precision.
        For complex entries ``|.|`` is the modulus.

    Raises
    ------
    ValueError
        If a number is out of its range, or a step is negative.

    Notes
    -----
    With ``t = step weight`` the map is ``z = x - t D^H u`` (Chambolle). The dual variable `u`
    has one vector at each entry, of length 1 at most, and minimises ``|x - t D^H u|^2``. The
    accelerated projected gradient method of Beck and Teboulle finds it, ::

        u+ = P(w + D(x - t D^H w) / (t |D|^2)),     w+ = u+ + (k - 1) / k+ (u+ - u)

    with ``|D|^2 <= 4`` for each axis. At any `u` the duality gap
    ``t (sum_n |D z_n| - <D z, u>)`` is at least ``|z - z*|^2 / 2``: the iteration ends when
    the gap is small enough.

    References
    ----------
    A. Chambolle, "An algorithm for total variation minimization and applications", Journal
    of Mathematical Imaging and Vision 20, 2004.

    A. Beck and M. Teboulle, "Fast gradient-based algorithms for constrained total variation
    image denoising and deblurring problems", IEEE Transactions on Image Processing 18, 2009.

    Examples
    --------
    A jump in one dimension; each side moves towards the other by ``step weight / 2``:

    >>> import numpy as np
    >>> import optim
    >>> penalty = optim.proximal.total_variation(0.4, accuracy=1e-9)
    >>> x = np.asarray([0.0, 0.0, 1.0, 1.0])
    >>> float(penalty.value(x)), penalty.prox(x, 1.0).round(6)
    (0.4, array([0.2, 0.2, 0.8, 0.8]))
    """
    call = "total_variation"
    weight = not_negative(call, "weight", weight)
    accuracy = positive(call, "accuracy", accuracy)
    iterations = integer(call, "iterations", iterations, least=1)
    axes = some_axes(call, axes)
    return Penalty(
        partial(_variation, weight, axes), partial(_denoised, weight, axes, accuracy, iterations)
    )


def _variation(weight: float, axes: Axes, x: Array) -> Array:
    xp = floating_namespace("total_variation", x)
    D = Differences(xp, x, vector_axes("total_variation", axes, x))
    return weight * xp.sum(D.length(D(D.wide(x))))


def _denoised(
    weight: float, axes: Axes, accuracy: float, iterations: int, x: Array, step: float
) -> Array:
    xp = floating_namespace("total_variation", x)
    D = Differences(xp, x, vector_axes("total_variation", axes, x))
    t = not_negative("total_variation", "step", step) * weight
    if t == 0:
        return x
    z = denoised(D, D.wide(x), t, accuracy, iterations)
    return xp.astype(z, x.dtype, copy=False)


def denoised(D: "Differences", x: Array, t: float, accuracy: float, iterations: int) -> Array:
    """Minimise ``t sum_n |D z_n| + |z - x|^2 / 2``."""
    u = [0.0 * x for _ in D.axes]
    w, k = u, 1.0
    enough = 0.5 * (accuracy * norm(x)) ** 2
    rate = 1 / (t * 4 * len(D.axes))
    for iteration in range(1, iterations + 1):
        z = x - t * D.adjoint(w)
        v = [w + rate * g for w, g in zip(w, D(z), strict=True)]
        longer = D.xp.maximum(D.length(v), 1.0)
        new = [v / longer for v in v]
        after = (1 + math.sqrt(1 + 4 * k * k)) / 2
        w = [n + (k - 1) / after * (n - o) for n, o in zip(new, u, strict=True)]
        u, k = new, after
        if iteration % CHECK == 0:
            z = x - t * D.adjoint(u)
            g = D(z)
            gap = float(D.xp.sum(D.length(g))) - sum(map(inner, g, u))
            # `not ... >`: a gap that is NaN ends the iteration, too.
            if not t * gap > enough:
                return z
    return x - t * D.adjoint(u)


class Differences:
    """The forward differences along some axes, a list of arrays, and their adjoint."""

    def __init__(self, xp: Any, x: Array, axes: tuple[int, ...]) -> None:
        self.xp = xp
        self.axes = axes
        is_complex = xp.isdtype(x.dtype, "complex floating")
        self.dtype = xp.complex128 if is_complex else xp.float64
        # 1, but 0 at the last entry of the axis, which has no next entry.
        self.within = [
            xp.reshape(
                xp.astype(xp.arange(x.shape[a], device=device(x)) < x.shape[a] - 1, xp.float64),
                tuple(-1 if i == a else 1 for i in range(x.ndim)),
            )
            for a in axes
        ]

    def wide(self, x: Array) -> Array:
        """Return `x` in double precision."""
        return self.xp.astype(x, self.dtype, copy=False)

    def __call__(self, x: Array) -> list[Array]:
        """``(D_a x)_n = x_(n + 1) - x_n``."""
        return [
            (self.xp.roll(x, -1, axis=a) - x) * within
            for a, within in zip(self.axes, self.within, strict=True)
        ]

    def adjoint(self, u: list[Array]) -> Array:
        """``(D^H u)_n = sum_a (u_a)_(n - 1) - (u_a)_n``, where the last `u_a` are 0."""
        back = [self.xp.roll(v, 1, axis=a) - v for v, a in zip(u, self.axes, strict=True)]
        total = back[0]
        for b in back[1:]:
            total = total + b
        return total

    def length(self, u: list[Array]) -> Array:
        """``|u_n|``."""
        total = self.xp.abs(u[0]) ** 2
        for v in u[1:]:
            total = total + self.xp.abs(v) ** 2
        return self.xp.sqrt(total)
