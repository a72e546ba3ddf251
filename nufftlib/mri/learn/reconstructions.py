"""How a trajectory's data become an image, with derivatives by all that goes in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.kinds import choice, integer, positive
from nufftlib.inverse.differential import Differential
from nufftlib.inverse.least_squares import LeastSquares
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.mri.sense import Sense
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
    def cotangents(self, z_bar: Array) -> Cotangents:
        r"""Return the gradients by trajectory, data, density weights and coil maps.

        Parameters
        ----------
        z_bar : array, shape (\*shape), complex
            Gradient by the image.

        Returns
        -------
        k_bar, y_bar, d_bar, S_bar : array or None
            Like the directions of `tangent`; None where the image does not depend on it.
        """


class Reconstruction(ABC):
    """A recipe that makes an image of data; frozen dataclasses of settings."""

    needs_density: ClassVar[bool]
    """Whether it takes density weights; else it is given None."""

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

    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        """Return ``S^H F^H (d y)`` and its derivative."""
        assert d is not None
        coil_images = F.adjoint(d * y)
        maps = Sense(S)
        return maps.adjoint(coil_images), LinearizedAdjoint(F, y, d, maps, coil_images)


@dataclass(frozen=True, eq=False)
class LinearizedAdjoint(Linearized):
    """The derivative of `AdjointReconstruction`, with ``c = F^H (d y)``."""

    F: NUFFT
    y: Array
    d: Array
    maps: Sense
    coil_images: Array

    # dz = dS^H c + S^H (dF^H (d y) + F^H (dd y + d dy))
    def tangent(
        self, dk: Array | None, dy: Array | None, dd: Array | None, dS: Array | None
    ) -> Array:
        """Return the change of the image."""
        change = namespace(self.y).zeros_like(self.coil_images)
        if dk is not None:
            change = change + self.F.derivative("trajectory", dk).adjoint(self.d * self.y)
        if dy is not None:
            change = change + self.F.adjoint(self.d * dy)
        if dd is not None:
            change = change + self.F.adjoint(dd * self.y)
        dz = self.maps.adjoint(change)
        return dz if dS is None else dz + Sense(dS).adjoint(self.coil_images)

    # v = S z_bar:  k_bar = B(v, d y), y_bar = d F v, d_bar = sum_c Re(conj(y_c) (F v)_c),
    # S_bar = conj(z_bar) c
    def cotangents(self, z_bar: Array) -> Cotangents:
        """Return the gradients by trajectory, data, density weights and coil maps."""
        xp, y = namespace(z_bar), self.y
        Fv, J = self.F.linearize(self.maps.apply(z_bar), wrt="trajectory")
        d_bar = xp.sum(xp.real(y) * xp.real(Fv) + xp.imag(y) * xp.imag(Fv), axis=0)
        S_bar = self.maps.vjp("maps", z_bar, self.coil_images)
        return J.adjoint(self.d * y), self.d * Fv, d_bar, S_bar


@dataclass(frozen=True)
class CGReconstruction(Reconstruction):
    r"""CG-SENSE, ``z = argmin 1/2 |F S z - y|^2 + lambda/2 |z|^2`` by conjugate gradients.

    The derivative is that of the minimiser, by `LeastSquares`.

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
    tolerance: float = 1e-5
    steps: int = 200

    needs_density: ClassVar[bool] = False

    def __post_init__(self) -> None:
        call = "CGReconstruction"
        settled = {
            "damping": positive(call, "damping", self.damping),
            "tolerance": positive(call, "tolerance", self.tolerance),
            "steps": integer(call, "steps", self.steps, least=1),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    def linearize(self, F: NUFFT, y: Array, d: Array | None, S: Array) -> tuple[Array, Linearized]:
        """Return the minimiser and its derivative."""
        damping = self.damping * math.prod(F.transform.samples) * F.transform.scale**2
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

    def cotangents(self, z_bar: Array) -> Cotangents:
        """Return the gradients by trajectory, data and coil maps."""
        found = self.solution.cotangents(z_bar, ("trajectory", None, "maps"))
        return found["trajectory"], found[None], None, found["maps"]


RECONSTRUCTIONS: dict[str, Callable[[], Reconstruction]] = {
    "adjoint": AdjointReconstruction,
    "cg": CGReconstruction,
}
"""The recipes by their names, with the settings that they have by default."""


def reconstruction_of(call: str, value: Any) -> Reconstruction:
    """Return a recipe by its name, or the one that is given."""
    if isinstance(value, Reconstruction):
        return value
    return RECONSTRUCTIONS[choice(call, "reconstruction", value, RECONSTRUCTIONS)]()
