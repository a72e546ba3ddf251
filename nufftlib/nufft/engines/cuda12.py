"""Loading cufinufft: its wheel is linked to CUDA 12 libraries but does not depend on them."""

from __future__ import annotations

import ctypes
import importlib
import site
import sys
from functools import cache
from pathlib import Path
from typing import Any

from nufftlib.core.extras import install

# Where NVIDIA's own wheels put them; the dependency comes first.
LIBRARIES = (
    ("libcudart.so.12", "nvidia/cuda_runtime/lib"),
    ("libcufft.so.11", "nvidia/cufft/lib"),
)


@cache
def import_cufinufft() -> Any:
    """Return the cufinufft module, with the CUDA 12 libraries that it needs loaded.

    A loaded library serves every later request for its name. The libraries of the wheels
    beside this package are therefore loaded first; one that is missing there may still be
    found on the system.

    Returns
    -------
    module
        cufinufft.

    Raises
    ------
    ImportError
        If cufinufft or one of its libraries is missing; it names them.
    """
    missing = [name for name, folder in LIBRARIES if not _load(name, folder)]
    try:
        return importlib.import_module("cufinufft")
    except (ImportError, OSError) as error:
        what = f" (not found: {', '.join(missing)})" if missing else ""
        msg = (
            f"engine 'cufinufft' cannot load the cufinufft library{what}; install it "
            f"in a clone of nufftlib with {install('cuda12')} or, beside CUDA 13, "
            f"{install('cuda13')}"
        )
        raise ImportError(msg) from error


def _load(name: str, folder: str) -> bool:
    roots = [*site.getsitepackages(), *sys.path]
    for path in (*(Path(root) / folder / name for root in roots), Path(name)):
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False
