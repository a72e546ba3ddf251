"""Arrays to and from the device of a job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import click
import numpy as np

from nufftlib.cli.compiled import Compiled
from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.extras import install
from nufftlib.core.tree import rebuild

Result = TypeVar("Result")


@dataclass(frozen=True)
class Device:
    """Where a job computes.

    Parameters
    ----------
    name : {"cpu", "cuda"}
        The user's name for it.
    xp : module
        Array library: NumPy or CuPy.
    to_host : callable
        Converts an array of `xp` to a NumPy array.
    """

    name: str
    xp: Namespace
    to_host: Callable[[Array], Any]

    @property
    def title(self) -> str:
        """The name in messages."""
        return "GPU" if self.name == "cuda" else "CPU"

    def compilation_told(self) -> AbstractContextManager[Compiled]:
        """Return what says, within its block, that loops are compiled for the CPU."""
        if self.name == "cuda":
            return nullcontext(Compiled())
        from nufftlib.cli.compiling import compilation_told  # on use: it imports Numba

        return compilation_told()

    def fetch(self, result: Result) -> Result:
        """Return a result of a job with its arrays as NumPy arrays."""
        return rebuild(result, self.to_host)  # type: ignore[no-any-return]  # as it came


def open_device(name: str) -> Device:
    """Find the device.

    Parameters
    ----------
    name : {"cpu", "cuda"}
        Which.

    Returns
    -------
    Device
        The CPU, or CUDA's current device.

    Raises
    ------
    click.ClickException
        If CuPy or a CUDA device is missing.
    """
    if name == "cpu":
        return Device(name, np, np.asarray)
    try:
        import cupy
    except ImportError as error:
        msg = (
            f"--device cuda needs CuPy, which cannot be imported ({error}); install it "
            f"in a clone of nufftlib with\n\n{install('cuda12')}\n\n"
            "For CUDA 13 it is cuda13 in place of cuda12."
        )
        raise click.ClickException(msg) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        msg = f"--device cuda: CUDA cannot be used here: {error}"
        raise click.ClickException(msg) from error
    if not count:
        msg = "--device cuda: there is no CUDA device here"
        raise click.ClickException(msg)
    return Device(name, cupy, cupy.asnumpy)
