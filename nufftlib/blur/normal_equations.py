r"""The squared error of a blur as a quadratic function of its PSF, exact at every boundary.

.. math:: \tfrac12 \| A(h)\,x - y \|^2 = \tfrac12 h^H G h - \mathrm{Re}\, b^H h + c, \qquad
          G[q, q'] = \sum_p \overline{e[p + P - 1 - q]}\, e[p + P - 1 - q'],

with the extended image ``e`` of ``n`` entries and ``M = n - P + 1`` pixels ``p`` of data. The
patches ``e[p + P - 1 - q]`` are never written out. On each axis, with ``e`` flipped, an entry
``[a, b]`` sums over the window ``[a, a + M)`` and its partner at the lag ``b - a``. Moving both
by one exchanges one row at either end, so that

.. math:: G[a, b] = T[b - a] + \sum_{t=1}^{\min(a, b)} D[a - t, b - t],

where ``T`` has the first window's sums, by lag, and ``D`` is the term of the row after the
window less the term of the window's first row. With several axes each axis is of kind ``T`` or
of kind ``D``. If all are ``T``, one FFT for each pair of signs gives all lags; if two are, one for
each pair of rows and of signs; else products of small matrices give the sums. The FFTs over all
axes run over tiles of the pixels ``p``, and their products are added up before the inverse: besides
the pictures only one tile is in memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from nufftlib.blur.operator import Blur, extended
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_finite,
    check_precision,
    common_namespace,
    conjugate,
    is_complex,
    real_part,
)
from nufftlib.core.fourier import fast_size, fft, ifft
from nufftlib.core.inner import inner
from nufftlib.core.kinds import instance
from nufftlib.core.quadratic import Quadratic

Lag = tuple[int, ...]

TILE = 2**18
"""Pixels of the data, those of all images of a tile together, that are transformed at once."""


def normal_equations(blur: Blur, x: Array, y: Array) -> Quadratic:
    r"""Return half the squared error of a blur as a quadratic function of its PSF.

    .. math:: h \mapsto \tfrac12 \| A(h)\,x - y \|^2

    Parameters
    ----------
    blur : Blur
        Gives the PSF's shape, its kind (real or complex) and the boundary, not its values.
    x : array
        The fixed image.
    y : array
        The data, of the shape of ``blur(x)``.

    Returns
    -------
    Quadratic
        Equal to ``nl.HalfSquaredError(y) @ blur.as_map("psf", x)`` up to rounding, in double
        precision. For several pairs of images add the functions of the pairs.

    Raises
    ------
    TypeError
        If an array has another namespace or precision than the PSF.
    ValueError
        If a shape does not fit, or an entry of `x` or `y` is not finite.

    Notes
    -----
    For a PSF of ``P`` pixels and an image of ``N``, a value with gradient costs ``P^2``
    multiplications, and the matrix ``8 P^2`` bytes, for every image. Building the matrix
    takes ``O(N log N + P^2)`` operations and products of matrices with ``O(N P)``. Working
    memory does not grow with the image, but where the boundary extends it by a copy, and of a
    stack by its outermost planes. The matrix of a stack's PSF may be large: 15 x 25 x 25 voxels
    have one of 0.7 GB, and building it takes twice as much.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> rng = np.random.default_rng(0)
    >>> x, h = rng.random((32, 32)), np.full((3, 3), 1 / 9)
    >>> A = nl.Blur(h, "reflect")
    >>> f = nl.blur.normal_equations(A, x, A(x) + 1.0)
    >>> round(float(f(h)), 9)  # half of 32 x 32
    512.0
    """
    call = "normal_equations(blur, x, y)"
    instance("normal_equations", "blur", blur, Blur, "a Blur")
    xp = common_namespace(call, x=x, y=y, psf=blur.psf)
    check_precision(xp, call, x=x, y=y, psf=blur.psf)
    for name, array in (("x", x), ("y", y)):
        check_finite(xp, call, name, array)
    made = tuple(blur.outline(x).shape)
    if tuple(y.shape) != made:
        msg = f"{call}: y has the shape {tuple(y.shape)}; want {made}, that of the blurred image"
        raise ValueError(msg)
    e = extended(xp, blur, x)
    psf = in_double(xp, blur.psf)
    d, lead = blur.ndim, tuple(psf.shape[: -blur.ndim])
    P = tuple(psf.shape[-d:])
    e, y = (grouped(xp, a, lead, d) for a in (e, y))
    one = Blur(xp.reshape(psf, (-1, *P))[0, ...], ndim=d, method=blur.method)
    sums = [pair_sums(xp, one, e[i, ...], y[i, ...]) for i in range(e.shape[0])]
    grams, sides, squares = zip(*sums, strict=True)
    size = math.prod(P)
    gram = xp.reshape(xp.stack(grams), (*lead, size, size))
    return Quadratic(gram, xp.reshape(xp.stack(sides), psf.shape), 0.5 * sum(squares))


def grouped(xp: Namespace, a: Array, lead: tuple[int, ...], d: int) -> Array:
    """Return images by the PSFs that they have, shape (PSFs, images of one, ...)."""
    batch = tuple(a.shape[:-d])
    # In front the axes along which each image has its own PSF, then the axes that share one.
    wide = (1,) * (len(batch) - len(lead)) + lead
    own = [axis for axis, size in enumerate(wide) if size > 1]
    shared = [axis for axis, size in enumerate(wide) if size == 1]
    count = math.prod(wide)
    a = xp.permute_dims(a, (*own, *shared, *range(len(batch), a.ndim)))
    return xp.reshape(a, (count, math.prod(batch) // count, *a.shape[len(batch) :]))


def in_double(xp: Namespace, a: Array) -> Array:
    """Return an array in double precision."""
    wide = xp.complex128 if is_complex(xp, a) else xp.float64
    return xp.astype(a, wide, copy=False)


def pair_sums(xp: Namespace, blur: Blur, e: Array, y: Array) -> tuple[Array, Array, float]:
    """Return ``G``, ``b`` and ``|y|^2`` of extended images and data, shapes (images, ...)."""
    P = tuple(blur.psf.shape)
    b: Any = 0.0
    square = 0.0
    for tile in tiles(tuple(y.shape)):
        part = in_double(xp, y[tile])
        fixed: Any = blur.as_map("psf", in_double(xp, e[beyond(tile, P)]))  # a linear operator
        b = b + fixed.adjoint(part)
        square += float(inner(part, part))
    gram = gram_of(xp, xp.flip(e, axis=tuple(range(-blur.ndim, 0))), P)
    if not is_complex(xp, blur.psf):
        return real_part(xp, gram), b, square
    return xp.astype(gram, xp.complex128, copy=False), b, square


def tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the tiles of data of a shape, images in front, whose longest axis is cut in half."""
    if math.prod(shape) <= TILE:
        yield tuple(slice(0, n) for n in shape)
        return
    # Images are told apart first: to cut these costs nothing.
    axis = 0 if shape[0] > 1 else max(range(len(shape)), key=shape.__getitem__)
    half = shape[axis] // 2
    for start, size in ((0, half), (half, shape[axis] - half)):
        for tile in tiles((*shape[:axis], size, *shape[axis + 1 :])):
            own = slice(start + tile[axis].start, start + tile[axis].stop)
            yield (*tile[:axis], own, *tile[axis + 1 :])


def beyond(tile: tuple[slice, ...], P: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the part of the extended images that a tile of the data depends on."""
    sides = (slice(t.start, t.stop + p - 1) for t, p in zip(tile[1:], P, strict=True))
    return (tile[0], *sides)


# G[a, b] = sum over the batch and all m in the window of conj(e[m + a]) e[m + b]
def gram_of(xp: Namespace, e: Array, P: tuple[int, ...]) -> Array:
    """Return the Gram matrix of all shifted windows of ``e``, shape (batch, *n)."""
    d = len(P)
    tables = {kinds: table(xp, e, P, kinds) for kinds in itertools.product("TD", repeat=d)}
    for axis in range(d):
        tables = {
            rest: expand(xp, tables.pop(("T", *rest)), tables.pop(("D", *rest)), 2 * axis)
            for rest in itertools.product("TD", repeat=d - axis - 1)
        }
    G = tables[()]
    pairs = (*range(0, 2 * d, 2), *range(1, 2 * d, 2))
    return xp.reshape(xp.permute_dims(G, pairs), (math.prod(P), math.prod(P)))


# G[a, b] = G[a - 1, b - 1] + D[a - 1, b - 1], G[0, b] = T[b], G[a, 0] = T[-a]
def expand(xp: Namespace, T: Array, D: Array, axis: int) -> Array:
    """Return ``G`` on one axis, as two axes in its place."""
    P = (T.shape[axis] + 1) // 2
    T, D = (xp.permute_dims(t, order(t.ndim, axis, count)) for t, count in ((T, 1), (D, 2)))
    rows = [T[P - 1 :, ...]]
    for a in range(1, P):
        diagonal = rows[-1][:-1, ...] + D[a - 1, ...]
        rows.append(xp.concat([T[P - 1 - a : P - a, ...], diagonal], axis=0))
    del D  # of a large PSF about as large as G
    G = xp.stack(rows)
    return xp.permute_dims(G, (*range(2, 2 + axis), 0, 1, *range(2 + axis, G.ndim)))


def order(ndim: int, first: int, count: int) -> tuple[int, ...]:
    """Return the axes of an array, `count` of them from `first` on before all others."""
    return (*range(first, first + count), *range(first), *range(first + count, ndim))


def table(xp: Namespace, e: Array, P: tuple[int, ...], kinds: tuple[str, ...]) -> Array:
    r"""Return the sums, by lag on axes of kind T and by pairs of rows on axes of kind D.

    Each axis of kind T becomes one of ``2 P - 1`` lags. Each axis of kind D becomes two of
    ``P - 1`` rows: a pair after the window counts positive, a pair before it negative.

    On one axis with ``P = 2`` and ``e = (e_0, e_1, e_2)``, the window has ``M = 2`` entries:

    .. math:: T = (\bar e_1 e_0 + \bar e_2 e_1,\ |e_0|^2 + |e_1|^2,\ \bar e_0 e_1 + \bar e_1 e_2),
              \qquad D = |e_2|^2 - |e_0|^2,

    and ``G[1, 1] = T[0] + D[0, 0]`` is ``|e_1|^2 + |e_2|^2``, as it must be.
    """
    if "D" not in kinds:
        return lag_sums(xp, e, P)
    lags, rows = axes_of(kinds, "T"), axes_of(kinds, "D")
    M = tuple(n - p + 1 for n, p in zip(e.shape[1:], P, strict=True))
    ends = [*itertools.product((False, True), repeat=len(rows))]
    parts = [outer_rows(xp, e, lags, dict(zip(rows, after, strict=True)), P) for after in ends]
    signed = [(-1.0) ** after.count(False) * u for after, u in zip(ends, parts, strict=True)]
    v, u = (xp.concat(some, axis=0) for some in (signed, parts))
    total = row_sums(xp, v, u, pick(P, lags), pick(M, lags))
    sizes = (*(2 * p - 1 for p in pick(P, lags)), *[p - 1 for p in pick(P, rows)] * 2)
    # From lags, rows, rows to the order of the axes.
    now = (*lags, *rows, *rows)
    return xp.permute_dims(xp.reshape(total, sizes), sorted(range(len(now)), key=now.__getitem__))


def axes_of(kinds: tuple[str, ...], kind: str) -> tuple[int, ...]:
    """Return the axes of a kind."""
    return tuple(axis for axis, name in enumerate(kinds) if name == kind)


def pick(sizes: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of some axes."""
    return tuple(sizes[axis] for axis in axes)


def outer_rows(
    xp: Namespace, e: Array, lags: tuple[int, ...], after: dict[int, bool], P: tuple[int, ...]
) -> Array:
    """Return the ``P - 1`` rows of ``e`` after the first window, or before the last one.

    `after` says which of the two for each axis of rows. The result has the batch, the axes
    `lags`, and one axis of all rows.
    """
    index = [slice(None)] * e.ndim
    for axis, behind in after.items():
        start = e.shape[1 + axis] - P[axis] + 1 if behind else 0
        index[1 + axis] = slice(start, start + P[axis] - 1)
    u = in_double(xp, e[tuple(index)])
    u = xp.permute_dims(u, (0, *(1 + axis for axis in (*lags, *after))))
    return xp.reshape(u, (*u.shape[: 1 + len(lags)], math.prod(u.shape[1 + len(lags) :])))


# sum over the batch and all m of conj(v[m + max(-lag, 0), r]) u[m + max(lag, 0), s], with v = +-u
def row_sums(xp: Namespace, v: Array, u: Array, P: tuple[int, ...], M: tuple[int, ...]) -> Array:
    """Return the sums of all pairs of rows, (all lags, rows, rows) or (lags, lags, rows, rows)."""
    if len(P) == 2 and u.shape[-1] > 0:
        return row_correlations(xp, v, u, P)
    terms, rows = u.shape[0] * math.prod(M), u.shape[-1]

    def windows(a: Array, firsts: Sequence[Lag]) -> Array:
        """Return rows from some entries on, shape (terms, rows of each)."""
        parts = [
            a[(slice(None), *(slice(f, f + m) for f, m in zip(first, M, strict=True)), ...)]
            for first in firsts
        ]
        return xp.concat([xp.reshape(part, (terms, rows)) for part in parts], axis=1)

    lags = list(itertools.product(*(range(1 - p, p) for p in P)))
    some = max(1, TILE // max(terms * rows, 1))
    found: dict[Lag, Array] = {}
    # The other half of the lags are the opposite ones.
    for first, group in itertools.groupby(sorted(lags[len(lags) // 2 :], key=before), key=before):
        left, each = conjugate(xp, windows(v, [first])), list(group)
        for start in range(0, len(each), some):
            part = each[start : start + some]
            right = windows(u, [tuple(max(i, 0) for i in lag) for lag in part])
            sums = xp.matmul(xp.matrix_transpose(left), right)
            for k, lag in enumerate(part):
                own = sums[:, k * rows : (k + 1) * rows]
                found[tuple(-i for i in lag)] = xp.matrix_transpose(conjugate(xp, own))
                found[lag] = own
    return xp.stack([found[lag] for lag in lags])


def row_correlations(xp: Namespace, v: Array, u: Array, P: tuple[int, ...]) -> Array:
    """Return the sums of pairs of rows at all lags on two axes, by FFT.

    Products of matrices would copy all rows for each of ``(2 P_0 - 1) (2 P_1 - 1)`` lags.
    """
    real = not is_complex(xp, u)
    v, u = (xp.permute_dims(a, (3, 0, 1, 2)) for a in (v, u))
    sizes = tuple(fast_size(n, real=real) for n in u.shape[2:])
    quadrants: dict[tuple[bool, ...], Array] = {}
    for forward in ((True, True), (True, False)):
        fixed, free = (
            fft(xp, a[(slice(None), *windowed(a[0, ...], P, inside))], sizes, real=real)
            for a, inside in ((v, forward), (u, [not f for f in forward]))
        )
        products = (xp.sum(xp.conj(fixed[r, ...]) * free, axis=1) for r in range(int(u.shape[0])))
        lags = [by_size(xp, ifft(xp, p, sizes, real=real), P, forward) for p in products]
        c = xp.permute_dims(xp.stack(lags), (2, 3, 0, 1))
        quadrants[forward] = c
        quadrants[tuple(not f for f in forward)] = conjugate(xp, xp.matrix_transpose(c))
    return join(xp, quadrants, P, ())


def before(lag: Lag) -> Lag:
    """Return where the left window of a lag begins."""
    return tuple(max(-i, 0) for i in lag)


# T[lag] = sum over the batch and m in [0, M) of conj(e[m + max(-lag, 0)]) e[m + max(lag, 0)]
def lag_sums(xp: Namespace, e: Array, P: tuple[int, ...]) -> Array:
    """Return the sums of all lags, shape (2 P - 1, ...), by FFT.

    One correlation gives the lags of one pattern of signs; in it the fixed factor ends with
    the window. ``T[-lag] = conj(T[lag])`` gives the opposite pattern.
    """
    real = not is_complex(xp, e)
    shape = (e.shape[0], *(n - p + 1 for n, p in zip(e.shape[1:], P, strict=True)))
    # All tiles have about the size of the largest.
    largest = [max(t[1 + a].stop - t[1 + a].start for t in tiles(shape)) for a in range(len(P))]
    sizes = tuple(fast_size(m + p - 1, real=real) for m, p in zip(largest, P, strict=True))
    patterns = [(True, *rest) for rest in itertools.product((True, False), repeat=len(P) - 1)]
    products: dict[tuple[bool, ...], Any] = dict.fromkeys(patterns, 0.0)
    for tile in tiles(shape):
        part = in_double(xp, e[beyond(tile, P)])
        for forward in patterns:
            fixed, free = (
                fft(xp, part[windowed(part, P, inside)], sizes, real=real)
                for inside in (forward, [not f for f in forward])
            )
            products[forward] = products[forward] + xp.sum(xp.conj(fixed) * free, axis=0)
    quadrants: dict[tuple[bool, ...], Array] = {}
    for forward, product in products.items():
        c = by_size(xp, ifft(xp, product, sizes, real=real), P, forward)
        quadrants[forward] = c
        quadrants[tuple(not f for f in forward)] = conjugate(xp, c)
    return join(xp, quadrants, P, ())


def by_size(xp: Namespace, c: Array, P: tuple[int, ...], forward: tuple[bool, ...]) -> Array:
    """Return the sums of a correlation by ``|lag|``: one of a backward axis is at its end."""
    for axis, f in zip(range(-len(P), 0), forward, strict=True):
        if not f:
            c = xp.roll(xp.flip(c, axis=axis), 1, axis=axis)
    return c[(..., *(slice(0, p) for p in P))]


def windowed(e: Array, P: tuple[int, ...], inside: Sequence[bool]) -> tuple[slice, ...]:
    """Return the index of the first window on some axes, and of everything on the others."""
    ends = (n - p + 1 if i else n for n, p, i in zip(e.shape[1:], P, inside, strict=True))
    return (slice(None), *(slice(0, end) for end in ends))


def join(
    xp: Namespace,
    quadrants: dict[tuple[bool, ...], Array],
    P: tuple[int, ...],
    forward: tuple[bool, ...],
) -> Array:
    """Put the quadrants of ``|lag|`` together, axis by axis, to ``1 - P <= lag <= P - 1``."""
    axis = len(forward)
    if axis == len(P):
        return quadrants[forward]
    behind, ahead = (join(xp, quadrants, P, (*forward, f)) for f in (False, True))
    behind = xp.flip(behind, axis=axis)
    keep = (*(slice(None) for _ in range(axis)), slice(0, P[axis] - 1), ...)
    return xp.concat([behind[keep], ahead], axis=axis)
