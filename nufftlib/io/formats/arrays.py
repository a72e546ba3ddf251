"""Arrays of NumPy and MATLAB."""

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Check = Callable[[Sequence[int]], None]


def read_npy(path: Path, check: Check) -> NDArray[Any]:
    """Read an array whose shape passes a check."""
    # np.load would also accept pickles and archives under this suffix.
    with path.open("rb") as file:
        return read_checked(file, check)


def read_checked(file: IO[bytes], check: Check) -> NDArray[Any]:
    """Read an array whose shape passes a check from an open file in the format ``.npy``."""
    old = np.lib.format.read_magic(file) == (1, 0)
    header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    check(header(file)[0])
    file.seek(0)
    array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_npz(path: Path, part: str, check: Check, default: str = "") -> NDArray[Any]:
    """Read the array of that name of an archive, the one of the default name, or the only one."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        name = chosen(names, part, default)
        with archive.open(f"{name}.npy") as file:
            return read_checked(file, check)


def read_mat(path: Path, part: str, check: Check) -> NDArray[Any]:
    """Read an array of MATLAB whose shape passes a check.

    MATLAB has rows and columns first, and then channels and planes: (rows, columns, channels,
    depth) becomes (channels, depth, rows, columns).
    """
    from scipy.io import loadmat, whosmat

    try:
        found = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
    except NotImplementedError as error:
        msg = "it is of MATLAB's format 7.3 (HDF5); want an older one, as of save(FILE, '-v7')"
        raise ValueError(msg) from error
    name = chosen(list(found), part)
    shape, kind = found[name]
    if kind not in (*CLASSES, *WHOLE):
        msg = f"its {name} is of the class {kind}; want an array of numbers"
        raise ValueError(msg)
    check((*shape[2:], *shape[:2]))
    check_tags(path, name)
    stored = loadmat(path, variable_names=[name], appendmat=False)[name]
    array = np.asarray(stored).transpose(*range(2, len(shape)), 0, 1)
    # MATLAB stores whole numbers of any class in as few bytes as they need.
    return array.astype(CLASSES[kind]) if kind in CLASSES and array.dtype.kind in "biu" else array


CLASSES = {"double": np.float64, "single": np.float32, "logical": np.bool_}
WHOLE = tuple(f"{u}int{n}" for u in ("u", "") for n in (8, 16, 32, 64))
NUMBERS = {*range(1, 8), 9, 12, 13}
"""MATLAB's codes of stored numbers, from int8 to uint64."""
COMPRESSED = 15


def check_tags(path: Path, name: str) -> None:
    """Refuse an array whose numbers are of an unknown type, which would crash SciPy's reader.

    In format 5 each element has a tag of two words, its type and its length in bytes, and is
    padded to 8 bytes; up to 4 bytes stand in the tag, with their length in the upper half of its
    first word. An array's elements are its flags, its shape, its name and its numbers.
    """
    with path.open("rb") as file:
        header = file.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(header[126:])
        while order and (tag := file.read(8)):  # format 4 has no order here
            code, length = struct.unpack(f"{order}2I", tag)
            array = file.read(length)
            if code == COMPRESSED:
                array = zlib.decompress(array)[8:]
            found = list(elements(array, order))
            if len(found) > 2 and found[2][1].decode("latin1") == name:
                if not {code for code, _ in found[3:]} <= NUMBERS:
                    msg = f"its {name} has an element of an unknown type; want numbers"
                    raise ValueError(msg)
                return


def elements(array: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the first bytes of each element of an array."""
    at = 0
    while at + 8 <= len(array):
        code, length = struct.unpack_from(f"{order}2I", array, at)
        if code >> 16:
            yield code & 0xFFFF, array[at + 4 : at + 4 + (code >> 16)]
            at += 8
        else:
            yield code, array[at + 8 : at + 8 + min(length, 64)]
            at += 8 + -(-length // 8) * 8


def chosen(names: list[str], part: str, default: str = "") -> str:
    """Return the name of the array that is asked for, or of the only one."""
    found = [name for name in (part or default,) if name in names] or ([] if part else names)
    if len(found) != 1:
        if part:
            want = f"one of them, and not {part}"
        else:
            want = f"an array named {default}" if default else "one, or its name as in NAME:ARRAY"
        msg = f"it holds {', '.join(names) or 'nothing'}; want {want}"
        raise ValueError(msg)
    return found[0]
