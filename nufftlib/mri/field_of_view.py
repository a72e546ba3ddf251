"""A shift of the field of view, as a phase in k-space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import (
    Array,
    check_precision,
    check_real,
    common_namespace,
    complex_dtype,
    conj,
    namespace,
    real_part,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import instance
from nufftlib.core.operator import Constant, LinearOperator, parameter
from nufftlib.core.shapes import Kept, broadcasts


@dataclass(frozen=True, eq=False, repr=False)
class FieldOfViewShift(LinearOperator):
    r"""The phase of samples by which the image is shifted.

    .. math:: (P y)_j = e^{-2\pi i\, k_j \cdot s}\, y_j .

    ``FieldOfViewShift(F, s) @ F`` is ``F`` of the image whose contents are moved by ``s`` voxels
    towards higher indices: :math:`F(k)\,x(\cdot - s)`, exactly, also between voxels.

    Parameters
    ----------
    operator : LinearOperator
        Whose `trajectory` the samples have: the `NUFFT` itself that stands behind it, so that both
        have one trajectory. Coils go behind them: ``P @ F @ Sense(maps)``.
    shift : array, shape (..., d), real
        Shift ``s`` in voxels along each axis of the image; ``metres / voxel size`` of one in
        metres. One for all samples is of the shape ``(d,)``. Several broadcast against the
        trajectory: ``(shots, 1, d)`` moves each shot of a trajectory ``(shots, samples, d)``.

    Raises
    ------
    TypeError
        If the shift is no real array of the trajectory's precision and library, or `operator` no
        LinearOperator.
    ValueError
        If the operator has no parameter `trajectory`, or the shift does not broadcast to it.

    Notes
    -----
    Data have the shape (\*batch, \*trajectory.shape[:-1]), and are complex.

    Parameter ``shift``: ``B(x, y)[..., a] = 2 pi k_a Im(conj(y) P x)``, summed over the samples
    that share it. Parameter ``trajectory``: ``B(x, y)[..., a] = 2 pi s_a Im(conj(y) P x)``,
    summed over the batch; the product adds that of ``F``.

    References
    ----------
    M. A. Bernstein, K. F. King and X. J. Zhou, "Handbook of MRI pulse sequences", Academic Press
    (2004), section 1.1 (the shift theorem).

    Examples
    --------
    A voxel, moved by one along the first axis:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(8, 16, dtype=np.float64), (8, 8), engine="direct")
    >>> A = nl.FieldOfViewShift(F, np.asarray([1.0, 0.0])) @ F
    >>> x, moved = np.zeros((2, 8, 8), complex)
    >>> x[3, 4] = moved[4, 4] = 1
    >>> bool(np.allclose(A(x), F(moved)))
    True
    >>> sorted(A.parameters)
    ['shift', 'trajectory']
    """

    operator: LinearOperator
    shift: Array = parameter()

    def __post_init__(self) -> None:
        super().__post_init__()
        call, F = "FieldOfViewShift", self.operator
        instance(call, "operator", F, LinearOperator, "a LinearOperator")
        F.require("trajectory")
        both = {"shift": self.shift, "trajectory": self.trajectory}
        xp = common_namespace(f"{call}(shift)", **both)
        check_real(xp, f"{call}(shift)", "shift", self.shift)
        check_precision(xp, f"{call}(shift)", **both)
        shape, points = tuple(self.shift.shape), tuple(self.trajectory.shape)
        if not shape or shape[-1] != points[-1] or not broadcasts(shape, points):
            msg = (
                f"{call}(shift): shift has the shape {shape}; want ({points[-1]},), or one that "
                f"broadcasts to the trajectory's, {points}"
            )
            raise ValueError(msg)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {"shift": self.shift, "trajectory": self.trajectory}  # of all of the operator's

    @property
    def trajectory(self) -> Array:
        """The trajectory of the operator."""
        return self.operator.parameters["trajectory"]

    @cached_property
    def shapes(self) -> Kept:
        """The samples' shape."""
        samples = tuple(self.trajectory.shape[:-1])
        return Kept(samples, exact=len(samples))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Always."""
        return True

    @cached_property
    def phase(self) -> Array:
        """``exp(-2 pi i k s)`` of each sample."""
        xp, cycles = namespace(self.shift), dot(self.trajectory, self.shift)
        return xp.exp(-2j * math.pi * xp.astype(cycles, complex_dtype(xp, cycles)))

    # (P x)_j = exp(-2 pi i k_j s) x_j
    def _apply(self, x: Array) -> Array:
        return self.phase * x

    # (P^H y)_j = exp(+2 pi i k_j s) y_j
    def _adjoint(self, y: Array) -> Array:
        return conj(self.phase) * y

    # dP[ds] x = -2 pi i (k ds) P x, and dP[dk] x = -2 pi i (dk s) P x
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        other = "trajectory" if name == "shift" else "shift"
        return -2j * math.pi * (Ramp(self, other, dtheta) @ self)

    # B(x, y) = Re(conj(-2 pi i P x) y) k by the shift = 2 pi Im(conj(y) P x) k, and s by the points
    def _form(self, name: str, x: Array, y: Array) -> Array:
        other = self.trajectory if name == "shift" else self.shift
        z = conj(y) * self._apply(x)
        return 2.0 * math.pi * namespace(z).imag(z)[..., None] * other


@dataclass(frozen=True, eq=False, repr=False)
class Ramp(LinearOperator):
    """Multiplication by ``k ds`` or ``s dk``: parameter `name` times a direction of the other."""

    phase: FieldOfViewShift
    name: str
    direction: Array

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {self.name: self.phase.parameters[self.name]}

    @property
    def shapes(self) -> Kept:
        """As the phase."""
        return self.phase.shapes

    # (R x)_j = (theta_j direction_j) x_j, real
    def _apply(self, x: Array) -> Array:
        return dot(self._parameters[self.name], self.direction) * x

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    # dR[dtheta] x = (dtheta_j direction_j) x_j
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return Constant(Diagonal(dot(dtheta, self.direction)))

    # B(x, y)_j = Re(conj(x_j) y_j) direction_j
    def _form(self, name: str, x: Array, y: Array) -> Array:
        z = conj(x) * y
        return real_part(namespace(z), z)[..., None] * self.direction


def dot(k: Array, s: Array) -> Array:
    """Return the sum over the last axis of ``k s``."""
    return namespace(k).sum(k * s, axis=-1)
