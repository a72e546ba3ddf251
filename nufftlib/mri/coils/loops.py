"""The compiled loops of coil maps, over rows of voxels block by block, all coils at once.

``s`` (coils, rows of nodes, 2 columns) are nodes of coil images, ``g`` (coils, rows of nodes,
columns) those of magnitudes. In a `Block` of voxels

    t = s / m,  norm = sum |t|^2,  with the largest part m of all coils in the voxel,

so that no square grows beyond the range of its precision. A coil whose square falls below the
normal numbers has neither phase nor map there: the map would be below 1e-19 in single precision.

Real and imaginary parts of a block lie apart, and so do the places of the columns' groups: first
the voxels in place 0 of every group, then those in place 1. Rows are named by array and index:
a view would be counted by its references, which takes longer than a row.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy import uint64

from nufftlib.nufft.engines.grid.cpu.loops import compiled

GROUPS = 256
"""Most groups of a block: 32 coils take 200 KB in single precision."""

PLACES, TAPS = 2, 6
"""Most places of a group, and taps of a voxel."""

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


@compiled
def blocks_of(columns):  # type: ignore[no-untyped-def]
    """Return how many blocks a row of voxels has."""
    groups = -(-(columns.skipped + columns.size) // columns.step)
    return -(-groups // GROUPS)


@compiled
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


@compiled
def down(x, c, block, parts, out, row):  # type: ignore[no-untyped-def]
    """Fill a row of ``out`` with the nodes of a block, combined along the first axis."""
    n = uint64(parts * (block.groups + block.length - 1))
    left, at, by = uint64(parts * block.left), uint64(block.first), uint64(block.apart)
    w0, w1, w2, w3, w4, w5 = block.down
    if block.depth == 1:
        for r in range(n):
            out[row, r] = w0 * x[c, at, left + r]
        return
    i1, i2, i3 = at + by, at + by + by, at + by + by + by
    i4, i5 = i3 + by, i3 + by + by
    for r in range(n):
        out[row, r] = (
            w0 * x[c, at, left + r]
            + w1 * x[c, i1, left + r]
            + w2 * x[c, i2, left + r]
            + w3 * x[c, i3, left + r]
            + w4 * x[c, i4, left + r]
            + w5 * x[c, i5, left + r]
        )


@compiled
def add_down(x, c, block, parts, nodes, row):  # type: ignore[no-untyped-def]
    """Apply the transpose of `down`: add to ``x``."""
    n, left = uint64(parts * (block.groups + block.length - 1)), uint64(parts * block.left)
    for k in range(block.depth):
        at, w = uint64(block.first + k * block.apart), block.down[k]
        for r in range(n):
            x[c, at, left + r] += w * nodes[row, r]


@compiled
def across(nodes, row, block, out, c):  # type: ignore[no-untyped-def]
    """Fill a row of ``out`` with the voxels of a row of nodes."""
    n = uint64(block.groups)
    if block.places == 1:
        for r in range(n):
            out[c, r] = nodes[row, r]
        return
    even, odd = block.across
    for r in range(n):
        a, b, d = nodes[row, r], nodes[row, r + uint64(1)], nodes[row, r + uint64(2)]
        e, f, g = nodes[row, r + uint64(3)], nodes[row, r + uint64(4)], nodes[row, r + uint64(5)]
        out[c, r] = even[0] * a + even[1] * b + even[2] * d + even[3] * e + even[4] * f
        out[c, n + r] = odd[0] * a + odd[1] * b + odd[2] * d + odd[3] * e + odd[4] * f + odd[5] * g


@compiled
def add_across(voxels, c, block, nodes, row):  # type: ignore[no-untyped-def]
    """Apply the transpose of `across` to the voxels of the image."""
    n, more = uint64(block.groups), uint64(block.length - 1)
    if block.places == 1:
        for r in range(n):
            nodes[row, r] = voxels[c, r]
        return
    for r in range(more):
        nodes[EVEN, r] = nodes[ODD, r] = 0
        nodes[EVEN, more + n + r] = nodes[ODD, more + n + r] = 0
    for r in range(n):
        nodes[EVEN, more + r] = voxels[c, r]
        nodes[ODD, more + r] = voxels[c, n + r]
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


@compiled
def reals(x, block, nodes, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (coils, voxels) with a block."""
    for c in range(len(x)):
        down(x, c, block, 1, nodes, REAL)
        across(nodes, REAL, block, out, c)


@compiled
def add_reals(voxels, c, block, nodes, x):  # type: ignore[no-untyped-def]
    """Add the transpose of `reals`, of one coil."""
    add_across(voxels, c, block, nodes, REAL)
    add_down(x, c, block, 1, nodes, REAL)


@compiled
def images(s, block, nodes, re, im, scale, norm):  # type: ignore[no-untyped-def]
    """Fill ``re`` and ``im`` (coils, voxels) with a block of ``t``; find ``1 / m`` and the norm."""
    zero, one, tiny = s.dtype.type(0), s.dtype.type(1), least(s)
    voxels = uint64(block.groups * block.places)
    count = uint64(block.groups + block.length - 1)
    for r in range(voxels):
        scale[r] = tiny
        norm[r] = zero
    for c in range(len(s)):
        down(s, c, block, 2, nodes, PAIRS)
        for r in range(count):
            nodes[REAL, r] = nodes[PAIRS, r + r]
            nodes[IMAGINARY, r] = nodes[PAIRS, r + r + uint64(1)]
        across(nodes, REAL, block, re, c)
        across(nodes, IMAGINARY, block, im, c)
        for r in range(voxels):
            scale[r] = max(scale[r], max(abs(re[c, r]), abs(im[c, r])))
    for r in range(voxels):
        scale[r] = one / scale[r]
    for c in range(len(s)):
        for r in range(voxels):
            re[c, r] *= scale[r]
            im[c, r] *= scale[r]
            norm[r] += re[c, r] ** 2 + im[c, r] ** 2


@compiled
def add_images(re, im, c, block, nodes, s):  # type: ignore[no-untyped-def]
    """Add the transpose of the images, of one coil."""
    count = uint64(block.groups + block.length - 1)
    add_across(re, c, block, nodes, REAL)
    add_across(im, c, block, nodes, IMAGINARY)
    for r in range(count):
        nodes[PAIRS, r + r] = nodes[REAL, r]
        nodes[PAIRS, r + r + uint64(1)] = nodes[IMAGINARY, r]
    add_down(s, c, block, 2, nodes, PAIRS)


@compiled
def read(x, c, n, block, nodes, re, im):  # type: ignore[no-untyped-def]
    """Fill ``re`` and ``im`` with a block of row ``n`` of complex voxels, zero out of the image."""
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
            re[r] = nodes[PAIRS, r + r]
            im[r] = nodes[PAIRS, r + r + uint64(1)]
        return
    for r in range(groups):
        re[r] = nodes[PAIRS, uint64(4) * r]
        im[r] = nodes[PAIRS, uint64(4) * r + uint64(1)]
        re[groups + r] = nodes[PAIRS, uint64(4) * r + uint64(2)]
        im[groups + r] = nodes[PAIRS, uint64(4) * r + uint64(3)]


@compiled
def write(re, im, c, block, nodes, x, n):  # type: ignore[no-untyped-def]
    """Write a block to row ``n`` of complex voxels."""
    groups, voxels = uint64(block.groups), block.groups * block.places
    if block.places == 1:
        for r in range(groups):
            nodes[PAIRS, r + r] = re[c, r]
            nodes[PAIRS, r + r + uint64(1)] = im[c, r]
    else:
        for r in range(groups):
            nodes[PAIRS, uint64(4) * r] = re[c, r]
            nodes[PAIRS, uint64(4) * r + uint64(1)] = im[c, r]
            nodes[PAIRS, uint64(4) * r + uint64(2)] = re[c, groups + r]
            nodes[PAIRS, uint64(4) * r + uint64(3)] = im[c, groups + r]
    first, column = uint64(2 * block.before), uint64(2 * (block.column + block.before))
    for r in range(uint64(2 * (voxels - block.before - block.after))):
        x[c, n, column + r] = nodes[PAIRS, first + r]


@compiled
def least(x):  # type: ignore[no-untyped-def]
    """Return the least normal number."""
    return x.dtype.type(np.finfo(x.dtype).tiny)


@compiled
def inverse_root(x, tiny, zero, one):  # type: ignore[no-untyped-def]
    """``1 / sqrt(x)``, zero where `x` is below the normal numbers."""
    return one / math.sqrt(x) if x >= tiny else zero


@compiled
def inverse_norm(re, im, smooth, voxels, inverse):  # type: ignore[no-untyped-def]
    """``1 / ||g||`` over the coils that are not zero."""
    tiny, zero, one = least(re), re.dtype.type(0), re.dtype.type(1)
    for r in range(voxels):
        inverse[r] = zero
    for c in range(len(smooth)):
        for r in range(voxels):
            heard = re[c, r] ** 2 + im[c, r] ** 2 >= tiny
            inverse[r] += smooth[c, r] ** 2 if heard else zero
    for r in range(voxels):
        inverse[r] = inverse_root(inverse[r], tiny, zero, one)


@compiled
def room(count, x):  # type: ignore[no-untyped-def]
    """Return so many rows for a block of voxels."""
    return np.empty((count, PLACES * GROUPS), x.dtype)


@compiled
def room_for_nodes(x):  # type: ignore[no-untyped-def]
    """Return the rows of nodes."""
    return np.empty((5, 2 * (PLACES * GROUPS + 2 * TAPS)), x.dtype)


@compiled
def magnitudes(s, rows, lines, columns, out, begin, end):  # type: ignore[no-untyped-def]
    """Add ``|s| / ||s||`` to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    re, im, nodes = room(len(s), s), room(len(s), s), room_for_nodes(s)
    scale, norm = room(1, s)[0], room(1, s)[0]
    for n in range(begin * lines, end * lines):
        for number in range(blocks_of(columns)):
            block = block_at(rows, lines, columns, n, number)
            voxels = uint64(block.groups * block.places)
            images(s, block, nodes, re, im, scale, norm)
            for r in range(voxels):
                norm[r] = inverse_root(norm[r], tiny, zero, one)
            for c in range(len(s)):
                for r in range(voxels):
                    re[c, r] = math.sqrt(re[c, r] ** 2 + im[c, r] ** 2) * norm[r]
                add_reals(re, c, block, nodes, out)


@compiled
def maps(s, rows, lines, columns, g, out, begin, end):  # type: ignore[no-untyped-def]
    """``S = g p / ||g p||``."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    re, im, smooth = room(len(s), s), room(len(s), s), room(len(s), s)
    nodes, scale, norm, inverse = room_for_nodes(s), room(1, s)[0], room(1, s)[0], room(1, s)[0]
    for n in range(begin * lines, end * lines):
        for number in range(blocks_of(columns)):
            block = block_at(rows, lines, columns, n, number)
            voxels = uint64(block.groups * block.places)
            images(s, block, nodes, re, im, scale, norm)
            reals(g, block, nodes, smooth)
            inverse_norm(re, im, smooth, voxels, inverse)
            for c in range(len(s)):
                for r in range(voxels):
                    turn = inverse_root(re[c, r] ** 2 + im[c, r] ** 2, tiny, zero, one)
                    factor = smooth[c, r] * inverse[r] * turn
                    re[c, r] *= factor
                    im[c, r] *= factor
                write(re, im, c, block, nodes, out, n)


# t_bar = (S_bar - S sum_c Re(conj(S) S_bar)) / ||g||, of which Re(conj(p) t_bar)
@compiled
def magnitudes_bar(s, rows, lines, columns, g, maps_bar, out, begin, end):  # type: ignore[no-untyped-def]
    """Add the gradient by the magnitudes to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    re, im, smooth, along = room(len(s), s), room(len(s), s), room(len(s), s), room(len(s), s)
    nodes, scale, norm, inverse = room_for_nodes(s), room(1, s)[0], room(1, s)[0], room(1, s)[0]
    part, bar_re, bar_im = room(1, s)[0], room(1, s)[0], room(1, s)[0]
    for n in range(begin * lines, end * lines):
        for number in range(blocks_of(columns)):
            block = block_at(rows, lines, columns, n, number)
            voxels = uint64(block.groups * block.places)
            images(s, block, nodes, re, im, scale, norm)
            reals(g, block, nodes, smooth)
            inverse_norm(re, im, smooth, voxels, inverse)
            for r in range(voxels):
                part[r] = zero
            for c in range(len(s)):
                read(maps_bar, c, n, block, nodes, bar_re, bar_im)
                for r in range(voxels):
                    turn = inverse_root(re[c, r] ** 2 + im[c, r] ** 2, tiny, zero, one)
                    along[c, r] = (re[c, r] * bar_re[r] + im[c, r] * bar_im[r]) * turn
                    smooth[c, r] *= inverse[r]
                    part[r] += along[c, r] * smooth[c, r]
            for c in range(len(s)):
                for r in range(voxels):
                    heard = re[c, r] ** 2 + im[c, r] ** 2 >= tiny
                    change = (along[c, r] - smooth[c, r] * part[r]) * inverse[r]
                    along[c, r] = change if heard else zero
                add_reals(along, c, block, nodes, out)


# s_bar = p ((a_bar - |u| sum_c |u| a_bar) / ||s|| + i g Im(conj(p) S_bar) / (||g|| |s|))
@compiled
def images_bar(s, rows, lines, columns, g, a_bar, maps_bar, out, begin, end):  # type: ignore[no-untyped-def]
    """Add the gradient by the images to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    re, im, smooth, along = room(len(s), s), room(len(s), s), room(len(s), s), room(len(s), s)
    nodes, scale, norm, inverse = room_for_nodes(s), room(1, s)[0], room(1, s)[0], room(1, s)[0]
    part, bar_re, bar_im = room(1, s)[0], room(1, s)[0], room(1, s)[0]
    for n in range(begin * lines, end * lines):
        for number in range(blocks_of(columns)):
            block = block_at(rows, lines, columns, n, number)
            voxels = uint64(block.groups * block.places)
            images(s, block, nodes, re, im, scale, norm)
            reals(g, block, nodes, smooth)
            reals(a_bar, block, nodes, along)
            inverse_norm(re, im, smooth, voxels, inverse)
            for r in range(voxels):
                part[r] = zero
                norm[r] = inverse_root(norm[r], tiny, zero, one)
            for c in range(len(s)):
                for r in range(voxels):
                    size = math.sqrt(re[c, r] ** 2 + im[c, r] ** 2) * norm[r]
                    part[r] += size * along[c, r]
            for c in range(len(s)):
                read(maps_bar, c, n, block, nodes, bar_re, bar_im)
                for r in range(voxels):
                    square = re[c, r] ** 2 + im[c, r] ** 2
                    turn = inverse_root(square, tiny, zero, one)
                    radial = (along[c, r] - square * turn * norm[r] * part[r]) * norm[r]
                    # First: two turns may leave the range.
                    x, y = re[c, r] * turn, im[c, r] * turn
                    swing = (x * bar_im[r] - y * bar_re[r]) * (smooth[c, r] * inverse[r] * turn)
                    re[c, r] = (x * radial - y * swing) * scale[r]
                    im[c, r] = (x * swing + y * radial) * scale[r]
                add_images(re, im, c, block, nodes, out)
