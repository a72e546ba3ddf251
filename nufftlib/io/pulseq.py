r"""Pulse sequences for a scanner, and a model of nerve stimulation, by pypulseq.

pypulseq is imported on use, here and nowhere else. Its licence is MIT from 1.5.0.post1 on; up to
1.5.0 it was AGPL, which is why the extra ``pulseq`` asks for the later one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib.metadata import version
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.convert import fetched
from nufftlib.core.extras import install
from nufftlib.core.kinds import positive
from nufftlib.io.repetition import repetitions
from nufftlib.io.stored import Stored
from nufftlib.io.whole import written
from nufftlib.mri.scanner import Protocol, Scanner, check_trajectory, receiver

CALL = "write_pulseq(path, k, protocol)"
RF_RASTER, ADC_RASTER = 1e-6, 100e-9
RF_DEAD_TIME, RF_RINGDOWN_TIME, ADC_DEAD_TIME = 100e-6, 60e-6, 40e-6
"""Seconds in which nothing may happen, before and after a pulse and about a reception: at least
what the interpreters of the vendors want, so that a sequence runs on all of them."""

PULSE_TIME, TIME_BANDWIDTH, APODIZATION = 3e-3, 4.0, 0.5
SLICE = 5e-3
SPOIL = 4.0
"""Cycles along z over a voxel, or over the slice, by which the spoiler dephases."""

FLAT = 1e-4
"""Part of the longest way through k-space up to which one along z is zero."""

PHASE_INCREMENT = math.radians(117.0)
"""Y. Zur, M. L. Wood and L. J. Neuringer, Magn. Reson. Med. 21 (1991) 251-263."""


def write_pulseq(
    path: str | PathLike[str],
    k: Array,
    protocol: Protocol,
    *,
    flip: float = 15.0,
    te: float | None = None,
    tr: float | None = None,
    thickness: float | None = None,
) -> None:
    r"""Write a Pulseq file of a spoiled gradient-echo scan whose readouts are the shots.

    Each repetition is a slice-selective pulse, the way to the first point of the shot, the shot
    with the receiver on, and the way to the spoiler's moment, the same after each shot. The
    phase of the pulse follows the quadratic scheme of RF spoiling, and the receiver follows it.

    Parameters
    ----------
    path : str or path-like
        Where the file is to be; its name ends with ``.seq``. A file that is there is replaced.
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, two or three axes, within the limits of the protocol.
        Its axes 0, 1, 2 are played on the gradients x, y, z.
    protocol : Protocol
        Scanner and scan. The raster is a whole number of microseconds, and the dwell time one
        of 100 ns.
    flip : float
        Flip angle in degrees.
    te : float, optional
        Time in seconds from the middle of the pulse to the sample at which the shots are
        nearest to the centre of k-space; by default the shortest. Rounded to the raster.
    tr : float, optional
        Time in seconds from one pulse to the next; by default the shortest. Rounded to the
        raster.
    thickness : float, optional
        Thickness in metres, along z, of what is excited; by default 5 mm for two axes, and the
        field of view for three.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the trajectory exceeds the limits, if the scanner's raster or the dwell time cannot be
        written, or if `te`, `tr` or `thickness` is too small.
    ImportError
        If pypulseq is missing, which comes with the extra ``pulseq``.
    OSError
        If the file cannot be written; a file that is there stays as it was.

    See Also
    --------
    nufftlib.mri.receiver : Where the receiver samples the trajectory.

    Notes
    -----
    Pulseq joins the gradients, given at the middle of each raster time, by straight lines. The
    curve that they play is the quadratic B-spline whose control points are the samples of the
    trajectory: the receiver samples it at ``receiver(protocol, samples)(k)``, and these are the
    points to reconstruct with. A file has six digits of an amplitude, so they are right to
    5e-6 of the way that the gradients go since the pulse.

    At an end without rest the gradient goes on, and comes from zero, or goes there, outside of
    the reception. Some interpreters want a multiple of four of the receiver's samples.

    References
    ----------
    K. J. Layton et al., "Pulseq: a rapid and hardware-independent pulse sequence prototyping
    framework", Magn. Reson. Med. 77 (2017) 1544-1552.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.io import write_pulseq
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> angle = np.linspace(0, np.pi, 513)[:, None]
    >>> k = 0.5 * np.sin(angle / 2) ** 2 * np.asarray([1.0, 0.0])  # from rest to rest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "spoke.seq")
    ...     write_pulseq(path, k, protocol, flip=10.0, tr=20e-3)
    ...     print(path.read_text().splitlines()[0])
    # Pulseq sequence file
    """
    pp = _pypulseq(CALL)
    _check(k, protocol)
    shots = np.asarray(fetched(k), np.float64).reshape(-1, *k.shape[-2:])
    flip = positive("write_pulseq", "flip", flip)
    thickness = (*protocol.fov, SLICE)[2] if thickness is None else thickness
    thickness = positive("write_pulseq", "thickness", thickness)
    seq, te, tr = _sequence(pp, shots, protocol, math.radians(flip), te, tr, thickness)
    definitions = {
        "Name": "gre",
        "FOV": [*protocol.fov, thickness][:3],
        "Matrix": [*protocol.shape, 1][:3],
        "FlipAngle": flip,
        "TE": te,
        "TR": tr,
        "Gamma": protocol.scanner.gamma,
        "MaxGrad": protocol.scanner.gmax,
        "MaxSlew": protocol.scanner.smax,
        "Units": "m, deg, s, Hz/T, T/m, T/m/s",
        "CreatedBy": f"nufftlib {version('nufftlib')}, pypulseq {version('pypulseq')}",
    }
    for name, value in definitions.items():
        seq.set_definition(name, value)
    with written(CALL, path, ".seq") as temporary:
        seq.write(str(temporary))


def read_pulseq(path: Path) -> Stored:
    """Read where the receiver samples k-space, and what the definitions say of the scan."""
    pp = _pypulseq("read_trajectory(path)")
    text = path.read_text(encoding="utf-8", errors="replace")
    if "[VERSION]" not in text:
        msg = "it has no section [VERSION]"
        raise ValueError(msg)
    # pypulseq would read on for ever: it looks for the empty line at the end of a shape.
    last = text.partition("[SHAPES]")[2]
    if "[" not in last and last.strip() and last.splitlines()[-1].strip():
        msg = "it ends within a shape"
        raise ValueError(msg)
    seq = pp.Sequence()
    seq.read(str(path))
    received = [seq.get_block(i).adc for i in seq.block_events]
    kinds = {(adc.num_samples, round(adc.dwell, 12)) for adc in received if adc is not None}
    if len(kinds) != 1:
        found = ", ".join(f"{n} samples of {1e6 * t:g} us" for n, t in sorted(kinds))
        msg = f"its receptions have {found}" if kinds else "it receives nothing"
        raise ValueError(msg)
    samples, dwell = kinds.pop()
    at_samples, all_along = seq.calculate_kspace()[:2]
    points = at_samples.T.reshape(-1, samples, 3)
    # A file has six digits: what is selected and rephased along z is not zero to the last bit.
    if np.max(np.abs(points[..., 2])) <= FLAT * np.nanmax(np.abs(all_along)):
        points[..., 2] = 0.0
    said = {name: _numbers(seq, name) for name in ("Gamma", "MaxGrad", "MaxSlew")}
    scanner = None
    if all(len(values) == 1 for values in said.values()):
        gamma, gmax, smax = (values[0] for values in said.values())
        scanner = Scanner(gmax=gmax, smax=smax, raster=dwell, gamma=gamma)
    return Stored(
        "Pulseq",
        points,
        unit="1/m",
        fixed=True,
        shape=tuple(map(int, _numbers(seq, "Matrix"))) or None,
        fov=_numbers(seq, "FOV") or None,
        sample_time=dwell,
        scanner=scanner,
    )


def _numbers(seq: Any, name: str) -> tuple[float, ...]:
    """Return the numbers of a definition, or none."""
    values = np.ravel(seq.get_definition(name))
    return tuple(values.tolist()) if values.dtype.kind in "fiu" else ()


@dataclass(frozen=True)
class SafeNerveModel:
    r"""The stimulation of nerves by switched gradients, by the model SAFE.

    On each axis the slew rate, and its size, pass three low-pass filters, whose weighted sum is
    compared with the limit of the coil; over the axes the norm is taken. pypulseq computes it.

    Parameters
    ----------
    hardware_file : str or path-like
        The description of a gradient coil by its vendor, a text file ``.asc``. Axes 0, 1, 2 of a
        trajectory are taken for x, y, z.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it describes no coil.
    ImportError
        If pypulseq is missing, which comes with the extra ``pulseq``.

    See Also
    --------
    nufftlib.mri.LinearNerveModel : The model of IEC 60601-2-33, without a file.
    nufftlib.mri.check_trajectory : Takes either.

    References
    ----------
    F. X. Hebrank and M. Gebhardt, "SAFE-model: a new method for predicting peripheral nerve
    stimulations in MRI", Proc. ISMRM 8 (2000) 2007.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from nufftlib.io import SafeNerveModel
    >>> lines = ["asGPAParameters[0].sGCParameters.flGScaleFactor{} = 0.35"]
    >>> lines += [f"flGSWDTau{{}}[{i}] = {tau}" for i, tau in enumerate((0.2, 0.03, 3.0))]  # ms
    >>> lines += [f"flGSWDA{{}}[{i}] = {a}" for i, a in enumerate((0.4, 0.1, 0.5))]
    >>> lines += ["flGSWDStimulationLimit{} = 30.0", "flGSWDStimulationThreshold{} = 24.0"]
    >>> with tempfile.NamedTemporaryFile("w", suffix=".asc") as file:
    ...     print(*(line.format(axis) for axis in "XYZ" for line in lines), sep="\n", file=file)
    ...     file.flush()
    ...     model = SafeNerveModel(file.name)
    >>> model.percent(np.full((1, 100, 1), 30.0), 10e-6)[0, -1].round(3)
    np.float64(22.347)
    """

    hardware_file: str | PathLike[str]
    _hardware: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        call = "SafeNerveModel(hardware_file)"
        _pypulseq(call)
        from pypulseq.utils.safe_pns_prediction import safe_hw_check
        from pypulseq.utils.siemens.asc_to_hw import asc_to_hw
        from pypulseq.utils.siemens.readasc import readasc

        try:
            hardware = asc_to_hw(readasc(fspath(self.hardware_file))[0])
            safe_hw_check(hardware)
        except OSError:
            raise
        except Exception as error:  # its parser may raise anything at another kind of file
            why = f"{type(error).__name__} {error}"
            msg = f"{call}: {self.hardware_file} describes no coil ({why}); want a vendor's .asc"
            raise ValueError(msg) from error
        object.__setattr__(self, "_hardware", hardware)

    def percent(self, slew: Any, raster: float) -> Any:
        """Return the stimulation in percent.

        Parameters
        ----------
        slew : ndarray, shape (shots, rows, d)
            Slew rates in T/m/s.
        raster : float
            Time between two rows in seconds.

        Returns
        -------
        ndarray, shape (shots, rows)
            Stimulation after each row.
        """
        from pypulseq.utils.safe_pns_prediction import safe_gwf_to_pns

        # The model differentiates: it is given gradients whose differences are the slew rates.
        waveforms = np.pad(np.cumsum(slew, -2) * raster, ((0, 0), (1, 0), (0, 3 - slew.shape[-1])))
        each = [
            safe_gwf_to_pns(g, None, raster, self._hardware, do_padding=False)[0] for g in waveforms
        ]
        return np.linalg.norm(each, axis=-1)


def _pypulseq(call: str) -> Any:
    """Import pypulseq, or say how to install it."""
    try:
        import pypulseq
    except ImportError as error:
        msg = (
            f"{call}: this needs {error.name}, which cannot be imported; install it "
            f"in a clone of nufftlib with\n\n    {install('pulseq')}"
        )
        raise ImportError(msg, name=error.name) from error
    return pypulseq


def _check(k: Array, protocol: Protocol) -> None:
    """Refuse what no sequence plays."""
    report = check_trajectory(k, protocol)
    if not report.ok:
        found = "; ".join(
            f"{name} {peak.values.max():.6g} {peak.unit}, limit {peak.limit:.6g}"
            for name, peak in report.peaks.items()
            if peak.ratio > 1
        )
        msg = f"{CALL}: {found}; want a trajectory that check_trajectory finds ok"
        raise ValueError(msg)
    if protocol.ndim not in (2, 3):
        msg = f"{CALL}: the trajectory has {protocol.ndim} axes; want 2 or 3"
        raise ValueError(msg)
    times = ("raster", protocol.scanner.raster, RF_RASTER), ("dwell", protocol.dwell, ADC_RASTER)
    for name, time, unit in times:
        if time is not None and abs(time / unit - round(time / unit)) > 1e-6:
            msg = f"{CALL}: the protocol's {name} is {time:.9g} s; want a multiple of {unit:g} s"
            raise ValueError(msg)


def _sequence(
    pp: Any,
    shots: Any,
    protocol: Protocol,
    flip: float,
    te: float | None,
    tr: float | None,
    thickness: float,
) -> tuple[Any, float, float]:
    """Return the sequence, its echo time and its repetition time."""
    scanner, raster = protocol.scanner, protocol.scanner.raster

    def rasters(time: float) -> int:
        return math.ceil(time / raster - 1e-6)

    system = pp.Opts(
        # pypulseq refuses a gradient that passes its limit by rounding.
        max_grad=scanner.gamma * scanner.gmax * (1 + 1e-9),
        max_slew=scanner.gamma * scanner.smax,
        gamma=scanner.gamma,
        grad_raster_time=raster,
        block_duration_raster=raster,
        rf_raster_time=RF_RASTER,
        adc_raster_time=ADC_RASTER,
        rf_dead_time=RF_DEAD_TIME,
        rf_ringdown_time=RF_RINGDOWN_TIME,
        adc_dead_time=ADC_DEAD_TIME,
    )
    rf, gz, rephaser = _pulse(pp, system, flip, rasters(PULSE_TIME) * raster, thickness)
    spoiler = SPOIL / (*protocol.voxel, thickness)[2]
    rows, first = repetitions(shots, protocol, -rephaser.area, spoiler)
    count, dwell = receiver(protocol, shots.shape[1]).samples, protocol.dwell or raster

    # Rasters from the beginning of a block: the pulse's; a wait, the approach, the shot, the way
    # back, and a wait.
    pulse = rasters(pp.calc_duration(rf, gz))
    wait = max(0, rasters(ADC_DEAD_TIME) - first)
    nearest = int(np.argmin(np.sum((shots / protocol.voxel) ** 2, axis=(0, 2))))
    shortest = (pulse + wait + first + nearest) * raster - rf.delay - rf.center
    later = _later("te", te, shortest, raster)
    te, wait = shortest + later * raster, wait + later
    end = wait + max(rows.shape[1], first + rasters(count * dwell + ADC_DEAD_TIME))
    shortest = (pulse + end) * raster
    later = _later("tr", tr, shortest, raster)
    tr, end = shortest + later * raster, end + later

    seq = pp.Sequence(system)
    adc = pp.make_adc(count, dwell=dwell, delay=(wait + first) * raster, system=system)
    for shot, gradients in enumerate(scanner.gamma * rows):
        rf.phase_offset = adc.phase_offset = PHASE_INCREMENT * shot * (shot + 1) / 2 % math.tau
        seq.add_block(rf, gz, pp.make_delay(pulse * raster))
        waveforms = (
            pp.make_arbitrary_grad(axis, waveform, 0.0, 0.0, wait * raster, system=system)
            for axis, waveform in zip("xyz", gradients.T, strict=True)
        )
        label = pp.make_label("LIN", "SET", shot)
        seq.add_block(*waveforms, adc, label, pp.make_delay(end * raster))
    return seq, te, tr


def _pulse(pp: Any, system: Any, flip: float, duration: float, thickness: float) -> Any:
    """Return a pulse, the gradient that selects its slice, and the one that rephases it."""
    thinnest = TIME_BANDWIDTH / duration / system.max_grad
    if thickness < thinnest:
        msg = f"{CALL}: thickness is {thickness:g} m; want at least {thinnest:.6g} m for the limits"
        raise ValueError(msg)
    return pp.make_sinc_pulse(
        flip,
        apodization=APODIZATION,
        duration=duration,
        slice_thickness=thickness,
        time_bw_product=TIME_BANDWIDTH,
        use="excitation",
        return_gz=True,
        delay=RF_DEAD_TIME,
        system=system,
    )


def _later(name: str, time: float | None, shortest: float, raster: float) -> int:
    """Return by how many rasters a time is longer than the shortest."""
    if time is None:
        return 0
    time = positive("write_pulseq", name, time)
    if time < shortest - raster / 2:
        msg = f"{CALL}: {name} is {time:g} s; want at least {shortest:g} s"
        raise ValueError(msg)
    return round((time - shortest) / raster)
