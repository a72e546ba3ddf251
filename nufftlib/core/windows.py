"""Means over sliding windows, and halving of an image, each with its adjoint.

All work along the last axes, one axis after the other, on any array library.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace

Window = Literal["gaussian", "uniform"]
WINDOWS: tuple[Window, ...] = get_args(Window)


def window_weights(window: Window, size: int, sigma: float) -> tuple[float, ...]:
    """Return the weights of a window along one axis, symmetric and of sum 1."""
    if window == "uniform":
        return (1 / size,) * size
    half = size // 2
    heights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-half, half + 1)]
    return tuple(h / sum(heights) for h in heights)


def along(axis: int, part: slice) -> tuple[object, ...]:
    """Return the index of a part of one of the last axes, counted from the end."""
    return (..., part, *(slice(None),) * (-axis - 1))


# m[p] = sum_k w[k] x[p + k], the window within the image
def window_means(x: Array, weights: tuple[float, ...], ndim: int) -> Array:
    """Return the weighted means of all windows that lie within the image."""
    for axis in range(-ndim, 0):
        x = correlate(x, weights, axis)
    return x


# <y, m> = sum_p y[p] sum_k w[k] x[p + k] = sum_q x[q] sum_k w[k] y[q - k]:
# as w[k] = w[size - 1 - k], the same means, of y between zeros
def spread_means(xp: Namespace, y: Array, weights: tuple[float, ...], ndim: int) -> Array:
    """Return the adjoint of `window_means`."""
    for axis in range(-ndim, 0):
        edge = zeros_along(xp, y, axis, len(weights) - 1)
        y = correlate(xp.concat([edge, y, edge], axis=axis), weights, axis)
    return y


def correlate(x: Array, weights: tuple[float, ...], axis: int) -> Array:
    """Return the weighted sums of neighbours along an axis; two by two, as weights are equal."""
    size = len(weights)
    count = x.shape[axis] - size + 1
    shifted = [x[along(axis, slice(k, k + count))] for k in range(size)]
    total = weights[size // 2] * shifted[size // 2]
    for k in range(size // 2):
        total = total + weights[k] * (shifted[k] + shifted[size - 1 - k])
    return total


def zeros_along(xp: Namespace, x: Array, axis: int, count: int) -> Array:
    """Return zeros like `x`, so many along the axis."""
    shape = list(x.shape)
    shape[axis] = count
    return xp.zeros(tuple(shape), dtype=x.dtype, device=device(x))


# h[p] = (x[2 p] + x[2 p + 1]) / 2
def halve(x: Array, ndim: int) -> Array:
    """Return the means of two by two neighbours; the last entry of an odd axis is left out."""
    for axis in range(-ndim, 0):
        pairs = 2 * (x.shape[axis] // 2)
        first, second = (x[along(axis, slice(k, pairs, 2))] for k in (0, 1))
        x = 0.5 * (first + second)
    return x


# <y, h> = sum_p (y[p] / 2) (x[2 p] + x[2 p + 1])
def double(xp: Namespace, y: Array, shape: tuple[int, ...], ndim: int) -> Array:
    """Return the adjoint of `halve` for images of the shape `shape`."""
    for axis in range(-ndim, 0):
        left_out = zeros_along(xp, y, axis, shape[axis] % 2)
        y = xp.concat([xp.repeat(0.5 * y, 2, axis=axis), left_out], axis=axis)
    return y
