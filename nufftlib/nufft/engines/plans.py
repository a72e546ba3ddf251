"""Plans of the native libraries: made once, shared, bounded, used by one thread at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

PlanT = TypeVar("PlanT")


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
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], PlanT]) -> PlanT:
        """Return the plan of `key`, made by `make` if there is none."""
        with self._lock:
            plan = self._plans.get(key)
            if plan is None:
                plan = self._plans[key] = make()
                if len(self._plans) > self._size:
                    self._plans.popitem(last=False)
            else:
                self._plans.move_to_end(key)
            return plan

    def __len__(self) -> int:
        return len(self._plans)
