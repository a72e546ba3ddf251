"""Losses and models as functions of one real vector, for optimisers that know nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse.linalg

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import instance, real_values
from nufftlib.core.operator import Map
from nufftlib.core.shapes import broadcasts
from nufftlib.interop.scipy.vectors import Matrix, Packing, Slot, check_finite

Vector = np.ndarray[Any, np.dtype[np.float64]]


class Vectors:
    """Base of `Objective` and `Residuals`: parameters as one vector, and back."""

    packing: Packing

    @property
    def x0(self) -> Vector:
        """The vector of the start."""
        packing = self.packing
        v: Vector = packing.pack(
            "x0", "the start", packing.params[""] if packing.single else packing.params
        )
        return v

    def unpack(self, v: Vector) -> Any:
        """Return new arrays of a vector, in the parameters' shapes, dtypes and libraries.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.

        Returns
        -------
        array or dict of str to array
            The parameters.
        """
        return self._unpacked("unpack", v)

    def bounds(self, lower: Any = None, upper: Any = None) -> scipy.optimize.Bounds:
        """Return bounds of the vector's entries.

        Parameters
        ----------
        lower, upper : float, array or mapping of str to these, optional
            Numbers, or arrays that broadcast to the parameter; of several parameters, by name.
            Without a name, or with None, there is no bound. Rounded to single precision where
            the parameter is.

        Returns
        -------
        scipy.optimize.Bounds
            With ``lb`` and ``ub``, which nlopt takes.

        Raises
        ------
        TypeError
            If a complex parameter is to be bounded, or a bound is no number.
        ValueError
            If a name is unknown, a shape does not fit or a bound is NaN.
        """
        call = f"{type(self).__name__}.bounds"
        return scipy.optimize.Bounds(
            side(call, "lower", self.packing, lower, -np.inf),
            side(call, "upper", self.packing, upper, np.inf),
        )

    def _unpacked(self, method: str, v: Vector) -> Any:
        return self.packing.unpack(f"{type(self).__name__}.{method}(v)", v)


@dataclass(frozen=True, eq=False, repr=False)
class Objective(Vectors):
    """A loss as a function of one real vector of double precision; made by `as_objective`.

    Parameters
    ----------
    value_and_grad : callable
        ``value_and_grad(params) -> (value, gradient)``.
    packing : Packing
        How the parameters are packed.

    Notes
    -----
    A complex number is two entries, its real and its imaginary part, and arrays follow each
    other in the order of the mapping of the start. `unpack` rounds to single
    precision where the parameter has it; the gradient is then of single precision as well, and
    tolerances below 1e-6 are not met.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.scipy import as_objective
    >>> objective = as_objective(nl.HalfSquaredError(np.zeros(1, complex)), np.asarray([3 + 4j]))
    >>> objective.x0, objective.fun(objective.x0)
    (array([3., 4.]), (12.5, array([3., 4.])))
    >>> objective.unpack(np.asarray([1.0, -2.0]))
    array([1.-2.j])
    """

    value_and_grad: Callable[[Any], tuple[Any, Any]]
    packing: Packing

    def fun(self, v: Vector) -> tuple[float, Vector]:
        """Return loss and gradient at a vector, as ``minimize(..., jac=True)`` takes them.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.

        Returns
        -------
        value : float
            The loss.
        gradient : numpy.ndarray, shape (n,)
            Its gradient.

        Raises
        ------
        FloatingPointError
            If one of them is NaN or infinite.
        ValueError
            If the loss is no scalar, or the gradient not like the parameters.
        """
        call = "Objective.fun(v)"
        result = self.value_and_grad(self._unpacked("fun", v))
        if not isinstance(result, tuple) or len(result) != 2:
            msg = f"{call}: the loss returned a {type(result).__name__}; want (value, gradient)"
            raise TypeError(msg)
        value, gradient = result
        if getattr(value, "ndim", 0) != 0:
            msg = f"{call}: the loss has the shape {tuple(value.shape)}; want one number"
            raise ValueError(msg)
        value = float(value)
        g = self.packing.pack(call, "the gradient", gradient)
        check_finite(FloatingPointError, call, "the loss", value)
        check_finite(FloatingPointError, call, "the gradient", g)
        return value, g

    def nlopt(self, v: Vector, grad: Vector) -> float:
        """Return the loss and write its gradient in place, as nlopt's callbacks do.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.
        grad : numpy.ndarray, shape (n,) or (0,)
            Where the gradient goes; nothing is written where the size is 0.

        Returns
        -------
        float
            The loss.
        """
        instance("Objective.nlopt", "grad", grad, np.ndarray, "a NumPy array")
        value, gradient = self.fun(v)
        if grad.size:
            grad[:] = gradient
        return value


@dataclass(frozen=True, eq=False, repr=False)
class Residuals(Vectors):
    """The residuals of a model, its value minus the data, as a real vector; see `as_residuals`.

    Parameters
    ----------
    model : Map
        From the parameters to the data.
    data : array
        The values to be matched.
    packing : Packing
        How the parameters are packed.

    Notes
    -----
    A complex residual is two entries, its real and its imaginary part, so that
    ``0.5 * sum(fun(v)**2)`` is the half squared error. Complex parameters are split alike.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.scipy import as_residuals
    >>> r = as_residuals(nl.Diagonal(np.asarray([2j])), np.asarray([1 + 0j]), np.asarray([1j]))
    >>> r.fun(r.x0), r.dense_jac(r.x0)
    (array([0., 1.]), array([[ 0., -2.],
           [ 2.,  0.]]))
    """

    model: Map
    data: Array
    packing: Packing

    def fun(self, v: Vector) -> Vector:
        """Return the residuals ``model(params) - data`` at a vector.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.

        Returns
        -------
        numpy.ndarray, shape (m,)
            The residuals.

        Raises
        ------
        FloatingPointError
            If some are NaN or infinite.
        """
        call = "Residuals.fun(v)"
        value = self.model(self._unpacked("fun", v))
        residual: Vector = self._slot.vector(value - self.data)
        check_finite(FloatingPointError, call, "the residual", residual)
        return residual

    def jac(self, v: Vector) -> Any:
        """Return the Jacobian at a vector as an operator, for ``tr_solver="lsmr"``.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.

        Returns
        -------
        scipy.sparse.linalg.LinearOperator
            Of shape (m, n).
        """
        _, J = self.model.linearize(self._unpacked("jac", v))
        (domain,) = self.packing.slots.values()
        return Matrix(J, domain, self._slot).wrapped(scipy.sparse.linalg.LinearOperator, float)

    def dense_jac(self, v: Vector) -> Vector:
        """Return the Jacobian at a vector as an array, for ``method="lm"``.

        Parameters
        ----------
        v : numpy.ndarray, shape (n,)
            The vector.

        Returns
        -------
        numpy.ndarray, shape (m, n)
            One directional derivative for each column.
        """
        jacobian: Vector = self.jac(v) @ np.eye(self.packing.size)
        return jacobian

    @cached_property
    def _slot(self) -> Slot:
        return Slot.of(self.data, split=True, host=True)


def side(call: str, label: str, packing: Packing, given: Any, free: float) -> Vector:
    """Return one side's bounds as a vector, `free` where none is given."""
    caller = f"{call}({label})"
    named = given if isinstance(given, Mapping) else dict.fromkeys(packing.params, given)
    if not named.keys() <= packing.params.keys():
        msg = f"{caller}: the names are {sorted(named)}; want some of {sorted(packing.params)}"
        raise ValueError(msg)
    parts = []
    for name, slot in packing.slots.items():
        bound = named.get(name)
        full = np.full(slot.size, free)
        if bound is not None:
            if slot.is_complex:
                msg = f"{caller}: the parameter is {slot.dtype}; want bounds of real ones alone"
                raise TypeError(msg)
            # In the parameter's precision, so that unpacked values stay within.
            values = real_values(call, label, bound).astype(slot.dtype)
            if not broadcasts(values.shape, slot.shape):
                msg = (
                    f"{caller}: a bound has the shape {values.shape}; want one that broadcasts to "
                    f"the parameter's, {slot.shape}"
                )
                raise ValueError(msg)
            full = np.broadcast_to(values, slot.shape).reshape(-1).astype(np.float64)
        if np.isnan(full).any():
            msg = f"{caller}: a bound is NaN; want numbers, or infinity for none"
            raise ValueError(msg)
        parts.append(full)
    return np.concatenate(parts)
