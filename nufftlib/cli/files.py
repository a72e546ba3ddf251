"""The files of a result: never half written, never overwritten by accident."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

MARK = "result.json"
"""Written last: where it is, the result is complete."""


@dataclass(frozen=True)
class ResultFolder:
    """The folder that a job writes its result to.

    Parameters
    ----------
    path : Path
        The folder; need not exist yet.
    names : tuple of str
        Every file that the job may write there, `MARK` among them.
    """

    path: Path
    names: tuple[str, ...]

    def claim(self, *, force: bool) -> None:
        """Create the folder; refuse one that cannot be written to or that holds a result.

        Parameters
        ----------
        force : bool
            Whether a result may be overwritten.

        Raises
        ------
        click.ClickException
            If the folder is refused.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"--out {self.path}: this folder cannot be created: {error.strerror}"
            raise click.ClickException(msg) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            msg = f"--out {self.path}: this folder is not writable"
            raise click.ClickException(msg)
        there = [name for name in self.names if (self.path / name).exists()]
        if there and not force:
            msg = (
                f"--out {self.path}: this folder already holds a result ({', '.join(there)}); "
                f"give another folder, or --force to overwrite"
            )
            raise click.ClickException(msg)

    def write(self, files: Mapping[str, Callable[[BinaryIO], object]]) -> list[Path]:
        """Write a result in place of the one there, if any.

        Parameters
        ----------
        files : mapping of str to callable
            By name, what writes the file's content to an open file; `MARK` among them.

        Returns
        -------
        list of Path
            The files, in the order of writing: `MARK` last.

        Raises
        ------
        click.ClickException
            If a file cannot be written. Each file is then the old or the new one, whole.
        """
        order = sorted(files, key=MARK.__eq__)
        try:
            (self.path / MARK).unlink(missing_ok=True)
            for name in order:
                if name == MARK:
                    # What this result does not have must not be taken for a part of it.
                    for stale in set(self.names) - set(order):
                        (self.path / stale).unlink(missing_ok=True)
                with atomic(self.path / name) as file:
                    files[name](file)
        except OSError as error:
            msg = f"--out {self.path}: the result cannot be written: {error}"
            raise click.ClickException(msg) from error
        return [self.path / name for name in order]


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
