"""The largest curvature of a function, by power iteration."""

import math
import random
from collections.abc import Callable

from array_api_compat import array_namespace, device

from optim._evaluation import Objective, difference, moved, projected
from optim._loop import NonFiniteError, NotFinite, Result
from optim._settings import integer
from optim._tree import (
    Array,
    Params,
    Projection,
    check_parameters,
    check_projection,
    copied,
    inner,
    norm,
    tree_map,
)


def lipschitz(
    value_and_grad: Callable[[Params], tuple[float | Array, Params]],
    params: Params,
    projection: Projection | None = None,
    *,
    iterations: int = 20,
    seed: int = 0,
) -> float:
    """Find the largest curvature of a function; its inverse is a safe step size.

    The method is power iteration with differences of the gradient `g`. It starts from a
    random `v`; `p` are the parameters, and `h` makes ``|h v|`` a hundredth of ``|p|``. ::

        w = h v,        v = g(p + w) - g(p),        L = max <w, v> / <w, w>

    On a quadratic `v` is the Hessian times `w`. Then `L` approaches the largest eigenvalue of
    the Hessian, which is the Lipschitz constant of the gradient, from below: use a margin. On
    another function `L` is about the largest curvature near the parameters; elsewhere the
    curvature may be larger.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``, the same as for `minimize`.
    params : array or mapping of str to array
        The point at which curvatures are estimated.
    projection : callable or mapping of str to callable, optional
        A projection `P` on a convex set that contains the parameters. With it,
        ``w = P(p + h v) - p``: the function is evaluated at points of the set only, and only
        curvatures along the set count. They can be far smaller: the loss of a PSF is most
        curved along its sum, the brightness of the image, which a simplex fixes. Take
        parameters well inside the set, such as a uniform PSF (see Notes).
    iterations : int
        Number of iterations, at least 1. There is one evaluation more than that.
    seed : int
        Seed of the random start.

    Returns
    -------
    float
        The curvature `L`; 0 for a linear function.

    Raises
    ------
    NonFiniteError
        If a loss or a gradient is NaN or infinite.
    ValueError
        If `iterations` is less than 1, or the gradient is not like the parameters.
    TypeError
        If a parameter is not a floating-point array.

    Notes
    -----
    With a projection, `L` approaches the largest curvature of a quadratic along the set if
    the set extends from the parameters by `h v` in all of its directions. On a face or at a
    vertex it does not, and the projection bends `w` into the set. Then `L` is the largest of
    the curvatures towards the points ``p + w``. That is only a lower bound: the direction of
    the largest curvature may lead out of the set.

    References
    ----------
    G. H. Golub and C. F. Van Loan, "Matrix computations", 4th edition, Johns Hopkins
    University Press, 2013, section 8.2.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> weight = np.asarray([1.0, 3.0, 0.1])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum(weight * x * x), weight * x
    >>> L = optim.lipschitz(value_and_grad, np.ones(3))
    >>> round(L, 6)
    3.0
    """
    call = "lipschitz"
    check_parameters(call, params)
    iterations = integer(call, "iterations", iterations, least=1)
    seed = integer(call, "seed", seed)
    if projection is not None:
        check_projection(call, projection, params)
    objective = Objective(call, value_and_grad)

    def gradient(p: Params) -> Params:
        try:
            return objective.value_and_grad(p)[1]
        except NotFinite as fault:
            msg = f"{call}: {fault}; want finite values"
            nothing = Result(params, [], None, params, math.inf, 0, False, False)
            raise NonFiniteError(msg, nothing) from None

    def step(v: Params, length: float) -> Params:
        """Return `w`, of this length along `v`."""
        to = moved(params, length / norm(v), v)
        return difference(
            to if projection is None else projected(call, projection, to, params), params
        )

    g = copied(gradient(params))
    size = 0.01 * norm(params) or 0.01
    generator = random.Random(seed)
    v = tree_map(lambda p: noise_like(p, generator), params)
    L = 0.0
    for _ in range(iterations):
        w = step(v, size)
        ww = inner(w, w)
        if ww == 0:  # straight out of the set
            w = step(v, -size)
            ww = inner(w, w)
        v = difference(gradient(moved(params, 1.0, w)), g)
        if ww == 0 or norm(v) == 0:
            break
        L = max(L, inner(w, v) / ww)
    return L


def noise_like(p: Array, generator: random.Random) -> Array:
    """Draw an array like `p`: real and imaginary parts are between -1/2 and 1/2."""
    xp = array_namespace(p)
    n = math.prod(p.shape)
    numbers: list[complex] = [generator.random() - 0.5 for _ in range(n)]
    if xp.isdtype(p.dtype, "complex floating"):
        numbers = [complex(re, generator.random() - 0.5) for re in numbers]
    return xp.reshape(xp.asarray(numbers, dtype=p.dtype, device=device(p)), p.shape)
