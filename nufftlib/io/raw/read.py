"""Read the data of a scan from a file of any kind that is known here."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

from nufftlib.core.kinds import choice, file_path, sizes
from nufftlib.io.raw.arrays import read_archive
from nufftlib.io.raw.bart import read_bart_scan
from nufftlib.io.raw.mrd import read_mrd_scan
from nufftlib.io.raw.scan import Raw, Scan, checked, matched
from nufftlib.io.raw.twix import read_twix_scan
from nufftlib.io.read import read_trajectory
from nufftlib.io.stored import UNITS, Unit, converted

SUFFIXES = {
    ".h5": "an ISMRMRD file with acquisitions of one kind",
    ".hdf5": "an ISMRMRD file with acquisitions of one kind",
    ".mrd": "an ISMRMRD file with acquisitions of one kind",
    ".dat": "a twix file of Siemens with acquisitions of one kind",
    ".cfl": "k-space data of BART, NAME.cfl with its NAME.hdr",
    ".hdr": "k-space data of BART, NAME.cfl with its NAME.hdr",
    ".npz": "an archive with data, trajectory and shape",
}


def read_scan(
    path: str | PathLike[str],
    trajectory: str | PathLike[str] | None = None,
    *,
    unit: Unit | None = None,
    shape: tuple[int, ...] | None = None,
    fov: Any = None,
) -> Scan:
    """Read k-space data with their trajectory.

    Parameters
    ----------
    path : str or path-like
        The file. Its suffix names its kind:

        - ``.h5``, ``.hdf5`` or ``.mrd``: of ISMRMRD; needs the package ismrmrd. Acquisitions
          without a trajectory are lines of a Cartesian grid. Their counters of slice, contrast,
          phase, repetition and set make frames; noise scans are kept apart, in the
          scale of the data's time between two samples; lines for calibration belong to the data.
        - ``.dat``: of Siemens (twix); needs the package twixtools. Cartesian lines have their
          trajectory from the header's protocol, along readout, phase and slice direction; for
          others it is given. Frames, noise and calibration are as above. Of several measurements
          the last is read, with the noise of those before.
        - ``.cfl`` or ``.hdr``: of BART, dimensions (1, samples, shots, coils, 1, frames...) with a
          trajectory, or (x, y, z, coils, 1, frames...): a Cartesian grid. What is zero in all coils
          was not sampled; each frame has its own samples, and all have as many.
        - ``.npz``: ``data`` of shape (frames, coils, shots, samples) or less, ``trajectory`` of
          shape (frames, shots, samples, d) or less, by default in cycles per voxel, ``shape``, and
          as there are ``fov``, ``noise`` and ``sample_time``.

    trajectory : str or path-like, optional
        A file of the trajectory as for `read_trajectory`, where the data's file has none; it goes
        before one that is there.
    unit : str, optional
        Unit of the trajectory's numbers, as for `read_trajectory`.
    shape : tuple of int, optional
        Voxels of the image along each axis, where no file says them. They go before what is said.
    fov : float or tuple of float, optional
        Field of view in metres, likewise.

    Returns
    -------
    Scan
        Data, trajectory in their precision, and what the file says beside them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `shape` or `fov` holds no numbers.
    ValueError
        If a file is damaged or of another kind, data and trajectory do not fit, or the unit or
        the shape is missing.
    ImportError
        If a package is missing; the message says how to install it.

    See Also
    --------
    read_trajectory : The trajectory of a file alone.

    Notes
    -----
    The components x, y, z are the axes 0, 1, 2 of trajectory and image. A Cartesian readout that
    is oversampled is so in the trajectory, too: its samples lie closer. Voxels and the field of
    view in the unit of ISMRMRD's trajectories are those of the encoded space. `shape` in place of a
    Cartesian file's own changes the voxels, not the field of view.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.io import read_scan
    >>> k = nl.mri.trajectories.radial(32, 64)
    >>> y = nl.NUFFT(k, (64, 64))(nl.mri.birdcage_maps(4, (64, 64)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/scan.npz", data=y, trajectory=k, shape=(64, 64))
    ...     scan = read_scan(f"{folder}/scan.npz")
    >>> scan.data.shape, scan.k.shape, scan.shape
    ((1, 4, 32, 64), (1, 32, 64, 2), (64, 64))
    """
    call = "read_scan"
    file = file_path(call, "path", path)
    kind = file.suffix.lower()
    if kind not in SUFFIXES:
        msg = f"{path}: the suffix is {file.suffix!r}; want one of {', '.join(SUFFIXES)}"
        raise ValueError(msg)
    if not os.path.isfile(file):  # pathlib's fails at a name that is too long
        msg = f"{path}: there is no such file"
        raise FileNotFoundError(msg)
    if unit is not None:
        choice(call, "unit", unit, UNITS)
    if trajectory is not None:
        trajectory = file_path(call, "trajectory", trajectory)
    if shape is not None:
        shape = sizes(call, "shape", shape, "the voxels along each axis")
    try:
        raw = decoded(file, kind, unit, grid=trajectory is None)
    except ImportError:
        raise
    except Exception as error:  # a decoder may raise anything at a damaged file
        said = str(error) or type(error).__name__
        msg = f"{path}: cannot be read: {said}; want {SUFFIXES[kind]}"
        raise ValueError(msg) from error
    if trajectory is not None:
        where = read_trajectory(trajectory, unit=unit, shape=shape, fov=fov)
    elif raw.stored is not None:
        where = converted(path, raw.stored, unit, shape, fov)
    else:
        msg = f"{call}(trajectory): {path} holds no trajectory; want a file that does"
        raise ValueError(msg)
    if where.shape is None:
        msg = f"{call}(shape): shape is None, and no file says it; want the voxels along each axis"
        raise ValueError(msg)
    data, k = matched(path, raw.data, where.k)
    frames = raw.frames or tuple(f"frame {i}" for i in range(len(data)))
    return checked(
        path,
        Scan(data, k, where.shape, where.fov, raw.noise, where.sample_time, frames, raw.source),
    )


def decoded(path: Path, kind: str, unit: Unit | None, *, grid: bool) -> Raw:
    """Read a file of a kind."""
    if kind in (".cfl", ".hdr"):
        return read_bart_scan(path, grid=grid)
    if kind == ".npz":
        return read_archive(path)
    if kind == ".dat":
        return read_twix_scan(path, grid=grid)
    return read_mrd_scan(path, unit)
