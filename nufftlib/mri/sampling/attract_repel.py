"""A trajectory that a density attracts, within a scanner's limits: a start for learning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from array_api_compat import size

import optim
from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import flag, instance, integer, optional_function, positive
from nufftlib.core.notebook import samples
from nufftlib.core.run import Run
from nufftlib.mri.sampling.attraction_repulsion import AttractionRepulsion
from nufftlib.mri.scanner.curve import receiver
from nufftlib.mri.scanner.projection import Certificate, ProjectedTrajectory, TrajectoryProjection
from nufftlib.mri.scanner.projection.project import Fixed
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.scanner.report import check_trajectory
from nufftlib.mri.scanner.waveforms import checked

CALL = "attract_repel"
LAST = 0.1
"""Part of the learning rate that is left after the last step."""


@dataclass(frozen=True, eq=False, repr=False)
class AttractedTrajectory(Run):
    """The result of `attract_repel`.

    Parameters
    ----------
    losses : list of float
        The energy before each step, and after the last; `trajectory` has the lowest.
    seconds : float
        Duration of the optimisation loop.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    trajectory, trajectory_start : array
        The best trajectory seen (most often the last), and the one before the first step.
    protocol : Protocol or None
        The limits within which all trajectories of the course lie, if there are any.
    certificate : Certificate or None
        Of the last projection onto them, with the violation of the best trajectory.
    """

    trajectory: Array
    trajectory_start: Array
    protocol: Protocol | None = None
    certificate: Certificate | None = None

    thumbnails = (
        ("trajectory_start", samples),
        ("trajectory", samples),
    )


def attract_repel(
    k: Array,
    density: Array,
    protocol: Protocol | None = None,
    *,
    fixed: Fixed | None = None,
    steps: int = 100,
    learning_rate: float = 2e-3,
    grid: int | None = None,
    engine: str = "auto",
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
) -> AttractedTrajectory:
    """Move samples to where a density wants them, and away from each other.

    Adam on the energy `AttractionRepulsion`, with a rate that falls linearly to a tenth. After each
    step points are clipped to [-1/2, 1/2], or, with a protocol, the trajectory is projected onto
    the limits of the scanner: all that are passed to `callback`, the first and the result can be
    played.

    Parameters
    ----------
    k : array, shape (..., d), real
        Where to start, in cycles per voxel; with a protocol (..., samples, d), one sample in each
        raster time. Of the density's library, device and precision.
    density : array, shape (n, n) or (n, n, n), real
        Density on a grid, 0 or more; its scale does not matter.
    protocol : Protocol, optional
        The limits of a scanner. The energy is then that of the points at which the receiver samples
        the trajectory, see `receiver`.
    fixed : mapping of int to array, optional
        Samples that must lie at given points, see `project_trajectory`; with a protocol.
    steps : int
        Number of steps.
    learning_rate : float
        Rate of the first step, in cycles per voxel.
    grid, engine : int, str
        See `AttractionRepulsion`.
    callback : callable, optional
        ``callback(step, energy, trajectory)`` at the start, where `step` is 0, and after each
        step; a true value stops the loop.
    progress : bool
        Whether to show a progress bar with the energy.

    Returns
    -------
    AttractedTrajectory
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one library and one precision, or a setting is of the wrong kind.
    ValueError
        If the shapes do not fit, the trajectory starts outside of [-1/2, 1/2], or fixed samples
        cannot be joined within the limits.
    KeyboardInterrupt
        If Ctrl-C comes before the first energy is known.

    Notes
    -----
    The energy, and its descent by projected gradients, are the published method that is known by
    the name of SPARKLING; see the references of `AttractionRepulsion`, and what it says of
    patents. The projection and the fast sums are our own, and so is Adam in place of the steps
    of the gradient. Nothing here was compared with the authors' trajectories.

    Examples
    --------
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(64, 64))
    >>> density = nl.mri.sampling.decay_density((64, 64), 0.1, 2.0)
    >>> k = nl.mri.trajectories.radial(8, 256)
    >>> result = nl.mri.sampling.attract_repel(k, density, protocol, fixed={0: (0, 0)}, steps=5)
    >>> result.losses[-1] < result.losses[0]
    True
    >>> nl.mri.check_trajectory(result.trajectory, protocol).ok
    True
    """
    energy = AttractionRepulsion(density, grid, engine)
    steps = integer(CALL, "steps", steps, least=0)
    rate = positive(CALL, "learning_rate", learning_rate)
    optional_function(CALL, "callback", callback)
    progress = flag(CALL, "progress", progress)
    xp = common_namespace(f"{CALL}(k, density)", k=k, density=density)
    check_real(xp, f"{CALL}(k, density)", "k", k)
    schedule = optim.linear_schedule(rate, LAST * rate, steps) if steps else rate
    # Entries of the gradient are about 1 / p, and Adam's eps is to be small beside them.
    adam = optim.adam(schedule, eps=1e-8 / max(1, size(k)))
    value_and_grad: Callable[[Array], tuple[Array, Array]] = energy.value_and_grad
    project = None
    if protocol is None:
        if fixed is not None:
            msg = f"{CALL}(fixed): fixed is given without a protocol; want both"
            raise ValueError(msg)
        project = optim.projections.box(-0.5, 0.5)
    else:
        instance(CALL, "protocol", protocol, Protocol, "a Protocol")
        checked(f"{CALL}(k, protocol)", k, protocol)
        projection = TrajectoryProjection(protocol, fixed)
        adam = optim.projected(adam, projection)
        value_and_grad = received(energy, protocol, k.shape[-2])
        k, _ = projection(k, None)
    begun = time.perf_counter()
    result = optim.minimize(
        value_and_grad,
        k,
        adam,
        steps=steps,
        project=project,
        callback=callback,
        progress=progress,
    )
    if not result.history:  # Ctrl-C came before the first energy
        raise KeyboardInterrupt
    return AttractedTrajectory(
        losses=result.history,
        seconds=time.perf_counter() - begun,
        interrupted=result.interrupted,
        trajectory=result.best_params,
        trajectory_start=k,
        protocol=protocol,
        certificate=certificate_of(result, protocol),
    )


def received(
    energy: AttractionRepulsion, protocol: Protocol, samples: int
) -> Callable[[Array], tuple[Array, Array]]:
    """Return the energy of the points at which a trajectory is sampled, as its function."""
    path = receiver(protocol, samples)

    def value_and_grad(k: Array) -> tuple[Array, Array]:
        value, gradient = energy.value_and_grad(path.apply(k))
        return value, path.adjoint(gradient)

    return value_and_grad


def certificate_of(result: optim.Result, protocol: Protocol | None) -> Certificate | None:
    """Return the certificate of the last projection, with the violation of the best trajectory."""
    if protocol is None:
        return None
    state: ProjectedTrajectory | None = result.state.projection
    if state is None:  # no step was made
        state = TrajectoryProjection(protocol)(result.best_params, None)[1]
    found = check_trajectory(result.best_params, protocol)
    return replace(state.certificate, violation=found.violation)
