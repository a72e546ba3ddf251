"""CPU arrays of any library as NumPy arrays and back, by DLPack, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, library


def as_numpy(x: Array) -> Any:
    """View a CPU array as a NumPy array, without a copy."""
    if isinstance(x, np.ndarray):
        return x
    # torch delays conjugation and negation; only then must the numbers be written out.
    for resolve in ("resolve_conj", "resolve_neg"):
        x = getattr(x, resolve, lambda x=x: x)()
    return np.from_dlpack(x)


def from_numpy(xp: Any, x: Any) -> Array:
    """View a NumPy array as an array of `xp`, without a copy."""
    return x if library(xp) == "numpy" else xp.from_dlpack(x)
