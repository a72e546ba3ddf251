"""Checks of settings by their kind; each returns the setting as a plain object of Python.

A setting of the wrong kind is a TypeError, and one out of its range a ValueError. Both say
"call(name): name is X; want ...", so that functions have one voice.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_torch_array

LONGEST = 40
"""Characters of a setting in a message."""

T = TypeVar("T")


def number(call: str, name: str, value: Any, wish: str = "a number") -> float:
    """Return a real number as a float, which widens no array: a `numpy.float64` would."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not (real or is_scalar(value, ("real floating", "integral"))):
        raise wrong_kind(call, name, value, wish)
    try:
        return float(value)
    except OverflowError:  # of an integer or a fraction
        return math.inf if value > 0 else -math.inf


def finite(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is finite."""
    x = number(call, name, value)
    if not math.isfinite(x):
        raise out_of_range(call, name, x, "a finite number")
    return x


def positive(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is positive and finite."""
    x = number(call, name, value)
    if not 0 < x < math.inf:
        raise out_of_range(call, name, x, "a positive, finite number")
    return x


def not_negative(call: str, name: str, value: Any, wish: str = "a number") -> float:
    """Return the number; raise if it is negative or not finite."""
    x = number(call, name, value, wish)
    if not 0 <= x < math.inf:
        raise out_of_range(call, name, x, "a finite number, 0 or more")
    return x


def real_values(call: str, name: str, value: Any) -> Any:
    """Return a number or an array-like of numbers as a NumPy array of double precision."""
    try:
        values = np.asarray(number(call, name, value) if isinstance(value, Real) else value)
    except (TypeError, ValueError):  # rows of several lengths, or an array on another device
        values = np.asarray(None)
    if values.dtype.kind not in "fiu" or hasattr(value, "mask"):
        raise wrong_kind(call, name, value, "a number, or an array of numbers")
    return values.astype(np.float64)


def integer(
    call: str,
    name: str,
    value: Any,
    *,
    least: int,
    most: float = math.inf,
    wish: str = "an integer",
) -> int:
    """Return an integer; fractions are not cut off."""
    whole = as_integer(value)
    if whole is None:
        raise wrong_kind(call, name, value, wish)
    if not least <= whole <= most:
        above = f"at least {least}" if least else "0 or more"
        raise out_of_range(call, name, whole, above if most == math.inf else f"{least} to {most}")
    return whole


def generator(call: str, seed: Any) -> np.random.Generator:
    """Return the generator of a seed, an integer; without one a result could not be repeated."""
    return np.random.default_rng(integer(call, "seed", seed, least=0))


def integers(call: str, name: str, value: Any, wish: str, *, alone: int = 0) -> tuple[int, ...]:
    """Return a sequence of integers; one by itself stands for `alone` of them, if that is not 0."""
    one = as_integer(value) if alone else None
    found: list[int | None] = [None]
    if one is not None:
        found = [one] * alone
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        found = [as_integer(n) for n in value]
    elif is_array(value) and value.ndim == 1:
        found = [as_integer(value[i]) for i in range(value.shape[0])]
    whole = tuple(n for n in found if n is not None)
    if len(whole) < len(found):
        raise wrong_kind(call, name, value, wish)
    return whole


def sizes(
    call: str,
    name: str,
    value: Any,
    wish: str,
    *,
    counts: Collection[int] | None = None,
    least: int = 1,
    alone: int = 0,
) -> tuple[int, ...]:
    """Return sizes, as many as `counts` has; `wish` says what they are."""
    given = integers(call, name, value, f"{wish}, integers", alone=alone)
    if (counts is not None and len(given) not in counts) or any(n < least for n in given):
        raise out_of_range(call, name, value, f"{wish} of at least {least}")
    return given


def lengths(call: str, name: str, value: Any, axes: int) -> tuple[float, ...]:
    """Return a length along each axis in metres; one number is that of all."""
    values = real_values(call, name, value)
    if values.shape not in ((), (axes,)):
        wish = f"a length in metres, or one for each of {axes} axes"
        raise out_of_range(call, name, value, wish)
    return tuple(positive(call, name, x) for x in np.broadcast_to(values, axes).tolist())


def flag(call: str, name: str, value: Any) -> bool:
    """Return True or False, which may be an array's."""
    if not isinstance(value, bool) and not is_scalar(value, "bool"):
        raise wrong_kind(call, name, value, "True or False")
    return bool(value)


def choice(call: str, name: str, value: Any, known: Collection[T]) -> T:
    """Return one of the known values, which are text or None."""
    for one in known:
        if value is one or (isinstance(value, str) and value == one):
            return one
    raise out_of_range(call, name, value, f"one of {', '.join(map(repr, known))}")


def names(call: str, name: str, value: Any, known: Collection[str]) -> tuple[str, ...]:
    """Return one or several known names."""
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Iterable) or is_array_api_obj(given):
        raise wrong_kind(call, name, value, "names")
    return tuple(choice(call, name, one, known) for one in given)


def optional_function(call: str, name: str, value: Any) -> Callable[..., Any] | None:
    """Return a callable, or None."""
    if value is not None and not callable(value):
        raise wrong_kind(call, name, value, "a callable or None")
    called: Callable[..., Any] | None = value
    return called


def file_path(call: str, name: str, value: Any) -> Path:
    """Return the path of a file."""
    if not isinstance(value, str | PathLike):
        raise wrong_kind(call, name, value, "the path of a file")
    return Path(value)


def instance(call: str, name: str, value: Any, kind: type[Any], wish: str) -> Any:
    """Return an object of the class `kind`."""
    if not isinstance(value, kind):
        raise wrong_kind(call, name, value, wish)
    return value


# --- what the checks ask and say ---------------------------------------------------------------


def is_array(value: object) -> bool:
    """Tell whether `value` is an array. A masked one is none: native code knows no mask.

    Neither is a class of arrays, nor a tensor with an `odd_layout`.
    """
    if not is_array_api_obj(value) or isinstance(value, type):
        return False
    return not hasattr(value, "mask") and not odd_layout(value)


def odd_layout(value: Any) -> str:
    """Return how a tensor of torch is laid out if not as an array: "sparse_coo", "nested"."""
    if not is_torch_array(value):
        return ""
    layout = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
    return "" if layout == "strided" else layout


def class_of(value: object) -> str:
    """Return the class of what is no array, in words for a message."""
    return " ".join(filter(None, ["a", odd_layout(value), type(value).__name__]))


def is_scalar(value: Any, kinds: str | tuple[str, ...]) -> bool:
    """Tell whether `value` is an array of no dimensions, of a dtype of these kinds."""
    if not is_array(value) or value.ndim != 0:
        return False
    if getattr(value, "requires_grad", False):  # torch would not see where its number went
        return False
    return bool(array_namespace(value).isdtype(value.dtype, kinds))


def as_integer(value: Any) -> int | None:
    """Return an integer of Python, or None of anything else."""
    if type(value) is int:
        return value
    array = is_array_api_obj(value)
    if isinstance(value, bool) or (array and not is_scalar(value, "integral")):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def shown(value: Any) -> str:
    """Return a setting as a message shows it: itself if that is short, else in words."""
    if is_array(value) and value.ndim > 0:
        return f"an array of the shape {tuple(value.shape)} and dtype {value.dtype}"
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = ""
    short = 0 < len(text) <= LONGEST and "\n" not in text
    return text if short else class_of(value)


def wrong_kind(call: str, name: str, value: Any, wish: str) -> TypeError:
    """Return the error of a setting of the wrong kind."""
    msg = f"{call}({name}): {name} is {shown(value)}; want {wish}"
    return TypeError(msg)


class SettingError(ValueError):
    """A setting that is out of its range, in parts: a command names its option instead.

    Parameters
    ----------
    call, name : str
        The function, and its parameter.
    value : str
        The setting as a message shows it.
    beside : str
        What it does not go with, or nothing.
    wish : str
        What would do.
    """

    def __init__(self, call: str, name: str, value: str, beside: str, wish: str) -> None:
        super().__init__(call, name, value, beside, wish)
        self.call, self.name, self.value, self.beside, self.wish = self.args

    def __str__(self) -> str:
        """Return the message."""
        return f"{self.call}({self.name}): {self.name} is {self.value}{self.rest}"

    @property
    def rest(self) -> str:
        """What follows the value in a message."""
        return f"{self.beside and f', and {self.beside}'}; want {self.wish}"


def out_of_range(call: str, name: str, value: Any, wish: str, beside: str = "") -> SettingError:
    """Return the error of a setting that is out of its range, or does not go with another."""
    return SettingError(call, name, shown(value), beside, wish)
