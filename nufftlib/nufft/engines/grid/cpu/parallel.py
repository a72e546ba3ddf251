"""Ranges of a loop on several threads; the number of threads does not change the results.

The compiled loops release Python's lock, so Python's own threads suffice. There is no second
thread pool, a fork breaks nothing, and calls from several threads do not disturb each other.

Ctrl-C breaks nothing, either. A KeyboardInterrupt may come between any two bytecodes of
the calling thread, and `concurrent.futures` then leaves locks of its own held for ever. So
the threads share no locks, but deques, lists and queues, of which each operation is one call
into C that happens or does not. Helpers are never interrupted: signals go to the main thread.
"""

from __future__ import annotations

import os
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any

from nufftlib.core.threads import threads

Range = tuple[int, int]

LITTLE = 2**20
"""Operations below which a second thread costs more than it saves."""


class Job:
    """Pieces of work, and which helpers are at them.

    Parameters
    ----------
    pieces : iterable of callable
        They may be done in any order, and at once. Only the pieces refer to the arrays:
        a job that is done keeps none of them alive.
    """

    def __init__(self, pieces: Iterable[Callable[[], object]]) -> None:
        self.pieces = deque(pieces)
        self.entered: list[int] = []
        self.left: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Do pieces until none is left."""
        while True:
            try:
                piece = self.pieces.popleft()
            except IndexError:
                return
            piece()

    def help(self) -> None:
        """Do pieces on a helper, which says that it enters before it takes the first."""
        self.entered.append(1)
        try:
            self.work()
        except BaseException as error:  # `run` raises it again
            self.left.put(error)
        else:
            self.left.put(None)

    def wait(self) -> list[BaseException]:
        """Wait for the helpers at work, and return their errors.

        No piece may be left. A helper that is yet to enter will find none, and is not waited
        for: it may be at another job, or may never have been started.
        """
        reports: list[BaseException | None] = []
        # A helper has entered before it reports: with as many reports, all have left.
        while len(reports) < len(self.entered):
            reports.append(self.left.get())
        return [error for error in reports if error is not None]


class Team:
    """Threads that take jobs from a queue for as long as the process lives."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self.helpers: list[int] = []

    def grow(self, size: int) -> None:
        """Have so many helpers, or as many as the system lets start.

        An interrupt after the start of a helper, or another thread that grows the team too,
        can leave a helper uncounted. One more then is started, and waits for jobs in vain.
        """
        try:
            while len(self.helpers) < size:
                self.helpers.append(start_new_thread(self._help, ()))
        except RuntimeError:
            pass  # no more threads, or the interpreter is shutting down

    def _help(self) -> None:
        while True:
            self.jobs.get().help()


TEAM = Team()


def after_fork() -> None:
    """Forget the helpers: a fork has none of the parent's threads."""
    global TEAM  # the state of the process
    TEAM = Team()


os.register_at_fork(after_in_child=after_fork)


def run(loop: Callable[..., Any], ranges: Iterable[Range], *arguments: Any) -> None:
    """Call ``loop(*arguments, begin, end)`` for all ranges; no two may write to one place.

    An exception, a KeyboardInterrupt above all, may leave helpers at work for one more range
    each, on arrays that they keep alive. So an array that is written must be made by the
    call that the exception ends, and be lost with it.

    Parameters
    ----------
    loop : callable
        A compiled loop.
    ranges : iterable of (begin, end)
        The range of each call.
    *arguments
        Arguments of all calls.
    """
    job = Job([partial(loop, *arguments, begin, end) for begin, end in ranges])
    helpers = min(threads(), len(job.pieces)) - 1
    if helpers < 1:
        job.work()
        return
    # Compile here: an interrupt can leave Numba's lock to this thread, and no helper gets it.
    loop(*arguments, 0, 0)
    team = TEAM
    team.grow(helpers)
    try:
        for _ in range(helpers):
            team.jobs.put(job)
        job.work()
    finally:
        job.pieces.clear()
        errors = job.wait()
    for error in errors:
        raise error


def workers(operations: int) -> int:
    """Return the number of threads for so many operations."""
    return 1 if operations < LITTLE else threads()


def split(size: int, operations: int) -> Iterator[Range]:
    """Cut ``range(size)``, with so many operations in all, into ranges for the threads."""
    pieces = 1 if operations < LITTLE else min(size, 4 * threads())
    for piece in range(pieces):
        yield size * piece // pieces, size * (piece + 1) // pieces
