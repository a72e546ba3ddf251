"""The box and its most common case, the nonnegative arrays."""

from functools import partial
from typing import Any

from array_api_compat import array_namespace

from optim._settings import number
from optim._tree import Array, is_array
from optim._vectors import ArrayProjection, check_like, first_index, real_namespace


def box(low: float | Array, high: float | Array) -> ArrayProjection:
    """Project onto a box: each entry lies between two bounds.

    ``p_i = min(max(x_i, low_i), high_i)``

    Parameters
    ----------
    low, high : float or array
        The bounds, ``low <= high``. A number, or an array of no dimensions, bounds all
        entries; it is rounded to the dtype of `x`. An array broadcasts against `x` and must
        have the namespace, dtype and device of `x`.

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. NaN stays NaN.

    Raises
    ------
    ValueError
        If `low` is above `high` anywhere, or a bound is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.box(-0.5, 0.5)(np.asarray([-2.0, 0.1, 0.7]))
    array([-0.5,  0.1,  0.5])
    """
    low, high = _bound("low", low), _bound("high", high)
    ordered = low <= high
    if not (ordered if isinstance(ordered, bool) else bool(array_namespace(ordered).all(ordered))):
        msg = f"box: {_disorder(low, high, ordered)}; want low <= high"
        raise ValueError(msg)

    return partial(_into_box, low, high)


def _into_box(low: float | Array, high: float | Array, x: Array) -> Array:
    xp = real_namespace("box", x)
    for name, bound in (("low", low), ("high", high)):
        if not isinstance(bound, float):
            check_like("box", name, bound, x)
    return xp.minimum(xp.maximum(x, low), high)


def nonnegative() -> ArrayProjection:
    """Project onto the arrays without negative entries.

    ``p_i = max(x_i, 0)``

    Returns
    -------
    callable
        The projection ``x -> p`` of a real floating-point array. NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> optim.projections.nonnegative()(np.asarray([-2.0, 0.1]))
    array([0. , 0.1])
    """
    return _positive_part


def _positive_part(x: Array) -> Array:
    return real_namespace("nonnegative", x).maximum(x, 0.0)


def _disorder(low: Any, high: Any, ordered: Any) -> str:
    """Return in words the first place where the bounds are out of order."""
    if isinstance(ordered, bool):
        return f"low is {low} and high is {high}"
    xp = array_namespace(ordered)
    index = first_index(xp, xp.logical_not(ordered))
    bounds = []
    for name, bound in (("low", low), ("high", high)):
        if isinstance(bound, float):
            bounds.append(f"{name} is {bound}")
        else:
            at = float(xp.broadcast_to(bound, ordered.shape)[index])
            bounds.append(f"{name}, an array of shape {tuple(bound.shape)}, is {at}")
    return f"{' and '.join(bounds)} at the index {index}"


def _bound(name: str, bound: Any) -> Any:
    """Return a bound as a float if it is a number, else as the array."""
    if is_array(bound) and bound.ndim > 0:
        real_namespace("box", bound, name)
        return bound
    return number("box", name, bound, "a number or an array")
