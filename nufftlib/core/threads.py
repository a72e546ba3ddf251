"""How many threads a process computes with: engines and FFTs alike."""

from __future__ import annotations

import os

VARIABLE = "NUMBA_NUM_THREADS"


def threads() -> int:
    """Return how many threads to use: ``NUMBA_NUM_THREADS``, or those the process may run on."""
    said = os.environ.get(VARIABLE)
    return int(said) if said else available()


def available() -> int:
    """Return on how many processors the process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def use_threads(count: int) -> None:
    """Let this process compute with so many threads from now on."""
    os.environ[VARIABLE] = str(count)
