"""Ranges of a loop on several threads; the number of threads does not change the results.

The compiled loops release Python's lock, so Python's own threads suffice. There is no second
thread pool, a fork breaks nothing, and calls from several threads do not disturb each other.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba

Range = tuple[int, int]

LITTLE = 2**20
"""Operations below which a second thread costs more than it saves."""


def threads() -> int:
    """Return how many threads to use: the processor's, or ``NUMBA_NUM_THREADS``."""
    settings: Any = numba.config
    return int(settings.NUMBA_NUM_THREADS)


@lru_cache(maxsize=1)
def pool() -> ThreadPoolExecutor:
    """Return the threads, started on first use."""
    return ThreadPoolExecutor(max(threads() - 1, 1), thread_name_prefix="nufftlib")


# A fork has none of the parent's threads.
os.register_at_fork(after_in_child=pool.cache_clear)


def run(loop: Callable[..., Any], ranges: Iterable[Range], *arguments: Any) -> None:
    """Call ``loop(*arguments, begin, end)`` for all ranges; no two may write to one place.

    Parameters
    ----------
    loop : callable
        A compiled loop.
    ranges : iterable of (begin, end)
        The range of each call.
    *arguments
        Arguments of all calls.
    """
    waiting = deque(ranges)

    def work() -> None:
        while True:
            try:
                begin, end = waiting.popleft()
            except IndexError:
                return
            loop(*arguments, begin, end)

    helpers = []
    try:
        for _ in range(min(threads(), len(waiting)) - 1):
            helpers.append(pool().submit(work))
    except RuntimeError:
        pass  # the interpreter is shutting down and starts no more work: this thread does it
    try:
        work()
    finally:
        waiting.clear()
        for helper in helpers:
            helper.result()


def workers(operations: int) -> int:
    """Return the number of threads for so many operations."""
    return 1 if operations < LITTLE else threads()


def split(size: int, operations: int) -> Iterator[Range]:
    """Cut ``range(size)``, with so many operations in all, into ranges for the threads."""
    pieces = 1 if operations < LITTLE else min(size, 4 * threads())
    for piece in range(pieces):
        yield size * piece // pieces, size * (piece + 1) // pieces
