r"""An operator and its derivatives as torch functions, closed under differentiation.

Of the gradients of :math:`S = \langle y, D\,x \rangle` (`nufftlib.interop.form`), ``Value``
computes those by :math:`y` and, of the adjoint, by :math:`x`; ``Form`` those by
:math:`\theta_q` and :math:`c_i`. Two functions therefore suffice for every order. A cotangent
``g`` of ``Value`` asks for the gradients of S at ``y = g``; a cotangent ``t`` of ``Form`` by
:math:`\theta_q` for those of :math:`\langle t, B_q(x, y) \rangle = \langle y, D_q[t]\,x
\rangle`, an S with one direction more. Where the operator has no further derivative it says so
by NotImplementedError.
"""

# mypy: allow-untyped-calls, allow-subclassing-any
# (torch types its functions in part, and need not be installed)

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from nufftlib.core.shapes import Shapes, takes_batch
from nufftlib.interop.torch.terms import PointTerm

Context = Any
"""The object that torch hands from forward to backward."""
Function = TypeVar("Function", bound=Callable[..., Any])


def signed(function: Function) -> Function:
    """Keep the signature: torch asks for it at every call, a third of a call's overhead."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]  # Python's
    return function


class Value(torch.autograd.Function):
    """``(term, x, *tensors) -> D x``."""

    @staticmethod
    @signed
    def forward(term: PointTerm, x: Tensor, *tensors: Tensor) -> Tensor:
        """Compute ``D x``, item by item where items are told apart."""
        arrays = term.point.arrays
        with arrays.running(x):
            D = term.of(tensors)
            return by_items(lambda item: arrays.call(D, D.apply, item), D.shapes, x, term.batch)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004  # torch's signature
        """Keep the image only if a parameter's gradient will need it."""
        ctx.term, x, *tensors = inputs
        ctx.like = x.shape, x.dtype
        ctx.save_for_backward(x if any(ctx.needs_input_grad[2:]) else None, *tensors)
        ctx.save_for_forward(x, *tensors)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Context, g: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of ``S(x, g)``."""
        if g is None:
            return (None,) * len(ctx.needs_input_grad)
        x, *tensors = ctx.saved_tensors
        _, by_x, *others = ctx.needs_input_grad
        return (
            None,
            like(Value.apply(ctx.term.H, g, *tensors), *ctx.like) if by_x else None,
            *forms(ctx.term, x, g, tensors, others),
        )

    @staticmethod
    def jvp(ctx: Context, _: None, dx: Tensor | None, *tangents: Tensor | None) -> Tensor:
        """Product rule: ``D x`` is linear in x and each c."""
        x, *tensors = ctx.saved_tensors
        terms = [Value.apply(ctx.term, dx, *tensors)] if dx is not None else []
        terms += [
            Value.apply(term, x, *moved) for term, moved in moves(ctx.term, tensors, tangents)
        ]
        tangent: Tensor = sum(terms[1:], start=terms[0])
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Images alone become one batch; with parameters of their own they go one by one."""
        _, dim, *others = in_dims
        if any(d is not None for d in others):
            return one_by_one(Value.apply, info, in_dims, inputs)
        term, x, *tensors = inputs
        stacked = replace(term, batch=term.batch + 1)
        return Value.apply(stacked, x.movedim(dim, 0), *tensors), 0


class Form(torch.autograd.Function):
    """``(term, name, x, y, *tensors) -> B(x, y)`` of ``D`` by the parameter of that name."""

    @staticmethod
    @signed
    def forward(term: PointTerm, name: str, x: Tensor, y: Tensor, *tensors: Tensor) -> Tensor:
        """Compute ``B(x, y)``, which is zero where ``D`` does not depend on the parameter."""
        arrays, names = term.point.arrays, term.point.names
        with arrays.running(x):
            D = term.of(tensors)
            if name not in D.parameters:
                return torch.zeros_like(tensors[len(term.path) + names.index(name)])
            return arrays.call(D, lambda x, y: D.vjp(name, x, y), x, y)

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004  # torch's signature
        """Keep all: each gradient needs all but its own."""
        ctx.term, ctx.name, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Context, t: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of ``<y, D_q[t] x>``."""
        if t is None:
            return (None,) * len(ctx.needs_input_grad)
        x, y, *tensors = ctx.saved_tensors
        _, _, by_x, by_y, *others = ctx.needs_input_grad
        n = len(ctx.term.path)
        term, tensors = ctx.term.along(ctx.name), [*tensors[:n], t, *tensors[n:]]
        gradients = forms(term, x, y, tensors, [*others[:n], False, *others[n:]])
        return (
            None,
            None,
            like(Value.apply(term.H, y, *tensors), x.shape, x.dtype) if by_x else None,
            like(Value.apply(term, x, *tensors), y.shape, y.dtype) if by_y else None,
            *gradients[:n],
            *gradients[n + 1 :],
        )

    @staticmethod
    def jvp(
        ctx: Context,
        _: None,
        __: None,
        dx: Tensor | None,
        dy: Tensor | None,
        *tangents: Tensor | None,
    ) -> Tensor:
        """Product rule: ``B(x, y)`` is linear in x, y and each c."""
        x, y, *tensors = ctx.saved_tensors
        pairs = [(u, v) for u, v in ((dx, y), (x, dy)) if u is not None and v is not None]
        terms = [Form.apply(ctx.term, ctx.name, *pair, *tensors) for pair in pairs]
        terms += [
            Form.apply(term, ctx.name, x, y, *moved)
            for term, moved in moves(ctx.term, tensors, tangents)
        ]
        tangent: Tensor = sum(terms[1:], start=terms[0])
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        """One by one: the operator's form sums over a batch."""
        return one_by_one(Form.apply, info, in_dims, inputs)


def forms(
    term: PointTerm, x: Tensor, y: Tensor, tensors: Sequence[Tensor], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return the gradients of S by the tensors, summed over items; None where not wanted."""
    n, single = len(term.path), replace(term, batch=0) if term.batch else term
    gradients: list[Tensor | None] = []
    for i, want in enumerate(wanted):
        if not want:
            gradients.append(None)
            continue
        if i < n:
            which, name, rest = single.without(i), term.path[i], [*tensors[:i], *tensors[i + 1 :]]
        else:
            which, name, rest = single, term.point.names[i - n], list(tensors)
        parts = [
            Form.apply(which, name, u, v, *rest)
            for u, v in zip(items(x, term.batch), items(y, term.batch), strict=True)
        ]
        gradients.append(sum(parts[1:], start=parts[0]) if parts else torch.zeros_like(tensors[i]))
    return gradients


def moves(
    term: PointTerm, tensors: Sequence[Tensor], tangents: Sequence[Tensor | None]
) -> Iterator[tuple[PointTerm, list[Tensor]]]:
    """Yield the terms, with their tensors, that sum to the derivative along the tangents."""
    n = len(term.path)
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        if i < n:
            yield term, [*tensors[:i], tangent, *tensors[i + 1 :]]
        else:
            yield term.along(term.point.names[i - n]), [*tensors[:n], tangent, *tensors[n:]]


def like(gradient: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Bring a gradient to the input's kind: the real part of a real one, broadcast axes summed."""
    if gradient.is_complex() and not dtype.is_complex:
        gradient = gradient.real
    if gradient.shape != shape:
        gradient = gradient.sum_to_size(shape)
    return gradient.to(dtype)


def items(x: Tensor, batch: int) -> Sequence[Tensor]:
    """Return the items that the first `batch` axes number."""
    return x.flatten(0, batch - 1).unbind(0) if batch else (x,)


def by_items(f: Callable[[Tensor], Tensor], rule: Shapes | None, x: Tensor, batch: int) -> Tensor:
    """Return ``f`` of each item, in one call if its shape rule takes a leading axis as a batch."""
    if batch == 0:
        return f(x)
    lead, shape = x.shape[:batch], x.shape[batch:]
    each = items(x, batch)
    if not each:
        value = f(x.new_zeros(shape))
        return value.new_zeros((*lead, *value.shape))

    if takes_batch(rule, tuple(shape)):
        values = f(x.flatten(0, batch - 1))
    else:
        values = torch.stack([f(item) for item in each])
    return values.reshape(*lead, *values.shape[1:])


def one_by_one(
    f: Callable[..., Tensor], info: Any, in_dims: tuple[Any, ...], inputs: tuple[Any, ...]
) -> tuple[Tensor, int]:
    """Return ``f`` of each item of the inputs that have a mapped axis, stacked."""
    if info.batch_size == 0:
        msg = (
            "vmap: there are 0 items; want one at least, where items are not images alone (of "
            "items that go one by one, none tells the shape of its result)"
        )
        raise ValueError(msg)
    results = [
        f(*(a if d is None else a.select(d, i) for a, d in zip(inputs, in_dims, strict=True)))
        for i in range(info.batch_size)
    ]
    return torch.stack(results), 0
