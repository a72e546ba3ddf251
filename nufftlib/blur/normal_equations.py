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
of kind ``D``. If all are ``T``, one FFT for each pair of signs gives all lags; else products of
small matrices give the sums.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
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
    takes ``O(N log N + P^2)`` operations and products of matrices with ``O(N P)``.

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
    x, y, psf = (
        xp.astype(a, xp.complex128 if is_complex(xp, a) else xp.float64, copy=False)
        for a in (x, y, blur.psf)
    )
    blur = replace(blur, psf=psf)
    fixed: Any = blur.as_map("psf", x)  # a linear operator
    rhs = fixed.adjoint(y)
    gram = psf_gram(xp, blur, x)
    if is_complex(xp, blur.psf):
        gram = xp.astype(gram, xp.complex128, copy=False)
    return Quadratic(gram, rhs, 0.5 * float(inner(y, y)))


def psf_gram(xp: Namespace, blur: Blur, x: Array) -> Array:
    """Return ``G``, shape (..., P, P) with the leading axes of the PSF."""
    d = blur.ndim
    lead, P = blur.psf.shape[:-d], blur.psf.shape[-d:]
    e = xp.flip(extended(xp, blur, x), axis=tuple(range(-d, 0)))
    batch, n = e.shape[:-d], e.shape[-d:]
    # In front the axes along which each image has its own PSF, then the axes that share one.
    wide = (1,) * (len(batch) - len(lead)) + tuple(lead)
    own = [axis for axis, size in enumerate(wide) if size > 1]
    shared = [axis for axis, size in enumerate(wide) if size == 1]
    e = xp.permute_dims(e, (*own, *shared, *range(len(batch), e.ndim)))
    count = math.prod(wide)
    e = xp.reshape(e, (count, math.prod(batch) // count, *n))
    grams = [gram_of(xp, e[i, ...], P) for i in range(count)]
    if not is_complex(xp, blur.psf):
        grams = [real_part(xp, g) for g in grams]
    size = math.prod(P)
    return xp.reshape(grams[0] if count == 1 else xp.stack(grams), (*lead, size, size))


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
    total: Any = 0.0
    for after in itertools.product((False, True), repeat=len(rows)):
        u = outer_rows(xp, e, lags, dict(zip(rows, after, strict=True)), P)
        sign = (-1.0) ** after.count(False)
        total = total + sign * row_sums(xp, u, pick(P, lags), pick(M, lags))
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
    u = xp.permute_dims(e[tuple(index)], (0, *(1 + axis for axis in (*lags, *after))))
    return xp.reshape(u, (*u.shape[: 1 + len(lags)], math.prod(u.shape[1 + len(lags) :])))


# sum over the batch and all m of conj(u[m + max(-lag, 0), r]) u[m + max(lag, 0), s]
def row_sums(xp: Namespace, u: Array, P: tuple[int, ...], M: tuple[int, ...]) -> Array:
    """Return the sums of all pairs of rows, shape (all lags, rows, rows), by matrix products."""
    found: dict[tuple[int, ...], Array] = {}
    terms = u.shape[0] * math.prod(M)
    lags = list(itertools.product(*(range(1 - p, p) for p in P)))
    for lag in reversed(lags):
        opposite = tuple(-i for i in lag)
        if opposite in found:
            found[lag] = xp.matrix_transpose(conjugate(xp, found[opposite]))
            continue
        left, right = (
            xp.reshape(
                u[(slice(None), *(slice(f, f + m) for f, m in zip(first, M, strict=True)), ...)],
                (terms, u.shape[-1]),
            )
            for first in ([max(-i, 0) for i in lag], [max(i, 0) for i in lag])
        )
        found[lag] = xp.matmul(xp.matrix_transpose(conjugate(xp, left)), right)
    return xp.stack([found[lag] for lag in lags])


# T[lag] = sum over the batch and m in [0, M) of conj(e[m + max(-lag, 0)]) e[m + max(lag, 0)]
def lag_sums(xp: Namespace, e: Array, P: tuple[int, ...]) -> Array:
    """Return the sums of all lags, shape (2 P - 1, ...), by FFT.

    One correlation gives the lags of one pattern of signs; in it the fixed factor ends with
    the window. ``T[-lag] = conj(T[lag])`` gives the opposite pattern.
    """
    d, n = len(P), e.shape[1:]
    real = not is_complex(xp, e)
    sizes = tuple(fast_size(size, real=real) for size in n)

    def transform(fixed: tuple[bool, ...]) -> Array:
        inside = (slice(0, m - p + 1 if f else m) for m, p, f in zip(n, P, fixed, strict=True))
        return fft(xp, e[(slice(None), *inside)], sizes, real=real)

    quadrants: dict[tuple[bool, ...], Array] = {}
    for forward in itertools.product((True, False), repeat=d):
        backward = tuple(not f for f in forward)
        if backward in quadrants:
            quadrants[forward] = conjugate(xp, quadrants[backward])
            continue
        product = xp.sum(xp.conj(transform(forward)) * transform(backward), axis=0)
        c = ifft(xp, product, sizes, real=real)
        # From here on an axis counts |lag|: a lag of a backward axis is found at its end.
        for axis, f in enumerate(forward):
            if not f:
                c = xp.roll(xp.flip(c, axis=axis), 1, axis=axis)
        quadrants[forward] = c[tuple(slice(0, p) for p in P)]
    return join(xp, quadrants, P, ())


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
