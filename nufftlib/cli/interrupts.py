"""The handler of Ctrl-C during a job: it ends the steps, then the drawing, and loses nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class CtrlC:
    """Handler of SIGINT during a job.

    A press ends the steps by a KeyboardInterrupt. Afterwards the result is evaluated and
    written. A press is held there until `attempt`, which drops the drawing for it.
    """

    def __init__(self) -> None:
        self.holds = False
        self.held = False

    def __call__(self, *_signal: object) -> None:
        """Take a press."""
        if self.holds:
            self.held = True
        else:
            self.holds = True
            raise KeyboardInterrupt

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT within the block, unless the process ignores it or has its own way."""
        previous = signal.getsignal(signal.SIGINT)
        if previous is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    def hold(self) -> None:
        """Hold presses from now on."""
        self.holds = True

    def step_done(self, *, last: bool) -> None:
        """Mark one step as done.

        Ctrl-C interrupts the loop, except after the last step, when it is held for `attempt`.
        A press that was held while steps go on interrupts the loop now.
        """
        self.holds = last
        if self.held and not last:
            self.held = False
            raise KeyboardInterrupt

    def attempt(self, work: Callable[[], object]) -> None:
        """Do work that a press may end, even a held one, and hold presses again."""
        try:
            self.holds = False
            if not self.held:
                work()
            self.holds = True
        except KeyboardInterrupt:
            self.holds = True
