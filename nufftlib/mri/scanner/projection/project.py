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

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.core.arrays import (
    Array,
    Namespace,
    is_single,
)
from nufftlib.core.cuda import as_cupy, callers_stream, from_cupy
from nufftlib.core.dlpack import as_numpy, empty, from_numpy
from nufftlib.core.kinds import (
    as_integer,
    instance,
    integer,
    positive,
    real_values,
    wrong_kind,
)
from nufftlib.core.notebook import card, samples
from nufftlib.mri.scanner.projection.interior_point import (
    InteriorPoint,
    Iterate,
    Solution,
    duality_gap,
    half_squared,
)
from nufftlib.mri.scanner.projection.limits import Rows, padded
from nufftlib.mri.scanner.projection.reach import within_reach
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.report import ROUNDING
from nufftlib.mri.scanner.waveforms import checked

CALL = "project_trajectory"

SINGLE = 1e-4
"""Least tolerance in single precision, in which the rounding of the result costs more."""

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

    def _repr_html_(self) -> str:
        return card(self, trajectory=samples)

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
        Largest relative duality gap, see `Certificate`; before the result is rounded.
    start : Iterate, optional
        The `dual` of an earlier result for the same shape, norm and rest: a trajectory that has
        changed little takes half as long.
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
    iteration costs a factorisation of that band for each shot, and about ten are needed. The
    limits are tightened by the rounding of the result, so that it keeps them all the same. In
    single precision that shows in the gap.

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
    >>> k = nl.mri.trajectories.radial(8, 512, dtype=np.float64)
    >>> nl.mri.check_trajectory(k, protocol).ok  # it starts at full speed
    False
    >>> result = nl.mri.project_trajectory(k, protocol, fixed={0: (0.0, 0.0)})
    >>> nl.mri.check_trajectory(result.trajectory, protocol).ok
    True
    >>> result.certificate.gap <= 1e-6, result.certificate.violation
    (True, 0.0)
    """
    xp = checked(f"{CALL}(k, protocol)", k, protocol)
    tolerance = positive(CALL, "tolerance", tolerance)
    iterations = integer(CALL, "iterations", iterations, least=1)
    if not bool(xp.all(xp.isfinite(k))):
        msg = f"{CALL}(k): some points of k are not finite; want finite points"
        raise ValueError(msg)
    points = fixed_points(fixed, k)
    if start is not None:
        instance(CALL, "start", start, Iterate, "the dual of a result, or None")
    on_cpu = k.__dlpack_device__()[0] == 1
    if on_cpu:
        problem = Problem(array_namespace(np.empty(0)), protocol, as_numpy(k), points)
        made = problem.solve(start, tolerance, iterations)
        out = empty(tuple(k.shape), made.trajectory.dtype)
        out[...] = made.trajectory
        return ProjectedTrajectory(from_numpy(xp, out), made.certificate, made.dual)
    with callers_stream(xp, k.__dlpack_device__()[1]):
        there = as_cupy(k)
        problem = Problem(array_namespace(there), protocol, there, points)
        made = problem.solve(start, tolerance, iterations)
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

    def __post_init__(self) -> None:
        call = "TrajectoryProjection"
        instance(call, "protocol", self.protocol, Protocol, "a Protocol")
        indexed(call, self.fixed)
        object.__setattr__(self, "tolerance", positive(call, "tolerance", self.tolerance))

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
        call = "TrajectoryProjection.__call__"
        if state is not None:
            instance(
                call, "state", state, ProjectedTrajectory, "the state returned before, or None"
            )
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
        self.shots = math.prod(k.shape[:-2])
        self.unit = self.array([protocol.slew_step * voxel for voxel in protocol.voxel])
        free = np.ones(self.samples)
        target = np.zeros((self.shots, self.samples, self.d))
        for index, point in points.items():
            free[index] = 0
            target[:, index] = point
        self.free = self.array(free) if points else None
        self.target = self.array(target)
        self.c, self.fixed = self.inward(k), self.inward(self.target)
        self.limits = self.rows(free)
        self.tightened = tuple(map(self.with_room, self.limits))

    def array(self, values: Any) -> Array:
        """Return an array of the namespace and device of the trajectory, in double precision."""
        return self.xp.asarray(values, dtype=self.xp.float64, device=device(self.k))

    def inward(self, k: Array) -> Array:
        """Return (..., samples, d) in cycles per voxel as (d, shots, samples) in slew steps."""
        xp = self.xp
        k = xp.reshape(xp.astype(k, xp.float64), (self.shots, self.samples, self.d))
        return xp.permute_dims(k / self.unit, (2, 0, 1))

    def outward(self, x: Array) -> Array:
        """Return a curve as a trajectory like that given, with the fixed samples."""
        xp = self.xp
        k = xp.clip(xp.permute_dims(x, (1, 2, 0)) * self.unit, -0.5, 0.5)
        if self.free is not None:
            k = xp.where(self.free[:, None] > 0, k, self.target)
        return xp.astype(xp.reshape(k, self.k.shape), self.k.dtype)

    def rows(self, free: Any) -> tuple[Rows, ...]:
        """Return the limits; rows that fixed samples alone decide are not in force."""
        protocol = self.protocol
        rest = protocol.rests_at_start, protocol.rests_at_end
        per_axis = protocol.scanner.norm == "max"
        step = protocol.gradient_step / protocol.slew_step
        around = np.concatenate([np.zeros(int(rest[0])), free, np.zeros(int(rest[1]))])
        pairs = np.maximum(free[1:], free[:-1])
        triples = np.maximum(np.maximum(around[2:], around[1:-1]), around[:-2])

        def rows(name: str, order: int, size: Array, in_force: Any) -> Rows:
            scale = (1 / size)[:, None, None]
            return Rows(name, order, scale, order == 0 or per_axis, rest, self.array(in_force))

        return (
            rows("band", 0, 0.5 / self.unit, free),
            rows("gradient", 1, self.array([step] * self.d), pairs),
            rows("slew", 2, self.array([1.0] * self.d), triples),
        )

    def with_room(self, rows: Rows) -> Rows:
        """Return rows for a curve that is still within the limits when its samples are rounded.

        A sample below 1/2 is rounded by up to ``eps / 8`` when it is stored, and by less than
        the ``eps`` of double precision when its differences are taken. The band is a number of
        every precision, and rounding does not pass it.
        """
        if rows.order == 0:
            return rows
        name = "float32" if is_single(self.xp, self.k) else "float64"
        rounding = float(np.finfo(name).eps / 8 + np.finfo("float64").eps)
        spread = 1 if rows.per_axis else self.d**0.5
        room = 2**rows.order * spread * rounding / self.xp.min(self.unit) * rows.scale
        if float(self.xp.max(room)) >= 1:
            msg = (
                f"{CALL}(k, protocol): the {rows.name} limit is below the rounding of {name}; "
                f"want a larger one, or a trajectory of float64"
            )
            raise ValueError(msg)
        return replace(rows, scale=rows.scale / (1 - room))

    def ratios(self, x: Array) -> Array:
        """Return the largest ratio to each limit in each shot, shape (kinds of rows, shots)."""
        xp = self.xp
        return xp.stack([self.largest(rows, rows.differences(xp, x)) for rows in self.limits])

    def largest(self, rows: Rows, differences: Array) -> Array:
        """Return the largest length of scaled differences in each shot; 0 if there are none."""
        v = padded(self.xp, rows.scale * differences, 0, 1)
        return self.xp.sqrt(self.xp.max(rows.inner(self.xp, v, v), axis=(0, 2)))

    def inside(self) -> Array:
        """Return curves strictly within the limits that have the fixed samples."""
        xp = self.xp
        if self.free is None:
            middle = xp.mean(self.c, axis=-1, keepdims=True)
            edge = 0.9 / self.limits[0].scale
            return xp.clip(middle, -edge, edge) + xp.zeros_like(self.c)
        reach = within_reach(xp, self.tightened, self.free, self.fixed)
        ratio = xp.maximum(self.decided(), reach.ratio)
        worst = int(xp.argmax(ratio))
        times = float(ratio[worst])
        if times >= 1:
            of_rows = self.ratios(reach.x)[:, worst]
            name = self.limits[int(xp.argmax(of_rows))].name
            msg = (
                f"{CALL}(fixed): the samples {sorted(self.points)} of shot {worst} are too far "
                f"apart: the best trajectory through them takes {times:.4g} times the {name} "
                f"limit; want points that can be reached in {self.samples} samples"
            )
            raise ValueError(msg)
        return reach.x

    def decided(self) -> Array:
        """Return the largest ratio in each shot among the rows that fixed samples alone decide.

        They may lie on the limit, and pass it by rounding.
        """
        xp = self.xp
        found = [
            self.largest(rows, (1 - rows.in_force) * rows.differences(xp, self.fixed))
            for rows in self.limits
        ]
        return xp.max(xp.stack(found), axis=0) * (1 - ROUNDING)

    def outside(self) -> Array:
        """Tell which shots are to be moved: they pass a limit, or do not have the fixed samples."""
        xp = self.xp
        outside = xp.max(self.ratios(self.c), axis=0) > 1 + ROUNDING
        if self.free is None:
            return outside
        return outside | xp.any((self.free == 0) & (self.c != self.fixed), axis=(0, 2))

    def solve(
        self, start: Iterate | None, tolerance: float, iterations: int
    ) -> ProjectedTrajectory:
        """Project the shots that are not within the limits."""
        xp = self.xp
        outside = self.outside()
        if not bool(xp.any(outside)):
            return ProjectedTrajectory(self.k, Certificate(0.0, 0.0, 0.0, 0), start)
        inside = self.inside()
        self.check(start)
        if is_single(xp, self.k):
            tolerance = max(tolerance, SINGLE)
        found = InteriorPoint(xp, self.tightened, self.free).nearest(
            self.c, inside, outside, start=start, tolerance=tolerance, iterations=iterations
        )
        moved = xp.reshape(outside, (*self.k.shape[:-2], 1, 1))
        trajectory = xp.where(moved, self.outward(found.x), self.k)
        return ProjectedTrajectory(
            trajectory, self.certificate(trajectory, outside, found), found.warm
        )

    def check(self, start: Iterate | None) -> None:
        """Refuse the dual of a trajectory of another shape, or of other kinds of limits."""
        if start is None:
            return
        rows = [rows.inner(self.xp, v, v) for rows, v in self.of_rows(self.c)]
        got = [tuple(a.shape) for a in (start.x, *start.multipliers)]
        want = [tuple(a.shape) for a in (self.c, *rows)]
        if got != want:
            msg = (
                f"{CALL}(start): its arrays have the shapes {got}; want {want}, those of the dual "
                f"of a trajectory of this shape, norm and rest"
            )
            raise ValueError(msg)

    def of_rows(self, x: Array) -> list[tuple[Rows, Array]]:
        """Return each kind of rows with what it makes of a curve."""
        return [(rows, rows.forward(self.xp, x)) for rows in self.limits]

    def certificate(self, k: Array, moved: Array, found: Solution) -> Certificate:
        """Return the certificate of a trajectory, of which some shots were moved."""
        xp = self.xp
        x = self.inward(k)
        v = tuple(v for _, v in self.of_rows(x))
        # With these, A^T q is that of the tightened limits.
        q = tuple(
            a * (tight.scale / rows.scale)
            for a, tight, rows in zip(found.q, self.tightened, self.limits, strict=True)
        )
        gap = duality_gap(xp, self.limits, self.free, x - self.c, v, q)
        gap = xp.where(moved, gap / half_squared(xp, x - self.c), 0.0)
        mean_square = float(xp.sum((x - self.c) ** 2)) / (self.shots * self.samples)
        return Certificate(
            gap=max(0.0, float(xp.max(gap))),
            violation=max(0.0, float(xp.max(self.ratios(x))) - 1),
            distance=mean_square**0.5 * self.protocol.slew_step,
            iterations=found.iterations,
        )


def indexed(call: str, fixed: Any) -> dict[int, Any]:
    """Return fixed samples, or none, by integers of Python."""
    if not isinstance(fixed, Mapping | None):
        raise wrong_kind(call, "fixed", fixed, "a mapping of indices to points, or None")
    points = {}
    for key, point in (fixed or {}).items():
        index = as_integer(key)
        if index is None:
            raise wrong_kind(call, "fixed", fixed, "indices of samples, which are integers")
        points[index] = real_values(call, "fixed", point)
    return points


def fixed_points(fixed: Any, k: Array) -> dict[int, Any]:
    """Return fixed samples by nonnegative index, as NumPy arrays of d or (shots, d) numbers."""
    samples, d = k.shape[-2:]
    shots = int(np.prod(k.shape[:-2]))
    points = {}
    for index, values in indexed(CALL, fixed).items():
        if not -samples <= index < samples:
            msg = f"{CALL}(fixed): there is no sample {index}; want an index below {samples}"
            raise ValueError(msg)
        if values.shape == (*k.shape[:-2], d):
            values = values.reshape(shots, d)
        elif values.shape != (d,):
            msg = (
                f"{CALL}(fixed): the point of sample {index} has the shape {values.shape}; want "
                f"({d},), or {(*k.shape[:-2], d)}"
            )
            raise ValueError(msg)
        if not np.all(np.isfinite(values)):
            msg = f"{CALL}(fixed): the point of sample {index} is not finite; want a finite point"
            raise ValueError(msg)
        # What is stored is a sample of the trajectory's own precision.
        single = is_single(array_namespace(k), k)
        points[index % samples] = values.astype(np.float32) if single else values
    return points
