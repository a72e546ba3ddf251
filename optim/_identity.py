"""What a run belongs to, in JSON: settings by their values, arrays by their digests."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from optim._saved import Json, on_host
from optim._tree import is_array
from optim.optimizers import Optimizer

DIGITS = 16
"""Hexadecimal digits of a digest."""


def identity(value: Any) -> Json:
    """Return what tells a setting from another one.

    Functions count by their names, and what `functools.partial` or a dataclass binds, by value.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if is_array(value):
        return of_array(value)
    if isinstance(value, Mapping):
        return {str(key): identity(part) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: identity(part) for name, part in zip(value._fields, value, strict=True)}
    if isinstance(value, tuple | list):
        return [identity(part) for part in value]
    if isinstance(value, partial):
        bound = {**dict(zip(names_of(value.func), value.args, strict=False)), **value.keywords}
        return {"function": named(value.func), **identity(bound)}
    if isinstance(value, Optimizer):
        return identity(value.unchecked_update)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {"class": named(type(value)), **identity(parts)}
    if isinstance(value, complex | range | PurePath | np.dtype):
        return str(value)
    return named(value if hasattr(value, "__qualname__") else type(value))


def of_array(x: Any) -> str:
    """Return library, dtype, shape and digest of an array."""
    plain = on_host(x)
    library = array_namespace(x).__name__.removeprefix("array_api_compat.").partition(".")[0]
    digest = hashlib.sha256(np.ascontiguousarray(plain).tobytes()).hexdigest()[:DIGITS]
    return f"{library} {plain.dtype} of shape {plain.shape} with the digest {digest}"


def named(thing: Any) -> str:
    """Return the name of a function or class with its module."""
    return f"{thing.__module__}.{thing.__qualname__}"


def names_of(function: Any) -> list[str]:
    """Return the names of the arguments of a function, or their places."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # one that is written in C may not say
        return [str(i) for i in range(100)]


def differences(before: Json, now: Json) -> Iterator[str]:
    """Yield in words where two identities differ."""
    then, here = dict(flat(before)), dict(flat(now))
    for name in here | then:
        if name not in then:
            yield f"{name} is {here[name]!r} and was not there"
        elif name not in here:
            yield f"{name} was {then[name]!r} and is not there"
        elif repr(then[name]) != repr(here[name]):  # NaN is NaN
            yield f"{name} was {then[name]!r} and is {here[name]!r}"


def flat(tree: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the leaves with their names: `optimizer.rate.value`, `fov[0]`."""
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from flat(part, f"{name}.{key}" if name else key)
    elif isinstance(tree, list):
        for i, part in enumerate(tree):
            yield from flat(part, f"{name}[{i}]")
    else:
        yield name, tree
