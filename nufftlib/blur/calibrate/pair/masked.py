r"""The matrix of a blur's patches where some pixels do not count.

.. math:: G[a, b] = \sum_m w[m]\, e[m + a]\, e[m + b]

with the flipped picture ``e`` and 1 or 0 for each pixel of the data. Moving both patches by a
row changes the pixels that count at the upper and lower ends of columns of them only,

.. math:: G[a + 1, b + 1] = G[a, b] + \sum_m (w[m - 1] - w[m])\, e[m + a]\, e[m + b],

so that patches are written out for these ends, and the first rows are correlations. Ends of
lone pixels are many: ``w`` is first made smooth by the majority of each pixel's neighbourhood,
and the patches of the pixels that it overrules are added or taken away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nufftlib.blur.calibrate.pair.active_set import like
from nufftlib.blur.normal_equations import beyond, normal_equations, tiles
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, namespace

ROWS = 4096
"""Patches that are written out at once."""

NEIGHBOURS = 5
"""Pixels along a side of the neighbourhood whose majority counts."""


def masked_gram(blur: Blur, x: Array, seen: Any) -> Array:
    """Return the matrix ``G`` of a picture's patches at the pixels that count.

    Parameters
    ----------
    blur : Blur
        With the PSF's shape and the boundary "valid", in double precision.
    x : array, shape (height, width)
        The sharp picture.
    seen : ndarray of bool
        Which pixels of the valid part count; in NumPy.
    """
    from scipy.ndimage import uniform_filter  # on use: it takes longer than most of the rest

    xp: Any = namespace(x)
    P, Q = blur.psf.shape
    e, w = xp.flip(x, axis=(0, 1)), np.flip(seen)
    smooth = uniform_filter(w.astype(np.float32), NEIGHBOURS, mode="nearest") > 0.5
    if smooth.all():
        one = xp.ones(seen.shape, dtype=x.dtype, device=x.device)
        made: Any = normal_equations(blur, x, one)
        G = made.gram
    else:
        padded = np.pad(smooth.astype(np.int8), ((1, 1), (0, 0)))
        ends = patch_sums(e, padded[:-1] - padded[1:], (P - 1, Q))
        G = expanded(first_rows(blur, e, smooth), xp.reshape(ends, (P - 1, Q, P - 1, Q)))
    overruled: Array = G + patch_sums(e, w.astype(np.int8) - smooth, (P, Q))
    return overruled


def patch_sums(e: Array, weights: Any, size: tuple[int, int]) -> Array:
    """Return the sum of ``weights[m] e[m + a] e[m + b]``, the weights 1, 0 or -1."""
    xp: Any = namespace(e)
    W = e.shape[1]
    offsets = np.add.outer(W * np.arange(size[0]), np.arange(size[1])).ravel()
    flat = xp.reshape(e, (-1,))
    total: Any = xp.zeros((offsets.size, offsets.size), dtype=e.dtype, device=e.device)
    for sign in (1, -1):
        rows, columns = np.nonzero(weights == sign)
        places = W * rows + columns
        for i in range(0, places.size, ROWS):
            at = (places[i : i + ROWS, None] + offsets).ravel()
            patches = xp.reshape(xp.take(flat, like(e, at)), (-1, offsets.size))
            total = total + sign * xp.matmul(xp.matrix_transpose(patches), patches)
    return total


def first_rows(blur: Blur, e: Array, counts: Any) -> Array:
    """Return ``G[(0, a), b]``, shape (Q, P, Q): correlations of a moved picture."""
    xp: Any = namespace(e)
    P, Q = blur.psf.shape
    w = xp.astype(like(e, counts), e.dtype)
    rows: list[Any] = [0.0] * Q
    turned = replace(blur, psf=xp.zeros_like(blur.psf))
    for tile in tiles((1, *counts.shape)):
        part = e[beyond(tile, (P, Q))[1:]]
        own = w[tile[1:]]
        fixed: Any = turned.as_map("psf", part)
        for a in range(Q):
            moved = own * part[: own.shape[0], a : a + own.shape[1]]
            rows[a] = rows[a] + fixed.adjoint(moved)
    # The map's patches are e[m + P - 1 - q].
    return xp.flip(xp.stack(rows), axis=(1, 2))


def expanded(T: Array, D: Array) -> Array:
    """Return ``G`` of its first rows and what each row adds to the one before it."""
    xp: Any = namespace(T)
    Q, P, _ = T.shape
    rows = [T]
    for a in range(1, P):
        first = xp.matrix_transpose(T[:, a, :])[:, None, :]  # G[(a, .), (0, .)]
        rows.append(xp.concat([first, rows[-1][:, :-1, :] + D[a - 1, ...]], axis=1))
    G: Array = xp.reshape(xp.stack(rows), (P * Q, P * Q))
    return G
