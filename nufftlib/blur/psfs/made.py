"""Common parts of the point-spread functions: sizes, the sum of one, and the hand-over.

NumPy computes them in double precision and hands them over, so that one set of
arguments gives one PSF in every array library.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array


def pixels(call: str, size: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the size on each axis; a single number is the size of a square."""
    sizes = tuple(size) if isinstance(size, Iterable) else (size, size)
    if not sizes or not all(isinstance(n, int | np.integer) and n >= 1 for n in sizes):
        msg = f"{call}: size is {size}; want whole numbers, at least one pixel on each axis"
        raise ValueError(msg)
    return tuple(int(n) for n in sizes)


def pixels_2d(call: str, size: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width."""
    sizes = pixels(call, size)
    if len(sizes) != 2:
        msg = f"{call}: size is {size}; want a number or (height, width)"
        raise ValueError(msg)
    return sizes[0], sizes[1]


def batch_shape(call: str, batch: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the leading axes of independent draws."""
    axes = tuple(batch) if isinstance(batch, Iterable) else (batch,)
    if not all(isinstance(n, int | np.integer) and n >= 0 for n in axes):
        msg = f"{call}: batch is {batch}; want a number of draws or a tuple of them"
        raise ValueError(msg)
    return tuple(int(n) for n in axes)


def edges(size: int) -> Any:
    """Return the edges of `size` pixels of width 1; pixel ``size // 2`` is centred at 0."""
    return np.arange(size + 1) - size // 2 - 0.5


def of_sum_one(call: str, h: Any, ndim: int, *, xp: Namespace, dtype: Any, device: Any) -> Array:
    """Divide by the sum over the last `ndim` axes, and hand over to `xp`."""
    h = h / h.sum(axis=tuple(range(-ndim, 0)), keepdims=True)
    return make_array(call, h, xp=xp, dtype=dtype, device=device)
