"""Small arrays of a compiled loop, on its stack.

`np.empty` and its like are functions that Numba compiles for each kind of array: a loop with four
of them took half as long again to be compiled.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np import arrayobj

from nufftlib.nufft.engines.grid.cpu.vectors import emitted

arrays: Any = arrayobj
allocate: Any = cgutils.alloca_once

LINE = 64
"""Bytes of a line of the cache, at whose beginning an array lies."""


@emitted  # type: ignore[untyped-decorator]
def filled(_: Any, like: Any, number: Any, *shape: Any) -> Any:
    """Return an array of one number, with the dtype of another array.

    Number and shape are constants. The array is valid until the loop returns.
    """
    array_type: Any = types.Array(like.dtype, len(shape), "C")
    sizes = [n.literal_value for n in shape]

    def emit(context: Any, builder: Any, _: Any, __: Any) -> Any:
        def index(value: int) -> Any:
            return context.get_constant(types.intp, value)

        item = context.get_data_type(like.dtype)
        size = context.get_abi_sizeof(item)
        count = index(math.prod(sizes))
        place = allocate(builder, item, size=count)
        place.align = LINE
        # The compiler is not to see whose memory this is. It would keep sums in registers, and
        # add them up in another order: results would change in their last digits.
        data = builder.asm(ir.FunctionType(place.type, [place.type]), "", "=r,0", [place], False)
        constant = context.get_constant(like.dtype, number.literal_value)
        with cgutils.for_range(builder, count) as loop:
            builder.store(constant, builder.gep(data, [loop.index]))
        array = arrays.make_array(array_type)(context, builder)
        arrays.populate_array(
            array,
            data=data,
            shape=[index(n) for n in sizes],
            strides=[index(size * math.prod(sizes[axis + 1 :])) for axis in range(len(sizes))],
            itemsize=index(size),
            meminfo=None,
        )
        return array._getvalue()

    star: Any = types.StarArgTuple
    return array_type(like, number, star(shape)), emit
