"""Common parts of the point-spread functions: sizes, the sum of one, and the hand-over.

NumPy computes them in double precision and hands them over, so that one set of
arguments gives one PSF in every array library.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import sizes


def pixels(call: str, size: int | tuple[int, ...], least: int = 1) -> tuple[int, ...]:
    """Return the size on each axis, `least` to three; a single number is the size of a square."""
    wish = f"a number of pixels, or one for each of {('one to', 'two or')[least - 1]} three axes"
    return sizes(call, "size", size, wish, counts=range(least, 4), alone=2)


def pixels_2d(call: str, size: int | tuple[int, int], name: str = "size") -> tuple[int, int]:
    """Return height and width."""
    wish = "a number of pixels, or (height, width)"
    height, width = sizes(call, name, size, wish, counts=(2,), alone=2)
    return height, width


def pixels_nd(call: str, size: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return the size on each of two or three axes; a single number is that of all."""
    axes = {2: "pixels, or (height, width)", 3: "voxels, or (depth, height, width)"}[ndim]
    return sizes(call, "size", size, f"a number of {axes}", counts=(ndim,), alone=ndim)


def batch_shape(call: str, batch: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the leading axes of independent draws."""
    return sizes(call, "batch", batch, "a number of draws, or a tuple of them", least=0, alone=1)


def edges(size: int) -> Any:
    """Return the edges of `size` pixels of width 1; pixel ``size // 2`` is centred at 0."""
    return np.arange(size + 1) - size // 2 - 0.5


def of_sum_one(call: str, h: Any, ndim: int, *, xp: Namespace, dtype: Any, device: Any) -> Array:
    """Divide by the sum over the last `ndim` axes, and hand over to `xp`."""
    h = h / h.sum(axis=tuple(range(-ndim, 0)), keepdims=True)
    return make_array(call, h, xp=xp, dtype=dtype, device=device)
