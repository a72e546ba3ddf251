"""A counting sort of points by the bins of a grid, in threads.

Many points are dealt to buckets of neighbouring bins first, and each bucket is then sorted by its
bins. Written at once to all bins, points would land on a line of the cache each, and every
line would come from memory and go back to it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import uint64

from nufftlib.nufft.engines.grid.cpu.loops import compiled, locate
from nufftlib.nufft.engines.grid.cpu.parallel import run, split

PIECES = 16
"""Pieces into which a long trajectory is cut."""

PIECE = 4096
"""Points of a piece, at least."""

BUCKET = 2**13
"""Points of a bucket on average: what is written of them fits a cache of their own core."""

BUCKETS = 512
"""Most buckets: as many lines of the cache are written at once, in each of a few arrays."""


def sort_by_bins(
    axes: tuple[Any, ...], sizes: tuple[int, ...], shifts: tuple[int, ...], width: int
) -> tuple[Any, Any, Any, Any]:
    """Sort points by bins of ``2**shift`` cells; in a bin they keep the given order.

    Returns
    -------
    starts, offsets, order : array
        As of `Cells`.
    ends : array, shape (bins along each axis)
        The number of points in all bins up to each.
    """
    M, d = len(axes[0]), len(axes)
    rows = tuple(-(-n >> shift) for n, shift in zip(sizes, shifts, strict=True))
    bins = math.prod(rows)
    wanted = min(-(-M // BUCKET), BUCKETS)
    wide = np.uint64(max(0, math.ceil(math.log2(bins / wanted))))
    count = -(-bins >> int(wide))
    pieces = np.arange(min(PIECES, -(-M // PIECE)) + 1)
    each = list(zip(pieces[:-1].tolist(), pieces[1:].tolist(), strict=True))
    pieces = pieces * M // len(each)
    keys, counts = np.empty(M, np.int32), np.zeros((len(each), count), np.int64)
    where = axes, sizes, width
    run(count_buckets, each, *where, shifts, rows, wide, pieces, keys, counts)
    stops = np.cumsum(counts.T).reshape(counts.T.shape).T
    buckets = np.concatenate([[0], stops[-1]])
    dealt, points = np.empty(M, np.int64), np.empty((M, d), axes[0].dtype)
    run(deal, each, axes, wide, pieces, keys, stops - counts, dealt, points)
    starts, offsets = np.empty((M, d), np.int32), np.empty((M, d), axes[0].dtype)
    order, ends = np.empty(M, np.int32), np.empty(count << int(wide), np.int64)
    places = np.empty(count << int(wide), np.int64)
    each = [(bucket, bucket + 1) for bucket in range(count)]
    run(
        arrange, each, points, sizes, width, wide, buckets, dealt, places,
        ends, starts, offsets, order,
    )  # fmt: skip
    return starts, offsets, order, ends[:bins].reshape(rows)


def locate_all(axes: tuple[Any, ...], sizes: tuple[int, ...], width: int) -> tuple[Any, Any]:
    """Return `starts` and `offsets` of points in the given order."""
    M, d = len(axes[0]), len(axes)
    starts, offsets = np.empty((M, d), np.int32), np.empty((M, d), axes[0].dtype)
    run(locate_points, split(M, M * d), axes, sizes, width, starts, offsets)
    return starts, offsets


def most_in_a_cell(starts: Any, ends: Any, counts: Any, shifts: tuple[int, ...]) -> Any:
    """Return how many points begin in the fullest cell of each of some bins."""
    most = np.zeros(len(ends), np.int64)
    each = [(i, i + 1) for i in range(len(ends))]
    run(fullest, each, starts, ends - counts, ends, shifts, most)
    return most


@compiled
def locate_points(axes, sizes, width, starts, offsets, begin, end):  # type: ignore[no-untyped-def]
    """Find the first cell of each point, and its place there."""
    for j in range(uint64(begin), uint64(end)):
        for axis in range(len(sizes)):
            starts[j, axis], offsets[j, axis] = locate(axes[axis][j], sizes[axis], width)


@compiled
def count_buckets(axes, sizes, width, shifts, rows, wide, pieces, keys, counts, begin, end):  # type: ignore[no-untyped-def]
    """Find the bin of each point, and count the points of each bucket, piece by piece."""
    for piece in range(begin, end):
        for j in range(pieces[piece], pieces[piece + 1]):
            key = 0
            for axis in range(len(sizes)):
                first, _ = locate(axes[axis][j], sizes[axis], width)
                key = key * rows[axis] + (first >> shifts[axis])
            keys[j] = key
            counts[piece, key >> wide] += 1


@compiled
def deal(axes, wide, pieces, keys, places, dealt, points, begin, end):  # type: ignore[no-untyped-def]
    """Bring points, with their numbers and bins, into the order of the buckets."""
    for piece in range(begin, end):
        free = places[piece]
        for j in range(uint64(pieces[piece]), uint64(pieces[piece + 1])):
            key = uint64(keys[j])
            bucket = key >> wide
            i = uint64(free[bucket])
            free[bucket] += 1
            dealt[i] = (key << uint64(32)) | j
            for axis in range(len(axes)):
                points[i, axis] = axes[axis][j]


@compiled
def arrange(  # type: ignore[no-untyped-def]
    points, sizes, width, wide, buckets, dealt, places, ends, starts, offsets, order, begin, end
):
    """Sort the points of each bucket by its bins."""
    for bucket in range(begin, end):
        first, last = bucket << wide, (bucket + 1) << wide
        places[first:last] = 0
        inside = range(uint64(buckets[bucket]), uint64(buckets[bucket + 1]))
        for i in inside:
            places[uint64(dealt[i] >> 32)] += 1
        total = buckets[bucket]
        for key in range(first, last):
            total += places[key]
            places[key] = total - places[key]
            ends[key] = total
        for i in inside:
            key = uint64(dealt[i] >> 32)
            place = uint64(places[key])
            places[key] += 1
            order[place] = dealt[i] & 0xFFFFFFFF
            for axis in range(len(sizes)):
                starts[place, axis], offsets[place, axis] = locate(
                    points[i, axis], sizes[axis], width
                )


@compiled
def fullest(starts, begins, ends, shifts, most, begin, end):  # type: ignore[no-untyped-def]
    """Count the points of each cell of a bin, and keep the largest number."""
    cells = 1
    for shift in shifts:
        cells <<= shift
    counts = np.zeros(cells, np.int64)
    for i in range(begin, end):
        counts[:] = 0
        for j in range(uint64(begins[i]), uint64(ends[i])):
            cell = 0
            for axis in range(len(shifts)):
                inside = starts[j, axis] & ((1 << shifts[axis]) - 1)
                cell = (cell << shifts[axis]) | inside
            counts[uint64(cell)] += 1
        most[i] = counts.max()
