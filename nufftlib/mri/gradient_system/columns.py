"""The Jacobian of a trajectory by few parameters, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, check_alike, namespace
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Fixed


@dataclass(frozen=True, eq=False, repr=False)
class Columns(LinearOperator):
    """The map ``dp -> sum_i dp[i] columns[i]`` from parameters to a trajectory.

    Parameters
    ----------
    columns : array, shape (*parameters, *trajectory shape), real
        A change of the trajectory for each parameter.
    ndim : int
        Number of axes of the parameters.
    """

    columns: Array
    ndim: int

    @cached_property
    def shapes(self) -> Fixed:
        """From the parameters to the trajectory."""
        shape = tuple(self.columns.shape)
        return Fixed(shape[: self.ndim], shape[self.ndim :])

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        of_parameter = self.columns[(..., *[0] * (self.columns.ndim - self.ndim))]
        like = of_parameter if label == "x" else self.columns[(*[0] * self.ndim, ...)]
        check_alike(call, label, x, "the parameters" if label == "x" else "the trajectory", like)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Never."""
        return False

    # dk = sum_i dp_i c_i
    def _apply(self, x: Array) -> Array:
        xp, axes = namespace(x), tuple(range(self.ndim))
        return xp.tensordot(x, self.columns, axes=(axes, axes))

    # dp_i = <c_i, dk>
    def _adjoint(self, y: Array) -> Array:
        xp, ndim = namespace(y), self.ndim
        of_columns = tuple(range(ndim, self.columns.ndim))
        return xp.tensordot(self.columns, y, axes=(of_columns, tuple(range(y.ndim))))
