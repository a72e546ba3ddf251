"""The compiled loops of coil maps, over strips of voxels and their rows, all coils at once.

``s`` (coils, nodes, 2 columns) are nodes of coil images, ``g`` (coils, nodes, columns) those of
magnitudes. A strip is `WIDTH` columns with all its rows. No two strips write to one place, and
each is computed alike on any thread. In a row of a strip

    t = s / m,  norm = sum |t|^2,  with the largest part m of all coils in the voxel,

so that no square grows beyond the range of its precision. A coil whose square falls below the
normal numbers has neither phase nor map there: the map would be below 1e-19 in single precision.
"""

from __future__ import annotations

import math

import numpy as np

from nufftlib.nufft.engines.grid.cpu.loops import compiled

WIDTH = 64
"""Columns of a strip: a row of 32 coils takes 16 KB in single precision."""


@compiled
def strip_at(strip, columns):  # type: ignore[no-untyped-def]
    """Return first and last column of a strip."""
    return strip * WIDTH, min((strip + 1) * WIDTH, columns)


@compiled
def interpolate(x, start, w, left, right, row):  # type: ignore[no-untyped-def]
    """``row[c] = sum_k w[k] x[c, start + k]``, between two columns."""
    for c in range(x.shape[0]):
        out = row[c]
        first = x[c, start, left:right]
        for r in range(len(first)):
            out[r] = w[0] * first[r]
        for k in range(1, len(w)):
            more = x[c, start + k, left:right]
            for r in range(len(more)):
                out[r] += w[k] * more[r]


@compiled
def add(row, x, c, start, w, left, right):  # type: ignore[no-untyped-def]
    """``x[c, start + k] += w[k] row``, between two columns."""
    for k in range(len(w)):
        out = x[c, start + k, left:right]
        for r in range(len(out)):
            out[r] += w[k] * row[r]


@compiled
def images(s, start, w, left, right, t, largest, norm):  # type: ignore[no-untyped-def]
    """Fill ``t`` with a row of the images, and find the largest part and the norm."""
    interpolate(s, start, w, 2 * left, 2 * right, t)
    zero, one = t.dtype.type(0), t.dtype.type(1)
    columns = right - left
    for r in range(columns):
        largest[r] = zero
        norm[r] = zero
    for c in range(t.shape[0]):
        for r in range(columns):
            largest[r] = max(largest[r], max(abs(t[c, 2 * r]), abs(t[c, 2 * r + 1])))
    for r in range(columns):
        if largest[r] == zero:
            largest[r] = one
    for c in range(t.shape[0]):
        for r in range(columns):
            t[c, 2 * r] /= largest[r]
            t[c, 2 * r + 1] /= largest[r]
            norm[r] += t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2


@compiled
def least(x):  # type: ignore[no-untyped-def]
    """Return the least normal number."""
    return x.dtype.type(np.finfo(x.dtype).tiny)


@compiled
def inverse_root(x, tiny, zero, one):  # type: ignore[no-untyped-def]
    """``1 / sqrt(x)``, zero where `x` is below the normal numbers."""
    return one / math.sqrt(x) if x >= tiny else zero


@compiled
def magnitudes(s, starts, weights, out, begin, end):  # type: ignore[no-untyped-def]
    """Add ``|s| / ||s||`` to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    t = np.empty((s.shape[0], 2 * WIDTH), s.dtype)
    largest = np.empty(WIDTH, s.dtype)
    norm = np.empty(WIDTH, s.dtype)
    row = np.empty(WIDTH, s.dtype)
    for strip in range(begin, end):
        left, right = strip_at(strip, s.shape[2] // 2)
        for n in range(len(starts)):
            images(s, starts[n], weights[n], left, right, t, largest, norm)
            for r in range(right - left):
                norm[r] = inverse_root(norm[r], tiny, zero, one)
            for c in range(s.shape[0]):
                for r in range(right - left):
                    row[r] = math.sqrt(t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2) * norm[r]
                add(row, out, c, starts[n], weights[n], left, right)


@compiled
def inverse_norm(t, smooth, columns, inverse):  # type: ignore[no-untyped-def]
    """``1 / ||g||`` over the coils that are not zero."""
    tiny, zero, one = least(t), t.dtype.type(0), t.dtype.type(1)
    for r in range(columns):
        inverse[r] = zero
    for c in range(t.shape[0]):
        for r in range(columns):
            heard = t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2 >= tiny
            inverse[r] += smooth[c, r] ** 2 if heard else zero
    for r in range(columns):
        inverse[r] = inverse_root(inverse[r], tiny, zero, one)


@compiled
def maps(s, starts, weights, g, out, begin, end):  # type: ignore[no-untyped-def]
    """``S = g p / ||g p||``."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    t = np.empty((s.shape[0], 2 * WIDTH), s.dtype)
    smooth = np.empty((s.shape[0], WIDTH), s.dtype)
    largest = np.empty(WIDTH, s.dtype)
    norm = np.empty(WIDTH, s.dtype)
    inverse = np.empty(WIDTH, s.dtype)
    for strip in range(begin, end):
        left, right = strip_at(strip, s.shape[2] // 2)
        for n in range(len(starts)):
            images(s, starts[n], weights[n], left, right, t, largest, norm)
            interpolate(g, starts[n], weights[n], left, right, smooth)
            inverse_norm(t, smooth, right - left, inverse)
            for c in range(s.shape[0]):
                S = out[c, n, 2 * left : 2 * right]
                for r in range(right - left):
                    size2 = t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2
                    factor = smooth[c, r] * inverse[r] * inverse_root(size2, tiny, zero, one)
                    S[2 * r] = factor * t[c, 2 * r]
                    S[2 * r + 1] = factor * t[c, 2 * r + 1]


# t_bar = (S_bar - S sum_c Re(conj(S) S_bar)) / ||g||, of which Re(conj(p) t_bar)
@compiled
def magnitudes_bar(s, starts, weights, g, maps_bar, out, begin, end):  # type: ignore[no-untyped-def]
    """Add the gradient by the magnitudes to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    t = np.empty((s.shape[0], 2 * WIDTH), s.dtype)
    smooth = np.empty((s.shape[0], WIDTH), s.dtype)
    along = np.empty((s.shape[0], WIDTH), s.dtype)
    largest = np.empty(WIDTH, s.dtype)
    norm = np.empty(WIDTH, s.dtype)
    inverse = np.empty(WIDTH, s.dtype)
    part = np.empty(WIDTH, s.dtype)
    row = np.empty(WIDTH, s.dtype)
    for strip in range(begin, end):
        left, right = strip_at(strip, s.shape[2] // 2)
        for n in range(len(starts)):
            images(s, starts[n], weights[n], left, right, t, largest, norm)
            interpolate(g, starts[n], weights[n], left, right, smooth)
            inverse_norm(t, smooth, right - left, inverse)
            for r in range(right - left):
                part[r] = zero
            for c in range(s.shape[0]):
                bar = maps_bar[c, n, 2 * left : 2 * right]
                for r in range(right - left):
                    re, im = t[c, 2 * r], t[c, 2 * r + 1]
                    phase = inverse_root(re**2 + im**2, tiny, zero, one)
                    along[c, r] = (re * bar[2 * r] + im * bar[2 * r + 1]) * phase
                    smooth[c, r] *= inverse[r]
                    part[r] += along[c, r] * smooth[c, r]
            for c in range(s.shape[0]):
                for r in range(right - left):
                    heard = t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2 >= tiny
                    change = (along[c, r] - smooth[c, r] * part[r]) * inverse[r]
                    row[r] = change if heard else zero
                add(row, out, c, starts[n], weights[n], left, right)


# s_bar = p ((a_bar - |u| sum_c |u| a_bar) / ||s|| + i g Im(conj(p) S_bar) / (||g|| |s|))
@compiled
def images_bar(s, starts, weights, g, a_bar, maps_bar, out, begin, end):  # type: ignore[no-untyped-def]
    """Add the gradient by the images to the nodes."""
    tiny, zero, one = least(s), s.dtype.type(0), s.dtype.type(1)
    t = np.empty((s.shape[0], 2 * WIDTH), s.dtype)
    smooth = np.empty((s.shape[0], WIDTH), s.dtype)
    along = np.empty((s.shape[0], WIDTH), s.dtype)
    largest = np.empty(WIDTH, s.dtype)
    norm = np.empty(WIDTH, s.dtype)
    inverse = np.empty(WIDTH, s.dtype)
    part = np.empty(WIDTH, s.dtype)
    row = np.empty(2 * WIDTH, s.dtype)
    for strip in range(begin, end):
        left, right = strip_at(strip, s.shape[2] // 2)
        for n in range(len(starts)):
            images(s, starts[n], weights[n], left, right, t, largest, norm)
            interpolate(g, starts[n], weights[n], left, right, smooth)
            interpolate(a_bar, starts[n], weights[n], left, right, along)
            inverse_norm(t, smooth, right - left, inverse)
            for r in range(right - left):
                part[r] = zero
                norm[r] = inverse_root(norm[r], tiny, zero, one)
            for c in range(s.shape[0]):
                for r in range(right - left):
                    size = math.sqrt(t[c, 2 * r] ** 2 + t[c, 2 * r + 1] ** 2) * norm[r]
                    part[r] += size * along[c, r]
            for c in range(s.shape[0]):
                bar = maps_bar[c, n, 2 * left : 2 * right]
                for r in range(right - left):
                    re, im = t[c, 2 * r], t[c, 2 * r + 1]
                    turn = inverse_root(re**2 + im**2, tiny, zero, one)
                    size = (re**2 + im**2) * turn * norm[r]
                    radial = (along[c, r] - size * part[r]) * norm[r]
                    re, im = re * turn, im * turn  # first: two turns may leave the range
                    across = re * bar[2 * r + 1] - im * bar[2 * r]
                    across *= smooth[c, r] * inverse[r] * turn
                    scale = one / largest[r]
                    row[2 * r] = (re * radial - im * across) * scale
                    row[2 * r + 1] = (re * across + im * radial) * scale
                add(row, out, c, starts[n], weights[n], 2 * left, 2 * right)
