"""The files of a result: never half written, never overwritten by accident."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from nufftlib.cli.interrupts import CtrlC

ARRAYS, FIGURE, ANIMATION = "result.npz", "figure.png", "learning.gif"
MARK = "result.json"
"""Written last: where it is, the result is complete."""

KNOWN = (ARRAYS, FIGURE, ANIMATION, MARK)
"""Every file that a result of either job may consist of."""

Writer = Callable[[BinaryIO], object]


@dataclass(frozen=True)
class ResultFolder:
    """The folder that a job writes its result to.

    Parameters
    ----------
    path : Path
        The folder; need not exist yet.
    """

    path: Path

    def claim(self, pictures: Sequence[str], *, force: bool) -> None:
        """Create the folder; refuse one that cannot be written to or that holds a result.

        Parameters
        ----------
        pictures : sequence of str
            Names of the pictures to come. Other files of these names are not overwritten.
        force : bool
            Whether files may be overwritten.

        Raises
        ------
        click.ClickException
            If the folder is refused.
        """
        if self.path.is_file():
            msg = f"--out {self.path}: this is a file; want a folder, which need not exist yet"
            raise click.ClickException(msg)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"--out {self.path}: this folder cannot be created: {error.strerror}"
            raise click.ClickException(msg) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            msg = f"--out {self.path}: this folder is not writable"
            raise click.ClickException(msg)
        if force:
            return
        way_out = "give another folder, or --force to overwrite"
        if there := self._there((ARRAYS, MARK)):
            msg = f"--out {self.path}: this folder already holds a result ({there}); {way_out}"
            raise click.ClickException(msg)
        if there := self._there(pictures):
            msg = (
                f"--out {self.path}: a file of this name is there, of no result: {there}; {way_out}"
            )
            raise click.ClickException(msg)

    def write(
        self, files: Mapping[str, Writer], pictures: Mapping[str, Writer], ctrl_c: CtrlC
    ) -> list[Path]:
        """Write a result in place of the one there, if any.

        Parameters
        ----------
        files : mapping of str to callable
            Writers of the content to an open file, by the file's name; `MARK` is among them.
        pictures : mapping of str to callable
            The same for files that Ctrl-C may leave out.
        ctrl_c : CtrlC
            Decides whether they are left out.

        Returns
        -------
        list of Path
            The files, in the order of writing: first arrays, then pictures, and `MARK` last.

        Raises
        ------
        click.ClickException
            If a file cannot be written. Each file is then the old or the new one, whole.
        """
        written = []

        def put(name: str, write: Writer) -> None:
            with atomic(self.path / name) as file:
                write(file)
            written.append(name)

        def draw() -> None:
            for name, write in pictures.items():
                put(name, write)

        try:
            replaces = bool(self._there((ARRAYS, MARK)))
            (self.path / MARK).unlink(missing_ok=True)
            for name in files:
                if name != MARK:
                    put(name, files[name])
            ctrl_c.attempt(draw)
            if replaces:
                # An old file must not be taken for a part of this result.
                for stale in set(KNOWN) - set(written):
                    (self.path / stale).unlink(missing_ok=True)
            put(MARK, files[MARK])
        except OSError as error:
            msg = f"--out {self.path}: the result cannot be written: {error}"
            raise click.ClickException(msg) from error
        return [self.path / name for name in written]

    def _there(self, names: Sequence[str]) -> str:
        return ", ".join(name for name in names if (self.path / name).exists())


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when all is written, or never.

    Parameters
    ----------
    path : Path
        The file to replace or create.

    Yields
    ------
    binary file
        A temporary file in the same folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
