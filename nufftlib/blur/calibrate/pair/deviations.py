r"""Standard deviations of a fitted PSF, from the matrix of its free pixels.

White noise of variance :math:`s^2` moves the free pixels by :math:`A^{-1} E^T n`, of covariance
:math:`s^2 A^{-1}`; of pictures without their finest detail, whose noise is no longer white, by
:math:`A^{-1} M A^{-1}` with the matrix :math:`M` of pictures that are filtered twice. What the
motion may do comes on top. That the PSF has the sum one takes its own direction away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nufftlib.blur.calibrate.pair.active_set import like, solution
from nufftlib.blur.calibrate.pair.between import SMOOTHING, low_pass, smoothed
from nufftlib.blur.calibrate.pair.fit import Fit, Information, psf_information
from nufftlib.blur.calibrate.pair.statistics import Sharp
from nufftlib.core.arrays import Array, namespace


def psf_deviations(fit: Fit, motion: Information | None) -> tuple[Array, Array]:
    """Return the standard deviation of each pixel of the PSF, and the covariance of the free ones.

    The deviation of a pixel which is bound to zero is what it would have if it were free: twice
    as much is about the light that may hide there. In the covariance such a pixel has zeros.
    """
    xp: Any = namespace(fit.pairs[0].x)
    h, mask = fit.found
    free = like(h, mask)
    v = xp.reshape(h, (-1,))
    A = psf_information(fit)
    # Along h the gains take all; what is put there instead is taken away again below.
    A = A + xp.max(xp.linalg.diagonal(A)) * v[:, None] * v[None, :] / xp.sum(v * v)
    size = v.shape[0]
    eye = xp.eye(size, dtype=v.dtype, device=v.device)
    inverse = solution(A, eye, mask)
    inverse = xp.where(free[None, :], inverse, xp.zeros_like(inverse))
    covariance = fit.misfit * inverse
    if fit.pairs[0].filled is not None:
        taps = low_pass()
        noise = fit.misfit / float(np.sum(np.outer(taps, taps) ** 2))  # before the low pass
        M = noise * psf_information(twice_filtered(fit))
        covariance = xp.matmul(xp.matmul(inverse, M), inverse)
    if motion is not None:
        moves = xp.matmul(inverse, motion.C)
        inner = xp.linalg.solve(motion.S, xp.matrix_transpose(moves))
        covariance = covariance + fit.misfit * xp.matmul(moves, inner)
    # d(H / sum H) = dH - h sum dH
    total = xp.sum(covariance, axis=1)
    across = v[:, None] * total[None, :]
    covariance = covariance - across - across.T + v[:, None] * v[None, :] * xp.sum(total)
    variance = xp.linalg.diagonal(covariance)
    alone = xp.linalg.diagonal(A) - xp.sum(A * xp.matmul(inverse, A), axis=0)
    bound = fit.misfit / xp.maximum(alone, 1e-12 * xp.linalg.diagonal(A))
    found: Array = xp.sqrt(xp.maximum(xp.where(free, variance, bound), xp.zeros_like(variance)))
    return xp.reshape(found, h.shape), covariance


def twice_filtered(fit: Fit) -> Fit:
    """Return the fit with sharp pictures that have gone through the low pass twice."""
    pairs = []
    for pair in fit.pairs:
        other = replace(pair)
        other.__dict__["sharp"] = Sharp(
            pair.blur, smoothed(pair.sharp.x), pair.inner(pair.seen, 2 * SMOOTHING)
        )
        other.__dict__["light"] = pair.light[..., SMOOTHING:-SMOOTHING, SMOOTHING:-SMOOTHING]
        pairs.append(other)
    after = Fit(pairs, fit.photometry)
    after.__dict__["found"] = fit.found
    return after
