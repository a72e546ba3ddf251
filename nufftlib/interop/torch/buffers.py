"""An operator whose parameters are the buffers of a module."""

# mypy: allow-untyped-calls
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch._C import _DisableFuncTorch
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.autograd import forward_ad

from nufftlib.interop.torch.arrays import same
from nufftlib.interop.torch.wrapped import WrappedOperator, wrap


def at_buffers(
    caller: str, wrapped: WrappedOperator, tensors: Mapping[str, Tensor], passed: Collection[str]
) -> tuple[WrappedOperator, dict[str, Tensor]]:
    """Return the operator at the values of a module's tensors, and the tensors to pass to it.

    Passed are those named, and those with a gradient, a tangent or a transform to be followed.
    The operator has the values of the rest. It is remade where these have changed: to compare
    them is cheap beside a call, to sort the points of a NUFFT is not, and nothing else tells of
    every change.
    """
    arrays, own = wrapped.arrays, wrapped.operator.parameters
    arrays.check(caller, **tensors)
    live = {name: t for name, t in tensors.items() if name in passed or followed(t)}
    with _DisableFuncTorch():  # the rest is nothing that torch.func transforms
        changed = {
            # Copies: an operator's arrays do not change, a buffer may.
            name: arrays.array(t.detach().clone())
            for name, t in tensors.items()
            if name not in live and not same(arrays.array(t), own[name])
        }
        for name, t in live.items() if changed else ():
            # A converted module: all parameters change their precision at once. Values are passed.
            like = arrays.array(torch.zeros(tuple(own[name].shape), dtype=t.dtype, device=t.device))
            if like.dtype != own[name].dtype:
                changed[name] = like
    return wrap(wrapped.operator.replace(**changed)) if changed else wrapped, live


def followed(t: Tensor) -> bool:
    """Tell whether torch follows a tensor for a gradient, a tangent or a transform."""
    return (
        is_functorch_wrapped_tensor(t)
        or (t.requires_grad and torch.is_grad_enabled())
        or forward_ad.unpack_dual(t).tangent is not None
    )
