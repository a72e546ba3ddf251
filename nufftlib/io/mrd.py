"""Trajectories of ISMRMRD (MRD) files, by the package ismrmrd, which is imported here on use."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, check_real, common_namespace, is_complex
from nufftlib.core.convert import fetched
from nufftlib.core.extras import install
from nufftlib.core.kinds import lengths, positive, sizes
from nufftlib.io.stored import UNITS, Stored, Unit
from nufftlib.io.whole import written

CALL = "write_mrd(path, k, shape, fov)"
GROUP = "dataset"
UNIT = "unit"
"""The parameter of the trajectory's description in which a file says its unit."""

MOST = 2**16 - 1
"""Samples of a shot, and shots: the header counts in 16 bits."""


def write_mrd(
    path: str | PathLike[str],
    k: Array,
    shape: tuple[int, ...],
    fov: Any,
    *,
    data: Array | None = None,
    sample_time: float | None = None,
) -> None:
    """Write a trajectory, with data or without, to an ISMRMRD (MRD) file.

    Each shot is an acquisition.

    Parameters
    ----------
    path : str or path-like
        Where the file is to be; its name ends with ``.h5``. A file that is there is replaced.
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, with up to three axes, at the receiver's samples:
        ``receiver(protocol, samples)(k)`` of what a scanner plays. The file has it in 1/m and
        says so. Its axes 0, 1, 2 are x, y, z.
    shape : tuple of int
        Voxels of the image along each axis.
    fov : float or tuple of float
        Field of view in metres, along all axes or one number for each.
    data : array, shape (coils, *k.shape[:-1]), complex, optional
        The samples of all coils.
    sample_time : float, optional
        Time between two samples in seconds; by default the file leaves it open (zero).

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, the data are not complex, or a size is
        no number.
    ValueError
        If a shape does not fit, there are more than 65535 shots or samples, or the name has
        another suffix.
    ImportError
        If ismrmrd is missing, which comes with the extra ``ismrmrd``.
    OSError
        If the file cannot be written; a file that is there stays as it was.

    See Also
    --------
    read_trajectory : Reads it.
    read_scan : Reads it with its data.

    Notes
    -----
    The format has single precision. It does not fix the unit of a trajectory. The unit is said
    in the header, as the parameter ``unit`` of the encoding's ``trajectoryDescription``. The
    header also wants the proton's resonance frequency, where zero stands for not known, and the
    size of an axis that is not encoded: a voxel as long as that of axis 0.

    References
    ----------
    S. J. Inati et al., "ISMRM Raw data format: a proposed standard for MRI raw datasets", Magn.
    Reson. Med. 77 (2017) 411-421.

    Examples
    --------
    >>> import tempfile
    >>> import nufftlib as nl
    >>> from nufftlib.io import read_trajectory, write_mrd
    >>> k = nl.mri.trajectories.radial(32, 512)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_mrd(f"{folder}/radial.h5", k, (256, 256), 0.24, sample_time=4e-6)
    ...     found = read_trajectory(f"{folder}/radial.h5")
    >>> found.k.shape, found.shape, found.fov, bool(abs(found.k - k).max() < 1e-7)
    ((32, 512, 2), (256, 256), (0.24, 0.24), True)
    """
    mrd = imported(CALL)
    check_real(common_namespace(CALL, k=k), CALL, "k", k)
    shape = sizes("write_mrd", "shape", shape, "the voxels along each axis")
    if k.ndim < 2 or not 1 <= k.shape[-1] == len(shape) <= 3:
        msg = (
            f"{CALL}: k has the shape {tuple(k.shape)} and shape is {shape}; want "
            f"(..., samples, d) and d sizes, of 1 to 3 axes"
        )
        raise ValueError(msg)
    fov = lengths("write_mrd", "fov", fov, len(shape))
    time = 0.0 if sample_time is None else positive("write_mrd", "sample_time", sample_time)
    points = np.asarray(fetched(k), np.float64).reshape(-1, *k.shape[-2:])
    if max(points.shape[:2]) > MOST:
        shots, samples, _ = points.shape
        msg = f"{CALL}: k has {shots} shots of {samples} samples; want at most {MOST} of each"
        raise ValueError(msg)
    lines = None if data is None else checked_data(k, data)
    points = (points * np.asarray(shape) / np.asarray(fov)).astype(np.float32)
    with written(CALL, path, ".h5") as temporary, mrd.Dataset(temporary, GROUP, mode="w") as file:
        file.write_xml_header(mrd.xsd.ToXML(_header(mrd.xsd, shape, fov, len(points))).encode())
        for shot, line in enumerate(points):
            acquisition = mrd.Acquisition()
            acquisition.resize(len(line), 0 if lines is None else len(lines), len(shape))
            if lines is not None:
                acquisition.data[:] = lines[:, shot]
            acquisition.traj[:] = line
            acquisition.sample_time_us = 1e6 * time
            acquisition.scan_counter = shot
            acquisition.idx.kspace_encode_step_1 = shot
            # The echo's sample: the one next to the centre.
            acquisition.center_sample = int(np.argmin(np.sum(line**2, axis=-1)))
            file.append_acquisition(acquisition)


def checked_data(k: Array, data: Array) -> Any:
    """Return the data as (coils, shots, samples) on the host, or refuse them."""
    xp = common_namespace(CALL, k=k, data=data)
    if not is_complex(xp, data) or tuple(data.shape[1:]) != tuple(k.shape[:-1]):
        msg = (
            f"{CALL}: data are {data.dtype} of the shape {tuple(data.shape)}; want complex numbers "
            f"of the shape (coils, {', '.join(map(str, k.shape[:-1]))})"
        )
        raise (ValueError if is_complex(xp, data) else TypeError)(msg)
    return np.asarray(fetched(data)).reshape(data.shape[0], -1, k.shape[-2])


def read_mrd(path: Path) -> Stored:
    """Read the trajectories of all acquisitions that have one."""
    mrd = imported("read_trajectory(path)")
    with mrd.Dataset(path, GROUP, mode="r") as file:
        header = mrd.xsd.CreateFromDocument(file.read_xml_header())
        lines, times, spaces = [], set(), set()
        for i in range(file.number_of_acquisitions()):
            acquisition = file.read_acquisition(i)
            if acquisition.traj.size and not acquisition.is_flag_set(mrd.ACQ_IS_NOISE_MEASUREMENT):
                lines.append(np.array(acquisition.traj))
                times.add(float(acquisition.sample_time_us))
                spaces.add(int(acquisition.encoding_space_ref))
    counts = sorted({line.shape for line in lines})
    if len(counts) != 1:
        found = f"trajectories of {' and '.join(map(str, counts))} (samples, axes)"
        msg = f"it has {found if counts else 'no trajectories'}"
        raise ValueError(msg)
    encoding = encoding_of(header, spaces)
    space = encoding.encodedSpace
    size, length = space.matrixSize, space.fieldOfView_mm
    unit = said_unit(encoding.trajectoryDescription)
    time = times.pop() if len(times) == 1 else 0.0
    return Stored(
        "ISMRMRD",
        np.stack(lines),
        unit=unit,
        fixed=unit is not None,
        shape=(size.x, size.y, size.z),
        fov=(length.x / 1e3, length.y / 1e3, length.z / 1e3),
        sample_time=time / 1e6 or None,
    )


def encoding_of(header: Any, spaces: set[int]) -> Any:
    """Return the encoding that acquisitions refer to, which are to be of one."""
    known = len(header.encoding)
    if len(spaces) != 1 or max(spaces) >= known:
        found = " and ".join(map(str, sorted(spaces)))
        msg = f"its acquisitions are of the encodings {found} of {known}, and not all of one"
        raise ValueError(msg)
    return header.encoding[spaces.pop()]


def said_unit(description: Any) -> Unit | None:
    """Return the unit, if the header says it in one of our words."""
    said = [p.value for p in getattr(description, "userParameterString", ()) if p.name == UNIT]
    return next((unit for unit in UNITS if unit in said), None)


def _header(xsd: Any, shape: tuple[int, ...], fov: tuple[float, ...], shots: int) -> Any:
    """Return the header, with one voxel along the axes that the trajectory has not."""
    whole = (*shape, 1, 1)[:3]
    lengths = (*fov, *[fov[0] / shape[0]] * 2)[:3]
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(**dict(zip("xyz", whole, strict=True))),
        fieldOfView_mm=xsd.fieldOfViewMm(
            **{axis: 1e3 * length for axis, length in zip("xyz", lengths, strict=True)}
        ),
    )
    description = xsd.trajectoryDescriptionType(
        identifier="nufftlib",
        userParameterString=[xsd.userParameterStringType(name=UNIT, value="1/m")],
    )
    return xsd.ismrmrdHeader(
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=0),
        encoding=[
            xsd.encodingType(
                encodedSpace=space,
                reconSpace=space,
                encodingLimits=xsd.encodingLimitsType(
                    kspace_encoding_step_1=xsd.limitType(maximum=shots - 1)
                ),
                trajectory=xsd.trajectoryType.OTHER,
                trajectoryDescription=description,
            )
        ],
    )


def imported(call: str) -> Any:
    """Import ismrmrd, or say how to install it."""
    try:
        import ismrmrd
    except ImportError as error:
        msg = (
            f"{call}: this needs {error.name}, which cannot be imported; install it "
            f"in a clone of nufftlib with\n\n    {install('ismrmrd')}"
        )
        raise ImportError(msg, name=error.name) from error
    return ismrmrd
