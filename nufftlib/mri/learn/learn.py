r"""Headline job 1: learn the sampling trajectory of a multi-coil MRI scan.

With the coil images :math:`u_c = s_c x` of a known image, and at the trajectory ``k``,

.. math::
    y = F(k)\,u, \qquad a = S^H F(k)^H (d\,y), \qquad
    L(k) = \operatorname{mean}\Bigl(\frac{|a|}{\operatorname{mean}|a|}
           - \frac{x}{\operatorname{mean} x}\Bigr)^2.

The density weights ``d`` and the coil maps ``S`` of the reconstruction are computed anew
at each ``k`` and held constant in the derivative. Both transforms depend on ``k``. With
the gradient :math:`\bar a` of the loss by ``a``, and :math:`v = S \bar a`, the product
rule gives

.. math:: \nabla_k L = B(v,\, d y) + B(u,\, d\,F v).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from array_api_compat import size

import optim
from nufftlib.core.arrays import Array, check_real, common_namespace
from nufftlib.core.kinds import flag, integer, not_negative, optional_function, wrong_kind
from nufftlib.core.run import Run
from nufftlib.mri.learn.objective import Maps, TrajectoryObjective
from nufftlib.nufft.operator import NUFFT


@dataclass(frozen=True, eq=False, repr=False)
class LearnedTrajectory(Run):
    """The result of `learn_trajectory`.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last; `trajectory` has the lowest.
    seconds : float
        Duration of the optimisation loop.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    trajectory, trajectory_start : array
        The best trajectory seen (most often the last), and the one before the first step.
    reconstruction, reconstruction_start : array, shape (height, width)
        Reconstructions with the two trajectories, scaled to the image's mean.
    """

    trajectory: Array
    trajectory_start: Array
    reconstruction: Array
    reconstruction_start: Array


def learn_trajectory(
    image: Array,
    coil_maps: Array,
    trajectory: Array,
    *,
    maps: Maps = "estimated",
    steps: int = 100,
    learning_rate: tuple[float, float] = (1e-3, 1e-4),
    eps: float = 1e-4,
    engine: str = "auto",
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
) -> LearnedTrajectory:
    """Learn the trajectory at which a density-compensated reconstruction is best.

    Adam with a rate that falls linearly; points are clipped to [-1/2, 1/2] after each
    step.

    Parameters
    ----------
    image : array, shape (height, width), real
        The image to be sampled.
    coil_maps : array, shape (coils, height, width), complex
        Sensitivities of the coils, of the image's precision.
    trajectory : array, shape (..., 2), real
        Where to start, in cycles per voxel.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction: estimated from the low-frequency samples, all
        ones (a plain sum over the coils), or `coil_maps`.
    steps : int
        Number of steps.
    learning_rate : tuple of float
        Rate of the first step and after the last one, in cycles per voxel.
    eps : float
        Accuracy of the transforms.
    engine : str
        Engine of the transforms, see `NUFFT`.
    callback : callable, optional
        ``callback(step, loss, trajectory)`` at the start, where `step` is 0, and after each
        step; a true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.

    Returns
    -------
    LearnedTrajectory
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one library and one precision, or a setting is of the wrong kind.
    ValueError
        If the shapes do not fit, an array is not finite, or the trajectory starts outside of
        [-1/2, 1/2].
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
    ...     nl.mri.radial_trajectory(8, 64),
    ...     maps="ones",
    ...     steps=3,
    ... )
    >>> result.losses[-1] < result.losses[0]
    True
    """
    call = "learn_trajectory"
    steps = integer(call, "steps", steps, least=0)
    first, last = rates(call, learning_rate)
    optional_function(call, "callback", callback)
    progress = flag(call, "progress", progress)
    xp = common_namespace(
        f"{call}(image, coil_maps, trajectory)",
        image=image,
        coil_maps=coil_maps,
        trajectory=trajectory,
    )
    if image.ndim != 2:
        msg = f"{call}(image): image has the shape {tuple(image.shape)}; want (height, width)"
        raise ValueError(msg)
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
    objective = TrajectoryObjective(
        image, coil_maps, NUFFT(trajectory, tuple(image.shape), eps=eps, engine=engine), maps
    )
    rate = optim.linear_schedule(first, last, steps) if steps else first
    start = time.perf_counter()
    result = optim.minimize(
        objective.value_and_grad,
        trajectory,
        optim.adam(rate),
        steps=steps,
        project=optim.projections.box(-0.5, 0.5),
        callback=callback,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    if not result.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    return LearnedTrajectory(
        trajectory=result.best_params,
        trajectory_start=trajectory,
        losses=result.history,
        reconstruction=objective.reconstruct(result.best_params),
        reconstruction_start=objective.reconstruct(trajectory),
        seconds=seconds,
        interrupted=result.interrupted,
    )


def rates(call: str, learning_rate: tuple[float, float]) -> tuple[float, float]:
    """Return the learning rates of the first step and after the last one."""
    if not isinstance(learning_rate, tuple | list) or len(learning_rate) != 2:
        wish = "two numbers, the rate of the first step and after the last"
        raise wrong_kind(call, "learning_rate", learning_rate, wish)
    first, last = (not_negative(call, "learning_rate", rate) for rate in learning_rate)
    return first, last
