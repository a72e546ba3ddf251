"""Maps as trees: frozen dataclasses at the nodes, arrays at the leaves.

Results of jobs are trees as well: dataclasses, named tuples and dicts of arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache, cached_property
from typing import Any

from array_api_compat import is_array_api_obj

from nufftlib.core.arrays import Array


class Node:
    """Base of whatever the tree descends into."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy and pickle the fields; whatever is computed from them is computed again."""
        return made_of, (type(self), dict(fields(self)))


def made_of(kind: type, state: dict[str, Any]) -> Any:
    """Return a node with these fields.

    Its own ``__init__`` is not called, which may take other arguments; ``__post_init__``
    computes the rest from the fields.
    """
    node: Any = object.__new__(kind)
    if not dataclasses.is_dataclass(kind):
        vars(node).update(state)
        return node
    fresh = {
        f.name: f.default_factory()
        for f in dataclasses.fields(kind)
        if not f.init and f.default_factory is not dataclasses.MISSING
    }
    vars(node).update(state, **fresh)
    if hasattr(node, "__post_init__"):
        node.__post_init__()
    return node


def fields(node: Any) -> list[tuple[str, Any]]:
    """Return the names and values that a node is made of."""
    kind: Any = type(node)
    computed = computed_names(kind)
    return [(name, value) for name, value in vars(node).items() if name not in computed]


@cache
def computed_names(kind: type) -> frozenset[str]:
    """Return the attributes that a class computes from others, and need not be kept."""
    found = {
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, cached_property)
    }
    if dataclasses.is_dataclass(kind):
        found |= {f.name for f in dataclasses.fields(kind) if not f.init}
    return frozenset(found)


def children(thing: object) -> Iterator[tuple[str, Any]]:
    """Yield the nodes and arrays right below a node, a tuple or a list, by the field's name.

    NumPy's scalars are left out: they go with arrays of any library.
    """
    for name, value in fields(thing) if isinstance(thing, Node) else ():
        if isinstance(value, Node) or is_array(value):
            yield name, value
        elif isinstance(value, tuple | list):
            yield from ((name, v) for v in value if isinstance(v, Node) or is_array(v))


def named_arrays(thing: object) -> Iterator[tuple[str, Array]]:
    """Yield the arrays that a map is made of, each with the name of its field."""
    for name, value in children(thing):
        if isinstance(value, Node):
            yield from named_arrays(value)
        else:
            yield name, value


def held_arrays(thing: object) -> Iterator[Array]:
    """Yield the arrays that a map is made of."""
    return (array for _, array in named_arrays(thing))


def rebuild(
    thing: Any, change: Callable[[Array], Array], made: dict[int, Any] | None = None
) -> Any:
    """Return a tree of the same form with every array changed by `change`.

    Where nothing changes, the tree itself is returned. A node or array that stands in several
    places, as the trajectory in ``F.H @ W @ F``, stays one.
    """
    made = {} if made is None else made
    if id(thing) in made:
        return made[id(thing)]
    new = thing
    if is_array(thing):
        new = change(thing)
    elif isinstance(thing, tuple | list):
        parts = [rebuild(part, change, made) for part in thing]
        if any(a is not b for a, b in zip(parts, thing, strict=True)):
            named = hasattr(thing, "_fields")
            new = type(thing)(*parts) if named else type(thing)(parts)
    elif isinstance(thing, dict):
        values = {key: rebuild(value, change, made) for key, value in thing.items()}
        if any(values[key] is not thing[key] for key in values):
            new = copy(thing)  # of its own type, in its own order
            new.update(values)
    elif isinstance(thing, Node) or (
        dataclasses.is_dataclass(thing) and not isinstance(thing, type)
    ):
        new = with_fields(thing, lambda _, value: rebuild(value, change, made))
    made[id(thing)] = new
    return new


def with_fields(node: Any, change: Callable[[str, Any], Any]) -> Any:
    """Return a node with each field changed by ``change(name, value)``; itself if none is."""
    old = dict(fields(node))
    new = {name: change(name, value) for name, value in old.items()}
    new = {name: value for name, value in new.items() if value is not old[name]}
    return made_of(type(node), {**old, **new}) if new else node


def is_array(thing: object) -> bool:
    """Tell whether `thing` is an array of some library, and not a number."""
    return hasattr(thing, "__dlpack__") and is_array_api_obj(thing)
