"""Read a trajectory from a file of any kind that is known here."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nufftlib.core.kinds import file_path
from nufftlib.io.archives import by_names
from nufftlib.io.bart import read_bart
from nufftlib.io.formats.files import decoding, of_suffix
from nufftlib.io.mrd import read_mrd
from nufftlib.io.pulseq import read_pulseq
from nufftlib.io.stored import Stored, TrajectoryFile, Unit, converted
from nufftlib.io.trajectories import read_saved


def read_trajectory(
    path: str | PathLike[str],
    *,
    unit: Unit | None = None,
    shape: tuple[int, ...] | None = None,
    fov: Any = None,
) -> TrajectoryFile:
    """Read a trajectory from a file, and bring it to cycles per voxel.

    Parameters
    ----------
    path : str or path-like
        The file. Its suffix names its kind:

        - ``.npz``: of `save_trajectory`, the result of ``nufftlib learn-trajectory``, or an array
          ``trajectory`` or ``k``, in cycles per voxel unless another unit is given, and as there
          are ``shape``, ``fov`` and ``sample_time``.
        - ``.cfl`` or ``.hdr``: of BART, in 1/FOV unless another unit is given.
        - ``.h5``, ``.hdf5`` or ``.mrd``: of ISMRMRD; needs the package ismrmrd. The format fixes no
          unit.
        - ``.seq``: of Pulseq, at the samples of the receiver; needs pypulseq.
        - ``.npy``: an array of shape (..., samples, axes) in the unit that is given.

    unit : str, optional
        Unit of the file's numbers, one of ``"cycles per voxel"``, ``"radians per voxel"``,
        ``"1/fov"``, ``"1/m"`` and ``"rad/m"``. It is asked for where neither the format nor the
        file says it.
    shape : tuple of int, optional
        Voxels along each axis. It is asked for where the unit needs it, and goes before what the
        file says. A trajectory whose third component is zero throughout has two axes, unless the
        shape has three.
    fov : float or tuple of float, optional
        Field of view in metres, likewise.

    Returns
    -------
    TrajectoryFile
        The trajectory, and what the file says beside it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `shape` or `fov` holds no numbers.
    ValueError
        If the file is damaged or of another kind, or if its unit, the shape or the field of view
        is missing, or contradicts the file.
    ImportError
        If a package is missing; the message says how to install it.

    See Also
    --------
    load_trajectory : Of an ``.npz`` file, the trajectory and its protocol alone.
    save_trajectory, write_bart, write_mrd, write_pulseq : Write.

    Notes
    -----
    In every format the components x, y, z are the axes 0, 1, 2 of the trajectory and of the image.
    Points keep the precision of the file: float32 from BART and ISMRMRD. Nothing in a file is
    executed: pickles are refused.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.io import read_trajectory
    >>> k = 256 * nl.mri.trajectories.radial(32, 512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/radial.npy", k)
    ...     found = read_trajectory(f"{folder}/radial.npy", unit="1/fov", shape=(256, 256))
    >>> found.k.shape, float(abs(found.k).max())
    ((32, 512, 2), 0.5)
    """
    file = file_path("read_trajectory", "path", path)
    kind = of_suffix(file, file, KINDS)
    with decoding(file, kind.wish):
        found = kind.read(file)
    return converted(path, found, unit, shape, fov)


def read_npy(path: Path) -> Stored:
    """Read an array, which says nothing of its unit."""
    with path.open("rb") as file:  # np.load would also accept pickles and archives
        return Stored("NumPy", np.lib.format.read_array(file, allow_pickle=False))


def read_npz(path: Path) -> Stored:
    """Read what `save_trajectory` or ``learn-trajectory`` wrote, or arrays by their names."""
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with np.load(path, allow_pickle=False) as archive:
                if {"trajectory", "trajectory_start", "image"} <= set(archive.files):
                    k, shape = archive["trajectory"], archive["image"].shape
                    return Stored("nufftlib", k, unit="cycles per voxel", fixed=True, shape=shape)
                if "about" not in archive.files:
                    return by_names(archive)
        file.seek(0)
        k, protocol = read_saved(file)
    return Stored(
        "nufftlib",
        k,
        unit="cycles per voxel",
        fixed=True,
        sample_time=protocol.scanner.raster,
        protocol=protocol,
    )


class Kind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    read : callable
        Reads it.
    wish : str
        What such a file is, for the error at another one.
    """

    read: Callable[[Path], Stored]
    wish: str


BART = Kind(read_bart, "a trajectory of BART, (3, samples, shots), NAME.cfl with its NAME.hdr")
MRD = Kind(read_mrd, "an ISMRMRD file, its acquisitions with trajectories of one shape")
KINDS = {
    ".npz": Kind(read_npz, "an archive with trajectory or k"),
    ".npy": Kind(read_npy, "an array of real numbers"),
    ".cfl": BART,
    ".hdr": BART,
    ".h5": MRD,
    ".hdf5": MRD,
    ".mrd": MRD,
    ".seq": Kind(read_pulseq, "a Pulseq sequence with receptions of one kind"),
}
