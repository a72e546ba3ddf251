"""CUDA arrays of any library as CuPy arrays and back: by DLPack, without a copy.

CuPy works on the stream on which the caller's library works.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nufftlib.core.arrays import Array, Namespace, library
from nufftlib.core.dlpack import resolved
from nufftlib.core.extras import install


def import_cupy() -> Any:
    """Return CuPy, or say how to install it."""
    try:
        return importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        msg = (
            "NUFFT: its engines compute with CuPy for the CUDA arrays of any library, and CuPy is "
            f"not installed; install it in a clone of nufftlib with {install('cuda12')} or, with "
            f"a driver for CUDA 13, {install('cuda13')} (engine='direct' does without)"
        )
        raise ModuleNotFoundError(msg, name="cupy") from error


def as_cupy(x: Array) -> Any:
    """View a CUDA array as a CuPy array, without a copy."""
    return import_cupy().from_dlpack(resolved(x))


def from_cupy(xp: Namespace, x: Any) -> Array:
    """View a CuPy array as an array of `xp`, without a copy."""
    return xp.from_dlpack(x)


@contextmanager
def callers_stream(xp: Namespace, device: int) -> Iterator[None]:
    """Run CuPy on the caller's CUDA stream.

    torch exposes its stream. With other libraries DLPack orders entry only: they may free an
    input that CuPy still reads, so this waits for the device on exit.
    """
    cuda = import_cupy().cuda
    with cuda.Device(device):
        if library(xp) == "torch":
            import torch

            with cuda.ExternalStream(torch.cuda.current_stream(device).cuda_stream, device):
                yield
        else:
            yield
            cuda.get_current_stream().synchronize()
