"""JAX primitives that NumPy computes: at once on arrays, as callbacks where JAX traces.

There are three mechanisms of JAX for functions that are linear in one input and have
derivatives by hand. ``custom_vjp`` refuses forward mode. ``custom_jvp`` with a tangent by
``linear_call`` has both modes, but ``linear_call`` has no rule for ``vmap``, and so no
``jacrev``, and none for second order. A primitive of one's own has rules for all of it, of
a few lines each.

The callback is lowered as ``pure_callback`` lowers its own, less one step: that hands JAX
arrays to the callback, whose conversion to NumPy waits for XLA's threads, of which the
callback itself may hold the last one (jax issue 24255; seen to hang on one core). Here it
gets the NumPy arrays that XLA makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.dtypes import canonicalize_dtype
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from nufftlib.core.arrays import project_like

Evaluate = Callable[..., tuple[Any, ...]]
"""``evaluate(*arrays, form, **static) -> results``, NumPy arrays all."""


class Hosted:
    """A map that NumPy computes, as a static argument of primitives.

    It is compared by identity, so that JAX compiles one wrapped map once.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.outlined: dict[Any, tuple[jax.ShapeDtypeStruct, ...]] = {}


def shaped(x: Any) -> jax.ShapeDtypeStruct:
    """Return shape and dtype alone."""
    return jax.ShapeDtypeStruct(tuple(x.shape), x.dtype)


def run(
    evaluate: Evaluate, arrays: Sequence[Any], *, like: Sequence[Any] | None, **static: Any
) -> Sequence[Any]:
    """Return the results in NumPy, brought to the shapes and dtypes of `like`."""
    results = evaluate(*map(np.asarray, arrays), **static)
    if like is None:
        return results
    # A cotangent is like its primal: real of a real one.
    wanted = (np.broadcast_to(np.zeros((), a.dtype), a.shape) for a in like)
    return [project_like(np, r, w) for r, w in zip(results, wanted, strict=True)]


def outlined(
    outline: Evaluate, avals: Sequence[Any], form: Hosted, **static: Any
) -> tuple[jax.ShapeDtypeStruct, ...]:
    """Return the shapes and dtypes of the results, which `form` keeps."""
    key = (outline, *map(shaped, avals), *static.items())
    if key not in form.outlined:
        inputs = (np.broadcast_to(np.zeros((), a.dtype), a.shape) for a in avals)
        form.outlined[key] = tuple(map(shaped, outline(*inputs, form=form, **static)))
    return form.outlined[key]


def host_primitive(
    name: str, evaluate: Evaluate, outline: Evaluate
) -> tuple[Primitive, Callable[..., Any]]:
    """Return a primitive of several results with all rules but those of its derivatives.

    The second is its rule for ``vmap``, one item after the other.

    Its parameter ``like`` holds the shapes and dtypes of the results, or is None where
    `outline` tells them: it takes arrays like `evaluate`, of which it reads shapes and dtypes.
    Wrong inputs raise there, when JAX traces and compiles.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True

    def compute(*arrays: Any, **static: Any) -> list[Any]:
        there = device(arrays, **static)
        return placed(run(evaluate, arrays, **static), there)

    def abstract(*avals: Any, like: Any, **static: Any) -> list[Any]:
        found = like if like is not None else outlined(outline, avals, **static)
        return [jax.core.ShapedArray(a.shape, canonicalize_dtype(a.dtype)) for a in found]

    def lower(ctx: Any, *arrays: Any, **static: Any) -> Any:
        outlined(outline, ctx.avals_in, **{k: v for k, v in static.items() if k != "like"})

        def callback(*arrays: Any) -> tuple[Any, ...]:
            return tuple(run(evaluate, arrays, **static))

        found, _, checked = mlir.emit_python_callback(
            ctx,
            callback,
            None,
            list(arrays),
            ctx.avals_in,
            ctx.avals_out,
            has_side_effect=False,
            returns_token=False,
        )
        # JAX's check of the results cuts them to the precision of the thread that runs it, which
        # may be one of XLA's, or this one once it has left ``jax.enable_x64``.
        double = any(a.dtype in (np.float64, np.complex128) for a in ctx.avals_out)

        def in_precision(*arrays: Any) -> Any:
            with jax.enable_x64(double):
                return checked(*arrays)

        ctx.module_context.host_callbacks[-1] = in_precision
        return found

    def by_items(arrays: Sequence[Any], dims: Sequence[int | None], **static: Any) -> Any:
        mapped = [d is not None for d in dims]
        stacks = [jnp.moveaxis(a, d, 0) for a, d in zip(arrays, dims, strict=True) if d is not None]

        def inputs(parts: Iterable[Any]) -> list[Any]:
            rest = iter(parts)
            return [next(rest) if m else a for a, m in zip(arrays, mapped, strict=True)]

        if len(stacks[0]) == 0 or any(isinstance(a, jax.core.Tracer) for a in arrays):
            results = jax.lax.map(lambda parts: primitive.bind(*inputs(parts), **static), stacks)
        else:  # JAX would compile that map anew for each call
            there = device(arrays, **static)
            items = [
                run(evaluate, inputs(parts), **static)
                for parts in zip(*map(np.asarray, stacks), strict=True)
            ]
            results = placed([np.stack(r) for r in zip(*items, strict=True)], there)
        return results, [0] * len(results)

    primitive.def_impl(compute)
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(primitive, lower, cacheable=False)
    batching.primitive_batchers[primitive] = by_items
    return primitive, by_items


def device(arrays: Sequence[Any], *, form: Hosted, **_: Any) -> Any:
    """Return the one device to which inputs are committed, or None."""
    held = {d for a in arrays if isinstance(a, jax.Array) and a.committed for d in a.devices()}
    if len(held) > 1:
        names = " and ".join(sorted(map(str, held)))
        msg = (
            f"wrap({form.name}): the arrays are on {names}; want one device, or `jax.jit` for "
            f"arrays that are each sharded over all of them"
        )
        raise ValueError(msg)
    return next(iter(held), None)


def placed(results: Sequence[Any], there: Any) -> list[Any]:
    """Return JAX arrays, copies: the operator may keep its result, or have returned `x`."""
    return [jnp.array(r, device=there) for r in results]
