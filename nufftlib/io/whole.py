"""Files that are written whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nufftlib.core.kinds import file_path


@contextmanager
def written(call: str, path: str | os.PathLike[str], suffix: str) -> Iterator[Path]:
    """Give the name of a temporary file, which takes the place of `path` after the block.

    Parameters
    ----------
    call : str
        The user's call, quoted first in the error.
    path : str or path-like
        Where the file is to be. An error within the block leaves what is there.
    suffix : str
        What the name has to end with.

    Yields
    ------
    Path
        A file of the same suffix in the same folder, for the block to write.
    """
    final = file_path(call.partition("(")[0], "path", path)
    if final.suffix != suffix:
        msg = f"{call}: path is {str(path)!r}; want a name that ends with {suffix}"
        raise ValueError(msg)
    if not final.parent.is_dir():
        msg = (
            f"{call}: path is {str(path)!r}, and {final.parent} is no folder; want one that exists"
        )
        raise FileNotFoundError(msg)
    temporary = final.with_name(f".{final.stem}.{os.getpid()}{suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
