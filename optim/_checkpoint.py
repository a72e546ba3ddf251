"""Checkpoints: the whole state of a loop in a file, and a loop that goes on from there."""

import copy
import json
import os
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from optim._identity import differences, identity
from optim._saved import Json, Packer, Plain, Tree, Unpacker, home_of
from optim._settings import flag, not_negative, wrong_kind
from optim._tree import Params

FORMAT = 1
RECORD = "checkpoint"
"""The entry of the file with all that is no array."""
SHOWN = 3
"""Settings that a message names at most."""


class CheckpointError(ValueError):
    """A checkpoint is not there, is damaged, or is of another run.

    Parameters
    ----------
    message : str
        What was found, and what is wanted.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class Saved(NamedTuple):
    """A part of a file: the JSON of its entry, and its arrays."""

    entry: dict[str, Json]
    arrays: list[Plain]


class Settled(NamedTuple):
    """What a part has come to: its state, what its callback keeps, and the seconds it took."""

    state: Tree
    kept: Tree
    seconds: float


class Checkpoint:
    """A file for the whole state of a loop, from which it goes on to the same bits.

    Every solver of `optim` takes one as `checkpoint`, and saves point, state, history and the best
    point: after the first step that ends `interval` seconds after the last save, and when the loop
    ends in whatever way. The file is replaced as a whole, so that it is never half there. With
    `resume` the loop goes on from the file: its result equals that of a loop that was never
    interrupted, to the last bit, if the function's values do not depend on chance or on the time.

    Parameters
    ----------
    path : str or path
        The file, by convention ``.npz``, in a folder that is there.
    interval : float
        Seconds between two saves; with 0 each step is saved.
    resume : bool
        Whether to go on from the file, which must be there. Without, it must not be there.
    depends_on : mapping, optional
        On what the function depends, by name: data, settings. A loop goes on from a file only if
        they are equal. Arrays are compared by their digests.
    kept : dict, optional
        What the callback keeps: its content is saved with the state, and put back before the first
        step. It may hold arrays, numbers, strings, and lists, tuples and dictionaries of them.

    Raises
    ------
    CheckpointError
        If the file is there or not, against `resume`; if it is damaged, no checkpoint, or of
        another version. Later, if it is of a loop with other settings.
    TypeError
        If a setting is of the wrong kind.
    ValueError
        If `interval` is negative.

    See Also
    --------
    part : For several loops in one file.

    Notes
    -----
    A solver compares its own settings, the start and the optimiser, but for `steps`: a loop may go
    on for longer than was asked first. Functions count by their names, so `depends_on` has to say
    what they depend on. See docs/checkpoints.md.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import optim
    >>> c = np.asarray([2.0, 0.3])
    >>> def value_and_grad(x):
    ...     return 0.5 * np.sum((x - c) ** 2), x - c
    >>> def solve(steps, checkpoint=None):
    ...     start, opt = np.zeros(2), optim.adam(0.1)
    ...     return optim.minimize(value_and_grad, start, opt, steps=steps, checkpoint=checkpoint)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "run.npz")
    ...     _ = solve(20, optim.Checkpoint(path, depends_on={"c": c}))
    ...     result = solve(50, optim.Checkpoint(path, resume=True, depends_on={"c": c}))
    >>> whole = solve(50)
    >>> bool(np.all(result.params == whole.params)), result.history == whole.history
    (True, True)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        interval: float = 60.0,
        *,
        resume: bool = False,
        depends_on: Mapping[str, Any] | None = None,
        kept: dict[str, Any] | None = None,
    ) -> None:
        call = "Checkpoint"
        if not isinstance(path, str | os.PathLike):
            raise wrong_kind(call, "path", path, "the path of a file")
        if depends_on is not None and not isinstance(depends_on, Mapping):
            raise wrong_kind(call, "depends_on", depends_on, "a mapping or None")
        check_kept(call, kept)
        interval, resume = not_negative(call, "interval", interval), flag(call, "resume", resume)
        self.file = File(Path(path), interval, resume=resume)
        self.name = ""
        self.above: Checkpoint | None = None
        self.brief = False
        self.depends_on = dict(depends_on or {})
        self.kept = kept
        self.identity: Json = None
        self.begun = self.before = 0.0

    def part(
        self, name: str, *, kept: dict[str, Any] | None = None, brief: bool = False
    ) -> "Checkpoint":
        """Return the checkpoint of one of several loops, in the same file.

        Loops that come one after the other, each with a part, are resumed alike: one that had
        ended returns its result at once, and the one that was interrupted goes on.

        Parameters
        ----------
        name : str
            Its name, another one for each loop.
        kept : dict, optional
            What the callback of this loop keeps.
        brief : bool
            Whether it is one of many short loops, at whose ends the file is not to be written
            before it is time: who asked for the part then says `flush` of the whole at last.

        Returns
        -------
        Checkpoint
            Of the same file.
        """
        call = "Checkpoint.part"
        if not isinstance(name, str):
            raise wrong_kind(call, "name", name, "a string")
        check_kept(call, kept)
        inner = copy.copy(self)
        inner.name, inner.above = f"{self.name}/{name}", self
        inner.brief = flag(call, "brief", brief) or self.brief
        inner.depends_on, inner.kept = {}, kept
        return inner

    def drop(self, name: str) -> None:
        """Forget a part whose loop has ended, and that nothing will ask for again.

        The state of many loops, one after the other, would fill memory and file: what each has
        come to is in `kept`, or in the state of the whole.

        Parameters
        ----------
        name : str
            Its name; of its own parts nothing stays, either.
        """
        call = "Checkpoint.drop"
        if not isinstance(name, str):
            raise wrong_kind(call, "name", name, "a string")
        self.file.drop(f"{self.name}/{name}")

    def begin(self, call: str, settings: Mapping[str, Any], params: Params) -> Tree:
        """Begin a loop: return the state that was saved, or None, and put `kept` back.

        Parameters
        ----------
        call : str
            The name of the function, with which messages begin.
        settings : mapping
            What has to be equal to go on.
        params : array or mapping of str to array
            Arrays like which those of the state will be: of this library, on this device.

        Returns
        -------
        object
            The state of the last `save`.

        Raises
        ------
        CheckpointError
            If it serves a loop already, or the file is of another one.
        """
        if self.above is not None and self.above.name not in self.file.parts:
            self.above.begin("", {}, params)
        if self.name in self.file.parts:
            msg = (
                f"{call}: {self.file.path} serves {self.file.parts[self.name].named} "
                f"already; want a Checkpoint of its own, or a part of one"
            )
            raise CheckpointError(msg)
        own = {"function": call, **settings, **self.depends_on}
        self.identity = json.loads(json.dumps(identity(own)))
        saved = self.file.saved.get(self.name)
        found = Settled(None, {}, 0.0) if saved is None else self.gone_on(call, saved, params)
        self.file.saved.pop(self.name, None)
        self.file.settled[self.name] = found
        self.file.parts[self.name] = self
        self.before, self.begun = found.seconds, time.perf_counter()
        return found.state

    def gone_on(self, call: str, saved: Saved, params: Params) -> Settled:
        """Return what was saved, if it is of the same loop, and put `kept` back."""
        if odd := list(differences(saved.entry["identity"], self.identity)):
            more = f", and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
            msg = (
                f"{call}: {self.file.path} is of another run: "
                f"{'; '.join(odd[:SHOWN])}{more}; want the settings of the checkpoint"
            )
            raise CheckpointError(msg)
        unpacker = Unpacker(saved.arrays, home_of(params))
        try:
            state, kept = (unpacker.unpack(saved.entry[name]) for name in ("state", "kept"))
        except LookupError as error:
            msg = f"{call}: {self.file.path}: {error}; want the program that wrote it"
            raise CheckpointError(msg) from error
        if self.kept is not None:
            self.kept.clear()
            self.kept.update(frozen(kept))
        return Settled(state, kept, saved.entry["seconds"])

    @property
    def named(self) -> str:
        """What it serves, in words."""
        part = f"the part {self.name.removeprefix('/')!r} of " if self.name else ""
        return f"{part}{self.identity['function'] or 'several loops'}"

    @property
    def seconds(self) -> float:
        """How long the loop has run, in all processes: what came after a save is not counted."""
        return self.before + time.perf_counter() - self.begun

    def save(self, state: Tree) -> None:
        """Keep a state with what `kept` holds, and write the file if it is time.

        Parameters
        ----------
        state : tree
            Arrays, numbers and strings, in lists, tuples, dictionaries, NamedTuples and
            dataclasses. What it holds must not be modified afterwards.
        """
        first = self.file.settled[self.name].state is None
        new = {self.name: Settled(state, frozen(self.kept or {}), self.seconds)}
        part = self.above
        while part is not None:
            held = self.file.settled[part.name].state
            new[part.name] = Settled(held, frozen(part.kept or {}), part.seconds)
            part = part.above
        self.file.changed = True
        # One assignment: wherever an interrupt falls, state and `kept` are of one step.
        self.file.settled = {**self.file.settled, **new}
        if first:
            self.saved()  # rather now than after `interval` seconds: can such a state be saved?
        if self.file.due:
            self.file.write()

    def flush(self) -> None:
        """Write what was kept last, if it is not written yet; of a `brief` part if it is time."""
        if self.file.changed and (self.file.due or not self.brief):
            self.file.write()

    def saved(self) -> Saved:
        """Return what the file holds of it."""
        packer, (state, kept, seconds) = Packer(), self.file.settled[self.name]
        entry = {
            "identity": self.identity,
            "state": packer.pack(state),
            "kept": packer.pack(kept),
            "seconds": seconds,
        }
        return Saved(entry, packer.arrays)


class File:
    """The file of a checkpoint: the parts that were read, and those that serve a loop now."""

    def __init__(self, path: Path, interval: float, *, resume: bool) -> None:
        self.path, self.interval = path, interval
        self.saved = read(path) if resume else {}
        self.parts: dict[str, Checkpoint] = {}
        self.settled: dict[str, Settled] = {}
        self.changed = False
        self.written = time.perf_counter()
        if not resume and path.exists():
            msg = (
                f"Checkpoint: {path} is there already; want resume=True to go on from it, or "
                f"another path"
            )
            raise CheckpointError(msg)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            msg = f"Checkpoint: {path.parent} is no folder to write to; want one for {path.name}"
            raise CheckpointError(msg)

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.perf_counter() - self.written >= self.interval

    def drop(self, part: str) -> None:
        """Forget a part and its own parts."""

        def others(parts: dict[str, Any]) -> dict[str, Any]:
            gone = [name for name in parts if f"{name}/".startswith(f"{part}/")]
            return {name: of for name, of in parts.items() if name not in gone}

        # In this order: wherever an interrupt falls, all parts that are left have a state.
        self.saved, self.parts = others(self.saved), others(self.parts)
        self.settled = others(self.settled)
        self.changed = True

    def write(self) -> None:
        """Write the file; if that fails, warn, for the loop is worth more."""
        # What was read and has not begun yet is written again.
        parts = self.saved | {name: part.saved() for name, part in self.parts.items()}
        record = {
            "format": FORMAT,
            "version": version("nufftlib"),
            "parts": {name: saved.entry for name, saved in parts.items()},
        }
        arrays = {
            array_name(name, i): plain
            for name, saved in parts.items()
            for i, plain in enumerate(saved.arrays)
        }
        arrays[RECORD] = np.frombuffer(json.dumps(record).encode(), np.uint8)
        try:
            replace(self.path, arrays)
            self.changed = False
        except OSError as error:
            msg = (
                f"Checkpoint: {self.path} cannot be written ({error}); want room for it; the loop "
                f"goes on"
            )
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        self.written = time.perf_counter()


def array_name(part: str, number: int) -> str:
    """Return the name of an array of a part."""
    return f"{part.removeprefix('/')}#{number}"


def replace(path: Path, arrays: dict[str, Plain]) -> None:
    """Write a file in the place of another one, which is there until the new one is on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type] # its stub has a flag there
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the new name, too, is to outlast a loss of power
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> dict[str, Saved]:
    """Return the parts of a file."""
    if not path.exists():
        msg = f"Checkpoint: {path} is not there; want a checkpoint to go on from, or resume=False"
        raise CheckpointError(msg)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = arrays.pop(RECORD, None)
        told = None if record is None else json.loads(record.tobytes())
    except Exception as error:  # a damaged archive is worth many kinds of them
        msg = (
            f"Checkpoint: {path} cannot be read ({type(error).__name__}: {error}); want a "
            f"checkpoint that is whole"
        )
        raise CheckpointError(msg) from error
    if told is None:
        held = ", ".join(arrays) or "nothing"
        msg = f"Checkpoint: {path} is no checkpoint: it holds {held}; want a file of a Checkpoint"
        raise CheckpointError(msg)
    for name, here in (("format", FORMAT), ("version", version("nufftlib"))):
        found = told.get(name) if isinstance(told, dict) else None
        if found != here:
            msg = f"Checkpoint: {path} has the {name} {found}; want {here}, as of this library"
            raise CheckpointError(msg)
    try:
        return {name: saved_part(name, entry, arrays) for name, entry in told["parts"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"Checkpoint: {path} lacks what a part of it is made of; want a file of a Checkpoint"
        raise CheckpointError(msg) from error


def saved_part(name: str, entry: dict[str, Any], arrays: dict[str, Plain]) -> Saved:
    """Return a part of a file; raises where something of it is missing."""
    if missing := {"identity", "state", "kept", "seconds"} - entry.keys():
        raise KeyError(*missing)
    number = sum(one.rpartition("#")[0] == name.removeprefix("/") for one in arrays)
    return Saved(entry, [arrays[array_name(name, i)] for i in range(number)])


def frozen(kept: Tree) -> Tree:
    """Return a copy of what may be changed in place: dictionaries and lists, not their arrays."""
    if isinstance(kept, dict):
        return {key: frozen(part) for key, part in kept.items()}
    return [frozen(part) for part in kept] if isinstance(kept, list) else kept


def check_kept(call: str, kept: Any) -> None:
    """Refuse what could not be put back in its place."""
    if kept is not None and not isinstance(kept, dict):
        raise wrong_kind(call, "kept", kept, "a dict or None")
