"""Whether a scanner can play a trajectory: the largest gradient and slew rate of each shot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import wrong_kind
from nufftlib.core.notebook import printed
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.waveforms import checked, gradients, slew_rates

ROUNDING = 1e-12
"""By how much a limit may be passed: the rounding of second differences in double precision."""
SHOWN = 8  # shots in the printed table


class NerveModel(Interface):
    """A model of peripheral nerve stimulation."""

    def percent(self, slew: Any, raster: float) -> Any:
        """Return the stimulation in percent of its limit.

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
        ...


@dataclass(frozen=True)
class Peak:
    """The largest value of each shot, where it is, and its limit.

    Parameters
    ----------
    unit : str
        Unit of the values.
    limit : float
        The largest that is allowed.
    values : ndarray, shape (shots,)
        Largest value of each shot.
    at : ndarray, shape (shots,), int
        Row of the waveform at which each is found.
    """

    unit: str
    limit: float
    values: Any
    at: Any

    @property
    def ratio(self) -> float:
        """The largest value of all shots in units of the limit."""
        return float(np.max(self.values)) / self.limit


@dataclass(frozen=True)
class TrajectoryReport:
    """The result of `check_trajectory`; printed, it is a table.

    Parameters
    ----------
    gradient, slew, band : Peak
        Largest gradient (T/m), slew rate (T/m/s) and coordinate (cycles per voxel).
    nerve : Peak or None
        Largest nerve stimulation (%), if a model was given.
    protocol : Protocol
        The limits.
    """

    gradient: Peak
    slew: Peak
    band: Peak
    nerve: Peak | None
    protocol: Protocol

    @property
    def peaks(self) -> dict[str, Peak]:
        """All quantities that have a limit, by name."""
        known = {"gradient": self.gradient, "slew": self.slew, "band": self.band}
        return known if self.nerve is None else {**known, "nerve": self.nerve}

    @property
    def violation(self) -> float:
        """By which part of itself a limit is exceeded at most; 0 if none is."""
        return max(0.0, *(peak.ratio - 1 for peak in self.peaks.values()))

    @property
    def ok(self) -> bool:
        """Whether all limits are kept, to the rounding of double precision."""
        return self.violation <= ROUNDING

    def __str__(self) -> str:
        """Return a table of the quantities, and one of the shots that come nearest to a limit."""
        lines = [f"{'':10}{'largest':>12}{'limit':>12}{'ratio':>9}   where"]
        for name, peak in self.peaks.items():
            shot = int(np.argmax(peak.values))
            mark = "" if peak.ratio <= 1 + ROUNDING else "  exceeded"
            lines.append(
                f"{name:10}{peak.values[shot]:12.5g}{peak.limit:12.5g}{peak.ratio:9.4f}   "
                f"shot {shot}, row {peak.at[shot]} ({peak.unit}){mark}"
            )
        ratios = np.stack([peak.values / peak.limit for peak in self.peaks.values()], axis=-1)
        worst = np.argsort(-np.max(ratios, axis=-1), kind="stable")[:SHOWN]
        lines += ["", "shot" + "".join(f"{name:>11}" for name in self.peaks) + "   (of the limit)"]
        lines += [f"{i:4d}" + "".join(f"{r:11.4f}" for r in ratios[i]) for i in sorted(worst)]
        if (more := len(ratios) - len(worst)) > 0:
            lines.append(f"and {more} more, further from the limits")
        return "\n".join([*lines, "", "ok" if self.ok else "NOT within the limits"])

    def _repr_html_(self) -> str:
        return printed(self)


def check_trajectory(
    k: Array, protocol: Protocol, *, nerve: NerveModel | None = None
) -> TrajectoryReport:
    """Find the largest gradient, slew rate and coordinate of each shot.

    It computes in double precision on the CPU, to which the trajectory is copied from a GPU.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, one sample in each raster time.
    protocol : Protocol
        The limits, and where a shot is at rest. The slew from and to rest counts.
    nerve : NerveModel, optional
        A model of nerve stimulation, as `LinearNerveModel`; by default there is none.

    Returns
    -------
    TrajectoryReport
        Peaks, the ratio to the limits, and whether they are kept.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the shape does not fit the protocol, or a point is not finite.

    Examples
    --------
    A radial spoke has a constant gradient, and its first and last step are too much:

    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> report = nl.mri.check_trajectory(nl.mri.trajectories.radial(4, 512), protocol)
    >>> report.ok, round(report.gradient.ratio, 4), round(report.slew.ratio, 4)
    (False, 0.0613, 1.3618)
    """
    name = "check_trajectory"
    call = f"{name}(k, protocol)"
    if nerve is not None and not callable(getattr(nerve, "percent", None)):
        raise wrong_kind(name, "nerve", nerve, "a NerveModel or None")
    xp = checked(call, k, protocol)
    if not bool(xp.all(xp.isfinite(k))):
        msg = f"{call}: some points of k are not finite; want finite points"
        raise ValueError(msg)
    points = np.asarray(fetched(k), np.float64).reshape(-1, *k.shape[-2:])
    scanner = protocol.scanner
    slew = slew_rates(points, protocol)
    return TrajectoryReport(
        gradient=peak("T/m", scanner.gmax, lengths(gradients(points, protocol), scanner.norm)),
        slew=peak("T/m/s", scanner.smax, lengths(slew, scanner.norm)),
        band=peak("cycles per voxel", 0.5, lengths(points, "max")),
        nerve=None if nerve is None else peak("%", 100.0, nerve.percent(slew, scanner.raster)),
        protocol=protocol,
    )


def peak(unit: str, limit: float, values: Any) -> Peak:
    """Return the largest of the values, shape (shots, rows), of each shot."""
    if not values.shape[-1]:  # two samples without rest have no slew
        values = np.zeros((len(values), 1))
    at = np.argmax(values, axis=-1)
    return Peak(unit, limit, np.take_along_axis(values, at[:, None], axis=-1)[:, 0], at)


def lengths(vectors: Any, norm: str) -> Any:
    """Return the length of vectors in the norm to which a limit refers."""
    return np.sqrt(np.sum(vectors**2, -1)) if norm == "l2" else np.max(np.abs(vectors), -1)
