"""Raw data of Siemens (twix, ``.dat``) by the package twixtools, which is imported here on use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.core.extras import install
from nufftlib.io.raw.mrd import Line, grouped, named
from nufftlib.io.raw.scan import Raw
from nufftlib.io.stored import Stored

COUNTERS = ("Sli", "Eco", "Phs", "Rep", "Set")
"""Those that make a frame, in the order of ISMRMRD's `KINDS`."""
SKIPPED = (
    "RTFEEDBACK",
    "HPFEEDBACK",
    "SYNCDATA",
    "REFPHASESTABSCAN",
    "PHASESTABSCAN",
    "PHASCOR",
    "CT_NORMALIZE",
    "SLICE_ACCEL_REFSCAN",
    "SLICE_ACCEL_PHASCOR",
    "RETRO_LASTHEARTBEAT",
    "RETRO_DUMMYSCAN",
    "B1_CONTROLLOOP",
    "MDH_VOP",
    "noname60",  # navigators of free induction decays
)
SMALLEST = 128
"""Bytes of an acquisition without samples."""

SEPARATE = (4, 8)
"""Calibration before the scan, ``ucRefScanMode``: its contrast is another one."""
CARTESIAN, VOLUME = 1, 4
"""Values of ``ucTrajectory`` and ``ucDimension``."""


def read_twix_scan(path: Path, *, grid: bool) -> Raw:
    """Read the last measurement of a file, and noise scans of all: those before it adjust."""
    twix = imported("read_scan(path)")
    measurements = twix.read_twix(str(path), parse_data=False, verbose=False)
    protocol = measurements[-1]["hdr"].get("MeasYaps", {})
    separate = protocol.get("sPat", {}).get("ucRefScanMode") in SEPARATE
    lines, noise = [], []
    with path.open("rb") as file:
        for measurement in measurements:
            for acquisition in acquisitions(twix.mdb.Mdb, file, measurement):
                is_set = acquisition.is_flag_set
                calibrates = is_set("PATREFSCAN") and not is_set("PATREFANDIMASCAN")
                if is_set("NOISEADJSCAN"):
                    noise.append(np.array(acquisition.data))
                elif (
                    measurement is measurements[-1]
                    and not any(map(is_set, SKIPPED))
                    and not (separate and calibrates)
                ):
                    lines.append(line_of(acquisition))
    frames = grouped(lines)
    data = np.stack([np.stack([line.data for line in f], axis=1) for f in frames.values()])
    noise = [found for found in noise if len(found) == data.shape[1]]
    silence = np.concatenate(noise, axis=1) if noise else None
    stored = wider = None
    if grid and protocol.get("sKSpace", {}).get("ucTrajectory") == CARTESIAN:
        points = np.stack([np.stack([line.points for line in f]) for f in frames.values()])
        wider = wider_than_image(measurements[-1]["hdr"])
        stored = on_grid(points, measurements[-1]["hdr"], wider)
        wider = (1.0, *wider[1:])
    return Raw(data, stored, silence, named(list(frames)), "twix", wider)


def acquisitions(kind: Any, file: Any, measurement: Any) -> Iterator[Any]:
    """Yield the acquisitions of a measurement, whose data can be read before the next one."""
    end = os.fstat(file.fileno()).st_size
    start = 0
    entry = measurement.get("raidfile_hdr")  # software before VD has one measurement, without it
    if entry is not None:
        start = int(entry["off_"])
        end = min(end, start + int(entry["len_"]))
    at = start + len(measurement["hdr_str"])
    while at + SMALLEST <= end:
        file.seek(at)
        acquisition = kind(file, entry is not None)
        if acquisition.is_flag_set("ACQEND"):
            return
        length = int(acquisition.dma_len)
        if length < SMALLEST or at + length > end:
            break
        yield acquisition
        at += length
    msg = f"its measurement breaks off at byte {at}"
    raise ValueError(msg)


def line_of(acquisition: Any) -> Line:
    """Return the samples that count, and their steps of k-space from its centre."""
    header = acquisition.mdh
    count, cut = header.Counter, header.CutOff
    data = np.array(acquisition.data)
    if acquisition.is_flag_set("REFLECT"):
        data = data[:, ::-1]
    kept = slice(cut.Pre, data.shape[1] - cut.Post)
    along = np.arange(data.shape[1]) - header.CenterCol
    steps = (count.Lin - header.CenterLin, count.Par - header.CenterPar)
    points = np.stack(np.broadcast_arrays(along, *steps), axis=-1)
    frame = tuple(int(getattr(count, name)) for name in COUNTERS)
    return Line(frame, data[:, kept], points[kept], 0.0)


def wider_than_image(header: Any) -> tuple[float, ...]:
    """Return how many times as long as the image the grid is along each axis."""
    k_space = header["MeasYaps"]["sKSpace"]
    # The protocol leaves zeros out.
    return (
        said({**header.get("Meas", {}), **header.get("Dicom", {})}, "flReadoutOSFactor"),
        1 + k_space.get("dPhaseOversamplingForDialog", 0),
        1 + k_space.get("dSliceOversamplingForDialog", 0),
    )


def on_grid(steps: Any, header: Any, wider: tuple[float, ...]) -> Stored:
    """Convert steps to cycles per voxel: 1/FOV of the grid, which is larger than the image's."""
    protocol = header["MeasYaps"]
    if header.get("Meas", {}).get("alRegridMode", [])[:1] > [1]:
        msg = "its readouts have samples on the gradient's ramps, which are on no grid"
        raise ValueError(msg)
    k_space = protocol["sKSpace"]
    volume = said(k_space, "ucDimension") == VOLUME
    lengths = ("dReadoutFOV", "dPhaseFOV", "dThickness")
    fov = tuple(said(protocol, "sSliceArray", "asSlice", 0, name) / 1e3 for name in lengths)
    columns = said(k_space, "lBaseResolution")
    lines = round(columns * fov[1] / fov[0])
    shape = (columns, lines, said(k_space, "lImagesPerSlab") if volume else 1)
    scale = 1 / (np.asarray(shape) * wider)
    if not volume:
        scale[2] = 0
    times = protocol.get("sRXSPEC", {}).get("alDwellTime") or [0]
    return Stored(
        "twix",
        (steps * scale).astype(np.float32),
        unit="cycles per voxel",
        fixed=True,
        shape=shape,
        fov=fov,
        sample_time=times[0] / 1e9 or None,
    )


def said(values: Any, *names: str | int) -> Any:
    """Return a value of the header."""
    for name in names:
        try:
            values = values[name]
        except (KeyError, IndexError) as error:
            msg = f"its header does not say {'.'.join(map(str, names))}"
            raise ValueError(msg) from error
    return values


def imported(call: str) -> Any:
    """Import twixtools, or say how to install it."""
    try:
        import twixtools
    except ImportError as error:
        msg = (
            f"{call}: this needs {error.name}, which cannot be imported; install it "
            f"in a clone of nufftlib with\n\n    {install('twix')}"
        )
        raise ImportError(msg, name=error.name) from error
    return twixtools
