"""Linear algebra on busy machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy's matrix products and decompositions take one thread.

    OpenBLAS cuts each step of a decomposition among its threads, which spin while they wait for
    each other: beside busy processes that costs many times the work of one thread. The limit is
    the process's, so a product in another thread has it too.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield
