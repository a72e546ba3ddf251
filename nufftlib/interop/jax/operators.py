r"""One primitive for an operator, its adjoint and all their derivatives.

The primitive returns the gradient of

.. math:: \Phi = \mathrm{Re} \sum \bar y \, (D\, x)

(the :math:`S` of `nufftlib.interop.form`) by one of its *slots* :math:`x, \bar y, c_i`, in each
of which it is linear. It is a gradient in JAX's sense: the :math:`g` with
:math:`\mathrm{d}\Phi = \mathrm{Re} \sum g \, \mathrm{d}s`, the conjugate of this library's.
By :math:`\bar y` that is :math:`D x`, by :math:`x` the conjugate of :math:`D^H y`, and by
:math:`c_i` that of the form :math:`B(x, y)`. No other rule has a conjugate in it:

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
from nufftlib.interop.form import Latest, Term, as_it_is
from nufftlib.interop.jax.primitive import Hosted, host_primitive, shaped

X, Y = 0, 1  # the slots of every form; those of its directions follow


class HostedOperator(Hosted):
    """An operator that NumPy computes for JAX, at any values of its parameters."""

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__(type(operator).__name__)
        self.operator = operator
        # A view would end with its JAX array, whose memory can be donated and written to.
        self.latest = Latest(operator, np.array, same, as_it_is)

    def depends_on(self, name: str, term: Term) -> bool:
        """Tell whether the derivative that `term` means depends on a parameter."""
        return name in self.along_own(self.operator, term).parameters

    def shaped(self, names: tuple[str, ...], like: Sequence[Any]) -> LinearOperator:
        """Return the operator with parameters of the shapes and dtypes of these.

        Its own serve where they fit; others are zeros.
        """
        own = self.operator.parameters
        return self.operator.replace(
            **{
                name: own[name] if alike(own[name], p) else np.zeros(p.shape, p.dtype)
                for name, p in zip(names, like, strict=True)
            }
        )

    def along_own(self, A: LinearOperator, term: Term) -> LinearOperator:
        """Return the derivative that `term` means, along the operator's own parameters."""
        return term.operator(A, [A.parameters[name] for name in term.path])


def same(a: Any, b: Any) -> bool:
    """Tell whether two arrays are the same to the last bit that matters."""
    return a.dtype == b.dtype and np.array_equal(a, b)


def slots(arrays: Sequence[Any], term: Term, out: int) -> tuple[list[Any], Sequence[Any]]:
    """Return the slots ``x, y, c_1, ...``, None the one of number `out`, and the parameters."""
    n = 1 + len(term.path)
    filled = list(arrays[:n])
    filled.insert(out, None)
    return filled, arrays[n:]


def evaluate(
    *arrays: Any, form: HostedOperator, names: tuple[str, ...], term: Term, out: int
) -> tuple[Any]:
    """Return the gradient of the form by its slot `out`, in JAX's sense.

    `arrays` are the other slots and the parameters of `names`.
    """
    (x, y, *c), parameters = slots(arrays, term, out)
    A = form.latest.at(names, parameters)
    if out == Y:
        value = term.operator(A, c).apply(x)
    elif out == X:
        value = conjugate(np, term.operator(A, c).adjoint(conjugate(np, y)))
    else:
        i = out - 2
        D = term.without(i).operator(A, c[:i] + c[i + 1 :])
        value = conjugate(np, D.vjp(term.path[i], x, conjugate(np, y)))
    return (value,)


def outline(
    *arrays: Any, form: HostedOperator, names: tuple[str, ...], term: Term, out: int
) -> tuple[Any]:
    """Return arrays of the shapes and dtypes of `evaluate`, by the operator's rules.

    Wrong inputs raise here, and so does a derivative that is missing.
    """
    (x, y, *_), parameters = slots(arrays, term, out)
    A = form.shaped(names, parameters)
    if out == Y:
        return (form.along_own(A, term).outline(x),)
    if out == X:
        return (form.along_own(A, term).outline_adjoint(y),)
    name = term.path[out - 2]
    D = form.along_own(A, term.without(out - 2))
    D.require_form(name)
    return (A.parameters[name],)


def alike(a: Any, b: Any) -> bool:
    """Tell whether two arrays are of one shape and dtype."""
    return bool(a.shape == b.shape and a.dtype == b.dtype)


form_p, by_items = host_primitive("nufftlib_operator", evaluate, outline)


def jvp(primals: Any, tangents: Any, **static: Any) -> Any:
    """Product rule over slots and parameters."""
    form, names, term = static["form"], static["names"], static["term"]
    n = 1 + len(term.path)
    (value,) = form_p.bind(*primals, **static)
    static["like"] = (shaped(value),)
    terms = []
    for i, tangent in enumerate(tangents):
        if isinstance(tangent, ad.Zero):
            continue
        if i < n:
            terms += form_p.bind(*primals[:i], tangent, *primals[i + 1 :], **static)
        elif form.depends_on(name := names[i - n], term):
            along = {**static, "term": term.along(name)}
            terms += form_p.bind(*primals[:n], tangent, *primals[n:], **along)
    if not terms:
        return [value], [ad.Zero(jax.typeof(value).to_tangent_aval())]
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
    others = list(arrays)
    others.insert(static["out"], cotangent)
    out = wanted + (wanted >= static["out"])
    del others[out]
    (result[wanted],) = form_p.bind(*others, **{**static, "out": out, "like": (shaped(aval),)})
    return result


def batched(like: Sequence[Any] | None, axes: tuple[int, ...]) -> Any:
    """Return shapes and dtypes of results with axes in front."""
    return like and tuple(jax.ShapeDtypeStruct((*axes, *a.shape), a.dtype) for a in like)


def batch(arrays: Any, dims: Any, **static: Any) -> Any:
    """Images alone in one call, where the operator takes the axis for a batch; else by items."""
    if static["out"] in (X, Y) and all(d is None for d in dims[1:]):
        image = jnp.moveaxis(arrays[0], dims[0], 0)
        # A parameter that is passed may have other leading axes than the operator's own.
        operator = static["form"].shaped(static["names"], arrays[1 + len(static["term"].path) :])
        operator = operator.H if static["term"].adjoint != (static["out"] == X) else operator
        # A derivative takes the batches of its operator.
        if takes_batch(operator.shapes, image.shape[1:]):
            static["like"] = batched(static["like"], image.shape[:1])
            return form_p.bind(image, *arrays[1:], **static), [0]
    return by_items(arrays, dims, **static)


ad.primitive_jvps[form_p] = jvp
ad.primitive_transposes[form_p] = transpose
batching.primitive_batchers[form_p] = batch
