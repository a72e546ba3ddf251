"""How a trajectory's data become an image, with derivatives by all that goes in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.inner import inner
from nufftlib.core.kinds import choice, positive
from nufftlib.inverse.differential import Differential
from nufftlib.inverse.least_squares import LeastSquares
from nufftlib.inverse.penalized import PenalizedLeastSquares
from nufftlib.inverse.penalties import Charbonnier
from nufftlib.inverse.solve import settle
from nufftlib.mri.coils.normalize import root_of_largest
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.mri.sense import Sense
from nufftlib.nufft.coils import CoilNUFFT
from nufftlib.nufft.operator import NUFFT

Cotangents = tuple[Array | None, Array | None, Array | None, Array | None]
"""Gradients by the trajectory, the data, the density weights and the coil maps."""


class Linearized(ABC):
    """The derivative of a reconstruction by trajectory, data, density weights and coil maps."""

    @abstractmethod
    def tangent(
        self, dk: Array | None, dy: Array | None, dd: Array | None, dS: Array | None
    ) -> Array:
        r"""Return the change of the image.

        Parameters
        ----------
        dk, dy, dd, dS : array or None
            Directions of the trajectory, of the data (coils, \*samples), of the density weights
            (\*samples) and of the coil maps (coils, \*shape); None stands for no change.

        Returns
        -------
        array, shape (\*shape), complex
            The directional derivative.
        """

    @abstractmethod
    def cotangents(self, z_bar: Array, *, maps: bool = True) -> Cotangents:
        r"""Return the gradients by trajectory, data, density weights and coil maps.

        Parameters
        ----------
        z_bar : array, shape (\*shape), complex
            Gradient by the image.
        maps : bool
            Whether that by the coil maps is asked for. A stack of coil images, it is not made
            otherwise.

        Returns
        -------
        k_bar, y_bar, d_bar, S_bar : array or None
            Like the directions of `tangent`; None where the image does not depend on it, and
            where it is not asked for.
        """


class Reconstruction(ABC):
    """A recipe that makes an image of data; frozen dataclasses of settings."""

    needs_density: ClassVar[bool]
    """Whether it takes density weights; else it is given None."""

    sums_coils: ClassVar[bool] = False
    """Whether maps of ones let the coils' data take part by their sum alone: an objective with such
    maps then gives it one coil. It is said of each `linearize` anew, and not inherited."""

    def __init_subclass__(cls) -> None:
        """Let a class with another `linearize` take all coils, unless it says otherwise."""
        super().__init_subclass__()
        if "linearize" in vars(cls) and "sums_coils" not in vars(cls):
            cls.sums_coils = False

    @abstractmethod
    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        r"""Return the image and its derivative.

        Parameters
        ----------
        F : NUFFT
            The operator at the trajectory.
        y : array, shape (coils, \*samples), complex
            Data.
        d : array, shape (\*samples), real, or None
            Density weights, if the recipe needs them.
        S : array, shape (coils, \*shape), complex
            Coil maps.

        Returns
        -------
        image : array, shape (\*shape), complex
            The reconstruction.
        derivative : Linearized
            Its derivative by all of them.
        """


@dataclass(frozen=True)
class AdjointReconstruction(Reconstruction):
    """The density-compensated adjoint, ``z = S^H F^H (d y)``."""

    needs_density: ClassVar[bool] = True
    sums_coils: ClassVar[bool] = True

    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        """Return ``S^H F^H (d y)`` and its derivative."""
        assert d is not None
        return CoilNUFFT(F, S).weighted_adjoint(y, d), LinearizedAdjoint(F, S, y, d)


@dataclass(frozen=True, eq=False)
class LinearizedAdjoint(Linearized):
    """The derivative of `AdjointReconstruction`, ``z = A^H (d y)`` with ``A = F S``."""

    F: NUFFT
    S: Array
    y: Array
    d: Array

    # dz = dS^H F^H (d y) + S^H (dF^H (d y) + F^H (dd y + d dy))
    def tangent(
        self, dk: Array | None, dy: Array | None, dd: Array | None, dS: Array | None
    ) -> Array:
        """Return the change of the image."""
        A, weighted = CoilNUFFT(self.F, self.S), self.d * self.y
        dz = namespace(self.y).zeros_like(self.S[0, ...])
        if dk is not None:
            dz = dz + A.derivative("trajectory", dk).adjoint(weighted)
        if dy is not None:
            dz = dz + A.adjoint(self.d * dy)
        if dd is not None:
            dz = dz + A.adjoint(dd * self.y)
        return dz if dS is None else dz + CoilNUFFT(self.F, dS).adjoint(weighted)

    # k_bar = d B(z_bar, y), y_bar = d A z_bar, d_bar = sum_c Re(conj(y_c) (A z_bar)_c),
    # S_bar = conj(z_bar) F^H (d y)
    def cotangents(self, z_bar: Array, *, maps: bool = True) -> Cotangents:
        """Return the gradients by trajectory, data, density weights and coil maps."""
        A = CoilNUFFT(self.F, self.S)
        k_bar, y_bar, d_bar = A.weighted_adjoint_vjp(z_bar, self.y, self.d)
        return k_bar, y_bar, d_bar, A.vjp("maps", z_bar, self.d * self.y) if maps else None


@dataclass(frozen=True)
class CGReconstruction(Reconstruction):
    r"""CG-SENSE, ``z = argmin 1/2 |F S z - y|^2 + lambda/2 |z|^2`` by conjugate gradients.

    The derivative is that of the minimiser, by `LeastSquares`, up to the tolerance: at the default
    the gradient of a loss has a relative error of some 1e-3.

    Parameters
    ----------
    damping : float
        ``lambda``, relative to the mean diagonal of ``F^H F``, which is the number of samples by
        that of the voxels if ``F`` is orthonormal, and does not depend on where the samples lie.
    tolerance, steps : float, int
        Where a solve ends, as of `LeastSquares`.

    Raises
    ------
    TypeError
        If a setting is of the wrong kind.
    ValueError
        If a setting is out of range.

    References
    ----------
    K. P. Pruessmann, M. Weiger, P. Börnert and P. Boesiger, "Advances in sensitivity encoding
    with arbitrary k-space trajectories", Magn. Reson. Med. 46 (2001) 638-651.
    """

    damping: float = 0.05
    tolerance: float = 1e-6
    steps: int = 200

    needs_density: ClassVar[bool] = False

    def __post_init__(self) -> None:
        call = "CGReconstruction"
        object.__setattr__(self, "damping", positive(call, "damping", self.damping))
        settle(call, self)

    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        """Return the minimiser and its derivative."""
        damping = self.damping * mean_diagonal(F)
        solver = LeastSquares(
            F @ Sense(S),
            damping,
            tolerance=self.tolerance,
            steps=self.steps,
            preconditioner=circulant_preconditioner(F, S, damping=damping),
        )
        solution = solver.differential(y, solver.apply(y), "trajectory")
        return solution.value, LinearizedSolution(solution)


@dataclass(frozen=True, eq=False)
class LinearizedSolution(Linearized):
    """The derivative of a minimiser: one solve each way, for all that goes in."""

    solution: Differential

    def tangent(
        self, dk: Array | None, dy: Array | None, dd: Array | None, dS: Array | None
    ) -> Array:
        """Return the change of the image."""
        changes = {"trajectory": dk, None: dy, "maps": dS}
        return self.solution.tangent({n: d for n, d in changes.items() if d is not None})

    def cotangents(self, z_bar: Array, *, maps: bool = True) -> Cotangents:
        """Return the gradients by trajectory, data and coil maps."""
        names = "trajectory", None, *(("maps",) if maps else ())
        found = self.solution.cotangents(z_bar, names)
        return found["trajectory"], found[None], None, found.get("maps")


@dataclass(frozen=True)
class TVReconstruction(Reconstruction):
    r"""SENSE with total variation, ``z = argmin 1/2 |F S z - y|^2 + lambda sum |D z|``.

    The lengths of the differences are rounded off at zero, to ``sqrt(|D z|^2 + delta^2)``, see
    `Charbonnier`. The derivative is that of the minimiser, by `PenalizedLeastSquares`.

    Parameters
    ----------
    scale : float
        ``lambda``, relative to the mean diagonal of ``F^H F``, as the damping of
        `CGReconstruction`, and to the root mean square of the image.
    delta : float
        Relative to the root mean square of the image.
    tolerance, steps : float, int
        Where the iteration ends, as of `PenalizedLeastSquares`.

    Raises
    ------
    TypeError
        If a setting is of the wrong kind.
    ValueError
        If a setting is out of range.

    Notes
    -----
    The root mean square is measured on the data, ``r^2 = sum d |y|^2 / N`` with the density
    weights ``d`` and ``N`` voxels, and takes part in the derivative. So the image is as bright as
    the data, whatever their unit and the norm of ``F``. Of a full sampling and maps of unit root
    sum of squares it is that of the image (Parseval); of the bundled brain it is 0.7 to 0.85 of
    that on 4 to 64 spokes, and 0.2 on a quarter as many random samples as voxels.

    The problem is ill-conditioned where the samples are dense in the centre: some hundred products
    with the Gram, several times those of `CGReconstruction`. With the default tolerance the
    gradient of a loss has an error of some per cent there, with a tenth of it one of some 1e-3.

    References
    ----------
    K. T. Block, M. Uecker and J. Frahm, "Undersampled radial MRI with multiple coils. Iterative
    image reconstruction using a total variation constraint", Magn. Reson. Med. 57 (2007)
    1086-1098.
    """

    scale: float = 0.01
    delta: float = 0.01
    tolerance: float = 1e-6
    steps: int = 1000

    needs_density: ClassVar[bool] = True

    def __post_init__(self) -> None:
        call = "TVReconstruction"
        object.__setattr__(self, "scale", positive(call, "scale", self.scale))
        object.__setattr__(self, "delta", positive(call, "delta", self.delta))
        settle(call, self)

    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        """Return the minimiser and its derivative."""
        assert d is not None
        r = root_mean_square(F, y, d)
        D = FiniteDifferences(F.shape)
        solver = PenalizedLeastSquares(
            F @ Sense(S),
            Charbonnier(self.scale * mean_diagonal(F), self.delta, D, axis=-len(F.shape) - 1),
            tolerance=self.tolerance,
            steps=self.steps,
        )
        v = y / r
        solution = solver.differential(v)
        linearized = LinearizedSolution(solution)
        return r * solution.value, LinearizedTV(math.prod(F.shape), v, d, r, linearized)


@dataclass(frozen=True, eq=False)
class LinearizedTV(Linearized):
    """The derivative of ``z = r f(y / r)``, with the root mean square ``r(y, d)``."""

    voxels: int
    v: Array
    d: Array
    r: Array
    scaled: LinearizedSolution

    # With v = y / r it is N r^2 = sum d |y|^2, N dr = sum (r / 2 dd |v|^2 + d Re(conj(v) dy)),
    # and dz = dr f(v) + r df along (dy - dr v) / r
    def tangent(
        self, dk: Array | None, dy: Array | None, dd: Array | None, dS: Array | None
    ) -> Array:
        """Return the change of the image."""
        xp, v, r = namespace(self.v), self.v, self.r
        dr, dv = xp.zeros_like(r), None
        if dd is not None:
            dr = dr + 0.5 * r * xp.sum(dd * squares(v)) / self.voxels
        if dy is not None:
            dr = dr + inner(self.d * v, dy) / self.voxels
        if dy is not None or dd is not None:
            dv = ((xp.zeros_like(v) if dy is None else dy) - dr * v) / r
        return dr * self.scaled.solution.value + r * self.scaled.tangent(dk, dv, None, dS)

    def cotangents(self, z_bar: Array, *, maps: bool = True) -> Cotangents:
        """Return the gradients by trajectory, data, density weights and coil maps."""
        # Over r, but for that by the weights.
        k_bar, v_bar, d_bar, S_bar = self.scaled.cotangents(z_bar, maps=maps)
        assert k_bar is not None
        assert v_bar is not None
        r, v = self.r, self.v
        r_bar = inner(z_bar, self.scaled.solution.value) - inner(v_bar, v)
        y_bar = v_bar + (r_bar / self.voxels) * (self.d * v)
        d_bar = (0.5 * r * r_bar / self.voxels) * squares(v)
        return r * k_bar, y_bar, d_bar, None if S_bar is None else r * S_bar


def mean_diagonal(F: NUFFT) -> float:
    """Return the mean diagonal of ``F^H F``, which no trajectory changes."""
    scale: float = F.transform.scale
    return math.prod(F.transform.samples) * scale**2


def root_mean_square(F: NUFFT, y: Array, d: Array) -> Array:
    """Return that of the coil images, root sum of squares, by ``sum d |y|^2``; one of no data."""
    xp = namespace(y)
    root = root_of_largest(xp, y, None)  # no square leaves the range
    r = xp.sqrt(xp.sum(d * squares(y / root / root)) / math.prod(F.shape)) * root * root
    return xp.where(r > 0, r, xp.ones_like(r))


def squares(y: Array) -> Array:
    """Return ``sum_c |y_c|^2``."""
    xp = namespace(y)
    return xp.sum(xp.real(y) ** 2 + xp.imag(y) ** 2, axis=0)


RECONSTRUCTIONS: dict[str, Callable[[], Reconstruction]] = {
    "adjoint": AdjointReconstruction,
    "cg": CGReconstruction,
    "tv": TVReconstruction,
}
"""The recipes by their names, with the settings that they have by default."""


def reconstruction_of(call: str, value: Any) -> Reconstruction:
    """Return a recipe by its name, or the one that is given."""
    if isinstance(value, Reconstruction):
        return value
    return RECONSTRUCTIONS[choice(call, "reconstruction", value, RECONSTRUCTIONS)]()
