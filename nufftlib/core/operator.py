r"""Maps, linear operators, and how both compose.

A linear operator :math:`A(\theta)` is linear in its input and smooth in its
parameters. Its author declares its parameters and its shape rule, and writes formulas:

``_apply(x)``, ``_adjoint(y)``
    the operator and its adjoint;
``_form(name, x, y)``
    the form :math:`B(x, y) = \nabla_\theta \langle y, A(\theta) x \rangle`;
``_derivative(name, dtheta)``
    where the operator is not linear in a parameter, the operator
    :math:`x \mapsto \mathrm{d}A(\theta)[\mathrm{d}\theta]\, x`. It is linear like ``A``, so
    that its adjoint gives the derivative of ``A.H``. It keeps the parameters on which it still
    depends, so that its own derivatives are the second ones.

The public methods are final. They check their arguments, so that formulas need not, and bring
gradients to the parameter's shape and dtype. Everything else in this file follows by the product
rule. There is no tape: the derivative of a composition is a composition.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Number, Real
from types import MappingProxyType
from typing import Any, Self, final, overload

from array_api_compat import array_namespace, is_array_api_obj

from nufftlib.core.arrays import (
    ON_ONE_DEVICE,
    Array,
    blank,
    check_alike,
    check_floating,
    check_precision,
    common_namespace,
    is_complex,
    is_floating,
    namespace,
    project_like,
    summary,
)
from nufftlib.core.kinds import instance, shown
from nufftlib.core.notebook import card
from nufftlib.core.shapes import (
    Chained,
    Common,
    Fixed,
    Kept,
    MisfitError,
    Shape,
    Shapes,
    Swapped,
    meet,
    written,
)
from nufftlib.core.tree import Node, children, held_arrays, is_array, with_fields

NUMBERS = (bool, int, float, complex)
"""Python's numbers, of the shape (): the cotangent of a loss is 1.0."""


class Map(Node, ABC):
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
            f"{f.name}={summary(getattr(self, f.name))}" for f in dataclasses.fields(self) if f.repr
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        return card(self)

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

    def outline(self, x: Array) -> Array:
        """Return an array of the shape and dtype of ``f(x)``, without computing ``f(x)``.

        Parameters
        ----------
        x : array
            An argument, of which shape and dtype alone are read: it may be an outline itself.

        Returns
        -------
        array
            Zeros that share one number's memory. A map or operator that does not say is
            evaluated at `x`, and this is the value.
        """
        return self(x)

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

    def outline(self, x: Array) -> Array:
        """Like ``outer(inner(x))``."""
        return self.outer.outline(self.inner.outline(x))

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

    def outline(self, x: Array) -> Array:
        """Complex if one of the terms is."""
        return common("f + g", [self.first.outline(x), self.second.outline(x)])

    def linearize(self, x: Array) -> tuple[Array, LinearOperator]:
        """Add values and Jacobians."""
        u, first = self.first.linearize(x)
        v, second = self.second.linearize(x)
        return add("f + g", u, v), Constant(Sum((first, second)))


def parameter(*, linear: bool = False, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field of an operator as one of its differentiable parameters.

    Parameters
    ----------
    linear : bool
        Whether the operator is linear in it. The derivative then is the operator itself with
        the direction in the parameter's place, and need not be written.
    default : object, optional
        The field's default; a parameter that is None is left out.

    Returns
    -------
    dataclasses.Field
        To be assigned in the class body: ``weights: Array = parameter(linear=True)``.
    """
    return dataclasses.field(default=default, metadata={"linear": linear})


class Parametric(Map):
    """A map with differentiable parameters ``theta``, declared by `parameter`.

    Fields may be such maps as well: their parameters are its own.
    """

    def __post_init__(self) -> None:
        """Refuse parameters that are not floating point, or do not go together."""
        name = type(self).__name__
        own = {}
        for p in declared(type(self)):
            value = getattr(self, p)
            if value is None and getattr(type(self), p, 0) is None:  # None is its default
                continue
            own[p] = value
            xp = common_namespace(f"{name}({p})", **{p: value})
            check_floating(xp, f"{name}({p})", p, value)
        if len(own) > 1:
            call = f"{name}({', '.join(own)})"
            check_precision(common_namespace(call, **own), call, **own)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        """The declared parameters, and those of maps among the fields.

        A number in a parameter's place is a setting.
        """
        values = {name: getattr(self, name) for name in declared(type(self))}
        own = {name: value for name, value in values.items() if type(value) not in NUMBERS}
        inner = [part for _, part in children(self) if isinstance(part, Parametric)]
        return merge_parameters(type(self).__name__, own, *(part.parameters for part in inner))

    @final
    @property
    def parameters(self) -> Mapping[str, Array]:
        """The differentiable parameters by name."""
        return MappingProxyType(self._parameters)

    def _repr_html_(self) -> str:
        return card(self, self._parameters)

    @final
    def require(self, name: str) -> None:
        """Raise unless the operator has a parameter of this name.

        Parameters
        ----------
        name : str
            The name asked for.

        Raises
        ------
        ValueError
            If there is none; the error lists those that there are.
        """
        try:
            known = name in self._parameters
        except TypeError:  # it cannot be hashed
            known = False
        if not known:
            have = ", ".join(map(repr, self._parameters)) or "none"
            msg = f"{type(self).__name__} has no parameter {name!r}; it has {have}"
            raise ValueError(msg)

    @final
    def replace(self, /, **parameters: Array) -> Self:
        """Return a copy with other values of the named parameters.

        Parameters
        ----------
        **parameters : array
            New values by name.

        Returns
        -------
        Parametric
            The new operator; this one is unchanged.

        Raises
        ------
        ValueError
            If the operator has no parameter of that name.
        """
        for name in parameters:
            self.require(name)
        values = {name: as_array(value) for name, value in parameters.items()}
        new: Self = substitute(self, values, {})
        return new

    def inner_names(self, values: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return new parameter values by the names that they have in the operator's fields.

        Parameters
        ----------
        values : dict
            Values by the operator's own names.

        Returns
        -------
        dict
            The same values; `Renamed` has other names inside.
        """
        return values


class LinearOperator(Parametric):
    """A linear operator ``A(theta)`` with adjoint and derivatives by its parameters.

    Subclasses are frozen dataclasses: immutable, so that nothing cached can go stale. They
    declare parameters by `parameter` and a shape rule, and write ``_apply``, ``_adjoint`` and,
    where they have parameters, ``_form``. ``_derivative`` is for a parameter in which the
    operator is not linear. ``_as_map`` is for work that depends on the input alone, ``_linearize``
    for work that value and derivative share, ``joined_to`` for products that are one operator. The
    public methods are final.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.Sense(np.ones((3, 4))) @ nl.Diagonal(np.arange(4.0))
    >>> A(np.ones(4)).shape, A.N(np.ones(4)), sorted(A.parameters)
    ((3, 4), array([ 0.,  3., 12., 27.]), ['maps', 'weights'])
    """

    # --- the author's part -----------------------------------------------------------------

    @property
    def shapes(self) -> Shapes | None:
        """The shape rule, or None if it is not known; adapters then go item by item."""
        return None

    @abstractmethod
    def _apply(self, x: Array) -> Array:
        """Return ``A(theta) x`` of a checked `x`."""

    @abstractmethod
    def _adjoint(self, y: Array) -> Array:
        """Return ``A(theta)^H y`` of a checked `y`."""

    def _form(self, name: str, x: Array, y: Array) -> Array:
        """Return ``B(x, y)``; it is brought to the parameter's shape and dtype."""
        msg = f"{type(self).__name__} has no derivative by {name!r}"
        raise NotImplementedError(msg)

    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        """Return ``dA[dtheta]``; of a linear parameter the operator at the direction."""
        if declared(type(self)).get(name):
            along = with_fields(self, lambda n, value: dtheta if n == name else value)
            return Constant(along, (name,))
        msg = f"{type(self).__name__} has no derivative by {name!r}"
        raise NotImplementedError(msg)

    def _as_map(self, name: str, x: Array) -> Map:
        """Return ``theta -> A(theta) x``."""
        return ParameterMap(self, name, x)

    def _linearize(self, name: str, x: Array) -> tuple[Array, LinearOperator]:
        """Return ``A(theta) x`` and its Jacobian by a parameter, for which nothing is kept."""
        return self._as_map(name, x).linearize(self._parameters[name])

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Tell whether ``A x`` is complex (`label` "x"), or ``A^H y`` (`label` "y")."""
        return any(is_complex(namespace(a), a) for a in (x, *held_arrays(self)))

    def _check_argument(self, call: str, label: str, x: Array) -> None:
        """Refuse an array that does not go with the parameters, or is not floating point."""
        # One parameter speaks for all: they have been compared when the operator was made.
        for name, theta in self._parameters.items():
            xp = common_namespace(call, **{label: x, name: theta})
            if x.dtype != theta.dtype:
                check_precision(xp, call, **{label: x, name: theta})
            return
        xp = ON_ONE_DEVICE.get(type(x))
        if xp is None or not is_floating(xp, x):
            check_floating(common_namespace(call, **{label: x}), call, label, x)

    # --- the library's part ----------------------------------------------------------------

    @final
    def __call__(self, x: Array) -> Array:
        """Return ``A(theta) x``."""
        return self.apply(x)

    @final
    def apply(self, x: Array) -> Array:
        """Return ``A(theta) x``; the same as calling the operator.

        Parameters
        ----------
        x : array
            An input.

        Returns
        -------
        array
            ``A(theta) x``.
        """
        self._check("apply(x)", "x", x)
        return self._apply(x)

    @final
    def adjoint(self, y: Array) -> Array:
        """Return ``A(theta)^H y``.

        Parameters
        ----------
        y : array
            A cotangent, of the shape of ``A(x)``.

        Returns
        -------
        array
            ``A(theta)^H y``.
        """
        self._check("adjoint(y)", "y", y)
        return self._adjoint(y)

    def outline(self, x: Array) -> Array:
        """Return an array of the shape and dtype of ``A x``, without computing ``A x``.

        Parameters
        ----------
        x : array
            An input; see `Map.outline`.

        Returns
        -------
        array
            Zeros that share one number's memory.

        Examples
        --------
        >>> import numpy as np
        >>> import nufftlib as nl
        >>> F = nl.NUFFT(np.zeros((200, 2)), (64, 64))
        >>> y = F.outline(np.zeros((8, 64, 64), dtype=complex))
        >>> y.shape, y.dtype.name
        ((8, 200), 'complex128')
        """
        shape = self._check("outline(x)", "x", x)
        return self._apply(x) if shape is None else self._outline("x", x, shape)

    def outline_adjoint(self, y: Array) -> Array:
        """Return an array of the shape and dtype of ``A^H y``; see `outline`.

        Parameters
        ----------
        y : array
            A cotangent.

        Returns
        -------
        array
            Zeros that share one number's memory.
        """
        shape = self._check("outline_adjoint(y)", "y", y)
        return self._adjoint(y) if shape is None else self._outline("y", y, shape)

    @final
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
        self.require(name)
        return self._vjp(name, x, y)

    @final
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
        self.require(name)
        call = f"{type(self).__name__}.derivative(name, dtheta)"
        check_alike(call, "dtheta", dtheta, name, self._parameters[name])
        return self._derivative(name, dtheta)

    @final
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
        self.require(name)
        self._check("as_map(name, x)", "x", x)
        return self._as_map(name, x)

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
        self.require(wrt)
        self._check("linearize(x, wrt)", "x", x)
        return self._linearize(wrt, x)

    def require_form(self, name: str) -> None:
        """Raise unless ``vjp`` by this parameter has been derived, without computing it.

        Parameters
        ----------
        name : str
            A name in `parameters`.

        Raises
        ------
        NotImplementedError
            If it has not.
        """
        self.require(name)
        if type(self)._form is LinearOperator._form:
            self._form(name, None, None)

    def joined_to(self, left: LinearOperator) -> LinearOperator | None:  # a hook
        """Return ``left @ self`` as one operator, where both at once are less work.

        ``@`` asks its right factor. It finds neighbours within products, too.

        Parameters
        ----------
        left : LinearOperator
            The neighbour on the left, no product.

        Returns
        -------
        LinearOperator or None
            The product; its parameters go by the names that they have in the factors. None,
            which is what an operator says that knows no neighbours, stands for ``left @ self``
            as it is.
        """
        return None

    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        self._check_pair("vjp(name, x, y)", x, y)
        return project_like(namespace(y), self._form(name, x, y), self._parameters[name])

    def _check_pair(self, method: str, x: Array, y: Array) -> None:
        """Refuse a misfit of `x`, of `y`, or of one with the other."""
        want = self._check(method, "x", x)
        self._check(method, "y", y)
        if want is not None and tuple(y.shape) != want:
            msg = (
                f"{type(self).__name__}.{method}: y has the shape {tuple(y.shape)}; want {want}, "
                f"as of A x for x of the shape {tuple(x.shape)}"
            )
            raise ValueError(msg)

    def _check(self, method: str, label: str, x: Array) -> Shape | None:
        """Refuse a misfit; return the shape at the other side where the rule knows it."""
        call = f"{type(self).__name__}.{method}"
        number = type(x) in NUMBERS
        if not number:
            self._check_argument(call, label, x)
        rule = self.shapes
        if rule is None:
            return None
        shape: Shape = () if number else tuple(x.shape)
        try:
            return rule.result(shape) if label == "x" else rule.argument(shape)
        except MisfitError as want:
            msg = f"{call}: {label} has the shape {shape}; want {want}"
            raise ValueError(msg) from None

    def _outline(self, label: str, x: Array, shape: Shape) -> Array:
        like = next(held_arrays(self), None) if type(x) in NUMBERS else x
        if like is None:
            return x  # a number, scaled by a number
        return blank(like, shape, complex=self._gives_complex(label, like))

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
            self.require(name)
        for name, other in names.items():
            instance(f"{type(self).__name__}.rename", name, other, str, "a name")
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
        return joined(self, other) or Compose(self, other)

    @overload
    def __add__(self, other: LinearOperator) -> LinearOperator: ...
    @overload
    def __add__(self, other: Map) -> Map: ...
    @final
    def __add__(self, other: Map) -> Map:
        if not isinstance(other, LinearOperator):
            return super().__add__(other)
        return Sum((*summands(self), *summands(other)))

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
        operator = self.at(theta)
        return operator.apply(self.x), ParameterJacobian(operator, self.name, self.x)

    def outline(self, theta: Array) -> Array:
        """Like ``A(theta) x``."""
        return self.at(theta).outline(self.x)

    def at(self, theta: Array) -> LinearOperator:
        """Return the operator at ``theta``."""
        same = theta is self.operator.parameters[self.name]
        return self.operator if same else self.operator.replace(**{self.name: theta})


class Composite(LinearOperator):
    """An operator made of others, which check whatever reaches them."""

    def __post_init__(self) -> None:
        """Take factors as they are: each has been checked when it was made."""

    def _check(self, method: str, label: str, x: Array) -> Shape | None:
        return None

    def require_form(self, name: str) -> None:
        """Raise unless those operators have it that have the parameter."""
        self.require(name)
        (inside,) = self.inner_names({name: self._parameters[name]})
        for _, part in children(self):
            if isinstance(part, LinearOperator) and inside in part.parameters:
                part.require_form(inside)

    @abstractmethod
    def outline(self, x: Array) -> Array:
        """Return an array of the shape and dtype of ``A x``."""

    @abstractmethod
    def outline_adjoint(self, y: Array) -> Array:
        """Return an array of the shape and dtype of ``A^H y``."""

    @abstractmethod
    def _vjp(self, name: str, x: Array, y: Array) -> Array: ...


class Delegated(Composite):
    """An operator that maps as another one does, and differs in its parameters."""

    operator: LinearOperator

    @property
    def shapes(self) -> Shapes | None:
        """The operator's rule."""
        return self.operator.shapes

    # A x
    def _apply(self, x: Array) -> Array:
        return self.operator.apply(x)

    # A^H y
    def _adjoint(self, y: Array) -> Array:
        return self.operator.adjoint(y)

    def outline(self, x: Array) -> Array:
        """As the operator's."""
        return self.operator.outline(x)

    def outline_adjoint(self, y: Array) -> Array:
        """As the operator's."""
        return self.operator.outline_adjoint(y)


@dataclass(frozen=True, eq=False, repr=False)
class ParameterJacobian(Composite):
    """The Jacobian of ``theta -> A(theta) x`` at the operator's own ``theta``."""

    operator: LinearOperator
    name: str
    x: Array

    @cached_property
    def shapes(self) -> Shapes | None:
        """From the parameter's shape to that of ``A x``."""
        rule, theta = self.operator.shapes, self.operator.parameters[self.name]
        return rule and Fixed(tuple(theta.shape), rule.result(tuple(self.x.shape)))

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}

    def _apply(self, dtheta: Array) -> Array:
        return self.operator.jvp(self.name, self.x, dtheta)

    def _adjoint(self, y: Array) -> Array:
        return self.operator.vjp(self.name, self.x, y)

    def outline(self, x: Array) -> Array:
        """Like ``A x``."""
        return self.operator.derivative(self.name, x).outline(self.x)

    def outline_adjoint(self, y: Array) -> Array:
        """Like the parameter."""
        self.operator.outline_adjoint(y)  # refuses a y that is not like A x
        theta = self.operator.parameters[self.name]
        return blank(theta, tuple(theta.shape), complex=is_complex(namespace(theta), theta))

    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        return self._form(name, x, y)


@dataclass(frozen=True, eq=False, repr=False)
class Scale(LinearOperator):
    """The operator ``x -> c x`` of a number ``c``; made by ``c * A``."""

    scalar: complex

    def __post_init__(self) -> None:
        """Turn NumPy's numbers, which have a precision of their own, into Python's."""
        c: object = self.scalar
        if not isinstance(c, Number):
            msg = (
                f"c * operator: c is a {type(c).__name__}; want a number (an array of weights is "
                f"a Diagonal, and an operator is applied by calling it)"
            )
            raise TypeError(msg)
        number = float(self.scalar) if isinstance(c, Real) else complex(self.scalar)  # type: ignore[arg-type]  # just seen
        object.__setattr__(self, "scalar", number)

    @cached_property
    def shapes(self) -> Kept:
        """Any shape."""
        return Kept(())

    def _check(self, method: str, label: str, x: Array) -> Shape:
        """Take any shape, without asking the rule: a product takes little longer than that."""
        if type(x) in NUMBERS:
            return ()
        self._check_argument(f"{type(self).__name__}.{method}", label, x)
        return tuple(x.shape)

    # c x
    def _apply(self, x: Array) -> Array:
        return self.scalar * x

    # conj(c) y
    def _adjoint(self, y: Array) -> Array:
        return self.scalar.conjugate() * y

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Of a complex number, always."""
        return isinstance(self.scalar, complex) or super()._gives_complex(label, x)


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Delegated):
    """An operator whose parameters are held constant: all of them, or those named.

    Derivatives are built with it: the ``weights`` of ``dA[dw]`` are a direction, so they must
    not be offered as a parameter.
    """

    operator: LinearOperator
    names: tuple[str, ...] | None = None

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        if self.names is None:
            return {}
        return {n: value for n, value in self.operator.parameters.items() if n not in self.names}

    # dA, with the same held
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return Constant(self.operator.derivative(name, dtheta), self.names)

    # B(x, y) by a parameter that is not held
    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        return self.operator.vjp(name, x, y)


@dataclass(frozen=True, eq=False, repr=False)
class Adjoint(Composite):
    """``A^H``; made by ``A.H``.

    Its form is that of ``A`` with the arguments swapped, because
    ``<z, A^H y> = <y, A z>``.
    """

    operator: LinearOperator

    @property
    def H(self) -> LinearOperator:
        """``(A^H)^H = A``."""
        return self.operator

    @cached_property
    def shapes(self) -> Shapes | None:
        """The operator's rule, the other way round."""
        return self.operator.shapes and Swapped(self.operator.shapes)

    # A^H x
    def _apply(self, x: Array) -> Array:
        return self.operator.adjoint(x)

    # (A^H)^H y = A y
    def _adjoint(self, y: Array) -> Array:
        return self.operator.apply(y)

    def outline(self, x: Array) -> Array:
        """As that of the operator's adjoint."""
        return self.operator.outline_adjoint(x)

    def outline_adjoint(self, y: Array) -> Array:
        """As the operator's."""
        return self.operator.outline(y)

    # d(A^H) = (dA)^H
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return self.operator.derivative(name, dtheta).H

    # B_{A^H}(x, y) = B_A(y, x)
    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        return self.operator.vjp(name, y, x)


@dataclass(frozen=True, eq=False, repr=False)
class Compose(Composite):
    """``A C``, first ``C`` then ``A``; made by ``A @ C``.

    A parameter that both share (the same array under the same name, as in
    ``F.H @ W @ F``) is one parameter; its derivative is the sum of both terms of
    the product rule.
    """

    left: LinearOperator
    right: LinearOperator

    def __post_init__(self) -> None:
        """Refuse factors that cannot meet, and two parameters of one name."""
        outer, inner = self.left.shapes, self.right.shapes
        if outer and inner and not meet(inner.target, outer.source):
            msg = (
                f"A @ C: C, a {type(self.right).__name__}, returns last axes "
                f"{written(inner.target)}; want {written(outer.source)}, which A, a "
                f"{type(self.left).__name__}, takes"
            )
            raise ValueError(msg)
        self._parameters  # noqa: B018  # merges the names

    @cached_property
    def shapes(self) -> Shapes | None:
        """The two rules, one after the other."""
        outer, inner = self.left.shapes, self.right.shapes
        return Chained(outer, inner) if outer and inner else None

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return merge_parameters("A @ C", self.left.parameters, self.right.parameters)

    @property
    def N(self) -> LinearOperator:
        """``C^H (A^H A) C``, with the Gram that ``A`` has."""
        return self.right.H @ self.left.N @ self.right

    # A (C x)
    def _apply(self, x: Array) -> Array:
        return self.left.apply(self.right.apply(x))

    # C^H (A^H y)
    def _adjoint(self, y: Array) -> Array:
        return self.right.adjoint(self.left.adjoint(y))

    def outline(self, x: Array) -> Array:
        """Like ``A (C x)``."""
        return self.left.outline(self.right.outline(x))

    def outline_adjoint(self, y: Array) -> Array:
        """Like ``C^H (A^H y)``."""
        return self.right.outline_adjoint(self.left.outline_adjoint(y))

    # d(A C) = dA C + A dC
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        terms: list[LinearOperator] = []
        if name in self.left.parameters:
            terms.append(Compose(self.left.derivative(name, dtheta), self.right))
        if name in self.right.parameters:
            terms.append(Compose(self.left, self.right.derivative(name, dtheta)))
        return total(terms)

    # B(x, y) = B_A(C x, y) + B_C(x, A^H y)
    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        terms = []
        if name in self.left.parameters:
            terms.append(self.left.vjp(name, self.right.apply(x), y))
        if name in self.right.parameters:
            terms.append(self.right.vjp(name, x, self.left.adjoint(y)))
        return sum(terms[1:], start=terms[0])

    def _as_map(self, name: str, x: Array) -> Map:
        """Pass the fixed input on to the one factor that has the parameter."""
        if name not in self.left.parameters:
            return self.left @ self.right.as_map(name, x)
        if name not in self.right.parameters:
            return self.left.as_map(name, self.right.apply(x))
        return ParameterMap(self, name, x)

    def _linearize(self, name: str, x: Array) -> tuple[Array, LinearOperator]:
        """As `_as_map`, without what a map would keep."""
        if name not in self.left.parameters:
            u, jacobian = self.right.linearize(x, wrt=name)
            return self.left.apply(u), Constant(Compose(self.left, jacobian))
        if name not in self.right.parameters:
            return self.left.linearize(self.right.apply(x), wrt=name)
        return super()._linearize(name, x)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Composite):
    """``A_1 + ... + A_n``; made by ``A + C``. Shared parameters are as in `Compose`."""

    terms: tuple[LinearOperator, ...]

    def __post_init__(self) -> None:
        """Refuse terms that cannot be added, and two parameters of one name."""
        rules = [term.shapes for term in self.terms]
        for rule, term in zip(rules, self.terms, strict=True):
            first = rules[0]
            if (
                rule
                and first
                and not (meet(rule.source, first.source) and meet(rule.target, first.target))
            ):
                msg = (
                    f"A + C: C, a {type(term).__name__}, takes {written(rule.source)} to "
                    f"{written(rule.target)}; want {written(first.source)} to "
                    f"{written(first.target)}, as A, a {type(self.terms[0]).__name__}, does"
                )
                raise ValueError(msg)
        self._parameters  # noqa: B018  # merges the names

    @cached_property
    def shapes(self) -> Shapes | None:
        """The rule on which the terms agree."""
        rules = tuple(rule for term in self.terms if (rule := term.shapes))
        return Common(rules) if len(rules) == len(self.terms) else None

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return merge_parameters("A + C", *(term.parameters for term in self.terms))

    # sum_i A_i x
    def _apply(self, x: Array) -> Array:
        return added("A + C", [term.apply(x) for term in self.terms])

    # sum_i A_i^H y
    def _adjoint(self, y: Array) -> Array:
        return added("A^H + C^H", [term.adjoint(y) for term in self.terms])

    def outline(self, x: Array) -> Array:
        """Complex if one term is."""
        return common("A + C", [term.outline(x) for term in self.terms])

    def outline_adjoint(self, y: Array) -> Array:
        """Complex if the adjoint of one term is."""
        return common("A^H + C^H", [term.outline_adjoint(y) for term in self.terms])

    # d(sum_i A_i) = sum_i dA_i
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return total([term.derivative(name, dtheta) for term in self._having(name)])

    # B(x, y) = sum_i B_i(x, y)
    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        forms = [term.vjp(name, x, y) for term in self._having(name)]
        return sum(forms[1:], start=forms[0])

    def _having(self, name: str) -> Iterator[LinearOperator]:
        return (term for term in self.terms if name in term.parameters)


@dataclass(frozen=True, eq=False, repr=False)
class Renamed(Delegated):
    """An operator whose parameters go by other names; made by ``A.rename(old=new)``."""

    operator: LinearOperator
    names: tuple[tuple[str, str], ...]

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        new = dict(self.names)
        return {new.get(name, name): value for name, value in self.operator.parameters.items()}

    def _old(self, name: str) -> str:
        return {new: old for old, new in self.names}.get(name, name)

    def inner_names(self, values: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the values by the operator's old names."""
        return {self._old(name): value for name, value in values.items()}

    # dA by the old name, renamed as A is
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return Renamed(self.operator.derivative(self._old(name), dtheta), self.names)

    # B(x, y) by the old name
    def _vjp(self, name: str, x: Array, y: Array) -> Array:
        return self.operator.vjp(self._old(name), x, y)

    def _as_map(self, name: str, x: Array) -> Map:
        """Return the operator's own map, by the old name."""
        return self.operator.as_map(self._old(name), x)


@cache
def declared(kind: type) -> Mapping[str, bool]:
    """Return the fields that a class declares by `parameter`: whether it is linear in them."""
    if not dataclasses.is_dataclass(kind):
        return {}
    fields = dataclasses.fields(kind)
    return {f.name: f.metadata["linear"] for f in fields if "linear" in f.metadata}


def substitute(operator: Parametric, parameters: Mapping[str, Array], made: dict[Any, Any]) -> Any:
    """Return the operator with new values of those `parameters` that it has.

    An operator that stands in several places of a composition is remade once, and found in
    `made` by the others, so that its parameters stay shared.
    """
    have = operator.parameters
    values = {name: value for name, value in parameters.items() if name in have}
    if not values:
        return operator
    key = (id(operator), *((name, id(value)) for name, value in values.items()))
    if key not in made:
        inside, own = operator.inner_names(values), declared(type(operator))

        def change(name: str, value: Any) -> Any:
            if name in own:  # None and a number are settings, not the parameter of that name
                return inside.get(name, value) if is_array(value) else value
            if isinstance(value, Parametric):
                return substitute(value, inside, made)
            if isinstance(value, tuple) and any(isinstance(v, Parametric) for v in value):
                return tuple(substitute(v, inside, made) for v in value)
            return value

        made[key] = with_fields(operator, change)
        if made[key] is operator and any(have[name] is not v for name, v in values.items()):
            msg = (
                f"{type(operator).__name__} has the parameters {sorted(values)}, which no field "
                f"declares; want fields such as `{next(iter(values))}: Array = parameter()`"
            )
            raise TypeError(msg)
    return made[key]


def as_array(value: Any) -> Any:
    """Return NumPy's scalar, which its arithmetic makes of arrays of no dimensions, as such."""
    scalar = is_array_api_obj(value) and not is_array(value)
    return namespace(value).asarray(value) if scalar else value


def joined(left: LinearOperator, right: LinearOperator) -> LinearOperator | None:
    """Return the product with its neighbours joined, None if they do not know each other.

    In ``(A B) C`` and ``A (B C)`` neighbours are ``B`` and ``C``, and ``A`` and ``B``.
    """
    if isinstance(left, Compose):
        inner = joined(left.right, right)
        return inner and Compose(left.left, inner)
    if isinstance(right, Compose):
        outer = joined(left, right.left)
        return outer and Compose(outer, right.right)
    return right.joined_to(left)


def summands(operator: LinearOperator) -> tuple[LinearOperator, ...]:
    """Return the terms of a sum, and any other operator as the only term."""
    return operator.terms if isinstance(operator, Sum) else (operator,)


def total(terms: list[LinearOperator]) -> LinearOperator:
    """Return the sum of the terms."""
    return terms[0] if len(terms) == 1 else Sum(tuple(terms))


def added(expression: str, values: list[Array]) -> Array:
    """Return the sum of arrays of one shape."""
    result = values[0]
    for value in values[1:]:
        result = add(expression, result, value)
    return result


def add(expression: str, u: Array, v: Array) -> Array:
    """Return ``u + v`` of one shape: the adjoint of a sum that broadcasts is another one."""
    check_one_shape(expression, u, v)
    return u + v


def check_one_shape(expression: str, u: Array, v: Array) -> None:
    """Refuse terms of two shapes."""
    if u.shape != v.shape:
        msg = f"{expression}: the terms have the shapes {u.shape} and {v.shape}; want one shape"
        raise ValueError(msg)


def common(expression: str, outlines: list[Array]) -> Array:
    """Return the outline of a sum of terms with these."""
    for outline in outlines:
        check_one_shape(expression, outlines[0], outline)
    return next((o for o in outlines if is_complex(namespace(o), o)), outlines[0])


def map_operand(symbol: str, other: object) -> Map:
    """Return `other` if it is a map, or raise."""
    if not isinstance(other, Map):
        msg = (
            f"A {symbol} B: B is {shown(other)}; want another operator or map "
            f"(an operator is applied by calling it: F(x))"
        )
        raise TypeError(msg)
    return other


def merge_parameters(expression: str, *groups: Mapping[str, Array]) -> dict[str, Array]:
    """Return all parameters, and refuse two different ones of one name."""
    merged: dict[str, Any] = {}
    for group in groups:
        for name, value in group.items():
            if value is None:
                continue
            if name in merged and merged[name] is not value:
                msg = (
                    f"{expression}: both operators have a parameter {name!r} with different "
                    f"values; want one name per parameter: rename one, "
                    f"as in operator.rename({name}='other_{name}')"
                )
                raise ValueError(msg)
            merged[name] = value
    return merged
