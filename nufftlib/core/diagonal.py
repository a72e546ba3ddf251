"""Multiplication by weights."""

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

    weights: Array

    def __post_init__(self) -> None:
        xp = common_namespace("Diagonal(weights)", weights=self.weights)
        if not is_floating(xp, self.weights):
            msg = (
                f"Diagonal(weights): weights have the dtype {self.weights.dtype}; "
                f"want real or complex floating point"
            )
            raise TypeError(msg)

    @property
    def parameters(self) -> Mapping[str, Array]:
        """``weights``."""
        return {"weights": self.weights}

    # (W x)[n] = w[n] x[n]
    def apply(self, x: Array) -> Array:
        """Return ``w x``."""
        self._check("Diagonal.apply(x)", "x", x)
        return self.weights * x

    # (W^H y)[n] = conj(w[n]) y[n]
    def adjoint(self, y: Array) -> Array:
        """Return ``conj(w) y``."""
        xp = self._check("Diagonal.adjoint(y)", "y", y)
        return conjugate(xp, self.weights) * y

    # dW[dw] x = dw x
    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the multiplication by ``dw``."""
        self._require(name)
        check_alike("Diagonal.derivative", "dtheta", dtheta, "weights", self.weights)
        return Constant(replace(self, weights=dtheta))

    # B(x, y) = sum over shared axes of conj(x) y
    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return ``conj(x) y``, summed to the shape of the weights."""
        self._require(name)
        caller = "Diagonal.vjp(name, x, y)"
        xp = self._check(caller, "x", x)
        self._check(caller, "y", y)
        if x.shape != y.shape:
            msg = f"{caller}: y has the shape {tuple(y.shape)}; want that of x, {tuple(x.shape)}"
            raise ValueError(msg)
        return project_like(xp, conjugate(xp, x) * y, self.weights)

    def _check(self, caller: str, label: str, x: Array) -> Namespace:
        xp = common_namespace(caller, **{label: x}, weights=self.weights)
        check_precision(xp, caller, **{label: x}, weights=self.weights)
        want = self.weights.shape
        lead = x.ndim - len(want)
        if lead < 0 or any(w not in (1, n) for w, n in zip(want, x.shape[lead:], strict=True)):
            msg = (
                f"{caller}: {label} has the shape {x.shape}; want last axes to which the "
                f"weights of shape {want} broadcast"
            )
            raise ValueError(msg)
        return xp
