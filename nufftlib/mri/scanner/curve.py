r"""The curve through k-space that control points give, at the times of the receiver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, namespace, real_dtype
from nufftlib.core.kinds import choice, finite, instance, integer, positive
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged
from nufftlib.mri.scanner.protocol import Protocol, Rest


@dataclass(frozen=True, eq=False, repr=False)
class BSpline(LinearOperator):
    r"""Samples of a quadratic B-spline curve from its control points.

    At the time :math:`\tau = i + f` with :math:`|f| \le 1/2`, in units of the distance between
    two control points,

    .. math:: k(\tau) = \tfrac12 (\tfrac12 - f)^2 c_{i-1} + (\tfrac34 - f^2)\,c_i
              + \tfrac12 (\tfrac12 + f)^2 c_{i+1}.

    Its speed is piecewise linear, and its acceleration piecewise constant: between two control
    points :math:`c_{i+1} - c_i`, and about one :math:`c_{i+1} - 2 c_i + c_{i-1}`. So the curve
    keeps the limits that its control points keep, but for the band where it goes on in a
    straight line, before the first control point or after the last. A gradient system that
    joins the gradients of a trajectory by straight lines, as Pulseq does, plays this curve with
    the samples of the trajectory for control points.

    Parameters
    ----------
    points : int
        Number of control points, at least 2.
    samples : int
        Number of samples.
    spacing : float
        Time between two samples, in units of the distance between two control points.
    first : float
        Time of the first sample, in these units.
    rest : {"both", "start", "end"} or None
        Where the curve is at rest, half a distance before its first control point or after its
        last, which then stands there twice. Elsewhere the end goes on in a straight line.
    ndim : int
        Number of coordinates of a point.

    Raises
    ------
    TypeError
        If a setting is no number.
    ValueError
        If a number is out of its range, or a sample lies beyond the control points.

    References
    ----------
    C. de Boor, "A Practical Guide to Splines", Springer 2001.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> B = nl.mri.BSpline(points=3, samples=5, spacing=0.5)
    >>> c = np.asarray([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]])
    >>> B(c)
    array([[0.  , 0.  ],
           [0.5 , 0.  ],
           [1.  , 0.25],
           [1.5 , 1.  ],
           [2.  , 2.  ]])
    """

    points: int
    samples: int
    spacing: float
    first: float = 0.0
    rest: Rest = None
    ndim: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        call = "BSpline"
        for name, least in (("points", 2), ("samples", 1), ("ndim", 1)):
            object.__setattr__(self, name, integer(call, name, getattr(self, name), least=least))
        object.__setattr__(self, "spacing", positive(call, "spacing", self.spacing))
        object.__setattr__(self, "first", finite(call, "first", self.first))
        choice(call, "rest", self.rest, (*get_args(get_args(Rest)[0]), None))
        last = self.first + (self.samples - 1) * self.spacing
        # A last sample that was meant for the end may lie beyond it by rounding.
        if self.first < -0.5 or not last <= (self.points - 0.5) * (1 + 1e-12):
            msg = (
                f"{call}: the samples are at times from {self.first:g} to {last:g}; want them "
                f"within -0.5 to {self.points - 0.5}, half a distance around the control points"
            )
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From control points to samples."""
        return Exchanged((self.points, self.ndim), (self.samples, self.ndim))

    # k[j] = sum_m w[j, m] c[i[j, m]]
    def _apply(self, x: Array) -> Array:
        return weighted(x, *self._taps)

    # c[i] = sum over the samples j of which i is a tap
    def _adjoint(self, y: Array) -> Array:
        return weighted(y, *self._reverse_taps)

    @cached_property
    def _taps(self) -> tuple[Any, Any]:
        """For each sample its control points, and their weights, shapes (samples, 3)."""
        time = self.first + self.spacing * np.arange(self.samples)
        nearest = np.clip(np.rint(time).astype(int), 0, self.points - 1)
        f = time - nearest
        weights = np.stack([(0.5 - f) ** 2 / 2, 0.75 - f**2, (0.5 + f) ** 2 / 2], axis=-1)
        taps = nearest[:, None] + np.arange(-1, 2)
        # A point before the first is c[0] at rest, and else 2 c[0] - c[1]; so at the end.
        ends = ((0, -1, 0, "start"), (2, self.points, self.points - 1, "end"))
        for side, ghost, end, where in ends:
            rows = taps[:, side] == ghost
            outside = weights[rows, side]
            straight = 0 if self.rest in ("both", where) else 1
            weights[rows, 1] += (1 + straight) * outside
            weights[rows, 2 - side] -= straight * outside
            weights[rows, side] = 0
            taps[rows, side] = end
        return taps, weights

    @cached_property
    def _reverse_taps(self) -> tuple[Any, Any]:
        """For each control point its samples, and their weights, padded by weights of zero."""
        taps, weights = (a.ravel() for a in self._taps)
        order = np.argsort(taps, kind="stable")
        taps, weights, sample = taps[order], weights[order], order // 3
        count = np.bincount(taps, minlength=self.points)
        place = np.arange(taps.size) - np.repeat(np.cumsum(count) - count, count)
        table = np.zeros((self.points, max(count)), int)
        padded = np.zeros(table.shape)
        table[taps, place], padded[taps, place] = sample, weights
        return table, padded


def receiver(protocol: Protocol, samples: int) -> BSpline:
    """Return the operator from a trajectory to the points at which the receiver samples it.

    Parameters
    ----------
    protocol : Protocol
        Raster and dwell time, rest.
    samples : int
        Samples of a shot of the trajectory, one in each raster time.

    Returns
    -------
    BSpline
        The receiver's samples lie in the middle of their dwell times, which begin with the
        trajectory and of which as many as fit are taken.

    Raises
    ------
    TypeError
        If `protocol` is no `Protocol`, or `samples` no integer.
    ValueError
        If the shot is shorter than one dwell time.

    Examples
    --------
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256), dwell=4e-6)
    >>> R = nl.mri.receiver(protocol, samples=512)
    >>> k = nl.mri.trajectories.radial(32, 512)
    >>> R(k).shape
    (32, 1277, 2)
    """
    call = "receiver(protocol, samples)"
    instance("receiver", "protocol", protocol, Protocol, "a Protocol")
    samples = integer("receiver", "samples", samples, least=2)
    raster = protocol.scanner.raster
    spacing = (protocol.dwell or raster) / raster
    count = math.floor((samples - 1) / spacing * (1 + 1e-12))
    if count < 1:
        msg = (
            f"{call}: {samples} samples last {(samples - 1) * raster:g} s; want a dwell time of "
            f"{protocol.dwell:g} s or more"
        )
        raise ValueError(msg)
    return BSpline(samples, count, spacing, spacing / 2, protocol.rest, protocol.ndim)


def weighted(x: Array, table: Any, weights: Any) -> Array:
    """Return the sums over the last axis of ``weights * x[..., table, :]``."""
    xp = namespace(x)
    there = device(x)
    indices = xp.asarray(table.ravel(), device=there)
    w = xp.asarray(weights[..., None], dtype=real_dtype(xp, x), device=there)
    taken = xp.take(x, indices, axis=-2)
    return xp.sum(w * xp.reshape(taken, (*x.shape[:-2], *table.shape, x.shape[-1])), axis=-2)
