"""Raw data of ISMRMRD (MRD) files, with a trajectory or on a Cartesian grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nufftlib.io.mrd import GROUP, encoding_of, imported, said_unit
from nufftlib.io.raw.scan import Raw
from nufftlib.io.stored import Stored, Unit

KINDS = ("slice", "contrast", "phase", "repetition", "set")
"""The counters that make a frame; averages and segments belong to one."""
SKIPPED = (
    "ACQ_IS_NAVIGATION_DATA",
    "ACQ_IS_PHASECORR_DATA",
    "ACQ_IS_DUMMYSCAN_DATA",
    "ACQ_IS_RTFEEDBACK_DATA",
    "ACQ_IS_HPFEEDBACK_DATA",
    "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA",
)


class Line(NamedTuple):
    """The samples of an acquisition that count, and where they are.

    `points` are those of the file, shape (samples, axes), or steps of k-space on a Cartesian
    grid.
    """

    frame: tuple[int, ...]
    data: Any
    points: Any
    time: float


def read_mrd_scan(path: Path, unit: Unit | None) -> Raw:
    """Read the acquisitions; noise scans apart, navigators and the like not at all.

    The unit is that of a trajectory whose file does not say it.
    """
    mrd = imported("read_scan(path)")
    with mrd.Dataset(path, GROUP, create_if_needed=False) as file:
        header = mrd.xsd.CreateFromDocument(file.read_xml_header())
        flags = [getattr(mrd, name) for name in SKIPPED]
        kept, noise = [], []
        for i in range(file.number_of_acquisitions()):
            acquisition = file.read_acquisition(i)
            if acquisition.is_flag_set(mrd.ACQ_IS_NOISE_MEASUREMENT):
                noise.append((np.array(acquisition.data), float(acquisition.sample_time_us) / 1e6))
            elif not any(acquisition.is_flag_set(flag) for flag in flags):
                kept.append(acquisition)
    encoding = encoding_of(header, {int(a.encoding_space_ref) for a in kept} or {0})
    lines = [line_of(a, encoding, reverse=bool(a.is_flag_set(mrd.ACQ_IS_REVERSE))) for a in kept]
    frames = grouped(lines)
    data = np.stack([np.stack([line.data for line in f], axis=1) for f in frames.values()])
    points = np.stack([np.stack([line.points for line in f]) for f in frames.values()])
    times = {line.time for line in lines}
    recon, encoded = encoding.reconSpace, encoding.encodedSpace
    if points.dtype == np.int64 and np.ptp(points[..., 2]) == 0:
        points[..., 2] = 0  # slices, which are not encoded, whatever the header's z is
    said = "1/fov" if points.dtype == np.int64 else said_unit(encoding.trajectoryDescription)
    stored = Stored(
        "ISMRMRD",
        (points * stretch(said or unit, encoded, recon)[: points.shape[-1]]).astype(np.float32),
        unit=said,
        fixed=said is not None,
        shape=tuple(getattr(recon.matrixSize, a) for a in "xyz"),
        fov=tuple(getattr(recon.fieldOfView_mm, a) / 1e3 for a in "xyz"),
        sample_time=(times.pop() if len(times) == 1 else 0.0) or None,
    )
    silence = silence_of(noise, stored.sample_time, passed(header)) if noise else None
    wider = None
    if points.dtype == np.int64:
        wider = (1.0, *(1 / stretch("1/fov", encoded, recon)[1:]))  # the readout is cut exactly
    return Raw(data, stored, silence, named(list(frames)), "ISMRMRD", wider)


def passed(header: Any) -> float:
    """Return the part of the band of a noise scan that the receiver's filter lets pass."""
    system = header.acquisitionSystemInformation
    return float(getattr(system, "relativeReceiverNoiseBandwidth", None) or 1.0)


# White noise has the variance 1 / (time between two samples): the receiver's bandwidth. A filter
# at the ends of the band lowers it to the part that passes, but not in the image.
def silence_of(noise: list[tuple[Any, float]], sample_time: float | None, part: float) -> Any:
    """Return the samples of the noise scans as they are with the time step of the data."""
    scaled = [
        data * np.float32(np.sqrt((time / sample_time if time > 0 and sample_time else 1) / part))
        for data, time in noise
    ]
    return np.concatenate(scaled, axis=1)


def line_of(acquisition: Any, encoding: Any, *, reverse: bool) -> Line:
    """Return what an acquisition has, without the samples that are to be discarded.

    Samples stay in the order of time, in which a trajectory of the file is, too. The centre of a
    line that was read backwards is counted from its last sample.
    """
    idx, first = acquisition.idx, acquisition.discard_pre
    kept = slice(first, acquisition.number_of_samples - acquisition.discard_post)
    data = np.array(acquisition.data)
    if acquisition.traj.size:
        points = np.array(acquisition.traj)
    else:
        centre = acquisition.center_sample
        along = np.arange(data.shape[1]) - centre
        steps = (step_of(encoding, idx, name) for name in ("1", "2"))
        points = np.stack(np.broadcast_arrays(along[::-1] if reverse else along, *steps), axis=-1)
    frame = tuple(int(getattr(idx, name)) for name in KINDS)
    return Line(frame, data[:, kept], points[kept], float(acquisition.sample_time_us) / 1e6)


def step_of(encoding: Any, idx: Any, name: str) -> int:
    """Return the step of phase encoding, counted from the centre of k-space."""
    step = int(getattr(idx, f"kspace_encode_step_{name}"))
    limits = getattr(encoding.encodingLimits, f"kspace_encoding_step_{name}")
    if limits is None:
        size = encoding.encodedSpace.matrixSize
        return step - int(size.y if name == "1" else size.z) // 2
    return step - int(limits.center)


def stretch(unit: Unit | None, encoded: Any, recon: Any) -> Any:
    """Return the factors from a unit of the encoded space to that of the image's space."""
    if unit is None or unit.endswith("/m"):
        return np.ones(3)
    factors = []
    for a in "xyz":
        lengths = [getattr(space.fieldOfView_mm, a) for space in (recon, encoded)]
        if unit.endswith("per voxel"):
            counts = (getattr(space.matrixSize, a) for space in (recon, encoded))
            lengths = [length / n for length, n in zip(lengths, counts, strict=True)]
        factors.append(lengths[0] / lengths[1] if min(lengths) > 0 else 1.0)
    return np.asarray(factors)


def grouped(lines: list[Line]) -> dict[tuple[int, ...], list[Line]]:
    """Return the lines of each frame; refuse those that do not make one array."""
    if not lines:
        msg = "it has no acquisitions with data"
        raise ValueError(msg)
    shapes = sorted({(*line.data.shape, line.points.shape[1]) for line in lines})
    if len(shapes) > 1:
        found = " and ".join(map(str, shapes))
        msg = f"its acquisitions are {found} (coils, samples, axes), of several kinds"
        raise ValueError(msg)
    frames: dict[tuple[int, ...], list[Line]] = {}
    for line in lines:
        frames.setdefault(line.frame, []).append(line)
    counts = sorted({len(found) for found in frames.values()})
    if len(counts) > 1:
        msg = f"its frames have {' and '.join(map(str, counts))} acquisitions, not all as many"
        raise ValueError(msg)
    return dict(sorted(frames.items()))


def named(frames: list[tuple[int, ...]]) -> tuple[str, ...]:
    """Say what each frame is, by those counters that differ."""
    differ = [i for i in range(len(KINDS)) if len({frame[i] for frame in frames}) > 1]
    return tuple(", ".join(f"{KINDS[i]} {frame[i]}" for i in differ) or "all" for frame in frames)
