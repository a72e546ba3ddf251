"""The projected gradient's norm, which the tolerance of every loop bounds."""

from array_api_compat import array_namespace

from optim._settings import number
from optim._tree import (
    Array,
    Params,
    Projection,
    apply_projection,
    check_alike,
    check_parameters,
    check_projection,
    norm,
    tree_map,
)


def projected_gradient_norm(
    params: Params, gradient: Params, projection: Projection | None = None
) -> float:
    """Return the norm of the projected gradient, which is zero at a constrained minimum.

    With the parameters `p`, the gradient `g` and the projection `P` on a convex set, ::

        |P(p - g) - p|

    It is zero if and only if no feasible direction leads downhill from a feasible `p`.
    Without a projection it is ``|g|``.

    Parameters
    ----------
    params : array or mapping of str to array
        The parameters `p`.
    gradient : array or mapping of str to array
        The gradient `g` there, like the parameters.
    projection : callable or mapping of str to callable, optional
        The projection `P` of the parameters, or a mapping of projections by name; an array
        without one is free.

    Returns
    -------
    float
        The l2 norm over all arrays, summed in double precision.

    Raises
    ------
    ValueError
        If the gradient is not like the parameters, or `projection` has a name that the
        parameters lack.
    TypeError
        If a parameter is not a floating-point array, or `projection` is neither callable nor a
        mapping of callables.

    Notes
    -----
    ``p - g`` is rounded to the precision of the parameters. A gradient below that precision,
    about 1e-7 of the parameters in single precision, counts as zero.

    References
    ----------
    E. G. Birgin, J. M. Martinez and M. Raydan, "Nonmonotone spectral projected gradient
    methods on convex sets", SIAM Journal on Optimization 10, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> p, g = np.asarray([0.0, 2.0]), np.asarray([5.0, 0.5])
    >>> optim.projected_gradient_norm(p, g, optim.projections.nonnegative())
    0.5
    """
    call = "projected_gradient_norm"
    check_parameters(call, params)
    check_alike(call, "the gradient", gradient, params)
    if projection is not None:
        check_projection(call, projection, params)
    return step_norm(params, gradient, projection)


def step_norm(params: Params, gradient: Params, projection: Projection | None) -> float:
    """Return ``|P(p - g) - p|`` of arguments that have been checked."""
    if projection is None:
        return norm(gradient)
    to = apply_projection(projection, tree_map(lambda p, g: p - g, params, gradient))
    return norm(tree_map(lambda q, p: q - p, to, params))


def is_stationary(
    params: Params, gradient: Params, projection: Projection | None, tolerance: float
) -> bool:
    """Return whether the tolerance is met; a tolerance of 0 never is, and costs nothing.

    If rounding loses an entry of the gradient in ``p - g``, the entry itself has to be small.
    """
    return (
        tolerance > 0
        and step_norm(params, gradient, projection) <= tolerance
        and norm(tree_map(lost, params, gradient)) <= tolerance
    )


def lost(p: Array, g: Array) -> Array:
    """Return `g` where ``p - g`` is `p`, and 0 elsewhere."""
    xp = array_namespace(p)
    return xp.where(p - g == p, g, xp.zeros_like(g))


def check_tolerance(call: str, tolerance: float) -> float:
    """Return the tolerance as a number that is not negative."""
    tolerance = number(call, "tolerance", tolerance)
    if not tolerance >= 0:
        msg = f"{call}: tolerance is {tolerance}; want 0 or more"
        raise ValueError(msg)
    return tolerance
