"""Checks of numbers; each gives the number as a Python float."""

import math


def positive(call: str, name: str, value: float) -> float:
    """Return a number that has to be positive."""
    value = float(value)
    if not 0 < value < math.inf:
        msg = f"{call}: {name} is {value}; want a positive number"
        raise ValueError(msg)
    return value


def not_negative(call: str, name: str, value: float) -> float:
    """Return a number that must not be negative."""
    value = float(value)
    if not 0 <= value < math.inf:
        msg = f"{call}: {name} is {value}; want a finite number, not negative"
        raise ValueError(msg)
    return value
