"""Multiplication by square blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_precision,
    common_namespace,
    conjugate,
    is_floating,
    project_like,
)
from nufftlib.core.operator import Constant, LinearOperator


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

    blocks: Array

    def __post_init__(self) -> None:
        xp = common_namespace("BlockDiagonal(blocks)", blocks=self.blocks)
        if not is_floating(xp, self.blocks):
            msg = (
                f"BlockDiagonal(blocks): blocks have the dtype {self.blocks.dtype}; "
                f"want real or complex floating point"
            )
            raise TypeError(msg)
        shape = tuple(self.blocks.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            msg = f"BlockDiagonal(blocks): blocks have the shape {shape}; want (..., d, d)"
            raise ValueError(msg)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``blocks``."""
        return {"blocks": self.blocks}

    # (M x)[n, a] = sum_c m[n, a, c] x[n, c]
    def apply(self, x: Array) -> Array:
        """Return ``m x``."""
        xp = self._check("BlockDiagonal.apply(x)", "x", x)
        return xp.sum(self.blocks * x[..., None, :], axis=-1)

    # (M^H y)[n, c] = sum_a conj(m[n, a, c]) y[n, a]
    def adjoint(self, y: Array) -> Array:
        """Return ``m^H y``."""
        xp = self._check("BlockDiagonal.adjoint(y)", "y", y)
        return xp.sum(conjugate(xp, self.blocks) * y[..., :, None], axis=-2)

    # dM[dm] x = dm x
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the multiplication by ``dm``."""
        self._require(name)
        check_alike("BlockDiagonal.derivative", "dtheta", dtheta, "blocks", self.blocks)
        return Constant(replace(self, blocks=dtheta))

    # B(x, y)[n, a, c] = sum over shared axes of y[n, a] conj(x[n, c])
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return ``y conj(x)^T``, summed to the shape of the blocks."""
        self._require(name)
        caller = "BlockDiagonal.vjp(name, x, y)"
        xp = self._check(caller, "x", x)
        self._check(caller, "y", y)
        if x.shape != y.shape:
            msg = f"{caller}: y has the shape {tuple(y.shape)}; want that of x, {tuple(x.shape)}"
            raise ValueError(msg)
        return project_like(xp, y[..., :, None] * conjugate(xp, x)[..., None, :], self.blocks)

    def _check(self, caller: str, label: str, x: Array) -> Namespace:
        xp = common_namespace(caller, **{label: x}, blocks=self.blocks)
        check_precision(xp, caller, **{label: x}, blocks=self.blocks)
        have, want = tuple(x.shape), tuple(self.blocks.shape[:-1])
        lead = len(have) - len(want)
        if (
            lead < 0
            or have[-1] != want[-1]
            or any(b not in (1, n) for b, n in zip(want, have[lead:], strict=True))
        ):
            msg = (
                f"{caller}: {label} has the shape {have}; want last axes to which "
                f"{want} broadcasts, for blocks of shape {tuple(self.blocks.shape)}"
            )
            raise ValueError(msg)
        return xp
