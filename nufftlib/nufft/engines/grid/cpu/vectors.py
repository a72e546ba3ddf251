"""The innermost loops, written as LLVM vectors: a weighted sum of rows, and its transpose.

Left to the compiler, these loops came out up to four times slower for some lengths: it
unrolls the short ones before it looks for vectors, and keeps no sum in a register
across rows. Here a chunk of `LANES` numbers is summed over all rows in registers, and
written once. A row is a run of whole chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Numbers in a chunk; the compiler splits it for processors with shorter vectors."""


ORDERS = 3
"""Weights for each axis: the kernel and its first two derivatives."""

DERIVATIVES = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0))
"""Orders of the derivatives by the first and the middle axis, as they are stored."""


emitted: Any = intrinsic(prefer_literal=True)  # constants come as types, with their value


class Rows:
    """Emits code on chunks of rows of a flat array."""

    def __init__(self, context: Any, builder: Any, array_type: Any) -> None:
        self.context = context
        self.builder = builder
        self.real = context.get_value_type(array_type.dtype)
        self.chunk = ir.VectorType(self.real, LANES)
        self.size = context.get_constant(types.intp, LANES)

    def data(self, array_type: Any, value: Any) -> Any:
        """Return the pointer to an array's data."""
        return self.context.make_array(array_type)(self.context, self.builder, value).data

    def constant(self, value: int) -> Any:
        """Return an index."""
        return self.context.get_constant(types.intp, value)

    def number(self, data: Any, index: Any) -> Any:
        """Load one number, copied to all lanes."""
        return self.spread(self.builder.load(self.builder.gep(data, [index])))

    def spread(self, value: Any) -> Any:
        """Copy a number to all lanes."""
        undefined = ir.Constant(self.chunk, ir.Undefined)
        single = self.builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(single, undefined, lanes)

    def at(self, data: Any, index: Any) -> Any:
        """Return the pointer to a chunk."""
        pointer = self.builder.gep(data, [index])
        return self.builder.bitcast(pointer, self.chunk.as_pointer())

    def load(self, pointer: Any) -> Any:
        """Load a chunk from anywhere."""
        value = self.builder.load(pointer)
        value.align = self.context.get_abi_sizeof(self.real)
        return value

    def store(self, value: Any, pointer: Any) -> None:
        """Store a chunk anywhere."""
        self.builder.store(value, pointer).align = self.context.get_abi_sizeof(self.real)

    def add_product(self, total: Any, weight: Any, value: Any) -> Any:
        """Return ``total + weight value``, in one instruction where there is one."""
        product = self.builder.fmul(weight, value, flags=["contract"])
        return self.builder.fadd(total, product, flags=["contract"])

    def total(self, chunk: Any) -> Any:
        """Return the sum of the numbers of a chunk, by halves."""
        undefined, half = ir.Constant(self.chunk, ir.Undefined), LANES // 2
        while half:
            lanes = [half + lane if lane < half else 0 for lane in range(LANES)]
            upper = ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)
            chunk = self.builder.fadd(chunk, self.builder.shuffle_vector(chunk, undefined, upper))
            half //= 2
        return self.builder.extract_element(chunk, ir.Constant(ir.IntType(32), 0))

    def register(self, value: Any) -> Any:
        """Return a place for a chunk that changes in a loop; LLVM keeps it in a register."""
        allocate: Any = cgutils.alloca_once_value
        return allocate(self.builder, value)

    @contextmanager
    def chunks(self, run: int) -> Iterator[Any]:
        """Loop over the chunks of a run; gives the offset."""
        with cgutils.for_range(self.builder, self.constant(run // LANES)) as loop:
            yield self.builder.mul(loop.index, self.size)

    def weight(self, weights: Any, width: int, axis: int, order: int, cell: Any) -> Any:
        """Load ``weights[axis, order, cell]``."""
        first = self.constant(whole_chunks(width) * (ORDERS * axis + order))
        return self.number(weights, self.builder.add(first, cell))

    def start(self, offsets: Any, plane: Any, rows: int, row: int) -> Any:
        """Load the offset of a row."""
        index = self.builder.add(self.builder.mul(plane, self.constant(rows)), self.constant(row))
        return self.builder.load(self.builder.gep(offsets, [index]))


def whole_chunks(size: int) -> int:
    """Return the next multiple of `LANES`."""
    return -(-size // LANES) * LANES


@emitted  # type: ignore[untyped-decorator]
def evaluate(
    _: Any, w: Any, polynomials: Any, x: Any, row: Any, order: Any, degree: Any, width: Any
) -> Any:
    """``w[row, order, l] = sum_p polynomials[p, l] x^p``, by Horner's rule.

    `polynomials` has the shape (degree + 1, `whole_chunks` of the width), contiguous.
    """
    ORDER, top, cells = order.literal_value, degree.literal_value, whole_chunks(width.literal_value)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Rows(context, builder, w)
        to, source = map(r.data, signature.args[:2], arguments[:2])
        first = builder.mul(arguments[3], r.constant(ORDERS * cells))
        argument = r.spread(arguments[2])
        for cell in range(0, cells, LANES):
            value = r.load(r.at(source, r.constant(top * cells + cell)))
            for p in reversed(range(top)):
                value = r.add_product(
                    r.load(r.at(source, r.constant(p * cells + cell))), argument, value
                )
            r.store(value, r.at(to, builder.add(first, r.constant(ORDER * cells + cell))))
        return context.get_dummy_value()

    return types.void(w, polynomials, w.dtype, types.intp, order, degree, width), emit


@emitted  # type: ignore[untyped-decorator]
def read_rows(
    _: Any, t: Any, grid: Any, at: Any, w: Any,
    planes: Any, rows: Any, width: Any, run: Any, orders: Any,
) -> Any:  # fmt: skip
    """``t[k, :run] = sum_ab w[0, p, a] w[1, q, b] grid[at[a, b] :][:run]``.

    For the derivatives ``DERIVATIVES[k] = (p, q)`` by the first and the middle axis with
    ``p + q < orders``.
    """
    A, B, W, length, order_count = (n.literal_value for n in (planes, rows, width, run, orders))
    wanted = [
        (k, p, q)
        for k, (p, q) in enumerate(DERIVATIVES)
        if p + q < order_count and (p == 0 or A > 1) and (q == 0 or B > 1)
    ]

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Rows(context, builder, grid)
        zero = ir.Constant(r.chunk, [0.0] * LANES)
        to, source, offsets, weights = map(r.data, signature.args[:4], arguments[:4])
        with r.chunks(length) as chunk:
            sums = [r.register(zero) for _ in wanted]
            with cgutils.for_range(builder, r.constant(A)) as plane:
                inner = [zero] * (1 + max(q for _, _, q in wanted))
                for row in range(B):
                    start = r.start(offsets, plane.index, B, row)
                    value = r.load(r.at(source, builder.add(start, chunk)))
                    for q in range(len(inner)):
                        factor = r.weight(weights, W, 1, q, r.constant(row))
                        inner[q] = r.add_product(inner[q], factor, value)
                for (_, p, q), total in zip(wanted, sums, strict=True):
                    factor = r.weight(weights, W, 0, p, plane.index)
                    builder.store(r.add_product(builder.load(total), factor, inner[q]), total)
            for (k, _, _), total in zip(wanted, sums, strict=True):
                place = builder.add(r.constant(length * k), chunk)
                r.store(builder.load(total), r.at(to, place))
        return context.get_dummy_value()

    return types.void(t, grid, at, w, planes, rows, width, run, orders), emit


@emitted  # type: ignore[untyped-decorator]
def add_rows(
    _: Any, t: Any, grid: Any, at: Any, w: Any,
    planes: Any, rows: Any, width: Any, run: Any, directed: Any,
) -> Any:  # fmt: skip
    """``grid[at[a, b] :][:run] += w[0, 0, a] w[1, 0, b] t[0]``, the transpose for the value.

    If `directed`, ``v t[1] + u t[0]`` is added, with ``v`` these weights and ``u`` the
    derivative ``w[0, 0, a] w[1, 1, b] + w[0, 1, a] w[1, 0, b]``.
    """
    A, B, W, length = (n.literal_value for n in (planes, rows, width, run))
    slopes = [(0, 1)] * (B > 1) + [(1, 0)] * (A > 1) if directed.literal_value else []

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Rows(context, builder, grid)
        zero = ir.Constant(r.chunk, [0.0] * LANES)
        source, to, offsets, weights = map(r.data, signature.args[:4], arguments[:4])
        with r.chunks(length) as chunk:
            first = r.load(r.at(source, chunk))
            second = r.load(r.at(source, builder.add(r.constant(length), chunk)))
            with cgutils.for_range(builder, r.constant(A)) as plane:
                outer = [r.weight(weights, W, 0, p, plane.index) for p in (0, 1)]
                for row in range(B):
                    inner = [r.weight(weights, W, 1, q, r.constant(row)) for q in (0, 1)]
                    pointer = r.at(to, builder.add(r.start(offsets, plane.index, B, row), chunk))
                    value = builder.fmul(outer[0], inner[0])
                    total = r.load(pointer)
                    if directed.literal_value:
                        total = r.add_product(total, value, second)
                        value = zero
                        for p, q in slopes:
                            value = r.add_product(value, outer[p], inner[q])
                    total = r.add_product(total, value, first)
                    r.store(total, pointer)
        return context.get_dummy_value()

    return types.void(t, grid, at, w, planes, rows, width, run, directed), emit
