"""The compiled steps of density weights: all passes over sorted points in one call of a thread.

A slab may be passed once all that it reads is complete, and nobody reads any more what it
overwrites. Slabs of even and of odd number take turns: each needs its two neighbours alone. Who
passes it when does not change a sum, so that any number of threads gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from nufftlib.core.caching import remembered
from nufftlib.nufft.engines.grid.cpu.loops import Loop, compiled, inlined
from nufftlib.nufft.engines.grid.cpu.singles import add_point, evaluate_points, read_point
from nufftlib.nufft.engines.grid.cpu.turns import seen, sleep, take, tell
from nufftlib.nufft.engines.grid.cpu.vectors import whole_chunks

BATCH = 128
"""Points of a batch: their kernels fit the nearest cache."""

APART = 32
"""Points of a batch that are added one after the other lie so far apart in the sort. Neighbours
cover the same cells, and one would wait for the other's sum to be written."""

PATIENCE = 100
"""Looks for a slab before other threads get the processor."""

NAP = 50
"""Microseconds that they get it for, at least."""


@inlined
def clear(grid, begin, end):  # type: ignore[no-untyped-def]
    """Set a range of a flat grid to zero, around its end."""
    grid[begin : min(end, len(grid))] = 0
    grid[: max(end - len(grid), 0)] = 0


@inlined
def close(grid, begin, end, length, period):  # type: ignore[no-untyped-def]
    """Add the columns behind the period to the first, and copy the first behind it, by lines."""
    lines = len(grid) // length
    for number in range(begin, end):
        first = (number % lines) * length
        line = grid[first : first + length]
        for column in range(period, length):
            line[column % period] += line[column]
        for column in range(period, length):
            line[column] = line[column % period]


@inlined
def next_slab(counts, slabs, passes, last):  # type: ignore[no-untyped-def]
    """Take a slab that may be passed, of the first pass there is; return its number and its pass.

    ``counts[s]`` is how many passes slab ``s`` has behind it, and ``counts[slabs + s]`` how many
    it has been taken for. Without a slab left, the pass is as many as there are. The search
    begins behind the last slab that this thread has passed. If all must wait for others, so does
    the thread; whoever holds a slab up, other threads pass all that do not touch it before.
    """
    looks = 0
    while True:
        found, least, left = 0, passes, False
        for step in range(1, slabs + 1):
            slab = (last + step) % slabs
            turn = seen(counts, slabs + slab)
            left |= turn < passes
            if turn < least and seen(counts, slab) == turn:
                needed = turn + slab % 2
                before = seen(counts, (slab + slabs - 1) % slabs)
                if slabs == 1 or min(before, seen(counts, (slab + 1) % slabs)) >= needed:
                    found, least = slab, turn
        if not left:
            return 0, passes
        if least < passes and take(counts, slabs + found, least):
            return found, least
        looks += 1
        if looks % PATIENCE == 0:
            sleep(NAP)


@remembered(maxsize=None)
def forward_step(ndim: int, width: int, degree: int, slopes: bool) -> Loop:
    """Compile passes of ``w <- w / |z|``, ``z = C w``, spread at once; with `slopes` all are kept.

    Pass ``n`` reads the grid of the one before, but for pass 0, and then spreads `w` on the other
    one, but for pass `last`, if it `adds`.
    """
    orders = 2 if slopes else 1
    lanes = ndim * orders * whole_chunks(width)
    values = 1 + ndim * slopes

    def step(  # type: ignore[no-untyped-def]
        counts, slabs, passes, last, adds, grids, line, period, plane_at, row_at,
        polynomials, starts, offsets, w, z, D, thread, end,
    ):  # fmt: skip
        if thread == end:
            return
        kernel = np.empty((BATCH, lanes), w.dtype)
        read = np.empty((BATCH, values), w.dtype)
        slab, done = next_slab(counts, len(slabs), passes[1] - passes[0], 2 * thread - 1)
        while passes[0] + done < passes[1]:
            n = passes[0] + done
            source, target = grids[(n + 1) % 2], grids[n % 2]
            first, stop = slabs[slab, 0], slabs[slab, 1]
            spreads = adds and n < last
            if spreads:
                clear(target, slabs[slab, 2], slabs[slab, 3])
            for begin in range(first, stop, BATCH):
                count = min(BATCH, stop - begin)
                evaluate_points(
                    kernel, polynomials, offsets, begin, count, ndim, orders, degree, width
                )
                if n > 0:
                    for b in range(count):
                        read_point(
                            read, source, plane_at, row_at, starts, begin + b,
                            kernel, b, ndim, orders, width,
                        )  # fmt: skip
                    for b in range(count):
                        i = uint64(begin + b)
                        w[i] /= abs(read[b, 0])
                        if slopes:
                            z[n - 1, i] = read[b, 0]
                            for axis in range(ndim):
                                D[n - 1, i, axis] = read[b, 1 + axis]
                if spreads:
                    for first_of in range(APART):
                        for b in range(first_of, count, APART):
                            add_point(
                                target, plane_at, row_at, starts, begin + b,
                                kernel, b, w[begin + b], ndim, orders, width,
                            )  # fmt: skip
            if spreads:
                close(target, slabs[slab, 4], slabs[slab, 5], line, period)
            tell(counts, slab, done + 1)
            slab, done = next_slab(counts, len(slabs), passes[1] - passes[0], slab)

    loop: Loop = compiled(step, ndim, width, degree, slopes)
    return loop


@remembered(maxsize=None)
def backward_step(ndim: int, width: int, degree: int) -> Loop:
    """Compile the transposes of the steps, the last one first.

    Pass ``n`` reads ``C p`` and ``D p`` of step ``s = last - n``, but for pass 0: with the weights
    `w` before it ``bar = q + C p`` is the gradient by `w`, and ``gradient += p (D w) + w (D p)``.
    In pass 0 ``q`` holds the gradient by the last weights. Then, but for pass `last`, `q` and `p`
    become those of the step to `w`, in which ``C`` gave `z`, `w` the weights before that (they are
    not kept, but ``w |z|``), and `p` is spread if it `adds`.
    """
    lanes = 2 * ndim * whole_chunks(width)

    def step(  # type: ignore[no-untyped-def]
        counts, slabs, passes, last, adds, grids, line, period, plane_at, row_at,
        polynomials, starts, offsets, w, z, D, p, q, gradient, thread, end,
    ):  # fmt: skip
        if thread == end:
            return
        kernel = np.empty((BATCH, lanes), w.dtype)
        read = np.zeros((BATCH, 1 + ndim), w.dtype)
        slab, done = next_slab(counts, len(slabs), passes[1] - passes[0], 2 * thread - 1)
        while passes[0] + done < passes[1]:
            n = passes[0] + done
            s = last - n
            source, target = grids[(n + 1) % 2], grids[n % 2]
            first, stop = slabs[slab, 0], slabs[slab, 1]
            spreads = adds and n < last
            if spreads:
                clear(target, slabs[slab, 2], slabs[slab, 3])
            for begin in range(first, stop, BATCH):
                count = min(BATCH, stop - begin)
                evaluate_points(kernel, polynomials, offsets, begin, count, ndim, 2, degree, width)
                if n > 0:
                    for b in range(count):
                        read_point(
                            read, source, plane_at, row_at, starts, begin + b,
                            kernel, b, ndim, 2, width,
                        )  # fmt: skip
                for b in range(count):
                    i = uint64(begin + b)
                    bar = q[i]
                    if n > 0:
                        bar += read[b, 0]
                        for axis in range(ndim):
                            gradient[i, axis] += p[i] * D[s, i, axis] + w[i] * read[b, 1 + axis]
                    if n < last:
                        q[i] = bar / abs(z[s - 1, i])
                        p[i] = -np.sign(z[s - 1, i]) * w[i] * q[i]
                        w[i] *= abs(z[s - 1, i])
                if spreads:
                    for first_of in range(APART):
                        for b in range(first_of, count, APART):
                            add_point(
                                target, plane_at, row_at, starts, begin + b,
                                kernel, b, p[begin + b], ndim, 2, width,
                            )  # fmt: skip
            if spreads:
                close(target, slabs[slab, 4], slabs[slab, 5], line, period)
            tell(counts, slab, done + 1)
            slab, done = next_slab(counts, len(slabs), passes[1] - passes[0], slab)

    loop: Loop = compiled(step, ndim, width, degree)
    return loop
