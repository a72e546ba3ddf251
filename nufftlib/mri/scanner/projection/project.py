r"""The nearest trajectory within the limits of a protocol, and the certificate that it is.

With :math:`\kappa = k / \Delta x` in 1/m, :math:`\alpha = \gamma \Delta t\,G_{\max}` and
:math:`\beta = \gamma \Delta t^2 S_{\max}`,

.. math::
    \min_\kappa \tfrac12 \|\kappa - \kappa_0\|^2 \quad\text{subject to}\quad
    |\kappa_{t+1} - \kappa_t| \le \alpha, \quad
    |\kappa_{t+1} - 2 \kappa_t + \kappa_{t-1}| \le \beta, \quad
    |\kappa_{t,a}| \le \frac{1}{2 \Delta x_a},

and fixed samples. Inside, lengths are in units of :math:`\beta`.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from nufftlib.core.arrays import (
    Array,
    Namespace,
    is_single,
)
from nufftlib.core.cuda import as_cupy, callers_stream, from_cupy
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.core.kinds import integer, positive
from nufftlib.mri.scanner.projection.interior_point import InteriorPoint, Iterate
from nufftlib.mri.scanner.projection.limits import Rows, padded
from nufftlib.mri.scanner.projection.reach import within_reach
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.waveforms import checked

Fixed = Mapping[int, Any]
"""Index of a sample -> its point, or one for each shot, in cycles per voxel."""


@dataclass(frozen=True)
class Certificate:
    """How good a projected trajectory is, provably.

    Parameters
    ----------
    gap : float
        Largest duality gap of a shot, relative to half its squared distance: that half exceeds
        the least possible by no more than this part of it. A distance counts as no less than
        1e-6 slew steps (root mean square).
    violation : float
        By which part of itself a limit is exceeded at most; 0 if none is.
    distance : float
        Root mean square distance of the samples from those given, in 1/m.
    iterations : int
        Of the shot that took most; 0 if all were within the limits.
    """

    gap: float
    violation: float
    distance: float
    iterations: int


@dataclass(frozen=True, eq=False, repr=False)
class ProjectedTrajectory:
    """The result of `project_trajectory`.

    Parameters
    ----------
    trajectory : array, shape (..., samples, d)
        The nearest trajectory within the limits, in cycles per voxel.
    certificate : Certificate
        How near, and how well the limits are kept.
    dual : Iterate or None
        From which the next projection of a similar trajectory may start.
    """

    trajectory: Array
    certificate: Certificate
    dual: Iterate | None

    def __repr__(self) -> str:
        """Return the certificate and the shape."""
        shape = tuple(self.trajectory.shape)
        return f"ProjectedTrajectory(trajectory=<{shape}>, certificate={self.certificate})"


def project_trajectory(
    k: Array,
    protocol: Protocol,
    *,
    fixed: Fixed | None = None,
    tolerance: float = 1e-6,
    start: Iterate | None = None,
    iterations: int = 100,
) -> ProjectedTrajectory:
    """Return the trajectory nearest to a given one that the scanner can play.

    Gradient, slew rate (from and to rest, too) and band are limited, and samples may be fixed.
    Nearest is meant in 1/m. Each shot is a problem of its own; one within the limits is returned
    as it is. The computation is in double precision.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, one sample in each raster time.
    protocol : Protocol
        The limits.
    fixed : mapping of int to array, optional
        Samples that must lie at given points: index to a point of ``d`` coordinates, or to one
        for each shot. Negative indices count from the end.
    tolerance : float
        Largest relative duality gap, see `Certificate`.
    start : Iterate, optional
        The `dual` of an earlier result for the same shape, protocol and fixed samples: a
        trajectory that has changed little takes half as long.
    iterations : int
        Largest number of iterations. A result is within the limits after any number; its
        certificate says how near it is.

    Returns
    -------
    ProjectedTrajectory
        The trajectory, of the dtype and device of `k`, with its certificate and its dual.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If shapes do not fit, a point is not finite, or no trajectory within the limits has the
        fixed samples; the error says by how much.

    Notes
    -----
    An interior-point method. The matrix of a step couples each sample with the next two; an
    iteration costs a factorisation of that band for each shot, and about ten are needed. In
    single precision the limits are tightened by the rounding of the result, so that it keeps
    them all the same, and the gap includes that.

    References
    ----------
    N. Chauffert, P. Weiss, J. Kahn and P. Ciuciu, "A projection algorithm for gradient
    waveforms design in magnetic resonance imaging", IEEE Trans. Med. Imaging 35 (2016)
    2026-2039.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> k = nl.mri.radial_trajectory(8, 512, dtype=np.float64)
    >>> nl.mri.check_trajectory(k, protocol).ok  # it starts at full speed
    False
    >>> result = nl.mri.project_trajectory(k, protocol, fixed={0: (0.0, 0.0)})
    >>> nl.mri.check_trajectory(result.trajectory, protocol).ok
    True
    >>> result.certificate.gap <= 1e-6, result.certificate.violation
    (True, 0.0)
    """
    call = "project_trajectory"
    xp = checked(f"{call}(k, protocol)", k, protocol)
    tolerance = positive(call, "tolerance", tolerance)
    iterations = integer(call, "iterations", iterations, least=1)
    if not bool(xp.all(xp.isfinite(k))):
        msg = f"{call}(k): some points of k are not finite; want finite points"
        raise ValueError(msg)
    points = fixed_points(call, fixed or {}, k)
    on_cpu = k.__dlpack_device__()[0] == 1
    if on_cpu:
        problem = Problem(array_namespace(np.empty(0)), protocol, as_numpy(k), points)
        made = problem.solve(call, start, tolerance, iterations)
        out = empty(tuple(k.shape), made.trajectory.dtype)
        out[...] = made.trajectory
        return ProjectedTrajectory(from_numpy(xp, out), made.certificate, made.dual)
    with callers_stream(xp, k.__dlpack_device__()[1]):
        there = as_cupy(k)
        problem = Problem(array_namespace(there), protocol, there, points)
        made = problem.solve(call, start, tolerance, iterations)
        return ProjectedTrajectory(from_cupy(xp, made.trajectory), made.certificate, made.dual)


@dataclass(frozen=True)
class TrajectoryProjection:
    """`project_trajectory` as a step of an optimisation, see `optim.projected`.

    Parameters
    ----------
    protocol : Protocol
        The limits.
    fixed : mapping of int to array, optional
        Samples that must lie at given points.
    tolerance : float
        Largest relative duality gap.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> import optim
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> project = nl.mri.TrajectoryProjection(protocol)
    >>> adam = optim.projected(optim.adam(1e-3), project)
    >>> k = np.zeros((4, 64, 2))
    >>> k, state = adam.update(np.ones_like(k), adam.init(k), k)
    >>> state.projection.certificate.violation
    0.0
    """

    protocol: Protocol
    fixed: Fixed | None = None
    tolerance: float = 1e-6

    def __call__(
        self, k: Array, state: ProjectedTrajectory | None
    ) -> tuple[Array, ProjectedTrajectory]:
        """Return the projection of `k`, and its result as the next state.

        Parameters
        ----------
        k : array, shape (..., samples, d), real
            Trajectory in cycles per voxel.
        state : ProjectedTrajectory or None
            Result of the step before.

        Returns
        -------
        trajectory : array
            The nearest trajectory within the limits.
        state : ProjectedTrajectory
            The result, for the next step.
        """
        start = None if state is None else state.dual
        result = project_trajectory(
            k, self.protocol, fixed=self.fixed, tolerance=self.tolerance, start=start
        )
        return result.trajectory, result


class Problem:
    """The projection of one trajectory, in units of the slew step.

    Parameters
    ----------
    xp : module
        NumPy's or CuPy's namespace.
    protocol : Protocol
        The limits.
    k : array, shape (..., samples, d)
        The trajectory in cycles per voxel, of that namespace.
    points : dict
        Fixed samples by their index.
    """

    def __init__(self, xp: Namespace, protocol: Protocol, k: Array, points: dict[int, Any]) -> None:
        self.xp, self.protocol, self.k, self.points = xp, protocol, k, points
        self.samples, self.d = k.shape[-2:]
        double = xp.reshape(xp.astype(k, xp.float64), (-1, self.samples, self.d))
        self.unit = self.array([protocol.slew_step * voxel for voxel in protocol.voxel])
        self.c = self.inward(double)
        free = np.ones(self.samples)
        free[list(points)] = 0
        self.free = self.array(free) if points else None
        target = xp.zeros_like(double)
        if points:
            rows = [
                self.array(points[i]) + target[:, 0, :] if i in points else target[:, 0, :]
                for i in range(self.samples)
            ]
            target = xp.stack(rows, axis=1)
        self.target = target
        self.fixed = self.inward(target)
        # The rounding of the result changes second differences by up to four times its own. The
        # band is a number of every precision, and rounding does not pass it.
        eps = 2.0**-24 if is_single(xp, k) else 0.0
        largest = float(xp.max(xp.abs(self.c))) if self.c.size else 0.0
        self.limits = self.rows(free, eps * max(largest, 1.0))
        self.untightened = self.rows(np.ones(self.samples), 0.0)

    def array(self, values: Any) -> Array:
        """Return an array of the namespace and device of the trajectory, in double precision."""
        return self.xp.asarray(values, dtype=self.xp.float64, device=device(self.k))

    def inward(self, k: Array) -> Array:
        """Return (shots, samples, d) in cycles per voxel as (d, shots, samples) in slew steps."""
        return self.xp.permute_dims(k / self.unit, (2, 0, 1))

    def rows(self, free: Any, rounding: float) -> tuple[Rows, ...]:
        """Return the limits; those of rows that fixed samples alone decide are not in force."""
        protocol = self.protocol
        rest = protocol.rests_at_start, protocol.rests_at_end
        per_axis = protocol.scanner.norm == "max"
        step = protocol.gradient_step / protocol.slew_step
        band = 0.5 / np.asarray([protocol.slew_step * voxel for voxel in protocol.voxel])
        spread = 1.0 if per_axis else self.d**0.5
        around = np.concatenate([np.zeros(int(rest[0])), free, np.zeros(int(rest[1]))])
        some = (
            free,
            np.maximum(free[1:], free[:-1]),
            np.maximum(np.maximum(around[2:], around[1:-1]), around[:-2]),
        )
        sizes = (band, step - 2 * spread * rounding, 1 - 4 * spread * rounding)
        if min(map(np.min, sizes)) <= 0:
            msg = (
                "project_trajectory(k): the limits are below the rounding of float32; want a "
                "trajectory of float64"
            )
            raise ValueError(msg)
        return tuple(
            Rows(
                name,
                order,
                self.array(np.broadcast_to(1 / size, (self.d,))[:, None, None].copy()),
                order == 0 or per_axis,
                rest,
                self.array(in_force),
            )
            for order, (name, size, in_force) in enumerate(
                zip(("band", "gradient", "slew"), sizes, some, strict=True)
            )
        )

    def ratios(self, x: Array) -> Array:
        """Return the largest ratio to each limit in each shot, shape (kinds of rows, shots)."""
        return self.xp.stack(
            [self.largest(rows, rows.differences(self.xp, x)) for rows in self.untightened]
        )

    def largest(self, rows: Rows, differences: Array) -> Array:
        """Return the largest length of scaled differences in each shot; 0 if there are none."""
        v = padded(self.xp, rows.scale * differences, 0, 1)
        return self.xp.sqrt(self.xp.max(rows.inner(self.xp, v, v), axis=(0, 2)))

    def inside(self, call: str) -> Array:
        """Return curves strictly within the limits that have the fixed samples."""
        xp = self.xp
        if self.free is None:
            middle = xp.mean(self.c, axis=-1, keepdims=True)
            edge = 0.9 / self.limits[0].scale
            return xp.clip(middle, -edge, edge) + xp.zeros_like(self.c)
        decided = self.decided()
        reach = within_reach(xp, self.limits, self.free, self.fixed)
        ratio = xp.maximum(decided, reach.ratio)
        worst = int(xp.argmax(ratio))
        if float(ratio[worst]) >= 1:
            of_rows = self.ratios(reach.x)[:, worst]
            name = self.limits[int(xp.argmax(of_rows))].name
            msg = (
                f"{call}(fixed): the samples {sorted(self.points)} of shot {worst} are too far "
                f"apart: the best trajectory through them exceeds the {name} limit "
                f"{float(ratio[worst]):.4g} times; want points that can be reached in "
                f"{self.samples} samples"
            )
            raise ValueError(msg)
        return reach.x

    def decided(self) -> Array:
        """Return the largest ratio in each shot among the rows that fixed samples alone decide."""
        xp = self.xp
        found = [
            self.largest(rows, (1 - held.in_force) * rows.differences(xp, self.fixed))
            for rows, held in zip(self.untightened, self.limits, strict=True)
        ]
        # They may lie on the limit; the factor forgives their rounding.
        return xp.max(xp.stack(found), axis=0) * (1 - 1e-9)

    def solve(
        self, call: str, start: Iterate | None, tolerance: float, iterations: int
    ) -> ProjectedTrajectory:
        """Project the shots that are not within the limits."""
        xp = self.xp
        at_fixed = 0.0 if self.free is None else (1 - self.free) * (self.c - self.fixed)
        astray = xp.max(xp.abs(at_fixed + xp.zeros_like(self.c)), axis=(0, 2)) > 0
        todo = astray | (xp.max(self.ratios(self.c), axis=0) > 1)
        if not bool(xp.any(todo)):
            return ProjectedTrajectory(self.k, Certificate(0.0, 0.0, 0.0, 0), start)
        inside = self.inside(call)
        method = InteriorPoint(xp, self.limits, self.free)
        if start is not None and start.x.shape != self.c.shape:
            msg = (
                f"{call}(start): it is of {start.x.shape[1]} shots of {start.x.shape[2]} samples; "
                f"want the dual of a trajectory of {self.c.shape[1]} shots of {self.samples}"
            )
            raise ValueError(msg)
        found = method.nearest(
            self.c, inside, start=start, tolerance=tolerance, iterations=iterations
        )
        x = xp.where(todo[:, None], found.x, self.c)
        out = xp.permute_dims(x, (1, 2, 0)) * self.unit
        if self.free is not None:
            out = xp.where((1 - self.free)[:, None] * todo[:, None, None] > 0, self.target, out)
        trajectory = xp.astype(xp.reshape(out, self.k.shape), self.k.dtype)
        played = self.inward(xp.reshape(xp.astype(trajectory, xp.float64), out.shape))
        half = 0.5 * xp.sum((played - self.c) ** 2, axis=(0, 2))
        gap = found.gap + half - found.distance
        gap = xp.where(todo, xp.clip(gap, min=0.0) / found.distance, 0.0)
        rms = (2 * float(xp.sum(half)) / (self.c.shape[1] * self.samples)) ** 0.5
        certificate = Certificate(
            gap=float(xp.max(gap)),
            violation=max(0.0, float(xp.max(self.ratios(played))) - 1),
            distance=rms * self.protocol.slew_step,
            iterations=found.iterations,
        )
        return ProjectedTrajectory(trajectory, certificate, found.warm)


def fixed_points(call: str, fixed: Fixed, k: Array) -> dict[int, Any]:
    """Return fixed samples by nonnegative index, as NumPy arrays of d or (shots, d) numbers."""
    samples, d = k.shape[-2:]
    shots = int(np.prod(k.shape[:-2]))
    points = {}
    for key, point in fixed.items():
        try:
            index = operator.index(key)
        except TypeError:
            msg = f"{call}(fixed): {key!r} is no index of a sample; want an integer"
            raise TypeError(msg) from None
        if not -samples <= index < samples:
            msg = f"{call}(fixed): there is no sample {index}; want an index below {samples}"
            raise ValueError(msg)
        values = np.asarray(as_numpy(point) if is_array_api_obj(point) else point, np.float64)
        if values.shape == (*k.shape[:-2], d):
            values = values.reshape(shots, d)
        elif values.shape != (d,):
            msg = (
                f"{call}(fixed): the point of sample {index} has the shape {values.shape}; want "
                f"({d},), or {(*k.shape[:-2], d)}"
            )
            raise ValueError(msg)
        if not np.all(np.isfinite(values)):
            msg = f"{call}(fixed): the point of sample {index} is not finite; want a finite point"
            raise ValueError(msg)
        points[index % samples] = values
    return points
