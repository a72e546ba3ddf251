"""Noise, seeded, and equal in every array library."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device, is_jax_array, to_device

from nufftlib.core.arrays import (
    Array,
    Namespace,
    beside,
    check_floating,
    common_namespace,
    is_complex,
)
from nufftlib.core.dlpack import as_numpy
from nufftlib.core.kinds import generator, positive
from nufftlib.core.poisson import clear_of_rounding

DLPACK_CPU = 1
BRIGHTEST = 2.0**62
"""Counts beyond this NumPy does not draw: they do not fit its integers."""


def gaussian_noise(x: Array, std: Array | float, *, seed: int) -> Array:
    """Return data with white Gaussian noise added.

    Parameters
    ----------
    x : array, real or complex
        Clean data.
    std : float or array, real
        Standard deviation of the noise, in units of the data; of a complex array's
        real and imaginary parts each. An array has the precision of `x` and broadcasts
        to its shape; it is multiplied on the CPU.
    seed : int
        Seed; one seed gives one noise in every library and on every device.

    Returns
    -------
    array
        Of the shape, dtype, namespace and device of `x`.

    Raises
    ------
    TypeError
        If `x` is no floating-point array, or `std` neither a number nor such an array.
    ValueError
        If `std` is negative or not finite, or its shape does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> y = gaussian_noise(np.zeros(100_000), 0.02, seed=0)
    >>> round(float(y.std()), 3)
    0.02
    """
    xp = floating_namespace("gaussian_noise", x)
    std = checked_std("gaussian_noise", std, x)
    return add_gaussian(xp, x, std, generator("gaussian_noise", seed))


def poisson_noise(x: Array, gain: float = 1.0, *, seed: int) -> Array:
    r"""Return data with the noise of counting.

    .. math:: y = g\, n, \qquad n \sim \mathrm{Poisson}(x / g)

    with mean ``x`` and variance ``g x``.

    Parameters
    ----------
    x : array, real
        Clean data, 0 or more. Values down to ``-100 eps max |x|`` count as 0: a blur by
        FFT leaves such rounding in dark pixels.
    gain : float
        The increase of the data by one count, positive.
    seed : int
        Seed; one seed gives one noise in every library and on every device. Counts are
        drawn on the CPU: of another device the data are copied there and back.

    Returns
    -------
    array
        Of the shape, dtype, namespace and device of `x`.

    Raises
    ------
    TypeError
        If `x` is no real floating-point array.
    ValueError
        If `x` is negative or not finite anywhere, or the gain is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> y = poisson_noise(np.full(100_000, 10.0), gain=0.5, seed=0)
    >>> round(float(y.mean()), 1), round(float(y.var()), 1)
    (10.0, 5.0)
    """
    xp = floating_namespace("poisson_noise", x)
    return scaled_counts("poisson_noise", xp, x, gain, generator("poisson_noise", seed))


def poisson_gaussian_noise(x: Array, gain: float, std: Array | float, *, seed: int) -> Array:
    r"""Return data as a camera reads them: counts, a gain, and noise of the reading.

    .. math:: y = g\, n + \sigma\, z, \qquad n \sim \mathrm{Poisson}(x / g), \quad
              z \sim \mathrm{N}(0, 1)

    with mean ``x`` and variance ``g x + sigma^2``.

    Parameters
    ----------
    x : array, real
        Clean data, 0 or more. Values down to ``-100 eps max |x|`` count as 0: a blur by
        FFT leaves such rounding in dark pixels.
    gain : float
        The increase of the data by one count, positive.
    std : float or array, real
        Standard deviation of the noise of reading, in units of the data; an array as in
        `gaussian_noise`.
    seed : int
        Seed; the counts are those of `poisson_noise`.

    Returns
    -------
    array
        Of the shape, dtype, namespace and device of `x`. It may be negative.

    Raises
    ------
    TypeError
        If `x` is no real floating-point array.
    ValueError
        If `x` is negative or not finite anywhere, or `gain` or `std` is out of range.

    References
    ----------
    D. L. Snyder et al., "Image recovery from data acquired with a charge-coupled-device
    camera", J. Opt. Soc. Am. A 10 (1993) 1014-1023.

    Examples
    --------
    >>> import numpy as np
    >>> y = poisson_gaussian_noise(np.full(100_000, 10.0), gain=0.5, std=1.0, seed=0)
    >>> round(float(y.mean()), 1), round(float(y.var()), 1)
    (10.0, 6.0)
    """
    xp = floating_namespace("poisson_gaussian_noise", x)
    std = checked_std("poisson_gaussian_noise", std, x)
    rng = generator("poisson_gaussian_noise", seed)
    return add_gaussian(xp, scaled_counts("poisson_gaussian_noise", xp, x, gain, rng), std, rng)


def median_deviation(values: Any) -> float:
    """Return the standard deviation of normal numbers of NumPy by their median modulus.

    Their mean is zero; outliers among them hardly matter.
    """
    return float(1.4826 * np.median(np.abs(values)))


def add_gaussian(xp: Namespace, x: Array, std: Any, rng: np.random.Generator) -> Array:
    """Return ``x + std z``, of a complex array with a ``z`` for either part."""
    noise = std * rng.standard_normal(x.shape)
    if is_complex(xp, x):
        noise = noise + 1j * std * rng.standard_normal(x.shape)
    return x + xp.asarray(noise, dtype=x.dtype, device=device(x))


def scaled_counts(
    call: str, xp: Namespace, x: Array, gain: float, rng: np.random.Generator
) -> Array:
    """Return ``g n`` with ``n`` drawn from ``Poisson(x / g)``."""
    if is_complex(xp, x):
        msg = f"{call}(x): x has the dtype {x.dtype}; want real floating point"
        raise TypeError(msg)
    gain = positive(call, "gain", gain)
    mean = on_cpu(clear_of_rounding(xp, x)).astype(np.float64) / gain
    wrong = ~((mean >= 0) & (mean <= BRIGHTEST))  # NaN is neither
    if wrong.any():
        msg = (
            f"{call}(x): {wrong.sum()} of {wrong.size} entries are negative, not finite or beyond "
            f"4e18 counts (first {gain * mean[wrong][0]:g}); want 0 or more"
        )
        raise ValueError(msg)
    return xp.asarray(gain * rng.poisson(mean), dtype=x.dtype, device=device(x))


def on_cpu(x: Array) -> Any:
    """Return `x` as a NumPy array."""
    if is_jax_array(x):  # it has no device by the name of "cpu" alone
        return np.asarray(x)
    if not isinstance(x, np.ndarray) and x.__dlpack_device__()[0] != DLPACK_CPU:
        x = to_device(x, "cpu")
    return as_numpy(x)


def floating_namespace(call: str, x: Array) -> Namespace:
    """Return the namespace of `x`, and refuse dtypes that are not floating point."""
    xp = common_namespace(f"{call}(x)", x=x)
    check_floating(xp, f"{call}(x)", "x", x)
    return xp


def checked_std(call: str, std: Array | float, x: Array) -> Any:
    """Return `std` as a number or a NumPy array of double precision, or refuse it."""
    std = beside(call, "std", std, "x", x)
    return std if isinstance(std, float) else on_cpu(std).astype(np.float64)
