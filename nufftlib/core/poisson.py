"""The Poisson likelihood of counts, and the rounding that an FFT leaves in dark pixels."""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import size

from nufftlib.core.arrays import (
    Array,
    Namespace,
    beside,
    check_beside,
    is_complex,
)
from nufftlib.core.kinds import positive
from nufftlib.core.losses import Loss

ROUNDING = 100
"""Rounding that an FFT may leave in dark pixels, in units of the largest entry's precision."""


@dataclass(frozen=True, eq=False, repr=False)
class PoissonLikelihood(Loss):
    r"""The negative log-likelihood of counts, less its minimum.

    .. math:: L = \frac{1}{g} \sum \left( \lambda - t + t \log \frac{t}{\lambda} \right),
              \qquad \lambda = z + b,

    for a target ``t = g n`` with ``n`` drawn from ``Poisson(lambda / g)``, as
    `blur.poisson_noise` draws it. This is a Kullback-Leibler divergence: 0 where
    ``z + b`` is the target, positive elsewhere. The gradient is
    ``(1 - t / lambda) / g``.

    Parameters
    ----------
    target : array, real
        The data ``t`` to be matched, in units of ``z``, 0 or more.
    gain : float
        The increase of the data by one count, positive.
    background : float or array, real
        The light that reaches the detector beside ``z``, in the same units, 0 or more; an array
        broadcasts to the target's shape.

    Raises
    ------
    TypeError
        If target or background is no real floating-point array.
    ValueError
        If an entry of target or background is negative, or the gain is not positive.

    Notes
    -----
    ``lambda`` must be positive, or zero where the target is zero as well. Values down to
    ``-100 eps max |lambda|`` count as zero: a blur by FFT leaves such rounding in dark
    pixels. Elsewhere the likelihood of the data is zero: the
    value is infinite, and the gradient, which does not exist, is zero at those entries.

    A model that is dark where a single count came is such a case, however right it is
    elsewhere, and so is one that rounding made dark. A positive background, if only of a
    tenth of a count, keeps value and gradient finite for every ``z >= 0``; a detector
    has one, its dark current.

    With noise of the reading on top (`blur.poisson_gaussian_noise`), data and mean are
    moved by ``b = std^2 / gain``: their variance, ``gain z + std^2``, is then ``gain``
    times their mean, as of counts. The loss is
    ``PoissonLikelihood(xp.maximum(y + b, 0.0), gain, background=b)`` up to data that are
    cut at zero, which are few if `std` is three times `gain` or more.

    References
    ----------
    D. L. Snyder et al., "Image recovery from data acquired with a charge-coupled-device
    camera", J. Opt. Soc. Am. A 10 (1993) 1014-1023.

    C. Loader, "Fast and accurate computation of binomial probabilities" (2000).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> loss = nl.PoissonLikelihood(np.asarray([0.0, 2.0]))
    >>> value, gradient = loss.value_and_grad(np.asarray([1.0, 2.0]))
    >>> float(value), gradient
    (1.0, array([1., 0.]))
    """

    gain: float = 1.0
    background: Array | float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        call = "PoissonLikelihood"
        check_beside(call, "target", self.target, "target", self.target)
        object.__setattr__(self, "gain", positive(call, "gain", self.gain))
        b = beside(call, "background", self.background, "target", self.target)
        object.__setattr__(self, "background", b)

    def at(self, xp: Namespace, z: Array) -> tuple[Array, Array]:
        """``sum D(t, lambda) / g`` and ``(1 - t / lambda) / g``."""
        if is_complex(xp, z):
            msg = f"PoissonLikelihood(z): z has the dtype {z.dtype}; want real numbers"
            raise TypeError(msg)
        t, rate = self.target, clear_of_rounding(xp, z + self.background)
        impossible = (rate < 0) | ((rate == 0) & (t > 0))
        safe = xp.where(rate > 0, rate, xp.ones_like(rate))
        D = xp.where(t > 0, poisson_deviance(xp, t, safe), rate)
        D = xp.where(impossible, xp.full_like(D, float("inf")), D)
        g = xp.where(impossible, xp.zeros_like(rate), 1.0 - t / safe)
        # NaN stays NaN: it is neither possible nor impossible.
        D, g = (xp.where(xp.isnan(rate), rate, a) for a in (D, g))
        return xp.sum(D) / self.gain, g / self.gain


def poisson_deviance(xp: Namespace, t: Array, rate: Array) -> Array:
    """Return ``rate - t + t log(t / rate)``, to full accuracy where the two are close.

    Near ``t = rate`` terms of first order cancel. With ``r = t - rate`` and
    ``v = r / (t + rate)``, ``log(t / rate) = 2 artanh(v)`` and ``2 t v = r + r v`` give
    ``r v + 2 t (v^3 / 3 + v^5 / 5 + ...)``, of terms of one sign or small (Loader 2000).
    """
    r = t - rate
    v = r / (t + rate)
    near = xp.abs(v) < 0.1
    v2 = xp.where(near, v * v, xp.zeros_like(v))
    series = xp.zeros_like(v)
    for k in range(17, 1, -2):  # 0.1^18 is below rounding
        series = v2 * (series + 1.0 / k)
    # artanh(v) - v is v times the series.
    close = v * (r + 2 * t * series)
    ratio = xp.where(near | (t <= 0), xp.ones_like(t), t / rate)
    return xp.where(near, close, t * xp.log(ratio) - r)


def clear_of_rounding(xp: Namespace, x: Array) -> Array:
    """Return `x` with 0 for entries that are negative only by rounding of the largest one."""
    if size(x) == 0:
        return x
    bound = ROUNDING * float(xp.finfo(x.dtype).eps) * xp.max(xp.abs(x))
    return xp.where((x < 0) & (x >= -bound), xp.zeros_like(x), x)
