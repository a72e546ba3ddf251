"""CPU arrays of any library as NumPy arrays and back, by DLPack, without a copy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, check_traced, library

ALIGNMENT = 64
"""Bytes to which an array must be aligned for JAX to take it without a copy."""


def resolved(x: Array) -> Array:
    """Write out a conjugation or negation that torch has delayed; otherwise nothing is copied.

    Native code's work on a tensor that requires grad would not be recorded by torch, and JAX's
    tracers have no values.
    """
    check_traced("native code", x)
    if getattr(x, "requires_grad", False):
        msg = (
            "a tensor requires grad, and torch does not record the work of native code; want "
            "it detached, or the operator as nufftlib.interop.torch.wrap(operator)"
        )
        raise TypeError(msg)
    for resolve in ("resolve_conj", "resolve_neg"):
        x = getattr(x, resolve, lambda x=x: x)()
    return x


def as_numpy(x: Array) -> Any:
    """View a CPU array as a NumPy array, without a copy."""
    return x if isinstance(x, np.ndarray) else np.from_dlpack(resolved(x))


def from_numpy(xp: Any, x: Any) -> Array:
    """View a NumPy array as an array of `xp`, without a copy if it is one of `empty`."""
    return x if library(xp) == "numpy" else xp.from_dlpack(x)


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a NumPy array to be written, which every library can take without a copy."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return such an array of zeros."""
    array = empty(shape, dtype)
    array[...] = 0
    return array
