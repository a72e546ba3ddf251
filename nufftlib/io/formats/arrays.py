"""Arrays of NumPy and MATLAB."""

import zipfile
from collections.abc import Callable, Sequence
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
    check((*shape[2:], *shape[:2]))
    stored = loadmat(path, variable_names=[name], appendmat=False)[name]
    array = np.asarray(stored).transpose(*range(2, len(shape)), 0, 1)
    # MATLAB stores whole numbers of any class in as few bytes as they need.
    return array.astype(CLASSES[kind]) if kind in CLASSES and array.dtype.kind in "biu" else array


CLASSES = {"double": np.float64, "single": np.float32, "logical": np.bool_}


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
