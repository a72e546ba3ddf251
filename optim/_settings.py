"""Checks of settings by their kind; each returns the setting as a plain Python object."""

import cmath
import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

from array_api_compat import array_namespace

from optim._tree import describe, is_array

LONGEST = 40  # characters of a setting in a message


def number(call: str, name: str, value: Any, wish: str = "a number") -> float:
    """Return a real number as a float, which widens no array: a `numpy.float64` would."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    if is_array(value) and value.ndim == 0:
        kinds = ("real floating", "integral")
        if array_namespace(value).isdtype(value.dtype, kinds):
            return float(value)
    raise wrong_kind(call, name, value, wish)


def positive(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is positive and finite."""
    x = number(call, name, value)
    if not 0 < x < math.inf:
        msg = f"{call}: {name} is {x}; want a positive number"
        raise ValueError(msg)
    return x


def not_negative(call: str, name: str, value: Any) -> float:
    """Return the number; raise if it is negative or not finite."""
    x = number(call, name, value)
    if not 0 <= x < math.inf:
        msg = f"{call}: {name} is {x}; want a finite number, not negative"
        raise ValueError(msg)
    return x


def finite(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is finite."""
    x = number(call, name, value)
    if not math.isfinite(x):
        msg = f"{call}: {name} is {x}; want a finite number"
        raise ValueError(msg)
    return x


def fraction(call: str, name: str, value: Any) -> float:
    """Return the number; raise unless it is in [0, 1)."""
    x = number(call, name, value)
    if not 0 <= x < 1:
        msg = f"{call}: {name} is {x}; want 0 <= {name} < 1"
        raise ValueError(msg)
    return x


def complex_number(call: str, name: str, value: Any) -> complex:
    """Return a real or complex number; raise unless it is finite."""
    if is_array(value) and value.ndim == 0:
        xp = array_namespace(value)
        value = complex(value) if xp.isdtype(value.dtype, "complex floating") else value
    if not isinstance(value, complex):
        return complex(finite(call, name, value))
    if not cmath.isfinite(value):
        msg = f"{call}: {name} is {value}; want a finite number"
        raise ValueError(msg)
    return complex(value)


def integer(
    call: str, name: str, value: Any, least: int | None = None, wish: str = "an integer"
) -> int:
    """Return an integer; raise if it is less than `least`."""
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None:
        raise wrong_kind(call, name, value, wish)
    if least is not None and whole < least:
        wish = f"at least {least}" if least else "0 or more"
        msg = f"{call}: {name} is {whole}; want {wish}"
        raise ValueError(msg)
    return whole


def flag(call: str, name: str, value: Any) -> bool:
    """Return True or False, which may be an array's."""
    truth = is_array(value) and value.ndim == 0
    if truth and array_namespace(value).isdtype(value.dtype, "bool"):
        return bool(value)
    if not isinstance(value, bool):
        raise wrong_kind(call, name, value, "True or False")
    return value


def function(call: str, name: str, value: Any, wish: str = "a callable") -> Callable[..., Any]:
    """Return a callable."""
    if not callable(value):
        raise wrong_kind(call, name, value, wish)
    called: Callable[..., Any] = value
    return called


def some_axes(call: str, value: Any, name: str = "axes") -> tuple[int, ...] | None:
    """Return axes as a tuple of integers; None stands for all."""
    if value is None:
        return None
    several = isinstance(value, tuple | list)
    wish = "an integer or a tuple of integers"
    return tuple(integer(call, name, a, wish=wish) for a in (value if several else (value,)))


def wrong_kind(call: str, name: str, value: Any, wish: str) -> TypeError:
    """Return the error of a setting of the wrong kind."""
    shown = describe(value)
    if not is_array(value) and len(repr(value)) <= LONGEST:
        shown = repr(value)
    msg = f"{call}: {name} is {shown}; want {wish}"
    return TypeError(msg)
