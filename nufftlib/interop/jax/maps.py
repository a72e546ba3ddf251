"""Primitives for maps: value, gradient of a loss, and Jacobian.

As in `operators`, gradients and cotangents are JAX's, the conjugates of this library's.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad

from nufftlib.core.arrays import conjugate
from nufftlib.core.operator import Map
from nufftlib.interop.jax.primitive import Hosted, host_primitive, outlined, shaped


class HostedMap(Hosted):
    """A map that NumPy computes for JAX."""

    def __init__(self, map: Map) -> None:
        super().__init__(type(map).__name__)
        self.map = map


def real_dtype(x: Any) -> Any:
    """Return the real dtype of the precision of `x`."""
    return np.finfo(x.dtype).dtype


def value(x: Any, *, form: HostedMap) -> tuple[Any]:
    """Return ``f(x)``; a loss, which NumPy may have summed in double, in the precision of `x`."""
    return (in_precision(form.map(x), x),)


def in_precision(result: Any, x: Any) -> Any:
    """Return a loss in the precision of `x`, and other values as they are."""
    result = np.asarray(result)
    real = result.ndim == 0 and not np.iscomplexobj(result)
    return result.astype(real_dtype(x)) if real else result


def value_and_gradient(x: Any, *, form: HostedMap) -> tuple[Any, Any]:
    """Return the value of a loss and its gradient in JAX's sense."""
    result, gradient = form.map.value_and_grad(x)
    return np.asarray(result, dtype=real_dtype(x)), conjugate(np, gradient)


def jacobian(x: Any, v: Any, *, form: HostedMap, transposed: bool) -> tuple[Any]:
    """Return ``J(x) v``, or its transpose ``conj(J(x)^H conj(v))``."""
    _, J = form.map.linearize(x)
    return (conjugate(np, J.adjoint(conjugate(np, v))) if transposed else J.apply(v),)


def outline(x: Any, *, form: HostedMap) -> tuple[Any]:
    """Return an array like the value; of ones, at which maps without a rule are evaluated."""
    with np.errstate(all="ignore"):
        return (in_precision(form.map.outline(np.ones(x.shape, x.dtype)), x),)


def known(*_: Any, **__: Any) -> tuple[()]:
    """Return nothing: these primitives are told the shapes and dtypes of their results."""
    return ()


value_p, _ = host_primitive("nufftlib_map", value, outline)
gradient_p, _ = host_primitive("nufftlib_gradient", value_and_gradient, known)
jacobian_p, _ = host_primitive("nufftlib_jacobian", jacobian, known)


def value_jvp(primals: Any, tangents: Any, *, form: HostedMap, **_: Any) -> Any:
    """Of a loss by its gradient, which comes with the value; else by the Jacobian."""
    (x,), (dx,) = primals, tangents
    (found,) = outlined(outline, (x,), form=form)
    if found.shape == () and np.issubdtype(found.dtype, np.floating):
        result, gradient = gradient_p.bind(x, form=form, like=(found, shaped(x)))
        return [result], [jnp.real(jnp.sum(gradient * dx))]
    static = {"form": form, "like": (found,)}
    return value_p.bind(x, **static), jacobian_p.bind(x, dx, transposed=False, **static)


def jacobian_jvp(primals: Any, tangents: Any, **static: Any) -> Any:
    """Linear in the direction."""
    (x, v), (dx, dv) = primals, tangents
    if not isinstance(dx, ad.Zero):
        no_second_order(primals, tangents, **static)
    return jacobian_p.bind(x, v, **static), jacobian_p.bind(x, dv, **static)


def jacobian_transpose(
    cotangents: Any, x: Any, v: Any, *, form: HostedMap, transposed: bool, **_: Any
) -> Any:
    """The transpose of ``J`` is the other of the two."""
    (cotangent,) = cotangents
    if isinstance(cotangent, ad.Zero):
        return [None, ad.Zero(v.aval)]
    static = {"form": form, "like": (shaped(v.aval),)}
    return [None, *jacobian_p.bind(x, cotangent, transposed=not transposed, **static)]


def no_second_order(primals: Any, tangents: Any, *, form: HostedMap, **_: Any) -> Any:
    """Refuse: a `Map` has first derivatives."""
    msg = (
        f"wrap({form.name}): a map has no second derivative; want first ones alone, or the "
        f"operator wrapped by itself, as in wrap(A)(x, psf=h), under a loss written in JAX"
    )
    raise NotImplementedError(msg)


ad.primitive_jvps[value_p] = value_jvp
ad.primitive_jvps[gradient_p] = no_second_order
ad.primitive_jvps[jacobian_p] = jacobian_jvp
ad.primitive_transposes[jacobian_p] = jacobian_transpose
