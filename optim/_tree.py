"""Parameters: one array, or a mapping of name to array. All that has to know which is here."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device, is_array_api_obj

Array: TypeAlias = Any  # an array of any array-API namespace
Params: TypeAlias = Any  # Array | Mapping[str, Array]
Projection: TypeAlias = Callable[[Params], Params] | Mapping[str, Callable[[Array], Array]]


def tree_map(f: Callable[..., Array], tree: Params, *rest: Params) -> Params:
    """Call `f` on each array of `tree`, with the arrays of the same name in `rest`."""
    if isinstance(tree, Mapping):
        return {name: f(leaf, *(r[name] for r in rest)) for name, leaf in tree.items()}
    return f(tree, *rest)


def leaves(tree: Params) -> Iterator[tuple[str, Array]]:
    """Yield each array of `tree` after what follows "the gradient" in a message about it."""
    if isinstance(tree, Mapping):
        yield from ((f" of {name!r}", leaf) for name, leaf in tree.items())
    else:
        yield "", tree


def inner(a: Params, b: Params) -> float:
    """Give ``Re sum conj(a) b`` over all arrays, summed in double precision."""
    return sum(float(product) for _, product in leaves(tree_map(_real_product, a, b)))


def _real_product(a: Array, b: Array) -> Array:
    xp = array_namespace(a)
    if xp.isdtype(a.dtype, "complex floating"):
        return _real_product(xp.real(a), xp.real(b)) + _real_product(xp.imag(a), xp.imag(b))
    # Products of single precision are exact in double.
    return xp.sum(xp.astype(a, xp.float64, copy=False) * xp.astype(b, xp.float64, copy=False))


def norm(a: Params) -> float:
    """Give the l2 norm over all arrays."""
    return math.sqrt(inner(a, a))


def copied(tree: Params) -> Params:
    """Copy each array."""
    return tree_map(lambda p: array_namespace(p).asarray(p, copy=True), tree)


def is_array(x: object) -> bool:
    """Say whether `x` is an array."""
    # array_api_compat's own test tells type checkers of fewer attributes than arrays have.
    return is_array_api_obj(x)


def describe(x: Any) -> str:
    """Say in words what `x` is, for messages."""
    if isinstance(x, Mapping):
        return f"a mapping with the names {sorted(map(str, x))}"
    if not is_array(x):
        return f"a {type(x).__name__}"
    library = type(x).__module__.partition(".")[0]
    return f"an array of {library}, shape {tuple(x.shape)}, dtype {x.dtype}, on {device(x)}"


def check_parameters(params: Params) -> None:
    """Raise unless there are parameters, floating-point arrays that have entries."""
    if isinstance(params, Mapping) and not params:
        msg = "the parameters are an empty mapping; wanted an array, or a mapping of name to array"
        raise ValueError(msg)
    for of, p in leaves(params):
        floating = ("real floating", "complex floating")
        if not is_array(p) or not array_namespace(p).isdtype(p.dtype, floating):
            msg = (
                f"the parameter{of} is {describe(p)}; "
                "wanted a real or complex floating-point array, or a mapping of name to array"
            )
            raise TypeError(msg)
        if math.prod(p.shape) == 0:
            msg = f"the parameter{of} is {describe(p)}; wanted an array that has entries"
            raise ValueError(msg)


def check_gradient(gradient: Params, params: Params, what: str = "the gradient") -> None:
    """Raise unless `gradient` has the names, shapes, dtypes, namespace and device of `params`."""
    if not isinstance(params, Mapping):
        _check_alike(what, gradient, params)
        return
    if not isinstance(gradient, Mapping) or gradient.keys() != params.keys():
        msg = f"{what} is {describe(gradient)}; wanted {describe(params)}, like the parameters"
        raise ValueError(msg)
    for name, p in params.items():
        _check_alike(f"{what} of {name!r}", gradient[name], p)


def _check_alike(what: str, g: Any, p: Array) -> None:
    # Types differ within one namespace: numpy's scalar and array of no dimensions, torch's
    # Parameter and Tensor. Comparing the types first spares the slower question.
    alike = (
        is_array(g)
        and (type(g) is type(p) or array_namespace(g) is array_namespace(p))
        and g.dtype == p.dtype
        and g.shape == p.shape
        and device(g) == device(p)
    )
    if not alike:
        msg = f"{what} is {describe(g)}; wanted {describe(p)}, like the parameter"
        raise ValueError(msg)


def check_projection(projection: object, params: Params) -> None:
    """Raise unless `projection` is a callable, or callables under names that `params` has."""
    if not isinstance(projection, Mapping):
        if not callable(projection):
            msg = f"the projection is {describe(projection)}; wanted a callable"
            raise TypeError(msg)
        return
    if not isinstance(params, Mapping) or not projection.keys() <= params.keys():
        msg = f"the projection is {describe(projection)}; the parameters are {describe(params)}"
        raise ValueError(msg)


def apply_projection(projection: Projection, params: Params) -> Params:
    """Project `params` as a whole by a callable, or the arrays that a mapping names."""
    if not isinstance(projection, Mapping):
        return projection(params)
    return {name: projection[name](p) if name in projection else p for name, p in params.items()}
