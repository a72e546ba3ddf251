"""What a scanner can do, and what is asked of it."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from nufftlib.core.kinds import (
    choice,
    instance,
    out_of_range,
    positive,
    real_values,
    sizes,
)

Norm = Literal["l2", "max"]
Rest = Literal["both", "start", "end"] | None
PROTON = 42.577478518e6
"""Gyromagnetic ratio of the proton in Hz/T (CODATA 2018, of the shielded proton in water)."""

LARGEST = {"gmax": 10.0, "smax": 1e6, "raster": 1e-3, "fov": 10.0}
"""In SI units; no scanner has more, and mT/m, us and mm have."""


@dataclass(frozen=True)
class Scanner:
    """The limits of a gradient system.

    Parameters
    ----------
    gmax : float
        Largest gradient in T/m.
    smax : float
        Largest slew rate in T/m/s.
    raster : float
        Time between two gradient samples in seconds.
    gamma : float
        Gyromagnetic ratio in Hz/T; by default the proton's.
    norm : {"l2", "max"}
        What the limits hold for: the length of the vector of all axes, or each axis by
        itself. A trajectory within the limits of ``"l2"`` keeps them however it is rotated.

    Raises
    ------
    TypeError
        If a limit is no number.
    ValueError
        If a limit is not positive and finite, or so large that its unit must be another one, or
        the norm has another name.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    Scanner(gmax=0.04, smax=180.0, raster=1e-05, gamma=42577478.518, norm='l2')
    """

    gmax: float
    smax: float
    raster: float
    gamma: float = PROTON
    norm: Norm = "l2"

    def __post_init__(self) -> None:
        call = "Scanner"
        for name in ("gmax", "smax", "raster", "gamma"):
            value = positive(call, name, getattr(self, name))
            if value > LARGEST.get(name, math.inf):
                wish = f"at most {LARGEST[name]:g}: the units are T/m, T/m/s and seconds"
                raise out_of_range(call, name, value, wish)
            object.__setattr__(self, name, value)
        choice(call, "norm", self.norm, get_args(Norm))


@dataclass(frozen=True)
class Protocol:
    """A scan: the scanner, the field of view, and how a shot begins and ends.

    Parameters
    ----------
    scanner : Scanner
        The limits.
    fov : float or tuple of float
        Field of view in metres, along all axes or one number for each.
    shape : tuple of int
        Voxels of the image along each axis.
    dwell : float, optional
        Time between two samples of the receiver in seconds; by default the raster of the
        gradients.
    rest : {"both", "start", "end"} or None
        Where the waveform of a shot is at rest: before its first sample, after its last,
        or both. The step from or to a gradient of zero then counts for the slew limit.

    Raises
    ------
    TypeError
        If `scanner` is no `Scanner`, or a size no number.
    ValueError
        If a size is not positive, a length is above 10 m, or there is not one for each axis.

    Examples
    --------
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> protocol.voxel
    (0.0009375, 0.0009375)
    >>> round(protocol.gradient_step, 2), round(protocol.slew_step, 4)  # 1/m in one raster time
    (17.03, 0.7664)
    """

    scanner: Scanner
    fov: Any
    shape: tuple[int, ...]
    dwell: float | None = None
    rest: Rest = "both"

    def __post_init__(self) -> None:
        call = "Protocol"
        instance(call, "scanner", self.scanner, Scanner, "a Scanner")
        shape = sizes(call, "shape", self.shape, "the voxels along each axis")
        fov = real_values(call, "fov", self.fov)
        if fov.ndim == 0:
            fov = np.full(len(shape), fov)
        if fov.shape != (len(shape),) or not shape:
            wish = f"a length in metres, or one for each axis of the shape {shape}"
            raise out_of_range(call, "fov", self.fov, wish)
        if fov.size and fov.max() > LARGEST["fov"]:
            wish = f"metres, at most {LARGEST['fov']:g}"
            raise out_of_range(call, "fov", self.fov, wish)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "fov", tuple(positive(call, "fov", x) for x in fov.tolist()))
        if self.dwell is not None:
            object.__setattr__(self, "dwell", positive(call, "dwell", self.dwell))
        choice(call, "rest", self.rest, (*get_args(get_args(Rest)[0]), None))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def voxel(self) -> tuple[float, ...]:
        """Size of a voxel along each axis, in metres."""
        return tuple(map(operator.truediv, self.fov, self.shape))

    @property
    def gradient_step(self) -> float:
        """How far the largest gradient moves in k-space in one raster time, in 1/m."""
        return self.scanner.gamma * self.scanner.raster * self.scanner.gmax

    @property
    def slew_step(self) -> float:
        """How much that distance may change from one raster time to the next, in 1/m."""
        return self.scanner.gamma * self.scanner.raster**2 * self.scanner.smax

    @property
    def rests_at_start(self) -> bool:
        """Whether the gradient is zero before the first sample."""
        return self.rest in ("both", "start")

    @property
    def rests_at_end(self) -> bool:
        """Whether the gradient is zero after the last sample."""
        return self.rest in ("both", "end")
