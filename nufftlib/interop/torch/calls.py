"""Calls that torch neither compiles nor traces."""

# mypy: allow-untyped-calls
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nufftlib.core.dlpack import torch_traces


def opaque(f: Callable[..., Tensor], *args: Any) -> Tensor:
    """Call `f`, out of the sight of torch.compile."""
    call: Callable[..., Tensor] = untraced
    # Asked for only then: its import takes longer than torch's own.
    if torch.compiler.is_compiling():
        call = torch.compiler.disable(untraced)
    return call(f, *args)


def untraced(f: Callable[..., Tensor], *args: Any) -> Tensor:
    """Call `f`; raise while torch is tracing, since a tracer would record a constant."""
    if torch_traces():
        msg = (
            "f(x) is being traced, by make_fx, torch.export or torch.func.linearize, which see "
            "torch's own operations alone; want it called outside of that"
        )
        raise NotImplementedError(msg)
    return f(*args)
