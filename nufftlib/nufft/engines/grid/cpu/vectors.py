"""The innermost loops, written as LLVM vectors: a weighted sum of cells, and its transpose.

Left to the compiler, these loops came out up to four times slower for some lengths: it
unrolls the short ones before it looks for vectors, and keeps no sum in a register
across rows. Here all sums of a point stay in registers, and are written once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
"""Numbers in a chunk; the compiler splits it for processors with shorter vectors."""


ORDERS = 3
"""Weights for each axis: the kernel and its first two derivatives."""

DERIVATIVES = (
    (0, 0, 0),
    (0, 0, 1), (0, 1, 0), (1, 0, 0),
    (0, 0, 2), (0, 1, 1), (0, 2, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0),
)  # fmt: skip
"""Orders of the derivatives by the first, the middle and the last axis, as they are stored."""


emitted: Any = intrinsic(prefer_literal=True)  # constants come as types, with their value


class Rows:
    """Emits code on rows of a flat array, in chunks of so many numbers."""

    def __init__(self, context: Any, builder: Any, array_type: Any, lanes: int = LANES) -> None:
        self.context = context
        self.builder = builder
        self.array_type, self.lanes = array_type, lanes
        self.real = context.get_value_type(array_type.dtype)
        self.chunk = ir.VectorType(self.real, lanes)
        self.zero = ir.Constant(self.chunk, [0.0] * lanes)

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
        return self.shuffled(single, [0] * self.lanes)

    def shuffled(self, value: Any, lanes: list[int]) -> Any:
        """Return the vector of some lanes of another."""
        undefined = ir.Constant(value.type, ir.Undefined)
        which = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(value, undefined, which)

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
        half = LANES // 2
        while half:
            lanes = [half + lane if lane < half else 0 for lane in range(LANES)]
            chunk = self.builder.fadd(chunk, self.shuffled(chunk, lanes))
            half //= 2
        return self.builder.extract_element(chunk, ir.Constant(ir.IntType(32), 0))

    def register(self, value: Any) -> Any:
        """Return a place for a chunk that changes in a loop; LLVM keeps it in a register."""
        allocate: Any = cgutils.alloca_once_value
        return allocate(self.builder, value)

    def weight(self, weights: Any, width: int, axis: int, order: int, cell: Any) -> Any:
        """Load ``weights[axis, order, cell]``."""
        first = self.constant(whole_chunks(width) * (ORDERS * axis + order))
        return self.number(weights, self.builder.add(first, cell))


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


class Cells(Rows):
    """Emits code on the cells of a row that a point covers, one or a few in a chunk."""

    def __init__(self, context: Any, builder: Any, array_type: Any, width: int, reals: int) -> None:
        self.reals, self.width = reals, width
        self.group = max(1, LANES // reals)
        """Cells in a chunk: a power of two, by which `LANES` is divisible."""
        super().__init__(context, builder, array_type, self.group * reals)
        self.count = -(-width // self.group)

    def row(self, offsets: Any, plane: Any, rows: int, row: Any) -> Any:
        """Load the offset of a row."""
        index = self.builder.add(self.builder.mul(plane, self.constant(rows)), row)
        return self.builder.load(self.builder.gep(offsets, [index]))

    def part(self, data: Any, start: Any, i: int) -> Any:
        """Return the pointer to a chunk of a row."""
        return self.at(data, self.builder.add(start, self.constant(i * self.lanes)))

    def factors(self, weights: Any, order: int) -> list[Any]:
        """Return the weights along the last axis, as chunks: cells behind the last have zeros."""
        first = whole_chunks(self.width) * (2 * ORDERS + order)
        if self.group == 1:
            return [self.number(weights, self.constant(first + i)) for i in range(self.width)]
        loaded = Rows(self.context, self.builder, self.array_type)
        lanes = [lane // self.reals for lane in range(self.lanes)]
        return [
            self.shuffled(
                loaded.load(loaded.at(weights, self.constant(first + cell - cell % LANES))),
                [cell % LANES + lane for lane in lanes],
            )
            for cell in range(0, self.count * self.group, self.group)
        ]

    def copies(self, data: Any, index: Any) -> Any:
        """Load the numbers of a cell, for each cell of a chunk."""
        pointer = self.builder.gep(data, [index])
        one = self.builder.bitcast(pointer, ir.VectorType(self.real, self.reals).as_pointer())
        return self.shuffled(self.load(one), [n % self.reals for n in range(self.lanes)])

    def cell(self, total: Any) -> Any:
        """Return the sum of the cells of a chunk."""
        parts = [
            self.shuffled(total, list(range(first, first + self.reals)))
            for first in range(0, self.lanes, self.reals)
        ]
        while len(parts) > 1:
            half = len(parts) // 2
            parts = [self.builder.fadd(*pair) for pair in zip(parts, parts[half:], strict=False)]
        return parts[0]


@emitted  # type: ignore[untyped-decorator]
def read_cells(
    _: Any, s: Any, grid: Any, at: Any, w: Any,
    planes: Any, rows: Any, width: Any, reals: Any, orders: Any,
) -> Any:  # fmt: skip
    """``s[k] = sum_abc w[0, p, a] w[1, q, b] w[2, r, c] grid[at[a, b] + reals c :][:reals]``.

    For the derivatives ``DERIVATIVES[k] = (p, q, r)`` of fewer `orders`.
    """
    A, B, W, R, count = (n.literal_value for n in (planes, rows, width, reals, orders))
    wanted = [
        (k, p, q, o)
        for k, (p, q, o) in enumerate(DERIVATIVES)
        if p + q + o < count and (p == 0 or A > 1) and (q == 0 or B > 1)
    ]
    of_planes = sorted({(q, o) for _, _, q, o in wanted})

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Cells(context, builder, grid, W, R)
        to, source, offsets, weights = map(r.data, signature.args[:4], arguments[:4])
        factors = [r.factors(weights, order) for order in range(count)]
        sums = [r.register(r.zero) for _ in wanted]
        inner = {key: r.register(r.zero) for key in of_planes}

        def add(total: Any, axis: int, order: int, cell: Any, value: Any) -> None:
            factor = r.weight(weights, W, axis, order, cell)
            builder.store(r.add_product(builder.load(total), factor, value), total)

        with cgutils.for_range(builder, r.constant(A)) as plane:
            for total in inner.values():
                builder.store(r.zero, total)
            with cgutils.for_range(builder, r.constant(B)) as row:
                start = r.row(offsets, plane.index, B, row.index)
                line = [r.zero] * count
                for i in range(r.count):
                    value = r.load(r.part(source, start, i))
                    line = [
                        r.add_product(total, of[i], value)
                        for total, of in zip(line, factors, strict=True)
                    ]
                for (q, order), total in inner.items():
                    add(total, 1, q, row.index, line[order])
            for (_, p, q, order), total in zip(wanted, sums, strict=True):
                add(total, 0, p, plane.index, builder.load(inner[q, order]))
        for (k, *_), total in zip(wanted, sums, strict=True):
            value = r.cell(builder.load(total))
            place = builder.gep(to, [r.constant(R * k)])
            r.store(value, builder.bitcast(place, value.type.as_pointer()))
        return context.get_dummy_value()

    return types.void(s, grid, at, w, planes, rows, width, reals, orders), emit


@emitted  # type: ignore[untyped-decorator]
def add_cells(
    _: Any, y: Any, n: Any, grid: Any, at: Any, w: Any,
    planes: Any, rows: Any, width: Any, reals: Any, directed: Any,
) -> Any:  # fmt: skip
    """``grid[at[a, b] + reals c :][:reals] += w[0, 0, a] w[1, 0, b] w[2, 0, c] y[n]``.

    It is the transpose of `read_cells` for the value. If `directed`, it is that of the sum of the
    three first derivatives.
    """
    A, B, W, R = (n.literal_value for n in (planes, rows, width, reals))
    slopes = [(0, 1)] * (B > 1) + [(1, 0)] * (A > 1) if directed.literal_value else []

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Cells(context, builder, grid, W, R)
        source = r.data(signature.args[0], arguments[0])
        to, offsets, weights = map(r.data, signature.args[2:5], arguments[2:5])
        amount = r.copies(source, builder.mul(arguments[1], r.constant(R)))
        lines = [
            [builder.fmul(factor, amount) for factor in r.factors(weights, order)]
            for order in range(1 + directed.literal_value)
        ]
        with cgutils.for_range(builder, r.constant(A)) as plane:
            outer = [r.weight(weights, W, 0, p, plane.index) for p in (0, 1)]
            with cgutils.for_range(builder, r.constant(B)) as row:
                inner = [r.weight(weights, W, 1, q, row.index) for q in (0, 1)]
                start = r.row(offsets, plane.index, B, row.index)
                terms = [(builder.fmul(outer[0], inner[0]), lines[-1])]
                if slopes:
                    slope = r.zero
                    for p, q in slopes:
                        slope = r.add_product(slope, outer[p], inner[q])
                    terms.append((slope, lines[0]))
                for i in range(r.count):
                    pointer = r.part(to, start, i)
                    total = r.load(pointer)
                    for factor, line in terms:
                        total = r.add_product(total, factor, line[i])
                    r.store(total, pointer)
        return context.get_dummy_value()

    return types.void(y, types.intp, grid, at, w, planes, rows, width, reals, directed), emit
