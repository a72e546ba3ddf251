"""The type of a penalty, and the penalties whose proximal map is a formula."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

from array_api_compat import array_namespace

from optim._settings import function, not_negative, some_axes
from optim._tree import Array, Params, describe
from optim._vectors import Axes, floating_namespace, moduli, scaled, vector_axes, wide


class Penalty(NamedTuple):
    """A convex function, smooth or not, with its proximal map.

    Parameters are one array or a mapping of name to array, as everywhere in `optim`. The
    factories of this module make penalties of one array.

    Attributes
    ----------
    value : callable
        ``value(x) -> number``: a float or a real array of no dimensions.
    prox : callable
        ``prox(x, step) -> z``, where `z` minimises ``value(z) + |z - x|^2 / (2 step)``. With
        the step 0, `z` is the nearest point at which the penalty is finite.

    Notes
    -----
    A penalty may be infinite outside a set. Then `prox` returns points of the set only, and
    `value` is called at such points only. So `value` may leave out the infinite part.

    References
    ----------
    N. Parikh and S. Boyd, "Proximal algorithms", Foundations and Trends in Optimization 1,
    2014.

    Examples
    --------
    Half the squared norm:

    >>> import numpy as np
    >>> import optim
    >>> ridge = optim.proximal.Penalty(
    ...     value=lambda x: 0.5 * np.sum(x * x), prox=lambda x, step: x / (1 + step)
    ... )
    >>> ridge.prox(np.asarray([3.0, -1.5]), 2.0)
    array([ 1. , -0.5])
    """

    value: Callable[[Params], float | Array]
    prox: Callable[[Params, float], Params]


Penalties: TypeAlias = Penalty | Mapping[str, Penalty]


def indicator(projection: Callable[[Params], Params]) -> Penalty:
    """Make the penalty of a constraint: 0 on the set, infinite elsewhere.

    ``prox(x, step) = P(x)`` for every step.

    Parameters
    ----------
    projection : callable
        The projection `P` on a convex set.

    Returns
    -------
    Penalty
        The penalty. `value` is 0 everywhere; call it at points of the set.

    Raises
    ------
    TypeError
        If `projection` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> penalty = optim.proximal.indicator(optim.projections.nonnegative())
    >>> penalty.prox(np.asarray([-2.0, 0.1]), 3.0)
    array([0. , 0.1])
    """
    function("indicator", "projection", projection)
    return Penalty(_zero, partial(_projected, projection))


def _zero(_: Params) -> float:
    return 0.0


def _projected(projection: Callable[[Params], Params], x: Params, step: float) -> Params:
    not_negative("indicator", "step", step)
    return projection(x)


def soft_threshold(weight: float) -> Penalty:
    """Penalise the l1 norm; the proximal map shrinks each entry.

    ``value(x) = weight sum_i |x_i|`` and, with ``t = step weight``, ::

        prox(x, step)_i = x_i max(|x_i| - t, 0) / |x_i|

    Parameters
    ----------
    weight : float
        The weight, not negative.

    Returns
    -------
    Penalty
        The penalty of a real or complex floating-point array. The map keeps phases.

    Raises
    ------
    ValueError
        If `weight` or a step is negative or not finite.

    References
    ----------
    I. Daubechies, M. Defrise and C. De Mol, "An iterative thresholding algorithm for linear
    inverse problems with a sparsity constraint", Communications on Pure and Applied
    Mathematics 57, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> penalty = optim.proximal.soft_threshold(0.5)
    >>> x = np.asarray([2.0, -1.5, 0.3])
    >>> float(penalty.value(x)), penalty.prox(x, 2.0)
    (1.9, array([ 1. , -0.5,  0. ]))
    """
    weight = not_negative("soft_threshold", "weight", weight)

    return Penalty(partial(_l1_norm, weight), partial(_shrunk, weight))


def _l1_norm(weight: float, x: Array) -> Array:
    xp = floating_namespace("soft_threshold", x)
    return weight * xp.sum(xp.abs(wide(xp, x)))


def _shrunk(weight: float, x: Array, step: float) -> Array:
    xp = floating_namespace("soft_threshold", x)
    step = not_negative("soft_threshold", "step", step)
    modulus = xp.abs(wide(xp, x) / 2)  # a whole modulus may overflow
    shrunk = xp.maximum(modulus - step * weight / 2, 0.0)
    infinite = xp.isinf(modulus)  # the map keeps infinite entries
    unit = xp.where(infinite | (modulus == 0), 1.0, modulus)
    return scaled(xp, x, xp.where(infinite, 1.0, shrunk / unit))


def group_soft_threshold(weight: float, axes: Axes = None) -> Penalty:
    """Penalise the sum of the lengths of vectors; the proximal map shortens each.

    ``value(x) = weight sum_i |x_i|`` over the vectors `x_i` and, with ``t = step weight``, ::

        prox(x, step)_i = x_i max(|x_i| - t, 0) / |x_i|

    Of the differences of an image, with their components along `axes`, the value is the total
    variation.

    Parameters
    ----------
    weight : float
        The weight, not negative.
    axes : int or tuple of int, optional
        The axes that make one vector; all other axes are batch. By default the whole array is
        one vector.

    Returns
    -------
    Penalty
        The penalty of a real or complex floating-point array. All entries of a vector become
        NaN if one is not finite.

    Raises
    ------
    ValueError
        If `weight` or a step is negative or not finite.

    References
    ----------
    M. Yuan and Y. Lin, "Model selection and estimation in regression with grouped variables",
    Journal of the Royal Statistical Society B 68, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> penalty = optim.proximal.group_soft_threshold(0.5, axes=-1)
    >>> x = np.asarray([[3.0, 4.0], [0.3, 0.4]])
    >>> float(penalty.value(x))
    2.75
    >>> penalty.prox(x, 2.0)
    array([[2.4, 3.2],
           [0. , 0. ]])
    """
    weight = not_negative("group_soft_threshold", "weight", weight)
    axes = some_axes("group_soft_threshold", axes)
    return Penalty(partial(_total_length, weight, axes), partial(_shortened, weight, axes))


def _total_length(weight: float, axes: Axes, x: Array) -> Array:
    length, unit = _lengths(x, axes, 0.0)
    return weight * array_namespace(x).sum(length * unit)


def _shortened(weight: float, axes: Axes, x: Array, step: float) -> Array:
    t = not_negative("group_soft_threshold", "step", step) * weight
    xp = floating_namespace("group_soft_threshold", x)
    length, unit = _lengths(x, axes, t)
    shrunk = xp.maximum(length - t / unit, 0.0)
    return scaled(xp, x, shrunk / xp.where(length == 0, 1.0, length))


def _lengths(x: Array, axes: Axes, t: float) -> tuple[Array, Array]:
    """Return the length of each vector in a unit, and the unit."""
    xp = floating_namespace("group_soft_threshold", x)
    vector = vector_axes("group_soft_threshold", axes, x)
    modulus, unit = moduli(xp, x, vector, t or 1.0)
    return xp.sqrt(xp.sum(modulus**2, axis=vector, keepdims=True)), unit


def check_penalty(call: str, penalty: object, params: Params) -> None:
    """Raise unless `penalty` is a Penalty, or a mapping of Penalties by names of `params`."""
    if isinstance(penalty, Mapping):
        if not isinstance(params, Mapping) or not penalty.keys() <= params.keys():
            msg = (
                f"{call}: the penalty is {describe(penalty)} and the parameters are "
                f"{describe(params)}; want only names that the parameters have"
            )
            raise ValueError(msg)
        each = list(penalty.values())
    else:
        each = [penalty]
    for one in each:
        if not isinstance(one, Penalty):
            msg = (
                f"{call}: the penalty is {describe(one)}; "
                f"want a Penalty, as optim.proximal.soft_threshold(0.1) returns"
            )
            raise TypeError(msg)
        for name, part in one._asdict().items():
            function(call, f"{name} of the penalty", part)


def penalty_value(penalty: Penalties, params: Params) -> float:
    """Return the value; with a mapping, the sum of the values by name."""
    if isinstance(penalty, Mapping):
        return sum(float(one.value(params[name])) for name, one in penalty.items())
    return float(penalty.value(params))


def apply_prox(penalty: Penalties, params: Params, step: float) -> Params:
    """Apply the proximal map to `params` as a whole, or to the arrays that a mapping names."""
    if not isinstance(penalty, Mapping):
        return penalty.prox(params, step)
    return {
        name: penalty[name].prox(p, step) if name in penalty else p for name, p in params.items()
    }
