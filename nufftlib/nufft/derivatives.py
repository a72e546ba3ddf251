"""The NUFFT's derivatives by its trajectory."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

from nufftlib.core.arrays import Array, check_alike, check_precision, common_namespace
from nufftlib.core.block_diagonal import BlockDiagonal
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.operator import Constant, LinearOperator, Map
from nufftlib.core.shapes import Exchanged, Fixed, Shape
from nufftlib.nufft.engines.base import FixedImages, TrajectoryJacobian
from nufftlib.nufft.transform import Transforming


@dataclass(frozen=True, eq=False, repr=False)
class NUFFTDerivative(LinearOperator):
    """The operator ``x -> dF[dk] x = -2 pi i sum_a dk_a F(n_a x)``, of coils ``dF[dk] S``."""

    nufft: Transforming
    direction: Array

    @property
    def shapes(self) -> Exchanged:
        """As the NUFFT."""
        return self.nufft.transform.shapes

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        self.nufft.transform.check(call, label, x)

    # -2 pi i sum_a dk_a F(n_a x)
    def _apply(self, x: Array) -> Array:
        return self.nufft.transform.derivative(self.direction, x)

    # 2 pi i sum_a n_a F^H(dk_a y)
    def _adjoint(self, y: Array) -> Array:
        return self.nufft.transform.derivative_adjoint(self.direction, y)

    # d(dF[dk])[dk'] x = -i sum_a dk_a dF[dk'] (2 pi n_a x); linear in the maps of coils
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        F = self.nufft
        if name == "maps":
            return Constant(replace(self, nufft=F.replace(maps=dtheta)), (name,))
        dF = F.derivative(name, dtheta)
        terms = (
            Constant(Diagonal(self.direction[..., a])) @ dF @ Constant(Diagonal(ramp))
            for a, ramp in enumerate(F.transform.engine.ramps(F.transform.trajectory))
        )
        return -1j * reduce(operator.add, terms)

    # B(x, y)_a = sum_c dk_c Re(conj(y) d_a d_c (F x)), by maps conj(x) dF[dk]^H y
    def _form(self, name: str, x: Array, y: Array) -> Array:
        T = self.nufft.transform
        if name == "maps":
            return T.by_maps(x, y, self.direction)
        blocks = T.fix(x).curvature(T.points, T.flat_data(y))
        dk = T.flat_points(self.direction)
        return T.as_gradient(T.xp.sum(blocks * dk[:, None, :], axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class FixedImage(Map):
    """The map ``k -> F(k) x`` of images that stay fixed, prepared once.

    Parameters
    ----------
    nufft : NUFFT or CoilNUFFT
        Says the image's shape, the accuracy and the engine; of coils, the maps.
    x : array
        The images, checked.
    lasting : bool
        Whether they are for more than one trajectory.
    """

    nufft: Transforming
    x: Array
    lasting: bool = True
    images: FixedImages = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Prepare the images."""
        T = self.nufft.transform
        object.__setattr__(self, "images", T.fix(self.x, lasting=self.lasting))

    @property
    def batch(self) -> Shape:
        """The images' leading axes."""
        return tuple(self.x.shape[: self.x.ndim - len(self.nufft.transform.shape)])

    def __call__(self, k: Array) -> Array:
        """Return ``F(k) x``."""
        T = self.at(k).transform
        return T.with_batch(self.images.values(T.points), self.batch)

    def linearize(self, k: Array) -> tuple[Array, LinearOperator]:
        """Return ``F(k) x`` and its Jacobian by ``k``, from shared work."""
        jacobian = SampledJacobian(self.at(k), self)
        y, _ = jacobian.linearized
        return jacobian.nufft.transform.with_batch(y, self.batch), jacobian

    def outline(self, k: Array) -> Array:
        """Like ``F(k) x``."""
        return self.at(k).outline(self.x)

    def at(self, k: Array) -> Transforming:
        """Return the NUFFT at a trajectory ``k``."""
        F, call, old = self.nufft, "k -> F(k) x", self.nufft.transform.trajectory
        xp = common_namespace(call, k=k, x=old)
        check_precision(xp, call, k=k, x=old)
        return F if k is old else F.replace(trajectory=k)


@dataclass(frozen=True, eq=False, repr=False)
class SampledJacobian(LinearOperator):
    """The Jacobian of `FixedImage`, in the shapes of the user.

    ``F.linearize(x, wrt="trajectory")`` returns it. Sample j depends on point j alone, so
    that everything of second order is one ``d x d`` block for each point.

    Parameters
    ----------
    nufft : NUFFT or CoilNUFFT
        The NUFFT at the point of linearisation.
    fixed : FixedImage
        The map.
    """

    nufft: Transforming
    fixed: FixedImage

    @cached_property
    def linearized(self) -> tuple[Array, TrajectoryJacobian]:
        """The engine's data of the images, and its Jacobian, from shared work."""
        return self.fixed.images.linearize(self.nufft.transform.points)

    @cached_property
    def shapes(self) -> Fixed:
        """From the trajectory to the data."""
        T = self.nufft.transform
        return Fixed(tuple(T.trajectory.shape), (*self.fixed.batch, *T.coils, *T.samples))

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}  # the trajectory is the argument

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        T = self.nufft.transform
        if label == "x":
            check_alike(call, "dk", x, "trajectory", T.trajectory)
        else:
            T.check_complex(call, label, x)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Data are complex, and points real."""
        return label == "x"

    # -2 pi i s sum_a dk_a F(n_a x)
    def _apply(self, x: Array) -> Array:
        T, (_, jacobian) = self.nufft.transform, self.linearized
        return T.with_batch(jacobian.apply(T.flat_points(x)), self.fixed.batch)

    # B(x, y)_a = 2 pi s Im(conj(y) F(n_a x)), summed over the batch
    def _adjoint(self, y: Array) -> Array:
        T, (_, jacobian) = self.nufft.transform, self.linearized
        return T.as_gradient(jacobian.adjoint(T.flat_data(y)))

    # N_ac = w s^2 (2 pi)^2 Re sum_b conj(F(n_a x_b)) F(n_c x_b)
    def gauss_newton(self, weights: Array | None = None) -> BlockDiagonal:
        """Return ``J^H W J``, the Hessian of ``1/2 sum w |F(k) x - y|^2`` without curvature.

        Parameters
        ----------
        weights : array, shape trajectory.shape[:-1], real, optional
            A factor for each point's block; by default 1.

        Returns
        -------
        BlockDiagonal
            Positive semidefinite blocks, shape (..., d, d), for weights that
            are not negative. It needs no transform.
        """
        return self._blocks("gauss_newton", self._normal(), weights)

    # N_ac - w s (2 pi)^2 Re sum_b conj(r_b) F(n_a n_c x_b)
    def hessian(self, r: Array, weights: Array | None = None) -> BlockDiagonal:
        """Return the exact Hessian by the trajectory of ``1/2 sum w |F(k) x - y|^2``.

        Parameters
        ----------
        r : array, complex
            The residual ``F(k) x - y``, not weighted.
        weights : array, shape trajectory.shape[:-1], real, optional
            The weight ``w`` of each point; by default 1.

        Returns
        -------
        BlockDiagonal
            Symmetric blocks, shape (..., d, d), indefinite where the residual
            is large. It takes d (d + 1) / 2 transforms of each image of the batch; with the grid
            engine one FFT, and none of the Jacobian of a map, which keeps its spectra.
        """
        T = self.nufft.transform
        self._check("hessian(r)", "r", r)
        curvature = T.scaled(self.fixed.images.curvature(T.points, T.flat_data(r)))
        return self._blocks("hessian", self._normal() + curvature, weights)

    def _normal(self) -> Array:
        T, (_, jacobian) = self.nufft.transform, self.linearized
        return T.scaled(T.scaled(jacobian.gauss_newton()))

    def _blocks(self, method: str, blocks: Array, weights: Array | None) -> BlockDiagonal:
        k = self.nufft.transform.trajectory
        blocks = self.nufft.transform.xp.reshape(blocks, (*k.shape, k.shape[-1]))
        if weights is not None:
            call = f"SampledJacobian.{method}(weights)"
            check_alike(call, "weights", weights, "the points", k[..., 0])
            blocks = weights[..., None, None] * blocks
        return BlockDiagonal(blocks)
