"""Finite differences."""


def difference(f, h=1e-4):
    """Central difference of fourth order, of a function of one number at zero."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)
