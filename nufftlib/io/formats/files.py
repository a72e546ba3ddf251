"""A file by the reader of its suffix, and the part of it that is asked for."""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nufftlib.core.extras import install

TIFF = (".tif", ".tiff")
FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
DICOM = (".dcm", ".dicom")
WITH_PARTS = (".npz", ".mat", *TIFF, *FITS, *DICOM)
"""Kinds of files with several arrays or planes, of which ``FILE:PART`` names one."""

PART = re.compile(rf"(.+(?:{'|'.join(map(re.escape, WITH_PARTS))})):(.+)", re.IGNORECASE)

EXTRA = dict.fromkeys(("astropy", "png", "pydicom", "tifffile"), "pictures")
"""The extra that brings a package, where it is not ``app``."""

LOGGING = ("nibabel.global", "pydicom", "tifffile")
"""Loggers of packages that write of whatever is odd in a header."""

T = TypeVar("T")
Reader = Callable[[Path, str], T]
"""A function of the file and the part of it that is asked for, which may be empty."""


def split_part(path: Path) -> tuple[Path, str]:
    """Return the file, and the part of it that follows a colon after its suffix."""
    found = PART.fullmatch(path.name)
    return (path.with_name(found[1]), found[2]) if found else (path, "")


def suffix_in(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Tell whether the file has one of the suffixes."""
    return split_part(path)[0].name.lower().endswith(suffixes)


def without_parts(read: Callable[[Path], T]) -> Reader[T]:
    """Return the reader of a kind that has no parts."""
    return lambda path, _: read(path)


def read_file(path: Path, readers: Mapping[str, Reader[T]]) -> T:
    """Return what the reader of the file's suffix finds."""
    file, part = split_part(path)
    reader = of_suffix(path, file, readers)
    with decoding(path), quiet():
        return reader(file, part)


def of_suffix(path: Path, file: Path, kinds: Mapping[str, T]) -> T:
    """Return what the file's suffix stands for; refuse others, and a file that is not there.

    `path` is the file's name in messages.
    """
    kind = next((kinds[s] for s in kinds if file.name.lower().endswith(s)), None)
    if kind is None:
        msg = f"{path}: the suffix is {path.suffix!r}; want one of {', '.join(kinds)}"
        raise ValueError(msg)
    if not os.path.isfile(file):  # pathlib's fails at a name that is too long
        msg = f"{path}: there is no such file"
        raise FileNotFoundError(msg)
    return kind


@contextmanager
def decoding(path: Path, wish: str = "") -> Iterator[None]:
    """Say which file cannot be read and, with a wish, what it should have been."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # a decoder may raise anything at a damaged file
        why = " ".join(str(error).split()) or type(error).__name__  # in one line
        msg = f"{path}: cannot be read: {why}{wish and f'; want {wish}'}"
        raise ValueError(msg) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep packages from logging and warning: what matters is in the errors that they raise."""
    loggers = [logging.getLogger(name) for name in LOGGING]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def explained_import(path: Path) -> Iterator[None]:
    """Say how to install a package that cannot be imported."""
    try:
        yield
    except ImportError as error:
        package = str(error.name).partition(".")[0]
        extra = EXTRA.get(package, "app")
        msg = (
            f"{path}: this file needs {package}, which cannot be imported; install it "
            f"in a clone of nufftlib with\n\n    {install(extra)}"
        )
        raise ImportError(msg, name=error.name) from error
