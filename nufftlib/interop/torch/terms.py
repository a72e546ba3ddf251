"""Which derivative of an operator is meant, at which values of its parameters."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nufftlib.core.operator import LinearOperator
from nufftlib.interop.form import Latest, Term, as_it_is
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

    def __init__(self, A: LinearOperator, arrays: TorchArrays, names: tuple[str, ...]) -> None:
        self.arrays = arrays
        self.names = names
        # torch hands backward the tensors of forward.
        self.latest = Latest(A, as_it_is, operator.is_, arrays.array)


@dataclass(frozen=True, kw_only=True)
class PointTerm(Term):
    """A term at a point; its tensors are ``(c_1, ..., c_n, *thetas)``.

    Parameters
    ----------
    point : Point
        The operator.
    batch : int
        How many leading axes of the input number items that go through ``D`` one by one,
        by vmap.
    """

    point: Point
    batch: int = 0

    def of(self, tensors: Sequence[Tensor]) -> LinearOperator:
        """Return ``D``."""
        n, point = len(self.path), self.point
        A = point.latest.at(point.names, tensors[n:])
        return self.operator(A, map(point.arrays.array, tensors[:n]))
