"""A batch of parameters with a batch of inputs: one operator for each frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from nufftlib.core.arrays import (
    Array,
    blank,
    check_floating,
    common_namespace,
    is_complex,
    namespace,
)
from nufftlib.core.framed import Framed, items_of, joined
from nufftlib.core.kinds import instance, out_of_range, wrong_kind
from nufftlib.core.operator import (
    Constant,
    LinearOperator,
    Map,
    ParameterMap,
    Parametric,
    parameter,
)
from nufftlib.core.shapes import Fixed


@dataclass(frozen=True, eq=False, repr=False)
class Stack(Parametric):
    """The values of a parameter in all frames, by its name in the operator of one frame."""

    name: str
    values: Array = parameter()

    def __post_init__(self) -> None:
        """Refuse values that are no floating-point array."""
        call = f"Paired({self.name})"
        xp = common_namespace(call, **{self.name: self.values})
        check_floating(xp, call, self.name, self.values)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {self.name: self.values}

    def inner_names(self, values: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the values by the name of the field."""
        return {"values": values[self.name]}

    def linearize(self, x: Array) -> NoReturn:
        """Refuse: it holds a parameter, and maps nothing."""
        raise NotImplementedError


class Frames(LinearOperator):
    """Operators of one rule, each applied to its own item along an axis in front of its input's."""

    @property
    @abstractmethod
    def frames(self) -> Sequence[LinearOperator]:
        """The operators, one for each frame."""

    @property
    @abstractmethod
    def stacked(self) -> frozenset[str]:
        """The names of parameters of which each frame has its own value."""

    @property
    @abstractmethod
    def shapes(self) -> Framed:
        """The rule of one frame, behind an axis of frames."""

    def _gives_complex(self, label: str, x: Array) -> bool:
        """As of one frame."""
        xp, back, A = namespace(x), label == "y", self.frames[0]
        n = self.shapes.core(tuple(x.shape), back=back)
        item = blank(x, tuple(x.shape[x.ndim - n :]), complex=is_complex(xp, x))
        return is_complex(xp, A.outline_adjoint(item) if back else A.outline(item))

    # (A x)_t = A_t x_t
    def _apply(self, x: Array) -> Array:
        rule = self.shapes
        items = [A.apply(part) for A, part in zip(self.frames, items_of(rule, x), strict=True)]
        return joined(rule, x, items)

    # (A^H y)_t = A_t^H y_t
    def _adjoint(self, y: Array) -> Array:
        rule = self.shapes
        parts = items_of(rule, y, back=True)
        items = [A.adjoint(part) for A, part in zip(self.frames, parts, strict=True)]
        return joined(rule, y, items, back=True)

    # B(x, y)_t = B_t(x_t, y_t), and their sum by what the frames share
    def _form(self, name: str, x: Array, y: Array) -> Array:
        rule = self.shapes
        parts = zip(self.frames, items_of(rule, x), items_of(rule, y, back=True), strict=True)
        forms = [A.vjp(name, u, v) for A, u, v in parts]
        if name in self.stacked:
            return namespace(x).stack(forms, axis=0)
        return sum(forms[1:], start=forms[0])


@dataclass(frozen=True, eq=False, repr=False)
class Paired(Frames):
    r"""One operator for each frame, :math:`(A x)_t = A(\theta_t)\, x_t`.

    A trajectory for each frame of a dynamic scan, a field map for each echo, a PSF for each
    time: whatever parameter of an operator has one value a frame.

    Parameters
    ----------
    operator : LinearOperator
        The operator ``A`` of one frame, at any values of its parameters.
    stacks : dict of array, shape (frames, \*parameter.shape)
        By the name of a parameter of `operator`, its values in all frames. The other parameters
        are shared by the frames.

    Raises
    ------
    TypeError
        If `operator` is no LinearOperator, `stacks` no dict, or a stack no array of the
        parameter's library and dtype.
    ValueError
        If nothing is stacked, the operator has no parameter of a name, a stack has another
        shape than frames of the parameter's, or two have different numbers of frames.

    Notes
    -----
    The axis of the frames comes right in front of the axes that `operator` takes, and right
    in front of those that it returns: (\*batch, frames, \*x.shape) to (\*batch, frames,
    \*y.shape). Coils go inside, ``Paired(NUFFT(k[0], shape) @ Sense(maps), {"trajectory": k})``:
    images (\*batch, frames, \*shape) become data (\*batch, frames, coils, \*samples).

    A stack is one parameter under the name that it has in `operator`; its form is
    ``B(x, y)_t = B_t(x_t, y_t)``. Of a parameter that is shared it is the sum over the frames.
    The Gram is that of each frame, by the method that it takes itself.

    Examples
    --------
    A golden-angle trajectory of 5 frames, each of 8 spokes:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(40, 64, tilt="golden").reshape(5, 8, 64, 2)
    >>> maps = nl.mri.birdcage_maps(4, (32, 32))
    >>> A = nl.Paired(nl.NUFFT(k[0], (32, 32)) @ nl.Sense(maps), {"trajectory": k})
    >>> y = A(np.ones((5, 32, 32), np.complex64))
    >>> y.shape, A.vjp("trajectory", np.ones((5, 32, 32), np.complex64), y).shape
    ((5, 4, 8, 64), (5, 8, 64, 2))
    """

    operator: LinearOperator
    stacks: Any

    def __post_init__(self) -> None:
        """Check the stacks, and make nodes of them in which they are found as parameters."""
        call = "Paired"
        if isinstance(self.stacks, dict):
            instance(call, "operator", self.operator, LinearOperator, "a LinearOperator")
            for name in self.stacks:
                self.operator.require(name)
            # The operator's own value is that of no frame, and no parameter.
            held = Constant(self.operator, tuple(self.stacks))
            object.__setattr__(self, "operator", held)
            stacks = tuple(Stack(name, values) for name, values in self.stacks.items())
            object.__setattr__(self, "stacks", stacks)
        wish = "a dict of arrays by the names of parameters, such as {'trajectory': k}"
        given = self.stacks
        if not (isinstance(given, tuple) and all(isinstance(stack, Stack) for stack in given)):
            raise wrong_kind(call, "stacks", given, wish)
        if not given:
            raise out_of_range(call, "stacks", {}, wish)
        if self.operator.shapes is None:
            msg = f"Paired(operator): the {type(self.one).__name__} has no shape rule; want one"
            raise ValueError(msg)
        for stack in self.stacks:
            check_stack(stack.name, stack.values, self.one.parameters[stack.name])
        counts = {stack.name: stack.values.shape[0] for stack in self.stacks}
        if len(set(counts.values())) > 1:
            raise out_of_range(call, "stacks", counts, "as many frames of each")

    @property
    def one(self) -> LinearOperator:
        """The operator of one frame, at values of none."""
        assert isinstance(self.operator, Constant)
        return self.operator.operator

    @cached_property
    def stacked(self) -> frozenset[str]:
        """The names of the stacks."""
        return frozenset(stack.name for stack in self.stacks)

    @cached_property
    def frames(self) -> tuple[LinearOperator, ...]:
        """The operators of the frames, made once."""
        return tuple(
            self.one.replace(**{stack.name: stack.values[t, ...] for stack in self.stacks})
            for t in range(self.shapes.frames)
        )

    @cached_property
    def shapes(self) -> Framed:
        """The rule of one frame, behind an axis of frames."""
        rule = self.operator.shapes
        assert rule is not None
        return Framed(rule, self.stacks[0].values.shape[0])

    @property
    def N(self) -> LinearOperator:
        """The Gram of each frame."""
        return Paired(self.one.N, {stack.name: stack.values for stack in self.stacks})

    # (dA[dtheta] x)_t = dA_t[dtheta_t] x_t
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return PairedDerivative(self, (name,), (dtheta,))

    def _as_map(self, name: str, x: Array) -> Map:
        """Let each frame keep its fixed input."""
        if name not in self.stacked:
            return ParameterMap(self, name, x)
        items = zip(self.frames, items_of(self.shapes, x), strict=True)
        return PairedMap(self, name, x, tuple(A.as_map(name, part) for A, part in items))


@dataclass(frozen=True, eq=False, repr=False)
class PairedDerivative(Frames):
    """The derivative of `Paired` along directions of the parameters with these names.

    It keeps those parameters on which the derivatives of the frames still depend.
    """

    paired: Paired
    names: tuple[str, ...]
    directions: tuple[Array, ...]

    @cached_property
    def frames(self) -> tuple[LinearOperator, ...]:
        """The derivatives of the frames."""
        made = []
        for t, A in enumerate(self.paired.frames):
            for name, direction in zip(self.names, self.directions, strict=True):
                A = A.derivative(name, direction[t, ...] if name in self.stacked else direction)
            made.append(A)
        return tuple(made)

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        left = self.frames[0].parameters
        return {name: v for name, v in self.paired.parameters.items() if name in left}

    @property
    def stacked(self) -> frozenset[str]:
        """The names of the stacks."""
        return self.paired.stacked

    @property
    def shapes(self) -> Framed:
        """As the operator."""
        return self.paired.shapes

    # one direction more
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return PairedDerivative(self.paired, (*self.names, name), (*self.directions, dtheta))


@dataclass(frozen=True, eq=False, repr=False)
class PairedMap(Map):
    """The map ``theta -> A(theta) x`` of a stack, by the map that each frame has of its item."""

    paired: Paired
    name: str
    x: Array
    maps: tuple[Map, ...]

    def __call__(self, theta: Array) -> Array:
        """Return ``A(theta) x``."""
        return self._joined([f(theta[t, ...]) for t, f in enumerate(self._at(theta))])

    def linearize(self, theta: Array) -> tuple[Array, LinearOperator]:
        """Return ``A(theta) x`` and its Jacobian by the stack, from shared work."""
        pairs = [f.linearize(theta[t, ...]) for t, f in enumerate(self._at(theta))]
        value = self._joined([y for y, _ in pairs])
        jacobians = tuple(J for _, J in pairs)
        return value, PairedJacobian(jacobians, self.paired.shapes, self.x, theta)

    def outline(self, theta: Array) -> Array:
        """Like ``A(theta) x``."""
        return self.paired.outline(self.x)

    def _at(self, theta: Array) -> tuple[Map, ...]:
        """Return the maps of the frames, for a stack of as many."""
        like = self.paired.parameters[self.name]
        common_namespace("theta -> A(theta) x", **{self.name: theta, "x": self.x})
        if theta.shape != like.shape:
            msg = (
                f"theta -> A(theta) x: {self.name} has the shape {tuple(theta.shape)}; want "
                f"{tuple(like.shape)}"
            )
            raise ValueError(msg)
        return self.maps

    def _joined(self, items: list[Array]) -> Array:
        return joined(self.paired.shapes, self.x, items)


@dataclass(frozen=True, eq=False, repr=False)
class PairedJacobian(LinearOperator):
    """The Jacobian of `PairedMap`: that of each frame, of its own part of the stack."""

    jacobians: tuple[LinearOperator, ...]
    framed: Framed
    x: Array
    theta: Array

    @cached_property
    def shapes(self) -> Fixed:
        """From the stack to the data."""
        return Fixed(tuple(self.theta.shape), self.framed.result(tuple(self.x.shape)))

    @cached_property
    def _parameters(self) -> dict[str, Array]:
        return {}

    def _gives_complex(self, label: str, x: Array) -> bool:
        """As of one frame: data, or the parameter."""
        xp = namespace(self.theta)
        if label == "y":
            return is_complex(xp, self.theta)
        return is_complex(xp, self.jacobians[0].outline(self.theta[0, ...]))

    # (J dtheta)_t = J_t dtheta_t
    def _apply(self, x: Array) -> Array:
        items = [J.apply(x[t, ...]) for t, J in enumerate(self.jacobians)]
        return joined(self.framed, self.x, items)

    # (J^H y)_t = J_t^H y_t
    def _adjoint(self, y: Array) -> Array:
        parts = items_of(self.framed, y, back=True)
        forms = [J.adjoint(v) for J, v in zip(self.jacobians, parts, strict=True)]
        return namespace(y).stack(forms, axis=0)


def check_stack(name: str, values: Array, one: Array) -> None:
    """Refuse a stack that is not a parameter's value for each of one frame or more."""
    call = f"Paired({name})"
    common_namespace(call, **{name: values, "that of the operator": one})
    shape, want = tuple(values.shape), tuple(one.shape)
    if values.dtype != one.dtype:
        msg = f"{call}: {name} is {values.dtype}; want {one.dtype}, as in the operator"
        raise TypeError(msg)
    if len(shape) != len(want) + 1 or shape[1:] != want or shape[0] == 0:
        inside = ", ".join(map(str, ("frames", *want)))
        msg = f"{call}: {name} has the shape {shape}; want ({inside}), as in the operator"
        raise ValueError(msg)
