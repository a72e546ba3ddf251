"""The combinations themselves, of images and of data, linear in the basis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nufftlib.core.arrays import (
    Array,
    complex_dtype,
    conj,
    flatten_batch,
    is_complex,
    namespace,
)
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Exchanged, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(LinearOperator):
    """Frames of coefficient images, ``(M x)_t = sum_k Phi[t, k] x_k``."""

    basis: Array = parameter(linear=True)
    shape: Shape = ()

    @cached_property
    def shapes(self) -> Exchanged:
        """From coefficients to frames."""
        frames, count = self.basis.shape
        return Exchanged((count, *self.shape), (frames, *self.shape))

    # (M x)_t = sum_k Phi[t, k] x_k
    def _apply(self, x: Array) -> Array:
        return self._mixed(self.basis, x)

    # (M^H y)_k = sum_t conj(Phi[t, k]) y_t
    def _adjoint(self, y: Array) -> Array:
        return self._mixed(namespace(y).matrix_transpose(conj(self.basis)), y)

    # B(x, y)[t, k] = sum_n conj(x_(k, n)) y_(t, n)
    def _form(self, name: str, x: Array, y: Array) -> Array:
        x, y = alike(self._lines(x), self._lines(y))
        return namespace(x).matmul(y, namespace(x).matrix_transpose(conj(x)))

    def _mixed(self, matrix: Array, x: Array) -> Array:
        """Return the product along the axis in front of the image's."""
        matrix, lines = alike(matrix, self._lines(x))
        mixed: Any = namespace(x).matmul(matrix, lines)
        lead = x.shape[: x.ndim - len(self.shape) - 1]
        return namespace(x).reshape(mixed, (*lead, matrix.shape[0], *self.shape))

    def _lines(self, x: Array) -> Array:
        """Return images as lines."""
        lead = x.shape[: x.ndim - len(self.shape)]
        return namespace(x).reshape(x, (*lead, math.prod(self.shape)))


@dataclass(frozen=True, eq=False, repr=False)
class Contraction(LinearOperator):
    """Data of frames, ``(C z)_j = sum_k Phi[t_j, k] z_(k, j)``, with the frame of each sample.

    The frames are an axis of the data, which is counted from the last.
    """

    basis: Array = parameter(linear=True)
    samples: Shape = ()
    axis: int = -1

    @cached_property
    def shapes(self) -> Exchanged:
        """The axis in front of the data's ends."""
        return Exchanged((self.basis.shape[1], *self.samples), self.samples)

    @cached_property
    def weights(self) -> Array:
        """``Phi[t_j, k]``, the coefficients' axis in front of the data's."""
        return beside(self.basis, len(self.samples), self.axis)

    # (C z)_j = sum_k Phi[t_j, k] z_(k, j)
    def _apply(self, x: Array) -> Array:
        return namespace(x).sum(self.weights * x, axis=-len(self.samples) - 1)

    # (C^H y)_(k, j) = conj(Phi[t_j, k]) y_j
    def _adjoint(self, y: Array) -> Array:
        return conj(self.weights) * self._with_axis(y)

    # B(x, y)[t, k] = sum of conj(x_(k, j)) y_j over the samples j of the frame
    def _form(self, name: str, x: Array, y: Array) -> Array:
        xp, ndim = namespace(x), len(self.samples)
        products = flatten_batch(xp, conj(x) * self._with_axis(y), ndim + 1)
        others = (0, *(ndim + 2 + a for a in range(-ndim, 0) if a != self.axis))
        return xp.matrix_transpose(xp.sum(products, axis=others))

    def _with_axis(self, y: Array) -> Array:
        return namespace(y).expand_dims(y, axis=-len(self.samples) - 1)


def beside(basis: Array, ndim: int, axis: int) -> Array:
    """Return ``Phi[t, k]``, k along the first axis, and t along one of `ndim` behind it."""
    xp = namespace(basis)
    frames, count = basis.shape
    places = [1] * ndim
    places[axis] = frames
    return xp.reshape(xp.matrix_transpose(basis), (count, *places))


def alike(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both complex if one is: some libraries multiply no matrices of two dtypes."""
    xp = namespace(a)
    if is_complex(xp, a) == is_complex(xp, b):
        return a, b
    return xp.astype(a, complex_dtype(xp, a)), xp.astype(b, complex_dtype(xp, b))
