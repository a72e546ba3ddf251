"""Noise, seeded, and equal in every array library."""

from __future__ import annotations

import numpy as np
from array_api_compat import device

from nufftlib.core.arrays import Array, common_namespace, is_complex, is_floating


def gaussian_noise(x: Array, std: float, *, seed: int) -> Array:
    """Return data with white Gaussian noise added.

    Parameters
    ----------
    x : array, real or complex
        Clean data.
    std : float
        Standard deviation of the noise, in units of the data; of a complex array's
        real and imaginary parts each.
    seed : int
        Seed; one seed gives one noise in every library and on every device.

    Returns
    -------
    array
        Of the shape, dtype, namespace and device of `x`.

    Raises
    ------
    TypeError
        If `x` is no floating-point array.
    ValueError
        If `std` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> y = gaussian_noise(np.zeros(100_000), 0.02, seed=0)
    >>> round(float(y.std()), 3)
    0.02
    """
    xp = common_namespace("gaussian_noise(x)", x=x)
    if not is_floating(xp, x):
        msg = f"gaussian_noise(x): x has the dtype {x.dtype}; want floating point"
        raise TypeError(msg)
    if not std >= 0:
        msg = f"gaussian_noise(std): std is {std}; want 0 or more"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    noise = std * rng.standard_normal(x.shape)
    if is_complex(xp, x):
        noise = noise + 1j * std * rng.standard_normal(x.shape)
    return x + xp.asarray(noise, dtype=x.dtype, device=device(x))
