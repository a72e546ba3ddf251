"""The loops over points and voxels on the CPU, compiled by Numba.

Arrays are real here: a complex number is two reals, and `reals` counts the reals in one
cell of the grid, all coils of a block together. They lie side by side, innermost. The
cells that a point covers on the last axis are thus one contiguous run of numbers, and the
point's weights are computed once for the run.

One and two dimensions are three with axes of one cell in front. Width, degree and coils
are constants of the compiled code; so are the dimensions: each setting is
compiled once and kept on disk. The loops run without Python's lock, on ranges of points
or rows that `parallel` hands out.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numba import njit, uint64

from nufftlib.core.caching import remembered
from nufftlib.nufft.engines.grid.cpu.scratch import filled
from nufftlib.nufft.engines.grid.cpu.vectors import (
    ORDERS,
    add_cells,
    evaluate,
    read_cells,
    whole_chunks,
)

HERE = Path(__file__).parent

AHEAD = 64
"""Points whose data are read at once. The data are scattered in memory; the processor waits for
all of them together, not for each."""

TILE = 64
"""Voxels of all coils that are brought from one order to another at once."""

Mode = Literal["values", "linearize", "directional", "gradient", "vjp", "curvature"]
Loop = Callable[..., None]

# Sums may be reordered and products fused; NaN and infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz"}
SETTINGS: dict[str, Any] = {
    "nogil": True,
    "fastmath": FAST,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # only Python and other loops call them
}
COPIED: dict[str, Any] = {**SETTINGS, "forceinline": True, "no_cpython_wrapper": True}

SOURCES = format(zlib.crc32(b"".join(map(Path.read_bytes, sorted(HERE.glob("*.py"))))), "08x")
"""A sum of the sources of this folder, whose functions are copied into loops."""


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function that loops call: it is copied into each of them.

    Of a function for which that is left to the compiler a process has several versions, each
    optimised by itself, and uses the first. Sums may be reordered, so a process that compiled had
    other last digits than one that reads what is kept. A function of a few lines is copied by
    Numba itself, ``inline="always"``, which compiles it only there.
    """
    return njit(**COPIED)(function)


def compiled(function: Callable[..., Any], *setting: Any) -> Any:
    """Compile a loop, and keep it on disk where a folder is writable.

    Each setting has files of its own there: two processes that compile do not write to the same.
    So has each state of the sources, of which Numba looks at the loop's own file alone.
    """
    function.__qualname__ = "_".join(map(str, (function.__qualname__, SOURCES, *setting)))
    try:
        return njit(cache=True, **SETTINGS)(function)
    except RuntimeError:  # a read-only installation, and no home
        return njit(**SETTINGS)(function)


@njit(inline="always")
def locate(k: Any, size: Any, width: Any) -> Any:
    """Return the first cell that a point covers, and twice where in it the point lies, less 1.

    In double precision: a point in single precision is one number exactly, and so is
    its product with the size of the grid.
    """
    left = np.float64(k) * size - 0.5 * width
    whole = math.ceil(left)
    first = np.int64(whole)
    first += size & (first >> 63)  # no branch that half of the points take
    while first < 0:
        first += size
    while first >= size:
        first -= size
    return first, 2.0 * (whole - left) - 1.0


@njit(inline="always")
def find(
    at: Any, plane_at: Any, row_at: Any, start: Any, ndim: Any, planes: Any, rows: Any, reals: Any
) -> None:
    """Compute the offsets, on the flat grid, of the rows that a point covers."""
    # Unsigned: numbers that may be negative are tested for it, at each index.
    column = uint64(start[ndim - 1]) * uint64(reals)
    for a in range(planes):
        plane = column
        if ndim == 3:
            plane += plane_at[uint64(start[0]) + uint64(a)]
        for b in range(rows):
            row = plane
            if ndim >= 2:
                row += row_at[uint64(start[ndim - 2]) + uint64(b)]
            at[uint64(a * rows + b)] = row


@remembered(maxsize=None)
def interpolation(ndim: int, width: int, degree: int, reals: int, parts: int, mode: Mode) -> Loop:
    r"""Compile the loop that reads the grid at points.

    Along each axis the weights are :math:`\varphi, \varphi', \varphi''`, computed from
    ``polynomials[axis, order]``. Rows are summed along the last axis, and these sums, one for
    each derivative by it, along the others.

    values
        ``data[b, j, :]`` becomes the value.
    linearize
        and ``out[j, axis, :]`` its derivatives.
    directional
        ``data[b, j, :]`` becomes the derivative along ``out[j]``.
    gradient
        ``out[j, axis] += <data[:, j], derivative>``.
    vjp
        ``out[j, axis] += weights[j] <given[:, j], derivative>``, ``out[j, ndim]`` gains the inner
        product with the value, and ``data[b, j, :]`` becomes the value times ``weights[j]``.
    curvature
        ``out[j, axis, axis'] += <data[:, j], second derivative>``.
    """
    planes = width if ndim == 3 else 1
    rows = width if ndim >= 2 else 1
    lines = planes * rows
    padded = whole_chunks(width)
    first = mode != "values"
    second = mode == "curvature"
    orders = 1 + first + second

    def interpolate(  # type: ignore[no-untyped-def]
        grid, plane_at, row_at, polynomials, starts, offsets, order, data, out, given, weights,
        begin, end,
    ):  # fmt: skip
        zero = grid.dtype.type(0)
        w = filled(grid, 1, 3, ORDERS, padded)  # axis, order of the derivative, cell
        s = filled(grid, 0, 10, reals)
        at = filled(plane_at, 0, lines)
        for i in range(uint64(begin), uint64(end)):
            j = uint64(order[i])
            for axis in range(ndim):
                x = offsets[i, axis]
                evaluate(w, polynomials[axis, 0], x, 3 - ndim + axis, 0, degree, width)
                if first:
                    evaluate(w, polynomials[axis, 1], x, 3 - ndim + axis, 1, degree, width)
                if second:
                    evaluate(w, polynomials[axis, 2], x, 3 - ndim + axis, 2, degree, width)
            find(at, plane_at, row_at, starts[i], ndim, planes, rows, reals)
            # s: value; d by the last axis, the one before, the first; then
            # ll, lb, bb, lf, bf, ff for last, before, first.
            read_cells(s, grid, at, w, planes, rows, width, reals, orders)
            if mode == "vjp":
                weight = weights[j]
                for axis in range(ndim):
                    total = zero
                    for c in range(reals):
                        total += given[c // parts, j, c % parts] * s[ndim - axis, c]
                    out[j, axis] += weight * total
                total = zero
                for c in range(reals):
                    total += given[c // parts, j, c % parts] * s[0, c]
                    data[c // parts, j, c % parts] = weight * s[0, c]
                out[j, ndim] += total
            if mode == "values" or mode == "linearize":
                for c in range(reals):
                    data[c // parts, j, c % parts] = s[0, c]
            if mode == "linearize":
                for axis in range(ndim):
                    for c in range(reals):
                        out[j, axis, c] = s[ndim - axis, c]
            if mode == "directional":
                for c in range(reals):
                    total = zero
                    for axis in range(ndim):
                        total += out[j, axis] * s[ndim - axis, c]
                    data[c // parts, j, c % parts] = total
            if mode == "gradient":
                for axis in range(ndim):
                    total = zero
                    for c in range(reals):
                        total += data[c // parts, j, c % parts] * s[ndim - axis, c]
                    out[j, axis] += total
            if second:
                for axis in range(ndim):
                    for other in range(axis, ndim):
                        # Distance from the last axis: 4 ll, 5 lb, 6 bb, 7 lf, 8 bf, 9 ff.
                        far = ndim - 1 - axis
                        near = ndim - 1 - other
                        k = 4 + far * (far + 1) // 2 + near
                        total = zero
                        for c in range(reals):
                            total += data[c // parts, j, c % parts] * s[k, c]
                        out[j, axis, other] += total
                        if other != axis:
                            out[j, other, axis] += total

    loop: Loop = compiled(interpolate, ndim, width, degree, reals, parts, mode)
    return loop


@remembered(maxsize=None)
def spreading(
    ndim: int, width: int, degree: int, reals: int, parts: int, directed: bool, weighted: bool
) -> Loop:
    """Compile the loop that adds points to the grid: the transpose of "values".

    If `directed`, compile the transpose of the derivative along ``direction[j]``,
    ``sum_a direction[j, a] d_a``, instead; if `weighted`, that of ``weights[j]`` times it.
    """
    planes = width if ndim == 3 else 1
    rows = width if ndim >= 2 else 1
    lines = planes * rows
    padded = whole_chunks(width)

    def spread(  # type: ignore[no-untyped-def]
        grid, plane_at, row_at, polynomials, starts, offsets, order, data, direction, weights,
        begin, end,
    ):  # fmt: skip
        w = filled(grid, 1, 3, ORDERS, padded)
        at = filled(plane_at, 0, lines)
        y = filled(grid, 0, AHEAD, reals)
        for i in range(uint64(begin), uint64(end)):
            n = (i - uint64(begin)) % uint64(AHEAD)
            if n == 0:
                for ahead in range(i, min(i + uint64(AHEAD), uint64(end))):
                    for c in range(reals):
                        y[ahead - i, c] = data[c // parts, uint64(order[ahead]), c % parts]
                    if weighted:
                        for c in range(reals):
                            y[ahead - i, c] *= weights[uint64(order[ahead])]
            j = uint64(order[i])
            for axis in range(ndim):
                x = offsets[i, axis]
                evaluate(w, polynomials[axis, 0], x, 3 - ndim + axis, 0, degree, width)
                if directed:
                    evaluate(w, polynomials[axis, 1], x, 3 - ndim + axis, 1, degree, width)
                    for cell in range(width):
                        w[3 - ndim + axis, 1, cell] *= direction[j, axis]
            find(at, plane_at, row_at, starts[i], ndim, planes, rows, reals)
            add_cells(y, n, grid, at, w, planes, rows, width, reals, directed)

    loop: Loop = compiled(spread, ndim, width, degree, reals, parts, directed, weighted)
    return loop


@compiled
def clear(grid, begin, end):  # type: ignore[no-untyped-def]
    """Make rows of the grid zero."""
    for row in range(begin, end):
        grid[row // grid.shape[1], row % grid.shape[1]] = 0


@njit(inline="always")
def voxel_in(cell: Any, voxels: Any, cells: Any) -> Any:
    """Return the number of the voxel that lies in a cell of an axis, -1 if there is none."""
    negative = voxels // 2
    if cell < voxels - negative:
        return cell + negative
    if cell >= cells - negative:
        return cell - (cells - negative)
    return -1


@compiled
def pad(image, sizes, factors, grid, begin, end):  # type: ignore[no-untyped-def]
    """Write the deconvolved image into rows of the grid, and zeros around it.

    ``image`` is (coils, planes, rows, columns, 2), ``grid`` (planes, rows, columns, reals)
    with the rows numbered through. Voxels that are not negative come first, the negative
    ones end the ``sizes`` of the period; ``factors[axis][abs(n)]`` is the deconvolution of
    voxel ``n``.
    """
    columns = image.shape[3]
    negative = columns // 2
    for row in range(begin, end):
        plane, line = row // grid.shape[1], row % grid.shape[1]
        grid[plane, line] = 0
        p = voxel_in(plane, image.shape[1], sizes[0])
        q = voxel_in(line, image.shape[2], sizes[1])
        if p < 0 or q < 0:
            continue
        outer = factors[0][abs(p - image.shape[1] // 2)] * factors[1][abs(q - image.shape[2] // 2)]
        cells = grid[plane, line]
        for coil in range(image.shape[0]):
            x = image[coil, p, q]
            for m in range(columns):
                n = m - negative
                factor = outer * factors[2][abs(n)]
                cell = n if n >= 0 else n + sizes[2]
                cells[cell, 2 * coil] = factor * x[m, 0]
                cells[cell, 2 * coil + 1] = factor * x[m, 1]


@compiled
def crop(grid, sizes, factors, image, begin, end):  # type: ignore[no-untyped-def]
    """Read the deconvolved image from the grid: the transpose of `pad`."""
    columns = image.shape[3]
    negative = columns // 2
    for row in range(begin, end):
        p, q = row // image.shape[2], row % image.shape[2]
        n0, n1 = p - image.shape[1] // 2, q - image.shape[2] // 2
        outer = factors[0][abs(n0)] * factors[1][abs(n1)]
        cells = grid[n0 if n0 >= 0 else n0 + sizes[0], n1 if n1 >= 0 else n1 + sizes[1]]
        for coil in range(image.shape[0]):
            x = image[coil, p, q]
            for m in range(columns):
                n = m - negative
                factor = outer * factors[2][abs(n)]
                cell = n if n >= 0 else n + sizes[2]
                x[m, 0] = factor * cells[cell, 2 * coil]
                x[m, 1] = factor * cells[cell, 2 * coil + 1]


@compiled
def cut(grid, shape, sizes, factors, begin, end):  # type: ignore[no-untyped-def]
    """`crop`, and `pad` of what it gives, of the rows of a grid in their place."""
    negative = shape[2] // 2
    for row in range(begin, end):
        plane, line = row // grid.shape[1], row % grid.shape[1]
        cells = grid[plane, line]
        p = voxel_in(plane, shape[0], sizes[0])
        q = voxel_in(line, shape[1], sizes[1])
        if p < 0 or q < 0:
            cells[...] = 0
            continue
        outer = factors[0][abs(p - shape[0] // 2)] * factors[1][abs(q - shape[1] // 2)]
        for m in range(shape[2] - negative):
            factor = outer * factors[2][m]
            for c in range(cells.shape[1]):
                cells[m, c] *= factor * factor
        cells[shape[2] - negative : sizes[2] - negative] = 0
        for m in range(negative):
            factor = outer * factors[2][negative - m]
            for c in range(cells.shape[1]):
                cells[sizes[2] - negative + m, c] *= factor * factor
        cells[sizes[2] :] = 0


@njit(inline="always")
def runs_of_cells(voxels: Any, cells: Any) -> Any:
    """Return the two runs of voxels along an axis: the first voxel, the end and the first cell."""
    negative = voxels // 2
    return (0, negative, cells - negative), (negative, voxels, 0)


@compiled
def pad_coils(image, maps, start, sizes, factors, grid, begin, end):  # type: ignore[no-untyped-def]
    """`pad` of the images ``maps[i % C] image[i // C]`` with the numbers ``i = start, ...``.

    Numbers are complex here, but those of maps that are real. Neighbours are voxels in the maps,
    coils in the grid: products are made in a row of their own, so that they are not one by one.
    """
    coils, (_, planes, rows, columns) = len(maps), image.shape
    product, factor = np.empty(TILE, grid.dtype), np.empty(TILE, factors[2].dtype)
    for row in range(begin, end):
        plane, line = row // grid.shape[1], row % grid.shape[1]
        grid[plane, line] = 0
        p, q = voxel_in(plane, planes, sizes[0]), voxel_in(line, rows, sizes[1])
        if p < 0 or q < 0:
            continue
        outer = factors[0][abs(p - planes // 2)] * factors[1][abs(q - rows // 2)]
        for voxel, last, cell in runs_of_cells(columns, sizes[2]):
            for first in range(voxel, last, TILE):
                n, at = uint64(first), uint64(cell + first - voxel)
                count = uint64(min(TILE, last - first))
                for m in range(min(TILE, last - first)):
                    factor[m] = outer * factors[2][abs(first + m - columns // 2)]
                for c in range(grid.shape[3]):
                    b, s = (start + c) // coils, (start + c) % coils
                    for m in range(count):
                        product[m] = maps[s, p, q, n + m] * (factor[m] * image[b, p, q, n + m])
                    for m in range(count):
                        grid[plane, line, at + m, c] = product[m]


@compiled
def crop_coils(grid, start, maps, sizes, factors, image, begin, end):  # type: ignore[no-untyped-def]
    """``image[i // C] += conj(maps[i % C]) crop``: the transpose of `pad_coils`.

    One thread adds all coils of a row, in their order.
    """
    coils, (_, planes, rows, columns) = len(maps), image.shape
    values, factor = np.empty(TILE, grid.dtype), np.empty(TILE, factors[2].dtype)
    for row in range(begin, end):
        p, q = row // rows, row % rows
        n0, n1 = p - planes // 2, q - rows // 2
        outer = factors[0][abs(n0)] * factors[1][abs(n1)]
        plane, line = n0 if n0 >= 0 else n0 + sizes[0], n1 if n1 >= 0 else n1 + sizes[1]
        for voxel, last, cell in runs_of_cells(columns, sizes[2]):
            for first in range(voxel, last, TILE):
                n, at = uint64(first), uint64(cell + first - voxel)
                count = uint64(min(TILE, last - first))
                for m in range(min(TILE, last - first)):
                    factor[m] = outer * factors[2][abs(first + m - columns // 2)]
                for c in range(grid.shape[3]):
                    b, s = (start + c) // coils, (start + c) % coils
                    for m in range(count):
                        values[m] = grid[plane, line, at + m, c]
                    for m in range(count):
                        value = factor[m] * values[m]
                        image[b, p, q, n + m] += np.conj(maps[s, p, q, n + m]) * value


@compiled
def along(derivatives, direction, out, begin, end):  # type: ignore[no-untyped-def]
    """``out[b, j, part] = sum_axis direction[j, axis] derivatives[j, axis, (b, part)]``."""
    parts = out.shape[2]
    for j in range(begin, end):
        for coil in range(out.shape[0]):
            for part in range(parts):
                total = derivatives.dtype.type(0)
                for axis in range(derivatives.shape[1]):
                    total += direction[j, axis] * derivatives[j, axis, coil * parts + part]
                out[coil, j, part] = total


@compiled
def against(derivatives, data, out, begin, end):  # type: ignore[no-untyped-def]
    """``out[j, axis] += <data[:, j], derivatives[j, axis]>``, the transpose of `along`."""
    parts = data.shape[2]
    for j in range(begin, end):
        for axis in range(derivatives.shape[1]):
            total = derivatives.dtype.type(0)
            for coil in range(data.shape[0]):
                for part in range(parts):
                    total += data[coil, j, part] * derivatives[j, axis, coil * parts + part]
            out[j, axis] += total


@compiled
def outer_products(derivatives, out, begin, end):  # type: ignore[no-untyped-def]
    """``out[j, a, c] += <derivatives[j, a], derivatives[j, c]>``."""
    for j in range(begin, end):
        for a in range(derivatives.shape[1]):
            for c in range(derivatives.shape[1]):
                total = derivatives.dtype.type(0)
                for r in range(derivatives.shape[2]):
                    total += derivatives[j, a, r] * derivatives[j, c, r]
                out[j, a, c] += total
