r"""The PSF of an image in hand.

.. math:: \min_{h \ge 0} \tfrac12 \|A(h)\, D x - D y\|^2 + \tfrac r2 \|D h\|^2

Differences commute with the blur, ``D A(h) x = A(h) D x``, and have no mean, which says nothing
of a PSF of sum one. The sum of ``h`` is free, and set to one afterwards: an image of few edges
lacks fine detail, so that the best ``h`` for it has a larger sum. On the simplex the surplus
would be taken from every pixel alike, and the PSF's faint parts would vanish.

``r`` is the squared error that the last PSF leaves, up to a bound. It counts the noise and the
detail that the image lacks, which are in the high frequencies of ``D y``, and keeps them out of
the PSF.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

import optim
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, is_single
from nufftlib.core.inner import inner
from nufftlib.core.quadratic import Quadratic

STEPS = 60
SMOOTHEST = 0.05
"""The largest ``r``, as a part of the mean curvature by a pixel of the PSF."""
FAINT = 0.05
"""Pixels below this part of the brightest are noise."""

NONNEGATIVE = optim.projections.nonnegative()

Matrix: TypeAlias = NDArray[np.float64]


def differences(x: Array) -> Blur:
    """Return ``(D x)[p] = x[p + (1, 0)] - x[p] + i (x[p + (0, 1)] - x[p])``."""
    xp = array_namespace(x)
    dtype = xp.complex64 if is_single(xp, x) else xp.complex128
    # The entry [1 - a, 1 - b] is the weight of x[p + (a, b)].
    return Blur(xp.asarray([[0, 1], [1j, -1 - 1j]], dtype=dtype, device=device(x)))


def next_psf(psf: Array, x: Array, y: Array) -> Array:
    """Return the PSF after a round, of sum one; of an image without edges the last one.

    Parameters
    ----------
    psf : array, shape (height, width)
        The PSF before.
    x, y : array
        The image and its picture.
    """
    xp, D = array_namespace(x), differences(x)
    f = normal_equations(Blur(psf), D(x), D(y))
    h = xp.astype(psf, xp.float64, copy=False)
    power, product = float(inner(h, f.value_and_grad(h)[1] + f.rhs)), float(inner(h, f.rhs))
    if not power > 0:
        return psf
    # min_s |A(s h) D x - D y|^2 = |D y|^2 - <b, h>^2 / <h, G h>
    left = 2 * f.constant - product**2 / power
    curvature = float(xp.linalg.trace(f.gram)) / f.gram.shape[0]
    r = min(left, SMOOTHEST * curvature)
    penalty = xp.asarray(r * laplacian(psf.shape), dtype=h.dtype, device=device(x))
    f = Quadratic(f.gram + penalty, f.rhs, f.constant)
    result = optim.spectral_projected_gradient(f.value_and_grad, h, NONNEGATIVE, steps=STEPS)
    if result.interrupted:
        raise KeyboardInterrupt
    h = result.params
    h = xp.where(h < FAINT * xp.max(h), xp.zeros_like(h), h)
    total = float(xp.sum(h))
    return xp.astype(h / total, psf.dtype, copy=False) if total > 0 else psf


# |D h|^2 = <h, L h>: 2 on the diagonal of each axis and -1 beside it
def laplacian(shape: tuple[int, ...]) -> Matrix:
    """Return the matrix of the squared differences of a PSF that is zero beyond its frame."""
    rows, columns = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) for n in shape)
    return np.kron(rows, np.eye(shape[1])) + np.kron(np.eye(shape[0]), columns)
