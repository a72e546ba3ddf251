"""Maps that are differentiable by their argument and by their parameters, in one go.

A direction is a dict of changes by name, in which None is the argument, as in ``linearize(x,
wrt=None)``. So is a gradient. What a derivative by several of them shares is computed once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from nufftlib.core.arrays import Array, check_real, common_namespace, is_complex, namespace
from nufftlib.core.kinds import not_negative
from nufftlib.core.operator import LinearOperator, Map, Parametric, declared
from nufftlib.core.shapes import Fixed
from nufftlib.core.tree import Node, is_array

Direction = Mapping[str | None, Array]
Gradients = dict[str | None, Array]


class Differential(Node):
    """A value with its derivative, by an argument and by parameters."""

    @property
    @abstractmethod
    def value(self) -> Array:
        """The value."""

    @abstractmethod
    def tangent(self, direction: Direction) -> Array:
        """Return the change of the value along a direction that is not empty."""

    @abstractmethod
    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients of ``<z, value>`` by these names."""


class Differentiable(Parametric):
    """A map whose author writes its differential; Jacobians by everything follow."""

    @abstractmethod
    def differential(self, x: Array) -> Differential:
        """Return the value at a checked `x` with its derivative."""

    @abstractmethod
    def _checked(self, x: Array) -> None:
        """Refuse an argument of a wrong shape or dtype."""

    @final
    def linearize(self, x: Array, wrt: str | None = None) -> tuple[Array, LinearOperator]:
        """Return the value at `x` with its Jacobian, by `x` or by a parameter.

        Parameters
        ----------
        x : array
            The argument.
        wrt : str, optional
            A name in `parameters`; by default the Jacobian is by `x`.

        Returns
        -------
        value : array
            ``f(x)``.
        jacobian : LinearOperator
            Its ``tangent(dtheta, dx)`` and ``cotangents(z)`` take and give both at once.
        """
        if wrt is not None:
            self.require(wrt)
        self._checked(x)
        at = self.differential(x)
        theta = x if wrt is None else self._parameters[wrt]
        return at.value, DifferentialJacobian(at, wrt, theta, x)

    @final
    def as_map(self, name: str, x: Array) -> Map:
        """Return the map ``theta -> f(x)`` of one parameter at a fixed argument.

        Parameters
        ----------
        name : str
            A name in `parameters`.
        x : array
            The argument that stays fixed.

        Returns
        -------
        Map
            Its argument is the parameter.
        """
        self.require(name)
        self._checked(x)
        return MapOfParameter(self, name, x)


@dataclass(frozen=True, eq=False, repr=False)
class MapOfParameter(Map):
    """The map ``theta -> f(x; theta)`` at a fixed ``x``."""

    function: Differentiable
    name: str
    x: Array

    def linearize(self, theta: Array) -> tuple[Array, LinearOperator]:
        """Return the value and its Jacobian by ``theta``."""
        return self.at(theta).linearize(self.x, wrt=self.name)

    def __call__(self, theta: Array) -> Array:
        """Return the value."""
        return self.at(theta)(self.x)

    def outline(self, theta: Array) -> Array:
        """Like the value."""
        return self.at(theta).outline(self.x)

    def at(self, theta: Array) -> Differentiable:
        """Return the function at ``theta``."""
        same = theta is self.function.parameters[self.name]
        return self.function if same else self.function.replace(**{self.name: theta})


@dataclass(frozen=True, eq=False, repr=False)
class DifferentialJacobian(LinearOperator):
    """The Jacobian by one name; None is the argument."""

    differential: Differential
    name: str | None
    theta: Array
    x: Array

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}

    @cached_property
    def shapes(self) -> Fixed:
        """From the parameter's shape to that of the value."""
        return Fixed(tuple(self.theta.shape), tuple(self.differential.value.shape))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """As the value, and the parameter."""
        like = self.differential.value if label == "x" else self.theta
        return is_complex(namespace(self.theta), like)

    def _apply(self, x: Array) -> Array:
        return self.differential.tangent({self.name: x})

    def _adjoint(self, y: Array) -> Array:
        return self.differential.cotangents(y, (self.name,))[self.name]

    def tangent(self, dtheta: Array | None, dx: Array | None) -> Array:
        """Return the change of the value of a change of the parameter and of the argument.

        Parameters
        ----------
        dtheta : array or None
            Change of the parameter.
        dx : array or None
            Change of the argument.

        Returns
        -------
        array
            Of the shape of the value.
        """
        changes = {self.name: dtheta, None: dx}
        return self.differential.tangent({n: d for n, d in changes.items() if d is not None})

    def cotangents(self, z: Array) -> tuple[Array, Array]:
        """Return the gradients by the parameter and by the argument, from shared work.

        Parameters
        ----------
        z : array
            A cotangent, of the shape of the value.

        Returns
        -------
        by_parameter : array
            Of the parameter's shape and dtype.
        by_argument : array
            Of the argument's shape and dtype.
        """
        found = self.differential.cotangents(z, {self.name, None})
        return found[self.name], found[None]


def number_or_parameter(node: Any, name: str) -> None:
    """Settle a field that is a real parameter of zero dimensions, or a number of 0 or more."""
    call, value = type(node).__name__, getattr(node, name)
    if not is_array(value):
        object.__setattr__(node, name, not_negative(call, name, value))
        return
    caller = f"{call}({name})"
    xp = common_namespace(caller, **{name: value})
    check_real(xp, caller, name, value)
    # Arithmetic turns NumPy's arrays of zero dimensions into scalars.
    object.__setattr__(node, name, xp.asarray(value))
    if value.ndim:
        msg = f"{caller}: {name} has the shape {tuple(value.shape)}; want one number"
        raise ValueError(msg)


def owns(node: Parametric, name: str) -> bool:
    """Tell whether a parameter is a field of the node itself; it may be one of its parts, too."""
    return name in declared(type(node)) and is_array(getattr(node, name))


def gather(found: Gradients, more: Direction) -> None:
    """Add gradients to those that have been found."""
    for name, gradient in more.items():
        found[name] = found[name] + gradient if name in found else gradient


def changes(A: LinearOperator, x: Array, direction: Direction) -> list[Array]:
    """Return the changes of ``A x`` by those names of a direction that are parameters of ``A``."""
    own = [(n, d) for n, d in direction.items() if n is not None and n in A.parameters]
    return [A.jvp(name, x, d) for name, d in own]


def forms(A: LinearOperator, x: Array, z: Array, names: Collection[str | None]) -> Gradients:
    """Return the gradients of ``<z, A x>`` by those of the names that are parameters of ``A``."""
    own = [name for name in names if name is not None and name in A.parameters]
    return {name: A.vjp(name, x, z) for name in own}
