"""How far a point is from a constrained minimum: what the tolerance of every loop is about."""

from array_api_compat import array_namespace

from optim._tree import (
    Array,
    Params,
    Projection,
    apply_projection,
    check_alike,
    check_projection,
    norm,
    tree_map,
)


def projected_gradient_norm(
    params: Params, gradient: Params, projection: Projection | None = None
) -> float:
    """Return the norm of the projected gradient, which vanishes at a constrained minimum.

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
        The projection `P` of the parameters; or projections by name, which leave the other
        arrays alone.

    Returns
    -------
    float
        The l2 norm over all arrays, summed in double precision.

    Raises
    ------
    ValueError
        If the gradient is not like the parameters, or `projection` has a name that they have
        not.
    TypeError
        If `projection` is neither callable nor a mapping.

    Notes
    -----
    The step from `p` is rounded to the precision of the parameters: a gradient below that,
    about 1e-7 of them in single precision, counts as none.

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
    """Return whether the tolerance is met; with 0 it never is, and nothing is computed.

    An entry of the gradient that ``p - g`` has lost to rounding counts as it is.
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


def check_tolerance(caller: str, tolerance: float) -> float:
    """Return the tolerance as a number that is not negative."""
    tolerance = float(tolerance)
    if not tolerance >= 0:
        msg = f"{caller}: tolerance is {tolerance}; want 0 or more"
        raise ValueError(msg)
    return tolerance
