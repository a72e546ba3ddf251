"""Operators for pylops: composed with its own, solved by its solvers."""

from __future__ import annotations

from typing import Any

import scipy.sparse.linalg

from nufftlib.core.operator import LinearOperator
from nufftlib.interop.packages import missing
from nufftlib.interop.scipy.vectors import as_matrix

try:
    import pylops
except ModuleNotFoundError as error:
    raise missing("pylops") from error  # noqa: EM101  # it makes the message

__all__ = ["as_pylops"]


def as_pylops(op: LinearOperator, dims: tuple[int, ...], dtype: Any) -> Any:
    """Return an operator as pylops' `LinearOperator`.

    Parameters
    ----------
    op : LinearOperator
        An operator of NumPy or CuPy arrays.
    dims : tuple of int
        The shape of its input.
    dtype : dtype
        The dtype of its input: single or double precision, real or complex.

    Returns
    -------
    pylops.LinearOperator
        With ``dims`` and ``dimsd``, the shapes of input and output; its dtype is complex where
        one of them is.

    Raises
    ------
    TypeError
        If `op` is no linear operator or of another library's arrays, the dtype is another, or
        `dims` no tuple of integers.
    ValueError
        If one of them is not positive.

    Notes
    -----
    Where a real input has complex data, ``clinear`` is False, as pylops has it for such an
    operator of its own: the adjoint is ``Re(A^H y)``, and the dot test is that of real numbers
    (``complexflag=2``).

    Results of flat vectors are flat, as solvers want them; those of shaped ones are shaped, unless
    input or output has one axis, where pylops cannot tell the two apart: all are then flat.

    Vectors of another precision are cast to the operator's. The operator's shape rule tells
    the output's shape.

    Examples
    --------
    >>> import numpy as np
    >>> import pylops
    >>> import nufftlib as nl
    >>> from nufftlib.interop.pylops import as_pylops
    >>> blur = as_pylops(nl.Blur(np.ones((3, 3)) / 9), (16, 20), float)
    >>> blur.dims, blur.dimsd, pylops.utils.dottest(blur, rtol=1e-10)
    ((16, 20), (14, 18), np.True_)
    >>> (pylops.FirstDerivative((14, 18)) @ blur @ np.ones((16, 20))).shape
    (14, 18)
    """
    matrix = as_matrix("as_pylops", op, "dims", dims, dtype, split=False)
    dims = matrix.domain.shape
    # A vector of one axis is flat and shaped alike: pylops would shape results of flat vectors.
    flat = True if 1 in (len(dims), len(matrix.range.shape)) else None
    return pylops.LinearOperator(
        matrix.wrapped(scipy.sparse.linalg.LinearOperator, matrix.dtype),
        dims=dims,
        dimsd=matrix.range.shape,
        clinear=matrix.complex_linear,
        forceflat=flat,
    )
