"""CPU arrays of any library as NumPy arrays and back, by DLPack, without a copy."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, check_traced, library

ALIGNMENT = 64
"""Bytes to which an array must be aligned for JAX to take it without a copy."""


def resolved(x: Array) -> Array:
    """Write out a conjugation or negation that torch has delayed; otherwise nothing is copied.

    Arrays without values of their own are refused: JAX's tracers, and the tensors of
    `odd_tensor`.
    """
    check_traced("native code", x)
    if odd := odd_tensor(x):
        msg = (
            f"native code: a tensor {odd}; want a plain tensor, detached, or the operator as "
            f"nufftlib.interop.torch.wrap(operator)"
        )
        raise TypeError(msg)
    for resolve in ("resolve_conj", "resolve_neg"):
        x = getattr(x, resolve, lambda x=x: x)()
    return x


def odd_tensor(x: Array) -> str | None:
    """Return why a tensor is more than its memory, or None.

    torch does not record the work of native code, and hands out memory that is not the values
    of a tensor which it transforms.
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(x, torch.Tensor):
        return None
    if type(x) not in (torch.Tensor, torch.nn.Parameter):
        return f"is a {type(x).__name__}, whose values torch keeps elsewhere"
    if x.layout is not torch.strided:
        return f"has the layout {x.layout}"
    if x.requires_grad:
        return "requires grad, and torch does not record the work of native code"
    from torch import _is_functional_tensor
    from torch._C._functorch import is_functorch_wrapped_tensor

    if is_functorch_wrapped_tensor(x) or _is_functional_tensor(x):
        return "is being transformed by torch.func"
    if torch.autograd.forward_ad.unpack_dual(x).tangent is not None:
        return "has a tangent, and torch does not record the work of native code"
    if torch_traces():
        return "is being traced, and a tracer would record the result as a constant"
    return None


def torch_traces() -> bool:
    """Tell whether a tracer of torch records what is called: make_fx, or what builds on it."""
    # Not imported for this: its import takes longer than torch's own.
    tracer = sys.modules.get("torch.fx.experimental.proxy_tensor")
    return tracer is not None and tracer.get_proxy_mode() is not None


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
