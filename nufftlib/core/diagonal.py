"""Multiplication by weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, conj
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Kept


@dataclass(frozen=True, eq=False, repr=False)
class Diagonal(LinearOperator):
    """Multiplication by weights, ``(W x)[n] = w[n] x[n]``.

    Density compensation, a mask, a noise whitening, an image window.

    Parameters
    ----------
    weights : array, real or complex
        Broadcast against the last axes of the input, which it must not enlarge.

    Notes
    -----
    Parameter ``weights``: ``B(x, y) = conj(x) y``, summed over the axes along which
    the weights are shared; the real part when they are real.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> W = nl.Diagonal(np.asarray([1.0, 2.0]))
    >>> W(np.asarray([[1.0, 1.0], [3.0, 4.0]]))
    array([[1., 2.],
           [3., 8.]])
    """

    weights: Array = parameter(linear=True)

    @cached_property
    def shapes(self) -> Kept:
        """The input's shape, to which the weights broadcast."""
        return Kept(tuple(self.weights.shape))

    # (W x)[n] = w[n] x[n]
    def _apply(self, x: Array) -> Array:
        return self.weights * x

    # (W^H y)[n] = conj(w[n]) y[n]
    def _adjoint(self, y: Array) -> Array:
        return conj(self.weights) * y

    # B(x, y)[n] = conj(x[n]) y[n]
    def _form(self, name: str, x: Array, y: Array) -> Array:
        return conj(x) * y
