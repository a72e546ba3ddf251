"""Quadratic functions, whose cost no longer depends on the data they were made from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

from nufftlib.core.arrays import (
    Array,
    Namespace,
    blank,
    check_floating,
    check_precision,
    common_namespace,
    is_complex,
    is_single,
)
from nufftlib.core.inner import inner
from nufftlib.core.kinds import finite
from nufftlib.core.losses import Functional
from nufftlib.core.operator import LinearOperator, Map, Scale


class Spectrum(NamedTuple):
    """The eigenvalues and eigenvectors of a quadratic function's matrix.

    Attributes
    ----------
    values : array, shape (..., size), real
        Eigenvalues, from the largest to the smallest.
    components : array, shape (..., size, *shape)
        Eigenvectors of norm one, each of the argument's shape.
    """

    values: Array
    components: Array


@dataclass(frozen=True, eq=False, repr=False)
class Quadratic(Map):
    r"""A quadratic function of real or complex arrays.

    .. math:: f(h) = \tfrac12 \langle h, G h \rangle - \langle b, h \rangle + c

    A half squared error of a model that is linear in ``h`` is one: evaluated by its matrix
    ``G``, it costs the same whatever the size of the data. Sums and multiples of quadratic
    functions are quadratic again: several experiments simply add up.

    Parameters
    ----------
    gram : array, shape (..., size, size), real or complex, double precision
        The matrix ``G``, Hermitian, which is not checked; one for each item of the leading
        axes, ``size`` the number of entries of the argument's last axes.
    rhs : array, shape (..., *shape), double precision
        The vector ``b``, of the argument's shape.
    constant : float
        The constant ``c``.

    Raises
    ------
    TypeError
        If the arrays are not of double precision.
    ValueError
        If their shapes do not fit.

    Notes
    -----
    Sums are in double precision, since rounding in single would hide all eigenvalues below
    1e-7 of the largest; value and gradient are of the argument's precision.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> f = nl.Quadratic(np.asarray([[2.0, 0.0], [0.0, 4.0]]), np.asarray([2.0, 4.0]), 3.0)
    >>> value, gradient = f.value_and_grad(np.asarray([1.0, 2.0]))
    >>> float(value), gradient
    (2.0, array([0., 4.]))
    >>> float((0.5 * f + f)(np.asarray([1.0, 1.0])))
    0.0
    """

    gram: Array
    rhs: Array
    constant: float

    def __post_init__(self) -> None:
        call = "Quadratic(gram, rhs)"
        xp = common_namespace(call, gram=self.gram, rhs=self.rhs)
        check_precision(xp, call, gram=self.gram, rhs=self.rhs)
        if is_single(xp, self.rhs) or is_complex(xp, self.gram) > is_complex(xp, self.rhs):
            msg = (
                f"{call}: gram is {self.gram.dtype} and rhs {self.rhs.dtype}; want double "
                f"precision, and a complex rhs with a complex gram"
            )
            raise TypeError(msg)
        object.__setattr__(self, "constant", finite("Quadratic", "constant", self.constant))
        lead, size = self.gram.shape[:-2], self.gram.shape[-1:]
        inner_shape = self.rhs.shape[len(lead) :]
        if (*lead, *size, *size) != (*self.rhs.shape[: len(lead)], *[math.prod(inner_shape)] * 2):
            msg = (
                f"{call}: the shapes are {tuple(self.gram.shape)} and {tuple(self.rhs.shape)}; "
                f"want (..., size, size) and (..., *shape), with size the entries of shape"
            )
            raise ValueError(msg)

    # f(h) = 1/2 <h, G h> - <b, h> + c, of gradient G h - b
    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the value at `x` and its Jacobian, the functional of its gradient."""
        xp = self._checked(x)
        h = xp.astype(x, self.rhs.dtype, copy=False)
        columns = xp.reshape(h, (*self.gram.shape[:-1], 1))
        Gh = xp.reshape(xp.matmul(self.gram, columns), h.shape)
        value = inner(h, 0.5 * Gh - self.rhs) + self.constant
        real = xp.float32 if is_single(xp, x) else xp.float64
        gradient = xp.astype(Gh - self.rhs, x.dtype, copy=False)
        return xp.astype(value, real, copy=False), Functional(gradient)

    def outline(self, x: Array) -> Array:
        """Like one real number."""
        self._checked(x)
        return blank(x, (), complex=False)

    def _checked(self, x: Array) -> Namespace:
        """Refuse an argument that is not like ``b``; return its namespace."""
        call = "Quadratic(h)"
        xp = common_namespace(call, h=x, rhs=self.rhs)
        check_floating(xp, call, "h", x)
        if x.shape != self.rhs.shape or is_complex(xp, x) != is_complex(xp, self.rhs):
            msg = (
                f"{call}: h has the shape {tuple(x.shape)} and dtype {x.dtype}; want the shape "
                f"{tuple(self.rhs.shape)}, {'complex' if is_complex(xp, self.rhs) else 'real'}"
            )
            raise ValueError(msg)
        return xp

    def spectrum(self) -> Spectrum:
        """Return eigenvalues and eigenvectors: how well the data determine the argument.

        Where the data have white noise of standard deviation ``s``, the component of the
        minimiser along an eigenvector of the eigenvalue ``v`` has the standard deviation
        ``s / sqrt(v)``, if ``f`` is a half squared error that has not been scaled.

        Returns
        -------
        Spectrum
            Its fields are `values` and `components`.
        """
        xp = common_namespace("Quadratic.spectrum", gram=self.gram)
        values, vectors = xp.linalg.eigh(self.gram)
        components = xp.flip(xp.matrix_transpose(vectors), axis=-2)
        lead = self.gram.ndim - 2
        shape = (*components.shape[: lead + 1], *self.rhs.shape[lead:])
        return Spectrum(xp.flip(values, axis=-1), xp.reshape(components, shape))

    def __add__(self, other: Map) -> Map:
        if not isinstance(other, Quadratic):
            return super().__add__(other)
        if other.gram.shape != self.gram.shape or other.rhs.shape != self.rhs.shape:
            msg = (
                f"f + g: the arguments have the shapes {tuple(self.rhs.shape)} and "
                f"{tuple(other.rhs.shape)}; want one shape"
            )
            raise ValueError(msg)
        return Quadratic(
            self.gram + other.gram, self.rhs + other.rhs, self.constant + other.constant
        )

    def __rmul__(self, scalar: complex) -> Map:
        if not isinstance(scalar, Real):
            return super().__rmul__(scalar)
        s = float(scalar)
        return Quadratic(s * self.gram, s * self.rhs, s * self.constant)

    def __mul__(self, scalar: complex) -> Map:
        return self.__rmul__(scalar)

    def __truediv__(self, scalar: complex) -> Map:
        return self.__rmul__(1 / Scale(scalar).scalar)
