"""Linear systems that couple each sample of a curve with the next two, for all shots at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from array_api_compat import is_numpy_namespace

from nufftlib.core.arrays import Array, Namespace
from nufftlib.mri.scanner.projection.limits import padded

Pairs = dict[tuple[int, int], tuple[Array, Array, Array]]
"""For each pair of coordinates (a, b), a >= b: the weights of a sample with itself, with the
next, and with the next but one."""
Solver = Callable[[Array], Array]


def factor(xp: Namespace, pairs: Pairs, d: int) -> Solver | None:
    """Return the solver of a symmetric positive definite system.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    pairs : dict
        Of arrays of shape (shots, samples), one less, and two less.
    d : int
        Number of coordinates.

    Returns
    -------
    callable or None
        From right-hand sides of shape (d, shots, samples) to solutions; None if rounding has
        made the system of a shot indefinite.
    """
    return cholesky(pairs, d) if is_numpy_namespace(xp) else cyclic_reduction(xp, pairs, d)


def cholesky(pairs: Pairs, d: int) -> Solver | None:
    """Factor by LAPACK: all shots are one banded matrix, the coordinates of a sample together."""
    from scipy.linalg import cho_solve_banded, cholesky_banded  # slow to import

    shots, samples = pairs[0, 0][0].shape
    band = np.zeros((shots, samples, d, 3 * d))
    for (a, b), weights in pairs.items():
        for distance, w in enumerate(weights):
            for row, column in {(a, b), (b, a)}:
                below = distance * d + row - column
                if below >= 0:
                    band[:, : w.shape[-1], column, below] = w
    matrix = band.reshape(-1, 3 * d).T
    try:
        lower = cholesky_banded(matrix, overwrite_ab=True, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None

    def solve(r: Array) -> Array:
        flat = np.ascontiguousarray(np.moveaxis(r, 0, -1)).reshape(-1)
        x = cho_solve_banded((lower, True), flat, overwrite_b=True, check_finite=False)
        return np.ascontiguousarray(np.moveaxis(x.reshape(shots, samples, d), -1, 0))

    return solve


def cyclic_reduction(xp: Namespace, pairs: Pairs, d: int) -> Solver:
    """Factor by cyclic reduction, which takes log2(samples) steps on all samples at once.

    Two samples make one block, and the matrix is block-tridiagonal. A step eliminates every
    second block.

    References
    ----------
    W. Gander and G. H. Golub, "Cyclic reduction: history and applications", in Scientific
    Computing, Springer 1997.
    """
    diagonal, below = block_tridiagonal(xp, pairs, d)
    levels = []
    while diagonal.shape[1] > 1:
        odd = diagonal[:, 1::2]
        inverse = xp.linalg.inv(odd)
        before, after = below[:, 0::2], below[:, 1::2]  # (odd, even before), (even after, odd)
        left = inverse @ before
        right = inverse[:, : after.shape[1]] @ transposed(xp, after)
        levels.append((inverse, left, right))
        even = diagonal[:, 0::2]
        down = transposed(xp, before) @ left  # what the block after takes from an even one
        up = after @ right  # and the block before
        diagonal = even - fitted(xp, down, even, 0) - fitted(xp, up, even, 1)
        below = -after @ left[:, : after.shape[1]]
    last = xp.linalg.inv(diagonal)

    def solve(r: Array) -> Array:
        samples = r.shape[-1]
        rhs = blocked(xp, r)
        seen = []
        for inverse, left, right in levels:
            odd, even = rhs[:, 1::2], rhs[:, 0::2]
            seen.append(inverse @ odd)
            down = transposed(xp, left) @ odd
            up = transposed(xp, right) @ odd[:, : right.shape[1]]
            rhs = even - fitted(xp, down, even, 0) - fitted(xp, up, even, 1)
        x = last @ rhs
        for (_, left, right), y in zip(reversed(levels), reversed(seen), strict=True):
            following = right @ x[:, 1 : right.shape[1] + 1]
            odd = y - left @ x[:, : left.shape[1]] - fitted(xp, following, y, 0)
            x = interleaved(xp, x, odd)
        return unblocked(xp, x, d, samples)

    return solve


def block_tridiagonal(xp: Namespace, pairs: Pairs, d: int) -> tuple[Array, Array]:
    """Return blocks of two samples: on the diagonal, and below it."""
    samples = pairs[0, 0][0].shape[-1]
    whole = samples + samples % 2

    def entry(a: int, b: int, distance: int, first: int) -> Array:
        known = pairs.get((max(a, b), min(a, b)))
        w = xp.zeros_like(pairs[0, 0][0]) if known is None else known[distance]
        w = padded(xp, w, 0, whole - w.shape[-1])
        if distance == 0 and a == b and whole > samples:  # the sample that fills the last block
            w = xp.concat([w[..., :-1], xp.ones_like(w[..., :1])], axis=-1)
        return w[..., first::2]

    def block(entries: list[list[tuple[int, int] | None]]) -> Array:
        zero = xp.zeros_like(entry(0, 0, 0, 0))
        rows = []
        for row in entries:
            for a in range(d):
                line = [zero if e is None else entry(a, b, *e) for e in row for b in range(d)]
                rows.append(xp.stack(line, axis=-1))
        return xp.stack(rows, axis=-2)

    # An entry by its distance in samples, and by which sample of its block comes first.
    diagonal = block([[(0, 0), (1, 0)], [(1, 0), (0, 1)]])
    below = block([[(2, 0), (1, 1)], [None, (2, 1)]])
    return diagonal, below[:, :-1]


def blocked(xp: Namespace, r: Array) -> Array:
    """Return (d, shots, samples) as (shots, blocks, 2 d, 1)."""
    d, shots, samples = r.shape
    r = padded(xp, r, 0, samples % 2)
    return xp.reshape(xp.permute_dims(r, (1, 2, 0)), (shots, -1, 2 * d, 1))


def unblocked(xp: Namespace, x: Array, d: int, samples: int) -> Array:
    """Return (shots, blocks, 2 d, 1) as (d, shots, samples)."""
    x = xp.reshape(x, (x.shape[0], -1, d))[:, :samples]
    return xp.permute_dims(x, (2, 0, 1))


def transposed(xp: Namespace, a: Array) -> Array:
    """Return the transposes of a stack of matrices."""
    return xp.matrix_transpose(a)


def fitted(xp: Namespace, a: Array, like: Array, before: int) -> Array:
    """Return blocks with zero blocks before, and after as far as `like` goes."""
    zero = xp.zeros_like(a[:, :1]) if a.shape[1] else xp.zeros_like(like[:, :1])
    after = like.shape[1] - before - a.shape[1]
    return xp.concat([zero] * before + [a] + [zero] * after, axis=1)


def interleaved(xp: Namespace, even: Array, odd: Array) -> Array:
    """Return the blocks in order: even, odd, even, ..."""
    n = odd.shape[1]
    both = xp.stack([even[:, :n], odd], axis=2)
    both = xp.reshape(both, (both.shape[0], 2 * n, *both.shape[3:]))
    return xp.concat([both, even[:, n:]], axis=1)
