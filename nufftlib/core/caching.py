"""Functions of settings that remember their results."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def plain(setting: Any) -> Any:
    """Return a NumPy number as Python's own, in tuples too; others as they are."""
    if isinstance(setting, np.generic):
        return setting.item()
    return tuple(map(plain, setting)) if type(setting) is tuple else setting


class Remembered(Generic[P, R]):
    """A function that remembers results by its settings, and computes with plain ones.

    ``np.int64(7)`` equals 7 and has its hash. A plain cache would hand out what was computed
    with whichever came first, for the rest of the process, and compiled code or a type
    check under it may take only one of them.

    Parameters
    ----------
    function : callable
        Of settings that can be hashed.
    maxsize : int or None
        How many results are kept; None keeps all.
    """

    def __init__(self, function: Callable[P, R], maxsize: int | None) -> None:
        self._cached: Any = lru_cache(maxsize=maxsize)(function)
        self.cache_info = self._cached.cache_info
        self.cache_clear = self._cached.cache_clear
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the result of these settings."""
        result: R = self._cached(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
        return result


def remembered(maxsize: int | None) -> Callable[[Callable[P, R]], Remembered[P, R]]:
    """Decorate a function of settings, so that it remembers so many results."""
    return lambda function: Remembered(function, maxsize)
