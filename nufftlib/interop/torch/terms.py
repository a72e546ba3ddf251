"""Which derivative of an operator is meant, and at which values of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from nufftlib.core.operator import LinearOperator
from nufftlib.interop.torch.arrays import TorchArrays


class Point:
    """An operator at the values of some of its parameters, made once for one forward pass.

    Parameters
    ----------
    operator : LinearOperator
        The operator at its own values.
    arrays : TorchArrays
        Its library.
    names : tuple of str
        The parameters that are given by tensors.
    """

    def __init__(
        self, operator: LinearOperator, arrays: TorchArrays, names: tuple[str, ...]
    ) -> None:
        self.operator = operator
        self.arrays = arrays
        self.names = names
        self._made: tuple[Sequence[Tensor], LinearOperator] = ((), operator)

    def at(self, thetas: Sequence[Tensor]) -> LinearOperator:
        """Return the operator at these values; torch hands backward the tensors of forward."""
        before, made = self._made
        if len(before) != len(thetas) or any(
            a is not b for a, b in zip(before, thetas, strict=True)
        ):
            values = dict(zip(self.names, map(self.arrays.array, thetas), strict=True))
            made = self.operator.replace(**values)
            self._made = thetas, made
        return made


@dataclass(frozen=True)
class Term:
    """Which ``D`` is meant; its tensors are ``(c_1, ..., c_n, *thetas)``.

    Parameters
    ----------
    point : Point
        The operator.
    path : tuple of str
        The parameters by which it has been differentiated, ``p_1, ..., p_n``.
    adjoint : bool
        Whether the adjoint of that is meant.
    batch : int
        How many leading axes of the input number items that go through ``D`` one by one,
        by vmap.
    """

    point: Point
    path: tuple[str, ...] = ()
    adjoint: bool = False
    batch: int = 0

    def operator(self, tensors: Sequence[Tensor]) -> LinearOperator:
        """Return ``D``."""
        n = len(self.path)
        D = self.point.at(tensors[n:])
        for name, c in zip(self.path, tensors[:n], strict=True):
            # A derivative has the parameters on which it still depends; by others it is zero.
            D = D.derivative(name, self.point.arrays.array(c)) if name in D.parameters else 0.0 * D
        return D.H if self.adjoint else D

    def along(self, name: str) -> Term:
        """Return the term of ``dD[c]``, whose tensors are ``(c, *tensors)``."""
        return replace(self, path=(name, *self.path))

    def without(self, i: int) -> Term:
        """Return the term that lacks the direction of number `i`."""
        return replace(self, path=self.path[:i] + self.path[i + 1 :])

    @property
    def H(self) -> Term:
        """The term of ``D^H``."""
        return replace(self, adjoint=not self.adjoint)
