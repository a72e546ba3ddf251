r"""Maps, linear operators, and how both compose.

A linear operator :math:`A(\theta)` is linear in its input and smooth in its
parameters. Its author writes, beside ``apply`` and ``adjoint``, two things for
each parameter:

``derivative(name, dtheta)``
    the operator :math:`x \mapsto \mathrm{d}A(\theta)[\mathrm{d}\theta]\, x`, linear
    like ``A`` itself, so that its adjoint gives the derivative of ``A.H``, and with the
    parameters on which it still depends, so that its derivatives are those of second order;
``vjp(name, x, y)``
    the form :math:`B(x, y) = \nabla_\theta \langle y, A(\theta) x \rangle`.

Everything else in this file follows from them by the product rule. There is no
tape: the derivative of a composition is a composition.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number, Real
from typing import Any, final, overload

import array_api_compat
from array_api_compat import array_namespace

from nufftlib.core.arrays import Array, is_complex, project_like, summary


class Map(ABC):
    """A differentiable map from arrays to arrays.

    The author writes ``linearize``; values, compositions ``f @ g``, sums
    ``f + g`` and multiples ``c * f`` come with it.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> f = nl.MeanSquaredError(np.ones(2)) @ nl.MeanNormalize() @ nl.Magnitude()
    >>> value, gradient = f.value_and_grad(np.asarray([1 + 0j, 3j]))
    >>> float(value), gradient
    (0.25, array([-0.375+0.j   ,  0.   +0.125j]))
    """

    __array_ufunc__ = None  # so that NumPy leaves `array * map` to us, who refuse it

    def __repr__(self) -> str:
        """Return the type and its fields, arrays by their shape and dtype."""
        if not dataclasses.is_dataclass(self):
            return f"{type(self).__name__}(...)"
        shown = (
            f"{f.name}={summary(getattr(self, f.name))}"
            for f in dataclasses.fields(self)
            if not f.name.startswith("_")
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    @abstractmethod
    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Return the value at `x` and the Jacobian there, as a linear operator.

        Parameters
        ----------
        x : array
            The point.

        Returns
        -------
        value : array
            ``f(x)``.
        jacobian : LinearOperator
            ``jacobian(dx)`` is the directional derivative, and
            ``jacobian.adjoint(y)`` the Jacobian-transpose at the cotangent ``y``.
        """

    def __call__(self, x: Array) -> Array:
        """Return ``f(x)``."""
        return self.linearize(x)[0]

    @final
    def value_and_grad(self, x: Array) -> tuple[Array, Array]:
        """Return value and gradient of a map to one real number.

        Parameters
        ----------
        x : array
            The point.

        Returns
        -------
        value : array
            ``f(x)``, of zero dimensions.
        gradient : array
            ``dL/dRe + i dL/dIm``, of the shape and dtype of `x`.
        """
        value, jacobian = self.linearize(x)
        if getattr(value, "ndim", 0) != 0:
            msg = (
                f"value_and_grad: the value has the shape {tuple(value.shape)}; want one number, "
                f"as of loss @ map"
            )
            raise ValueError(msg)
        # NumPy's scalars turn into Python's in products such as 1j * value.
        if isinstance(value, complex) or is_complex(array_namespace(x), value):
            msg = "value_and_grad: the value is complex; want one real number"
            raise TypeError(msg)
        return value, project_like(array_namespace(x), jacobian.adjoint(1.0), x)

    def __matmul__(self, other: Map) -> Map:
        return Chain(self, map_operand("@", other))

    def __add__(self, other: Map) -> Map:
        return MapSum(self, map_operand("+", other))

    def __rmul__(self, scalar: complex) -> Map:
        return Scale(scalar) @ self

    def __mul__(self, scalar: complex) -> Map:
        return Scale(scalar) @ self

    def __truediv__(self, scalar: complex) -> Map:
        return Scale(1 / Scale(scalar).scalar) @ self

    def __neg__(self) -> Map:
        return -1.0 * self

    def __sub__(self, other: Map) -> Map:
        return self + (-1.0) * other


@dataclass(frozen=True, eq=False, repr=False)
class Chain(Map):
    """The composition ``x -> outer(inner(x))``; made by ``outer @ inner``."""

    outer: Map
    inner: Map

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Chain rule: ``D(f o g)(x) = Df(g(x)) Dg(x)``."""
        u, inner = self.inner.linearize(x)
        value, outer = self.outer.linearize(u)
        return value, Constant(Compose(outer, inner))


@dataclass(frozen=True, eq=False, repr=False)
class MapSum(Map):
    """The sum ``x -> first(x) + second(x)``; made by ``first + second``."""

    first: Map
    second: Map

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Add values and Jacobians."""
        u, first = self.first.linearize(x)
        v, second = self.second.linearize(x)
        return add("f + g", u, v), Constant(Sum(first, second))


class LinearOperator(Map):
    """A linear operator ``A(theta)`` with adjoint and derivatives by its parameters.

    Subclasses are frozen dataclasses: immutable, so that nothing cached can go
    stale. They write ``apply``, ``adjoint`` and, where they have parameters,
    ``parameters``, ``derivative`` and ``vjp``. ``as_map`` may be written when part
    of the work depends on the input alone. The rest is derived and final.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.Sense(np.ones((3, 4))) @ nl.Diagonal(np.arange(4.0))
    >>> A(np.ones(4)).shape, A.N(np.ones(4)), sorted(A.parameters)
    ((3, 4), array([ 0.,  3., 12., 27.]), ['maps', 'weights'])
    """

    # --- what an author writes -------------------------------------------------

    @abstractmethod
    def apply(self, x: Array) -> Array:
        """Return ``A(theta) x``; the same as calling the operator."""

    @abstractmethod
    def adjoint(self, y: Array) -> Array:
        """Return ``A(theta)^H y``."""

    @property
    def parameters(self) -> Mapping[str, Array]:
        """The differentiable parameters by name."""
        return {}

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return the operator ``x -> dA(theta)[dtheta] x``.

        Parameters
        ----------
        name : str
            A name in `parameters`.
        dtheta : array
            A direction, of the parameter's shape.

        Returns
        -------
        LinearOperator
            Linear in its input like ``A``; its adjoint is the derivative of ``A.H``. Its
            parameters are those of ``A`` on which it still depends: not `name` itself where
            ``A`` is linear in it (see `Constant`).

        Raises
        ------
        NotImplementedError
            If this derivative has not been derived.
        """
        raise NotImplementedError(self._no_derivative(name))

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """Return ``B(x, y)``, the gradient by a parameter of ``Re<y, A(theta) x>``.

        Parameters
        ----------
        name : str
            A name in `parameters`.
        x : array
            An input.
        y : array
            A cotangent, of the shape of ``A(x)``.

        Returns
        -------
        array
            Of the parameter's shape and dtype; real for a real parameter.

        Raises
        ------
        NotImplementedError
            If this derivative has not been derived.
        """
        raise NotImplementedError(self._no_derivative(name))

    def as_map(self, name: str, x: Array) -> Map:
        """Return the map ``theta -> A(theta) x`` of one parameter at a fixed input.

        Work that depends on `x` alone is done once, here, and shared by all
        parameter values at which the map is evaluated.

        Parameters
        ----------
        name : str
            A name in `parameters`.
        x : array
            The input that stays fixed.

        Returns
        -------
        Map
            Its argument is the parameter.
        """
        self._require(name)
        return ParameterMap(self, name, x)

    # --- what follows ----------------------------------------------------------

    @final
    def __call__(self, x: Array) -> Array:
        """Return ``A(theta) x``."""
        return self.apply(x)

    @final
    def jvp(self, name: str, x: Array, dtheta: Array) -> Array:
        """Return the directional derivative ``dA(theta)[dtheta] x``.

        Parameters
        ----------
        name : str
            A name in `parameters`.
        x : array
            An input.
        dtheta : array
            A direction, of the parameter's shape.

        Returns
        -------
        array
            Of the shape of ``A(x)``.
        """
        return self.derivative(name, dtheta).apply(x)

    @final
    def linearize(self, x: Array, wrt: str | None = None) -> tuple[Array, LinearOperator]:
        """Return ``A(theta) x`` with its Jacobian, by `x` or by a parameter.

        Parameters
        ----------
        x : array
            The input.
        wrt : str, optional
            A name in `parameters`; by default the Jacobian is by `x`, and is the
            operator itself.

        Returns
        -------
        value : array
            ``A(theta) x``.
        jacobian : LinearOperator
            Value and derivative share their work where the operator can.
        """
        if wrt is None:
            return self.apply(x), self
        self._require(wrt)
        return self.as_map(wrt, x).linearize(self.parameters[wrt])

    @final
    def _require(self, name: str) -> None:
        if name not in self.parameters:
            known = ", ".join(repr(p) for p in self.parameters) or "none"
            msg = f"{type(self).__name__} has no parameter {name!r}; it has {known}"
            raise ValueError(msg)

    @final
    def _no_derivative(self, name: str) -> str:
        self._require(name)
        return f"{type(self).__name__} has no derivative by {name!r}"

    @final
    def replace(self, /, **parameters: Array) -> LinearOperator:
        """Return a copy with other values of the named parameters.

        Parameters
        ----------
        **parameters : array
            New values by name.

        Returns
        -------
        LinearOperator
            The new operator; this one is unchanged.

        Raises
        ------
        ValueError
            If the operator has no parameter of that name.
        """
        for name in parameters:
            self._require(name)
        return self._replaced(parameters, {})

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        """Replace those of `parameters` that are its own.

        An operator that stands in several places of a composition is remade once, and
        found in `made` by the others, so that its parameters stay shared.
        """
        own = {name: value for name, value in parameters.items() if name in self.parameters}
        if not own:
            return self
        key = (id(self), *((name, id(value)) for name, value in own.items()))
        if key not in made:
            made[key] = dataclasses.replace(self, **own)  # type: ignore[type-var]  # a dataclass
        remade: LinearOperator = made[key]
        return remade

    @final
    def rename(self, /, **names: str) -> LinearOperator:
        """Return the operator with other names for its parameters.

        Two operators whose parameters share a name compose once one is renamed.

        Parameters
        ----------
        **names : str
            New names by old ones.

        Returns
        -------
        LinearOperator
            The same operator under the new names.

        Examples
        --------
        >>> import numpy as np
        >>> import nufftlib as nl
        >>> gain = nl.Diagonal(np.asarray([2.0, 3.0])).rename(weights="gain")
        >>> sorted((gain @ nl.Diagonal(np.asarray([1.0, 4.0]))).parameters)
        ['gain', 'weights']
        """
        for name in names:
            self._require(name)
        new = [names.get(name, name) for name in self.parameters]
        if len(set(new)) < len(new):
            msg = f"rename: the parameters would be named {new}; want a name for each"
            raise ValueError(msg)
        return Renamed(self, tuple(names.items()))

    @property
    def H(self) -> LinearOperator:
        """The adjoint operator ``A^H``."""
        return Adjoint(self)

    @property
    def N(self) -> LinearOperator:
        """The Gram operator ``A^H A``."""
        return self.H @ self

    @overload
    def __matmul__(self, other: LinearOperator) -> LinearOperator: ...
    @overload
    def __matmul__(self, other: Map) -> Map: ...
    @final
    def __matmul__(self, other: Map) -> Map:
        if not isinstance(other, LinearOperator):
            return super().__matmul__(other)
        product = Compose(self, other)
        product.parameters  # noqa: B018  # two parameters of one name are refused here
        return product

    @overload
    def __add__(self, other: LinearOperator) -> LinearOperator: ...
    @overload
    def __add__(self, other: Map) -> Map: ...
    @final
    def __add__(self, other: Map) -> Map:
        if not isinstance(other, LinearOperator):
            return super().__add__(other)
        total = Sum(self, other)
        total.parameters  # noqa: B018  # as above
        return total

    def __rmul__(self, scalar: complex) -> LinearOperator:
        return Scale(scalar) @ self

    def __mul__(self, scalar: complex) -> LinearOperator:
        return Scale(scalar) @ self

    def __truediv__(self, scalar: complex) -> LinearOperator:
        return Scale(1 / Scale(scalar).scalar) @ self

    def __neg__(self) -> LinearOperator:
        return -1.0 * self

    @overload
    def __sub__(self, other: LinearOperator) -> LinearOperator: ...
    @overload
    def __sub__(self, other: Map) -> Map: ...
    @final
    def __sub__(self, other: Map) -> Map:
        return self + (-1.0) * other


@dataclass(frozen=True, eq=False, repr=False)
class ParameterMap(Map):
    """The map ``theta -> A(theta) x`` of an operator that caches nothing by ``x``."""

    operator: LinearOperator
    name: str
    x: Array

    def linearize(self, theta: Array) -> tuple[Array, LinearOperator]:
        """Return ``A(theta) x`` and its Jacobian by ``theta``."""
        operator = self.operator
        if theta is not operator.parameters[self.name]:
            operator = operator.replace(**{self.name: theta})
        return operator.apply(self.x), ParameterJacobian(operator, self.name, self.x)


@dataclass(frozen=True, eq=False, repr=False)
class ParameterJacobian(LinearOperator):
    """The Jacobian of ``theta -> A(theta) x`` at the operator's own ``theta``."""

    operator: LinearOperator
    name: str
    x: Array

    def apply(self, dtheta: Array) -> Array:
        """``dA(theta)[dtheta] x``."""
        return self.operator.jvp(self.name, self.x, dtheta)

    def adjoint(self, y: Array) -> Array:
        """``B(x, y)``."""
        return self.operator.vjp(self.name, self.x, y)


@dataclass(frozen=True, eq=False, repr=False)
class Scale(LinearOperator):
    """The operator ``x -> c x`` of a number ``c``; made by ``c * A``."""

    scalar: complex

    def __post_init__(self) -> None:
        c: object = self.scalar
        if not isinstance(c, Number):
            msg = (
                f"c * operator: c is a {type(c).__name__}; want a number (an array of weights is "
                f"a Diagonal, and an operator is applied by calling it)"
            )
            raise TypeError(msg)
        # A Python number takes the precision of the array that it meets; NumPy's has its own.
        number = float(self.scalar) if isinstance(c, Real) else complex(self.scalar)  # type: ignore[arg-type]  # just seen
        object.__setattr__(self, "scalar", number)

    def apply(self, x: Array) -> Array:
        """``c x``."""
        return self.scalar * x

    def adjoint(self, y: Array) -> Array:
        """``conj(c) y``."""
        return self.scalar.conjugate() * y


@dataclass(frozen=True, eq=False, repr=False)
class Constant(LinearOperator):
    """An operator whose parameters are held constant, all or those named: it has them no more.

    Derivatives are of this kind. Of their factors some are directions or points of
    linearisation, and no longer what their names say.
    """

    operator: LinearOperator
    names: tuple[str, ...] | None = None

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Those of the operator that are not held."""
        if self.names is None:
            return {}
        return {n: value for n, value in self.operator.parameters.items() if n not in self.names}

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        free = {n: value for n, value in parameters.items() if n in self.parameters}
        return Constant(self.operator._replaced(free, made), self.names) if free else self

    def apply(self, x: Array) -> Array:
        """``A x``."""
        return self.operator.apply(x)

    def adjoint(self, y: Array) -> Array:
        """``A^H y``."""
        return self.operator.adjoint(y)

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """``dA``, with the same held."""
        self._require(name)
        return Constant(self.operator.derivative(name, dtheta), self.names)

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """``B(x, y)`` by a parameter that is not held."""
        self._require(name)
        return self.operator.vjp(name, x, y)


@dataclass(frozen=True, eq=False, repr=False)
class Adjoint(LinearOperator):
    """``A^H``; made by ``A.H``.

    Its form is that of ``A`` with the arguments swapped, because
    ``<z, A^H y> = <y, A z>``.
    """

    operator: LinearOperator

    @property
    def H(self) -> LinearOperator:
        """``(A^H)^H = A``."""
        return self.operator

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Those of ``A``."""
        return self.operator.parameters

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        return self.operator._replaced(parameters, made).H

    def apply(self, x: Array) -> Array:
        """``A^H x``."""
        return self.operator.adjoint(x)

    def adjoint(self, y: Array) -> Array:
        """``A y``."""
        return self.operator.apply(y)

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """``d(A^H) = (dA)^H``."""
        return self.operator.derivative(name, dtheta).H

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """``B_{A^H}(x, y) = B_A(y, x)``."""
        return self.operator.vjp(name, y, x)


@dataclass(frozen=True, eq=False, repr=False)
class Compose(LinearOperator):
    """``A C``, first ``C`` then ``A``; made by ``A @ C``.

    A parameter that both share (the same array under the same name, as in
    ``F.H @ W @ F``) is one parameter; its derivative is the sum of both terms of
    the product rule.
    """

    left: LinearOperator
    right: LinearOperator

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Those of both factors."""
        return merge_parameters("A @ C", self.left, self.right)

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        return Compose(
            self.left._replaced(parameters, made), self.right._replaced(parameters, made)
        )

    @property
    def N(self) -> LinearOperator:
        """``C^H (A^H A) C``, with the Gram that ``A`` has."""
        return self.right.H @ self.left.N @ self.right

    def apply(self, x: Array) -> Array:
        """``A (C x)``."""
        return self.left.apply(self.right.apply(x))

    def adjoint(self, y: Array) -> Array:
        """``C^H (A^H y)``."""
        return self.right.adjoint(self.left.adjoint(y))

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """``d(A C) = dA C + A dC``."""
        self._require(name)
        terms: list[LinearOperator] = []
        if name in self.left.parameters:
            terms.append(Compose(self.left.derivative(name, dtheta), self.right))
        if name in self.right.parameters:
            terms.append(Compose(self.left, self.right.derivative(name, dtheta)))
        return terms[0] if len(terms) == 1 else Sum(*terms)

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """``B(x, y) = B_A(C x, y) + B_C(x, A^H y)``."""
        self._require(name)
        terms = []
        if name in self.left.parameters:
            terms.append(self.left.vjp(name, self.right.apply(x), y))
        if name in self.right.parameters:
            terms.append(self.right.vjp(name, x, self.left.adjoint(y)))
        return sum(terms[1:], start=terms[0])

    def as_map(self, name: str, x: Array) -> Map:
        """Pass the fixed input on to the one factor that has the parameter."""
        self._require(name)
        if name not in self.left.parameters:
            return self.left @ self.right.as_map(name, x)
        if name not in self.right.parameters:
            return self.left.as_map(name, self.right.apply(x))
        return ParameterMap(self, name, x)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(LinearOperator):
    """``A + C``; made by ``A + C``. Shared parameters are as in `Compose`."""

    left: LinearOperator
    right: LinearOperator

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Those of both terms."""
        return merge_parameters("A + C", self.left, self.right)

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        return Sum(self.left._replaced(parameters, made), self.right._replaced(parameters, made))

    def apply(self, x: Array) -> Array:
        """``A x + C x``."""
        return add("A + C", self.left.apply(x), self.right.apply(x))

    def adjoint(self, y: Array) -> Array:
        """``A^H y + C^H y``."""
        return add("A^H + C^H", self.left.adjoint(y), self.right.adjoint(y))

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """``d(A + C) = dA + dC``."""
        terms = [t.derivative(name, dtheta) for t in self._terms(name)]
        return terms[0] if len(terms) == 1 else Sum(*terms)

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """``B(x, y) = B_A(x, y) + B_C(x, y)``."""
        terms = [t.vjp(name, x, y) for t in self._terms(name)]
        return sum(terms[1:], start=terms[0])

    def _terms(self, name: str) -> list[LinearOperator]:
        self._require(name)
        return [t for t in (self.left, self.right) if name in t.parameters]


@dataclass(frozen=True, eq=False, repr=False)
class Renamed(LinearOperator):
    """An operator whose parameters go by other names; made by ``A.rename(old=new)``."""

    operator: LinearOperator
    names: tuple[tuple[str, str], ...]

    @property
    def parameters(self) -> Mapping[str, Array]:
        """Those of the operator, renamed."""
        new = dict(self.names)
        return {new.get(name, name): value for name, value in self.operator.parameters.items()}

    def _old(self, name: str) -> str:
        self._require(name)
        return {new: old for old, new in self.names}.get(name, name)

    def _replaced(self, parameters: Mapping[str, Array], made: dict[Any, Any]) -> LinearOperator:
        old = {self._old(n): value for n, value in parameters.items() if n in self.parameters}
        return Renamed(self.operator._replaced(old, made), self.names)

    def apply(self, x: Array) -> Array:
        """``A x``."""
        return self.operator.apply(x)

    def adjoint(self, y: Array) -> Array:
        """``A^H y``."""
        return self.operator.adjoint(y)

    def derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """``dA`` by the old name, renamed as ``A`` is."""
        return Renamed(self.operator.derivative(self._old(name), dtheta), self.names)

    def vjp(self, name: str, x: Array, y: Array) -> Array:
        """``B(x, y)`` by the old name."""
        return self.operator.vjp(self._old(name), x, y)

    def as_map(self, name: str, x: Array) -> Map:
        """The operator's own, by the old name."""
        return self.operator.as_map(self._old(name), x)


def held_arrays(thing: object) -> Iterator[Array]:
    """Yield the arrays that a map is made of, an operator's parameters first.

    NumPy's scalars are left out: they go with arrays of any library.
    """
    if isinstance(thing, Map):
        if isinstance(thing, LinearOperator):
            yield from thing.parameters.values()
        for value in vars(thing).values():
            yield from held_arrays(value)
    elif isinstance(thing, tuple | list):
        for value in thing:
            yield from held_arrays(value)
    elif hasattr(thing, "__dlpack__") and array_api_compat.is_array_api_obj(thing):
        yield thing


def add(expression: str, u: Array, v: Array) -> Array:
    """Return ``u + v`` of one shape: the adjoint of a sum that broadcasts is another one."""
    if u.shape != v.shape:
        msg = f"{expression}: the terms have the shapes {u.shape} and {v.shape}; want one shape"
        raise ValueError(msg)
    return u + v


def map_operand(symbol: str, other: object) -> Map:
    """Return `other` if it is a map, and else say what was meant."""
    if not isinstance(other, Map):
        msg = (
            f"operator {symbol} {type(other).__name__}: want another operator or map "
            f"(an operator is applied by calling it: F(x))"
        )
        raise TypeError(msg)
    return other


def merge_parameters(
    expression: str, left: LinearOperator, right: LinearOperator
) -> Mapping[str, Array]:
    """Return the parameters of both, and refuse two different ones of one name."""
    merged: dict[str, Any] = dict(left.parameters)
    for name, value in right.parameters.items():
        if name in merged and merged[name] is not value:
            msg = (
                f"{expression}: both operators have a parameter {name!r} with different values; "
                f"want one name per parameter: rename one, "
                f"as in operator.rename({name}='other_{name}')"
            )
            raise ValueError(msg)
        merged[name] = value
    return merged
