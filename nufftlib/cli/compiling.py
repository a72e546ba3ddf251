"""A sign of life while Numba compiles, at the first call after an installation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event
from tqdm import tqdm

SAID = "Compiling for this processor, which takes some seconds once; the loops are kept on disk ..."


class Listener(event.Listener):
    """Tells of the first function that is compiled."""

    def __init__(self) -> None:
        self.told = False

    def on_start(self, event: Any) -> None:
        """Tell, if nobody has been told."""
        if not self.told:
            tqdm.write(SAID, file=sys.stderr)  # above the bar
        self.told = True

    def on_end(self, event: Any) -> None:
        """Say nothing."""


@contextmanager
def compilation_told() -> Iterator[None]:
    """Say once, within the block, that something is compiled."""
    with event.install_listener("numba:compile", Listener()):
        yield
