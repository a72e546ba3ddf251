"""Counts by which threads of one compiled loop share tasks: which are taken, and which are done.

A task is taken by one thread alone, and a count that is seen has all before it done: the processor
keeps both promises, and the compiler no order of its own.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDE = 16
"""Counts of a line of the cache, and of that which a processor fetches with it: each has its own,
so that threads do not wait for a line that another one writes."""

shared: Any = intrinsic  # a type checker would take its first argument for the caller's

sleep: Any = types.ExternalFunction("usleep", types.int32(types.uint32))
"""Let other threads have the processor for so many microseconds, at least."""


def pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return the pointer to a count."""
    data = context.make_array(array_type)(context, builder, array).data
    wide = context.get_constant(types.intp, WIDE)
    return builder.gep(data, [builder.mul(index, wide)])


@shared  # type: ignore[untyped-decorator]
def take(_: Any, counts: Any, index: Any, value: Any) -> Any:
    """Raise a count by one if it has this value, and return whether it had: to one thread alone."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, value = arguments
        place = pointer(context, builder, signature.args[0], array, at)
        more = builder.add(value, ir.Constant(ir.IntType(64), 1))
        pair = builder.cmpxchg(place, value, more, "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return types.boolean(counts, types.intp, types.int64), emit


@shared  # type: ignore[untyped-decorator]
def seen(_: Any, counts: Any, index: Any) -> Any:
    """Return a count; what was written before it was set is seen from now on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(counts, types.intp), emit


@shared  # type: ignore[untyped-decorator]
def tell(_: Any, counts: Any, index: Any, value: Any) -> Any:
    """Set a count; who sees it sees all that was written before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        counts_array, index_value, number = arguments
        place = pointer(context, builder, signature.args[0], counts_array, index_value)
        builder.store_atomic(number, place, "release", 8)
        return context.get_dummy_value()

    return types.void(counts, types.intp, types.int64), emit
