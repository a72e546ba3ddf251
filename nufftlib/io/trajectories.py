"""A trajectory and its protocol in one file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from importlib.metadata import version
from os import PathLike
from typing import Any, BinaryIO

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import file_path
from nufftlib.io.whole import written
from nufftlib.mri.scanner import Protocol, Scanner
from nufftlib.mri.scanner.waveforms import checked

FORMAT = "nufftlib trajectory"
VERSION = 1
UNITS = {
    "k": "cycles per voxel, one sample in each raster time",
    "gmax": "T/m",
    "smax": "T/m/s",
    "raster": "s",
    "gamma": "Hz/T",
    "fov": "m",
    "dwell": "s; null: the raster",
}


def save_trajectory(path: str | PathLike[str], k: Array, protocol: Protocol) -> None:
    """Write a trajectory with its protocol to an ``.npz`` file.

    The file holds the array ``k`` and the text ``about``: JSON with the protocol, the units of
    all numbers, and the versions of what wrote it. It is written whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where the file is to be; its name ends with ``.npz``. A file that is there is replaced.
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, on any device.
    protocol : Protocol
        Scanner and scan.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the shape does not fit the protocol, or the name has another suffix.
    OSError
        If the file cannot be written; a file that is there stays as it was.

    See Also
    --------
    load_trajectory : Reads it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.io import load_trajectory, save_trajectory
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> k = nl.mri.trajectories.radial(32, 512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_trajectory(f"{folder}/radial.npz", k, protocol)
    ...     k2, protocol2 = load_trajectory(f"{folder}/radial.npz")
    >>> np.array_equal(k, k2), protocol == protocol2
    (True, True)
    """
    call = "save_trajectory(path, k, protocol)"
    checked(call, k, protocol)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "protocol": asdict(protocol),
        "units": UNITS,
        "versions": {name: version(name) for name in ("nufftlib", "numpy")},
    }
    with written(call, path, ".npz") as temporary:
        np.savez(temporary, k=fetched(k), about=np.asarray(json.dumps(about)))


def load_trajectory(path: str | PathLike[str]) -> tuple[Any, Protocol]:
    """Read a trajectory and its protocol from a file that `save_trajectory` wrote.

    Parameters
    ----------
    path : str or path-like
        The file. Nothing in it is executed: pickles are refused.

    Returns
    -------
    k : ndarray, shape (..., samples, d)
        The trajectory in cycles per voxel, with all its bits.
    protocol : Protocol
        The protocol, equal to the one that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or of another kind.

    See Also
    --------
    save_trajectory : Writes it.

    Examples
    --------
    >>> import tempfile
    >>> import nufftlib as nl
    >>> from nufftlib.io import load_trajectory, save_trajectory
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=(0.24, 0.18), shape=(256, 192), rest="start")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_trajectory(f"{folder}/radial.npz", nl.mri.trajectories.radial(32, 512), protocol)
    ...     k, protocol = load_trajectory(f"{folder}/radial.npz")
    >>> k.shape, protocol.fov, protocol.rest
    ((32, 512, 2), (0.24, 0.18), 'start')
    """
    with file_path("load_trajectory", "path", path).open("rb") as file:
        try:
            return read_saved(file)
        except Exception as error:  # a decoder may raise anything at a damaged file
            why = str(error) or type(error).__name__
            msg = f"{path}: cannot be read: {why}; want a file that save_trajectory wrote"
            raise ValueError(msg) from error


def read_saved(file: BinaryIO) -> tuple[Any, Protocol]:
    """Read what `save_trajectory` wrote."""
    if not zipfile.is_zipfile(file):  # np.load would try other kinds, pickles among them
        msg = "it is no archive of arrays"
        raise ValueError(msg)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        k, about = archive["k"], json.loads(str(archive["about"]))
    if (found := (about.get("format"), about.get("version"))) != (FORMAT, VERSION):
        msg = f"it is of the format {found[0]!r}, version {found[1]!r}, and not {VERSION}"
        raise ValueError(msg)
    settings = about["protocol"]
    protocol = Protocol(**{**settings, "scanner": Scanner(**settings["scanner"])})
    checked("load_trajectory(path)", k, protocol)
    return k, protocol
