"""The objective of trajectory learning: the loss of the image reconstructed at a trajectory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from array_api_compat import array_namespace

from nufftlib.core.arrays import (
    Array,
    blank,
    check_alike,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
    is_complex,
)
from nufftlib.core.kinds import choice, flag, instance, integer
from nufftlib.core.losses import MeanAbsoluteError, MeanSquaredError
from nufftlib.core.operator import LinearOperator, Map
from nufftlib.core.pointwise import Magnitude, MeanNormalize
from nufftlib.core.shapes import Fixed
from nufftlib.core.ssim import SSIM, MultiScaleSSIM
from nufftlib.mri.coils.low_frequency import Centre, CoilEstimate
from nufftlib.mri.density.pipe_menon import PipeMenon, check_start, constant_start
from nufftlib.mri.learn.reconstructions import Linearized, Reconstruction, reconstruction_of
from nufftlib.mri.sense import Sense
from nufftlib.nufft.coils import CoilNUFFT
from nufftlib.nufft.derivatives import SampledJacobian
from nufftlib.nufft.operator import NUFFT

Maps = Literal["estimated", "ones", "true"]
LossOrName = str | Callable[[Array], Map]

LOSSES: dict[str, Callable[[Array], Map]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "ssim": SSIM,
    "ms-ssim": MultiScaleSSIM,
}
"""Losses by their names: from the image, divided by its mean, to the loss of a reconstruction."""


@dataclass(frozen=True, eq=False, repr=False)
class TrajectoryObjective(Map):
    """The loss of a trajectory, a map with its gradient.

    The density weights and the estimated coil maps depend on the trajectory, and so the gradient
    goes through them.

    Parameters
    ----------
    image : array, shape (height, width) or (height, width, depth)
        The image or the volume to be sampled: real with a positive mean, or complex. The
        reference of the loss is a complex image's magnitude.
    coil_maps : array, shape (coils, *image.shape), complex
        Sensitivities of the coils that sample it.
    nufft : NUFFT
        Any operator of the image's shape; its settings are kept, its trajectory replaced.
    maps : {"estimated", "ones", "true"}
        Coil maps of the reconstruction: from the low-frequency samples, all ones (a
        plain sum over the coils), or `coil_maps`.
    constants : bool
        Whether the derivative holds density weights and maps constant, as published examples do.
        It then is not that of the loss.
    reconstruction : {"adjoint", "cg", "tv"} or Reconstruction
        The recipe that makes the image.
    loss : {"mse", "mae", "ssim", "ms-ssim"} or callable
        The loss of the magnitude of the reconstruction, divided by its mean: the name of one, or
        a function from the image, divided by its mean, to a map to one number.
    noise : array, shape (coils, *trajectory.shape[:-1]), complex, optional
        Noise that is added to the data.
    density_start : array, shape trajectory.shape[:-1], real, optional
        Constant weights that the iteration of the density begins at, see `begun_at`.
    density_iterations : int
        Number of its iterations.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import data, workflows
    >>> image = data.brain()[::4, ::4]
    >>> k = nl.mri.trajectories.radial(8, 64)
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
    constants: bool = field(default=False, kw_only=True)
    reconstruction: str | Reconstruction = field(default="adjoint", kw_only=True)
    loss: LossOrName = field(default="mse", kw_only=True)
    noise: Array | None = field(default=None, kw_only=True)
    density_start: Array | None = field(default=None, kw_only=True)
    density_iterations: int = field(default=10, kw_only=True)

    def __post_init__(self) -> None:
        call = "TrajectoryObjective"
        instance(call, "nufft", self.nufft, NUFFT, "a NUFFT")
        arrays = {
            "image": self.image,
            "coil_maps": self.coil_maps,
            "trajectory": self.nufft.trajectory,
        }
        if self.noise is not None:
            arrays["noise"] = self.noise
        caller = f"{call}({', '.join(name.replace('trajectory', 'nufft') for name in arrays)})"
        xp = common_namespace(caller, **arrays)
        check_precision(xp, caller, **arrays)
        if not is_complex(xp, self.coil_maps):
            msg = f"{call}(coil_maps): coil_maps are {self.coil_maps.dtype}; want complex"
            raise TypeError(msg)
        if self.image.shape != self.nufft.shape:
            msg = (
                f"{call}(image): the image has the shape {tuple(self.image.shape)}; "
                f"want {self.nufft.shape}"
            )
            raise ValueError(msg)
        for name in arrays.keys() - {"trajectory"}:
            check_finite(xp, f"{call}({name})", name, arrays[name])
        mean, size = float(xp.mean(self.reference)), float(xp.mean(xp.abs(self.image)))
        # Below this, half of the mean's digits are rounding, and L begins at 1 / eps.
        if not mean > math.sqrt(xp.finfo(self.image.dtype).eps) * size:
            msg = (
                f"{call}(image): the mean is {mean:g} and the mean magnitude {size:g}; "
                f"want it positive, by more than rounding"
            )
            raise ValueError(msg)
        coils = tuple(self.coil_maps.shape)
        if coils[1:] != tuple(self.image.shape) or coils[0] < 1:
            msg = (
                f"{call}(coil_maps): coil_maps have the shape {coils}; "
                f"want (coils, {', '.join(map(str, self.image.shape))}), at least one coil"
            )
            raise ValueError(msg)
        if self.noise is not None:
            check_alike(f"{call}(noise)", "noise", self.noise, "the data", self._no_data)
        iterations = integer(call, "density_iterations", self.density_iterations, least=0)
        if self.density_start is not None:
            check_start(call, self.nufft, self.density_start, "density_start")
            object.__setattr__(self, "density_start", constant_start(self.density_start))
        settled = {
            "density_iterations": iterations,
            "maps": choice(call, "maps", self.maps, get_args(Maps)),
            "constants": flag(call, "constants", self.constants),
            "reconstruction": reconstruction_of(call, self.reconstruction),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        if not callable(self.loss):
            choice(call, "loss", self.loss, LOSSES)
        self.loss_of_image  # noqa: B018  # refuses a function that makes no map

    @property
    def needs_density(self) -> bool:
        """Whether the density weights take part: in the reconstruction, or in the maps."""
        assert isinstance(self.reconstruction, Reconstruction)
        return self.reconstruction.needs_density or self.maps == "estimated"

    @cached_property
    def reference(self) -> Array:
        """The image that a reconstruction is compared with: real, of the image's shape."""
        xp = array_namespace(self.image)
        return xp.abs(self.image) if is_complex(xp, self.image) else self.image

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the loss and its Jacobian.

        Parameters
        ----------
        x : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        value : array
            ``L(x)``, of zero dimensions.
        jacobian : LinearOperator
            The directional derivative of the loss; its adjoint at 1 is the gradient.
        """
        J = ObjectiveJacobian(self, x)
        return J.value, J

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        check_points("TrajectoryObjective(k)", x, self)
        return blank(x, (), complex=False)

    def reconstruct(self, k: Array) -> Array:
        """Return the reconstruction at ``k``, scaled to the mean of the image.

        Parameters
        ----------
        k : array, shape (..., d), real
            Trajectory in cycles per voxel.

        Returns
        -------
        array, of the image's shape, real
            ``|a| mean(x) / mean|a|``, `x` being the `reference`.
        """
        check_points("TrajectoryObjective.reconstruct(k)", k, self)
        return scaled(Acquired(self, k).image, self.reference)

    def begun_at(self, weights: Array, iterations: int) -> TrajectoryObjective:
        """Return the objective whose density begins at weights, and takes so many iterations.

        At a trajectory that has moved by a step, a few iterations from the weights before the step
        do what ten from ones do, and more. These weights are a constant of the new objective,
        which is a function of its own: its gradient is exact, but its values are not to be
        compared with those of the old one. A loop that renews the weights at each step thus suits
        optimisers that take no more than a gradient at each, and no line search.

        Parameters
        ----------
        weights : array, shape trajectory.shape[:-1], real
            Positive weights of any scale, such as ``J.weights`` of the Jacobian of `linearize`.
        iterations : int
            Number of iterations.

        Returns
        -------
        TrajectoryObjective
            It shares all that has been prepared of the image and the coils.

        Raises
        ------
        ValueError
            If the weights do not fit the trajectory of `nufft`, or are not positive.
        TypeError
            If they are no array like it, or `iterations` is no integer.

        Examples
        --------
        >>> import nufftlib as nl
        >>> from nufftlib import data, workflows
        >>> image = data.brain()[::4, ::4]
        >>> k = nl.mri.trajectories.radial(8, 64)
        >>> objective = workflows.TrajectoryObjective(
        ...     image, nl.mri.birdcage_maps(4, image.shape), nl.NUFFT(k, image.shape), "ones"
        ... )
        >>> for _ in range(2):
        ...     value, J = objective.linearize(k)
        ...     k = k - 0.05 * J.adjoint(value / value)
        ...     objective = objective.begun_at(J.weights, iterations=3)
        """
        call = "TrajectoryObjective.begun_at"
        iterations = integer(call, "iterations", iterations, least=0)
        check_start(call, self.nufft, weights, "weights")
        start = constant_start(weights)
        # A copy would forget what has been prepared, and check all again.
        other = object.__new__(type(self))
        vars(other).update(vars(self), density_start=start, density_iterations=iterations)
        return other

    # S^H F^H (d y) = F^H (d sum_c y_c) of maps of ones, and sum_c y_c = F (sum_c s_c) x: one coil
    @property
    def one_coil(self) -> bool:
        """Whether the coils take part by their sum alone."""
        assert isinstance(self.reconstruction, Reconstruction)
        return self.maps == "ones" and self.reconstruction.sums_coils

    @cached_property
    def scanned(self) -> tuple[Array, Array | None]:
        """The maps of the coils whose data are reconstructed, and the noise in these."""
        s, n = self.coil_maps, self.noise
        if not self.one_coil:
            return s, n
        xp = array_namespace(s)
        s = xp.sum(s, axis=0, keepdims=True)
        return s, n if n is None else xp.sum(n, axis=0, keepdims=True)

    @cached_property
    def spectrum(self) -> Map:
        """The map ``k -> F(k) S x``; the images of the coils never change."""
        return (self.nufft @ Sense(self.scanned[0])).as_map("trajectory", self.image)

    @cached_property
    def loss_of_image(self) -> Map:
        """The map from a reconstruction to its loss."""
        make = LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
        wish = "a name, or a function from an image to a map"
        made: Map = make(MeanNormalize()(self.reference))
        instance("TrajectoryObjective", "loss", made, Map, wish)
        return made @ MeanNormalize() @ Magnitude()

    @property
    def _no_data(self) -> Array:
        return self.nufft.outline(self.coil_maps)


def check_points(call: str, k: Array, objective: TrajectoryObjective) -> None:
    """Refuse what is no trajectory beside the image and the noise."""
    image, noise = objective.image, objective.noise
    xp = common_namespace(call, k=k, image=image)
    check_real(xp, call, "k", k)
    check_precision(xp, call, k=k, image=image)
    if noise is not None and tuple(k.shape[:-1]) != tuple(noise.shape[1:]):
        msg = (
            f"{call}: k has the shape {tuple(k.shape)}; want {(*noise.shape[1:], image.ndim)}, "
            f"the points of the noise"
        )
        raise ValueError(msg)


def scaled(a: Array, reference: Array) -> Array:
    """Return the magnitude of a reconstruction, scaled to the mean of the reference."""
    return MeanNormalize()(Magnitude()(a)) * array_namespace(a).mean(reference)


@dataclass(frozen=True, eq=False)
class Shared:
    """What all images have in common at a trajectory, each computed when it is asked for.

    Parameters
    ----------
    F : NUFFT
        The operator at the trajectory.
    constants : bool
        Whether nobody asks for derivatives of what is shared.
    start : array, optional
        Weights that the density begins at.
    iterations : int
        Number of its iterations.
    """

    F: NUFFT
    constants: bool
    start: Array | None = None
    iterations: int = 10

    @cached_property
    def density(self) -> tuple[Array, LinearOperator | None]:
        """The density weights, and their Jacobian unless they are constants."""
        # The density of the published example: its kernel, on the image's grid.
        F = self.F
        weights = PipeMenon(F, width=7, grid=F.shape, iterations=self.iterations, start=self.start)
        k = F.trajectory
        return (weights(k), None) if self.constants else weights.linearize(k)

    @cached_property
    def centre(self) -> Centre:
        """The samples that coil maps are estimated from."""
        return Centre(self.F)


class Acquired:
    """What the reconstruction at a trajectory is made of, each with its derivative.

    Parameters
    ----------
    objective : TrajectoryObjective
        Says what is reconstructed, and how.
    k : array
        The trajectory.
    shared : Shared, optional
        What other images have in common with this one at `k`.
    """

    def __init__(
        self, objective: TrajectoryObjective, k: Array, shared: Shared | None = None
    ) -> None:
        recipe = objective.reconstruction
        assert isinstance(recipe, Reconstruction)
        y, self.spectrum = objective.spectrum.linearize(k)
        assert isinstance(self.spectrum, SampledJacobian)
        assert isinstance(self.spectrum.nufft, CoilNUFFT)
        F = self.spectrum.nufft.nufft  # the operator at k that the data were computed with
        if shared is None:
            begin = objective.density_start, objective.density_iterations
            shared = Shared(F, objective.constants, *begin)
        coils, noise = objective.scanned
        y = y if noise is None else y + noise
        self.density: LinearOperator | None = None
        self.estimate: CoilEstimate | None = None
        self.weights: Array = None
        if objective.needs_density:
            self.weights, self.density = shared.density
        d = self.weights
        if objective.maps == "estimated" and objective.constants:
            S = CoilEstimate(shared.centre, y, d).maps  # all else of it goes
        elif objective.maps == "estimated":
            self.estimate = CoilEstimate(shared.centre, y, d)
            S = self.estimate.maps
        elif objective.maps == "true":
            S = coils
        else:
            S = array_namespace(y).ones_like(coils)
        self.image: Array
        self.recipe: Linearized
        self.needs_density = recipe.needs_density
        self.image, self.recipe = recipe.linearize(F, y, d if self.needs_density else None, S)


@dataclass(frozen=True, eq=False, repr=False)
class ObjectiveJacobian(LinearOperator):
    """The Jacobian of `TrajectoryObjective`, by the chain rule.

    Parameters
    ----------
    objective : TrajectoryObjective
        The objective.
    trajectory : array
        The point of linearisation.
    shared : Shared, optional
        What other images have in common with this one there.
    """

    objective: TrajectoryObjective
    trajectory: Array
    shared: Shared | None = None

    def __post_init__(self) -> None:
        check_points("TrajectoryObjective(k)", self.trajectory, self.objective)

    @cached_property
    def shapes(self) -> Fixed:
        """From the trajectory to a number."""
        return Fixed(tuple(self.trajectory.shape), ())

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}  # the trajectory is the argument

    @cached_property
    def acquired(self) -> Acquired:
        """The reconstruction with its derivatives."""
        return Acquired(self.objective, self.trajectory, self.shared)

    @cached_property
    def linearized_loss(self) -> tuple[Array, LinearOperator]:
        """The loss of the reconstruction, and its Jacobian."""
        return self.objective.loss_of_image.linearize(self.acquired.image)

    @property
    def value(self) -> Array:
        """The loss."""
        return self.linearized_loss[0]

    @property
    def weights(self) -> Array:
        """The density weights at the trajectory; None where they take no part."""
        return self.acquired.weights

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        if label == "x":
            check_alike(call, "dk", x, "trajectory", self.trajectory)
        else:
            xp = common_namespace(call, y=x, k=self.trajectory)
            check_precision(xp, call, y=x, k=self.trajectory)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Never."""
        return False

    # dk -> dy -> dd -> dS -> dz -> dL
    def _apply(self, x: Array) -> Array:
        at = self.acquired
        dy, dd, dS = at.spectrum.apply(x), None, None
        if at.density is not None:
            dd = at.density.apply(x)
        if at.estimate is not None:
            dS = at.estimate.tangent(x, dy, dd)
        dz = at.recipe.tangent(x, dy, dd if at.needs_density else None, dS)
        return self.linearized_loss[1].apply(dz)

    # and back
    def _adjoint(self, y: Array) -> Array:
        k_bar, d_bar = self.cotangents(y)
        density = self.acquired.density
        return k_bar if d_bar is None or density is None else k_bar + density.adjoint(d_bar)

    def cotangents(self, y: Array) -> tuple[Array, Array | None]:
        """Return the gradients by the trajectory, at constant weights, and by the weights.

        The second is None where they are constants, or take no part.
        """
        at = self.acquired
        z_bar = self.linearized_loss[1].adjoint(y)
        estimated = at.estimate is not None
        k_bar, y_bar, d_bar, S_bar = at.recipe.cotangents(z_bar, maps=estimated)
        if self.objective.constants:
            d_bar = None
        if at.estimate is not None and S_bar is not None:
            k_more, y_more, d_more = at.estimate.cotangents(S_bar)
            k_bar, y_bar, d_bar = plus(k_bar, k_more), plus(y_bar, y_more), plus(d_bar, d_more)
        return plus(k_bar, None if y_bar is None else at.spectrum.adjoint(y_bar)), d_bar


def plus(a: Array | None, b: Array | None) -> Array:
    """Return the sum of two gradients, of which one may be None."""
    if a is None or b is None:
        return b if a is None else a
    return a + b
