r"""Headline job 1: learn the sampling trajectory of a multi-coil MRI scan.

With the coil images :math:`u_c = s_c x` of a known image, and at the trajectory ``k``,

.. math::
    y = F(k)\,u, \qquad a = S^H F(k)^H (d\,y), \qquad
    L(k) = \operatorname{mean}\Bigl(\frac{|a|}{\operatorname{mean}|a|}
           - \frac{x}{\operatorname{mean} x}\Bigr)^2.

The density weights ``d`` and the coil maps ``S`` that the reconstruction uses are
found anew at each ``k``, and held constant in the derivative. ``k`` stands in both
transforms, so with :math:`\bar a` the gradient of the loss by ``a``, and
:math:`v = S \bar a`, the product rule gives

.. math:: \nabla_k L = B(v,\, d y) + B(u,\, d\,F v).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from array_api_compat import array_namespace

import optim
from nufftlib.core.arrays import Array, check_precision, common_namespace, is_complex
from nufftlib.core.losses import MeanSquaredError
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import Magnitude, MeanNormalize
from nufftlib.mri.coils import low_frequency_maps
from nufftlib.mri.density import pipe_menon
from nufftlib.mri.sense import Sense
from nufftlib.nufft.derivatives import SampledJacobian
from nufftlib.nufft.operator import NUFFT
from nufftlib.workflows.run import Run

Maps = Literal["estimated", "ones", "true"]


@dataclass(frozen=True, eq=False)
class TrajectoryObjective:
    """The loss of a trajectory, and its gradient.

    Parameters
    ----------
    image : array, shape (height, width), real
        The image to be sampled; positive mean.
    coil_maps : array, shape (coils, height, width), complex
        Sensitivities of the coils that sample it.
    nufft : NUFFT
        Any operator of the image's shape; its settings are kept, its trajectory replaced.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction: from the low-frequency samples, all ones (a
        plain sum over the coils), or `coil_maps`.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> k = nl.mri.radial_trajectory(8, 64)
    >>> objective = workflows.TrajectoryObjective(
    ...     image, nl.mri.birdcage_maps(4, image.shape), nl.NUFFT(k, image.shape)
    ... )
    >>> value, gradient = objective.value_and_grad(k)
    >>> gradient.shape == k.shape
    True
    """

    image: Array
    coil_maps: Array
    nufft: NUFFT
    maps: Maps = "estimated"

    def __post_init__(self) -> None:
        call = "TrajectoryObjective"
        if not isinstance(self.nufft, NUFFT):
            msg = f"{call}(nufft): nufft is a {type(self.nufft).__name__}; want a NUFFT"
            raise TypeError(msg)
        arrays = {
            "image": self.image,
            "coil_maps": self.coil_maps,
            "trajectory": self.nufft.trajectory,
        }
        xp = common_namespace(call, **arrays)
        check_precision(xp, call, **arrays)
        if not is_complex(xp, self.coil_maps):
            msg = f"{call}(coil_maps): coil_maps are {self.coil_maps.dtype}; want complex"
            raise TypeError(msg)
        if is_complex(xp, self.image) or self.image.shape != self.nufft.shape:
            msg = (
                f"{call}(image): the image is {self.image.dtype} of shape "
                f"{tuple(self.image.shape)}; want real, {self.nufft.shape}"
            )
            raise ValueError(msg)
        if not float(xp.mean(self.image)) > 0:
            msg = f"{call}(image): the mean is {float(xp.mean(self.image))}; want it positive"
            raise ValueError(msg)
        if self.coil_maps.shape[1:] != self.image.shape:
            msg = (
                f"{call}(coil_maps): the shape is {tuple(self.coil_maps.shape)}; "
                f"want (coils, {', '.join(map(str, self.image.shape))})"
            )
            raise ValueError(msg)
        if self.maps not in get_args(Maps):
            msg = f"{call}(maps): maps is {self.maps!r}; want one of {get_args(Maps)}"
            raise ValueError(msg)

    def value_and_grad(self, k: Array) -> tuple[Array, Array]:
        """Return ``L(k)`` and its gradient; density and maps are found at ``k``.

        Parameters
        ----------
        k : array, shape (..., 2), real
            Trajectory in cycles per voxel.

        Returns
        -------
        value : array
            ``L(k)``, of zero dimensions.
        gradient : array
            Of the shape and dtype of ``k``.
        """
        F, y, J = self._sample(k)
        d, S = self._calibrate(F, y)
        return self._value_and_grad(F, y, J, d, S)

    def constants(self, k: Array) -> tuple[Array, Sense]:
        """Return the density weights and the coil maps of the reconstruction at ``k``.

        Parameters
        ----------
        k : array, shape (..., 2), real
            Trajectory in cycles per voxel.

        Returns
        -------
        density : array, shape (...)
            Weights.
        maps : Sense
            Coil combination.
        """
        F, y, _ = self._sample(k)
        return self._calibrate(F, y)

    def value_and_grad_at(self, k: Array, density: Array, maps: Sense) -> tuple[Array, Array]:
        """Return the loss and its gradient with given density weights and maps.

        Parameters
        ----------
        k : array, shape (..., 2), real
            Trajectory in cycles per voxel.
        density : array, shape (...)
            Weights.
        maps : Sense
            Coil combination.

        Returns
        -------
        value : array
            The loss, of zero dimensions.
        gradient : array
            Its exact gradient, density and maps being constants.
        """
        return self._value_and_grad(*self._sample(k), density, maps)

    def reconstruct(self, k: Array) -> Array:
        """Return the reconstruction at ``k``, scaled to the mean of the image.

        Parameters
        ----------
        k : array, shape (..., 2), real
            Trajectory in cycles per voxel.

        Returns
        -------
        array, shape (height, width), real
            ``|a| mean(x) / mean|a|``.
        """
        F, y, _ = self._sample(k)
        d, S = self._calibrate(F, y)
        z = MeanNormalize()(Magnitude()(S.adjoint(F.adjoint(d * y))))
        return z * array_namespace(z).mean(self.image)

    @cached_property
    def _spectrum(self) -> Map:
        """The map ``k -> F(k) u``; the coil images never change."""
        return self.nufft.as_map("trajectory", self.coil_maps * self.image)

    @cached_property
    def _loss(self) -> Map:
        target = MeanNormalize()(self.image)
        return MeanSquaredError(target) @ MeanNormalize() @ Magnitude()

    def _sample(self, k: Array) -> tuple[NUFFT, Array, LinearOperator]:
        y, J = self._spectrum.linearize(k)
        assert isinstance(J, SampledJacobian)
        assert isinstance(J.nufft, NUFFT)
        return J.nufft, y, J  # the operator at k that it was computed with

    def _calibrate(self, F: NUFFT, y: Array) -> tuple[Array, Sense]:
        d = pipe_menon(F)
        if self.maps == "estimated":
            return d, Sense(low_frequency_maps(F, y, d))
        if self.maps == "true":
            return d, Sense(self.coil_maps)
        return d, Sense(array_namespace(y).ones_like(self.coil_maps))

    def _value_and_grad(
        self, F: NUFFT, y: Array, J: LinearOperator, d: Array, S: Sense
    ) -> tuple[Array, Array]:
        dy = d * y
        value, a_bar = self._loss.value_and_grad(S.adjoint(F.adjoint(dy)))
        Fv, K = F.linearize(S.apply(a_bar), wrt="trajectory")
        return value, K.adjoint(dy) + J.adjoint(d * Fv)


@dataclass(frozen=True, eq=False, repr=False)
class LearnedTrajectory(Run):
    """What `learn_trajectory` returns.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last; the lowest is that of `trajectory`.
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
        ``callback(step, loss, trajectory)`` after each step, with the trajectory before
        its update; a true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.

    Returns
    -------
    LearnedTrajectory
        After Ctrl-C, that of the steps done so far.

    Raises
    ------
    TypeError
        If the arrays are not of one library and one precision.
    ValueError
        If the shapes do not fit, or the trajectory starts outside of [-1/2, 1/2].

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
    xp = common_namespace(
        "learn_trajectory", image=image, coil_maps=coil_maps, trajectory=trajectory
    )
    if image.ndim != 2:
        msg = f"learn_trajectory(image): the shape is {tuple(image.shape)}; want (height, width)"
        raise ValueError(msg)
    if steps < 0:
        msg = f"learn_trajectory(steps): steps is {steps}; want 0 or more"
        raise ValueError(msg)
    farthest = float(xp.max(xp.abs(trajectory)))
    if farthest > 0.5:
        msg = (
            f"learn_trajectory(trajectory): the largest coordinate is {farthest:g}; want at most "
            f"0.5 cycles per voxel (nufftlib.mri.from_radians converts radians)"
        )
        raise ValueError(msg)
    objective = TrajectoryObjective(
        image, coil_maps, NUFFT(trajectory, tuple(image.shape), eps=eps, engine=engine), maps
    )
    rate = optim.linear_schedule(*learning_rate, steps) if steps else learning_rate[0]
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
    last = float(objective.value_and_grad(result.params)[0])
    best = result.params if last <= result.best_value else result.best_params
    return LearnedTrajectory(
        trajectory=best,
        trajectory_start=trajectory,
        losses=[*result.history, last],
        reconstruction=objective.reconstruct(best),
        reconstruction_start=objective.reconstruct(trajectory),
        seconds=seconds,
        interrupted=result.interrupted,
    )
