"""Checks of numbers; each returns the number as a Python float."""

import math


def positive(call: str, name: str, value: float) -> float:
    """Return the number; raise unless it is positive and finite."""
    value = float(value)
    if not 0 < value < math.inf:
        msg = f"{call}: {name} is {value}; want a positive number"
        raise ValueError(msg)
    return value


def not_negative(call: str, name: str, value: float) -> float:
    """Return the number; raise if it is negative or not finite."""
    value = float(value)
    if not 0 <= value < math.inf:
        msg = f"{call}: {name} is {value}; want a finite number, not negative"
        raise ValueError(msg)
    return value
