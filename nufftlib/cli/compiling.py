"""A sign of life while Numba compiles, at the first call after an installation."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event
from tqdm import tqdm

from nufftlib.cli.compiled import Compiled

SAID = "Compiling for this processor, which takes some seconds once; the loops are kept on disk ..."


class Listener(event.Listener):
    """Tells of the first function that is compiled, and how long all have taken."""

    def __init__(self) -> None:
        self.told, self.compiled = False, Compiled()
        self.depth, self.began = 0, 0.0

    def on_start(self, event: Any) -> None:
        """Tell, if nobody has been told; a function within another one counts once."""
        if not self.told:
            tqdm.write(SAID, file=sys.stderr)  # above the bar
        self.told = True
        if self.depth == 0:
            self.began = time.perf_counter()
        self.depth += 1

    def on_end(self, event: Any) -> None:
        """Add the time of the outermost."""
        self.depth -= 1
        if self.depth == 0:
            self.compiled.seconds += time.perf_counter() - self.began


@contextmanager
def compilation_told() -> Iterator[Compiled]:
    """Say once, within the block, that something is compiled; yield how long it takes."""
    listener = Listener()
    with event.install_listener("numba:compile", listener):
        yield listener.compiled
