"""Plans of the native libraries: made once, shared, bounded, used by one thread at a time."""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

PlanT = TypeVar("PlanT")
ResultT = TypeVar("ResultT")


def call(function: Callable[..., ResultT], *arguments: Any, **options: Any) -> ResultT:
    """Call a function of a native library, and let a KeyboardInterrupt through as one.

    ctypes runs Python code to convert arguments (``numpy.ctypeslib.ndpointer``). Of an
    exception in there it keeps the text alone, in an ArgumentError of its own.
    """
    try:
        return function(*arguments, **options)
    except ctypes.ArgumentError as error:
        if "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from None
        raise


def guarded(lock: threading.RLock, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """Call a function behind a lock, which no KeyboardInterrupt leaves held.

    It may come right after the lock was acquired, and Python 3.14 lets it in there under
    ``with``. Only a reentrant lock knows whose it is, and refuses to be released by others.
    """
    try:
        lock.acquire()
        return function(*arguments)
    finally:
        # Python raises interrupts after calls, and there is none before this one.
        try:  # noqa: SIM105 - `suppress` would be such a call
            lock.release()
        except RuntimeError:
            pass  # interrupted before it was acquired


class PlanCache(Generic[PlanT]):
    """The plans used last, by a key that names everything a plan depends on.

    Parameters
    ----------
    size : int
        How many plans are kept; the one unused for longest goes first. A plan in
        use elsewhere stays alive until its user lets go of it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._plans: OrderedDict[Hashable, PlanT] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], PlanT]) -> PlanT:
        """Return the plan of `key`, made by `make` if there is none."""
        return guarded(self._lock, self._get, key, make)

    def _get(self, key: Hashable, make: Callable[[], PlanT]) -> PlanT:
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = make()
            # More than one, if an interrupt came before an earlier one could go.
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        return plan

    def __len__(self) -> int:
        return len(self._plans)
