"""The compiled loop of coil maps, over rows of voxels block by block, all coils at once.

``s`` (coils, rows of nodes, 2 columns) are nodes of coil images, ``g`` (coils, rows of nodes,
columns) those of magnitudes. In a `Block` of voxels

    t = s / m,  norm = sum |t|^2,  with the largest part m of all coils in the voxel,

so that no square grows beyond the range of its precision. A coil whose square falls below the
normal numbers has neither phase nor map there: the map would be below 1e-19 in single precision.

Real and imaginary parts of a block lie apart, and so do the places of the columns' groups: first
the voxels in place 0 of every group, then those in place 1. Rows are named by array and index:
a view would be counted by its references, which takes longer than a row.

The four passes are one loop, which is compiled in half the time of four.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import uint64

from nufftlib.nufft.engines.grid.cpu.loops import compiled, inlined

GROUPS = 256
"""Most groups of a block: 32 coils take 200 KB in single precision."""

PLACES, TAPS = 2, 6
"""Most places of a group, and taps of a voxel."""

MAGNITUDES, MAPS, MAGNITUDES_BAR, IMAGES_BAR = range(4)
"""The passes; the last two are gradients."""

IMAGES, SMOOTH, ALONG = range(3)
"""The splines that are read: of ``s``, of ``g`` and of a cotangent of magnitudes."""

PLANES = 4
"""Planes of a block (coils, voxels): of ``s`` the real and the imaginary part, then the others."""

SCALE, NORM, INVERSE, PART, BAR_RE, BAR_IM = range(6)
"""Rows of voxels: ``1 / m``, ``1 / ||t||``, ``1 / ||g||``, a sum over coils, a cotangent."""

PAIRS, REAL, IMAGINARY, EVEN, ODD = range(5)
"""Rows of nodes: complex numbers, two of reals, and the places with zeros around them."""

HEIGHT = 16
"""Rows of a strip. Two strips with one between them have no node in common."""


class Axis(NamedTuple):
    """A `Spline` as the loops know it: its taps are tuples, of zeros behind those that it has."""

    size: int
    skipped: int
    start: int
    step: int
    width: int
    taps: Any


class Block(NamedTuple):
    """Some groups of a row of voxels, and their nodes.

    Nodes lie in the rows ``first + k apart`` from the column ``left`` on, and have the weights
    ``down[k]`` for all voxels, ``across[place][k]`` for those in a place. The first `before` and
    the last `after` voxels are none of the image; the very first is at `column`.
    """

    first: int
    apart: int
    depth: int
    down: Any
    left: int
    groups: int
    places: int
    length: int
    across: Any
    column: int
    before: int
    after: int


@inlined
def blocks_of(columns):  # type: ignore[no-untyped-def]
    """Return how many blocks a row of voxels has."""
    groups = -(-(columns.skipped + columns.size) // columns.step)
    return -(-groups // GROUPS)


@inlined
def block_at(rows, lines, columns, n, number):  # type: ignore[no-untyped-def]
    """Return a block of row ``n`` of the image; rows of the first axis lie `lines` rows apart."""
    group, place = divmod(n // lines + rows.skipped, rows.step)
    groups = -(-(columns.skipped + columns.size) // columns.step)
    blocks = blocks_of(columns)
    left, right = groups * number // blocks, groups * (number + 1) // blocks
    column = columns.step * left - columns.skipped
    return Block(
        (rows.start + group) * lines + n % lines,
        lines,
        rows.width,
        rows.taps[place],
        columns.start + left,
        right - left,
        columns.step,
        columns.width,
        columns.taps,
        column,
        max(-column, 0),
        max(column + columns.step * (right - left) - columns.size, 0),
    )


@inlined
def down(x, c, block, parts, nodes, row):  # type: ignore[no-untyped-def]
    """Fill a row with the nodes of a block, combined along the first axis."""
    n = uint64(parts * (block.groups + block.length - 1))
    left, at, by = uint64(parts * block.left), uint64(block.first), uint64(block.apart)
    w0, w1, w2, w3, w4, w5 = block.down
    if block.depth == 1:
        for r in range(n):
            nodes[row, r] = w0 * x[c, at, left + r]
        return
    i1, i2, i3 = at + by, at + by + by, at + by + by + by
    i4, i5 = i3 + by, i3 + by + by
    for r in range(n):
        nodes[row, r] = (
            w0 * x[c, at, left + r]
            + w1 * x[c, i1, left + r]
            + w2 * x[c, i2, left + r]
            + w3 * x[c, i3, left + r]
            + w4 * x[c, i4, left + r]
            + w5 * x[c, i5, left + r]
        )


@inlined
def add_down(x, c, block, parts, nodes, row):  # type: ignore[no-untyped-def]
    """Apply the transpose of `down`: add to ``x``."""
    n, left = uint64(parts * (block.groups + block.length - 1)), uint64(parts * block.left)
    for k in range(block.depth):
        at, w = uint64(block.first + k * block.apart), block.down[k]
        for r in range(n):
            x[c, at, left + r] += w * nodes[row, r]


@inlined
def across(nodes, row, block, out, plane, c):  # type: ignore[no-untyped-def]
    """Fill a row of ``out`` with the voxels of a row of nodes."""
    n = uint64(block.groups)
    if block.places == 1:
        for r in range(n):
            out[plane, c, r] = nodes[row, r]
        return
    even, odd = block.across
    for r in range(n):
        a, b, d = nodes[row, r], nodes[row, r + uint64(1)], nodes[row, r + uint64(2)]
        e, f, g = nodes[row, r + uint64(3)], nodes[row, r + uint64(4)], nodes[row, r + uint64(5)]
        out[plane, c, r] = even[0] * a + even[1] * b + even[2] * d + even[3] * e + even[4] * f
        out[plane, c, n + r] = (
            odd[0] * a + odd[1] * b + odd[2] * d + odd[3] * e + odd[4] * f + odd[5] * g
        )


@inlined
def add_across(voxels, plane, c, block, nodes, row):  # type: ignore[no-untyped-def]
    """Apply the transpose of `across` to the voxels of the image."""
    n, more = uint64(block.groups), uint64(block.length - 1)
    if block.places == 1:
        for r in range(n):
            nodes[row, r] = voxels[plane, c, r]
        return
    for r in range(more):
        nodes[EVEN, r] = nodes[ODD, r] = 0
        nodes[EVEN, more + n + r] = nodes[ODD, more + n + r] = 0
    for r in range(n):
        nodes[EVEN, more + r] = voxels[plane, c, r]
        nodes[ODD, more + r] = voxels[plane, c, n + r]
    if block.before:
        nodes[EVEN, more] = 0
    if block.after:
        nodes[ODD, more + n - uint64(1)] = 0
    even, odd = block.across
    for r in range(n + more):
        nodes[row, r] = (
            even[4] * nodes[EVEN, r + uint64(1)]
            + even[3] * nodes[EVEN, r + uint64(2)]
            + even[2] * nodes[EVEN, r + uint64(3)]
            + even[1] * nodes[EVEN, r + uint64(4)]
            + even[0] * nodes[EVEN, r + uint64(5)]
            + odd[5] * nodes[ODD, r]
            + odd[4] * nodes[ODD, r + uint64(1)]
            + odd[3] * nodes[ODD, r + uint64(2)]
            + odd[2] * nodes[ODD, r + uint64(3)]
            + odd[1] * nodes[ODD, r + uint64(4)]
            + odd[0] * nodes[ODD, r + uint64(5)]
        )


@inlined
def interpolate(x, c, block, parts, nodes, out, plane):  # type: ignore[no-untyped-def]
    """Fill a row of one plane, or of two, with a block of the spline of reals, or of ``s``."""
    down(x, c, block, parts, nodes, PAIRS if parts == 2 else REAL)
    if parts == 2:
        for r in range(uint64(block.groups + block.length - 1)):
            nodes[REAL, r] = nodes[PAIRS, r + r]
            nodes[IMAGINARY, r] = nodes[PAIRS, r + r + uint64(1)]
    for part in range(parts):
        across(nodes, REAL + part, block, out, plane + part, c)


@inlined
def add_nodes(voxels, plane, c, block, parts, nodes, x):  # type: ignore[no-untyped-def]
    """Apply the transpose of `interpolate`: add to ``x``."""
    for part in range(parts):
        add_across(voxels, plane + part, c, block, nodes, REAL + part)
    if parts == 2:
        for r in range(uint64(block.groups + block.length - 1)):
            nodes[PAIRS, r + r] = nodes[REAL, r]
            nodes[PAIRS, r + r + uint64(1)] = nodes[IMAGINARY, r]
    add_down(x, c, block, parts, nodes, PAIRS if parts == 2 else REAL)


@inlined
def read(x, c, n, block, nodes, line):  # type: ignore[no-untyped-def]
    """Read a block of row ``n`` of complex voxels, zero out of the image."""
    groups, voxels = uint64(block.groups), block.groups * block.places
    for r in range(uint64(2 * block.before)):
        nodes[PAIRS, r] = 0
    for r in range(uint64(2 * (voxels - block.after)), uint64(2 * voxels)):
        nodes[PAIRS, r] = 0
    first, column = uint64(2 * block.before), uint64(2 * (block.column + block.before))
    for r in range(uint64(2 * (voxels - block.before - block.after))):
        nodes[PAIRS, first + r] = x[c, n, column + r]
    if block.places == 1:
        for r in range(groups):
            line[BAR_RE, r] = nodes[PAIRS, r + r]
            line[BAR_IM, r] = nodes[PAIRS, r + r + uint64(1)]
        return
    for r in range(groups):
        line[BAR_RE, r] = nodes[PAIRS, uint64(4) * r]
        line[BAR_IM, r] = nodes[PAIRS, uint64(4) * r + uint64(1)]
        line[BAR_RE, groups + r] = nodes[PAIRS, uint64(4) * r + uint64(2)]
        line[BAR_IM, groups + r] = nodes[PAIRS, uint64(4) * r + uint64(3)]


@inlined
def write(v, c, block, nodes, x, n):  # type: ignore[no-untyped-def]
    """Write a block to row ``n`` of complex voxels."""
    groups, voxels = uint64(block.groups), block.groups * block.places
    if block.places == 1:
        for r in range(groups):
            nodes[PAIRS, r + r] = v[0, c, r]
            nodes[PAIRS, r + r + uint64(1)] = v[1, c, r]
    else:
        for r in range(groups):
            nodes[PAIRS, uint64(4) * r] = v[0, c, r]
            nodes[PAIRS, uint64(4) * r + uint64(1)] = v[1, c, r]
            nodes[PAIRS, uint64(4) * r + uint64(2)] = v[0, c, groups + r]
            nodes[PAIRS, uint64(4) * r + uint64(3)] = v[1, c, groups + r]
    first, column = uint64(2 * block.before), uint64(2 * (block.column + block.before))
    for r in range(uint64(2 * (voxels - block.before - block.after))):
        x[c, n, column + r] = nodes[PAIRS, first + r]


@inlined
def least(x):  # type: ignore[no-untyped-def]
    """Return the least normal number."""
    return x.dtype.type(np.finfo(x.dtype).tiny)


@inlined
def inverse_root(x, tiny, zero, one):  # type: ignore[no-untyped-def]
    """``1 / sqrt(x)``, zero where `x` is below the normal numbers."""
    return one / math.sqrt(x) if x >= tiny else zero


@inlined
def normalize(v, line, voxels):  # type: ignore[no-untyped-def]
    """Turn ``s`` into ``t``; find ``1 / m`` and ``1 / ||t||``."""
    tiny, zero, one = least(v), v.dtype.type(0), v.dtype.type(1)
    for r in range(voxels):
        line[SCALE, r] = tiny
        line[NORM, r] = zero
    for c in range(v.shape[1]):
        for r in range(voxels):
            line[SCALE, r] = max(line[SCALE, r], max(abs(v[0, c, r]), abs(v[1, c, r])))
    for r in range(voxels):
        line[SCALE, r] = one / line[SCALE, r]
    for c in range(v.shape[1]):
        for r in range(voxels):
            v[0, c, r] *= line[SCALE, r]
            v[1, c, r] *= line[SCALE, r]
            line[NORM, r] += v[0, c, r] ** 2 + v[1, c, r] ** 2
    for r in range(voxels):
        line[NORM, r] = inverse_root(line[NORM, r], tiny, zero, one)


@inlined
def invert_norm(v, line, voxels):  # type: ignore[no-untyped-def]
    """Find ``1 / ||g||`` over the coils that are not zero."""
    tiny, zero, one = least(v), v.dtype.type(0), v.dtype.type(1)
    for r in range(voxels):
        line[INVERSE, r] = zero
    for c in range(v.shape[1]):
        for r in range(voxels):
            heard = v[0, c, r] ** 2 + v[1, c, r] ** 2 >= tiny
            line[INVERSE, r] += v[1 + SMOOTH, c, r] ** 2 if heard else zero
    for r in range(voxels):
        line[INVERSE, r] = inverse_root(line[INVERSE, r], tiny, zero, one)


@inlined
def add_along(v, c, line, voxels):  # type: ignore[no-untyped-def]
    """Find ``Re(conj(p) S_bar)`` and ``g / ||g||``; add their product to a sum over coils."""
    tiny, zero, one = least(v), v.dtype.type(0), v.dtype.type(1)
    for r in range(voxels):
        turn = inverse_root(v[0, c, r] ** 2 + v[1, c, r] ** 2, tiny, zero, one)
        along = v[0, c, r] * line[BAR_RE, r] + v[1, c, r] * line[BAR_IM, r]
        v[1 + ALONG, c, r] = along * turn
        v[1 + SMOOTH, c, r] *= line[INVERSE, r]
        line[PART, r] += v[1 + ALONG, c, r] * v[1 + SMOOTH, c, r]


@inlined
def add_size(v, c, line, voxels):  # type: ignore[no-untyped-def]
    """Find ``g Im(conj(p) S_bar) / (||g|| |s|)``; add ``|u| a_bar`` to a sum over coils."""
    tiny, zero, one = least(v), v.dtype.type(0), v.dtype.type(1)
    for r in range(voxels):
        square = v[0, c, r] ** 2 + v[1, c, r] ** 2
        turn = inverse_root(square, tiny, zero, one)
        # Multiplied by `turn` first: two of them may leave the range.
        x, y = v[0, c, r] * turn, v[1, c, r] * turn
        swing = x * line[BAR_IM, r] - y * line[BAR_RE, r]
        v[1 + SMOOTH, c, r] = swing * (v[1 + SMOOTH, c, r] * line[INVERSE, r] * turn)
        line[PART, r] += math.sqrt(square) * line[NORM, r] * v[1 + ALONG, c, r]


@compiled
def passes(kind, splines, rows, lines, columns, maps_bar, out, begin, end):  # type: ignore[no-untyped-def]
    """Fill the maps, or add to nodes, in one of four passes.

    ``splines`` are ``s``, ``g`` and the cotangent ``a_bar`` of the magnitudes, as far as the pass
    reads them. With ``p = t / |t|``:

    MAGNITUDES
        ``|s| / ||s||``, added to nodes.
    MAPS
        ``S = g p / ||g p||``.
    MAGNITUDES_BAR
        The gradient by the magnitudes, ``Re(conj(p) t_bar)``, with
        ``t_bar = (S_bar - S sum_c Re(conj(S) S_bar)) / ||g||``, added to nodes.
    IMAGES_BAR
        The gradient by the images, added to nodes:
        ``p ((a_bar - |u| sum_c |u| a_bar) / ||s|| + i g Im(conj(p) S_bar) / (||g|| |s|))``.
    """
    s = splines[IMAGES]
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    coils, most = len(s), PLACES * GROUPS
    v, line = np.empty((PLANES, coils, most), s.dtype), np.empty((6, most), s.dtype)
    nodes = np.empty((5, 2 * (most + 2 * TAPS)), s.dtype)
    sources = 1 if kind == MAGNITUDES else 3 if kind == IMAGES_BAR else 2
    for row in range(begin * lines * blocks_of(columns), end * lines * blocks_of(columns)):
        n, number = divmod(row, blocks_of(columns))
        block = block_at(rows, lines, columns, n, number)
        voxels = uint64(block.groups * block.places)
        for source in range(sources):
            parts, plane = (2, 0) if source == IMAGES else (1, 1 + source)
            for c in range(coils):
                interpolate(splines[source], c, block, parts, nodes, v, plane)
        normalize(v, line, voxels)
        if kind != MAGNITUDES:
            invert_norm(v, line, voxels)
        if kind >= MAGNITUDES_BAR:
            for r in range(voxels):
                line[PART, r] = zero
            for c in range(coils):
                read(maps_bar, c, n, block, nodes, line)
                if kind == MAGNITUDES_BAR:
                    add_along(v, c, line, voxels)
                else:
                    add_size(v, c, line, voxels)
        for c in range(coils):
            if kind == MAGNITUDES:
                for r in range(voxels):
                    size = math.sqrt(v[0, c, r] ** 2 + v[1, c, r] ** 2) * line[NORM, r]
                    v[1 + SMOOTH, c, r] = size
            elif kind == MAPS:
                for r in range(voxels):
                    turn = inverse_root(v[0, c, r] ** 2 + v[1, c, r] ** 2, tiny, zero, one)
                    factor = v[1 + SMOOTH, c, r] * line[INVERSE, r] * turn
                    v[0, c, r] *= factor
                    v[1, c, r] *= factor
            elif kind == MAGNITUDES_BAR:
                for r in range(voxels):
                    heard = v[0, c, r] ** 2 + v[1, c, r] ** 2 >= tiny
                    change = v[1 + ALONG, c, r] - v[1 + SMOOTH, c, r] * line[PART, r]
                    v[1 + SMOOTH, c, r] = change * line[INVERSE, r] if heard else zero
            else:
                for r in range(voxels):
                    square = v[0, c, r] ** 2 + v[1, c, r] ** 2
                    turn = inverse_root(square, tiny, zero, one)
                    size = square * turn * line[NORM, r]
                    radial = (v[1 + ALONG, c, r] - size * line[PART, r]) * line[NORM, r]
                    x, y, swing = v[0, c, r] * turn, v[1, c, r] * turn, v[1 + SMOOTH, c, r]
                    v[0, c, r] = (x * radial - y * swing) * line[SCALE, r]
                    v[1, c, r] = (x * swing + y * radial) * line[SCALE, r]
            if kind == MAPS:
                write(v, c, block, nodes, out, n)
            else:
                parts, plane = (2, 0) if kind == IMAGES_BAR else (1, 1 + SMOOTH)
                add_nodes(v, plane, c, block, parts, nodes, out)
