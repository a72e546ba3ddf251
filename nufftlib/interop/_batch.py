"""Whether a function of one array takes a leading axis as a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

FloatingArray = np.ndarray[Any, Any]


def takes_batch(
    f: Callable[[FloatingArray], FloatingArray], shape: tuple[int, ...], dtype: Any
) -> bool:
    """Tell whether two random inputs at once give what they give alone.

    The shape of the result does not tell: a normalisation by the mean keeps it, and mixes the
    two. Nor do the inputs at hand, which may be alike.

    Parameters
    ----------
    f : callable
        From a NumPy array to a NumPy array.
    shape, dtype : tuple of int, dtype
        Of one input.

    Returns
    -------
    bool
        False also if `f` refuses the two, in whatever way.
    """
    dtype, rng = np.dtype(dtype), np.random.default_rng(0)
    two = rng.standard_normal((2, *shape)) + 0j
    if dtype.kind == "c":
        two += 1j * rng.standard_normal((2, *shape))
    two = (two if dtype.kind == "c" else two.real).astype(dtype)
    try:
        together = f(two)
    except Exception:  # each library has its own for shapes that do not fit
        return False
    alone = np.stack([f(x) for x in two])
    if together.shape != alone.shape:
        return False
    eps = np.finfo(np.result_type(alone.dtype, np.float32)).eps
    tolerance = math.sqrt(eps) * np.max(np.abs(alone), initial=0.0)
    return bool(np.max(np.abs(together - alone), initial=0.0) <= tolerance)
