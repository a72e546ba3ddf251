r"""Pictures at points between pixels, and without their finest detail.

.. math:: x(n + t) = \sum_j x_{n + j} \, \kappa(j - t), \qquad
          \kappa(u) = \frac{\sin \pi u}{\pi u} \, e^{-u^2 / 2 s^2}

A cubic spline damps what is above half the highest frequency, as a blur of its own does, and a
PSF that is fitted behind it finds another shift. What is above 0.9 of the highest frequency no
kernel of finite length moves rightly: before pictures are compared, it is taken out of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, namespace

REACH = 20
"""Pixels of the kernel on either side; there it is 2e-5."""

WIDTH = 5.5
"""``s`` in pixels."""

SMOOTHING = 10
"""Pixels of the low pass on either side."""

PASSED, SOFT = 0.88, 4.0
"""The part of all frequencies that the low pass lets through, and its window's ``s``."""


def kernel(u: Any) -> tuple[Any, Any]:
    """Return the kernel at distances in pixels, and its slope."""
    window, sinc = np.exp(-(u**2) / (2 * WIDTH**2)), np.sinc(u)
    apart = np.where(u == 0, 1.0, u)
    slope = np.where(u == 0, 0.0, (np.cos(np.pi * u) - sinc) / apart)
    return sinc * window, (slope - u / WIDTH**2 * sinc) * window


def between_pixels(x: Array, shift: tuple[float, float], margin: int) -> Array:
    """Return ``x(n + t)`` on the pixels within a margin, `REACH` and the longest shift at least."""
    part, ((v0, _), (v1, _)) = taken(x, shift, margin)
    return filtered(part, v0, v1)


def slopes_between(x: Array, shift: tuple[float, float], margin: int) -> list[Array]:
    """Return the derivatives of ``x(n + t)`` by `t` on the same pixels."""
    part, ((v0, s0), (v1, s1)) = taken(x, shift, margin)
    return [filtered(part, -s0, v1), filtered(part, v0, -s1)]


def between_twice(x: Array) -> Array:
    """Return the picture on pixels of half the size from `REACH` on, of the same centre."""
    xp: Any = namespace(x)
    rows, columns = (2 * (n // 2) - 2 * REACH for n in x.shape[-2:])
    halves = [[between_pixels(x, (s / 2, t / 2), REACH) for t in range(2)] for s in range(2)]
    lines = [
        xp.reshape(
            xp.stack([h[..., :rows, :columns] for h in pair], axis=-1),
            (*x.shape[:-2], rows, 2 * columns),
        )
        for pair in halves
    ]
    return xp.reshape(xp.stack(lines, axis=-2), (*x.shape[:-2], 2 * rows, 2 * columns))


def taken(x: Array, shift: tuple[float, float], margin: int) -> tuple[Array, list[tuple[Any, Any]]]:
    """Return the pixels that a shift reaches, and the kernel and its slope along both axes."""
    whole = [round(t) for t in shift]
    rows, columns = (
        slice(margin + k - REACH, n - margin + k + REACH)
        for k, n in zip(whole, x.shape[-2:], strict=True)
    )
    # A blur flips its kernel: that and the picture run in opposite directions.
    j = np.arange(REACH, -REACH - 1, -1)
    return x[..., rows, columns], [kernel(j - (t - k)) for t, k in zip(shift, whole, strict=True)]


def smoothed(x: Array) -> Array:
    """Return the picture without its finest detail, smaller by `SMOOTHING` at each edge."""
    taps = low_pass()
    return filtered(x, taps, taps)


def low_pass() -> Any:
    """Return the taps of the low pass along an axis."""
    j = np.arange(-SMOOTHING, SMOOTHING + 1)
    taps = np.sinc(PASSED * j) * np.exp(-(j**2) / (2 * SOFT**2))
    return taps / taps.sum()


def filtered(x: Array, rows: Any, columns: Any) -> Array:
    """Return the picture behind a filter along each axis, where the filter has all pixels."""
    xp: Any = namespace(x)
    psf = xp.asarray(np.outer(rows, columns), dtype=x.dtype, device=x.device)
    blur = Blur(psf, "valid")
    if x.ndim == 2:
        return blur(x)
    channels: Array = xp.stack([blur(x[c, ...]) for c in range(x.shape[0])])  # less memory
    return channels
