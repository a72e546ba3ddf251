"""Parameters: one array, or a mapping of name to array. Only this module tells them apart."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from array_api_compat import array_namespace, device, is_array_api_obj, is_torch_array

Array: TypeAlias = Any  # an array of any array-API namespace
Params: TypeAlias = Any  # Array | Mapping[str, Array]
Projection: TypeAlias = Callable[[Params], Params] | Mapping[str, Callable[[Array], Array]]


def tree_map(f: Callable[..., Array], tree: Params, *rest: Params) -> Params:
    """Call `f` on each array of `tree`, with the arrays of the same name in `rest`."""
    if isinstance(tree, Mapping):
        return {name: f(leaf, *(r[name] for r in rest)) for name, leaf in tree.items()}
    return f(tree, *rest)


def leaves(tree: Params) -> Iterator[tuple[str, Array]]:
    """Yield each array of `tree` after its name in a message: " of 'psf'", or "" for one array."""
    if isinstance(tree, Mapping):
        yield from ((f" of {name!r}", leaf) for name, leaf in tree.items())
    else:
        yield "", tree


def inner(a: Params, b: Params) -> float:
    """Return ``Re sum conj(a) b`` over all arrays, summed in double precision."""
    return sum(float(product) for _, product in leaves(tree_map(_real_product, a, b)))


def _real_product(a: Array, b: Array) -> Array:
    xp = array_namespace(a)
    if xp.isdtype(a.dtype, "complex floating"):
        return _real_product(xp.real(a), xp.real(b)) + _real_product(xp.imag(a), xp.imag(b))
    # Products of single precision are exact in double.
    return xp.sum(xp.astype(a, xp.float64, copy=False) * xp.astype(b, xp.float64, copy=False))


def norm(a: Params) -> float:
    """Return the l2 norm over all arrays."""
    return math.sqrt(inner(a, a))


def copied(tree: Params) -> Params:
    """Copy each array."""
    return tree_map(lambda p: array_namespace(p).asarray(p, copy=True), tree)


def is_array(x: object) -> bool:
    """Return whether `x` is an array. A masked one is none: functions may forget its mask.

    Neither is a class of arrays, such as `numpy.ndarray`, nor a tensor with an `odd_layout`.
    """
    if not is_array_api_obj(x) or isinstance(x, type):
        return False
    return not hasattr(x, "mask") and not odd_layout(x)


def odd_layout(x: Any) -> str:
    """Return how a tensor of torch is laid out if not as an array: "sparse_coo", "nested"."""
    if not is_torch_array(x):
        return ""
    layout = "nested" if x.is_nested else str(x.layout).removeprefix("torch.")
    return "" if layout == "strided" else layout


def describe(x: Any) -> str:
    """Return `x` in words, for messages."""
    if isinstance(x, Mapping):
        return f"a mapping with the names {sorted(map(str, x))}"
    if not is_array(x):
        return " ".join(filter(None, ["a", odd_layout(x), type(x).__name__]))
    library = type(x).__module__.partition(".")[0]
    return f"an array of {library}, shape {tuple(x.shape)}, dtype {x.dtype}, on {device(x)}"


def check_parameters(call: str, params: Params) -> None:
    """Raise unless `params` are floating-point arrays that have entries, at least one."""
    if isinstance(params, Mapping) and not params:
        msg = (
            f"{call}: the parameters are an empty mapping; "
            f"want an array, or a mapping of name to array"
        )
        raise ValueError(msg)
    for of, p in leaves(params):
        floating = ("real floating", "complex floating")
        if not is_array(p) or not array_namespace(p).isdtype(p.dtype, floating):
            msg = (
                f"{call}: the parameter{of} is {describe(p)}; "
                f"want a real or complex floating-point array, or a mapping of name to array"
            )
            raise TypeError(msg)
        if math.prod(p.shape) == 0:
            msg = f"{call}: the parameter{of} is {describe(p)}; want an array that has entries"
            raise ValueError(msg)


def check_alike(call: str, name: str, tree: Params, params: Params) -> None:
    """Raise unless `tree` has the names, shapes, dtypes, namespace and device of `params`."""
    if not isinstance(params, Mapping):
        _check_array(call, name, tree, params)
        return
    if not isinstance(tree, Mapping) or tree.keys() != params.keys():
        msg = f"{call}: {name} is {describe(tree)}; want {describe(params)}, like the parameters"
        raise ValueError(msg)
    for key, p in params.items():
        _check_array(call, f"{name} of {key!r}", tree[key], p)


def _check_array(call: str, name: str, a: Any, p: Array) -> None:
    # Types may differ within one namespace: numpy has scalars and arrays of no dimensions,
    # torch has Parameter and Tensor. Equal types spare the slower look-up.
    alike = (
        is_array(a)
        and (type(a) is type(p) or array_namespace(a) is array_namespace(p))
        and a.dtype == p.dtype
        and a.shape == p.shape
        and device(a) == device(p)
    )
    if not alike:
        msg = f"{call}: {name} is {describe(a)}; want {describe(p)}, like the parameter"
        raise ValueError(msg)


def check_projection(call: str, projection: object, params: Params) -> None:
    """Raise unless `projection` is a callable, or callables under names that `params` has."""
    if not isinstance(projection, Mapping):
        if not callable(projection):
            msg = f"{call}: the projection is {describe(projection)}; want a callable"
            raise TypeError(msg)
        return
    if not isinstance(params, Mapping) or not projection.keys() <= params.keys():
        msg = (
            f"{call}: the projection is {describe(projection)} and the parameters are "
            f"{describe(params)}; want only names that the parameters have"
        )
        raise ValueError(msg)
    for name, one in projection.items():
        if not callable(one):
            msg = f"{call}: the projection of {name!r} is {describe(one)}; want a callable"
            raise TypeError(msg)


def apply_projection(projection: Projection, params: Params) -> Params:
    """Project `params` as a whole by a callable, or the arrays that a mapping names."""
    if not isinstance(projection, Mapping):
        return projection(params)
    return {name: projection[name](p) if name in projection else p for name, p in params.items()}
