"""Output that may fail: a message that cannot be said ends no job."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Heedless(io.RawIOBase):
    """A raw stream whose writes never fail: after the first fault they go nowhere.

    Parameters
    ----------
    raw : RawIOBase or None
        The stream to write to; None for a process that has none.

    Attributes
    ----------
    fault : OSError or None
        The first fault: a reader that went away, a full disk, a terminal that closed.
    """

    def __init__(self, raw: io.RawIOBase | None) -> None:
        self.raw = raw
        self.fault: OSError | None = None

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return super().fileno() if self.raw is None else self.raw.fileno()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self.raw is not None and not self.raw.closed and self.raw.isatty()

    def write(self, data: Any) -> int | None:
        """Write, or drop what cannot be written."""
        if self.raw is not None and self.fault is None:
            try:
                return self.raw.write(data)
            except OSError as fault:
                self.fault = fault
        return len(data)


@contextmanager
def heedless_output() -> Iterator[None]:
    """Let no output fail within the block, and exit as is due after it.

    Raises
    ------
    SystemExit
        As the block does. If that is without an error and standard output failed, with 1, or
        after a broken pipe with the code of SIGPIPE. Faults of standard error do not count: it
        only accompanies a job.
    """
    occupy_descriptors()
    before = sys.stdout, sys.stderr
    output = heedless(sys.stdout)
    sys.stdout, sys.stderr = output, heedless(sys.stderr)
    try:
        yield
    except SystemExit as end:
        output.flush()
        fault = fault_of(output)
        if end.code or fault is None:
            raise
        if isinstance(fault, BrokenPipeError):
            raise SystemExit(128 + signal.SIGPIPE) from None
        sys.stderr.write(f"Standard output cannot be written: {fault.strerror}.\n")
        raise SystemExit(1) from None
    finally:
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def occupy_descriptors() -> None:
    """Open the standard streams that are closed, on nothing.

    Else the next file would get the descriptor of standard error, and with it the warnings of
    every library that writes there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one


def heedless(stream: TextIO | None) -> TextIO:
    """Return a stream like another one, whose writes never fail; of none, one to nowhere."""
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(Heedless(None)), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream  # not of a process: a notebook's, a test's
    stream.flush()
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)
    return io.TextIOWrapper(
        io.BufferedWriter(Heedless(raw)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def fault_of(stream: TextIO) -> OSError | None:
    """Return the first fault of a heedless stream."""
    raw = getattr(stream.buffer, "raw", None)
    return raw.fault if isinstance(raw, Heedless) else None
