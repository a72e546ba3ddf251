"""Arrays between libraries as mri-nufft's users expect it: any goes in, its own comes out.

An operator's own library is NumPy or CuPy.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_cupy_array, is_torch_array

from nufftlib.core.arrays import Array


def on_host(x: Any) -> Any:
    """Return an array of any library as a NumPy array, on a view of it where it is on the CPU."""
    if is_cupy_array(x):
        return x.get()
    if is_torch_array(x):
        return x.detach().resolve_conj().cpu().numpy()
    return np.asarray(x)


def taken(x: Any, home: Array | None) -> Array:
    """Return an array as one of `home`'s library and device; without one, of its device's."""
    device = is_torch_array(x) and x.is_cuda
    if home is None:
        if not device:
            return x if is_cupy_array(x) else on_host(x)
        cupy: Any = import_module("cupy")
        return cupy.from_dlpack(x.detach().resolve_conj())
    if not is_cupy_array(home):
        return on_host(x)
    xp = array_namespace(home)
    with home.device:
        return xp.from_dlpack(x.detach().resolve_conj()) if device else xp.asarray(given(x, home))


def given(x: Any, like: Any) -> Array:
    """Return an array in the library and on the device of `like`."""
    if is_torch_array(like):
        import torch
        from torch.utils.dlpack import from_dlpack

        if is_cupy_array(x) and like.is_cuda:
            return from_dlpack(x)
        return torch.as_tensor(on_host(x), device=like.device)
    if is_cupy_array(like):
        with like.device:
            return array_namespace(like).asarray(x if is_cupy_array(x) else on_host(x))
    return on_host(x)


def radians(samples: Array) -> Array:
    """Return points in radians per voxel, by mri-nufft's rule for their unit.

    Where none exceeds 1/2 in any coordinate, by 1e-4 at most, they are in cycles per voxel.
    """
    k = samples.reshape((-1, samples.shape[-1]))
    return k * (2 * math.pi) if abs(k).max() - 1e-4 < 0.5 else k
