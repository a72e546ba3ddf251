r"""Headline job 1: learn the sampling trajectory of a multi-coil MRI scan.

With the coil images :math:`u_c = s_c x` of a known image, and at the trajectory ``k``,

.. math::
    y = F(k)\,u, \qquad a = S^H F(k)^H (d\,y), \qquad
    L(k) = \operatorname{mean}\Bigl(\frac{|a|}{\operatorname{mean}|a|}
           - \frac{x}{\operatorname{mean} x}\Bigr)^2.

The density weights ``d`` and the estimated coil maps ``S`` are functions of ``k`` as well. With
the gradient :math:`\bar a` of the loss by ``a``, and :math:`v = S \bar a`, the product rule gives

.. math::
    \nabla_k L = B(v,\, d y) + J_d^H \bar d + B(u,\, \bar y), \qquad
    \bar d = \operatorname{Re} \sum_c \bar y_c (F v)_c, \quad \bar y = d\,F v,

and estimated maps add their part to each. Held constant, they leave the first and the last term.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from array_api_compat import size

import optim
from nufftlib.core.arrays import Array, Namespace, check_real, common_namespace
from nufftlib.core.kinds import (
    flag,
    instance,
    integer,
    not_negative,
    optional_function,
    sizes,
    wrong_kind,
)
from nufftlib.core.notebook import picture, samples
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed
from nufftlib.mri.learn.objective import LossOrName, Maps, TrajectoryObjective
from nufftlib.mri.learn.reconstructions import Reconstruction
from nufftlib.mri.learn.stages import Fixed, certificate_of, stages
from nufftlib.mri.scanner.curve import receiver
from nufftlib.mri.scanner.projection import Certificate
from nufftlib.mri.scanner.projection.project import indexed
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.nufft.operator import NUFFT

Schedule = Callable[[int], float]
Rate = tuple[float, float] | Schedule


@dataclass(frozen=True, eq=False, repr=False)
class LearnedTrajectory(Run):
    """The result of `learn_trajectory`.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last; `trajectory` has the lowest.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    trajectory, trajectory_start : array
        The best trajectory seen (most often the last), and the one before the first step.
    reconstruction, reconstruction_start : array, of the image's shape
        Reconstructions with the two trajectories, scaled to the image's mean.
    protocol : Protocol or None
        The limits within which all trajectories of the course lie, if there are any.
    certificate : Certificate or None
        Of the last projection onto them, with the violation of the best trajectory.
    """

    trajectory: Array
    trajectory_start: Array
    reconstruction: Array
    reconstruction_start: Array
    protocol: Protocol | None = None
    certificate: Certificate | None = None

    thumbnails = (
        ("trajectory_start", samples),
        ("trajectory", samples),
        ("reconstruction_start", picture),
        ("reconstruction", picture),
    )


def learn_trajectory(
    image: Array,
    coil_maps: Array,
    trajectory: Array,
    *,
    maps: Maps = "estimated",
    constants: bool = False,
    reconstruction: str | Reconstruction = "adjoint",
    loss: LossOrName = "mse",
    steps: int = 100,
    learning_rate: Rate = (1e-3, 1e-4),
    eps: float = 1e-4,
    engine: str = "auto",
    protocol: Protocol | None = None,
    fixed: Fixed | None = None,
    control_points: int | tuple[int, ...] | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> LearnedTrajectory:
    """Learn the trajectory at which a reconstruction is best.

    Adam with a rate that falls linearly, unless a schedule is given. After each step the points
    are clipped to [-1/2, 1/2], or, with a protocol, the trajectory is projected onto the limits of
    the scanner: all that are passed to `callback`, the first and the result can be played.

    Parameters
    ----------
    image : array, shape (height, width) or (height, width, depth), real
        The image or the volume to be sampled.
    coil_maps : array, shape (coils, *image.shape), complex
        Sensitivities of the coils, of the image's precision.
    trajectory : array, shape (..., d), real
        Where to start, in cycles per voxel, with the `d` axes of the image; with a protocol
        (shots, samples, d), one sample in each raster time.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction: estimated from the low-frequency samples, all
        ones (a plain sum over the coils), or `coil_maps`.
    constants : bool
        Whether the gradient holds the density weights and the estimated maps constant, as
        published examples do.
    reconstruction : {"adjoint", "cg", "tv"} or Reconstruction
        The recipe that makes the image: by default the density-compensated adjoint.
    loss : {"mse", "mae", "ssim", "ms-ssim"} or callable
        The loss of the magnitude of the reconstruction, divided by its mean, see
        `TrajectoryObjective`.
    steps : int
        Number of steps.
    learning_rate : tuple of float or callable
        Rate of the first step and after the last one, in cycles per voxel; or a schedule
        ``step -> rate``, where the steps count from 0.
    eps : float
        Accuracy of the transforms.
    engine : str
        Engine of the transforms, see `NUFFT`.
    protocol : Protocol, optional
        The limits of a scanner. The image is then sampled where the receiver samples it, see
        `receiver`.
    fixed : mapping of int to array, optional
        Samples that must lie at given points, see `project_trajectory`.
    control_points : int or tuple of int, optional
        Learn that many control points of each shot in place of its samples, and one more at an
        end without rest, see `BSpline`: curves that are smooth, and a smaller projection. Several
        numbers, each twice the one before, are learned one after the other, from coarse to fine,
        with equal parts of the steps.
    callback : callable, optional
        ``callback(step, loss, trajectory)`` at the start, where `step` is 0, and after each
        step; a true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    LearnedTrajectory
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one library and one precision, or a setting is of the wrong kind.
    ValueError
        If the shapes do not fit, an array is not finite, the trajectory starts outside of
        [-1/2, 1/2], or fixed samples cannot be joined within the limits.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

    References
    ----------
    G. R. Chaithya and P. Ciuciu, "Jointly learning non-Cartesian k-space trajectories
    and reconstruction networks for 2D and 3D MR imaging through projection",
    Bioengineering 10 (2023) 158.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> result = workflows.learn_trajectory(
    ...     image,
    ...     nl.mri.birdcage_maps(4, image.shape),
    ...     nl.mri.trajectories.radial(8, 64),
    ...     maps="ones",
    ...     steps=3,
    ... )
    >>> result.losses[-1] < result.losses[0]
    True
    """
    call = "learn_trajectory"
    steps = integer(call, "steps", steps, least=0)
    rate = rate_schedule(call, learning_rate, steps)
    optional_function(call, "callback", callback)
    progress = flag(call, "progress", progress)
    xp = common_namespace(
        f"{call}(image, coil_maps, trajectory)",
        image=image,
        coil_maps=coil_maps,
        trajectory=trajectory,
    )
    if image.ndim not in (2, 3):
        msg = (
            f"{call}(image): image has the shape {tuple(image.shape)}; want (height, width), or of "
            f"a volume (height, width, depth)"
        )
        raise ValueError(msg)
    check_start(xp, call, trajectory)
    points = control_sizes(call, trajectory, tuple(image.shape), protocol, fixed, control_points)
    samples = trajectory.shape[-2] if protocol is not None else 0
    sampled = trajectory if protocol is None else receiver(protocol, samples).apply(trajectory)
    objective = TrajectoryObjective(
        image,
        coil_maps,
        NUFFT(sampled, tuple(image.shape), eps=eps, engine=engine),
        maps,
        constants=constants,
        reconstruction=reconstruction,
        loss=loss,
    )
    course = Course(callback)
    p = trajectory
    settings = {
        "image": image,
        "coil_maps": coil_maps,
        "trajectory": trajectory,
        "maps": maps,
        "constants": constants,
        "reconstruction": reconstruction,
        "loss": loss,
        "steps": steps,
        "learning_rate": learning_rate,
        "eps": eps,
        "engine": engine,
        "protocol": protocol,
        "fixed": fixed,
        "control_points": points,
    }
    begun(call, checkpoint, settings, trajectory)
    since = time.perf_counter()
    parts = stages(samples, protocol, fixed, points)
    for i, stage in enumerate(parts):
        done = course.steps
        p = stage.begin(p)
        if course.first is None:
            course.first = stage.trajectory(p)
        result = optim.minimize(
            partial(stage.value_and_grad, objective),
            p,
            stage.optimizer(lambda t, n=done: rate(t + n)),
            steps=steps * (i + 1) // len(parts) - done,
            project=stage.project,
            callback=course.follow(stage.trajectory),
            progress=progress,
            checkpoint=checkpoint and checkpoint.part(f"stage {i}"),
        )
        if not result.history and not done:  # Ctrl-C came before the first loss
            raise KeyboardInterrupt
        course.add(result, stage.trajectory)
        p = result.best_params
        if course.ended:
            break
    seconds = elapsed(checkpoint, since)
    path = receiver(protocol, samples).apply if protocol is not None else lambda k: k
    return LearnedTrajectory(
        trajectory=course.best,
        trajectory_start=course.first,
        losses=course.losses,
        reconstruction=objective.reconstruct(path(course.best)),
        reconstruction_start=objective.reconstruct(path(course.first)),
        seconds=seconds,
        interrupted=result.interrupted,
        protocol=protocol,
        certificate=None
        if protocol is None
        else certificate_of(course.best, protocol, result.state),
    )


class Course:
    """What the stages have come to, one after the other.

    Parameters
    ----------
    callback : callable or None
        The user's.
    """

    def __init__(self, callback: Callable[[int, float, Array], object] | None) -> None:
        self.callback = callback
        self.losses: list[float] = []
        self.first: Array = None
        self.best: Array = None
        self.ended = False

    @property
    def steps(self) -> int:
        """Number of completed steps."""
        return max(len(self.losses) - 1, 0)

    def follow(self, trajectory: Callable[[Array], Array]) -> Callable[[int, float, Array], object]:
        """Return the callback of a stage, which counts the steps of those before it."""
        done = self.steps

        def told(step: int, loss: float, p: Array) -> object:
            if self.callback is None or (step == 0 and done):  # the end of the stage before
                return None
            self.ended = bool(self.callback(done + step, loss, trajectory(p)))
            return self.ended

        return told

    def add(self, result: optim.Result, trajectory: Callable[[Array], Array]) -> None:
        """Add a stage that has ended."""
        if not self.losses or result.best_value < min(self.losses):
            self.best = trajectory(result.best_params)
        self.losses += result.history[1:] if self.losses else result.history
        self.ended = self.ended or result.interrupted


def check_start(xp: Namespace, call: str, trajectory: Array) -> None:
    """Refuse a trajectory that is not real, has no points, or leaves the band."""
    check_real(xp, f"{call}(trajectory)", "trajectory", trajectory)
    if size(trajectory) == 0:
        msg = f"{call}(trajectory): trajectory has the shape {tuple(trajectory.shape)}; want points"
        raise ValueError(msg)
    farthest = float(xp.max(xp.abs(trajectory)))
    if farthest > 0.5:
        msg = (
            f"{call}(trajectory): the largest coordinate is {farthest:g}; want at most "
            f"0.5 cycles per voxel (nufftlib.mri.from_radians converts radians)"
        )
        raise ValueError(msg)


def control_sizes(
    call: str,
    trajectory: Array,
    shape: tuple[int, ...],
    protocol: Protocol | None,
    fixed: Fixed | None,
    control_points: int | tuple[int, ...] | None,
) -> tuple[int, ...]:
    """Return the numbers of control points; refuse settings that do not fit."""
    if protocol is None:
        for name, value in (("fixed", fixed), ("control_points", control_points)):
            if value is not None:
                msg = f"{call}({name}): {name} is {value!r} without a protocol; want both"
                raise ValueError(msg)
        return ()
    instance(call, "protocol", protocol, Protocol, "a Protocol")
    if protocol.shape != shape:
        msg = f"{call}(protocol): its shape is {protocol.shape}; want the image's, {shape}"
        raise ValueError(msg)
    axes = trajectory.shape[-1]
    if trajectory.ndim < 2 or trajectory.shape[-2] < 2 or axes != len(shape):
        msg = (
            f"{call}(trajectory): the shape is {tuple(trajectory.shape)}; "
            f"want (shots, samples, {len(shape)}) with a protocol"
        )
        raise ValueError(msg)
    points = indexed(call, fixed)
    if control_points is None:
        return ()
    wish = "numbers of control points"
    found = sizes(call, "control_points", control_points, wish, least=2, alone=1)
    samples = trajectory.shape[-2]
    if found[-1] > samples or any(b != 2 * a for a, b in pairwise(found)):
        msg = (
            f"{call}(control_points): they are {found}; want at most the {samples} samples of a "
            f"shot, each number twice the one before"
        )
        raise ValueError(msg)
    held = {0: protocol.rests_at_start, -samples: protocol.rests_at_start}
    held |= {-1: protocol.rests_at_end, samples - 1: protocol.rests_at_end}
    if bad := [index for index in points if not held.get(index)]:
        msg = (
            f"{call}(fixed): sample {bad[0]} is fixed, and control points pass their curve by; "
            f"want the first or the last sample, at rest, or no control points"
        )
        raise ValueError(msg)
    return found


def rate_schedule(call: str, learning_rate: Rate, steps: int) -> Schedule:
    """Return the learning rate as a schedule; two numbers stand for a line."""
    if callable(learning_rate):
        return learning_rate
    if not isinstance(learning_rate, tuple | list) or len(learning_rate) != 2:
        wish = (
            "two numbers, the rate at the start and at the end, or a schedule, such as "
            "optim.constant(1e-3)"
        )
        raise wrong_kind(call, "learning_rate", learning_rate, wish)
    first, last = (not_negative(call, "learning_rate", rate) for rate in learning_rate)
    return optim.linear_schedule(first, last, max(1, steps))
