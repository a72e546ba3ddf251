"""What the learning of a trajectory moves: its samples, or the control points of its curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from array_api_compat import array_namespace, device

import optim
from nufftlib.core.arrays import Array, is_single
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.mri.scanner.curve import BSpline, receiver
from nufftlib.mri.scanner.projection import (
    Certificate,
    ProjectedTrajectory,
    TrajectoryProjection,
    project_trajectory,
)
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.report import check_trajectory

Fixed = Mapping[int, Any]


@dataclass(frozen=True)
class Stage:
    """A part of the learning, with one kind of parameters.

    Parameters
    ----------
    optimizer : callable
        From a learning rate to the optimiser of the parameters.
    project : callable or None
        Projection without a state, for `optim.minimize`.
    begin : callable
        From the trajectory, or the parameters of the stage before, to the first parameters.
    trajectory : callable
        From parameters to the trajectory.
    path : LinearOperator or None
        From parameters to the points that are sampled; None where they are these points.
    """

    optimizer: Callable[[Any], optim.Optimizer]
    project: Callable[[Array], Array] | None
    begin: Callable[[Array], Array]
    trajectory: Callable[[Array], Array]
    path: LinearOperator | None

    def sampled(self, p: Array) -> Array:
        """Return the points that are sampled."""
        return p if self.path is None else self.path.apply(p)

    def value_and_grad(self, objective: Map, p: Array) -> tuple[Array, Array]:
        """Return the loss of the points that are sampled, and its gradient by the parameters."""
        return (objective if self.path is None else objective @ self.path).value_and_grad(p)


def free_stage() -> Stage:
    """Return the stage that moves all samples within the band."""
    return Stage(optim.adam, optim.projections.box(-0.5, 0.5), as_it_is, as_it_is, None)


def playable_stage(protocol: Protocol, fixed: Fixed | None, samples: int) -> Stage:
    """Return the stage that moves all samples within a scanner's limits."""
    projection = TrajectoryProjection(protocol, fixed)

    def begin(k: Array) -> Array:
        return projection(k, None)[0]

    return Stage(
        lambda rate: optim.projected(optim.adam(rate), projection),
        None,
        begin,
        as_it_is,
        receiver(protocol, samples),
    )


def spline_stage(
    protocol: Protocol,
    fixed: Fixed | None,
    samples: int,
    points: int,
    *,
    first: bool,
) -> Stage:
    """Return the stage that moves the control points of splines within a scanner's limits.

    A curve keeps the limits that its control points keep at their own distance in time, so they
    are projected as a trajectory with that raster time.
    """
    # From half a distance before the first control point, where there is rest, to half after the
    # last. An end without rest has one point more, to which the curve goes half of the way.
    spacing = points / (samples - 1)
    first_time = -0.5 if protocol.rests_at_start else 0.5
    rows = points + (not protocol.rests_at_start) + (not protocol.rests_at_end)
    spline = BSpline(rows, samples, spacing, first_time, protocol.rest, protocol.ndim)
    coarse = Protocol(
        replace(protocol.scanner, raster=protocol.scanner.raster / spacing),
        protocol.fov,
        protocol.shape,
        rest=protocol.rest,
    )

    def limits(k: Array) -> TrajectoryProjection:
        return TrajectoryProjection(tightened(coarse, protocol, k), at_ends(fixed, samples))

    def begin(k: Array) -> Array:
        control = nearest_samples(k, spline) if first else refined(k, protocol)
        return limits(control)(control, None)[0]

    def project(k: Array, state: ProjectedTrajectory | None) -> tuple[Array, ProjectedTrajectory]:
        return limits(k)(k, state)

    return Stage(
        lambda rate: optim.projected(optim.adam(rate), project),
        None,
        begin,
        spline.apply,
        receiver(protocol, samples) @ spline,
    )


def as_it_is(k: Array) -> Array:
    """Return the argument."""
    return k


def nearest_samples(k: Array, spline: BSpline) -> Array:
    """Return the samples of a trajectory that are nearest in time to control points."""
    xp = array_namespace(k)
    times = [round((i - spline.first) / spline.spacing) for i in range(spline.points)]
    times = [min(max(t, 0), spline.samples - 1) for t in times]
    return xp.take(k, xp.asarray(times, device=device(k)), axis=-2)


def refined(c: Array, protocol: Protocol) -> Array:
    r"""Return the control points of the same quadratic B-spline curve at half their distance.

    .. math:: c'_{2i} = \tfrac34 c_i + \tfrac14 c_{i-1}, \qquad
              c'_{2i+1} = \tfrac34 c_i + \tfrac14 c_{i+1}.

    References
    ----------
    G. M. Chaikin, "An algorithm for high-speed curve generation", Comput. Graph. Image Process.
    3 (1974) 346-349.
    """
    xp = array_namespace(c)
    around = xp.concat([c[..., :1, :], c, c[..., -1:, :]], axis=-2)
    even = 0.75 * c + 0.25 * around[..., :-2, :]
    odd = 0.75 * c + 0.25 * around[..., 2:, :]
    both = xp.stack([even, odd], axis=-2)
    both = xp.reshape(both, (*c.shape[:-2], 2 * c.shape[-2], c.shape[-1]))
    # At rest the end stands there twice; elsewhere the curve goes to the middle of two points.
    return both[
        ..., int(not protocol.rests_at_start) : both.shape[-2] - int(not protocol.rests_at_end), :
    ]


def at_ends(fixed: Fixed | None, samples: int) -> Fixed | None:
    """Return fixed samples as fixed control points; where there is rest, they are the ends."""
    if not fixed:
        return None
    places = {0: 0, -samples: 0, samples - 1: -1, -1: -1}
    return {places[index]: point for index, point in fixed.items()}


def tightened(coarse: Protocol, protocol: Protocol, k: Array) -> Protocol:
    """Return limits that leave room for the rounding of the curve's samples.

    In single precision four roundings of a coordinate of up to 1/2, in each of the four terms
    of a second difference, are to be compared with the slew step.
    """
    if not is_single(array_namespace(k), k):
        return coarse
    rounding = 16 * 2.0**-24 * 0.5 / (protocol.slew_step * min(protocol.voxel))
    scanner = coarse.scanner
    return replace(
        coarse,
        scanner=replace(
            scanner,
            gmax=scanner.gmax * (1 - rounding),
            smax=scanner.smax * (1 - rounding),
        ),
    )


def stages(
    samples: int,
    protocol: Protocol | None,
    fixed: Fixed | None,
    control_points: tuple[int, ...],
) -> list[Stage]:
    """Return the stages of the learning, from coarse to fine."""
    if protocol is None:
        return [free_stage()]
    if not control_points:
        return [playable_stage(protocol, fixed, samples)]
    return [
        spline_stage(protocol, fixed, samples, points, first=i == 0)
        for i, points in enumerate(control_points)
    ]


def certificate_of(k: Array, protocol: Protocol | None, state: Any) -> Certificate | None:
    """Return the certificate of an optimiser's last projection, with a trajectory's violation."""
    if protocol is None:
        return None
    last: ProjectedTrajectory | None = state.projection
    if last is None:  # no step was made
        return project_trajectory(k, protocol).certificate
    return replace(last.certificate, violation=check_trajectory(k, protocol).violation)
