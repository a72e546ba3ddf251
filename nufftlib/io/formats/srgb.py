"""The transfer curve of sRGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def linear_light(encoded: NDArray[Any]) -> NDArray[np.float32]:
    """Return the light in [0, 1] that values of sRGB in [0, 1] encode (IEC 61966-2-1, 5.2).

    v / 12.92 up to v = 0.04045, and ((v + 0.055) / 1.055)^2.4 above.
    """
    v = encoded.astype(np.float64)
    light: NDArray[np.float32] = np.where(
        v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4
    ).astype(np.float32)
    return light


def encoded_light(light: NDArray[Any]) -> NDArray[np.float64]:
    """Return the values of sRGB in [0, 1] that encode light in [0, 1]."""
    encoded: NDArray[np.float64] = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0) ** (1 / 2.4) - 0.055
    )
    return encoded
