"""The files of a result: never half written, never mixed, never overwritten by accident."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from nufftlib.cli.interrupts import Interrupts

ARRAYS, FIGURE, ANIMATION = "result.npz", "figure.png", "learning.gif"
COURSE, REPORT = "learning.npz", "report.html"
PICTURE, STACK = "deblurred.png", "deblurred.tif"
IMAGE, VOLUME, L_CURVE = "image.png", "image.nii.gz", "l-curve.png"
TRAJECTORY, SEQUENCE, WAVEFORMS = "trajectory.npz", "trajectory.seq", "waveforms.png"
PSFS = {"npy": "psf.npy", "tiff": "psf.tif", "fits": "psf.fits"}
MARK = "result.json"
"""Put in place last: where it is, the result is complete."""

CHECKPOINT = "checkpoint.npz"
"""Where a run goes on that was ended: there until the result is complete."""

KNOWN = (
    ARRAYS,
    PICTURE,
    STACK,
    IMAGE,
    VOLUME,
    L_CURVE,
    TRAJECTORY,
    SEQUENCE,
    *PSFS.values(),
    FIGURE,
    WAVEFORMS,
    ANIMATION,
    COURSE,
    REPORT,
    MARK,
)
"""Every file that a result of a job may consist of."""

LOCK = ".lock"
"""The file that a running job keeps locked. The system unlocks the file of a dead process."""

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

    @contextmanager
    def claimed(
        self, pictures: Sequence[str], *, force: bool, resume: bool = False
    ) -> Iterator[None]:
        """Create the folder, and keep other jobs out of it within the block.

        Parameters
        ----------
        pictures : sequence of str
            Names of the pictures to come. Other files of these names are not overwritten.
        force : bool
            Whether files may be overwritten.
        resume : bool
            Whether the job goes on from a checkpoint in the folder, and replaces its result.

        Raises
        ------
        click.ClickException
            If the folder cannot be written to, if another job runs in it, if it holds a
            complete result or a checkpoint and `force` is false, or no checkpoint to go on from.
        """
        self._create()
        with self._locked():
            self._check(pictures, force=force, resume=resume)
            if not resume:
                self.remove_checkpoint()
            self._remove_temporaries()  # of dead processes: a live one holds the lock
            yield

    def write(
        self, files: Mapping[str, Writer], pictures: Mapping[str, Writer], interrupts: Interrupts
    ) -> list[Path]:
        """Write a result in place of the one there, if any; the folder is `claimed`.

        All files are written under temporary names first: the old result stays whole until the
        new one is on the disk.

        Parameters
        ----------
        files : mapping of str to callable
            Writers of the content to an open file, by the file's name; `MARK` is among them.
        pictures : mapping of str to callable
            The same for files that a signal may leave out.
        interrupts : Interrupts
            Decides whether they are left out.

        Returns
        -------
        list of Path
            The files, `MARK` last.

        Raises
        ------
        click.ClickException
            If a file cannot be written. If it is a picture, the new result is in place without
            it; if not, the old result is as it was.
        """
        written: list[str] = []

        def prepare(name: str, write: Writer) -> None:
            with self._temporary(name).open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            written.append(name)

        def draw() -> None:
            for name, write in pictures.items():
                prepare(name, write)

        try:
            with self._explained("the result cannot be written"):
                for name, write in files.items():
                    prepare(name, write)
            try:
                with self._explained("a picture cannot be written; all other files are there"):
                    interrupts.attempt(draw)
            finally:
                written.sort(key=lambda name: name == MARK)
                with self._explained("the result cannot be put in place"):
                    self._replace(written)
        finally:
            self._remove_temporaries()
        return [self.path / name for name in written]

    def _create(self) -> None:
        """Create the folder, and those above it."""
        try:
            # One by one: `parents=True` recurses, and recursion ends before a path does.
            for folder in (*reversed(self.path.parents), self.path):
                folder.mkdir(exist_ok=True)
        except FileExistsError as error:
            msg = f"--out {self.path}: {folder} is a file; want a folder, which need not exist yet"
            raise click.ClickException(msg) from error
        except OSError as error:
            msg = f"--out {self.path}: this folder cannot be created: {error.strerror}"
            raise click.ClickException(msg) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            msg = f"--out {self.path}: this folder is not writable"
            raise click.ClickException(msg)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock within the block."""
        path = self.path / LOCK
        try:
            file = _open_locked(path)
        except BlockingIOError as error:
            msg = (
                f"--out {self.path}: another job writes to this folder{_holder(path)}; "
                f"want another folder"
            )
            raise click.ClickException(msg) from error
        except OSError as error:
            msg = f"--out {self.path}: {path} cannot be locked: {error.strerror}"
            raise click.ClickException(msg) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is locked
            file.close()

    def remove_checkpoint(self) -> None:
        """Remove the checkpoint, from which nothing is to go on any more."""
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def _check(self, pictures: Sequence[str], *, force: bool, resume: bool) -> None:
        """Refuse a folder with a complete result, with other pictures, or with odd folders."""
        if there := self._there((*KNOWN, CHECKPOINT), Path.is_dir):
            msg = f"--out {self.path}: these names are taken by folders: {there}; want files"
            raise click.ClickException(msg)
        if resume:
            if force:
                msg = "--force and --resume are given; want one of them"
                raise click.ClickException(msg)
            if not self._there([CHECKPOINT]):
                msg = (
                    f"--resume: there is no {CHECKPOINT} in {self.path}; want the folder of a run "
                    f"that was ended, or leave --resume out"
                )
                raise click.ClickException(msg)
            return
        if force:
            return
        if there := self._there([CHECKPOINT]):
            msg = (
                f"--out {self.path}: this folder holds {there}, of a run that was ended; give "
                f"--resume to go on with it, another folder, or --force to begin anew"
            )
            raise click.ClickException(msg)
        way_out = "give another folder, or --force to overwrite"
        if there := self._there([MARK]):
            msg = f"--out {self.path}: this folder already holds a result ({there}); {way_out}"
            raise click.ClickException(msg)
        # Beside arrays they are parts of a result that was never completed.
        if not self._there([ARRAYS]) and (there := self._there(pictures)):
            msg = (
                f"--out {self.path}: a file of this name is there, of no result: {there}; {way_out}"
            )
            raise click.ClickException(msg)

    def _replace(self, names: Sequence[str]) -> None:
        """Put the temporary files in the place of the old ones, `MARK` last."""
        replaces = bool(self._there((ARRAYS, MARK)))
        (self.path / MARK).unlink(missing_ok=True)
        if replaces:
            # An old file must not be taken for a part of this result.
            for stale in set(KNOWN) - set(names):
                (self.path / stale).unlink(missing_ok=True)
        for name in names:
            self._temporary(name).replace(self.path / name)

    @contextmanager
    def _explained(self, failed: str) -> Iterator[None]:
        """Say which part of the writing failed."""
        try:
            yield
        except OSError as error:
            msg = f"--out {self.path}: {failed}: {error}"
            raise click.ClickException(msg) from error

    def _temporary(self, name: str) -> Path:
        return self.path / f".{name}.{os.getpid()}"

    def _remove_temporaries(self) -> None:
        """Remove the temporary files of this process and of those before it."""
        for name in (*KNOWN, CHECKPOINT):
            for path in self.path.glob(f".{name}.*"):
                if path.suffix[1:].isdecimal():
                    path.unlink(missing_ok=True)

    def _there(self, names: Sequence[str], kind: Callable[[Path], bool] = Path.exists) -> str:
        return ", ".join(name for name in names if kind(self.path / name))


def _open_locked(path: Path) -> BinaryIO:
    """Open a file that no other process has locked, and lock it until it is closed."""
    while True:
        file = path.open("ab")
        try:
            _lock(file)
            # A job that ends removes its file: it may have done so before the lock was ours.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {platform.node()}".encode())
                file.flush()
                return file
        except FileNotFoundError:
            pass
        except BaseException:
            file.close()
            raise
        file.close()


def _holder(path: Path) -> str:
    """Return who has locked a file, in brackets, if that can be read."""
    try:
        said = path.read_text()
    except OSError:
        return ""
    return f" ({said})" if said else ""


def _lock(file: BinaryIO) -> None:
    """Lock a file; on a file system without locks, say so and go on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        msg = f"{file.name}: no locks here ({error.strerror}); run one job at a time in this folder"
        click.echo(msg, err=True)
