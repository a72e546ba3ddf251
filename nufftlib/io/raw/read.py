"""Read the data of a scan from a file of any kind that is known here."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from nufftlib.core.kinds import choice, file_path, out_of_range, sizes
from nufftlib.io.formats.files import decoding, of_suffix
from nufftlib.io.raw.arrays import read_archive
from nufftlib.io.raw.bart import read_bart_scan
from nufftlib.io.raw.mrd import read_mrd_scan
from nufftlib.io.raw.scan import Raw, Scan, checked, matched
from nufftlib.io.raw.twix import read_twix_scan
from nufftlib.io.read import read_trajectory
from nufftlib.io.stored import UNITS, TrajectoryFile, Unit, converted

CALL = "read_scan"

BART = "data of BART, (1, samples, shots, coils) at a trajectory or a grid without"
SUFFIXES = {
    ".h5": "an ISMRMRD file with acquisitions of one kind",
    ".hdf5": "an ISMRMRD file with acquisitions of one kind",
    ".mrd": "an ISMRMRD file with acquisitions of one kind",
    ".dat": "a twix file of Siemens with acquisitions of one kind",
    ".cfl": BART,
    ".hdr": BART,
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
        - ``.npz``: ``data`` of shape (frames, coils, shots, samples) or less, ``trajectory`` or
          ``k`` of shape (frames, shots, samples, d) or less, by default in cycles per voxel,
          ``shape``, and as there are ``fov``, ``noise`` and ``sample_time``.

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
    file = file_path(CALL, "path", path)
    of_suffix(file, file, SUFFIXES)
    if unit is not None:
        choice(CALL, "unit", unit, UNITS)
    if shape is not None:
        shape = sizes(CALL, "shape", shape, "the voxels along each axis")
    where = None
    if trajectory is not None:
        k = file_path(CALL, "trajectory", trajectory)
        where = read_trajectory(k, unit=unit, shape=shape, fov=fov)
    return scan_of(file, where, unit=unit, shape=shape, fov=fov)


def scan_of(
    path: Path,
    where: TrajectoryFile | None,
    *,
    unit: Unit | None,
    shape: tuple[int, ...] | None,
    fov: Any,
) -> Scan:
    """Read data, whose trajectory is given or in the same file."""
    with decoding(path, of_suffix(path, path, SUFFIXES)):
        raw = decoded(path, unit, grid=where is None)
    of_lines = where is None
    if where is None:
        if raw.stored is None:
            raise out_of_range(CALL, "trajectory", None, "the file of one", f"{path} holds none")
        where = converted(path, raw.stored, unit, shape, fov)
    if where.shape is None:
        wish = "the voxels along each axis"
        raise out_of_range(CALL, "shape", None, wish, "no file says it")
    data, k = matched(path, raw.data, where.k)
    scan = Scan(
        data,
        k,
        where.shape,
        where.fov,
        raw.encoded(where.shape) if of_lines else where.shape,
        raw.thickness(len(where.shape)),
        raw.noise,
        where.sample_time,
        raw.frames or tuple(f"frame {i}" for i in range(len(data))),
        raw.source,
    )
    return checked(path, scan)


def decoded(path: Path, unit: Unit | None, *, grid: bool) -> Raw:
    """Read a file by the reader of its suffix."""
    kind = path.suffix.lower()
    if kind in (".cfl", ".hdr"):
        return read_bart_scan(path, grid=grid)
    if kind == ".npz":
        return read_archive(path)
    if kind == ".dat":
        return read_twix_scan(path, grid=grid)
    return read_mrd_scan(path, unit)
