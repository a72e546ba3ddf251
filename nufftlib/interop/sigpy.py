"""Operators for sigpy: composed with its own, solved by its apps."""

# mypy: allow-subclassing-any
# (sigpy is not typed)

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array
from nufftlib.core.operator import LinearOperator
from nufftlib.interop.packages import missing
from nufftlib.interop.scipy.vectors import Slot, as_matrix

try:
    import sigpy
except ModuleNotFoundError as error:
    raise missing("sigpy") from error  # noqa: EM101  # it makes the message

__all__ = ["as_linop"]


def as_linop(op: LinearOperator, ishape: tuple[int, ...], dtype: Any) -> Any:
    """Return an operator as sigpy's `Linop`.

    Parameters
    ----------
    op : LinearOperator
        An operator of NumPy or CuPy arrays.
    ishape : tuple of int
        The shape of its input.
    dtype : dtype
        The dtype of its input: single or double precision, real or complex.

    Returns
    -------
    sigpy.linop.Linop
        With ``ishape`` and ``oshape``, the shapes of input and output; ``H`` is the operator's
        adjoint, and ``N`` its Gram ``op.N``, of a NUFFT a convolution where that is quicker.

    Raises
    ------
    TypeError
        If `op` is no linear operator or of another library's arrays, the dtype is another, or
        `ishape` no tuple of integers; by the result, if a complex array meets a real operator.
    ValueError
        If one of them is not positive, or one of input and output is real and the other complex.

    Notes
    -----
    sigpy's apps give the image the data's dtype, so that real images with complex data have to be
    complex here. Arrays of another precision are cast to the operator's: sigpy's steps are NumPy
    numbers of double precision, which turn single arrays into double ones.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.sigpy import as_linop
    >>> F = nl.NUFFT(np.zeros((5, 2)), (16, 20))
    >>> A = as_linop(F, (16, 20), complex)
    >>> A.ishape, A.oshape, A.N.oshape
    ([16, 20], [5], [16, 20])
    """
    matrix = as_matrix("as_linop", op, "ishape", ishape, dtype, split=False)
    if not matrix.complex_linear:
        msg = (
            f"as_linop(dtype): dtype is {matrix.domain.dtype} and the output is "
            f"{matrix.range.dtype}; want both real or both complex"
        )
        raise ValueError(msg)
    return OperatorLinop(op, matrix.domain, matrix.range)


class OperatorLinop(sigpy.linop.Linop):
    """An operator between arrays of two shapes and dtypes; made by `as_linop`.

    Parameters
    ----------
    op : LinearOperator
        The operator.
    domain, range : Slot
        The shape and dtype of its input and of its output.
    """

    def __init__(self, op: LinearOperator, domain: Slot, range: Slot) -> None:
        self.op, self.domain, self.range = op, domain, range
        super().__init__(range.shape, domain.shape, repr_str=type(op).__name__)

    def _apply(self, input: Array) -> Array:
        if not np.can_cast(input.dtype, self.domain.dtype, "same_kind"):
            msg = f"{self}: the input is {input.dtype}; want {self.domain.dtype}, or its precision"
            raise TypeError(msg)
        return self.op(input.astype(self.domain.dtype, copy=False))

    def _adjoint_linop(self) -> OperatorLinop:
        return OperatorLinop(self.op.H, self.range, self.domain)

    def _normal_linop(self) -> OperatorLinop:
        return OperatorLinop(self.op.N, self.domain, self.domain)
