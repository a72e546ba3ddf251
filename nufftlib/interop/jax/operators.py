r"""One primitive for an operator, its adjoint and all their derivatives.

For an operator :math:`A(\theta)`, and directions :math:`c_1, c_2, \ldots` of parameters, let

.. math:: \Phi(x, \bar y, c_1, c_2, \ldots; \theta)
          = \mathrm{Re} \sum \bar y \, (\mathrm{d} \ldots \mathrm{d}A(\theta)[c_1][c_2] \ldots x),

which is linear in each *slot* :math:`x, \bar y, c_i`. The primitive returns the gradient of
:math:`\Phi` by one of them, in JAX's sense: the :math:`g` with
:math:`\mathrm{d}\Phi = \mathrm{Re} \sum g \, \mathrm{d}s`, the conjugate of this library's.
By :math:`\bar y` that is :math:`\mathrm{d}A x`, by :math:`x` the conjugate of
:math:`\mathrm{d}A^H y`, and by :math:`c_i` that of the form :math:`B(x, y)`. No other rule has
a conjugate in it:

jvp
    in a slot, the same at the tangent; in :math:`\theta_q`, the gradient by the same slot
    of the :math:`\Phi` with one direction more, :math:`c = \mathrm{d}\theta_q`;
transpose
    the gradient by the slot that is asked for, with the cotangent in the slot that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad, batching

from nufftlib.core.arrays import conjugate
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import takes_batch
from nufftlib.interop.jax.primitive import Form, host_primitive, shaped

X, Y = 0, 1  # the slots of every form; those of its directions follow


class Values:
    """An operator at parameter values, the last of which are kept.

    A gradient evaluates at one value several times, and a NUFFT sorts its points but once.
    """

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator
        self.last: tuple[tuple[str, ...], list[Any], LinearOperator] | None = None

    def at(self, names: tuple[str, ...], values: Sequence[Any]) -> LinearOperator:
        """Return the operator at these values of the named parameters."""
        if not names:
            return self.operator
        last = self.last
        if last is None or last[0] != names or not all(map(same, last[1], values)):
            # A view would end with its JAX array, whose memory can be donated and written to.
            own = [np.array(v) for v in values]
            operator = self.operator.replace(**dict(zip(names, own, strict=True)))
            self.last = last = names, own, operator
        return last[2]


def same(a: Any, b: Any) -> bool:
    """Tell whether two arrays are the same to the last bit that matters."""
    return a.dtype == b.dtype and np.array_equal(a, b)


class OperatorForm(Form):
    """The form of an operator, or of its adjoint."""

    def __init__(self, values: Values, *, adjoint: bool = False) -> None:
        super().__init__(type(values.operator).__name__)
        self.values = values
        self.adjoint = adjoint
        self.dependent: dict[tuple[str, ...], frozenset[str]] = {}

    def at(self, names: tuple[str, ...], values: Sequence[Any]) -> LinearOperator:
        """Return the operator at these values of the named parameters."""
        operator = self.values.at(names, values)
        return operator.H if self.adjoint else operator

    def samples(self, avals: Sequence[Any], **static: Any) -> list[Any]:
        """Zeros, but the operator's own parameters where they fit: points at zero may be slow."""
        inputs = super().samples(avals)
        own = [self.values.operator.parameters[name] for name in static["names"]]
        for i, p in enumerate(own, start=1 + len(static["directions"])):
            if p.shape == inputs[i].shape and p.dtype == inputs[i].dtype:
                inputs[i] = p
        return inputs

    def depends_on(self, name: str, directions: tuple[str, ...]) -> bool:
        """Tell whether the operator's derivative along these parameters depends on another."""
        if directions not in self.dependent:
            derivative = self.at((), ())
            for c in directions:
                zeros = np.zeros_like(self.values.operator.parameters[c])
                derivative = derivative.derivative(c, zeros)
            self.dependent[directions] = frozenset(derivative.parameters)
        return name in self.dependent[directions]


def evaluate(
    *arrays: Any,
    form: OperatorForm,
    names: tuple[str, ...],
    directions: tuple[str, ...],
    out: int,
) -> tuple[Any]:
    """Return the gradient of the form by its slot `out`, in JAX's sense.

    `arrays` are the other slots and the parameters of `names`.
    """
    slots = list(arrays[: 1 + len(directions)])
    slots.insert(out, None)
    x, y, *c = slots
    operator = form.at(names, arrays[1 + len(directions) :])
    for i, name in enumerate(directions):
        if out != 2 + i:
            operator = operator.derivative(name, c[i])
    if out == Y:
        value = operator.apply(x)
    elif out == X:
        value = conjugate(np, operator.adjoint(conjugate(np, y)))
    else:
        value = conjugate(np, operator.vjp(directions[out - 2], x, conjugate(np, y)))
    return (value,)


form_p, by_items = host_primitive("nufftlib_operator", evaluate)


def jvp(primals: Any, tangents: Any, **static: Any) -> Any:
    """Product rule over slots and parameters."""
    form, names, directions = static["form"], static["names"], static["directions"]
    slots = 1 + len(directions)
    (value,) = form_p.bind(*primals, **static)
    static["like"] = (shaped(value),)
    terms = []
    for i, tangent in enumerate(tangents):
        if isinstance(tangent, ad.Zero):
            continue
        if i < slots:
            terms += form_p.bind(*primals[:i], tangent, *primals[i + 1 :], **static)
        elif form.depends_on(name := names[i - slots], directions):
            static_more = {**static, "directions": (*directions, name)}
            terms += form_p.bind(*primals[:slots], tangent, *primals[slots:], **static_more)
    if not terms:
        return [value], [ad.Zero.from_primal_value(value)]
    total = terms[0]
    for term in terms[1:]:
        total = ad.add_jaxvals(total, term)
    return [value], [total]


def transpose(cotangents: Any, *arrays: Any, **static: Any) -> Any:
    """Exchange the slot that was asked for with the unknown one."""
    (cotangent,) = cotangents
    wanted = next(i for i, a in enumerate(arrays) if ad.is_undefined_primal(a))
    aval = arrays[wanted].aval
    result: list[Any] = [None] * len(arrays)
    if isinstance(cotangent, ad.Zero):
        result[wanted] = ad.Zero(aval)
        return result
    slots = list(arrays)
    slots.insert(static["out"], cotangent)
    out = wanted + (wanted >= static["out"])
    del slots[out]
    (result[wanted],) = form_p.bind(*slots, **{**static, "out": out, "like": (shaped(aval),)})
    return result


def batched(like: Sequence[Any] | None, axes: tuple[int, ...]) -> Any:
    """Return shapes and dtypes of results with axes in front."""
    return like and tuple(jax.ShapeDtypeStruct((*axes, *a.shape), a.dtype) for a in like)


def batch(arrays: Any, dims: Any, **static: Any) -> Any:
    """Images alone in one call, where the operator takes the axis for a batch; else by items."""
    if static["out"] in (X, Y) and all(d is None for d in dims[1:]):
        image = jnp.moveaxis(arrays[0], dims[0], 0)
        operator = static["form"].at((), ())
        rule = operator.shapes if static["out"] == Y else operator.H.shapes
        # A derivative takes the batches of its operator.
        if takes_batch(rule, image.shape[1:]):
            static["like"] = batched(static["like"], image.shape[:1])
            return form_p.bind(image, *arrays[1:], **static), [0]
    return by_items(arrays, dims, **static)


ad.primitive_jvps[form_p] = jvp
ad.primitive_transposes[form_p] = transpose
batching.primitive_batchers[form_p] = batch
