"""Multiplication by square blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, conj, namespace
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Kept


@dataclass(frozen=True, eq=False, repr=False)
class BlockDiagonal(LinearOperator):
    """Multiplication of vectors by a block each, ``(M x)[n, a] = sum_c m[n, a, c] x[n, c]``.

    The Hessian of a loss that is a sum over points, a noise whitening across coils.

    Parameters
    ----------
    blocks : array, shape (..., d, d), real or complex
        One block for each vector of the input, which has them along its last axis. The
        axes before the last two broadcast against the input's, which they must not enlarge.

    Notes
    -----
    Parameter ``blocks``: ``B(x, y)[n, a, c] = y[n, a] conj(x[n, c])``, summed over the axes
    along which a block is shared; the real part when the blocks are real.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> M = nl.BlockDiagonal(np.asarray([[[1.0, 2.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 3.0]]]))
    >>> M(np.asarray([[1.0, 1.0], [1.0, 2.0]]))
    array([[3., 1.],
           [3., 6.]])
    """

    blocks: Array = parameter(linear=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = tuple(self.blocks.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            msg = f"BlockDiagonal(blocks): blocks have the shape {shape}; want (..., d, d)"
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Kept:
        """The input's shape, to which all axes of the blocks but the last broadcast."""
        return Kept(tuple(self.blocks.shape[:-1]), exact=1)

    # (M x)[n, a] = sum_c m[n, a, c] x[n, c]
    def _apply(self, x: Array) -> Array:
        return namespace(x).sum(self.blocks * x[..., None, :], axis=-1)

    # (M^H y)[n, c] = sum_a conj(m[n, a, c]) y[n, a]
    def _adjoint(self, y: Array) -> Array:
        return namespace(y).sum(conj(self.blocks) * y[..., :, None], axis=-2)

    # B(x, y)[n, a, c] = y[n, a] conj(x[n, c])
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return y[..., :, None] * conj(x)[..., None, :]
