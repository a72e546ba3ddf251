"""The signals that end a job: first its steps, then its drawing, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
    if hasattr(signal, name)  # Windows has fewer
)
"""Ctrl-C, a polite kill, a terminal that closes, and a limit of processor time."""


class Interrupts:
    """Handler of the signals that end a job.

    A signal ends the steps by a KeyboardInterrupt. Afterwards the result is evaluated and
    written. A signal is held there until `attempt`, which drops the drawing for it. Any signal
    but Ctrl-C drops the drawing by itself: a kill that cannot be held often follows.

    Attributes
    ----------
    signal : Signals
        The last signal; Ctrl-C's before the first.
    holds : bool
        Whether signals are held.
    held : bool
        Whether one is held.
    raised : bool
        Whether one has ended the steps.
    """

    def __init__(self) -> None:
        self.signal = signal.SIGINT
        self.holds = False
        self.held = False
        self.raised = False

    def __call__(self, number: int = signal.SIGINT, *_frame: object) -> None:
        """Take a signal."""
        self.signal = signal.Signals(number)
        if self.holds:
            self.held = True
        else:
            self.holds = self.raised = True
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """The exit code after the signal, as shells have it."""
        return 128 + self.signal

    @property
    def may_draw(self) -> bool:
        """Whether no signal asks to leave the pictures out."""
        return self.signal == signal.SIGINT and not self.held

    def __str__(self) -> str:
        """Return the word for a job that was ended."""
        if self.signal == signal.SIGINT:
            return "Interrupted"
        return f"Interrupted by {self.signal.name}"

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals within the block, but for those that the process has its way with.

        A signal may be ignored, as SIGHUP is after ``nohup``.
        """
        own = (signal.default_int_handler, signal.SIG_DFL)
        previous = {n: signal.getsignal(n) for n in ENDING if signal.getsignal(n) in own}
        for number in previous:
            signal.signal(number, self)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def hold(self) -> None:
        """Hold signals from now on."""
        self.holds = True

    def step_done(self, *, last: bool) -> None:
        """Mark one step as done.

        A signal interrupts the loop, except after the last step, when it is held for `attempt`.
        If steps go on after one that was held, or that a destructor has swallowed, it interrupts
        the loop now.
        """
        self.holds = last
        if (self.held or self.raised) and not last:
            self.holds, self.held = True, False
            raise KeyboardInterrupt

    def attempt(self, work: Callable[[], object]) -> None:
        """Do work that a signal may end, even a held one, and hold signals again."""
        try:
            self.holds = False
            if self.may_draw:
                work()
            self.holds = True
        except KeyboardInterrupt:
            self.holds = True
