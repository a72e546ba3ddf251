r"""A smooth vignette: light that falls off over the field, shared by all channels.

.. math:: \ell_c(p) = g_c\, v(p)\, (A(h)\, M x)_c(p) + o_c, \qquad
          v(p) = 1 + \sum_{0 < i + j \le 4} a_{ij}\, r^i s^j

with the pixel's place ``r, s`` between -1 and 1. With the PSF, ``v`` is a linear least-squares
problem, whose sums are moments of pictures. With ``v`` the PSF is found behind the light

.. math:: \ell'_c = (\ell_c - o_c) / v + o_c = g_c\, (A(h)\, M x)_c + o_c,

so that the matrix of the patches stays as it is; noise is larger there where light was lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nufftlib.blur.calibrate.pair.active_set import like, on_host
from nufftlib.blur.calibrate.pair.fit import Fit
from nufftlib.blur.calibrate.pair.model import Pair
from nufftlib.core.arrays import Array, namespace

DEGREE = 4
"""Of the polynomial: that of a lens falls off by the fourth power of a cosine."""

POWERS = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]

SHADE = 0.02
"""Part of the middle's light by which a vignette differs from it somewhere."""

LEAST = 0.05
"""Part of the middle's light that is left anywhere; less is no vignette."""


def with_vignette(fit: Fit) -> Fit:
    """Return the fit with the best vignette of each pair at its PSF and gains."""
    return fit.with_pairs([falling_off(pair, fit, i) for i, pair in enumerate(fit.pairs)])


def shaded(fit: Fit) -> bool:
    """Return whether a vignette of a fit is worth the name."""
    xp: Any = namespace(fit.psf)
    found = [pair.vignette for pair in fit.pairs if pair.vignette is not None]
    return any(float(xp.max(xp.abs(v - 1))) > SHADE for v in found)


def falling_off(pair: Pair, fit: Fit, i: int) -> Pair:
    """Return pair `i` of a fit with the best vignette and offsets."""
    xp: Any = namespace(pair.x)
    gain, _ = fit.photometric[i]
    p = gain[:, None, None] * pair.whole.blurred(fit.psf)
    counts = xp.astype(pair.whole.seen, p.dtype)
    p, light = counts * p, counts * pair.decoded(pair.inner(pair.y))
    places = [places_of(pair, axis) for axis in (0, 1)]

    def moments(a: Array, degree: int) -> Any:
        """Return the sums of ``a r^i s^j``, shape (..., degree + 1, degree + 1)."""
        inner = [own[pair.margin : own.size - pair.margin] for own in places]
        rows, columns = (like(a, np.vander(v, degree + 1, increasing=True)) for v in inner)
        return on_host(xp.matmul(xp.matmul(xp.matrix_transpose(rows), a), columns))

    first, second = np.asarray(POWERS).T
    square = moments(xp.sum(p * p, axis=0), 2 * DEGREE)
    A = square[first[:, None] + first, second[:, None] + second]
    B = moments(p, DEGREE)[:, first, second].T  # polynomial and offsets
    C = np.diag(on_host(xp.sum(counts, axis=(-2, -1))))
    b = moments(xp.sum(p * light, axis=0), DEGREE)[first, second]
    rhs = np.concatenate([b, on_host(xp.sum(light, axis=(-2, -1)))])
    found = np.linalg.solve(np.block([[A, B], [B.T, C]]), rhs)
    a, offsets = found[: len(POWERS)] / found[0], found[len(POWERS) :]
    v: Any = sum(
        c * np.multiply.outer(places[0] ** i, places[1] ** j)
        for c, (i, j) in zip(a, POWERS, strict=True)
    )
    return replace(pair, vignette=like(p, np.maximum(v, LEAST)), black=like(p, offsets))


def places_of(pair: Pair, axis: int) -> Any:
    """Return the places of the blurred picture's pixels along an axis, between -1 and 1."""
    return np.linspace(-1, 1, pair.y.shape[1 + axis])
