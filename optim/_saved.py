"""Trees of arrays as named NumPy arrays and JSON, and back, without pickle.

A tree is made of arrays of any namespace, numbers, strings, None, lists, tuples, dictionaries,
NamedTuples and dataclasses. Classes are stored by name, and looked up among the modules that are
loaded: reading imports nothing, and calls nothing but these classes.
"""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import (
    array_namespace,
    device,
    is_cupy_array,
    is_jax_array,
    is_numpy_array,
    is_torch_array,
    to_device,
)
from numpy.typing import NDArray

from optim._tree import Array, Params, describe, is_array, leaves

Tree = Any
Json = Any
Plain = NDArray[Any]
"""An array in the memory of the host."""


class Home(NamedTuple):
    """Where a caller's arrays are; those of NumPy among them are NumPy's wherever that is."""

    xp: Any
    device: Any


def home_of(params: Params) -> Home:
    """Return where the arrays of the parameters are."""
    _, first = next(leaves(params))
    return Home(array_namespace(first), device(first))


def on_host(x: Array) -> Plain:
    """Return an array in the memory of the host, with its axes in the same order in memory."""
    if is_cupy_array(x):
        return np.asarray(x.get(order="A"))
    if is_torch_array(x):
        return np.asarray(x.detach().cpu().resolve_conj().resolve_neg())
    if not (is_numpy_array(x) or is_jax_array(x)):
        xp = array_namespace(x)
        cpu = xp.Device("CPU_DEVICE") if hasattr(xp, "Device") else "cpu"  # array-api-strict's
        x = to_device(x, cpu)
    return np.asarray(x)


class Packer:
    """Turns trees into JSON, and collects their arrays; one that occurs twice is kept once."""

    def __init__(self) -> None:
        self.arrays: list[Plain] = []
        self.known: dict[int, Json] = {}

    def pack(self, tree: Tree) -> Json:
        """Return the JSON of a tree."""
        if is_array(tree):
            if id(tree) not in self.known:
                self.known[id(tree)] = self.array(tree)
            return self.known[id(tree)]
        if tree is None or type(tree) in (bool, int, float, str):
            return tree
        if type(tree) is complex:
            return {"complex": [tree.real, tree.imag]}
        if is_record(type(tree)):
            named = name_of(type(tree))
            return {"class": named, "fields": [self.pack(part) for part in parts_of(tree)]}
        if type(tree) in (tuple, list):
            return {type(tree).__name__: [self.pack(part) for part in tree]}
        if isinstance(tree, Mapping):
            return {"dict": [[self.pack(key), self.pack(part)] for key, part in tree.items()]}
        msg = (
            f"Checkpoint: the state holds {describe(tree)}; want arrays, numbers, strings, lists, "
            f"tuples, dictionaries, NamedTuples and dataclasses"
        )
        raise TypeError(msg)

    # Sums depend on the order of the axes in memory, and NumPy's file knows two of these orders.
    def array(self, x: Array) -> Json:
        """Return the JSON of an array."""
        plain = on_host(x)
        order = sorted(range(plain.ndim), key=lambda axis: -abs(plain.strides[axis]))
        self.arrays.append(np.asarray(plain.transpose(order), order="C"))
        kind = "number" if isinstance(x, np.generic) else "numpy" if is_numpy_array(x) else "own"
        return {"array": len(self.arrays) - 1, "order": order, "kind": kind}


class Unpacker:
    """Turns JSON into trees; `home` is where arrays that are not NumPy's are to be."""

    def __init__(self, arrays: list[Plain], home: Home) -> None:
        self.arrays = arrays
        self.home = home
        self.known: dict[int, Array] = {}

    def unpack(self, found: Json) -> Tree:
        """Return the tree of some JSON."""
        if not isinstance(found, dict):
            return found
        if "array" in found:
            number = found["array"]
            if number not in self.known:
                self.known[number] = self.array(found)
            return self.known[number]
        if "complex" in found:
            return complex(*found["complex"])
        if "class" in found:
            return class_of(found["class"])(*map(self.unpack, found["fields"]))
        if "dict" in found:
            return {self.unpack(key): self.unpack(part) for key, part in found["dict"]}
        (kind, parts), *_ = found.items()
        return {"list": list, "tuple": tuple}[kind](map(self.unpack, parts))

    def array(self, found: Json) -> Array:
        """Return an array, of the library it was of."""
        order = found["order"]
        plain = self.arrays[found["array"]].transpose([order.index(a) for a in range(len(order))])
        if found["kind"] == "number":
            return plain[()]
        if found["kind"] == "numpy":
            return plain
        return self.home.xp.asarray(plain, device=self.home.device)


def is_record(kind: type) -> bool:
    """Tell whether a class is one of fields alone: a NamedTuple or a dataclass."""
    return is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def parts_of(record: Any) -> list[Tree]:
    """Return the fields of a NamedTuple or dataclass, in the order in which it takes them."""
    if is_dataclass(record):
        return [getattr(record, field.name) for field in fields(record) if field.init]
    return list(record)


def name_of(kind: type) -> str:
    """Return the name under which `class_of` finds a class."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if found(name) is not kind:
        msg = (
            f"Checkpoint: the state holds a {kind.__qualname__}, which is no name of its module "
            f"{kind.__module__}; want a class that is one"
        )
        raise TypeError(msg)
    return name


def class_of(name: str) -> Any:
    """Return a class of fields by its name."""
    kind = found(name)
    if not (isinstance(kind, type) and is_record(kind)):
        fault = f"it holds a {name.replace(':', '.')}, which is not loaded here"
        raise LookupError(fault)  # a part of the message of a checkpoint
    return kind


def found(name: str) -> Any:
    """Return what a name stands for in the modules that are loaded, or None."""
    module, _, path = name.partition(":")
    thing: Any = sys.modules.get(module)
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing
