"""One real number for each point, as LLVM vectors: kernels of points, a grid read and added to.

For a few numbers in a cell a point is read by few instructions. What then takes the time is to
wait for their results: so each of these steps is a loop of its own over a batch of points,
which do not wait for one another.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from nufftlib.nufft.engines.grid.cpu.vectors import LANES, Rows, emitted, whole_chunks

WIDEST = 64
"""Bytes of the widest vectors: the compiler splits them for processors with shorter ones."""


class Point(Rows):
    """Emits code on a point's part of a grid of reals, and on its kernel.

    The kernel of a point lies in one run, ``[axis, order, cell]``.
    """

    def __init__(self, context: Any, builder: Any, array: Any, ndim: int, width: int) -> None:
        super().__init__(context, builder, array)
        self.ndim, self.cells = ndim, whole_chunks(width)

    def places(self, plane_at: Any, row_at: Any, starts: Any, index: Any) -> None:
        """Find where a point begins: its column, its row and its plane."""
        d, b = self.ndim, self.builder
        first = b.mul(index, self.constant(d))
        cells = [
            b.sext(b.load(b.gep(starts, [b.add(first, self.constant(a))])), ir.IntType(64))
            for a in range(d)
        ]
        self.column = cells[-1]
        self.rows = b.gep(row_at, [cells[-2]]) if d >= 2 else None
        self.planes = b.gep(plane_at, [cells[-3]]) if d == 3 else None

    def row(self, row: int, base: Any) -> Any:
        """Return where a row begins on the flat grid, behind a plane's beginning."""
        if self.rows is None:
            return base
        return self.builder.add(
            self.builder.load(self.builder.gep(self.rows, [self.constant(row)])), base
        )

    def plane(self, plane: Any) -> Any:
        """Return where the point's column of a plane begins."""
        if self.planes is None:
            return self.column
        return self.builder.add(
            self.builder.load(self.builder.gep(self.planes, [plane])), self.column
        )

    def run(self, index: Any, orders: int) -> Any:
        """Return where the kernel of a point begins."""
        return self.builder.mul(index, self.constant(self.ndim * orders * self.cells))

    def along(self, kernel: Any, run: Any, orders: int, axis: int, order: int, cell: Any) -> Any:
        """Return the pointer to the kernel along an axis, from a cell on."""
        first = self.constant((axis * orders + order) * self.cells)
        index = self.builder.add(run, self.builder.add(first, cell))
        return self.builder.gep(kernel, [index])

    def factor(self, kernel: Any, run: Any, orders: int, axis: int, order: int, cell: Any) -> Any:
        """Load one number of a kernel, copied to all lanes."""
        pointer = self.along(kernel, run, orders, axis, order, cell)
        return self.spread(self.builder.load(pointer))

    def part(self, kernel: Any, run: Any, orders: int, order: int, cell: int) -> Any:
        """Load a chunk of the kernel along the last axis."""
        pointer = self.along(kernel, run, orders, self.ndim - 1, order, self.constant(cell))
        return self.load(self.builder.bitcast(pointer, self.chunk.as_pointer()))


@emitted  # type: ignore[untyped-decorator]
def evaluate_points(
    _: Any, kernel: Any, polynomials: Any, offsets: Any, begin: Any, count: Any,
    ndim: Any, orders: Any, degree: Any, width: Any,
) -> Any:  # fmt: skip
    """``kernel[n, axis, order, l] = sum_p polynomials[p, axis, order, l] x[axis]^p``.

    For the points ``begin, ..., begin + count - 1`` with ``x = offsets[begin + n]``.
    """
    d, each, top, W = (x.literal_value for x in (ndim, orders, degree, width))

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Point(context, builder, kernel, d, W)
        to, source, given = map(r.data, signature.args[:3], arguments[:3])
        first, points = arguments[3:5]
        size = d * each * r.cells
        lanes = max(LANES, WIDEST // context.get_abi_sizeof(r.real))
        for begin in range(0, size, lanes):
            chunks = range(begin, min(begin + lanes, size), LANES)
            length = LANES * len(chunks)
            all_lanes = ir.Constant(ir.VectorType(ir.IntType(32), length), list(range(length)))
            vector = ir.VectorType(r.real, length).as_pointer()

            def place(data: Any, index: Any) -> Any:
                return builder.bitcast(builder.gep(data, [index]), vector)  # noqa: B023

            # Loaded once for all points: the processor has registers for them.
            series = [r.load(place(source, r.constant(p * size + begin))) for p in range(top + 1)]
            with cgutils.for_range(builder, points) as loop:
                point = builder.mul(builder.add(first, loop.index), r.constant(d))
                x = []
                for chunk in chunks:
                    index = builder.add(point, r.constant(chunk // (each * r.cells)))
                    x.append(r.spread(builder.load(builder.gep(given, [index]))))
                argument = x[0]
                if len(x) == 2:
                    argument = builder.shuffle_vector(x[0], x[1], all_lanes)
                value = series[top]
                for p in reversed(range(top)):
                    value = r.add_product(series[p], argument, value)
                index = builder.mul(loop.index, r.constant(size))
                r.store(value, place(to, builder.add(index, r.constant(begin))))
        return context.get_dummy_value()

    return types.void(
        kernel, polynomials, offsets, types.intp, types.intp, ndim, orders, degree, width
    ), emit


@emitted  # type: ignore[untyped-decorator]
def read_point(
    _: Any, out: Any, grid: Any, plane_at: Any, row_at: Any, starts: Any, i: Any,
    kernel: Any, n: Any, ndim: Any, orders: Any, width: Any,
) -> Any:  # fmt: skip
    """``out[n, 0]`` becomes the value at point ``i``, ``out[n, 1 + axis]`` its derivatives.

    `kernel` has one order or two, and then there are derivatives.
    """
    d, count, W = (x.literal_value for x in (ndim, orders, width))
    slopes = count == 2
    # Sums over planes and rows, by their orders (p, q), that the last axis is applied to.
    wanted = [(0, 0)] + ([(0, 1)] * (d >= 2) + [(1, 0)] * (d == 3) if slopes else [])
    results = [(0, (0, 0), 0)]  # place, sum, order along the last axis
    if slopes:
        results += [(d, (0, 0), 1)] + [(d - 1 - p, (p, q), 0) for p, q in wanted[1:]]

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Point(context, builder, grid, d, W)
        to, source, planes, rows, begins = (
            r.data(signature.args[i], arguments[i]) for i in range(5)
        )
        weights, n_value = r.data(signature.args[6], arguments[6]), arguments[7]
        r.places(planes, rows, begins, arguments[5])
        run = r.run(n_value, count)
        chunks = range(0, r.cells, LANES)

        def sums_of(plane: Any) -> dict[tuple[int, int], Any]:
            """Return the sums over the rows of a plane, by chunk and order."""
            base = r.plane(plane)
            orders_here = 1 + max(q for _, q in wanted)
            inner = {(c, q): r.zero for c in chunks for q in range(orders_here)}
            for row in range(W if d >= 2 else 1):
                start = r.row(row, base)
                for c in chunks:
                    value = r.load(r.at(source, builder.add(start, r.constant(c))))
                    if d == 1:
                        inner[c, 0] = value
                        continue
                    for q in range(orders_here):
                        factor = r.factor(weights, run, count, d - 2, q, r.constant(row))
                        inner[c, q] = r.add_product(inner[c, q], factor, value)
            return inner

        if d < 3:
            inner = sums_of(r.constant(0))
            sums = {(c, (0, q)): value for (c, q), value in inner.items()}
        else:
            registers = {(c, k): r.register(r.zero) for c in chunks for k in wanted}
            with cgutils.for_range(builder, r.constant(W)) as plane:
                inner = sums_of(plane.index)
                for (c, (p, q)), total in registers.items():
                    factor = r.factor(weights, run, count, 0, p, plane.index)
                    builder.store(r.add_product(builder.load(total), factor, inner[c, q]), total)
            sums = {key: builder.load(total) for key, total in registers.items()}
        begin = builder.mul(n_value, r.constant(1 + d if slopes else 1))
        for place, key, order in results:
            products = r.zero
            for c in chunks:
                products = r.add_product(
                    products, r.part(weights, run, count, order, c), sums[c, key]
                )
            index = builder.add(begin, r.constant(place))
            builder.store(r.total(products), builder.gep(to, [index]))
        return context.get_dummy_value()

    return types.void(
        out, grid, plane_at, row_at, starts, types.intp, kernel, types.intp, ndim, orders, width
    ), emit


@emitted  # type: ignore[untyped-decorator]
def add_point(
    _: Any, grid: Any, plane_at: Any, row_at: Any, starts: Any, i: Any,
    kernel: Any, n: Any, value: Any, ndim: Any, orders: Any, width: Any,
) -> Any:  # fmt: skip
    """Add a value at point ``i`` to the grid: the transpose of `read_point` for the value."""
    d, count, W = (x.literal_value for x in (ndim, orders, width))

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        r = Point(context, builder, grid, d, W)
        to, planes, rows, begins = (r.data(signature.args[i], arguments[i]) for i in range(4))
        weights = r.data(signature.args[5], arguments[5])
        r.places(planes, rows, begins, arguments[4])
        run, amount = r.run(arguments[6], count), r.spread(arguments[7])
        chunks = range(0, r.cells, LANES)
        parts = [builder.fmul(r.part(weights, run, count, 0, c), amount) for c in chunks]

        def add(plane: Any, parts: list[Any]) -> None:
            base = r.plane(plane)
            for row in range(W if d >= 2 else 1):
                start = r.row(row, base)
                for c, part in zip(chunks, parts, strict=True):
                    pointer = r.at(to, builder.add(start, r.constant(c)))
                    total = r.load(pointer)
                    if d == 1:
                        total = builder.fadd(total, part)
                    else:
                        factor = r.factor(weights, run, count, d - 2, 0, r.constant(row))
                        total = r.add_product(total, factor, part)
                    r.store(total, pointer)

        if d < 3:
            add(r.constant(0), parts)
        else:
            with cgutils.for_range(builder, r.constant(W)) as plane:
                factor = r.factor(weights, run, count, 0, 0, plane.index)
                add(plane.index, [builder.fmul(factor, part) for part in parts])
        return context.get_dummy_value()

    return types.void(
        grid, plane_at, row_at, starts, types.intp, kernel, types.intp, grid.dtype,
        ndim, orders, width,
    ), emit  # fmt: skip
