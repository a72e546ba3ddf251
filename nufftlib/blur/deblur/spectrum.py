r"""The noise of a blurred picture and the weight of the differences, from its spectrum.

The sharp picture's spectrum is modelled as a power law, so that the periodogram of the blurred
one has the mean

.. math:: S(\omega) = c\, \frac{|\hat h(\omega)|^2}{|\hat d(\omega)|^{2 q}} + \sigma^2,

with ``|d^|^2``, the differences' power, about ``|omega|^2``. A Hann window keeps the frame out.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from nufftlib.blur.deblur.model import Model, Values, check_picture, laplacian_power, mean_power
from nufftlib.core.arrays import (
    Array,
    check_finite,
    check_precision,
    check_real,
    common_namespace,
)
from nufftlib.core.fourier import fft
from nufftlib.core.noise import on_cpu

QUIET = 1 / 20
"""Part of the frequencies, those with the least light, that the noise is read from."""

LOBE = 2
"""Frequencies on either side into which the window spreads the picture's mean."""

MANY = 2**20
"""Frequencies that the fit and the choice of a weight are content with."""

WEIGHTS = np.geomspace(1e-10, 1e4, 561)
"""Weights that are tried, in steps of a sixteenth."""


def estimate_noise(picture: Array, psf: Array | None = None) -> float:
    r"""Estimate the standard deviation of white noise in a blurred picture.

    It is read where the blurred picture has the least light: at the twentieth of the frequencies
    with the smallest ``|h^|^2 / |d^|^2``, with the PSF's transfer function and the differences'.
    The power of noise alone is distributed exponentially there, with the median
    ``sigma^2 log 2``.

    Parameters
    ----------
    picture : array, shape (..., height, width), real
        The picture; all leading axes share the noise.
    psf : array, shape (height, width), real, optional
        The PSF of its blur. Without it the highest frequencies count, which a sharp picture
        has texture at: the estimate is then an upper bound.

    Returns
    -------
    float
        The standard deviation, in units of the picture.

    Raises
    ------
    TypeError
        If an array is no array of float32 or float64, or the two do not go together.
    ValueError
        If the shapes do not fit, or the picture is not finite.

    References
    ----------
    D. L. Donoho, "De-noising by soft-thresholding", IEEE Trans. Inform. Theory 41 (1995)
    613-627: the median of coefficients that hardly hold anything but noise.

    Examples
    --------
    >>> from nufftlib import blur, data, workflows
    >>> psf, blurred = workflows.simulate_blur(data.astronaut(), noise=0.02, seed=0)
    >>> round(blur.estimate_noise(blurred, psf), 3)
    0.02
    """
    call = "estimate_noise"
    check_picture(call, "picture", picture)
    power = None
    if psf is not None:
        both = f"{call}(picture, psf)"
        xp = common_namespace(both, picture=picture, psf=psf)
        check_precision(xp, both, picture=picture, psf=psf)
        check_real(xp, both, "psf", psf)
        check_finite(xp, both, "psf", psf)
        if psf.ndim != 2 or 0 in psf.shape:
            msg = f"{call}(psf): psf has the shape {tuple(psf.shape)}; want (height, width)"
            raise ValueError(msg)
        one = np.asarray(on_cpu(psf), np.float64)[None]
        power = mean_power(one, np.ones((1, 1)), tuple(picture.shape[-2:]))
    return noise_at(picture, power)


def noise_at(picture: Array, power: Values | None, ndim: int = 2) -> float:
    """Estimate the noise of a picture whose blur has this power; none is no blur."""
    d = laplacian_power(tuple(picture.shape[-ndim:]))
    d.flat[0] = d.max() * 1e-12  # the mean, which is the brightest
    light = (1.0 if power is None else power) / d
    quiet = np.argsort(light, axis=None)[: max(1, round(QUIET * light.size))]
    Y = periodogram(picture, ndim).reshape(-1, light.size)[:, quiet]
    return math.sqrt(float(np.median(Y)) / math.log(2))


def periodogram(picture: Array, ndim: int) -> Values:
    """Return ``|FFT(window y)|^2``, of the expectation ``sigma^2`` for white noise."""
    xp, shape = array_namespace(picture), tuple(picture.shape[-ndim:])
    sides = np.ix_(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape))
    window: Any = math.prod(sides)
    window /= math.sqrt(float(np.sum(window**2)))
    w = xp.asarray(window, dtype=picture.dtype, device=device(picture))
    axes = tuple(range(-ndim, 0))
    level = xp.sum(picture * w, axis=axes, keepdims=True) / xp.sum(w)
    Y = fft(xp, w * (picture - level), shape, real=False)
    return np.asarray(on_cpu(xp.abs(Y)), np.float64) ** 2


class Choice(NamedTuple):
    """A weight of the differences, and what Wiener's filter leaves of the noise with it.

    Attributes
    ----------
    weight : float
        The weight.
    residual : float
        The mean square of the residual, as a part of the noise's.
    """

    weight: float
    residual: float


class PowerLaw(NamedTuple):
    """The sharp picture's spectrum, ``scale / |d^|^(2 exponent)``."""

    scale: float
    exponent: float


def fit_power_law(Y: Values, power: Values, d: Values, noise: float) -> PowerLaw:
    """Fit the sharp picture's spectrum by maximum likelihood (Whittle's, of periodograms)."""
    import scipy.optimize  # heavy

    s2 = noise**2

    # sum log S + Y / S, with S = c |h^|^2 / |d^|^(2 q) + sigma^2
    def loss(p: Values) -> float:
        S = np.exp(p[0].clip(-80, 80) - p[1].clip(-5, 5) * np.log(d)) * power + s2
        return float(np.mean(np.log(S) + Y / S))

    start = [math.log(max(float(np.mean(Y)) - s2, 1e-3 * s2)), 1.0]
    found = scipy.optimize.minimize(loss, start, method="Nelder-Mead").x
    return PowerLaw(math.exp(np.clip(found[0], -80, 80)), float(np.clip(found[1], -5, 5)))


# With T = w |d^|^2 / (|h^|^2 + w |d^|^2), the part of x that is lost, and the noise that is let
# through, the mean squared error at a frequency is T^2 S_x + sigma^2 |h^|^2 / (|h^|^2 + w |d^|^2)^2
# and the residual T^2 S.
def wiener_weight(model: Model, noise: float) -> Choice:
    """Return the weight of the differences with the least mean squared error under the fit."""
    shape = tuple(model.blurred.shape[-model.ndim :])
    k = np.ix_(*(np.abs(np.fft.fftfreq(n, 1 / n)) for n in shape))
    far = functools.reduce(np.maximum, k) > LOBE
    # A picture of a few pixels has no other frequencies than those around its mean.
    far = far if far.any() else laplacian_power(shape) > 0
    if not far.any():
        return Choice(noise**2, 1.0)
    some = np.flatnonzero(far)
    some = some[:: len(some) // MANY | 1]  # an odd step: on no axis a divisor of most sizes
    Y = np.mean(periodogram(model.blurred, model.ndim).reshape(-1, far.size), axis=0)[some]
    power, d = (a.reshape(-1)[some] for a in (model.power(shape), laplacian_power(shape)))
    law = fit_power_law(Y, power, d, noise)
    sharp = law.scale * d**-law.exponent

    def risk(w: float) -> float:
        total = power + w * d
        return float(np.mean((w * d / total) ** 2 * sharp + noise**2 * power / total**2))

    w = float(min(WEIGHTS, key=risk))
    left = (w * d / (power + w * d)) ** 2 * (power * sharp / noise**2 + 1)
    return Choice(w, float(np.mean(left)))
